#include "core/check.h"
#include "core/log.h"
#include "net/connection_internal.h"

enum {
    TALKATIVE_SIZE = 1024,          /* octets that end a silence */
    TURN_OUTPUT_SIZE = 1024 * 1024, /* octets sent for one connection before others come */
    TURN_CALLS = 1000,              /* of the session's functions; the same */
};

static const struct protocol *protocol_of(const struct connection *connection)
{
    return connection->host->protocol;
}

void connection_flush(struct connection *connection)
{
    bool was_sending = connection->transport.is_sending;

    connection->turn_size += was_sending ? 0 : connection->output.size;
    transport_send(&connection->transport, &connection->output);
    if (!was_sending && connection->transport.is_sending) {
        connection->sent_ms = loop_now_ms(connection->host->loop);
        connection->unsent_size = transport_unsent_size(&connection->transport);
    }
    if (!connection->is_pumping && connection->output.size == 0 &&
        connection->output.capacity > 0) {
        loop_take_back(connection->host->loop, &connection->output);
    }
}

void connection_flush_late(struct loop_deferral *late_flush)
{
    struct connection *connection = CONTAINER_OF(late_flush, struct connection, late_flush);

    if (connection->phase != SERVING) {
        return;
    }
    connection_flush(connection);
    if (connection->transport.is_broken) {
        connection_close(connection);
        return;
    }
    connection_set_timer(connection);
}

/* ---- Serving: each of these moves the session on, or says that it waits ---- */

/* Fetches more input. False: there is none now. */
static bool refill(struct connection *connection)
{
    struct slice octets;

    line_reader_keep(&connection->reader);
    switch (transport_pull(&connection->transport, &octets)) {
    case STATUS_OK:
        line_reader_lend(&connection->reader, octets);
        connection->heard_size += octets.size;
        return true;
    case STATUS_AGAIN:
        return false;
    case STATUS_NOT_FOUND:
        connection->next = SESSION_ENDS;
        return true;
    default:
        connection->transport.is_broken = true;
        return false;
    }
}

static bool serve_line(struct connection *connection)
{
    struct slice line;

    switch (line_reader_next(&connection->reader, &line)) {
    case STATUS_OK:
        connection_heard(connection);
        connection->next = protocol_of(connection)->on_line(connection->session, line);
        return true;
    case STATUS_AGAIN:
        return refill(connection);
    default:
        connection->next = protocol_of(connection)->on_overlong_line(connection->session);
        return true;
    }
}

static bool serve_octets(struct connection *connection)
{
    struct slice octets = line_reader_unread(&connection->reader);
    size_t taken = 0;

    if (octets.size == 0) {
        return refill(connection);
    }
    connection->next = protocol_of(connection)->on_octets(connection->session, octets, &taken);
    CHECK(taken <= octets.size && (taken > 0 || connection->next != SESSION_READS_OCTETS));
    line_reader_take(&connection->reader, taken);
    if (connection->heard_size >= TALKATIVE_SIZE) {
        connection_heard(connection);
    }
    return true;
}

/* What came in the clear ahead of the handshake is nobody's word (RFC 3207 §4.2), and who sends it
 * is no client that ought to be served. */
static bool start_tls(struct connection *connection)
{
    connection_flush(connection);
    if (connection->output.size > 0 || connection->transport.is_sending) {
        return false;
    }
    if (connection->host->tls == NULL || connection->peer.is.is_tls) {
        connection->next = SESSION_ENDS;
        return true;
    }
    if (line_reader_unread(&connection->reader).size > 0) {
        log_warning("connection.clear_text_before_tls",
                    log_text("protocol", slice_of(protocol_of(connection)->name)),
                    log_text("peer", connection->peer.is.address));
        line_reader_take(&connection->reader, line_reader_unread(&connection->reader).size);
        connection->next = SESSION_ENDS;
        return true;
    }
    connection_enter(connection, SHAKING_HANDS);
    transport_secure(&connection->transport, tls_stream_accept(connection->host->tls));
    return false;
}

static bool finish_when_sent(struct connection *connection)
{
    connection_flush(connection);
    if (connection->output.size == 0 && !connection->transport.is_sending) {
        connection_finish(connection);
    }
    return false;
}

/* The session has more to say; while the system sends one part, it may write the next. */
static bool serve_room(struct connection *connection)
{
    connection_flush(connection);
    if (connection->output.size > 0) {
        return false;
    }
    connection->next = protocol_of(connection)->on_drained(connection->session);
    return true;
}

static bool is_reading(const struct connection *connection)
{
    return connection->next == SESSION_READS || connection->next == SESSION_READS_OCTETS;
}

static void tell_stop(struct connection *connection)
{
    if (protocol_of(connection)->on_stop != NULL) {
        protocol_of(connection)->on_stop(connection->session);
    }
    connection->next = SESSION_ENDS;
}

static bool step(struct connection *connection)
{
    if (connection->is_stopping && is_reading(connection)) {
        tell_stop(connection);
    }
    if (is_reading(connection) && connection->output.size >= SESSION_OUTPUT_ENOUGH) {
        connection_flush(connection);
        if (connection->output.size >= SESSION_OUTPUT_ENOUGH) {
            return false;
        }
    }
    switch (connection->next) {
    case SESSION_READS:
        return serve_line(connection);
    case SESSION_READS_OCTETS:
        return serve_octets(connection);
    case SESSION_WRITES:
        return serve_room(connection);
    case SESSION_STARTS_TLS:
        return start_tls(connection);
    case SESSION_ENDS:
        return finish_when_sent(connection);
    default:
        return false;
    }
}

/* One connection does not keep the loop for itself, however fast its peer is. */
static void take_turn(struct connection *connection)
{
    connection->turn_size = 0;
    for (unsigned calls = 0; connection->phase == SERVING && step(connection); calls++) {
        if (connection->transport.is_broken) {
            return;
        }
        if (calls == TURN_CALLS || connection->turn_size >= TURN_OUTPUT_SIZE) {
            loop_timer_start(&connection->resume, 0);
            return;
        }
    }
}

/* The only function that moves a session on. It may free the connection's session, and closes a
 * broken connection. */
void connection_pump(struct connection *connection)
{
    if (connection->phase != SERVING) {
        return;
    }
    CHECK(!connection->is_pumping);
    connection->is_pumping = true;
    loop_lend(connection->host->loop, &connection->output);
    take_turn(connection);
    connection->is_pumping = false;
    if (connection->phase == SERVING) {
        line_reader_keep(&connection->reader);
        if (connection->next == SESSION_WAITS && connection->output.size > 0) {
            loop_defer(connection->host->loop, &connection->late_flush);
        } else {
            connection_flush(connection);
        }
    }
    if (connection->transport.is_broken) {
        connection_close(connection);
        return;
    }
    transport_want_input(&connection->transport,
                         connection->phase == SERVING && is_reading(connection) &&
                             connection->output.size < SESSION_OUTPUT_ENOUGH &&
                             !connection->resume.running);
    connection_set_timer(connection);
}

void connection_secured(struct connection *connection)
{
    connection_peer_secured(&connection->peer, connection->transport.tls);
    connection_enter(connection, SERVING);
    connection_heard(connection);
    if (connection->session == NULL) {
        connection_open_session(connection);
    } else {
        connection->is_pumping = true;
        connection->next = protocol_of(connection)->on_tls(connection->session);
        connection->is_pumping = false;
    }
    connection_pump(connection);
}
