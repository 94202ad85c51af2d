#include "router/delivery.h"

#include <string.h>

#include "core/arena.h"
#include "core/check.h"
#include "core/macros.h"
#include "core/memory.h"
#include "core/number.h"
#include "net/sha256.h"
#include "proto/delivery.pb-c.h"
#include "router/attempt.h"

enum {
    ENTRY_OCTETS_MAX = 224 * 1024, /* beside a Deliver; over it the body's frames go before it */
    RECIPIENTS_PER_REQUEST = 500,
    ROUNDS_MAX = 3, /* of putting a body that was gone when it was wanted */
};

/* The recipients of one shard, in one request; it puts the body's frames first when they are many.
 */
struct leg {
    struct delivery_work *work;
    struct attempt attempt;
    uint32_t shard;
    size_t *recipients; /* indices in the order */
    size_t count;
    size_t frame; /* the next to be put */
    unsigned round;
};

struct delivery_work {
    struct router *router;
    struct delivery *delivery;
    struct arena arena;
    struct delivery_order order; /* its texts copied */
    struct rpc_octets *octets;   /* beside each Deliver; NULL: not made yet */
    struct delivery_outcome *outcomes;
    struct leg *legs;
    size_t leg_count;
    size_t legs_left;
};

static attempt_done_fn on_frame_put, on_delivered;

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

    *leg = (struct leg){.work = work, .shard = shard};
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
}

static size_t body_frames_size(const struct ingested *ingested)
{
    size_t size = 0;

    for (size_t i = 0; i < ingested->body_frame_count; i++) {
        size += ingested->body_frames[i].size;
    }
    return size;
}

static bool puts_frames_first(const struct ingested *ingested)
{
    return ingested->body_frame_count > 0 &&
           ingested->header_frame.size + body_frames_size(ingested) > ENTRY_OCTETS_MAX;
}

static void hash_u64(struct sha256 *sha256, uint64_t number)
{
    char octets[8];

    number_put_u64(octets, number);
    sha256_update(sha256, (struct slice){octets, sizeof(octets)});
}

/* The legs of one delivery are one request to the shard each; under one id only the first would
 * have an effect. So each leg's is made from the delivery's and from who is in the leg, not from
 * its number: whoever repeats a delivery for those alone that failed asks under the ids of before.
 * A round has its own, since the shard remembers that the one before found no body. The time in
 * front stays. */
static void leg_id(const struct leg *leg, struct request_id *out_id)
{
    const struct delivery_order *order = &leg->work->order;
    char digest[SHA256_SIZE];
    struct sha256 sha256;

    *out_id = order->id;
    sha256_init(&sha256);
    sha256_update(&sha256, (struct slice){out_id->octets, REQUEST_ID_SIZE});
    hash_u64(&sha256, leg->round);
    hash_u64(&sha256, leg->shard);
    for (size_t i = 0; i < leg->count; i++) {
        const struct delivery_recipient *recipient = &order->recipients[leg->recipients[i]];

        hash_u64(&sha256, recipient->place.account);
        hash_u64(&sha256, recipient->mailbox.size);
        sha256_update(&sha256, recipient->mailbox);
    }
    sha256_final(&sha256, digest);
    memcpy(out_id->octets + 6, digest, REQUEST_ID_SIZE - 6);
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
    attempt_start(&leg->attempt, leg->shard, &aviso__delivery__descriptor, "PutFrame",
                  &request.base, rpc_octets_new(ingested->body_frames[leg->frame]), on_frame_put);
}

/* ---- Deliver ---- */

static struct rpc_octets *join_frames(const struct ingested *ingested, bool with_body)
{
    size_t size = ingested->header_frame.size + (with_body ? body_frames_size(ingested) : 0);
    char *room = NULL;
    struct rpc_octets *octets = rpc_octets_reserve(size, &room);

    memcpy(room, ingested->header_frame.data, ingested->header_frame.size);
    room += ingested->header_frame.size;
    for (size_t i = 0; with_body && i < ingested->body_frame_count; i++) {
        memcpy(room, ingested->body_frames[i].data, ingested->body_frames[i].size);
        room += ingested->body_frames[i].size;
    }
    return octets;
}

static Aviso__DeliverRecipient *wire_recipient(struct arena *arena,
                                               const struct delivery_recipient *recipient)
{
    Aviso__DeliverRecipient *wire = ARENA_NEW(arena, Aviso__DeliverRecipient);

    *wire = (Aviso__DeliverRecipient)AVISO__DELIVER_RECIPIENT__INIT;
    wire->account = recipient->place.account;
    wire->mailbox = wire_from_slice(recipient->mailbox);
    wire->must_exist = recipient->must_exist;
    wire->flags = recipient->flags;
    wire->n_keywords = recipient->keyword_count;
    wire->keywords = arena_array(arena, recipient->keyword_count, sizeof(*wire->keywords));
    for (size_t i = 0; i < recipient->keyword_count; i++) {
        wire->keywords[i] = wire_from_slice(recipient->keywords[i]);
    }
    wire->over_quota_too = recipient->over_quota_too;
    wire->header_prefix = wire_from_slice(recipient->header_prefix);
    return wire;
}

static void fill_message(struct arena *arena, const struct delivery_order *order, bool with_body,
                         Aviso__DeliverRequest *request)
{
    const struct ingested *ingested = order->ingested;

    request->digest = wire_from_slice(ingested->digest);
    request->header_size = ingested->header_size;
    request->header_frame_size = (uint32_t)ingested->header_frame.size;
    if (ingested->body_size > 0) {
        /* A message that is all header has no body to name. */
        request->body_sha256 = wire_from_slice((struct slice){ingested->body_id, BODY_ID_SIZE});
    }
    request->body_size = ingested->body_size;
    if (with_body) {
        request->n_frame_sizes = ingested->body_frame_count;
        request->frame_sizes =
            arena_array(arena, ingested->body_frame_count, sizeof(*request->frame_sizes));
        for (size_t i = 0; i < ingested->body_frame_count; i++) {
            request->frame_sizes[i] = (uint32_t)ingested->body_frames[i].size;
        }
    }
    request->received_ms = order->received_ms;
    request->received_zone = order->received_zone;
    request->n_thread_keys = ingested->thread_key_count;
    request->thread_keys = (uint64_t *)ingested->thread_keys;
}

static void deliver(struct leg *leg)
{
    struct delivery_work *work = leg->work;
    const struct delivery_order *order = &work->order;
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    bool with_body = !puts_frames_first(order->ingested);
    struct request_id id;

    leg_id(leg, &id);
    request.request_id = wire_from_slice((struct slice){id.octets, REQUEST_ID_SIZE});
    request.n_recipients = leg->count;
    request.recipients = arena_array(&work->arena, leg->count, sizeof(*request.recipients));
    for (size_t i = 0; i < leg->count; i++) {
        request.recipients[i] =
            wire_recipient(&work->arena, &order->recipients[leg->recipients[i]]);
    }
    fill_message(&work->arena, order, with_body, &request);
    if (work->octets == NULL) {
        work->octets = join_frames(order->ingested, with_body);
    }
    attempt_start(&leg->attempt, leg->shard, &aviso__delivery__descriptor, "Deliver", &request.base,
                  rpc_octets_ref(work->octets), on_delivered);
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

static void fail_leg(struct leg *leg, enum status status)
{
    for (size_t i = 0; i < leg->count; i++) {
        leg->work->outcomes[leg->recipients[i]] = (struct delivery_outcome){.status = status};
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
    if (status == STATUS_EXISTS || leg->frame == leg->work->order.ingested->body_frame_count) {
        deliver(leg);
    } else {
        put_frame(leg);
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
    if (++leg->round == ROUNDS_MAX) {
        fail_leg(leg, STATUS_UNAVAILABLE);
        return;
    }
    leg->frame = 0;
    put_frame(leg);
}

static void on_delivered(struct attempt *attempt, enum status status,
                         const ProtobufCMessage *message, struct rpc_octets *octets)
{
    struct leg *leg = CONTAINER_OF(attempt, struct leg, attempt);
    const Aviso__DeliverReply *reply = (const Aviso__DeliverReply *)message;

    if (status == STATUS_NOT_FOUND && puts_frames_first(leg->work->order.ingested)) {
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
        (puts_frames_first(work->order.ingested) ? put_frame : deliver)(&work->legs[i]);
    }
}

void delivery_cancel(struct delivery *delivery)
{
    if (delivery->work != NULL) {
        work_free(delivery->work);
        delivery->work = NULL;
    }
}
