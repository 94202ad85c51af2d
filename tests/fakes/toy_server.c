#include "tests/fakes/toy_server.h"

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/number.h"
#include "tests/unit/unit.h"

enum { PATIENCE_MS = 20 * 1000 };

struct toy_session {
    struct session_port port;
    struct toy_server *server;
    struct loop_timer turn;
    uint64_t left; /* octets to write or to take */
    uint64_t size;
};

static enum session_next say(struct toy_session *session, const char *text)
{
    buffer_printf(session->port.output, "%s\r\n", text);
    return SESSION_READS;
}

static void on_turn(struct loop_timer *turn)
{
    struct toy_session *session = CONTAINER_OF(turn, struct toy_session, turn);

    say(session, "waited");
    session->port.wake(session->port.connection, SESSION_READS);
}

static void *open_toy(const struct session_port *port, void *context, enum session_next *out_next)
{
    struct toy_session *session = NEW(struct toy_session);

    session->port = *port;
    session->server = context;
    loop_timer_init(&session->turn, port->loop, on_turn);
    atomic_fetch_add(&session->server->opened, 1);
    say(session, "hello");
    return session;
}

static void free_toy(void *data)
{
    struct toy_session *session = data;

    loop_timer_stop(&session->turn);
    if (session->server->held == session) {
        session->server->held = NULL;
    }
    atomic_fetch_add(&session->server->freed, 1);
    memory_free(session);
}

static uint64_t number_of(struct slice text)
{
    uint64_t number = 0;

    assert_int_equal(number_parse(text, UINT64_MAX, &number), STATUS_OK);
    return number;
}

static enum session_next on_drained(void *data)
{
    struct toy_session *session = data;

    while (session->left > 0 && session->port.output->size < SESSION_OUTPUT_ENOUGH) {
        buffer_append_octet(session->port.output, 'x');
        session->left--;
    }
    return session->left > 0 ? SESSION_WRITES : say(session, "end");
}

static enum session_next on_octets(void *data, struct slice octets, size_t *out_taken)
{
    struct toy_session *session = data;

    *out_taken = octets.size < session->left ? octets.size : session->left;
    session->left -= *out_taken;
    if (session->left > 0) {
        return SESSION_READS_OCTETS;
    }
    buffer_printf(session->port.output, "took %u\r\n", (unsigned)session->size);
    return SESSION_READS;
}

static enum session_next hold(struct toy_session *session)
{
    session->server->held = session;
    atomic_fetch_add(&session->server->holds, 1);
    return SESSION_WAITS;
}

static enum session_next show_peer(struct toy_session *session)
{
    const struct session_peer *peer = session->port.peer;

    buffer_printf(session->port.output, "%.*s %.*s\r\n", (int)peer->address.size,
                  peer->address.data, (int)peer->tls_version.size,
                  peer->is_tls ? peer->tls_version.data : "");
    return SESSION_READS;
}

static enum session_next on_line(void *data, struct slice line)
{
    struct toy_session *session = data;
    struct slice verb = slice_cut(&line, ' ');

    atomic_fetch_add(&session->server->lines, 1);
    if (slice_is(verb, "ECHO")) {
        buffer_append(session->port.output, line);
        return say(session, "");
    }
    if (slice_is(verb, "PEER")) {
        return show_peer(session);
    }
    if (slice_is(verb, "WAIT")) {
        loop_timer_start(&session->turn, 0);
        return SESSION_WAITS;
    }
    if (slice_is(verb, "HOLD")) {
        return hold(session);
    }
    if (slice_is(verb, "BIG")) {
        session->left = number_of(line);
        return SESSION_WRITES;
    }
    if (slice_is(verb, "OCTETS")) {
        session->left = session->size = number_of(line);
        return SESSION_READS_OCTETS;
    }
    if (slice_is(verb, "PATIENCE")) {
        session->port.set_idle_timeout(session->port.connection, number_of(line));
        return say(session, "ok");
    }
    if (slice_is(verb, "TLS")) {
        say(session, "go");
        return SESSION_STARTS_TLS;
    }
    say(session, slice_is(verb, "END") ? "bye" : "what?");
    return slice_is(verb, "END") ? SESSION_ENDS : SESSION_READS;
}

static enum session_next on_overlong_line(void *data)
{
    return say(data, "too long");
}

static enum session_next on_tls(void *data)
{
    return say(data, "secured");
}

static void on_timeout(void *data)
{
    say(data, "timeout");
}

static void on_stop(void *data)
{
    say(data, "stopping");
}

static void on_let_go(struct loop_message *message)
{
    struct toy_server *server = CONTAINER_OF(message, struct toy_server, let_go);
    struct toy_session *session = server->held;

    if (session != NULL) {
        server->held = NULL;
        say(session, "held");
        session->port.wake(session->port.connection, SESSION_READS);
    }
}

/* ---- The server ---- */

void toy_prepare(struct toy_server *server)
{
    *server = (struct toy_server){
        .protocol = {.name = "toy",
                     .line_size_max = TOY_LINE_SIZE_MAX,
                     .idle_timeout_ms = 60 * 60 * 1000,
                     .open = open_toy,
                     .on_line = on_line,
                     .on_overlong_line = on_overlong_line,
                     .on_octets = on_octets,
                     .on_drained = on_drained,
                     .on_tls = on_tls,
                     .on_timeout = on_timeout,
                     .on_stop = on_stop,
                     .free = free_toy,
                     .context = server},
        .options = {.address = "127.0.0.1",
                    .loops = server->loops,
                    .loop_count = 1,
                    .protocol = &server->protocol},
        .let_go = {.run = on_let_go},
    };
}

void toy_open(struct toy_server *server)
{
    for (size_t i = 0; i < server->options.loop_count; i++) {
        server->loops[i] = loop_new("toy");
        loop_start(server->loops[i]);
    }
    assert_int_equal(listener_open(&server->options, &server->listener), STATUS_OK);
}

void toy_let_go(struct toy_server *server)
{
    loop_post(server->loops[0], &server->let_go);
}

struct ending {
    struct loop_message message;
    struct loop *loop;
};

static struct ending ending;

static void on_ended(struct loop_message *message)
{
    loop_stop(ending.loop);
}

void toy_stop(struct toy_server *server, uint64_t grace_ms)
{
    ending = (struct ending){{on_ended, NULL}, loop_new("ending")};
    listener_stop(server->listener, grace_ms, ending.loop, &ending.message);
}

void toy_await_end(struct toy_server *server)
{
    loop_run(ending.loop);
    listener_free(server->listener);
    for (size_t i = 0; i < server->options.loop_count; i++) {
        loop_stop(server->loops[i]);
        loop_join(server->loops[i]);
    }
    loops_free(server->loops, server->options.loop_count);
    loop_free(ending.loop);
    assert_int_equal(atomic_load(&server->opened), atomic_load(&server->freed));
}

void toy_close(struct toy_server *server, uint64_t grace_ms)
{
    toy_stop(server, grace_ms);
    toy_await_end(server);
}

/* ---- The client ---- */

int toy_connect(const struct toy_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(listener_port(server->listener)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};

    CHECK(descriptor >= 0);
    CHECK(connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) == 0);
    CHECK(setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
    return descriptor;
}

void toy_say_octets(int socket, struct slice octets)
{
    while (octets.size > 0) {
        ssize_t sent = send(socket, octets.data, octets.size, MSG_NOSIGNAL);

        assert_true(sent > 0);
        octets = slice_skip(octets, (size_t)sent);
    }
}

void toy_say(int socket, const char *text)
{
    toy_say_octets(socket, slice_of(text));
}

void toy_expect_size(int socket, size_t size)
{
    char octets[16 * 1024];

    while (size > 0) {
        ssize_t got = recv(socket, octets, size < sizeof(octets) ? size : sizeof(octets), 0);

        assert_true(got > 0);
        size -= (size_t)got;
    }
}

void toy_expect(int socket, const char *text)
{
    size_t size = strlen(text);
    char *octets = memory_zeroed(size + 1);
    size_t filled = 0;

    while (filled < size) {
        ssize_t got = recv(socket, octets + filled, size - filled, 0);

        if (got <= 0) {
            break;
        }
        filled += (size_t)got;
    }
    assert_slice_equals(((struct slice){octets, filled}), text);
    memory_free(octets);
}

void toy_expect_end(int socket, const char *text)
{
    char octet = 0;

    toy_expect(socket, text);
    assert_int_equal(recv(socket, &octet, 1, 0), 0);
    close(socket);
}

void toy_await(const atomic_uint *count, unsigned least)
{
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;

    while (atomic_load(count) < least) {
        assert_true(clock_monotonic_ms() < end_ms);
        sched_yield();
    }
}
