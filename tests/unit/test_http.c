/* net/http_server.h over real sockets: what is served, and what is refused before anybody can
 * understand it in two ways. */
#include <sys/socket.h>
#include <unistd.h>

#include "core/check.h"
#include "core/memory.h"
#include "net/http_server.h"
#include "tests/fakes/toy_server.h"
#include "tests/unit/unit.h"

enum { BODY_SIZE_MAX = 100 };

struct site {
    struct http_exchange *held;
    struct loop_message answer;
    atomic_uint served;
    atomic_uint holds;
    atomic_uint gone;
};

static void on_gone(void *context)
{
    struct site *site = context;

    site->held = NULL;
    atomic_fetch_add(&site->gone, 1);
}

/* Shows what it understood. "/later" is answered when the test lets it. */
static void serve(struct http_exchange *exchange, const struct http_request *request, void *context)
{
    struct site *site = context;
    struct slice token = SLICE("-");
    struct buffer shown;

    atomic_fetch_add(&site->served, 1);
    if (slice_equals(request->path, SLICE("/later"))) {
        site->held = exchange;
        http_exchange_hold(exchange, on_gone, site);
        atomic_fetch_add(&site->holds, 1);
        return;
    }
    buffer_init(&shown, 64 * 1024);
    if (http_request_header(request, "authorization", &token) != STATUS_OK) {
        token = SLICE("-");
    }
    buffer_append(&shown, request->method);
    buffer_append(&shown, SLICE(" "));
    buffer_append(&shown, request->path);
    buffer_append(&shown, SLICE(" "));
    if (http_request_query(request, "name", &shown) != STATUS_OK) {
        buffer_append(&shown, SLICE("-"));
    }
    buffer_append(&shown, SLICE(" "));
    buffer_append(&shown, token);
    buffer_append(&shown, SLICE(" "));
    buffer_append(&shown, request->body);
    http_respond_header(exchange, "X-Good", SLICE("yes"));
    http_respond_header(exchange, "X-Bad", SLICE("yes\r\nX-Injected: yes"));
    http_respond(exchange, 200, "text/plain", buffer_view(&shown));
    buffer_done(&shown);
}

static void on_answer(struct loop_message *message)
{
    struct site *site = CONTAINER_OF(message, struct site, answer);

    http_respond(site->held, 404, "text/plain", SLICE("late"));
}

static void open_site(struct toy_server *server, struct site *site, struct http_handler *handler)
{
    *site = (struct site){.answer = {.run = on_answer}};
    *handler = (struct http_handler){serve, site, BODY_SIZE_MAX};
    toy_prepare(server);
    server->protocol = http_protocol(handler);
    toy_open(server);
}

#define HEAD                                                                                       \
    "HTTP/1.1 200 OK\r\nX-Good: yes\r\nContent-Type: text/plain\r\n"                               \
    "X-Content-Type-Options: nosniff\r\n"
#define KEPT   "Cache-Control: no-store\r\nConnection: keep-alive\r\n\r\n"
#define CLOSED "Cache-Control: no-store\r\nConnection: close\r\n\r\n"

static void assert_answer(const char *request, const char *answer)
{
    struct toy_server server;
    struct site site;
    struct http_handler handler;

    open_site(&server, &site, &handler);
    int client = toy_connect(&server);

    toy_say(client, request);
    CHECK(shutdown(client, SHUT_WR) == 0);
    toy_expect_end(client, answer);
    toy_close(&server, 1000);
}

static void requests_are_served_in_order_on_one_connection(void **state)
{
    assert_answer("GET /a?x=1&name=b%2fc+d&y HTTP/1.1\r\nHost: h\r\nauthorization: Bearer t\r\n\r\n"
                  "\r\nPOST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
                  "POST /q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
                  "HEAD /h HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
                  "GET /never HTTP/1.1\r\nHost: h\r\n\r\n",
                  HEAD "Content-Length: 22\r\n" KEPT "GET /a b/c d Bearer t " HEAD
                       "Content-Length: 17\r\n" KEPT "POST /p - - hello" HEAD
                       "Content-Length: 17\r\n" KEPT "POST /q - - abcde" HEAD
                       "Content-Length: 12\r\n" CLOSED);
}

static void an_old_client_is_served_once(void **state)
{
    assert_answer("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
                  HEAD "Content-Length: 10\r\n" CLOSED "GET / - - ");
}

static void a_client_that_waits_for_it_hears_continue(void **state)
{
    assert_answer("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n"
                  "Connection: close\r\n\r\nx",
                  "HTTP/1.1 100 Continue\r\n\r\n" HEAD "Content-Length: 12\r\n" CLOSED
                  "POST / - - x");
}

#define REFUSAL(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n" CLOSED

static const struct example {
    const char *name;
    const char *request; /* after "POST / HTTP/1.1\r\n", unless it has a line of its own */
    const char *answer;
} refused[] = {
    {"no host", "\r\n", REFUSAL("400 Bad Request")},
    {"two hosts", "Host: a\r\nHost: b\r\n\r\n", REFUSAL("400 Bad Request")},
    {"length and encoding", "Host: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
     REFUSAL("400 Bad Request")},
    {"encoding and length", "Host: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
     REFUSAL("400 Bad Request")},
    {"two lengths", "Host: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
     REFUSAL("400 Bad Request")},
    {"a list of lengths", "Host: h\r\nContent-Length: 3, 3\r\n\r\nabc", REFUSAL("400 Bad Request")},
    {"a signed length", "Host: h\r\nContent-Length: +3\r\n\r\nabc", REFUSAL("400 Bad Request")},
    {"a length over 2^64", "Host: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
     REFUSAL("400 Bad Request")},
    {"another encoding", "Host: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
     REFUSAL("400 Bad Request")},
    {"chunked, but not last", "Host: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
     REFUSAL("400 Bad Request")},
    {"two encodings", "Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
     REFUSAL("400 Bad Request")},
    {"a chunk extension", "Host: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
     REFUSAL("400 Bad Request")},
    {"a chunk size that is none", "Host: h\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n",
     REFUSAL("400 Bad Request")},
    {"a chunk over 2^64", "Host: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n",
     REFUSAL("400 Bad Request")},
    {"a bare LF", "Host: h\nX: y\r\n\r\n", REFUSAL("400 Bad Request")},
    {"a bare CR", "Host: h\rX: y\r\n\r\n", REFUSAL("400 Bad Request")},
    {"folding", "Host: h\r\nX: y\r\n z\r\n\r\n", REFUSAL("400 Bad Request")},
    {"a blank before the colon", "Host: h\r\nX : y\r\n\r\n", REFUSAL("400 Bad Request")},
    {"a header without a colon", "Host: h\r\nX\r\n\r\n", REFUSAL("400 Bad Request")},
    {"another expectation", "Host: h\r\nExpect: cake\r\nContent-Length: 0\r\n\r\n",
     REFUSAL("417 Expectation Failed")},
    {"a length over the limit", "Host: h\r\nContent-Length: 101\r\n\r\n",
     REFUSAL("413 Content Too Large")},
    {"a body over the limit",
     "Host: h\r\nTransfer-Encoding: chunked\r\n\r\n"
     "32\r\n01234567890123456789012345678901234567890123456789\r\n"
     "32\r\n01234567890123456789012345678901234567890123456789\r\n1\r\nx\r\n0\r\n\r\n",
     REFUSAL("413 Content Too Large")},
};

static void what_could_be_understood_in_two_ways_is_refused(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct buffer request;

        print_message("  %s\n", refused[i].name);
        buffer_init(&request, 4096);
        buffer_printf(&request, "POST / HTTP/1.1\r\n%sGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
                      refused[i].request);
        buffer_append_octet(&request, '\0');
        assert_answer(request.data, refused[i].answer);
        buffer_done(&request);
    }
}

static void requests_that_are_none_are_refused(void **state)
{
    static const char *const lines[] = {"nonsense\r\n\r\n",
                                        "GET /\r\n\r\n",
                                        "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
                                        "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
                                        " GET / HTTP/1.1\r\n",
                                        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"};

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        print_message("  %s", lines[i]);
        assert_answer(lines[i], REFUSAL("400 Bad Request"));
    }
}

/* ---- Limits ---- */

static void assert_repeated(const char *begin, const char *piece, size_t count, const char *answer)
{
    struct toy_server server;
    struct site site;
    struct http_handler handler;

    open_site(&server, &site, &handler);
    int client = toy_connect(&server);
    struct buffer request;

    buffer_init(&request, 1024 * 1024);
    buffer_append(&request, slice_of(begin));
    for (size_t i = 0; i < count; i++) {
        buffer_append(&request, slice_of(piece));
    }
    toy_say_octets(client, buffer_view(&request));
    toy_expect(client, answer);
    assert_int_equal(atomic_load(&site.served), 0);
    close(client);
    buffer_done(&request);
    toy_close(&server, 1000);
}

static void large_heads_are_refused(void **state)
{
    const char *answer = REFUSAL("431 Request Header Fields Too Large");

    assert_repeated("GET /", "x", 9000, answer);
    assert_repeated("GET / HTTP/1.1\r\nHost: h\r\n", "X: y\r\n", 101, answer);
    assert_repeated("GET / HTTP/1.1\r\nHost: h\r\n", "X: 7890123456789012345678901234567890\r\n",
                    90 * 100, answer);
    assert_repeated("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                    "X: 7890123456789012345678901234567890\r\n", 90 * 100, answer);
    assert_repeated("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", "x",
                    900 * 1000, answer);
}

/* ---- Later ---- */

static void a_response_may_come_later(void **state)
{
    struct toy_server server;
    struct site site;
    struct http_handler handler;

    open_site(&server, &site, &handler);
    int client = toy_connect(&server);

    toy_say(client, "GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    toy_await(&site.holds, 1);
    loop_post(server.loops[0], &site.answer);
    toy_expect_end(client, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n"
                           "X-Content-Type-Options: nosniff\r\nContent-Length: 4\r\n" KEPT
                           "late" HEAD "Content-Length: 10\r\n" CLOSED "GET / - - ");
    toy_close(&server, 1000);
    assert_int_equal(atomic_load(&site.gone), 0);
}

static void who_answers_later_hears_that_the_connection_is_gone(void **state)
{
    struct toy_server server;
    struct site site;
    struct http_handler handler;

    open_site(&server, &site, &handler);
    int client = toy_connect(&server);

    toy_say(client, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    toy_await(&site.holds, 1);
    toy_close(&server, 10);
    assert_int_equal(atomic_load(&site.gone), 1);
    close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_served_in_order_on_one_connection),
        cmocka_unit_test(an_old_client_is_served_once),
        cmocka_unit_test(a_client_that_waits_for_it_hears_continue),
        cmocka_unit_test(what_could_be_understood_in_two_ways_is_refused),
        cmocka_unit_test(requests_that_are_none_are_refused),
        cmocka_unit_test(large_heads_are_refused),
        cmocka_unit_test(a_response_may_come_later),
        cmocka_unit_test(who_answers_later_hears_that_the_connection_is_gone),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
