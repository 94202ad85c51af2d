/* Requests within the process: a client's loop is the origin of its exchanges. */
#include <string.h>

#include "core/check.h"
#include "core/macros.h"
#include "core/memory.h"
#include "net/rpc_exchange.h"
#include "net/rpc_pending.h"

struct local_channel {
    struct rpc_channel channel; /* first */
    const struct rpc_services *services;
    ProtobufCService *served; /* NULL: nobody does */
};

struct local_call {
    struct rpc_exchange exchange; /* first */
    struct rpc_pending pending;
};

static struct rpc_exchange *exchange_of(struct rpc_pending *pending)
{
    return &CONTAINER_OF(pending, struct local_call, pending)->exchange;
}

static void on_answer(struct rpc_exchange *exchange, const struct rpc_exchange_answer *answer)
{
    struct rpc_pending *pending = &CONTAINER_OF(exchange, struct local_call, exchange)->pending;

    if (answer->has_message) {
        rpc_pending_answer(pending, answer->packed, answer->octets);
    } else {
        rpc_pending_end(pending, answer->status, answer->leader_hint);
    }
}

static struct rpc_pending *make_pending(struct rpc_channel *channel)
{
    struct local_call *call = NEW(struct local_call);

    rpc_exchange_init(&call->exchange, channel->loop, on_answer);
    return &call->pending;
}

static enum status send(struct rpc_pending *pending, const struct rpc_outgoing *outgoing)
{
    const struct local_channel *channel =
        CONTAINER_OF(pending->channel, struct local_channel, channel);

    if (channel->served == NULL) {
        rpc_octets_unref(outgoing->octets);
        return channel->services == NULL ? STATUS_UNAVAILABLE : STATUS_UNSUPPORTED;
    }
    struct loop *loop = channel->services->route(channel->services->context, outgoing->shard);
    char *packed = memory_resized(NULL, outgoing->message_size + 1);

    CHECK(protobuf_c_message_pack(outgoing->message, (uint8_t *)packed) == outgoing->message_size);
    struct rpc_exchange_request request = {
        .served = channel->served,
        .method_index = outgoing->method_index,
        .loop = loop != NULL ? loop : pending->channel->loop,
        .shard = outgoing->shard,
        .deadline_ms = outgoing->deadline_ms,
        .octets = outgoing->octets,
        .packed = packed,
        .packed_size = outgoing->message_size,
    };

    rpc_exchange_ask(exchange_of(pending), &request);
    return STATUS_OK;
}

/* Only streams last long enough for the server to care. */
static void cancel(struct rpc_pending *pending)
{
    if (pending->is_stream) {
        rpc_exchange_notify(exchange_of(pending), 0);
    }
}

static void credit(struct rpc_pending *pending, unsigned item_count)
{
    rpc_exchange_notify(exchange_of(pending), item_count);
}

static void release_pending(struct rpc_pending *pending)
{
    rpc_exchange_unref(exchange_of(pending));
}

static void free_channel(struct rpc_channel *channel)
{
    memory_free(CONTAINER_OF(channel, struct local_channel, channel));
}

static const struct rpc_carrier carrier = {
    .make = make_pending,
    .send = send,
    .cancel = cancel,
    .credit = credit,
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
    for (size_t i = 0; services != NULL && i < services->service_count; i++) {
        if (strcmp(services->services[i]->descriptor->name, descriptor->name) == 0) {
            channel->served = services->services[i];
        }
    }
    return &channel->channel.service;
}
