/* net/tls.h: handshakes of listeners against OpenSSL's own client, and what is sent before them. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/check.h"
#include "core/memory.h"
#include "net/tls_stream.h"
#include "tests/fakes/toy_server.h"
#include "tests/unit/unit.h"

static char folder[] = "/tmp/aviso-tls-XXXXXX";
static char certificate_path[64];
static char key_path[64];

static void make_certificate(const char *name)
{
    const char *names[] = {name, "127.0.0.1"};

    unlink(certificate_path);
    unlink(key_path);
    assert_int_equal(tls_make_self_signed(names, COUNT_OF(names), certificate_path, key_path),
                     STATUS_OK);
}

static int make_folder(void **state)
{
    CHECK(mkdtemp(folder) != NULL);
    snprintf(certificate_path, sizeof(certificate_path), "%s/certificate.pem", folder);
    snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
    make_certificate("mail.example.org");
    return 0;
}

static int remove_folder(void **state)
{
    unlink(certificate_path);
    unlink(key_path);
    return rmdir(folder);
}

static struct tls_context *open_context(void)
{
    struct tls_options options = {.certificate_path = certificate_path, .key_path = key_path};
    struct tls_context *context = NULL;
    const char *fault = NULL;

    assert_int_equal(tls_context_new(&options, &context, &fault), STATUS_OK);
    return context;
}

/* ---- A client of OpenSSL's ---- */

struct client {
    SSL_CTX *context;
    SSL *ssl;
    int socket;
};

/* False: the handshake failed. */
static bool client_secure(struct client *client, int socket_of_it, int version_max)
{
    client->socket = socket_of_it;
    client->context = SSL_CTX_new(TLS_client_method());
    CHECK(SSL_CTX_load_verify_locations(client->context, certificate_path, NULL) == 1);
    SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_security_level(client->context, 0);
    CHECK(SSL_CTX_set_min_proto_version(client->context, TLS1_VERSION) == 1);
    CHECK(SSL_CTX_set_max_proto_version(client->context, version_max) == 1);
    client->ssl = SSL_new(client->context);
    CHECK(SSL_set1_host(client->ssl, "mail.example.org") == 1);
    CHECK(SSL_set_fd(client->ssl, socket_of_it) == 1);
    bool secured = SSL_connect(client->ssl) == 1;

    ERR_clear_error();
    return secured;
}

static void client_close(struct client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    close(client->socket);
}

static void client_say(struct client *client, const char *text)
{
    assert_int_equal(SSL_write(client->ssl, text, (int)strlen(text)), strlen(text));
}

static void client_expect(struct client *client, const char *text)
{
    size_t size = strlen(text);
    char *octets = memory_zeroed(size + 1);
    size_t filled = 0;

    while (filled < size) {
        int got = SSL_read(client->ssl, octets + filled, (int)(size - filled));

        assert_true(got > 0);
        filled += (size_t)got;
    }
    assert_slice_equals(((struct slice){octets, size}), text);
    memory_free(octets);
}

static void client_expect_size(struct client *client, size_t size)
{
    char octets[16 * 1024];

    while (size > 0) {
        int got =
            SSL_read(client->ssl, octets, (int)(size < sizeof(octets) ? size : sizeof(octets)));

        assert_true(got > 0);
        size -= (size_t)got;
    }
}

static void open_server(struct toy_server *server, struct tls_context *context, bool from_start)
{
    toy_prepare(server);
    server->options.tls = context;
    server->options.is_tls_from_start = from_start;
    toy_open(server);
}

static void sessions_run_under_tls_from_the_start(void **state)
{
    struct toy_server server;
    struct tls_context *context = open_context();
    struct client client;
    char octet = 0;

    open_server(&server, context, true);
    assert_true(client_secure(&client, toy_connect(&server), TLS1_3_VERSION));
    client_expect(&client, "hello\r\n");
    client_say(&client, "PEER\r\nBIG 3000000\r\nWAIT\r\n");
    client_expect(&client, "127.0.0.1 TLSv1.3\r\n");
    client_expect_size(&client, 3000000);
    client_expect(&client, "end\r\nwaited\r\n");
    client_say(&client, "END\r\n");
    client_expect(&client, "bye\r\n");
    /* The end is told, so that nobody can cut the stream unnoticed. */
    assert_int_equal(SSL_read(client.ssl, &octet, 1), 0);
    assert_int_equal(SSL_get_error(client.ssl, 0), SSL_ERROR_ZERO_RETURN);
    client_close(&client);
    toy_close(&server, 1000);
    tls_context_free(context);
}

static void versions_before_1_2_are_refused(void **state)
{
    struct toy_server server;
    struct tls_context *context = open_context();
    struct client client;

    open_server(&server, context, true);
    assert_true(client_secure(&client, toy_connect(&server), TLS1_2_VERSION));
    client_expect(&client, "hello\r\n");
    client_close(&client);
    assert_false(client_secure(&client, toy_connect(&server), TLS1_1_VERSION));
    client_close(&client);
    toy_close(&server, 1000);
    tls_context_free(context);
}

static void a_client_may_not_renegotiate(void **state)
{
    struct toy_server server;
    struct tls_context *context = open_context();
    struct client client;

    open_server(&server, context, true);
    assert_true(client_secure(&client, toy_connect(&server), TLS1_2_VERSION));
    client_expect(&client, "hello\r\n");
    SSL_renegotiate(client.ssl);
    assert_true(SSL_do_handshake(client.ssl) != 1);
    ERR_clear_error();
    client_close(&client);
    toy_close(&server, 1000);
    tls_context_free(context);
}

/* ---- STARTTLS ---- */

static void a_session_goes_on_under_tls(void **state)
{
    struct toy_server server;
    struct tls_context *context = open_context();
    struct client client;
    int clear = 0;

    open_server(&server, context, false);
    clear = toy_connect(&server);
    toy_say(clear, "ECHO 1\r\nTLS\r\n");
    toy_expect(clear, "hello\r\n1\r\ngo\r\n");
    assert_true(client_secure(&client, clear, TLS1_3_VERSION));
    client_expect(&client, "secured\r\n");
    client_say(&client, "PEER\r\nOCTETS 3\r\nabcECHO 2\r\n");
    client_expect(&client, "127.0.0.1 TLSv1.3\r\ntook 3\r\n2\r\n");
    client_close(&client);
    toy_close(&server, 1000);
    tls_context_free(context);
}

static void what_is_pipelined_before_the_handshake_ends_the_connection(void **state)
{
    struct toy_server server;
    struct tls_context *context = open_context();
    int clear = 0;

    open_server(&server, context, false);
    clear = toy_connect(&server);
    toy_say(clear, "TLS\r\nECHO injected\r\nECHO unfin");
    toy_expect(clear, "hello\r\ngo\r\n");
    toy_await(&server.freed, 1);
    assert_int_equal(atomic_load(&server.lines), 1);
    close(clear);
    toy_close(&server, 1000);
    tls_context_free(context);
}

static void what_comes_in_the_clear_instead_of_the_handshake_ends_the_connection(void **state)
{
    struct toy_server server;
    struct tls_context *context = open_context();
    struct slice injected = SLICE("ECHO injected\r\n");
    int clear = 0;

    open_server(&server, context, false);
    clear = toy_connect(&server);
    toy_say(clear, "TLS\r\n");
    toy_expect(clear, "hello\r\ngo\r\n");
    for (size_t i = 0; i < injected.size; i++) {
        if (send(clear, injected.data + i, 1, MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    toy_await(&server.freed, 1);
    assert_int_equal(atomic_load(&server.lines), 1);
    close(clear);
    toy_close(&server, 1000);
    tls_context_free(context);
}

static void a_handshake_that_stalls_is_cut(void **state)
{
    struct toy_server server;
    struct tls_context *context = open_context();
    int clear = 0;
    char octet = 0;

    toy_prepare(&server);
    server.options.tls = context;
    server.options.is_tls_from_start = true;
    server.options.handshake_timeout_ms = 30;
    toy_open(&server);
    clear = toy_connect(&server);
    toy_say(clear, "\x16\x03");
    assert_true(recv(clear, &octet, 1, 0) <= 0);
    close(clear);
    toy_close(&server, 1000);
    tls_context_free(context);
    assert_int_equal(atomic_load(&server.opened), 0);
}

static void without_certificates_the_upgrade_ends_the_connection(void **state)
{
    struct toy_server server;

    open_server(&server, NULL, false);
    int clear = toy_connect(&server);

    toy_say(clear, "TLS\r\n");
    toy_expect_end(clear, "hello\r\ngo\r\n");
    toy_close(&server, 1000);
}

/* ---- Certificates ---- */

static void a_reload_changes_the_certificate_of_new_handshakes(void **state)
{
    struct toy_server server;
    struct tls_context *context = open_context();
    struct client before;
    struct client after;
    const char *fault = NULL;

    open_server(&server, context, true);
    assert_true(client_secure(&before, toy_connect(&server), TLS1_3_VERSION));
    make_certificate("mail.example.org");
    /* The server still holds the old one, which the new file does not vouch for. */
    assert_false(client_secure(&after, toy_connect(&server), TLS1_3_VERSION));
    client_close(&after);
    assert_int_equal(tls_context_reload(context, &fault), STATUS_OK);
    assert_true(client_secure(&after, toy_connect(&server), TLS1_3_VERSION));
    client_expect(&after, "hello\r\n");
    client_say(&before, "ECHO 1\r\n");
    client_expect(&before, "hello\r\n1\r\n");
    client_close(&before);
    client_close(&after);
    toy_close(&server, 1000);
    tls_context_free(context);
}

static void a_reload_that_fails_changes_nothing(void **state)
{
    struct toy_server server;
    struct tls_context *context = open_context();
    struct client client;
    const char *fault = NULL;
    char kept_path[80];

    snprintf(kept_path, sizeof(kept_path), "%s.kept", key_path);
    CHECK(rename(key_path, kept_path) == 0);
    assert_int_equal(tls_context_reload(context, &fault), STATUS_NOT_FOUND);
    assert_non_null(fault);
    FILE *file = fopen(key_path, "w");

    CHECK(file != NULL && fputs("no key\n", file) >= 0 && fclose(file) == 0);
    assert_int_equal(tls_context_reload(context, &fault), STATUS_INVALID);
    CHECK(rename(kept_path, key_path) == 0);
    open_server(&server, context, true);
    assert_true(client_secure(&client, toy_connect(&server), TLS1_3_VERSION));
    client_close(&client);
    toy_close(&server, 1000);
    tls_context_free(context);
}

static void a_made_key_is_its_owners_alone_and_is_never_written_over(void **state)
{
    const char *names[] = {"mail.example.org"};
    struct stat facts;

    CHECK(stat(key_path, &facts) == 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_int_equal(tls_make_self_signed(names, 1, certificate_path, key_path), STATUS_EXISTS);
    assert_int_equal(tls_make_self_signed(names, 1, "/nonexistent/certificate", "/nonexistent/key"),
                     STATUS_IO_ERROR);
}

static void two_streams_of_ours_understand_each_other(void **state)
{
    struct tls_options options = {.authorities_path = certificate_path};
    struct tls_context *server_context = open_context();
    struct tls_context *client_context = NULL;
    const char *fault = NULL;
    static const struct {
        const char *name;
        enum status status;
    } examples[] = {{"mail.example.org", STATUS_OK},
                    {"127.0.0.1", STATUS_OK},
                    {"other.example", STATUS_DENIED}};

    assert_int_equal(tls_context_new(&options, &client_context, &fault), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct tls_stream *sides[2] = {tls_stream_connect(client_context, examples[i].name),
                                       tls_stream_accept(server_context)};
        enum status statuses[2] = {STATUS_AGAIN, STATUS_AGAIN};

        for (unsigned turn = 0; turn < 20 && statuses[0] == STATUS_AGAIN; turn++) {
            for (unsigned side = 0; side < 2; side++) {
                struct buffer *output = tls_stream_output(sides[1 - side]);

                tls_stream_give(sides[side], buffer_view(output));
                statuses[side] = tls_stream_handshake(sides[side]);
                tls_stream_keep(sides[side]);
                buffer_clear(output);
            }
        }
        assert_int_equal(statuses[0], examples[i].status);
        tls_stream_free(sides[0]);
        tls_stream_free(sides[1]);
    }
    tls_context_free(server_context);
    tls_context_free(client_context);
}

/* The key that was written first must not stay behind. */
static void a_certificate_that_cannot_be_written_leaves_no_key(void **state)
{
    const char *names[] = {"mail.example.org"};
    char alone_path[80];

    snprintf(alone_path, sizeof(alone_path), "%s.alone", key_path);
    assert_int_equal(tls_make_self_signed(names, 1, "/nonexistent/certificate", alone_path),
                     STATUS_IO_ERROR);
    assert_int_equal(access(alone_path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_run_under_tls_from_the_start),
        cmocka_unit_test(versions_before_1_2_are_refused),
        cmocka_unit_test(a_client_may_not_renegotiate),
        cmocka_unit_test(a_session_goes_on_under_tls),
        cmocka_unit_test(what_is_pipelined_before_the_handshake_ends_the_connection),
        cmocka_unit_test(what_comes_in_the_clear_instead_of_the_handshake_ends_the_connection),
        cmocka_unit_test(a_handshake_that_stalls_is_cut),
        cmocka_unit_test(without_certificates_the_upgrade_ends_the_connection),
        cmocka_unit_test(a_reload_changes_the_certificate_of_new_handshakes),
        cmocka_unit_test(a_reload_that_fails_changes_nothing),
        cmocka_unit_test(a_made_key_is_its_owners_alone_and_is_never_written_over),
        cmocka_unit_test(a_certificate_that_cannot_be_written_leaves_no_key),
        cmocka_unit_test(two_streams_of_ours_understand_each_other),
    };

    return cmocka_run_group_tests_name("tls", tests, make_folder, remove_folder);
}
