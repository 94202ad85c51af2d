/* Requests within the process. A request and its answers travel as messages between the loops;
 * each side touches only its own half of the exchange that they share, and the last to leave frees
 * it. So either side may be gone when the other's message arrives. */
#include <stdatomic.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "net/rpc_message.h"
#include "net/rpc_pending.h"
#include "net/rpc_request.h"

struct local_channel {
    struct rpc_channel channel; /* first */
    const struct rpc_services *services;
    ProtobufCService *served; /* NULL: nobody does */
};

struct exchange {
    atomic_uint references;     /* the client, the server, and messages on their way */
    struct rpc_pending pending; /* the client's half */
    struct rpc_request request; /* the server's half */
    struct loop *client_loop;
    struct loop_message arrival; /* of the request at the server's loop, with the rest */
    ProtobufCService *served;
    unsigned method_index;
    char *packed;
    size_t packed_size;
};

static struct exchange *ref(struct exchange *exchange)
{
    atomic_fetch_add_explicit(&exchange->references, 1, memory_order_relaxed);
    return exchange;
}

static void unref(struct exchange *exchange)
{
    if (atomic_fetch_sub_explicit(&exchange->references, 1, memory_order_acq_rel) == 1) {
        memory_free(exchange->packed);
        memory_free(exchange);
    }
}

/* ---- From the server to the client: answers ---- */

struct answer_message {
    struct loop_message message;
    struct exchange *exchange;
    enum status status;
    uint32_t leader_hint;
    bool has_message;
    struct rpc_octets *octets;
    size_t size;
    char packed[];
};

static void on_answer(struct loop_message *message)
{
    struct answer_message *answer = CONTAINER_OF(message, struct answer_message, message);
    struct rpc_pending *pending = &answer->exchange->pending;

    if (answer->has_message) {
        rpc_pending_answer(pending, (struct slice){answer->packed, answer->size}, answer->octets);
    } else {
        rpc_pending_end(pending, answer->status, answer->leader_hint);
    }
    rpc_octets_unref(answer->octets);
    unref(answer->exchange);
    memory_free(answer);
}

static void send_answer(struct rpc_request *request, const struct rpc_answer *answer)
{
    struct exchange *exchange = CONTAINER_OF(request, struct exchange, request);
    struct answer_message *carried = memory_resized(NULL, sizeof(*carried) + answer->size);

    *carried = (struct answer_message){
        .message = {.run = on_answer},
        .exchange = ref(exchange),
        .status = answer->status,
        .leader_hint = answer->leader_hint,
        .has_message = answer->status == STATUS_OK && (!request->is_stream || !answer->is_end),
        .octets = answer->octets,
        .size = answer->size,
    };
    rpc_answer_pack(answer, carried->packed);
    loop_post(exchange->client_loop, &carried->message);
}

static void release_request(struct rpc_request *request)
{
    unref(CONTAINER_OF(request, struct exchange, request));
}

static const struct rpc_responder responder = {send_answer, release_request};

/* ---- From the client to the server: the request, then notices ---- */

static void on_arrival(struct loop_message *message)
{
    struct exchange *exchange = CONTAINER_OF(message, struct exchange, arrival);

    rpc_request_serve(&exchange->request, exchange->served, exchange->method_index,
                      (struct slice){exchange->packed, exchange->packed_size});
}

struct notice {
    struct loop_message message;
    struct exchange *exchange;
    unsigned credit; /* 0: the client cancelled */
};

static void on_notice(struct loop_message *message)
{
    struct notice *notice = CONTAINER_OF(message, struct notice, message);
    struct rpc_request *request = &notice->exchange->request;

    if (notice->credit > 0) {
        rpc_request_credit(request, notice->credit);
    } else {
        rpc_request_abandon(request);
    }
    unref(notice->exchange);
    memory_free(notice);
}

static void send_notice(struct rpc_pending *pending, unsigned credit)
{
    struct exchange *exchange = CONTAINER_OF(pending, struct exchange, pending);

    if (exchange->served == NULL) {
        return;
    }
    struct notice *notice = NEW(struct notice);

    *notice = (struct notice){{on_notice, NULL}, ref(exchange), credit};
    loop_post(exchange->request.loop, &notice->message);
}

/* Only streams last long enough for the server to care. */
static void cancel(struct rpc_pending *pending)
{
    if (pending->is_stream) {
        send_notice(pending, 0);
    }
}

static struct rpc_pending *make_pending(struct rpc_channel *channel)
{
    struct exchange *exchange = NEW(struct exchange);

    atomic_init(&exchange->references, 1);
    exchange->client_loop = channel->loop;
    return &exchange->pending;
}

static void release_pending(struct rpc_pending *pending)
{
    unref(CONTAINER_OF(pending, struct exchange, pending));
}

static enum status send(struct rpc_pending *pending, const struct rpc_outgoing *outgoing)
{
    struct exchange *exchange = CONTAINER_OF(pending, struct exchange, pending);
    const struct local_channel *channel =
        CONTAINER_OF(pending->channel, struct local_channel, channel);

    if (channel->served == NULL) {
        rpc_octets_unref(outgoing->octets);
        return STATUS_UNSUPPORTED;
    }
    struct loop *loop = channel->services->route(channel->services->context, outgoing->shard);

    exchange->request = (struct rpc_request){
        .responder = &responder,
        .loop = loop != NULL ? loop : pending->channel->loop,
        .shard = outgoing->shard,
        .deadline_ms = outgoing->deadline_ms,
        .is_stream = pending->is_stream,
        .octets = outgoing->octets,
    };
    exchange->served = channel->served;
    exchange->method_index = outgoing->method_index;
    exchange->packed_size = outgoing->message_size;
    exchange->packed = memory_resized(NULL, outgoing->message_size + 1);
    CHECK(protobuf_c_message_pack(outgoing->message, (uint8_t *)exchange->packed) ==
          outgoing->message_size);
    exchange->arrival.run = on_arrival;
    loop_post(exchange->request.loop, &ref(exchange)->arrival);
    return STATUS_OK;
}

/* ---- Channels ---- */

static void free_channel(struct rpc_channel *channel)
{
    memory_free(CONTAINER_OF(channel, struct local_channel, channel));
}

static const struct rpc_carrier carrier = {
    .make = make_pending,
    .send = send,
    .cancel = cancel,
    .credit = send_notice,
    .release = release_pending,
    .free = free_channel,
};

ProtobufCService *rpc_local_channel_new(struct loop *loop,
                                        const ProtobufCServiceDescriptor *descriptor,
                                        const struct rpc_services *services)
{
    struct local_channel *channel = NEW(struct local_channel);

    rpc_channel_init(&channel->channel, loop, descriptor, &carrier);
    channel->services = services;
    for (size_t i = 0; i < services->service_count; i++) {
        if (strcmp(services->services[i]->descriptor->name, descriptor->name) == 0) {
            channel->served = services->services[i];
        }
    }
    return &channel->channel.service;
}
