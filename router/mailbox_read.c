/* Reading a mailbox: open, recent, rows, changes, bodies. */
#include "core/macros.h"
#include "router/frames.h"
#include "router/mailbox_work.h"

enum {
    ROWS_SIZE_MAX = 1024 * 1024,
    ROWS_UIDS_MAX = 256 * 1024, /* of one request: a set of any size would not fit a message */
    BODY_FRAMES_MAX = 4,
};

/* Which octets of which body. */
struct body_range {
    uint64_t offset;
    uint64_t size;
};

static attempt_done_fn on_opened, on_claimed, on_rows, on_changes, on_body;

static struct mailbox_work *work_of(struct attempt *attempt)
{
    return CONTAINER_OF(attempt, struct mailbox_work, attempt);
}

/* ---- OpenMailbox, ClaimRecent ---- */

void mailbox_open(struct router *router, struct mailbox_call *call, struct account_place place,
                  struct slice name, mailbox_open_fn *done)
{
    Aviso__OpenMailboxRequest request = AVISO__OPEN_MAILBOX_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    request.account = place.account;
    request.name = wire_from_slice(name);
    call->done.open = done;
    mailbox_work_send(work, "OpenMailbox", &request.base, on_opened);
}

static void on_opened(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                      struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    struct mailbox_call *call = mailbox_work_detach(work);
    const Aviso__OpenMailboxReply *reply = (const Aviso__OpenMailboxReply *)message;
    struct mailbox_opening opening = {0};
    struct uid_set *uids = status == STATUS_OK ? mailbox_uids_of_wire(reply->uids) : NULL;

    if (status == STATUS_OK && (uids == NULL || reply->record == NULL)) {
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        opening = (struct mailbox_opening){
            .record = mailbox_record_of_wire(reply->record, &work->arena),
            .uids = uids,
            .first_unseen = reply->first_unseen,
            .recent_from = reply->recent_from,
        };
    }
    call->done.open(call, status, status == STATUS_OK ? &opening : NULL);
    uid_set_free(uids);
    mailbox_work_free(work);
}

void mailbox_claim_recent(struct router *router, struct mailbox_call *call,
                          struct account_place place, uint32_t mailbox, mailbox_recent_fn *done)
{
    Aviso__ClaimRecentRequest request = AVISO__CLAIM_RECENT_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    request.request_id = mailbox_work_id(work);
    request.account = place.account;
    request.mailbox = mailbox;
    call->done.recent = done;
    mailbox_work_send(work, "ClaimRecent", &request.base, on_claimed);
}

static void on_claimed(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                       struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    struct mailbox_call *call = mailbox_work_detach(work);
    const Aviso__ClaimRecentReply *reply = (const Aviso__ClaimRecentReply *)message;

    call->done.recent(call, status, status == STATUS_OK ? reply->recent_from : 0,
                      status == STATUS_OK ? reply->recent_to : 0);
    mailbox_work_free(work);
}

/* ---- GetRows ---- */

/* The first of the UIDs; where the rest begins is kept. */
static ProtobufCBinaryData first_uids(struct mailbox_work *work, const struct uid_set *uids)
{
    work->rest_from = uid_set_select(uids, ROWS_UIDS_MAX + 1);
    if (work->rest_from == 0) {
        return mailbox_wire_of_uids(work, uids);
    }
    struct uid_set *first = uid_set_copy(uids);

    uid_set_remove_range(first, work->rest_from, UINT32_MAX);
    ProtobufCBinaryData octets = mailbox_wire_of_uids(work, first);

    uid_set_free(first);
    return octets;
}

void mailbox_get_rows(struct router *router, struct mailbox_call *call, struct account_place place,
                      uint32_t mailbox, const struct rows_query *query, mailbox_rows_fn *done)
{
    Aviso__GetRowsRequest request = AVISO__GET_ROWS_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    request.account = place.account;
    request.mailbox = mailbox;
    request.uids = first_uids(work, query->uids);
    request.parts = query->parts;
    request.changed_since = query->changed_since;
    request.size_max = ROWS_SIZE_MAX;
    request.flags_all = query->flags_all;
    request.flags_none = query->flags_none;
    call->done.rows = done;
    mailbox_work_send(work, "GetRows", &request.base, on_rows);
}

static void on_rows(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                    struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    struct mailbox_call *call = mailbox_work_detach(work);
    const Aviso__GetRowsReply *reply = (const Aviso__GetRowsReply *)message;
    struct message_row *converted = NULL;
    struct mailbox_rows rows = {0};

    if (status == STATUS_OK) {
        status = mailbox_rows_of_wire(reply->rows, reply->n_rows, &work->arena, &converted);
    }
    if (status == STATUS_OK) {
        uint32_t more_from = reply->more_from != 0 ? reply->more_from : work->rest_from;

        rows = (struct mailbox_rows){converted, reply->n_rows, more_from, reply->modseq};
    }
    call->done.rows(call, status, status == STATUS_OK ? &rows : NULL);
    mailbox_work_free(work);
}

/* ---- GetChanges ---- */

void mailbox_get_changes(struct router *router, struct mailbox_call *call,
                         struct account_place place, uint32_t mailbox, uint64_t since,
                         mailbox_changes_fn *done)
{
    Aviso__GetChangesRequest request = AVISO__GET_CHANGES_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    request.account = place.account;
    request.mailbox = mailbox;
    request.since = since;
    call->done.changes = done;
    mailbox_work_send(work, "GetChanges", &request.base, on_changes);
}

static void on_changes(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                       struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    struct mailbox_call *call = mailbox_work_detach(work);
    const Aviso__GetChangesReply *reply = (const Aviso__GetChangesReply *)message;
    struct uid_set *vanished = status == STATUS_OK ? mailbox_uids_of_wire(reply->vanished) : NULL;
    struct message_row *rows = NULL;
    struct mailbox_changes changes = {0};

    if (status == STATUS_OK) {
        status = vanished == NULL
                     ? STATUS_CORRUPT
                     : mailbox_rows_of_wire(reply->rows, reply->n_rows, &work->arena, &rows);
    }
    if (status == STATUS_OK) {
        changes = (struct mailbox_changes){
            .rows = rows,
            .count = reply->n_rows,
            .vanished = vanished,
            .modseq = reply->modseq,
            .uid_next = reply->uid_next,
            .more = reply->more,
            .gone = reply->gone,
            .keywords = mailbox_texts_of_wire(reply->keywords, reply->n_keywords, &work->arena),
            .keyword_count = reply->n_keywords,
        };
    }
    call->done.changes(call, status, status == STATUS_OK ? &changes : NULL);
    uid_set_free(vanished);
    mailbox_work_free(work);
}

/* ---- GetBody ---- */

void mailbox_get_body(struct router *router, struct mailbox_call *call, struct account_place place,
                      uint64_t email, uint64_t offset, uint64_t size, mailbox_body_fn *done)
{
    Aviso__GetBodyRequest request = AVISO__GET_BODY_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);
    uint64_t first = offset / BODY_FRAME_SIZE;
    uint64_t most = (uint64_t)BODY_FRAMES_MAX * BODY_FRAME_SIZE; /* a sum with more may wrap */
    uint64_t wanted = offset % BODY_FRAME_SIZE + (size < most ? size : most);
    uint64_t frames = wanted / BODY_FRAME_SIZE + (wanted % BODY_FRAME_SIZE > 0);

    work->body = ARENA_NEW(&work->arena, struct body_range);
    *work->body = (struct body_range){offset, size};
    request.account = place.account;
    request.email = email;
    request.first_frame = first < UINT32_MAX ? (uint32_t)first : UINT32_MAX;
    request.frame_count = frames < BODY_FRAMES_MAX ? (uint32_t)frames : BODY_FRAMES_MAX;
    call->done.body = done;
    mailbox_work_send(work, "GetBody", &request.base, on_body);
}

/* All frames of the reply, one after the other. */
static enum status open_frames(const Aviso__GetBodyReply *reply, struct slice octets,
                               struct buffer *body)
{
    for (size_t i = 0; i < reply->n_sizes; i++) {
        if (reply->sizes[i] > octets.size) {
            return STATUS_CORRUPT;
        }
        if (frame_decompress(slice_prefix(octets, reply->sizes[i]), BODY_FRAME_SIZE, body) !=
            STATUS_OK) {
            return STATUS_CORRUPT;
        }
        octets = slice_skip(octets, reply->sizes[i]);
    }
    return STATUS_OK;
}

static void on_body(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                    struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    struct mailbox_call *call = mailbox_work_detach(work);
    struct slice range = {0};
    struct buffer body;

    buffer_init(&body, (size_t)BODY_FRAMES_MAX * BODY_FRAME_SIZE);
    if (status == STATUS_OK) {
        status = open_frames((const Aviso__GetBodyReply *)message, rpc_octets_view(octets), &body);
    }
    if (status == STATUS_OK) {
        range = slice_skip(buffer_view(&body), (size_t)(work->body->offset % BODY_FRAME_SIZE));
        range =
            slice_prefix(range, work->body->size < SIZE_MAX ? (size_t)work->body->size : SIZE_MAX);
    }
    call->done.body(call, status, range);
    buffer_done(&body);
    mailbox_work_free(work);
}
