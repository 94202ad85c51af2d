/* The request of a leg: its id, its recipients, the message and the octets beside it. */
#include <string.h>

#include "core/number.h"
#include "net/sha256.h"
#include "router/delivery_work.h"
#include "router/handover.h"

static size_t body_frames_size(const struct ingested *ingested)
{
    size_t size = 0;

    for (size_t i = 0; i < ingested->body_frame_count; i++) {
        size += ingested->body_frames[i].size;
    }
    return size;
}

bool delivery_puts_frames_first(const struct ingested *ingested)
{
    return ingested->body_frame_count > 0 &&
           ingested->header_frame.size + body_frames_size(ingested) > DELIVER_OCTETS_MAX;
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

void leg_fill_request(struct leg *leg, struct request_id *out_id,
                      Aviso__DeliverRequest *out_request)
{
    struct delivery_work *work = leg->work;
    const struct delivery_order *order = &work->order;
    bool with_body = !delivery_puts_frames_first(order->ingested);

    leg_id(leg, out_id);
    out_request->request_id = wire_from_slice((struct slice){out_id->octets, REQUEST_ID_SIZE});
    out_request->n_recipients = leg->count;
    out_request->recipients =
        arena_array(&work->arena, leg->count, sizeof(*out_request->recipients));
    for (size_t i = 0; i < leg->count; i++) {
        out_request->recipients[i] =
            wire_recipient(&work->arena, &order->recipients[leg->recipients[i]]);
    }
    fill_message(&work->arena, order, with_body, out_request);
    if (work->octets == NULL) {
        work->octets = join_frames(order->ingested, with_body);
    }
}
