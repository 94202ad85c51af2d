/* net/connection.h and net/listener.h over real sockets: lines, octets, time, and clients that mean
 * no good. */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <netinet/in.h>

#include "core/check.h"
#include "core/memory.h"
#include "tests/fakes/toy_server.h"
#include "tests/unit/unit.h"

static void pipelined_lines_are_served_in_order(void **state)
{
    struct toy_server server;

    toy_prepare(&server);
    toy_open(&server);
    int client = toy_connect(&server);

    toy_say(client,
            "ECHO 1\r\nWAIT\r\nECHO 2\r\nOCTETS 5\r\n12345ECHO 3\r\nWAIT\r\nEND\r\nECHO 4\r\n");
    toy_expect_end(client, "hello\r\n1\r\nwaited\r\n2\r\ntook 5\r\n3\r\nwaited\r\nbye\r\n");
    toy_close(&server, 1000);
}

static void lines_may_come_octet_by_octet(void **state)
{
    struct toy_server server;
    struct slice text = SLICE("ECHO 1\r\nOCTETS 3\r\nabcECHO 2\r\nEND\r\n");

    toy_prepare(&server);
    toy_open(&server);
    int client = toy_connect(&server);

    for (size_t i = 0; i < text.size; i++) {
        toy_say_octets(client, slice_prefix(slice_skip(text, i), 1));
    }
    toy_expect_end(client, "hello\r\n1\r\ntook 3\r\n2\r\nbye\r\n");
    toy_close(&server, 1000);
}

static void after_an_overlong_line_the_session_lives_on(void **state)
{
    static const size_t sizes[] = {TOY_LINE_SIZE_MAX - 1, TOY_LINE_SIZE_MAX, 4096, 1000 * 1000};
    struct toy_server server;
    char *line = memory_zeroed(1000 * 1000);

    memset(line, 'x', 1000 * 1000);
    toy_prepare(&server);
    toy_open(&server);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        int client = toy_connect(&server);

        toy_say_octets(client, (struct slice){line, sizes[i]});
        toy_say(client, "\r\nEND\r\n");
        toy_expect_end(client, "hello\r\ntoo long\r\nbye\r\n");
    }
    memory_free(line);
    toy_close(&server, 1000);
}

static void who_ends_early_still_gets_all_replies(void **state)
{
    struct toy_server server;

    toy_prepare(&server);
    toy_open(&server);
    int client = toy_connect(&server);

    toy_say(client, "ECHO 1\r\nWAIT\r\nBIG 3\r\nECHO unfinis");
    CHECK(shutdown(client, SHUT_WR) == 0);
    toy_expect_end(client, "hello\r\n1\r\nwaited\r\nxxxend\r\n");
    toy_close(&server, 1000);
}

static void large_output_comes_as_fast_as_it_is_read(void **state)
{
    struct toy_server server;

    toy_prepare(&server);
    toy_open(&server);
    int client = toy_connect(&server);

    toy_expect(client, "hello\r\n");
    toy_say(client, "BIG 20000000\r\nEND\r\n");
    toy_expect_size(client, 20000000);
    toy_expect_end(client, "end\r\nbye\r\n");
    toy_close(&server, 1000);
}

/* ---- Clients that do not read, or say nothing ---- */

static void who_does_not_read_is_not_served_on(void **state)
{
    enum { BEFORE = 40, OCTETS = 1000000 };
    struct toy_server server;
    unsigned served = 0;

    toy_prepare(&server);
    toy_open(&server);
    int greedy = toy_connect(&server);
    int polite = toy_connect(&server);

    toy_expect(greedy, "hello\r\n");
    for (unsigned i = 0; i < BEFORE; i++) {
        toy_say(greedy, "BIG 1000000\r\n");
    }
    /* The greedy one's windows fill; then only the polite one is served. */
    toy_expect(polite, "hello\r\n");
    for (unsigned turn = 0; turn < 1000 && served != atomic_load(&server.lines); turn++) {
        served = atomic_load(&server.lines) + 1;
        toy_say(polite, "ECHO 1\r\n");
        toy_expect(polite, "1\r\n");
    }
    assert_true(atomic_load(&server.lines) < BEFORE);
    for (unsigned i = 0; i < BEFORE; i++) {
        toy_expect_size(greedy, OCTETS);
        toy_expect(greedy, "end\r\n");
    }
    close(greedy);
    close(polite);
    toy_close(&server, 1000);
}

static void who_takes_nothing_is_cut(void **state)
{
    struct toy_server server;

    toy_prepare(&server);
    server.options.output_timeout_ms = 50;
    toy_open(&server);
    int client = toy_connect(&server);

    toy_say(client, "BIG 100000000\r\n");
    toy_await(&server.freed, 1);
    close(client);
    toy_close(&server, 1000);
}

static void who_is_silent_is_told_and_cut(void **state)
{
    struct toy_server server;

    toy_prepare(&server);
    server.protocol.idle_timeout_ms = 50;
    toy_open(&server);
    int client = toy_connect(&server);

    toy_expect_end(client, "hello\r\ntimeout\r\n");
    client = toy_connect(&server);
    toy_say(client, "PATIENCE 3600000\r\n");
    toy_expect(client, "hello\r\nok\r\n");
    toy_say(client, "PATIENCE 20\r\n");
    toy_expect_end(client, "ok\r\ntimeout\r\n");
    toy_close(&server, 1000);
}

/* Each octet comes in time, but no line ever ends. */
static void who_never_ends_a_line_is_silent(void **state)
{
    struct toy_server server;
    char octet = 0;

    toy_prepare(&server);
    server.protocol.idle_timeout_ms = 100;
    toy_open(&server);
    int client = toy_connect(&server);
    struct timeval pause = {.tv_usec = 10 * 1000};

    toy_expect(client, "hello\r\n");
    CHECK(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause)) == 0);
    while (recv(client, &octet, 1, 0) < 0) {
        toy_say(client, "x");
    }
    assert_int_equal(octet, 't');
    close(client);
    toy_close(&server, 1000);
}

static void who_goes_away_while_its_request_runs_is_forgotten(void **state)
{
    struct toy_server server;

    toy_prepare(&server);
    toy_open(&server);
    int client = toy_connect(&server);

    toy_say(client, "HOLD\r\n");
    toy_await(&server.holds, 1);
    struct linger reset = {.l_onoff = 1};

    CHECK(setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0);
    close(client);
    toy_let_go(&server);
    toy_await(&server.freed, 1);
    toy_close(&server, 1000);
}

/* ---- Limits ---- */

static void over_the_limit_of_an_address_comes_a_refusal(void **state)
{
    struct toy_server server;
    struct accept_limiter *limiter = accept_limiter_new(100, 2);

    toy_prepare(&server);
    server.options.limiter = limiter;
    server.options.refusal = SLICE("go away\r\n");
    toy_open(&server);
    int first = toy_connect(&server);
    int second = toy_connect(&server);

    toy_expect(first, "hello\r\n");
    toy_expect(second, "hello\r\n");
    toy_expect_end(toy_connect(&server), "go away\r\n");
    toy_say(first, "END\r\n");
    toy_expect_end(first, "bye\r\n");
    /* The first has left once the server saw its end: ask until then. */
    for (bool admitted = false; !admitted;) {
        int next = toy_connect(&server);
        char octet = 0;

        assert_int_equal(recv(next, &octet, 1, 0), 1);
        admitted = octet == 'h';
        close(next);
    }
    close(second);
    toy_close(&server, 1000);
    accept_limiter_free(limiter);
}

static void a_limit_of_all_counts_every_loop(void **state)
{
    enum { LIMIT = 20 };
    struct toy_server server;
    struct accept_limiter *limiter = accept_limiter_new(LIMIT, 1000);
    int clients[LIMIT];

    toy_prepare(&server);
    server.options.limiter = limiter;
    server.options.refusal = SLICE("go away\r\n");
    server.options.loop_count = 3;
    toy_open(&server);
    for (size_t i = 0; i < LIMIT; i++) {
        clients[i] = toy_connect(&server);
        toy_expect(clients[i], "hello\r\n");
    }
    toy_expect_end(toy_connect(&server), "go away\r\n");
    for (size_t i = 0; i < LIMIT; i++) {
        close(clients[i]);
    }
    toy_close(&server, 1000);
    accept_limiter_free(limiter);
}

static void a_port_in_use_and_an_address_that_is_none_are_told_apart(void **state)
{
    struct toy_server server;
    struct listener *other = NULL;

    toy_prepare(&server);
    toy_open(&server);
    struct listener_options options = server.options;

    options.port = listener_port(server.listener);
    assert_int_equal(listener_open(&options, &other), STATUS_EXISTS);
    options.address = "localhost";
    assert_int_equal(listener_open(&options, &other), STATUS_INVALID);
    options.address = "192.0.2.1";
    assert_int_equal(listener_open(&options, &other), STATUS_UNAVAILABLE);
    toy_close(&server, 1000);
}

static void all_addresses_include_the_ipv4_one(void **state)
{
    struct toy_server server;

    toy_prepare(&server);
    server.options.address = "*";
    toy_open(&server);
    int client = toy_connect(&server);

    toy_say(client, "PEER\r\nEND\r\n");
    toy_expect_end(client, "hello\r\n127.0.0.1 \r\nbye\r\n");
    toy_close(&server, 1000);
}

/* Whom it cannot serve it lets go at once; who is served already notices nothing. */
static void without_descriptors_service_goes_on(void **state)
{
    enum { CLIENTS = 20 };
    struct toy_server server;
    struct rlimit before;
    int clients[CLIENTS];

    toy_prepare(&server);
    toy_open(&server);
    int served = toy_connect(&server);

    toy_expect(served, "hello\r\n");
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(clients[i] >= 0);
    }
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);

    CHECK(getpeername(served, (struct sockaddr *)&address, &size) == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    struct rlimit none = {(rlim_t)clients[CLIENTS - 1] + 1, before.rlim_max};

    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    for (size_t i = 0; i < CLIENTS; i++) {
        char octet = 0;

        CHECK(connect(clients[i], (struct sockaddr *)&address, size) == 0);
        assert_true(recv(clients[i], &octet, 1, 0) <= 0);
        close(clients[i]);
        toy_say(served, "ECHO 1\r\n");
        toy_expect(served, "1\r\n");
        clients[i] = dup(served); /* keeps the descriptor in use */
    }
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    int again = toy_connect(&server);

    toy_expect(again, "hello\r\n");
    for (size_t i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    close(again);
    close(served);
    toy_close(&server, 1000);
}

/* ---- The end of a server ---- */

static void sessions_say_their_last_word_and_those_that_wait_first_finish(void **state)
{
    struct toy_server server;

    toy_prepare(&server);
    server.options.loop_count = 1;
    toy_open(&server);
    int idle = toy_connect(&server);
    int waiting = toy_connect(&server);

    toy_expect(idle, "hello\r\n");
    toy_say(waiting, "HOLD\r\nECHO 1\r\n");
    toy_await(&server.holds, 1);
    toy_stop(&server, 60 * 1000);
    toy_expect_end(idle, "stopping\r\n");
    toy_let_go(&server);
    toy_expect_end(waiting, "hello\r\nheld\r\nstopping\r\n");
    toy_await_end(&server);
}

static void after_the_grace_all_are_closed(void **state)
{
    struct toy_server server;

    toy_prepare(&server);
    toy_open(&server);
    int client = toy_connect(&server);

    toy_say(client, "HOLD\r\n");
    toy_await(&server.holds, 1);
    toy_close(&server, 20);
    toy_expect_end(client, "hello\r\n");
}

/* ---- Crowds ---- */

enum { CROWD = 10000 };

/* In a process of its own, since one process may not have twice as many descriptors. */
static pid_t send_crowd(int port_pipe, int ready_pipe)
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child > 0) {
        return child;
    }
    struct sockaddr_storage address;
    char octet = 'x';

    if (read(port_pipe, &address, sizeof(address)) != sizeof(address)) {
        _exit(1);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        int socket_of_one = socket(AF_INET, SOCK_STREAM, 0);

        if (socket_of_one < 0 ||
            connect(socket_of_one, (struct sockaddr *)&address, sizeof(struct sockaddr_in)) != 0 ||
            send(socket_of_one, "NEVER ENDS", 10, MSG_NOSIGNAL) != 10) {
            _exit(2);
        }
    }
    _exit(write(ready_pipe, &octet, 1) == 1 && read(port_pipe, &octet, 1) == 1 ? 0 : 3);
}

static void ten_thousand_that_never_end_a_line_do_not_stop_service(void **state)
{
    struct toy_server server;
    int port_pipe[2];
    int ready_pipe[2];
    char octet = 0;
    int outcome = 0;

    CHECK(pipe(port_pipe) == 0 && pipe(ready_pipe) == 0);
    pid_t crowd = send_crowd(port_pipe[0], ready_pipe[1]);

    toy_prepare(&server);
    server.options.loop_count = 2;
    toy_open(&server);
    int client = toy_connect(&server);
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);

    CHECK(getpeername(client, (struct sockaddr *)&address, &size) == 0);
    CHECK(write(port_pipe[1], &address, sizeof(address)) == sizeof(address));
    CHECK(read(ready_pipe[0], &octet, 1) == 1);
    toy_await(&server.opened, CROWD + 1);
    toy_expect(client, "hello\r\n");
    toy_say(client, "ECHO 1\r\nWAIT\r\nBIG 1000000\r\n");
    toy_expect(client, "1\r\nwaited\r\n");
    toy_expect_size(client, 1000000);
    toy_expect(client, "end\r\n");
    CHECK(write(port_pipe[1], "", 1) == 1);
    CHECK(waitpid(crowd, &outcome, 0) == crowd);
    assert_int_equal(outcome, 0);
    close(client);
    toy_close(&server, 10000);
    for (size_t i = 0; i < 2; i++) {
        close(port_pipe[i]);
        close(ready_pipe[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_lines_are_served_in_order),
        cmocka_unit_test(lines_may_come_octet_by_octet),
        cmocka_unit_test(after_an_overlong_line_the_session_lives_on),
        cmocka_unit_test(who_ends_early_still_gets_all_replies),
        cmocka_unit_test(large_output_comes_as_fast_as_it_is_read),
        cmocka_unit_test(who_does_not_read_is_not_served_on),
        cmocka_unit_test(who_takes_nothing_is_cut),
        cmocka_unit_test(who_is_silent_is_told_and_cut),
        cmocka_unit_test(who_never_ends_a_line_is_silent),
        cmocka_unit_test(who_goes_away_while_its_request_runs_is_forgotten),
        cmocka_unit_test(over_the_limit_of_an_address_comes_a_refusal),
        cmocka_unit_test(a_limit_of_all_counts_every_loop),
        cmocka_unit_test(a_port_in_use_and_an_address_that_is_none_are_told_apart),
        cmocka_unit_test(all_addresses_include_the_ipv4_one),
        cmocka_unit_test(without_descriptors_service_goes_on),
        cmocka_unit_test(sessions_say_their_last_word_and_those_that_wait_first_finish),
        cmocka_unit_test(after_the_grace_all_are_closed),
        cmocka_unit_test(ten_thousand_that_never_end_a_line_do_not_stop_service),
    };

    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
