#include "router/handover.h"

#include <string.h>

#include "core/log.h"
#include "core/macros.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "proto/delivery.pb-c.h"
#include "proto/handover.pb-c.h"
#include "router/attempt.h"
#include "router/watch_client.h"

enum {
    PAUSE_LEAST_MS = 1000, /* before those that could not be brought are tried again */
    PAUSE_MOST_MS = 60 * 1000,
    IDS_MAX = 16, /* under which one is tried, see try_next_id() */
};

METRIC_COUNTER(brought, "aviso_handovers_brought_total", "",
               "Deliveries brought to a shard that did not answer before.");

/* One shard and what it keeps: one delivery at a time, in the order in which they came. */
struct keeper {
    struct router *router;
    uint32_t shard;
    struct account_watch watch;
    struct attempt attempt;
    struct loop_timer pause;
    uint64_t pause_ms;
    bool is_running;
    bool wants_another; /* something came during this pass */

    /* The pass. */
    uint64_t id;      /* of the delivery in hand, or the last one */
    uint32_t *silent; /* shards that did not answer in this pass */
    size_t silent_count;
    size_t silent_capacity;

    /* The delivery in hand. */
    uint32_t target;
    struct buffer deliver; /* packed, as it was kept */
    struct rpc_octets *octets;
    char body_id[32];
    uint64_t body_size;
    uint32_t frame;
    uint32_t frame_count; /* to be put before it */
    unsigned id_number;
    bool is_late; /* its request id is too old to be remembered */
};

struct handover_worker {
    size_t keeper_count;
    struct keeper keepers[];
};

static attempt_done_fn on_next, on_frame_got, on_frame_put, on_delivered, on_settled;

/* ---- A pass over all that a shard keeps ---- */

static void ask_next(struct keeper *keeper)
{
    Aviso__NextHandoverRequest request = AVISO__NEXT_HANDOVER_REQUEST__INIT;

    request.after = keeper->id;
    attempt_start(&keeper->attempt, keeper->shard, &aviso__handovers__descriptor, "NextHandover",
                  &request.base, NULL, on_next);
}

static void begin_pass(struct keeper *keeper)
{
    loop_timer_stop(&keeper->pause);
    keeper->is_running = true;
    keeper->wants_another = false;
    keeper->silent_count = 0;
    keeper->id = 0;
    ask_next(keeper);
}

static void end_pass(struct keeper *keeper, bool is_complete)
{
    keeper->is_running = false;
    if (is_complete && keeper->silent_count == 0) {
        keeper->pause_ms = PAUSE_LEAST_MS;
        if (keeper->wants_another) {
            begin_pass(keeper);
        }
        return;
    }
    loop_timer_start(&keeper->pause, keeper->pause_ms);
    keeper->pause_ms = keeper->pause_ms * 2 < PAUSE_MOST_MS ? keeper->pause_ms * 2 : PAUSE_MOST_MS;
}

static void on_pause_over(struct loop_timer *timer)
{
    begin_pass(CONTAINER_OF(timer, struct keeper, pause));
}

/* Those that wait for a pause to be over are not hurried by one more. */
static void on_changed(struct account_watch *watch, const struct watch_change *change)
{
    struct keeper *keeper = CONTAINER_OF(watch, struct keeper, watch);

    keeper->wants_another = true;
    if (!keeper->is_running && keeper->silent_count == 0) {
        begin_pass(keeper);
    }
}

/* ---- One delivery ---- */

static bool is_silent(const struct keeper *keeper, uint32_t shard)
{
    for (size_t i = 0; i < keeper->silent_count; i++) {
        if (keeper->silent[i] == shard) {
            return true;
        }
    }
    return false;
}

/* It stays where it is; others that belong elsewhere go on. */
static void leave(struct keeper *keeper, enum status status)
{
    if (!is_silent(keeper, keeper->target)) {
        log_warning("handover.waits", log_number("shard", keeper->target),
                    log_number("keeper", keeper->shard), log_status(status));
        if (keeper->silent_count == keeper->silent_capacity) {
            keeper->silent_capacity = keeper->silent_capacity * 2 + 4;
            keeper->silent =
                memory_resized(keeper->silent, keeper->silent_capacity * sizeof(*keeper->silent));
        }
        keeper->silent[keeper->silent_count++] = keeper->target;
    }
    ask_next(keeper);
}

static void settle(struct keeper *keeper)
{
    Aviso__SettleHandoverRequest request = AVISO__SETTLE_HANDOVER_REQUEST__INIT;
    struct request_id id;

    request_id_make(&id);
    request.request_id = wire_from_slice((struct slice){id.octets, REQUEST_ID_SIZE});
    request.id = keeper->id;
    attempt_start(&keeper->attempt, keeper->shard, &aviso__handovers__descriptor, "SettleHandover",
                  &request.base, NULL, on_settled);
}

static void ask_frame(struct keeper *keeper)
{
    Aviso__GetHandoverFrameRequest request = AVISO__GET_HANDOVER_FRAME_REQUEST__INIT;

    request.id = keeper->id;
    request.frame = keeper->frame;
    attempt_start(&keeper->attempt, keeper->shard, &aviso__handovers__descriptor,
                  "GetHandoverFrame", &request.base, NULL, on_frame_got);
}

static Aviso__DeliverRequest *unpack_deliver(const struct keeper *keeper)
{
    return aviso__deliver_request__unpack(NULL, keeper->deliver.size,
                                          (const uint8_t *)keeper->deliver.data);
}

/* The ids of one delivery are the same in every pass: each has one outcome, and the first that is
 * not an outcome of its own kind (see on_delivered()) is the delivery's. */
static void choose_id(const struct keeper *keeper, struct slice kept, struct request_id *out_id)
{
    if (keeper->is_late || kept.size != REQUEST_ID_SIZE) {
        request_id_make(out_id);
        return;
    }
    memcpy(out_id->octets, kept.data, REQUEST_ID_SIZE);
    out_id->octets[REQUEST_ID_SIZE - 1] =
        (char)((unsigned char)out_id->octets[REQUEST_ID_SIZE - 1] + keeper->id_number);
}

static void deliver(struct keeper *keeper)
{
    Aviso__DeliverRequest *request = unpack_deliver(keeper);
    struct request_id id;

    if (request == NULL) {
        leave(keeper, STATUS_CORRUPT);
        return;
    }
    ProtobufCBinaryData kept = request->request_id;

    choose_id(keeper, slice_from_wire(kept), &id);
    request->request_id = wire_from_slice((struct slice){id.octets, REQUEST_ID_SIZE});
    attempt_start(&keeper->attempt, keeper->target, &aviso__delivery__descriptor, "Deliver",
                  &request->base, rpc_octets_ref(keeper->octets), on_delivered);
    request->request_id = kept;
    aviso__deliver_request__free_unpacked(request, NULL);
}

static void bring(struct keeper *keeper)
{
    keeper->frame = 0;
    if (keeper->frame_count > 0) {
        ask_frame(keeper);
    } else {
        deliver(keeper);
    }
}

static void take_in_hand(struct keeper *keeper, const Aviso__NextHandoverReply *reply,
                         struct rpc_octets *octets)
{
    const Aviso__DeliverRequest *request = reply->deliver;
    size_t size = aviso__deliver_request__get_packed_size(request);

    keeper->target = reply->shard;
    buffer_clear(&keeper->deliver);
    aviso__deliver_request__pack(request, (uint8_t *)buffer_reserve(&keeper->deliver, size));
    buffer_grew(&keeper->deliver, size);
    rpc_octets_unref(keeper->octets);
    keeper->octets = octets != NULL ? rpc_octets_ref(octets) : NULL;
    keeper->body_size = request->body_size;
    if (request->body_sha256.len == sizeof(keeper->body_id)) {
        memcpy(keeper->body_id, request->body_sha256.data, sizeof(keeper->body_id));
    }
    keeper->frame_count = request->n_frame_sizes > 0 ? 0 : reply->frame_count;
    keeper->id_number = 0;
    keeper->is_late = false;
}

static void on_next(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                    struct rpc_octets *octets)
{
    struct keeper *keeper = CONTAINER_OF(attempt, struct keeper, attempt);
    const Aviso__NextHandoverReply *reply = (const Aviso__NextHandoverReply *)message;

    if (status != STATUS_OK || reply->deliver == NULL || reply->id <= keeper->id) {
        end_pass(keeper, status == STATUS_NOT_FOUND);
        return;
    }
    keeper->id = reply->id;
    take_in_hand(keeper, reply, octets);
    if (is_silent(keeper, keeper->target)) {
        ask_next(keeper);
    } else {
        bring(keeper);
    }
}

static void on_frame_got(struct attempt *attempt, enum status status,
                         const ProtobufCMessage *message, struct rpc_octets *octets)
{
    struct keeper *keeper = CONTAINER_OF(attempt, struct keeper, attempt);
    Aviso__PutFrameRequest request = AVISO__PUT_FRAME_REQUEST__INIT;
    struct request_id id;

    if (status == STATUS_NOT_FOUND) {
        ask_next(keeper); /* somebody else has brought it */
        return;
    }
    if (status != STATUS_OK) {
        end_pass(keeper, false);
        return;
    }
    request_id_make(&id);
    request.request_id = wire_from_slice((struct slice){id.octets, REQUEST_ID_SIZE});
    request.body_sha256 = wire_from_slice((struct slice){keeper->body_id, sizeof(keeper->body_id)});
    request.frame = keeper->frame;
    request.frame_count = keeper->frame_count;
    request.body_size = keeper->body_size;
    attempt_start(&keeper->attempt, keeper->target, &aviso__delivery__descriptor, "PutFrame",
                  &request.base, octets != NULL ? rpc_octets_ref(octets) : NULL, on_frame_put);
}

static void on_frame_put(struct attempt *attempt, enum status status,
                         const ProtobufCMessage *message, struct rpc_octets *octets)
{
    struct keeper *keeper = CONTAINER_OF(attempt, struct keeper, attempt);

    if (status != STATUS_OK && status != STATUS_EXISTS) {
        leave(keeper, status);
        return;
    }
    keeper->frame++;
    if (status == STATUS_OK && keeper->frame < keeper->frame_count) {
        ask_frame(keeper);
    } else {
        deliver(keeper);
    }
}

/* An id whose Deliver found no body came to that for ever: the next one is tried. */
static void try_next_id(struct keeper *keeper)
{
    if (++keeper->id_number < IDS_MAX) {
        bring(keeper);
    } else {
        leave(keeper, STATUS_NOT_FOUND);
    }
}

/* Who is not there any more has lost his mailbox, with what was in it. */
static void report(const struct keeper *keeper, const Aviso__DeliverReply *reply)
{
    for (size_t i = 0; i < reply->n_outcomes; i++) {
        if (reply->outcomes[i]->status != STATUS_OK) {
            log_warning("handover.recipient_gone", log_number("shard", keeper->target),
                        log_number("keeper", keeper->shard), log_number("id", keeper->id),
                        log_status((enum status)reply->outcomes[i]->status));
        }
    }
    metric_add(&brought, 1);
}

static void on_delivered(struct attempt *attempt, enum status status,
                         const ProtobufCMessage *message, struct rpc_octets *octets)
{
    struct keeper *keeper = CONTAINER_OF(attempt, struct keeper, attempt);

    if (status == STATUS_OK) {
        report(keeper, (const Aviso__DeliverReply *)message);
        settle(keeper);
    } else if (status == STATUS_NOT_FOUND && keeper->frame_count > 0) {
        try_next_id(keeper);
    } else if (status == STATUS_EXPIRED && !keeper->is_late) {
        /* Nothing is known any more of that Deliver: it is better brought twice than never. */
        log_warning("handover.late", log_number("shard", keeper->target),
                    log_number("keeper", keeper->shard), log_number("id", keeper->id));
        keeper->is_late = true;
        bring(keeper);
    } else {
        leave(keeper, status);
    }
}

static void on_settled(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                       struct rpc_octets *octets)
{
    struct keeper *keeper = CONTAINER_OF(attempt, struct keeper, attempt);

    if (status == STATUS_OK) {
        ask_next(keeper);
    } else {
        end_pass(keeper, false);
    }
}

/* ---- The worker ---- */

static void keeper_init(struct keeper *keeper, struct router *router, uint32_t shard)
{
    *keeper = (struct keeper){.router = router, .shard = shard, .pause_ms = PAUSE_LEAST_MS};
    attempt_init(&keeper->attempt, router);
    buffer_init(&keeper->deliver, RPC_MESSAGE_SIZE_MAX);
    loop_timer_init(&keeper->pause, router_loop(router), on_pause_over);
    watch_start(router, &keeper->watch, (struct account_place){shard, WATCH_HANDOVERS}, on_changed);
    begin_pass(keeper);
}

struct handover_worker *handover_worker_new(struct router *router)
{
    const struct shard_map *map = router_map(router);
    size_t count = shard_map_shard_count(map);
    struct handover_worker *worker =
        memory_zeroed(sizeof(*worker) + count * sizeof(worker->keepers[0]));

    worker->keeper_count = count;
    for (size_t i = 0; i < count; i++) {
        keeper_init(&worker->keepers[i], router, shard_map_shard_at(map, (uint32_t)i));
    }
    return worker;
}

void handover_worker_free(struct handover_worker *worker)
{
    for (size_t i = 0; worker != NULL && i < worker->keeper_count; i++) {
        struct keeper *keeper = &worker->keepers[i];

        watch_stop(&keeper->watch);
        loop_timer_stop(&keeper->pause);
        attempt_done(&keeper->attempt);
        rpc_octets_unref(keeper->octets);
        buffer_done(&keeper->deliver);
        memory_free(keeper->silent);
    }
    memory_free(worker);
}
