#include "net/rpc_pending.h"

#include <string.h>

#include "core/check.h"
#include "net/rpc_message.h"

enum { CREDIT_COUNT = RPC_STREAM_WINDOW / 2 };

void rpc_call_init(struct rpc_call *call, uint32_t shard)
{
    *call = (struct rpc_call){.shard = shard};
}

bool rpc_method_is_stream(const ProtobufCServiceDescriptor *service, unsigned method)
{
    static const char prefix[] = "Watch";

    CHECK(method < service->n_methods);
    return strncmp(service->methods[method].name, prefix, sizeof(prefix) - 1) == 0;
}

/* ---- How a request ends ---- */

/* From now on answers are dropped and the caller's structure is its own again. */
static struct rpc_call *detach(struct rpc_pending *pending)
{
    struct rpc_call *call = pending->call;

    loop_timer_stop(&pending->timer);
    pending->call = NULL;
    pending->channel->pending_count--;
    call->pending = NULL;
    return call;
}

static void finish(struct rpc_pending *pending, enum status status, uint32_t leader_hint)
{
    ProtobufCClosure closure = pending->closure;
    struct rpc_call *call = detach(pending);

    pending->channel->carrier->release(pending);
    call->status = status;
    call->leader_hint = leader_hint;
    call->reply_octets = NULL;
    closure(NULL, call);
}

void rpc_pending_end(struct rpc_pending *pending, enum status status, uint32_t leader_hint)
{
    if (pending->call == NULL) {
        return;
    }
    /* Only a stream may end well without a message. */
    finish(pending, status == STATUS_OK && !pending->is_stream ? STATUS_CORRUPT : status,
           leader_hint);
}

static void fail(struct rpc_pending *pending, enum status status)
{
    pending->channel->carrier->cancel(pending);
    finish(pending, status, 0);
}

static void grant_credit(struct rpc_pending *pending)
{
    if (++pending->item_count == CREDIT_COUNT) {
        pending->item_count = 0;
        pending->channel->carrier->credit(pending, CREDIT_COUNT);
    }
}

static void tell(struct rpc_pending *pending, const ProtobufCMessage *message,
                 struct rpc_octets *octets)
{
    ProtobufCClosure closure = pending->closure;
    struct rpc_call *call = pending->call;

    if (pending->is_stream) {
        grant_credit(pending);
    } else {
        detach(pending);
        pending->channel->carrier->release(pending);
    }
    call->status = STATUS_OK;
    call->reply_octets = octets;
    call->leader_hint = 0;
    closure(message, call);
}

void rpc_pending_answer(struct rpc_pending *pending, struct slice packed, struct rpc_octets *octets)
{
    struct arena arena;
    ProtobufCMessage *message = NULL;

    if (pending->call == NULL) {
        return;
    }
    arena_init(&arena);
    enum status status = rpc_message_unpack(pending->method->output, packed, &arena, &message);

    if (status == STATUS_OK) {
        tell(pending, message, octets);
    } else {
        fail(pending, status);
    }
    arena_done(&arena);
}

static void on_timer(struct loop_timer *timer)
{
    struct rpc_pending *pending = CONTAINER_OF(timer, struct rpc_pending, timer);

    fail(pending, pending->failure);
}

void rpc_call_cancel(struct rpc_call *call)
{
    struct rpc_pending *pending = call->pending;

    if (pending == NULL) {
        return;
    }
    detach(pending);
    pending->channel->carrier->cancel(pending);
    pending->channel->carrier->release(pending);
}

/* ---- How it begins ---- */

static uint64_t deadline_of(const struct rpc_pending *pending, const struct rpc_call *call)
{
    if (call->deadline_ms > 0) {
        return call->deadline_ms;
    }
    return pending->is_stream ? UINT64_MAX
                              : loop_now_ms(pending->channel->loop) + RPC_TIMEOUT_DEFAULT_MS;
}

/* The octets are the carrier's from here on, or gone. */
static enum status send(struct rpc_pending *pending, struct rpc_outgoing *outgoing)
{
    outgoing->message_size = protobuf_c_message_get_packed_size(outgoing->message);
    if (outgoing->message_size > RPC_MESSAGE_SIZE_MAX ||
        rpc_octets_view(outgoing->octets).size > RPC_OCTETS_SIZE_MAX) {
        rpc_octets_unref(outgoing->octets);
        return STATUS_TOO_LARGE;
    }
    return pending->channel->carrier->send(pending, outgoing);
}

static void start_timer(struct rpc_pending *pending, enum status status, uint64_t deadline_ms)
{
    uint64_t now_ms = loop_now_ms(pending->channel->loop);

    loop_timer_init(&pending->timer, pending->channel->loop, on_timer);
    pending->failure = status != STATUS_OK ? status : STATUS_TIMED_OUT;
    if (status != STATUS_OK || deadline_ms <= now_ms) {
        loop_timer_start(&pending->timer, 0);
    } else if (deadline_ms != UINT64_MAX) {
        loop_timer_start(&pending->timer, deadline_ms - now_ms);
    }
}

static void invoke(ProtobufCService *service, unsigned method_index, const ProtobufCMessage *input,
                   ProtobufCClosure closure, void *closure_data)
{
    struct rpc_channel *channel = CONTAINER_OF(service, struct rpc_channel, service);
    struct rpc_call *call = closure_data;
    struct rpc_pending *pending = channel->carrier->make(channel);

    CHECK(call->pending == NULL && loop_is_current(channel->loop));
    pending->channel = channel;
    pending->call = call;
    pending->method = &service->descriptor->methods[method_index];
    pending->closure = closure;
    pending->is_stream = rpc_method_is_stream(service->descriptor, method_index);
    channel->pending_count++;
    call->pending = pending;
    call->reply_octets = NULL;

    struct rpc_outgoing outgoing = {
        .method_index = method_index,
        .shard = call->shard,
        .deadline_ms = deadline_of(pending, call),
        .message = input,
        .octets = call->octets,
    };

    call->octets = NULL;
    start_timer(pending, send(pending, &outgoing), outgoing.deadline_ms);
}

/* ---- Channels ---- */

void rpc_channel_init(struct rpc_channel *channel, struct loop *loop,
                      const ProtobufCServiceDescriptor *descriptor,
                      const struct rpc_carrier *carrier)
{
    CHECK(rpc_service_is_bounded(descriptor));
    channel->service = (ProtobufCService){.descriptor = descriptor, .invoke = invoke};
    channel->loop = loop;
    channel->carrier = carrier;
}

void rpc_channel_free(ProtobufCService *service)
{
    if (service == NULL) {
        return;
    }
    struct rpc_channel *channel = CONTAINER_OF(service, struct rpc_channel, service);

    CHECK(channel->pending_count == 0);
    channel->carrier->free(channel);
}
