/* Whatever a client says, before its login and after: the session stays within the rules of
 * net/session.h, its output within its limit, and nothing is left behind when it goes.
 *
 * The first octet chooses who speaks: even, a stranger; odd, somebody with INBOX selected. */
#include <stdbool.h>

#include "core/check.h"
#include "core/log.h"
#include "frontend/imap/imap_session.h"
#include "tests/fakes/fake_authenticator.h"
#include "tests/fakes/fake_mail_store.h"
#include "tests/fakes/fake_queue.h"
#include "tests/fuzz/fuzz.h"

enum { STEPS_MAX = 1000 * 1000 };

struct connection {
    const struct protocol *protocol;
    void *session;
    enum session_next next;
    struct session_peer peer;
    struct buffer output;
    struct slice input; /* not taken yet */
};

static void wake(void *context, enum session_next next)
{
    struct connection *connection = context;

    CHECK(connection->next == SESSION_WAITS);
    connection->next = next;
}

static void flush(void *context)
{
    buffer_clear(&((struct connection *)context)->output);
}

static void set_idle_timeout(void *context, uint64_t timeout_ms)
{
    CHECK(timeout_ms > 0);
}

static bool feed_line(struct connection *connection)
{
    size_t line_size = slice_search(connection->input, SLICE("\r\n"));
    struct slice line = slice_prefix(connection->input, line_size);

    if (line_size == connection->input.size) {
        return false;
    }
    connection->input = slice_skip(connection->input, line_size + 2);
    connection->next = line_size + 2 > connection->protocol->line_size_max
                           ? connection->protocol->on_overlong_line(connection->session)
                           : connection->protocol->on_line(connection->session, line);
    return true;
}

static bool feed_octets(struct connection *connection)
{
    size_t taken = 0;

    if (connection->input.size == 0) {
        return false;
    }
    connection->next =
        connection->protocol->on_octets(connection->session, connection->input, &taken);
    CHECK(taken <= connection->input.size);
    connection->input = slice_skip(connection->input, taken);
    return true;
}

static bool step(struct connection *connection)
{
    buffer_clear(&connection->output);
    switch (connection->next) {
    case SESSION_READS:
        return feed_line(connection);
    case SESSION_READS_OCTETS:
        return feed_octets(connection);
    case SESSION_WRITES:
        connection->next = connection->protocol->on_drained(connection->session);
        return true;
    case SESSION_STARTS_TLS:
        connection->peer.is_tls = true;
        connection->next = connection->protocol->on_tls(connection->session);
        return true;
    case SESSION_WAITS:
        CHECK(fake_queue_turn());
        return true;
    case SESSION_ENDS:
        return false;
    }
    return false;
}

static void speak(struct connection *connection, struct slice octets)
{
    size_t steps = 0;

    connection->input = octets;
    while (step(connection)) {
        CHECK(steps++ < STEPS_MAX);
    }
    while (fake_queue_turn()) {
    }
}

static const char letter[] =
    "From: =?utf-8?q?Ann?= <ann@example.org>\r\nTo: group: b@x, c@y;\r\nSubject: one\r\n"
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--b--\r\n";

static void play(struct router *store, const struct protocol *protocol, const uint8_t *data,
                 size_t size)
{
    struct connection connection = {.protocol = protocol, .peer = {.is_loopback = true}};
    const struct session_port port = {
        .output = &connection.output,
        .peer = &connection.peer,
        .connection = &connection,
        .wake = wake,
        .flush = flush,
        .set_idle_timeout = set_idle_timeout,
    };

    buffer_init(&connection.output, SESSION_OUTPUT_MAX);
    connection.session = protocol->open(&port, protocol->context, &connection.next);
    if (size > 0 && data[0] % 2 == 1) {
        for (size_t i = 0; i < 3; i++) {
            fake_mail_store_put(store, FAKE_ANN, "INBOX", slice_of(letter), 0);
        }
        speak(&connection, SLICE("l LOGIN ann secret\r\ns SELECT INBOX\r\n"));
    }
    speak(&connection, (struct slice){(const char *)data + 1, size > 0 ? size - 1 : 0});
    protocol->free(connection.session);
    buffer_done(&connection.output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fake_user users[] = {{"ann", "secret", {FAKE_SHARD, FAKE_ANN}}};
    struct authenticator authenticator = {.users = users, .user_count = COUNT_OF(users)};
    struct router *store = fake_mail_store_new();
    const struct imap_service service = {
        .router = store,
        .authenticator = &authenticator,
        .spool_folder = "/tmp",
        .append_size_max = 64 * 1024,
        .login_timeout_ms = 1,
        .idle_timeout_ms = 1,
        .offers_tls = true,
        .clear_login_on_loopback = true,
    };
    struct protocol protocol = imap_protocol(&service);

    log_configure(LOG_ERROR, LOG_LOGFMT);
    play(store, &protocol, data, size);
    fake_mail_store_free(store);
    return 0;
}
