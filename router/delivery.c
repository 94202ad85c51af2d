#include "router/delivery.h"

#include <string.h>

#include "core/check.h"
#include "core/macros.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "proto/handover.pb-c.h"
#include "router/delivery_work.h"

enum {
    RECIPIENTS_PER_REQUEST = 500,
    ROUNDS_MAX = 3, /* of putting a body that was gone when it was wanted */
};

METRIC_COUNTER(handed_over, "aviso_recipients_handed_over_total", "",
               "Recipients whose shard did not answer, for whom another one took charge.");

static attempt_done_fn on_frame_put, on_delivered, on_handed_over;

/* ---- The order, copied ---- */

static void copy_recipient(struct arena *arena, struct delivery_recipient *recipient)
{
    struct slice *keywords = arena_array(arena, recipient->keyword_count, sizeof(*keywords));

    for (size_t i = 0; i < recipient->keyword_count; i++) {
        keywords[i] = arena_copy(arena, recipient->keywords[i]);
    }
    recipient->keywords = keywords;
    recipient->mailbox = arena_copy(arena, recipient->mailbox);
    recipient->header_prefix = arena_copy(arena, recipient->header_prefix);
}

static void copy_order(struct delivery_work *work, const struct delivery_order *order)
{
    struct delivery_recipient *recipients =
        arena_array(&work->arena, order->recipient_count, sizeof(*recipients));

    for (size_t i = 0; i < order->recipient_count; i++) {
        recipients[i] = order->recipients[i];
        copy_recipient(&work->arena, &recipients[i]);
    }
    work->order = *order;
    work->order.recipients = recipients;
    ingested_ref(work->order.ingested);
}

/* ---- Legs ---- */

static struct leg *leg_for(struct delivery_work *work, uint32_t shard)
{
    for (size_t i = 0; i < work->leg_count; i++) {
        if (work->legs[i].shard == shard && work->legs[i].count < RECIPIENTS_PER_REQUEST) {
            return &work->legs[i];
        }
    }
    struct leg *leg = &work->legs[work->leg_count++];
    size_t most = work->order.recipient_count < RECIPIENTS_PER_REQUEST ? work->order.recipient_count
                                                                       : RECIPIENTS_PER_REQUEST;

    *leg = (struct leg){.work = work, .shard = shard, .asked = shard};
    leg->recipients = arena_array(&work->arena, most, sizeof(*leg->recipients));
    attempt_init(&leg->attempt, work->router);
    return leg;
}

static void make_legs(struct delivery_work *work)
{
    /* At most one for each recipient. */
    work->legs = arena_array(&work->arena, work->order.recipient_count, sizeof(*work->legs));
    for (size_t i = 0; i < work->order.recipient_count; i++) {
        struct leg *leg = leg_for(work, work->order.recipients[i].place.shard);

        leg->recipients[leg->count++] = i;
    }
    work->legs_left = work->leg_count;
    work->began_ms = loop_now_ms(router_loop(work->router));
    work->silent =
        arena_array(&work->arena, work->leg_count * (KEEPERS_MAX + 1), sizeof(*work->silent));
}

/* ---- PutFrame ---- */

static void put_frame(struct leg *leg)
{
    const struct ingested *ingested = leg->work->order.ingested;
    Aviso__PutFrameRequest request = AVISO__PUT_FRAME_REQUEST__INIT;
    struct request_id id;

    request_id_make(&id);
    request.request_id = wire_from_slice((struct slice){id.octets, REQUEST_ID_SIZE});
    request.body_sha256 = wire_from_slice((struct slice){ingested->body_id, BODY_ID_SIZE});
    request.frame = (uint32_t)leg->frame;
    request.frame_count = (uint32_t)ingested->body_frame_count;
    request.body_size = ingested->body_size;
    attempt_start(&leg->attempt, leg->asked, &aviso__delivery__descriptor, "PutFrame",
                  &request.base, rpc_octets_new(ingested->body_frames[leg->frame]), on_frame_put);
}

/* ---- Deliver ---- */

static void deliver(struct leg *leg)
{
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    struct request_id id;

    leg_fill_request(leg, &id, &request);
    attempt_start(&leg->attempt, leg->shard, &aviso__delivery__descriptor, "Deliver", &request.base,
                  rpc_octets_ref(leg->work->octets), on_delivered);
}

/* ---- HandOver ---- */

/* Under the id of the Deliver that may have reached the shard after all. It will have been
 * acknowledged, so nothing turns it away then. */
static void hand_over(struct leg *leg)
{
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    Aviso__HandOverRequest wrapped = AVISO__HAND_OVER_REQUEST__INIT;
    struct request_id id;
    struct request_id own_id;

    leg_fill_request(leg, &id, &request);
    for (size_t i = 0; i < leg->count; i++) {
        request.recipients[i]->over_quota_too = true;
        request.recipients[i]->suspended_too = true;
    }
    request_id_make(&own_id);
    wrapped.request_id = wire_from_slice((struct slice){own_id.octets, REQUEST_ID_SIZE});
    wrapped.shard = leg->shard;
    wrapped.deliver = &request;
    attempt_start(&leg->attempt, leg->asked, &aviso__handovers__descriptor, "HandOver",
                  &wrapped.base, rpc_octets_ref(leg->work->octets), on_handed_over);
}

static bool is_silent(const struct delivery_work *work, uint32_t shard)
{
    for (size_t i = 0; i < work->silent_count; i++) {
        if (work->silent[i] == shard) {
            return true;
        }
    }
    return false;
}

/* A shard that has just stored its part, else the next one in the map; 0: nobody is left. */
static uint32_t find_keeper(const struct leg *leg)
{
    const struct delivery_work *work = leg->work;
    const struct shard_map *map = router_map(work->router);
    uint32_t count = shard_map_shard_count(map);
    uint32_t start = 0;

    for (size_t i = 0; i < work->leg_count; i++) {
        if (work->legs[i].is_stored && !is_silent(work, work->legs[i].asked)) {
            return work->legs[i].asked;
        }
    }
    while (start < count && shard_map_shard_at(map, start) != leg->asked) {
        start++;
    }
    for (uint32_t i = 1; i < count; i++) {
        uint32_t shard = shard_map_shard_at(map, (start + i) % count);

        if (shard != leg->shard && !is_silent(work, shard)) {
            return shard;
        }
    }
    return 0;
}

static void start_leg(struct leg *leg)
{
    leg->frame = 0;
    leg->rounds_left = ROUNDS_MAX;
    if (delivery_puts_frames_first(leg->work->order.ingested)) {
        put_frame(leg);
    } else if (leg->asked == leg->shard) {
        deliver(leg);
    } else {
        hand_over(leg);
    }
}

/* ---- Endings ---- */

static void work_free(struct delivery_work *work)
{
    for (size_t i = 0; i < work->leg_count; i++) {
        attempt_done(&work->legs[i].attempt);
    }
    rpc_octets_unref(work->octets);
    ingested_unref(work->order.ingested);
    arena_done(&work->arena);
    memory_free(work);
}

static void end_leg(struct leg *leg)
{
    struct delivery_work *work = leg->work;
    struct delivery *delivery = work->delivery;

    if (--work->legs_left > 0) {
        return;
    }
    delivery->work = NULL;
    delivery->done(delivery, work->outcomes);
    work_free(work);
}

/* Whether it says that the shard cannot, just now; the rest says that the request cannot be. */
static bool is_of_the_shard(enum status status)
{
    switch (status) {
    case STATUS_UNAVAILABLE:
    case STATUS_BUSY:
    case STATUS_TIMED_OUT:
    case STATUS_NO_SPACE:
    case STATUS_IO_ERROR:
    case STATUS_CORRUPT:
        return true;
    default:
        return false;
    }
}

static bool may_ask_another(const struct leg *leg, enum status status)
{
    const struct delivery_work *work = leg->work;
    uint64_t now_ms = loop_now_ms(router_loop(work->router));

    return work->order.may_hand_over && is_of_the_shard(status) && leg->keepers < KEEPERS_MAX &&
           now_ms < work->began_ms + PATIENCE_MS;
}

static void fail_leg(struct leg *leg, enum status status)
{
    struct delivery_work *work = leg->work;

    if (leg->failure == STATUS_OK) {
        leg->failure = status;
    }
    if (may_ask_another(leg, status)) {
        work->silent[work->silent_count++] = leg->asked;
        leg->asked = find_keeper(leg);
        leg->keepers++;
        if (leg->asked != 0) {
            start_leg(leg);
            return;
        }
    }
    for (size_t i = 0; i < leg->count; i++) {
        work->outcomes[leg->recipients[i]] = (struct delivery_outcome){.status = leg->failure};
    }
    end_leg(leg);
}

static void on_frame_put(struct attempt *attempt, enum status status,
                         const ProtobufCMessage *message, struct rpc_octets *octets)
{
    struct leg *leg = CONTAINER_OF(attempt, struct leg, attempt);

    if (status != STATUS_OK && status != STATUS_EXISTS) {
        fail_leg(leg, status);
        return;
    }
    leg->frame++;
    if (status == STATUS_OK && leg->frame < leg->work->order.ingested->body_frame_count) {
        put_frame(leg);
    } else if (leg->asked == leg->shard) {
        deliver(leg);
    } else {
        hand_over(leg);
    }
}

/* A status that this version does not know is no success. */
static enum status status_of_wire(uint32_t status)
{
    return status <= STATUS_UNSUPPORTED ? (enum status)status : STATUS_UNSUPPORTED;
}

/* The whole request found no body: it was dropped between the last frame, or the answer that it was
 * there, and now. It says nothing about the accounts. */
static void put_again(struct leg *leg)
{
    if (--leg->rounds_left == 0) {
        fail_leg(leg, STATUS_UNAVAILABLE);
        return;
    }
    leg->frame = 0;
    put_frame(leg);
}

static void on_handed_over(struct attempt *attempt, enum status status,
                           const ProtobufCMessage *message, struct rpc_octets *octets)
{
    struct leg *leg = CONTAINER_OF(attempt, struct leg, attempt);

    if (status == STATUS_NOT_FOUND && delivery_puts_frames_first(leg->work->order.ingested)) {
        put_again(leg);
        return;
    }
    if (status != STATUS_OK) {
        fail_leg(leg, status);
        return;
    }
    for (size_t i = 0; i < leg->count; i++) {
        leg->work->outcomes[leg->recipients[i]] =
            (struct delivery_outcome){.status = STATUS_OK, .is_handed_over = true};
    }
    metric_add(&handed_over, (int64_t)leg->count);
    end_leg(leg);
}

static void on_delivered(struct attempt *attempt, enum status status,
                         const ProtobufCMessage *message, struct rpc_octets *octets)
{
    struct leg *leg = CONTAINER_OF(attempt, struct leg, attempt);
    const Aviso__DeliverReply *reply = (const Aviso__DeliverReply *)message;

    if (status == STATUS_NOT_FOUND && delivery_puts_frames_first(leg->work->order.ingested)) {
        leg->round++;
        put_again(leg);
        return;
    }
    if (status == STATUS_OK && reply->n_outcomes != leg->count) {
        status = STATUS_UNSUPPORTED;
    }
    if (status != STATUS_OK) {
        fail_leg(leg, status);
        return;
    }
    for (size_t i = 0; i < leg->count; i++) {
        const Aviso__DeliverOutcome *outcome = reply->outcomes[i];

        leg->work->outcomes[leg->recipients[i]] = (struct delivery_outcome){
            .status = status_of_wire(outcome->status),
            .uid = outcome->uid,
            .uid_validity = outcome->uid_validity,
            .email = outcome->email,
            .modseq = outcome->modseq,
        };
    }
    leg->is_stored = true;
    end_leg(leg);
}

void delivery_send(struct router *router, struct delivery *delivery,
                   const struct delivery_order *order, delivery_done_fn *done)
{
    struct delivery_work *work = NEW(struct delivery_work);

    CHECK(order->recipient_count > 0);
    work->router = router;
    work->delivery = delivery;
    arena_init(&work->arena);
    copy_order(work, order);
    work->outcomes = arena_array(&work->arena, order->recipient_count, sizeof(*work->outcomes));
    delivery->done = done;
    delivery->work = work;
    make_legs(work);
    for (size_t i = 0; i < work->leg_count; i++) {
        start_leg(&work->legs[i]);
    }
}

void delivery_cancel(struct delivery *delivery)
{
    if (delivery->work != NULL) {
        work_free(delivery->work);
        delivery->work = NULL;
    }
}
