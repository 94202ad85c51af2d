#include "net/connection.h"

#include "core/check.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "net/connection_internal.h"

enum { LINGER_MS = 2000 };

METRIC_GAUGE(open_count, "aviso_connections_open", "", "Connections that are open now.");
METRIC_COUNTER(accepted, "aviso_connections_accepted_total", "", "Connections that were served.");
METRIC_COUNTER(refused, "aviso_connections_refused_total", "", "Connections over a limit.");
METRIC_COUNTER(silent, "aviso_connections_silent_total", "", "Peers that were silent too long.");
METRIC_COUNTER(stuck, "aviso_connections_stuck_total", "", "Peers that took nothing of replies.");
METRIC_COUNTER(unsecured, "aviso_tls_handshakes_failed_total", "",
               "TLS handshakes that failed or stalled.");

static void on_timer(struct loop_timer *timer);
static void on_resume(struct loop_timer *timer);
static const struct transport_events events;

static const struct protocol *protocol_of(const struct connection *connection)
{
    return connection->host->protocol;
}

static uint64_t now_ms(const struct connection *connection)
{
    return loop_now_ms(connection->host->loop);
}

void connection_enter(struct connection *connection, enum connection_phase phase)
{
    connection->phase = phase;
    connection->phase_ms = now_ms(connection);
}

void connection_heard(struct connection *connection)
{
    connection->heard_ms = now_ms(connection);
    connection->heard_size = 0;
}

/* ---- The end ---- */

static void free_session(struct connection *connection)
{
    void *session = connection->session;

    connection->session = NULL;
    if (session != NULL && protocol_of(connection)->free != NULL) {
        protocol_of(connection)->free(session);
    }
}

void connection_close(struct connection *connection)
{
    if (connection->phase == CLOSING) {
        return;
    }
    connection_enter(connection, CLOSING);
    loop_timer_stop(&connection->timer);
    loop_timer_stop(&connection->resume);
    loop_deferral_cancel(&connection->late_flush);
    free_session(connection);
    transport_close(&connection->transport);
}

/* All replies are sent. The session goes now, the socket when the peer has read them. */
void connection_finish(struct connection *connection)
{
    connection_enter(connection, LINGERING);
    free_session(connection);
    line_reader_done(&connection->reader);
    buffer_release(&connection->output);
    transport_finish(&connection->transport);
}

static void on_closed(struct transport *transport)
{
    struct connection *connection = CONTAINER_OF(transport, struct connection, transport);
    struct connection_host *host = connection->host;
    struct sockaddr_storage address = connection->peer.address;
    void (*on_failed)(void *context) = connection->on_failed;
    bool was_admitted = connection->is_admitted;

    *connection->link = connection->next_connection;
    if (connection->next_connection != NULL) {
        connection->next_connection->link = connection->link;
    }
    loop_timer_stop(&connection->timer);
    loop_timer_stop(&connection->resume);
    loop_deferral_cancel(&connection->late_flush);
    tls_stream_free(connection->tls);
    line_reader_done(&connection->reader);
    buffer_done(&connection->output);
    memory_free(connection);
    host->count--;
    metric_add(&open_count, -1);
    if (on_failed != NULL) {
        on_failed(host->protocol->context);
    }
    if (host->on_gone != NULL) {
        host->on_gone(host, was_admitted ? (const struct sockaddr *)&address : NULL);
    }
}

/* ---- Time ---- */

/* When the patience with this peer ends; UINT64_MAX: it is not its turn. */
static uint64_t due_of(const struct connection *connection)
{
    uint64_t begin_ms = connection->phase_ms;
    uint64_t patience_ms = UINT64_MAX;

    if (connection->phase == LINGERING) {
        patience_ms = LINGER_MS;
    } else if (connection->phase == CONNECTING || connection->phase == SHAKING_HANDS) {
        patience_ms = connection->host->handshake_timeout_ms;
    } else if (connection->transport.is_sending) {
        begin_ms = connection->sent_ms;
        patience_ms = connection->host->output_timeout_ms;
    } else if (connection->next == SESSION_READS || connection->next == SESSION_READS_OCTETS) {
        begin_ms = connection->heard_ms;
        patience_ms = connection->idle_timeout_ms;
    }
    return patience_ms < UINT64_MAX - begin_ms ? begin_ms + patience_ms : UINT64_MAX;
}

/* A timer that is set too early finds out when it expires: moving it for every line would cost
 * more. */
void connection_set_timer(struct connection *connection)
{
    uint64_t due_ms = due_of(connection);
    uint64_t now = now_ms(connection);

    if (connection->phase == CLOSING || due_ms == UINT64_MAX ||
        (connection->timer.running && connection->timer.due_ms <= due_ms)) {
        return;
    }
    loop_timer_start(&connection->timer, due_ms > now ? due_ms - now : 0);
}

/* A peer that takes little is slow; one that takes nothing is gone. */
static bool has_taken_some(struct connection *connection)
{
    size_t unsent_size = transport_unsent_size(&connection->transport);
    bool some = connection->transport.is_sending && unsent_size < connection->unsent_size;

    connection->unsent_size = unsent_size;
    return some;
}

static void on_timer(struct loop_timer *timer)
{
    struct connection *connection = CONTAINER_OF(timer, struct connection, timer);

    if (now_ms(connection) < due_of(connection)) {
        connection_set_timer(connection);
    } else if (connection->phase != SERVING) {
        metric_add(&unsecured, connection->phase == SHAKING_HANDS);
        connection_close(connection);
    } else if (has_taken_some(connection)) {
        connection->sent_ms = now_ms(connection);
        connection_set_timer(connection);
    } else if (connection->transport.is_sending) {
        metric_add(&stuck, 1);
        connection_close(connection);
    } else {
        metric_add(&silent, 1);
        if (protocol_of(connection)->on_timeout != NULL) {
            protocol_of(connection)->on_timeout(connection->session);
        }
        connection->next = SESSION_ENDS;
        connection_pump(connection);
    }
}

/* ---- What a session may ask of its port ---- */

static void wake(void *data, enum session_next next)
{
    struct connection *connection = data;

    CHECK(!connection->is_pumping);
    if (connection->phase != SERVING || connection->next == SESSION_ENDS) {
        return;
    }
    connection->next = next;
    connection_heard(connection);
    connection_pump(connection);
}

static void flush_port(void *data)
{
    struct connection *connection = data;

    if (connection->is_pumping || connection->phase != SERVING) {
        return;
    }
    connection_flush(connection);
    if (connection->transport.is_broken) {
        loop_timer_start(&connection->resume, 0);
    }
    connection_set_timer(connection);
}

static bool has_more(const void *data)
{
    const struct connection *connection = data;

    return line_reader_unread(&connection->reader).size > 0;
}

static void set_idle_timeout(void *data, uint64_t timeout_ms)
{
    struct connection *connection = data;

    connection->idle_timeout_ms = timeout_ms;
    connection_heard(connection);
    if (!connection->is_pumping) {
        connection_set_timer(connection);
    }
}

/* ---- Events ---- */

static void on_resume(struct loop_timer *timer)
{
    struct connection *connection = CONTAINER_OF(timer, struct connection, resume);

    if (connection->transport.is_broken) {
        connection_close(connection);
    } else {
        connection_pump(connection);
    }
}

static void on_moved(struct transport *transport)
{
    connection_pump(CONTAINER_OF(transport, struct connection, transport));
}

static void on_broken(struct transport *transport)
{
    struct connection *connection = CONTAINER_OF(transport, struct connection, transport);

    metric_add(&unsecured, connection->phase == SHAKING_HANDS);
    connection_close(connection);
}

static void on_secured(struct transport *transport)
{
    connection_secured(CONTAINER_OF(transport, struct connection, transport));
}

static const struct transport_events events = {on_moved, on_secured, on_moved, on_broken,
                                               on_closed};

/* ---- The beginning ---- */

void connection_open_session(struct connection *connection)
{
    connection->is_pumping = true;
    connection->next = SESSION_READS;
    loop_lend(connection->host->loop, &connection->output);
    connection->session =
        protocol_of(connection)
            ->open(&connection->port, protocol_of(connection)->context, &connection->next);
    connection->is_pumping = false;
    connection->on_failed = NULL;
}

static struct connection *connection_new(struct connection_host *host)
{
    struct connection *connection = NEW(struct connection);
    size_t line_size_max = host->protocol->line_size_max;
    size_t output_size_max = host->protocol->output_size_max;

    connection->host = host;
    connection->link = &host->first;
    connection->next_connection = host->first;
    if (host->first != NULL) {
        host->first->link = &connection->next_connection;
    }
    host->first = connection;
    host->count++;
    metric_add(&open_count, 1);
    transport_init(&connection->transport, host->loop, &events);
    line_reader_init(&connection->reader, line_size_max > 0 ? line_size_max : SESSION_OUTPUT_ENOUGH,
                     LOOP_CHUNK_SIZE);
    buffer_init(&connection->output, output_size_max > 0 ? output_size_max : SESSION_OUTPUT_MAX);
    loop_timer_init(&connection->timer, host->loop, on_timer);
    loop_timer_init(&connection->resume, host->loop, on_resume);
    connection->late_flush.run = connection_flush_late;
    connection->port = (struct session_port){
        .output = &connection->output,
        .peer = &connection->peer.is,
        .loop = host->loop,
        .connection = connection,
        .wake = wake,
        .flush = flush_port,
        .set_idle_timeout = set_idle_timeout,
        .has_more = has_more,
    };
    connection->idle_timeout_ms = host->protocol->idle_timeout_ms;
    return connection;
}

static void begin(struct connection *connection)
{
    struct tls_stream *tls = connection->tls;

    transport_open(&connection->transport);
    connection_heard(connection);
    if (tls == NULL) {
        connection_enter(connection, SERVING);
        connection_open_session(connection);
        connection_pump(connection);
        return;
    }
    connection->tls = NULL;
    connection_enter(connection, SHAKING_HANDS);
    transport_secure(&connection->transport, tls);
    if (connection->transport.is_broken) {
        connection_close(connection);
    }
    connection_set_timer(connection);
}

static void refuse(struct connection *connection)
{
    const struct connection_host *host = connection->host;

    if (!host->is_tls_from_start && host->refusal.size > 0) {
        uv_buf_t text = uv_buf_init((char *)host->refusal.data, (unsigned)host->refusal.size);

        uv_try_write((uv_stream_t *)&connection->transport.tcp, &text, 1);
    }
    connection_close(connection);
}

void connection_accept(struct connection_host *host, uv_stream_t *listener)
{
    struct connection *connection = connection_new(host);
    uv_tcp_t *tcp = &connection->transport.tcp;

    if (uv_accept(listener, (uv_stream_t *)tcp) != 0 ||
        !connection_peer_read(&connection->peer, tcp)) {
        connection_close(connection);
        return;
    }
    if (host->admit != NULL &&
        !host->admit(host, (const struct sockaddr *)&connection->peer.address)) {
        metric_add(&refused, 1);
        refuse(connection);
        return;
    }
    metric_add(&accepted, 1);
    connection->is_admitted = true;
    if (host->is_tls_from_start) {
        connection->tls = tls_stream_accept(host->tls);
    }
    begin(connection);
}

static void on_connected(uv_connect_t *connect, int error)
{
    struct connection *connection = CONTAINER_OF(connect, struct connection, connect);

    if (connection->phase == CLOSING) {
        return;
    }
    if (error != 0 || !connection_peer_read(&connection->peer, &connection->transport.tcp)) {
        connection_close(connection);
        return;
    }
    begin(connection);
}

void connection_connect(struct connection_host *host, const struct sockaddr *address,
                        const char *name, void (*on_failed)(void *context))
{
    struct connection *connection = connection_new(host);

    connection_enter(connection, CONNECTING);
    connection->on_failed = on_failed;
    if (host->is_tls_from_start) {
        connection->tls = tls_stream_connect(host->tls, name);
    }
    if (uv_tcp_connect(&connection->connect, &connection->transport.tcp, address, on_connected) !=
        0) {
        connection_close(connection);
        return;
    }
    connection_set_timer(connection);
}

/* ---- All of a host's ---- */

void connections_stop(struct connection_host *host)
{
    for (struct connection *connection = host->first; connection != NULL;
         connection = connection->next_connection) {
        connection->is_stopping = true;
        if (connection->phase == SERVING) {
            connection_pump(connection);
        } else if (connection->phase != LINGERING) {
            connection_close(connection);
        }
    }
}

void connections_close(struct connection_host *host)
{
    for (struct connection *connection = host->first; connection != NULL;
         connection = connection->next_connection) {
        connection_close(connection);
    }
}
