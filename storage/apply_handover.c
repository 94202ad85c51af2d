/* HandOver and SettleHandover: deliveries that wait here for a shard which did not answer. */
#include <string.h>

#include "proto/handover.pb-c.h"
#include "router/handover.h"
#include "storage/apply_parcel.h"
#include "storage/apply_reply.h"

/* The request as it will be sent on: what it brings of the body is in rows of its own. */
static struct slice request_without_frames(struct apply *apply,
                                           const Aviso__DeliverRequest *request)
{
    Aviso__DeliverRequest kept = *request;

    kept.n_frame_sizes = 0;
    kept.frame_sizes = NULL;
    return apply_pack(apply, &kept.base);
}

/* Somebody who watches for handovers hears of it. */
static void tell(struct apply *apply)
{
    struct apply_change change = {.account = WATCH_HANDOVERS, .modseq = apply->index};

    state_changed(apply, &change);
}

enum status apply_hand_over(struct apply *apply, const struct apply_request *given,
                            struct slice *out_reply)
{
    const Aviso__HandOverRequest *request = given->message;
    Aviso__HandOverReply reply = AVISO__HAND_OVER_REPLY__INIT;
    struct hand_row row = {.shard = request->shard, .made_ms = apply->now_ms};
    struct parcel parcel;

    if (request->deliver == NULL || request->shard == apply->shard) {
        return STATUS_INVALID;
    }
    enum status status = parcel_open(apply, request->deliver, given->octets, &parcel);

    if (status == STATUS_OK) {
        status = parcel_lay_body(&parcel);
    }
    if (status == STATUS_OK && parcel.body_id.size > 0) {
        memcpy(row.body_id, parcel.body_id.data, ROW_BODY_ID_SIZE);
        row.body_size = request->deliver->body_size;
        status = body_ref(apply, parcel.body_id, row.body_size, &row.frame_count);
    }
    if (status != STATUS_OK) {
        return status;
    }
    row.header_frame = parcel.header_frame;
    row.request = request_without_frames(apply, request->deliver);
    state_put_hand(apply, apply->index, &row);
    tell(apply);
    *out_reply = apply_pack(apply, &reply.base);
    return STATUS_OK;
}

enum status apply_settle_handover(struct apply *apply, const struct apply_request *given,
                                  struct slice *out_reply)
{
    const Aviso__SettleHandoverRequest *request = given->message;
    Aviso__SettleHandoverReply reply = AVISO__SETTLE_HANDOVER_REPLY__INIT;
    struct hand_row row;
    struct key key;
    enum status status = state_get_hand(apply, request->id, &row);

    if (status == STATUS_OK && row.frame_count > 0) {
        status = body_unref(apply, (struct slice){row.body_id, ROW_BODY_ID_SIZE});
    }
    if (status == STATUS_OK) {
        state_delete(apply, key_hand(&key, apply->shard, request->id));
    }
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        *out_reply = apply_pack(apply, &reply.base);
        return STATUS_OK;
    }
    return status;
}
