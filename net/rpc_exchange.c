#include "net/rpc_exchange.h"

#include "core/check.h"
#include "core/macros.h"
#include "core/memory.h"

static struct rpc_exchange *ref(struct rpc_exchange *exchange)
{
    atomic_fetch_add_explicit(&exchange->references, 1, memory_order_relaxed);
    return exchange;
}

void rpc_exchange_unref(struct rpc_exchange *exchange)
{
    if (atomic_fetch_sub_explicit(&exchange->references, 1, memory_order_acq_rel) == 1) {
        memory_free(exchange->packed);
        memory_free(exchange);
    }
}

void rpc_exchange_init(struct rpc_exchange *exchange, struct loop *origin,
                       void (*on_answer)(struct rpc_exchange *exchange,
                                         const struct rpc_exchange_answer *answer))
{
    atomic_init(&exchange->references, 1);
    exchange->origin = origin;
    exchange->on_answer = on_answer;
}

/* ---- From the server to the origin: answers ---- */

struct answer_message {
    struct loop_message message;
    struct rpc_exchange *exchange;
    struct rpc_exchange_answer answer;
    char packed[];
};

static void on_answer(struct loop_message *message)
{
    struct answer_message *carried = CONTAINER_OF(message, struct answer_message, message);
    struct rpc_exchange *exchange = carried->exchange;

    carried->answer.packed.data = carried->packed;
    exchange->on_answer(exchange, &carried->answer);
    rpc_octets_unref(carried->answer.octets);
    rpc_exchange_unref(exchange);
    memory_free(carried);
}

static void send_answer(struct rpc_request *request, const struct rpc_answer *answer)
{
    struct rpc_exchange *exchange = CONTAINER_OF(request, struct rpc_exchange, request);
    struct answer_message *carried = memory_resized(NULL, sizeof(*carried) + answer->size);

    carried->message.run = on_answer;
    carried->exchange = ref(exchange);
    carried->answer = (struct rpc_exchange_answer){
        .status = answer->status,
        .leader_hint = answer->leader_hint,
        .is_end = answer->is_end,
        .has_message = answer->status == STATUS_OK && (!request->is_stream || !answer->is_end),
        .packed.size = answer->size,
        .octets = answer->octets,
    };
    rpc_answer_pack(answer, carried->packed);
    loop_post(exchange->origin, &carried->message);
}

static void release_request(struct rpc_request *request)
{
    rpc_exchange_unref(CONTAINER_OF(request, struct rpc_exchange, request));
}

static const struct rpc_responder responder = {send_answer, release_request};

/* ---- From the origin to the server: the request, then notices ---- */

static void on_arrival(struct loop_message *message)
{
    struct rpc_exchange *exchange = CONTAINER_OF(message, struct rpc_exchange, arrival);

    rpc_request_serve(&exchange->request, exchange->served, exchange->method_index,
                      (struct slice){exchange->packed, exchange->packed_size});
}

void rpc_exchange_ask(struct rpc_exchange *exchange, const struct rpc_exchange_request *request)
{
    CHECK(exchange->served == NULL);
    exchange->request = (struct rpc_request){
        .responder = &responder,
        .loop = request->loop,
        .shard = request->shard,
        .deadline_ms = request->deadline_ms,
        .is_stream = rpc_method_is_stream(request->served->descriptor, request->method_index),
        .octets = request->octets,
    };
    exchange->served = request->served;
    exchange->method_index = request->method_index;
    exchange->packed = request->packed;
    exchange->packed_size = request->packed_size;
    exchange->arrival.run = on_arrival;
    loop_post(request->loop, &ref(exchange)->arrival);
}

struct notice {
    struct loop_message message;
    struct rpc_exchange *exchange;
    unsigned credit;
};

static void on_notice(struct loop_message *message)
{
    struct notice *notice = CONTAINER_OF(message, struct notice, message);
    struct rpc_exchange *exchange = notice->exchange;

    if (notice->credit > 0) {
        rpc_request_credit(&exchange->request, notice->credit);
    } else {
        rpc_request_abandon(&exchange->request);
    }
    rpc_exchange_unref(exchange);
    memory_free(notice);
}

void rpc_exchange_notify(struct rpc_exchange *exchange, unsigned credit)
{
    if (exchange->served == NULL) {
        return;
    }
    struct notice *notice = NEW(struct notice);

    *notice = (struct notice){{on_notice, NULL}, ref(exchange), credit};
    loop_post(exchange->request.loop, &notice->message);
}
