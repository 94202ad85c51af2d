/* STORE (RFC 3501 §6.4.6; RFC 7162 §3.1.3 for UNCHANGEDSINCE). */
#include <string.h>

#include "proto/mailbox.pb-c.h"
#include "router/mailbox_client.h"
#include "storage/apply_messages.h"
#include "storage/apply_reply.h"
#include "storage/row_message.h"

enum {
    FLAGS_ALL = FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT,
    REPLY_ROWS_SIZE_MAX = 2 * 1024 * 1024, /* octets of memory, about */
};

struct store_flags {
    struct account_edit edit;
    struct mailbox_edit *mailbox;
    const Aviso__StoreFlagsRequest *request;
    bool keywords[MAILBOX_KEYWORDS_MAX]; /* the request's, by place */
    struct uid_runs modified;            /* failed the condition */
    Aviso__MessageRow **rows;
    size_t row_count;
    size_t rows_allocated; /* of the step's arena when the first was made */
    bool rows_left_out;
};

/* The request's keywords as places. Those that are to be removed are not made first. */
static enum status place_keywords(struct store_flags *store)
{
    const Aviso__StoreFlagsRequest *request = store->request;
    struct mailbox_row *row = &store->mailbox->row;
    bool is_removal = request->mode == AVISO__STORE_MODE__STORE_REMOVE;
    uint8_t place;

    if (request->n_keywords > KEYWORDS_MAX) {
        return STATUS_TOO_LARGE;
    }
    for (size_t index = 0; index < request->n_keywords; index++) {
        struct slice keyword = slice_from_wire(request->keywords[index]);

        if (is_removal) {
            for (size_t at = 0; at < row->keyword_count; at++) {
                store->keywords[at] |= slice_equals_ignoring_case(row->keywords[at], keyword);
            }
            continue;
        }
        enum status status = edit_keyword(&store->edit, store->mailbox, keyword, &place);

        if (status != STATUS_OK) {
            return status;
        }
        store->keywords[place] = true;
    }
    return STATUS_OK;
}

static uint32_t new_flags(const Aviso__StoreFlagsRequest *request, uint32_t flags)
{
    uint32_t given = request->flags & FLAGS_ALL;

    switch (request->mode) {
    case AVISO__STORE_MODE__STORE_ADD:
        return flags | given;
    case AVISO__STORE_MODE__STORE_REMOVE:
        return flags & ~given;
    default:
        return given;
    }
}

/* TOO_LARGE: over KEYWORDS_MAX. */
static enum status new_keywords(const struct store_flags *store, const struct uid_row *row,
                                struct uid_row *out_row)
{
    bool has[MAILBOX_KEYWORDS_MAX] = {false};
    Aviso__StoreMode mode = store->request->mode;

    for (size_t index = 0; index < row->keyword_count; index++) {
        has[row->keywords[index]] = mode != AVISO__STORE_MODE__STORE_REPLACE;
    }
    out_row->keyword_count = 0;
    for (size_t place = 0; place < MAILBOX_KEYWORDS_MAX; place++) {
        bool is_removed = mode == AVISO__STORE_MODE__STORE_REMOVE && store->keywords[place];
        bool is_added = mode != AVISO__STORE_MODE__STORE_REMOVE && store->keywords[place];

        if (is_removed || !(has[place] || is_added)) {
            continue;
        }
        if (out_row->keyword_count == KEYWORDS_MAX) {
            return STATUS_TOO_LARGE;
        }
        out_row->keywords[out_row->keyword_count++] = (uint8_t)place;
    }
    return STATUS_OK;
}

static bool is_unchanged(const struct uid_row *row, const struct uid_row *other)
{
    return row->flags == other->flags && row->keyword_count == other->keyword_count &&
           memcmp(row->keywords, other->keywords, row->keyword_count) == 0;
}

static enum status answer_row(struct store_flags *store, uint32_t uid, const struct uid_row *row)
{
    struct arena *arena = &store->edit.apply->step;

    if (store->rows_left_out) {
        return STATUS_OK;
    }
    if (arena->allocated - store->rows_allocated > REPLY_ROWS_SIZE_MAX) {
        store->rows_left_out = true;
        store->row_count = 0;
        return STATUS_OK;
    }
    Aviso__MessageRow *answer = ARENA_NEW(arena, Aviso__MessageRow);

    store->rows[store->row_count++] = answer;
    return row_message_fill(uid, row, &store->mailbox->row, arena, answer);
}

static enum status store_one(void *context, uint32_t uid, const struct uid_row *row)
{
    struct store_flags *store = context;
    struct uid_row changed = *row;

    if (store->request->conditional && row->modseq > store->request->unchanged_since) {
        uid_runs_add(&store->modified, uid);
        return STATUS_OK;
    }
    changed.flags = new_flags(store->request, row->flags);
    enum status status = new_keywords(store, row, &changed);

    if (status == STATUS_OK && !is_unchanged(row, &changed)) {
        edit_change_message(&store->edit, store->mailbox, uid, row, &changed);
    }
    return status == STATUS_OK ? answer_row(store, uid, &changed) : status;
}

/* A keyword that nothing got is not worth a row. */
static bool has_changes(const struct store_flags *store)
{
    return store->mailbox->changed.count > 0;
}

static struct slice pack(struct store_flags *store)
{
    struct apply *apply = store->edit.apply;
    Aviso__StoreFlagsReply reply = AVISO__STORE_FLAGS_REPLY__INIT;

    reply.rows = store->rows;
    reply.n_rows = store->row_count;
    reply.modified = wire_from_slice(uid_runs_encode(&store->modified, &apply->step));
    reply.modseq = store->edit.row.modseq;
    reply.rows_left_out = store->rows_left_out;
    struct slice packed = apply_pack(apply, &reply.base);

    if (packed.size > ONCE_REPLY_SIZE_MAX && reply.n_rows > 0) {
        reply.n_rows = 0;
        reply.rows_left_out = true;
        apply->once_reply = apply_pack(apply, &reply.base);
    }
    return packed;
}

enum status apply_store_flags(struct apply *apply, const struct apply_request *given,
                              struct slice *out_reply)
{
    struct store_flags store = {.request = given->message};
    struct uid_runs uids;
    enum status status =
        uid_runs_decode(slice_from_wire(store.request->uids), UIDS_MAX, &apply->step, &uids);

    if (status == STATUS_OK) {
        status = edit_begin(apply, store.request->account, &store.edit);
    }
    if (status == STATUS_OK) {
        status = edit_mailbox(&store.edit, store.request->mailbox, &store.mailbox);
    }
    if (status == STATUS_OK) {
        status = place_keywords(&store);
    }
    if (status != STATUS_OK) {
        return status;
    }
    uid_runs_init(&store.modified, &apply->step);
    store.rows = arena_array(&apply->step, (size_t)uids.uid_count + 1, sizeof(*store.rows));
    store.rows_allocated = apply->step.allocated;
    status = messages_walk(apply, store.edit.id, store.mailbox->id, &uids, store_one, &store);
    if (status == STATUS_OK && has_changes(&store)) {
        status = edit_end(&store.edit);
    }
    if (status == STATUS_OK) {
        *out_reply = pack(&store);
    }
    return status;
}
