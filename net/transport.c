#include "net/transport.h"

#include "core/check.h"

enum { KEEPALIVE_SECONDS = 120, DISCARDED_SIZE_MAX = 256 * 1024 };

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_chunk);
static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *chunk);
static void on_written(uv_write_t *write, int error);
static void on_handle_closed(uv_handle_t *handle);

void transport_init(struct transport *transport, struct loop *loop,
                    const struct transport_events *events)
{
    *transport = (struct transport){.loop = loop, .events = events};
    CHECK(uv_tcp_init(loop_uv(loop), &transport->tcp) == 0);
    buffer_init(&transport->sending, SIZE_MAX / 2);
}

void transport_open(struct transport *transport)
{
    transport->is_open = true;
    uv_tcp_nodelay(&transport->tcp, 1);
    uv_tcp_keepalive(&transport->tcp, 1, KEEPALIVE_SECONDS);
}

static void stop_reading(struct transport *transport)
{
    transport->is_reading = false;
    uv_read_stop((uv_stream_t *)&transport->tcp);
}

/* Stops only when something comes that nobody wants (on_alloc, on_read): most peers wait for the
 * answer, and to stop and start again would cost two calls to the system for each command. */
static void read_as_needed(struct transport *transport, bool wanted)
{
    transport->is_wanted =
        wanted && transport->is_open && !transport->has_ended && !transport->is_closing;
    if (transport->has_ended) {
        stop_reading(transport);
    } else if (transport->is_wanted && !transport->is_reading) {
        transport->is_reading =
            uv_read_start((uv_stream_t *)&transport->tcp, on_alloc, on_read) == 0;
        transport->is_broken |= !transport->is_reading;
    }
}

void transport_want_input(struct transport *transport, bool wanted)
{
    read_as_needed(transport, wanted || transport->is_handshaking || transport->is_finishing);
}

/* ---- In ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_chunk)
{
    struct transport *transport = CONTAINER_OF(handle, struct transport, tcp);

    *out_chunk = transport->is_wanted
                     ? uv_buf_init(loop_read_chunk(transport->loop), LOOP_CHUNK_SIZE)
                     : uv_buf_init(NULL, 0);
}

static void tell_broken(struct transport *transport)
{
    transport->is_broken = true;
    transport->events->on_broken(transport);
}

/* Octets of TLS itself. */
static void send_own(struct transport *transport)
{
    struct buffer nothing;

    buffer_init(&nothing, 0);
    transport_send(transport, &nothing);
}

static void shake_hands(struct transport *transport)
{
    enum status status = tls_stream_handshake(transport->tls);

    send_own(transport);
    if (status == STATUS_AGAIN && !transport->has_ended) {
        return;
    }
    transport->is_handshaking = false;
    if (status == STATUS_OK) {
        transport->events->on_secured(transport);
    } else {
        tell_broken(transport);
    }
}

static void discard(struct transport *transport, size_t size)
{
    transport->discarded += size;
    if (transport->has_ended || transport->discarded > DISCARDED_SIZE_MAX) {
        transport_close(transport);
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *chunk)
{
    struct transport *transport = CONTAINER_OF(stream, struct transport, tcp);
    struct slice octets = {chunk->base, count > 0 ? (size_t)count : 0};

    if (count == 0) {
        return;
    }
    if (!transport->is_wanted) {
        stop_reading(transport); /* no chunk: the octets stay with the system */
        return;
    }
    transport->has_ended = count < 0;
    if (transport->has_ended) {
        transport_want_input(transport, false);
    }
    if (transport->is_finishing) {
        discard(transport, octets.size);
        return;
    }
    if (count < 0 && count != UV_EOF) {
        tell_broken(transport);
        return;
    }
    if (transport->tls == NULL) {
        transport->lent = octets;
        transport->events->on_input(transport);
        transport->lent = (struct slice){0};
        return;
    }
    tls_stream_give(transport->tls, octets);
    if (transport->is_handshaking) {
        shake_hands(transport);
    } else {
        transport->events->on_input(transport);
    }
    if (transport->tls != NULL) {
        tls_stream_keep(transport->tls);
    }
}

enum status transport_pull(struct transport *transport, struct slice *out_octets)
{
    enum status status = transport->has_ended ? STATUS_NOT_FOUND : STATUS_AGAIN;

    if (transport->tls == NULL) {
        if (transport->lent.size == 0) {
            return status;
        }
        *out_octets = transport->lent;
        transport->lent = (struct slice){0};
        return STATUS_OK;
    }
    char *clear = loop_clear_chunk(transport->loop);
    size_t size = 0;
    enum status read = tls_stream_read(transport->tls, clear, LOOP_CHUNK_SIZE, &size);

    if (read == STATUS_OK) {
        *out_octets = (struct slice){clear, size};
    }
    return read == STATUS_AGAIN ? status : read;
}

void transport_secure(struct transport *transport, struct tls_stream *tls)
{
    CHECK(transport->tls == NULL);
    transport->tls = tls;
    transport->lent = (struct slice){0};
    transport->is_handshaking = true;
    /* The side that connects speaks first. */
    if (tls_stream_handshake(tls) != STATUS_AGAIN) {
        transport->is_broken = true;
    }
    send_own(transport);
    transport_want_input(transport, true);
}

/* ---- Out ---- */

static void move_memory(struct buffer *from, struct buffer *to)
{
    CHECK(to->size == 0);
    buffer_release(to);
    to->data = from->data;
    to->size = from->size;
    to->capacity = from->capacity;
    buffer_init(from, from->size_max);
}

/* Puts the next octets for the wire into `sending`. */
static void fill_sending(struct transport *transport, struct buffer *output)
{
    if (transport->tls == NULL) {
        if (output->size > 0) {
            move_memory(output, &transport->sending);
        }
        return;
    }
    struct buffer *sealed = tls_stream_output(transport->tls);

    if (output->size > 0) {
        loop_lend(transport->loop, sealed);
        if (tls_stream_write(transport->tls, buffer_view(output)) != STATUS_OK) {
            transport->is_broken = true;
        }
        buffer_clear(output);
    }
    if (sealed->size > 0) {
        move_memory(sealed, &transport->sending);
    }
}

static void empty_sending(struct transport *transport)
{
    buffer_clear(&transport->sending);
    loop_take_back(transport->loop, &transport->sending);
}

void transport_send(struct transport *transport, struct buffer *output)
{
    if (transport->is_sending || transport->is_closing || transport->is_broken) {
        return;
    }
    fill_sending(transport, output);
    size_t size = transport->sending.size;

    if (size == 0) {
        return;
    }
    uv_stream_t *stream = (uv_stream_t *)&transport->tcp;
    size_t part = size < UINT32_MAX / 2 ? size : UINT32_MAX / 2;
    uv_buf_t bytes = uv_buf_init(transport->sending.data, (unsigned)part);
    int written = uv_try_write(stream, &bytes, 1);

    if (written < 0 && written != UV_EAGAIN) {
        transport->is_broken = true;
        empty_sending(transport);
        return;
    }
    size_t taken = written > 0 ? (size_t)written : 0;

    if (taken == size) {
        empty_sending(transport);
        return;
    }
    bytes = uv_buf_init(transport->sending.data + taken, (unsigned)(size - taken));
    transport->is_sending = uv_write(&transport->write, stream, &bytes, 1, on_written) == 0;
    transport->is_broken = !transport->is_sending;
}

static void on_written(uv_write_t *write, int error)
{
    struct transport *transport = CONTAINER_OF(write, struct transport, write);

    transport->is_sending = false;
    empty_sending(transport);
    if (transport->is_closing) {
        return;
    }
    if (error != 0) {
        tell_broken(transport);
    } else if (transport->is_handshaking) {
        send_own(transport);
    } else {
        transport->events->on_sent(transport);
    }
}

size_t transport_unsent_size(const struct transport *transport)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&transport->tcp);
}

/* ---- The end ---- */

static void on_shut_down(uv_shutdown_t *shutdown, int error)
{
}

void transport_finish(struct transport *transport)
{
    if (transport->is_closing || transport->is_finishing) {
        return;
    }
    if (transport->tls != NULL && !transport->is_handshaking) {
        tls_stream_end(transport->tls);
        send_own(transport);
    }
    if (transport->has_ended || transport->is_broken || !transport->is_open ||
        uv_shutdown(&transport->shutdown, (uv_stream_t *)&transport->tcp, on_shut_down) != 0) {
        transport_close(transport);
        return;
    }
    transport->is_finishing = true;
    transport_want_input(transport, true);
}

void transport_close(struct transport *transport)
{
    if (transport->is_closing) {
        return;
    }
    transport->is_closing = true;
    uv_close((uv_handle_t *)&transport->tcp, on_handle_closed);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct transport *transport = CONTAINER_OF(handle, struct transport, tcp);

    tls_stream_free(transport->tls);
    transport->tls = NULL;
    buffer_done(&transport->sending);
    transport->events->on_closed(transport);
}
