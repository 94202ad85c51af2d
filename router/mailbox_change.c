/* Changing messages: store, expunge, copy. A set of any size goes in several requests, one after
 * the other, whose outcomes are joined. */
#include "core/macros.h"
#include "router/mailbox_work.h"

/* What is asked, kept for the requests to come, and what came back. */
struct mailbox_change {
    struct store_order order; /* of store */
    bool undeleted;           /* of expunge */
    uint32_t to_mailbox;      /* of copy */
    bool move;
    enum status failure; /* of a copy whose first parts are taken back */
    struct message_row *rows;
    size_t row_count;
    size_t row_capacity;
    bool rows_left_out;
    uint32_t uid_validity;
    uint64_t modseq;
};

static void store_next(struct mailbox_work *work);
static void expunge_next(struct mailbox_work *work);
static void copy_next(struct mailbox_work *work);
static void take_back_next(struct mailbox_work *work);
static attempt_done_fn on_stored, on_expunged, on_copied, on_taken_back;

static struct mailbox_work *work_of(struct attempt *attempt)
{
    return CONTAINER_OF(attempt, struct mailbox_work, attempt);
}

static struct mailbox_work *begin(struct router *router, struct mailbox_call *call,
                                  struct account_place place, uint32_t mailbox,
                                  const struct uid_set *uids)
{
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    work->mailbox = mailbox;
    work->left = uid_set_copy(uids);
    work->sources = uid_set_new();
    work->targets = uid_set_new();
    work->change = ARENA_NEW(&work->arena, struct mailbox_change);
    return work;
}

/* The UIDs of the next request, taken off what is left. */
static ProtobufCBinaryData take_uids(struct mailbox_work *work)
{
    struct uid_set *taken = uid_set_copy(work->left);
    uint32_t last = uid_set_select(taken, UIDS_PER_REQUEST);

    if (last != 0 && last < UINT32_MAX) {
        uid_set_remove_range(taken, last + 1, UINT32_MAX);
    }
    uid_set_subtract(work->left, taken);
    ProtobufCBinaryData octets = mailbox_wire_of_uids(work, taken);

    uid_set_free(taken);
    return octets;
}

static bool is_more(const struct mailbox_work *work)
{
    return uid_set_count(work->left) > 0;
}

/* Adds a set of a reply to one of the work's. */
static enum status join(struct uid_set *set, ProtobufCBinaryData octets)
{
    struct uid_set *part = mailbox_uids_of_wire(octets);

    if (part == NULL) {
        return STATUS_CORRUPT;
    }
    uid_set_unite(set, part);
    uid_set_free(part);
    return STATUS_OK;
}

/* ---- StoreFlags ---- */

void mailbox_store(struct router *router, struct mailbox_call *call, struct account_place place,
                   uint32_t mailbox, const struct store_order *order, mailbox_store_fn *done)
{
    struct mailbox_work *work = begin(router, call, place, mailbox, order->uids);
    struct slice *keywords = arena_array(&work->arena, order->keyword_count, sizeof(*keywords));

    for (size_t i = 0; i < order->keyword_count; i++) {
        keywords[i] = arena_copy(&work->arena, order->keywords[i]);
    }
    work->change->order = *order;
    work->change->order.keywords = keywords;
    work->change->order.uids = NULL;
    call->done.store = done;
    store_next(work);
}

static void store_next(struct mailbox_work *work)
{
    Aviso__StoreFlagsRequest request = AVISO__STORE_FLAGS_REQUEST__INIT;
    const struct store_order *order = &work->change->order;

    request.request_id = mailbox_work_id(work);
    request.account = work->place.account;
    request.mailbox = work->mailbox;
    request.uids = take_uids(work);
    request.mode = (Aviso__StoreMode)order->mode;
    request.flags = order->flags;
    request.n_keywords = order->keyword_count;
    request.keywords = arena_array(&work->arena, order->keyword_count, sizeof(*request.keywords));
    for (size_t i = 0; i < order->keyword_count; i++) {
        request.keywords[i] = wire_from_slice(order->keywords[i]);
    }
    request.conditional = order->conditional;
    request.unchanged_since = order->unchanged_since;
    mailbox_work_send(work, "StoreFlags", &request.base, on_stored);
}

/* Rows outlive their reply here, since more replies follow. */
static void keep_rows(struct mailbox_work *work, const struct message_row *rows, size_t count)
{
    struct mailbox_change *change = work->change;

    if (change->row_count + count > change->row_capacity) {
        size_t capacity = change->row_capacity * 2 + count;
        struct message_row *grown = arena_array(&work->arena, capacity, sizeof(*grown));

        for (size_t i = 0; i < change->row_count; i++) {
            grown[i] = change->rows[i];
        }
        change->rows = grown;
        change->row_capacity = capacity;
    }
    for (size_t i = 0; i < count; i++) {
        struct message_row *row = &change->rows[change->row_count++];
        struct slice *keywords =
            arena_array(&work->arena, rows[i].keyword_count, sizeof(*keywords));

        *row = rows[i];
        row->digest = (struct slice){0}; /* not asked for, and the reply's */
        for (size_t k = 0; k < row->keyword_count; k++) {
            keywords[k] = arena_copy(&work->arena, rows[i].keywords[k]);
        }
        row->keywords = keywords;
    }
}

static void finish_store(struct mailbox_work *work, enum status status)
{
    struct mailbox_call *call = mailbox_work_detach(work);
    const struct mailbox_change *change = work->change;
    struct store_result result = {
        .rows = change->rows,
        .count = change->row_count,
        .modified = work->sources,
        .modseq = change->modseq,
        .rows_left_out = change->rows_left_out,
    };

    call->done.store(call, status, status == STATUS_OK ? &result : NULL);
    mailbox_work_free(work);
}

static void on_stored(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                      struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    const Aviso__StoreFlagsReply *reply = (const Aviso__StoreFlagsReply *)message;
    struct message_row *rows = NULL;

    if (status == STATUS_OK) {
        status = mailbox_rows_of_wire(reply->rows, reply->n_rows, &work->arena, &rows);
    }
    if (status == STATUS_OK) {
        status = join(work->sources, reply->modified);
    }
    if (status != STATUS_OK) {
        finish_store(work, status);
        return;
    }
    keep_rows(work, rows, reply->n_rows);
    work->change->rows_left_out |= reply->rows_left_out;
    work->change->modseq = reply->modseq;
    if (is_more(work)) {
        store_next(work);
    } else {
        finish_store(work, STATUS_OK);
    }
}

/* ---- Expunge ---- */

void mailbox_expunge(struct router *router, struct mailbox_call *call, struct account_place place,
                     uint32_t mailbox, const struct uid_set *uids, bool undeleted,
                     mailbox_expunge_fn *done)
{
    struct mailbox_work *work = begin(router, call, place, mailbox, uids);

    work->change->undeleted = undeleted;
    call->done.expunge = done;
    expunge_next(work);
}

static void expunge_next(struct mailbox_work *work)
{
    Aviso__ExpungeRequest request = AVISO__EXPUNGE_REQUEST__INIT;

    request.request_id = mailbox_work_id(work);
    request.account = work->place.account;
    request.mailbox = work->mailbox;
    request.uids = take_uids(work);
    request.undeleted = work->change->undeleted;
    mailbox_work_send(work, "Expunge", &request.base, on_expunged);
}

static void on_expunged(struct attempt *attempt, enum status status,
                        const ProtobufCMessage *message, struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    const Aviso__ExpungeReply *reply = (const Aviso__ExpungeReply *)message;

    if (status == STATUS_OK) {
        work->change->modseq = reply->modseq;
        status = join(work->sources, reply->vanished);
    }
    if (status == STATUS_OK && is_more(work)) {
        expunge_next(work);
        return;
    }
    struct mailbox_call *call = mailbox_work_detach(work);

    call->done.expunge(call, status, status == STATUS_OK ? work->sources : NULL,
                       work->change->modseq);
    mailbox_work_free(work);
}

/* ---- CopyMessages ---- */

void mailbox_copy(struct router *router, struct mailbox_call *call, struct account_place place,
                  uint32_t mailbox, const struct uid_set *uids, uint32_t to_mailbox, bool move,
                  mailbox_copy_fn *done)
{
    struct mailbox_work *work = begin(router, call, place, mailbox, uids);

    work->change->to_mailbox = to_mailbox;
    work->change->move = move;
    call->done.copy = done;
    copy_next(work);
}

static void copy_next(struct mailbox_work *work)
{
    Aviso__CopyMessagesRequest request = AVISO__COPY_MESSAGES_REQUEST__INIT;

    request.request_id = mailbox_work_id(work);
    request.account = work->place.account;
    request.mailbox = work->mailbox;
    request.uids = take_uids(work);
    request.to_mailbox = work->change->to_mailbox;
    request.move = work->change->move;
    mailbox_work_send(work, "CopyMessages", &request.base, on_copied);
}

static void finish_copy(struct mailbox_work *work, enum status status)
{
    struct mailbox_call *call = mailbox_work_detach(work);
    struct copy_result result = {
        .uid_validity = work->change->uid_validity,
        .source_uids = work->sources,
        .target_uids = work->targets,
        .modseq = work->change->modseq,
    };

    call->done.copy(call, status, status == STATUS_OK ? &result : NULL);
    mailbox_work_free(work);
}

/* RFC 3501 §6.4.7: a COPY that fails leaves the target as it was. What a request did whose answer
 * never came is not known, and stays. */
static void take_back(struct mailbox_work *work, enum status failure)
{
    struct uid_set *copies = work->targets;

    work->targets = work->left;
    work->left = copies;
    work->mailbox = work->change->to_mailbox;
    work->change->failure = failure;
    take_back_next(work);
}

static void take_back_next(struct mailbox_work *work)
{
    Aviso__ExpungeRequest request = AVISO__EXPUNGE_REQUEST__INIT;

    request.request_id = mailbox_work_id(work);
    request.account = work->place.account;
    request.mailbox = work->mailbox;
    request.uids = take_uids(work);
    request.undeleted = true;
    mailbox_work_send(work, "Expunge", &request.base, on_taken_back);
}

static void on_taken_back(struct attempt *attempt, enum status status,
                          const ProtobufCMessage *message, struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);

    if (status == STATUS_OK && is_more(work)) {
        take_back_next(work);
        return;
    }
    finish_copy(work, work->change->failure);
}

static void on_copied(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                      struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    const Aviso__CopyMessagesReply *reply = (const Aviso__CopyMessagesReply *)message;

    if (status == STATUS_OK) {
        work->change->uid_validity = reply->uid_validity;
        work->change->modseq = reply->modseq;
        status = join(work->sources, reply->source_uids);
    }
    if (status == STATUS_OK) {
        status = join(work->targets, reply->target_uids);
    }
    if (status == STATUS_OK && is_more(work)) {
        copy_next(work);
    } else if (status != STATUS_OK && !work->change->move && uid_set_count(work->targets) > 0) {
        take_back(work, status);
    } else {
        finish_copy(work, status);
    }
}
