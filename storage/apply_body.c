/* Bodies: stored once under their SHA-256, counted by the emails that use them. */
#include "core/number.h"
#include "proto/delivery.pb-c.h"
#include "storage/apply_reply.h"
#include "storage/apply_state.h"

enum { FRAME_SIZE_MAX = 256 * 1024 + 4096 }; /* what zstd may make of 256 KiB */

static bool is_whole(const struct ref_row *row)
{
    return row->frames_here == row->frame_count;
}

static void forget_pending(struct apply *apply, struct slice sha256, struct ref_row *row)
{
    struct key key;

    if (row->pending_ms != 0) {
        state_delete(apply, key_pend(&key, apply->shard, row->pending_ms, sha256));
        row->pending_ms = 0;
    }
}

static enum status get_whole(struct apply *apply, struct slice sha256, uint64_t body_size,
                             struct ref_row *out_row)
{
    enum status status = state_get_ref(apply, sha256, out_row);

    if (status != STATUS_OK) {
        return status;
    }
    if (!is_whole(out_row)) {
        return STATUS_NOT_FOUND;
    }
    return out_row->body_size == body_size ? STATUS_OK : STATUS_INVALID;
}

enum status body_check(struct apply *apply, struct slice sha256, uint64_t body_size)
{
    struct ref_row row;

    return get_whole(apply, sha256, body_size, &row);
}

enum status body_ref(struct apply *apply, struct slice sha256, uint64_t body_size,
                     uint32_t *out_frame_count)
{
    struct ref_row row;
    enum status status = get_whole(apply, sha256, body_size, &row);

    if (status != STATUS_OK) {
        return status;
    }
    forget_pending(apply, sha256, &row);
    row.references++;
    state_put_ref(apply, sha256, &row);
    *out_frame_count = row.frame_count;
    return STATUS_OK;
}

static void remove_body(struct apply *apply, struct slice sha256, struct ref_row *row)
{
    struct key key;

    for (uint32_t frame = 0; frame < row->frame_count; frame++) {
        state_delete(apply, key_body(&key, apply->shard, sha256, frame));
    }
    forget_pending(apply, sha256, row);
    state_delete(apply, key_ref(&key, apply->shard, sha256));
}

enum status body_unref(struct apply *apply, struct slice sha256)
{
    struct ref_row row;
    enum status status = state_get_ref(apply, sha256, &row);

    if (status != STATUS_OK || row.references == 0) {
        return status == STATUS_OK || status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
    }
    if (--row.references == 0) {
        remove_body(apply, sha256, &row);
    } else {
        state_put_ref(apply, sha256, &row);
    }
    return STATUS_OK;
}

enum status body_drop_unused(struct apply *apply, struct slice sha256)
{
    struct ref_row row;
    enum status status = state_get_ref(apply, sha256, &row);

    if (status == STATUS_OK && row.references == 0 && row.pending_ms == 0) {
        remove_body(apply, sha256, &row);
    }
    return status;
}

enum status body_put(struct apply *apply, struct slice sha256, uint64_t body_size,
                     const uint32_t *frame_sizes, size_t frame_count, struct slice frames)
{
    struct key key;
    struct ref_row row = {0};
    enum status status = state_get_ref(apply, sha256, &row);

    if (status == STATUS_OK && is_whole(&row)) {
        return STATUS_OK;
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    if (frame_count > FRAMES_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (status == STATUS_OK) {
        remove_body(apply, sha256, &row);
    }
    for (uint32_t frame = 0; frame < frame_count; frame++) {
        overlay_put_borrowed(&apply->overlay, key_body(&key, apply->shard, sha256, frame),
                             slice_prefix(frames, frame_sizes[frame]));
        frames = slice_skip(frames, frame_sizes[frame]);
    }
    row = (struct ref_row){
        .body_size = body_size,
        .frame_count = (uint32_t)frame_count,
        .frames_here = (uint32_t)frame_count,
    };
    state_put_ref(apply, sha256, &row);
    return STATUS_OK;
}

enum status body_trim(struct apply *apply, uint64_t before_ms, size_t count_max)
{
    struct overlay_iterator iterator;
    struct key low;
    struct key high;
    struct slice key;
    struct slice value;
    struct ref_row row;
    enum status status = STATUS_OK;

    overlay_iterate(&apply->overlay, key_kind_low(&low, apply->shard, ROW_PEND),
                    key_pend(&high, apply->shard, before_ms, (struct slice){0}), &iterator);
    for (size_t count = 0; count < count_max && status == STATUS_OK; count++) {
        status = overlay_next(&iterator, &key, &value);
        if (status == STATUS_OK) {
            struct slice sha256 = arena_copy(&apply->step, slice_skip(key, KEY_PREFIX_SIZE + 8));

            status = state_get_ref(apply, sha256, &row);
            if (status == STATUS_OK) {
                remove_body(apply, sha256, &row);
            } else if (status == STATUS_NOT_FOUND) {
                status = STATUS_CORRUPT;
            }
        }
    }
    overlay_iterator_done(&iterator);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- PutFrame ---- */

static enum status check_frame(const Aviso__PutFrameRequest *request, struct slice octets)
{
    if (request->body_sha256.len != ROW_BODY_ID_SIZE || request->frame_count == 0 ||
        request->frame >= request->frame_count || octets.size == 0) {
        return STATUS_INVALID;
    }
    if (request->frame_count > FRAMES_MAX || octets.size > FRAME_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    return STATUS_OK;
}

/* Its row, begun when nothing is known of the body. */
static enum status begin_pending(struct apply *apply, const Aviso__PutFrameRequest *request,
                                 struct slice sha256, struct ref_row *out_row)
{
    struct key key;
    enum status status = state_get_ref(apply, sha256, out_row);

    if (status == STATUS_OK) {
        bool is_same = out_row->frame_count == request->frame_count &&
                       out_row->body_size == request->body_size;

        return is_whole(out_row) ? STATUS_EXISTS : is_same ? STATUS_OK : STATUS_INVALID;
    }
    if (status == STATUS_NOT_FOUND) {
        *out_row = (struct ref_row){
            .body_size = request->body_size,
            .frame_count = request->frame_count,
            .pending_ms = apply->now_ms,
        };
        overlay_put(&apply->overlay, key_pend(&key, apply->shard, apply->now_ms, sha256),
                    SLICE("\x01"));
        return STATUS_OK;
    }
    return status;
}

enum status apply_put_frame(struct apply *apply, const struct apply_request *given,
                            struct slice *out_reply)
{
    const Aviso__PutFrameRequest *request = given->message;
    struct slice sha256 = slice_from_wire(request->body_sha256);
    Aviso__PutFrameReply reply = AVISO__PUT_FRAME_REPLY__INIT;
    struct ref_row row;
    struct key key;
    struct slice present;
    enum status status = check_frame(request, given->octets);

    if (status == STATUS_OK) {
        status = begin_pending(apply, request, sha256, &row);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct slice name = key_body(&key, apply->shard, sha256, request->frame);

    status = overlay_get(&apply->overlay, name, &present);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    if (status == STATUS_NOT_FOUND) {
        overlay_put_borrowed(&apply->overlay, name, given->octets);
        row.frames_here++;
        state_put_ref(apply, sha256, &row);
    }
    *out_reply = apply_pack(apply, &reply.base);
    return STATUS_OK;
}
