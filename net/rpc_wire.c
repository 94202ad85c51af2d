#include "net/rpc_wire.h"

#include <string.h>

#include "core/check.h"
#include "core/log.h"

/* ---- Out ---- */

static void on_flush(struct loop_timer *timer)
{
    struct rpc_wire *wire = CONTAINER_OF(timer, struct rpc_wire, flush);

    if (wire->is_full) {
        wire->port.wake(wire->port.connection, SESSION_ENDS);
    } else {
        wire->port.flush(wire->port.connection);
    }
}

char *rpc_wire_begin(struct rpc_wire *wire, const struct rpc_frame *frame)
{
    struct buffer *output = wire->port.output;
    size_t size = RPC_FRAME_HEADER_SIZE + (size_t)frame->message_size;

    if (!wire->flush.running) {
        loop_timer_start(&wire->flush, 0);
    }
    if (wire->is_full || buffer_room(output) < size + frame->octets_size) {
        wire->is_full = true;
        return NULL;
    }
    char *room = buffer_reserve(output, size + frame->octets_size);

    rpc_frame_encode(frame, room);
    return room + RPC_FRAME_HEADER_SIZE;
}

void rpc_wire_end(struct rpc_wire *wire, const struct rpc_frame *frame,
                  const struct rpc_octets *octets)
{
    buffer_grew(wire->port.output, RPC_FRAME_HEADER_SIZE + (size_t)frame->message_size);
    buffer_append(wire->port.output, rpc_octets_view(octets));
}

void rpc_wire_send(struct rpc_wire *wire, const struct rpc_frame *frame)
{
    if (rpc_wire_begin(wire, frame) != NULL) {
        rpc_wire_end(wire, frame, NULL);
    }
}

/* ---- In ---- */

static bool greet(struct rpc_wire *wire, struct slice message)
{
    struct rpc_hello hello;
    enum status status = rpc_hello_decode(message, &hello);

    if (status == STATUS_OK && hello.cluster != wire->hello.cluster) {
        status = STATUS_DENIED;
    }
    if (status != STATUS_OK) {
        log_warning("rpc.greeting_refused", log_text("peer", wire->port.peer->address),
                    log_status(status));
        return false;
    }
    wire->has_greeted = true;
    wire->events->on_hello(wire, &hello);
    return true;
}

/* `octets` is taken. */
static bool dispatch(struct rpc_wire *wire, struct slice message, struct rpc_octets *octets)
{
    const struct rpc_frame *frame = &wire->frame;
    struct rpc_frame pong = {.kind = RPC_FRAME_PONG};

    if ((frame->kind == RPC_FRAME_HELLO) == wire->has_greeted) {
        rpc_octets_unref(octets);
        return false;
    }
    switch (frame->kind) {
    case RPC_FRAME_HELLO:
        return greet(wire, message);
    case RPC_FRAME_PING:
        rpc_wire_send(wire, &pong);
        return true;
    case RPC_FRAME_PONG:
        return true;
    default:
        return wire->events->on_frame(wire, frame, message, octets);
    }
}

/* Moves what is missing of `size` octets into `partial`. False: more must come. */
static bool gather(struct rpc_wire *wire, size_t size, struct slice *octets)
{
    struct slice taken = slice_prefix(*octets, size - wire->partial.size);

    buffer_append(&wire->partial, taken);
    *octets = slice_skip(*octets, taken.size);
    return wire->partial.size == size;
}

/* OK: the header is there. AGAIN: more must come. */
static enum status take_header(struct rpc_wire *wire, struct slice *octets)
{
    enum status status = STATUS_OK;

    if (wire->partial.size == 0 && octets->size >= RPC_FRAME_HEADER_SIZE) {
        status = rpc_frame_decode(*octets, &wire->frame);
        *octets = slice_skip(*octets, RPC_FRAME_HEADER_SIZE);
    } else {
        if (!gather(wire, RPC_FRAME_HEADER_SIZE, octets)) {
            return STATUS_AGAIN;
        }
        status = rpc_frame_decode(buffer_view(&wire->partial), &wire->frame);
        buffer_clear(&wire->partial);
    }
    wire->has_header = true;
    wire->octets_left = wire->frame.octets_size;
    return status;
}

static bool fill_octets(struct rpc_wire *wire, struct slice *octets)
{
    if (wire->frame.octets_size > 0 && wire->octets == NULL) {
        wire->octets = rpc_octets_reserve(wire->frame.octets_size, &wire->octets_next);
    }
    struct slice taken = slice_prefix(*octets, wire->octets_left);

    if (taken.size > 0) {
        memcpy(wire->octets_next, taken.data, taken.size);
        wire->octets_next += taken.size;
        wire->octets_left -= taken.size;
        *octets = slice_skip(*octets, taken.size);
    }
    return wire->octets_left == 0;
}

/* The frame is whole: the next one begins. */
static bool complete(struct rpc_wire *wire, struct slice message)
{
    struct rpc_octets *octets = wire->octets;

    wire->octets = NULL;
    wire->has_header = wire->has_message = false;
    /* A frame, however small, is a sign of life. */
    wire->port.set_idle_timeout(wire->port.connection, wire->silence_max_ms);
    return dispatch(wire, message, octets);
}

/* A frame that is here as a whole is not copied. OK: it was dispatched. */
static enum status take_body(struct rpc_wire *wire, struct slice *octets)
{
    size_t message_size = wire->frame.message_size;
    struct slice message = slice_prefix(*octets, message_size);
    bool is_whole = wire->partial.size == 0 && !wire->has_message &&
                    octets->size >= message_size + wire->frame.octets_size;

    if (is_whole) {
        *octets = slice_skip(*octets, message_size);
        fill_octets(wire, octets);
        return complete(wire, message) ? STATUS_OK : STATUS_INVALID;
    }
    wire->has_message = wire->has_message || gather(wire, message_size, octets);
    if (!wire->has_message || !fill_octets(wire, octets)) {
        return STATUS_AGAIN;
    }
    bool is_good = complete(wire, buffer_view(&wire->partial));

    buffer_release(&wire->partial);
    return is_good ? STATUS_OK : STATUS_INVALID;
}

bool rpc_wire_take(struct rpc_wire *wire, struct slice octets)
{
    enum status status = STATUS_OK;

    while (status == STATUS_OK && (octets.size > 0 || wire->has_header)) {
        if (!wire->has_header) {
            status = take_header(wire, &octets);
        } else {
            status = take_body(wire, &octets);
        }
    }
    return status == STATUS_OK || status == STATUS_AGAIN;
}

/* ---- Beginning and end ---- */

void rpc_wire_init(struct rpc_wire *wire, const struct session_port *port,
                   const struct rpc_wire_events *events, const struct rpc_hello *hello,
                   uint64_t silence_max_ms)
{
    struct rpc_frame frame = {.kind = RPC_FRAME_HELLO, .message_size = RPC_HELLO_SIZE};

    *wire = (struct rpc_wire){
        .port = *port, .events = events, .hello = *hello, .silence_max_ms = silence_max_ms};
    buffer_init(&wire->partial, RPC_MESSAGE_SIZE_MAX + RPC_FRAME_HEADER_SIZE);
    loop_timer_init(&wire->flush, port->loop, on_flush);
    char *message = rpc_wire_begin(wire, &frame);

    CHECK(message != NULL);
    rpc_hello_encode(hello, message);
    rpc_wire_end(wire, &frame, NULL);
}

void rpc_wire_done(struct rpc_wire *wire)
{
    loop_timer_stop(&wire->flush);
    buffer_done(&wire->partial);
    rpc_octets_unref(wire->octets);
}
