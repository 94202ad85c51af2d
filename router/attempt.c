#include "router/attempt.h"

#include "core/check.h"
#include "core/macros.h"
#include "core/random.h"
#include "router/channels.h"

enum { PAUSE_LEAST_MS = 5, PAUSE_MOST_MS = 1000 };

static void send(struct attempt *attempt, const ProtobufCMessage *request);
static void on_reply(const ProtobufCMessage *reply, void *data);
static void on_pause_over(struct loop_timer *timer);

void attempt_init(struct attempt *attempt, struct router *router)
{
    *attempt = (struct attempt){.router = router};
    buffer_init(&attempt->packed, RPC_MESSAGE_SIZE_MAX);
    loop_timer_init(&attempt->pause, router_loop(router), on_pause_over);
}

void attempt_done(struct attempt *attempt)
{
    loop_timer_stop(&attempt->pause);
    rpc_call_cancel(&attempt->call);
    rpc_octets_unref(attempt->octets);
    attempt->octets = NULL;
    buffer_done(&attempt->packed);
}

static unsigned index_of(const ProtobufCServiceDescriptor *service, const char *method)
{
    const ProtobufCMethodDescriptor *found =
        protobuf_c_service_descriptor_get_method_by_name(service, method);

    CHECK(found != NULL);
    return (unsigned)(found - service->methods);
}

void attempt_start(struct attempt *attempt, uint32_t shard,
                   const ProtobufCServiceDescriptor *service, const char *method,
                   const ProtobufCMessage *request, struct rpc_octets *octets,
                   attempt_done_fn *done)
{
    size_t size = protobuf_c_message_get_packed_size(request);

    rpc_octets_unref(attempt->octets);
    attempt->octets = octets;
    attempt->done = done;
    attempt->service = service;
    attempt->method = index_of(service, method);
    attempt->tries = 0;
    attempt->deadline_ms =
        loop_now_ms(router_loop(attempt->router)) + router_call_timeout_ms(attempt->router);
    buffer_clear(&attempt->packed);
    protobuf_c_message_pack(request, (uint8_t *)buffer_reserve(&attempt->packed, size));
    buffer_grew(&attempt->packed, size);
    rpc_call_init(&attempt->call, shard);
    send(attempt, request);
}

static void send(struct attempt *attempt, const ProtobufCMessage *request)
{
    ProtobufCService *channel =
        router_channel(attempt->router, attempt->call.shard, attempt->service);

    attempt->tries++;
    attempt->asked = channel;
    attempt->call.deadline_ms = attempt->deadline_ms;
    attempt->call.octets = attempt->octets != NULL ? rpc_octets_ref(attempt->octets) : NULL;
    channel->invoke(channel, attempt->method, request, on_reply, &attempt->call);
}

static bool may_be_tried_again(enum status status)
{
    return status == STATUS_NOT_LEADER || status == STATUS_UNAVAILABLE || status == STATUS_BUSY;
}

/* Twice as long each time, of which half is chance, so that many do not come back together. */
static uint64_t pause_ms(unsigned tries)
{
    uint64_t longest = PAUSE_LEAST_MS;
    uint32_t chance = 0;

    for (unsigned i = 1; i < tries && longest < PAUSE_MOST_MS; i++) {
        longest *= 2;
    }
    random_octets(&chance, sizeof(chance));
    return longest / 2 + chance % (longest / 2 + 1);
}

static void on_reply(const ProtobufCMessage *reply, void *data)
{
    struct attempt *attempt = CONTAINER_OF(data, struct attempt, call);
    uint64_t now_ms = loop_now_ms(router_loop(attempt->router));
    enum status status = attempt->call.status;
    uint64_t pause = pause_ms(attempt->tries);

    router_learn(attempt->router, attempt->call.shard, attempt->asked, status,
                 attempt->call.leader_hint);
    if (may_be_tried_again(status) && now_ms + pause < attempt->deadline_ms) {
        loop_timer_start(&attempt->pause, pause);
        return;
    }
    attempt->done(attempt, status == STATUS_NOT_LEADER ? STATUS_UNAVAILABLE : status, reply,
                  attempt->call.reply_octets);
}

static void on_pause_over(struct loop_timer *timer)
{
    struct attempt *attempt = CONTAINER_OF(timer, struct attempt, pause);
    ProtobufCMessage *request =
        protobuf_c_message_unpack(attempt->service->methods[attempt->method].input, NULL,
                                  attempt->packed.size, (const uint8_t *)attempt->packed.data);

    CHECK(request != NULL); /* our own octets */
    send(attempt, request);
    protobuf_c_message_free_unpacked(request, NULL);
}
