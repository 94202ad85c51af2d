#include "storage/apply_parcel.h"

#include "net/rpc.h"
#include "router/ingest.h"
#include "router/mailbox_client.h"

enum { ZONE_MAX = 24 * 60 };

static enum status check_limits(const Aviso__DeliverRequest *request)
{
    if (request->n_recipients > RECIPIENTS_MAX || request->n_thread_keys > THREAD_KEYS_MAX ||
        request->n_frame_sizes > FRAMES_MAX || request->header_size > HEADER_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (request->n_recipients == 0 || request->received_zone < -ZONE_MAX ||
        request->received_zone > ZONE_MAX || request->body_size > UINT64_MAX / 2 ||
        (request->body_size > 0) != (request->body_sha256.len == ROW_BODY_ID_SIZE) ||
        (request->body_size == 0 && request->n_frame_sizes > 0)) {
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

enum status parcel_open(struct apply *apply, const Aviso__DeliverRequest *request,
                        struct slice octets, struct parcel *out_parcel)
{
    size_t frames_size = 0;
    enum status status = check_limits(request);

    *out_parcel = (struct parcel){.apply = apply, .request = request};
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t index = 0; index < request->n_frame_sizes; index++) {
        if (request->frame_sizes[index] == 0) {
            return STATUS_INVALID;
        }
        frames_size += request->frame_sizes[index];
    }
    if (request->header_frame_size > octets.size ||
        frames_size != octets.size - request->header_frame_size) {
        return STATUS_INVALID;
    }
    out_parcel->header_frame = slice_prefix(octets, request->header_frame_size);
    out_parcel->frames = slice_skip(octets, request->header_frame_size);
    if (request->body_size > 0) {
        out_parcel->body_id = slice_from_wire(request->body_sha256);
    }
    return STATUS_OK;
}

enum status parcel_lay_body(const struct parcel *parcel)
{
    const Aviso__DeliverRequest *request = parcel->request;
    enum status status = STATUS_OK;

    if (parcel->body_id.size == 0) {
        return STATUS_OK;
    }
    if (request->n_frame_sizes > 0) {
        status = body_put(parcel->apply, parcel->body_id, request->body_size, request->frame_sizes,
                          request->n_frame_sizes, parcel->frames);
    }
    return status == STATUS_OK ? body_check(parcel->apply, parcel->body_id, request->body_size)
                               : status;
}
