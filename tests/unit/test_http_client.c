/* net/http_client.h against our own server. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/check.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "tests/fakes/toy_server.h"
#include "tests/unit/unit.h"

static void serve(struct http_exchange *exchange, const struct http_request *request, void *context)
{
    struct slice token = {0};
    struct slice type = {0};

    if (slice_equals(request->path, SLICE("/never"))) {
        return;
    }
    if (http_request_header(request, "Authorization", &token) != STATUS_OK ||
        !slice_equals(token, SLICE("Bearer secret"))) {
        http_respond(exchange, 401, "text/plain", SLICE("who?"));
        return;
    }
    assert_int_equal(http_request_header(request, "Content-Type", &type), STATUS_OK);
    assert_slice_equals(type, "application/json");
    http_respond(exchange, 201, "application/json", request->body);
}

static void open_site(struct toy_server *server, struct http_handler *handler)
{
    *handler = (struct http_handler){serve, NULL, 1000};
    toy_prepare(server);
    server->protocol = http_protocol(handler);
    toy_open(server);
}

static enum status call(const struct toy_server *server, const char *path, struct http_call *call,
                        size_t size_max, unsigned *out_code, const char *body)
{
    char url[100];
    struct buffer answer;

    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", listener_port(server->listener), path);
    call->url = url;
    buffer_init(&answer, size_max);
    enum status status = http_client_call(call, out_code, &answer);

    if (status == STATUS_OK) {
        assert_slice_equals(buffer_view(&answer), body);
    }
    buffer_done(&answer);
    return status;
}

static void a_call_brings_code_and_body(void **state)
{
    struct toy_server server;
    struct http_handler handler;
    struct http_call post = {.method = "POST",
                             .token = "secret",
                             .content_type = "application/json",
                             .body = SLICE("{\"a\":1}"),
                             .timeout_ms = 10000};
    unsigned code = 0;

    open_site(&server, &handler);
    assert_int_equal(call(&server, "/", &post, 100, &code, "{\"a\":1}"), STATUS_OK);
    assert_int_equal(code, 201);
    post.body = (struct slice){0};
    assert_int_equal(call(&server, "/", &post, 100, &code, ""), STATUS_OK);
    post.token = "wrong";
    post.method = "GET";
    assert_int_equal(call(&server, "/", &post, 100, &code, "who?"), STATUS_OK);
    assert_int_equal(code, 401);
    post.method = "DELETE";
    assert_int_equal(call(&server, "/", &post, 100, &code, "who?"), STATUS_OK);
    toy_close(&server, 1000);
}

static void failures_are_told_apart(void **state)
{
    struct toy_server server;
    struct http_handler handler;
    struct http_call get = {.method = "GET", .timeout_ms = 100};
    unsigned code = 0;

    open_site(&server, &handler);
    assert_int_equal(call(&server, "/never", &get, 100, &code, ""), STATUS_TIMED_OUT);
    get.timeout_ms = 10000;
    assert_int_equal(call(&server, "/", &get, 3, &code, ""), STATUS_TOO_LARGE);
    get.token = "a\r\nHost: b";
    assert_int_equal(call(&server, "/", &get, 100, &code, ""), STATUS_INVALID);
    toy_stop(&server, 10);
    toy_await_end(&server);

    struct buffer answer;

    buffer_init(&answer, 100);
    get = (struct http_call){.method = "GET", .url = "http://127.0.0.1:1/", .timeout_ms = 10000};
    assert_int_equal(http_client_call(&get, &code, &answer), STATUS_UNAVAILABLE);
    get.url = "file:///etc/hostname";
    assert_int_equal(http_client_call(&get, &code, &answer), STATUS_INVALID);
    buffer_done(&answer);
}

static void a_server_that_nobody_vouches_for_is_denied(void **state)
{
    struct toy_server server;
    struct http_handler handler = {serve, NULL, 1000};
    char folder[] = "/tmp/aviso-http-XXXXXX";
    char paths[2][64];
    const char *names[] = {"127.0.0.1"};
    const char *fault = NULL;
    struct tls_options options = {paths[0], paths[1], NULL};
    char url[100];
    unsigned code = 0;
    struct buffer answer;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(paths[0], sizeof(paths[0]), "%s/certificate.pem", folder);
    snprintf(paths[1], sizeof(paths[1]), "%s/key.pem", folder);
    assert_int_equal(tls_make_self_signed(names, 1, paths[0], paths[1]), STATUS_OK);
    toy_prepare(&server);
    server.protocol = http_protocol(&handler);
    server.options.is_tls_from_start = true;
    assert_int_equal(tls_context_new(&options, &server.options.tls, &fault), STATUS_OK);
    toy_open(&server);

    struct http_call get = {.method = "GET", .url = url, .timeout_ms = 10000};

    snprintf(url, sizeof(url), "https://127.0.0.1:%u/", listener_port(server.listener));
    buffer_init(&answer, 100);
    assert_int_equal(http_client_call(&get, &code, &answer), STATUS_DENIED);
    get.authorities_path = paths[0];
    assert_int_equal(http_client_call(&get, &code, &answer), STATUS_OK);
    assert_int_equal(code, 401);
    buffer_done(&answer);
    toy_close(&server, 1000);
    tls_context_free(server.options.tls);
    unlink(paths[0]);
    unlink(paths[1]);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_brings_code_and_body),
        cmocka_unit_test(failures_are_told_apart),
        cmocka_unit_test(a_server_that_nobody_vouches_for_is_denied),
    };

    return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
