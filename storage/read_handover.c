/* What waits to be handed over. */
#include <string.h>

#include "proto/handover.pb-c.h"
#include "router/handover.h"
#include "storage/apply_reply.h"
#include "storage/read.h"

static enum status read_frame(struct read *read, const struct hand_row *row, uint32_t frame,
                              struct slice *out_octets)
{
    struct slice body_id = {row->body_id, ROW_BODY_ID_SIZE};
    struct key key;
    enum status status = store_get(&read->view, key_body(&key, read->shard, body_id, frame),
                                   read->arena, out_octets);

    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}

/* ---- NextHandover ---- */

static enum status find_next(struct read *read, uint64_t after, uint64_t *out_id,
                             struct hand_row *out_row)
{
    struct key low;
    struct key high;
    struct slice key;
    struct slice value;

    if (after == UINT64_MAX) {
        return STATUS_NOT_FOUND;
    }
    struct store_iterator *iterator =
        store_iterate(&read->view, key_hand(&low, read->shard, after + 1),
                      key_kind_high(&high, read->shard, ROW_HAND));
    enum status status = store_iterator_next(iterator, &key, &value);

    if (status == STATUS_OK) {
        *out_id = key_part_hand(key);
        status = hand_row_decode(arena_copy(read->arena, value), out_row);
    }
    store_iterator_free(iterator);
    return status;
}

/* The header frame and, if it is small, the whole body behind it. A body in many frames is large
 * whatever they compressed to. */
static enum status fill_octets(struct read *read, const struct hand_row *row,
                               Aviso__DeliverRequest *deliver)
{
    bool with_body = row->frame_count == 1;
    struct slice body = {0};
    char *room;

    if (with_body) {
        enum status status = read_frame(read, row, 0, &body);

        if (status != STATUS_OK) {
            return status;
        }
        with_body = row->header_frame.size + body.size <= DELIVER_OCTETS_MAX;
    }
    read->octets = rpc_octets_reserve(row->header_frame.size + (with_body ? body.size : 0), &room);
    memcpy(room, row->header_frame.data, row->header_frame.size);
    if (with_body) {
        memcpy(room + row->header_frame.size, body.data, body.size);
        deliver->n_frame_sizes = 1;
        deliver->frame_sizes = ARENA_NEW(read->arena, uint32_t);
        deliver->frame_sizes[0] = (uint32_t)body.size;
    }
    return STATUS_OK;
}

enum status read_next_handover(struct read *read, const void *message,
                               const ProtobufCMessage **out_reply)
{
    const Aviso__NextHandoverRequest *request = message;
    Aviso__NextHandoverReply *reply = ARENA_NEW(read->arena, Aviso__NextHandoverReply);
    struct hand_row row;

    aviso__next_handover_reply__init(reply);
    *out_reply = &reply->base;
    enum status status = find_next(read, request->after, &reply->id, &row);

    if (status != STATUS_OK) {
        return status;
    }
    reply->shard = row.shard;
    reply->made_ms = row.made_ms;
    reply->frame_count = row.frame_count;
    reply->deliver = (Aviso__DeliverRequest *)apply_unpack(
        read->arena, &aviso__deliver_request__descriptor, row.request);
    return reply->deliver != NULL ? fill_octets(read, &row, reply->deliver) : STATUS_CORRUPT;
}

/* ---- GetHandoverFrame ---- */

enum status read_get_handover_frame(struct read *read, const void *message,
                                    const ProtobufCMessage **out_reply)
{
    const Aviso__GetHandoverFrameRequest *request = message;
    Aviso__GetHandoverFrameReply *reply = ARENA_NEW(read->arena, Aviso__GetHandoverFrameReply);
    struct hand_row row;
    struct key key;
    struct slice value;
    struct slice frame = {0};
    enum status status =
        store_get(&read->view, key_hand(&key, read->shard, request->id), read->arena, &value);

    aviso__get_handover_frame_reply__init(reply);
    *out_reply = &reply->base;
    if (status == STATUS_OK) {
        status = hand_row_decode(value, &row);
    }
    if (status == STATUS_OK && request->frame >= row.frame_count) {
        status = STATUS_INVALID;
    }
    if (status == STATUS_OK) {
        status = read_frame(read, &row, request->frame, &frame);
    }
    if (status == STATUS_OK) {
        read->octets = rpc_octets_new(frame);
    }
    return status;
}
