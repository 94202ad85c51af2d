#include "router/mailbox_work.h"

#include "core/macros.h"
#include "core/memory.h"
#include "router/frames.h"

struct mailbox_work *mailbox_work_new(struct router *router, struct mailbox_call *call,
                                      struct account_place place)
{
    struct mailbox_work *work = NEW(struct mailbox_work);

    attempt_init(&work->attempt, router);
    arena_init(&work->arena);
    work->router = router;
    work->call = call;
    work->place = place;
    call->work = work;
    return work;
}

void mailbox_work_free(struct mailbox_work *work)
{
    attempt_done(&work->attempt);
    arena_done(&work->arena);
    uid_set_free(work->left);
    uid_set_free(work->sources);
    uid_set_free(work->targets);
    memory_free(work);
}

struct mailbox_call *mailbox_work_detach(struct mailbox_work *work)
{
    work->call->work = NULL;
    return work->call;
}

void mailbox_call_cancel(struct mailbox_call *call)
{
    if (call->work != NULL) {
        mailbox_work_free(call->work);
        call->work = NULL;
    }
}

void mailbox_work_send(struct mailbox_work *work, const char *method,
                       const ProtobufCMessage *request, attempt_done_fn *done)
{
    attempt_start(&work->attempt, work->place.shard, &aviso__mailboxes__descriptor, method, request,
                  NULL, done);
}

ProtobufCBinaryData mailbox_work_id(struct mailbox_work *work)
{
    struct request_id id;

    request_id_make(&id);
    return wire_from_slice(arena_copy(&work->arena, (struct slice){id.octets, REQUEST_ID_SIZE}));
}

ProtobufCBinaryData mailbox_wire_of_uids(struct mailbox_work *work, const struct uid_set *uids)
{
    struct buffer octets;

    buffer_init(&octets, RPC_MESSAGE_SIZE_MAX);
    uid_set_encode(uids, &octets);
    struct slice kept = arena_copy(&work->arena, buffer_view(&octets));

    buffer_done(&octets);
    return wire_from_slice(kept);
}

struct uid_set *mailbox_uids_of_wire(ProtobufCBinaryData octets)
{
    struct uid_set *uids = uid_set_new();

    if (uid_set_decode(slice_from_wire(octets), uids) != STATUS_OK) {
        uid_set_free(uids);
        return NULL;
    }
    return uids;
}

const struct slice *mailbox_texts_of_wire(const ProtobufCBinaryData *texts, size_t count,
                                          struct arena *arena)
{
    struct slice *slices = count > 0 ? arena_array(arena, count, sizeof(*slices)) : NULL;

    for (size_t i = 0; i < count; i++) {
        slices[i] = slice_from_wire(texts[i]);
    }
    return slices;
}

struct mailbox_record mailbox_record_of_wire(const Aviso__MailboxRecord *wire, struct arena *arena)
{
    return (struct mailbox_record){
        .mailbox = wire->mailbox,
        .name = slice_from_wire(wire->name),
        .special_use = slice_from_wire(wire->special_use),
        .subscribed = wire->subscribed,
        .no_mailbox = wire->no_mailbox,
        .uid_validity = wire->uid_validity,
        .uid_next = wire->uid_next,
        .modseq = wire->modseq,
        .message_count = wire->message_count,
        .unseen_count = wire->unseen_count,
        .deleted_count = wire->deleted_count,
        .recent_count = wire->recent_count,
        .size_octets = wire->size_octets,
        .keywords = mailbox_texts_of_wire(wire->keywords, wire->n_keywords, arena),
        .keyword_count = wire->n_keywords,
    };
}

/* The recipient's own lines, then the block as it was sent. */
static enum status open_header(const Aviso__MessageRow *wire, struct arena *arena,
                               struct slice *out_header)
{
    struct buffer header;

    buffer_init(&header, HEADER_SIZE_MAX + wire->header_prefix.len);
    buffer_append(&header, slice_from_wire(wire->header_prefix));
    enum status status = frame_decompress(slice_from_wire(wire->header), HEADER_SIZE_MAX, &header);

    if (status == STATUS_OK && header.size != wire->header_size) {
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        *out_header = arena_copy(arena, buffer_view(&header));
    }
    buffer_done(&header);
    return status == STATUS_OK ? STATUS_OK : STATUS_CORRUPT;
}

enum status mailbox_rows_of_wire(Aviso__MessageRow *const *wire, size_t count, struct arena *arena,
                                 struct message_row **out_rows)
{
    struct message_row *rows = arena_array(arena, count, sizeof(*rows));

    for (size_t i = 0; i < count; i++) {
        rows[i] = (struct message_row){
            .uid = wire[i]->uid,
            .email = wire[i]->email,
            .thread = wire[i]->thread,
            .flags = wire[i]->flags,
            .keywords = mailbox_texts_of_wire(wire[i]->keywords, wire[i]->n_keywords, arena),
            .keyword_count = wire[i]->n_keywords,
            .modseq = wire[i]->modseq,
            .size_octets = wire[i]->size_octets,
            .received_ms = wire[i]->received_ms,
            .received_zone = wire[i]->received_zone,
            .saved_ms = wire[i]->saved_ms,
            .digest = slice_from_wire(wire[i]->digest),
            .header_size = wire[i]->header_size,
            .body_frame = slice_from_wire(wire[i]->body),
        };
        if (wire[i]->header.len > 0 && open_header(wire[i], arena, &rows[i].header) != STATUS_OK) {
            return STATUS_CORRUPT;
        }
    }
    *out_rows = rows;
    return STATUS_OK;
}
