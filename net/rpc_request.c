#include "net/rpc_request.h"

#include <string.h>

#include "core/check.h"
#include "net/rpc_message.h"

/* ---- What a service asks ---- */

struct loop *rpc_request_loop(const struct rpc_request *request)
{
    return request->loop;
}

uint32_t rpc_request_shard(const struct rpc_request *request)
{
    return request->shard;
}

struct slice rpc_request_octets(const struct rpc_request *request)
{
    return rpc_octets_view(request->octets);
}

struct rpc_octets *rpc_request_octets_ref(struct rpc_request *request)
{
    return request->octets != NULL ? rpc_octets_ref(request->octets) : NULL;
}

uint64_t rpc_request_deadline_ms(const struct rpc_request *request)
{
    return request->deadline_ms;
}

bool rpc_stream_is_writable(const struct rpc_request *request)
{
    return request->credit > 0;
}

/* ---- Answers ---- */

static void finish(struct rpc_request *request)
{
    request->is_open = false;
    rpc_octets_unref(request->octets);
    rpc_octets_unref(request->reply_octets);
    request->octets = request->reply_octets = NULL;
    arena_done(&request->arena);
    if (!request->is_ending) {
        request->responder->release(request);
    }
}

static void send(struct rpc_request *request, struct rpc_answer *answer)
{
    CHECK(request->is_open && loop_is_current(request->loop));
    if (request->is_gone) {
        rpc_octets_unref(answer->octets);
    } else {
        request->responder->send(request, answer);
    }
    if (answer->is_end) {
        finish(request);
    }
}

static void send_end(struct rpc_request *request, enum status status, uint32_t leader_hint)
{
    struct rpc_answer answer = {.status = status, .leader_hint = leader_hint, .is_end = true};

    send(request, &answer);
}

/* A reply or an item, `answer` but for its octets. */
static void send_message(struct rpc_request *request, struct rpc_answer *answer)
{
    if (answer->size > RPC_MESSAGE_SIZE_MAX ||
        rpc_octets_view(request->reply_octets).size > RPC_OCTETS_SIZE_MAX) {
        send_end(request, STATUS_TOO_LARGE, 0);
        return;
    }
    if (request->is_stream) {
        CHECK(request->has_begun && (request->credit > 0 || request->is_gone));
        request->credit -= request->credit > 0;
    }
    answer->is_end = !request->is_stream;
    answer->octets = request->reply_octets;
    request->reply_octets = NULL;
    send(request, answer);
}

/* The closure that services call. */
static void on_reply(const ProtobufCMessage *message, void *closure_data)
{
    struct rpc_answer answer = {.message = message};

    CHECK(message != NULL);
    answer.size = protobuf_c_message_get_packed_size(message);
    send_message(closure_data, &answer);
}

void rpc_reply_packed(struct rpc_request *request, struct slice message)
{
    struct rpc_answer answer = {.packed = message, .size = message.size};

    send_message(request, &answer);
}

void rpc_reply_octets(struct rpc_request *request, struct rpc_octets *octets)
{
    rpc_octets_unref(request->reply_octets);
    request->reply_octets = octets;
}

void rpc_fail(void *request, enum status status)
{
    const struct rpc_request *failed = request;

    CHECK(status != STATUS_OK || failed->is_stream);
    send_end(request, status, 0);
}

void rpc_fail_not_leader(void *request, uint32_t leader_hint)
{
    send_end(request, STATUS_NOT_LEADER, leader_hint);
}

void rpc_answer_pack(const struct rpc_answer *answer, char *out_octets)
{
    if (answer->message != NULL) {
        CHECK(protobuf_c_message_pack(answer->message, (uint8_t *)out_octets) == answer->size);
    } else if (answer->size > 0) {
        memcpy(out_octets, answer->packed.data, answer->size);
    }
}

/* ---- Streams ---- */

static void on_ending(struct loop_message *message)
{
    struct rpc_request *request = CONTAINER_OF(message, struct rpc_request, ending);

    request->is_ending = false;
    if (!request->is_open) {
        request->responder->release(request); /* the service ended it meanwhile */
        return;
    }
    request->on_end(request, request->context);
    finish(request);
}

void rpc_stream_begin(struct rpc_request *request, void (*on_end)(struct rpc_request *, void *),
                      void (*on_writable)(struct rpc_request *, void *), void *context)
{
    CHECK(request->is_stream && request->is_open && !request->has_begun);
    request->has_begun = true;
    request->on_end = on_end;
    request->on_writable = on_writable;
    request->context = context;
    if (request->is_gone) {
        request->is_ending = true;
        request->ending.run = on_ending;
        loop_post(request->loop, &request->ending);
    }
}

void rpc_request_abandon(struct rpc_request *request)
{
    if (!request->is_open || request->is_gone) {
        return;
    }
    request->is_gone = true;
    if (request->has_begun) {
        request->on_end(request, request->context);
        finish(request);
    }
}

void rpc_request_credit(struct rpc_request *request, unsigned item_count)
{
    if (!request->is_open || request->is_gone || !request->is_stream ||
        item_count > RPC_STREAM_WINDOW - request->credit) {
        return;
    }
    bool was_writable = request->credit > 0;

    request->credit += item_count;
    if (!was_writable && request->credit > 0 && request->has_begun &&
        request->on_writable != NULL) {
        request->on_writable(request, request->context);
    }
}

/* ---- The beginning ---- */

void rpc_request_serve(struct rpc_request *request, ProtobufCService *service,
                       unsigned method_index, struct slice packed)
{
    ProtobufCMessage *message = NULL;
    enum status status = STATUS_TIMED_OUT;

    arena_init(&request->arena);
    request->is_open = true;
    request->credit = request->is_stream ? RPC_STREAM_WINDOW : 0;
    if (request->deadline_ms > loop_now_ms(request->loop)) {
        status = rpc_message_unpack(service->descriptor->methods[method_index].input, packed,
                                    &request->arena, &message);
    }
    if (status != STATUS_OK) {
        send_end(request, status, 0);
        return;
    }
    service->invoke(service, method_index, message, on_reply, request);
}
