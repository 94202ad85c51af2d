#include "net/http_server.h"

#include "core/check.h"
#include "core/memory.h"
#include "net/http_request.h"

enum {
    IDLE_TIMEOUT_MS = 60 * 1000,
    RESPONSE_HEADERS_SIZE_MAX = 16 * 1024,
    RESPONSE_SIZE_MAX = 64 * 1024 * 1024,
};

/* A connection, and the one request that is being served on it. */
struct http_exchange {
    struct session_port port;
    const struct http_handler *handler;
    struct http_reader reader;
    struct buffer headers; /* of the response */
    bool is_serving;       /* within the handler's function */
    bool is_waiting;       /* for the response */
    void (*on_gone)(void *context);
    void *context;
};

static const struct {
    unsigned code;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {507, "Insufficient Storage"},
};

/* RFC 9112 §4: a reason may be empty. */
static const char *reason_of(unsigned code)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].code == code) {
            return reasons[i].reason;
        }
    }
    return "";
}

/* ---- Responses ---- */

void http_respond_header(struct http_exchange *exchange, const char *name, struct slice value)
{
    if (slice_find(value, '\r') < value.size || slice_find(value, '\n') < value.size ||
        slice_find(value, '\0') < value.size) {
        return;
    }
    buffer_printf(&exchange->headers, "%s: ", name);
    buffer_append(&exchange->headers, value);
    buffer_append(&exchange->headers, SLICE("\r\n"));
}

static void write_response(struct http_exchange *exchange, unsigned code, const char *content_type,
                           struct slice body)
{
    struct buffer *output = exchange->port.output;

    buffer_printf(output, "HTTP/1.1 %u %s\r\n", code, reason_of(code));
    buffer_append(output, buffer_view(&exchange->headers));
    if (content_type != NULL) {
        buffer_printf(output, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n",
                      content_type);
    }
    if (code != 204 && code != 304) {
        buffer_printf(output, "Content-Length: %zu\r\n", body.size);
    }
    buffer_printf(output, "Cache-Control: no-store\r\nConnection: %s\r\n\r\n",
                  exchange->reader.keeps_alive ? "keep-alive" : "close");
    if (!slice_is(exchange->reader.request.method, "HEAD") && code != 204 && code != 304) {
        buffer_append(output, body);
    }
    buffer_release(&exchange->headers);
}

static enum session_next after_response(struct http_exchange *exchange)
{
    bool keeps_alive = exchange->reader.keeps_alive;

    http_reader_clear(&exchange->reader);
    return keeps_alive ? SESSION_READS : SESSION_ENDS;
}

void http_respond(struct http_exchange *exchange, unsigned code, const char *content_type,
                  struct slice body)
{
    CHECK(exchange->is_waiting);
    exchange->is_waiting = false;
    exchange->on_gone = NULL;
    if (body.size > RESPONSE_SIZE_MAX - RESPONSE_HEADERS_SIZE_MAX * 2) {
        write_response(exchange, 500, NULL, (struct slice){0});
    } else {
        write_response(exchange, code, content_type,
                       content_type != NULL ? body : (struct slice){0});
    }
    if (!exchange->is_serving) {
        exchange->port.wake(exchange->port.connection, after_response(exchange));
    }
}

void http_exchange_hold(struct http_exchange *exchange, void (*on_gone)(void *context),
                        void *context)
{
    exchange->on_gone = on_gone;
    exchange->context = context;
}

struct loop *http_exchange_loop(const struct http_exchange *exchange)
{
    return exchange->port.loop;
}

const struct session_peer *http_exchange_peer(const struct http_exchange *exchange)
{
    return exchange->port.peer;
}

/* ---- Requests ---- */

static enum session_next refuse(struct http_exchange *exchange, unsigned code)
{
    exchange->reader.keeps_alive = false;
    write_response(exchange, code, NULL, (struct slice){0});
    return SESSION_ENDS;
}

static enum session_next serve(struct http_exchange *exchange)
{
    exchange->is_waiting = true;
    exchange->is_serving = true;
    exchange->handler->serve(exchange, &exchange->reader.request, exchange->handler->context);
    exchange->is_serving = false;
    return exchange->is_waiting ? SESSION_WAITS : after_response(exchange);
}

static enum session_next go_on(struct http_exchange *exchange, enum http_progress progress)
{
    switch (progress) {
    case HTTP_WANTS_LINE:
        return SESSION_READS;
    case HTTP_WANTS_OCTETS:
        if (exchange->reader.expects_continue) {
            exchange->reader.expects_continue = false;
            buffer_printf(exchange->port.output, "HTTP/1.1 100 Continue\r\n\r\n");
        }
        return SESSION_READS_OCTETS;
    case HTTP_COMPLETE:
        return serve(exchange);
    default:
        return refuse(exchange, exchange->reader.refusal);
    }
}

static enum session_next on_line(void *session, struct slice line)
{
    struct http_exchange *exchange = session;

    return go_on(exchange, http_reader_line(&exchange->reader, line));
}

static enum session_next on_overlong_line(void *session)
{
    return refuse(session, 431);
}

static enum session_next on_octets(void *session, struct slice octets, size_t *out_taken)
{
    struct http_exchange *exchange = session;

    return go_on(exchange, http_reader_octets(&exchange->reader, octets, out_taken));
}

/* Between requests a client may be cut without a word; within one it is told. */
static void on_timeout(void *session)
{
    struct http_exchange *exchange = session;

    if (exchange->reader.head_size > 0) {
        refuse(exchange, 408);
    }
}

static void *open_exchange(const struct session_port *port, void *context,
                           enum session_next *out_next)
{
    struct http_exchange *exchange = NEW(struct http_exchange);

    exchange->port = *port;
    exchange->handler = context;
    http_reader_init(&exchange->reader, exchange->handler->body_size_max);
    buffer_init(&exchange->headers, RESPONSE_HEADERS_SIZE_MAX);
    return exchange;
}

static void free_exchange(void *session)
{
    struct http_exchange *exchange = session;

    if (exchange->is_waiting && exchange->on_gone != NULL) {
        exchange->on_gone(exchange->context);
    }
    http_reader_done(&exchange->reader);
    buffer_done(&exchange->headers);
    memory_free(exchange);
}

struct protocol http_protocol(const struct http_handler *handler)
{
    return (struct protocol){
        .name = "http",
        .line_size_max = HTTP_LINE_SIZE_MAX,
        .idle_timeout_ms = IDLE_TIMEOUT_MS,
        .output_size_max = RESPONSE_SIZE_MAX,
        .open = open_exchange,
        .on_line = on_line,
        .on_overlong_line = on_overlong_line,
        .on_octets = on_octets,
        .on_timeout = on_timeout,
        .free = free_exchange,
        .context = (void *)handler,
    };
}
