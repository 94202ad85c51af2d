/* STORE and UID STORE (RFC 3501 §6.4.6, RFC 7162 §3.1.3). */
#include <inttypes.h>

#include "frontend/imap/imap_command.h"
#include "frontend/imap/imap_rows.h"

enum { BATCH_COUNT = 4096 }; /* messages in one request, so that an answer stays small */

struct storing {
    struct uid_set *uids;     /* to do */
    struct uid_set *batch;    /* of the request in flight */
    struct uid_set *shown;    /* done and told */
    struct uid_set *modified; /* failed the condition */
    struct store_order order;
    struct imap_flags flags;
    bool is_silent;
    uint64_t first_modseq; /* of the first batch */
    struct arena arena;    /* of one answer */
    struct message_row *rows;
    size_t row_count;
    size_t row_said;
};

/* ---- The arguments ---- */

static bool take_mode(struct imap_parser *parser, struct storing *storing)
{
    storing->order.mode = imap_take_octet(parser, '+')   ? STORE_ADD
                          : imap_take_octet(parser, '-') ? STORE_REMOVE
                                                         : STORE_REPLACE;
    if (!imap_take_keyword(parser, "FLAGS")) {
        return false;
    }
    storing->is_silent = imap_take_keyword(parser, ".SILENT");
    return true;
}

static bool take_arguments(struct imap_parser *parser, struct storing *storing)
{
    if (!imap_take_space(parser)) {
        return false;
    }
    if (imap_take_keyword(parser, "(UNCHANGEDSINCE ")) {
        storing->order.conditional = true;
        if (!imap_take_number64(parser, &storing->order.unchanged_since) ||
            !imap_take_octet(parser, ')') || !imap_take_space(parser)) {
            return false;
        }
    }
    return take_mode(parser, storing) && imap_take_space(parser) &&
           (imap_is_next(parser, '(') ? imap_take_flag_list(parser, &storing->flags)
                                      : imap_take_flags(parser, &storing->flags)) &&
           imap_take_end(parser);
}

/* ---- Batches ---- */

static enum session_next store_batch(struct imap_session *session);

static void drop_storing(struct imap_session *session)
{
    struct storing *storing = session->work;

    mailbox_call_cancel(&session->call);
    uid_set_free(storing->uids);
    uid_set_free(storing->batch);
    uid_set_free(storing->shown);
    uid_set_free(storing->modified);
    arena_done(&storing->arena);
}

/* Sequence numbers, or UIDs, of what failed the condition. */
static void append_modified(struct imap_session *session, const struct uid_set *modified)
{
    struct uid_set *numbers = uid_set_new();
    struct imap_cursor cursor = {0};

    if (session->by_uid) {
        uid_set_print(modified, &session->reply);
    } else {
        while (imap_cursor_next(&cursor, modified)) {
            uid_set_add(numbers, imap_view_number(session->view, cursor.uid));
        }
        uid_set_print(numbers, &session->reply);
    }
    uid_set_free(numbers);
}

static enum session_next end_storing(struct imap_session *session)
{
    struct storing *storing = session->work;

    if (!storing->is_silent) {
        imap_sync_shown(session, storing->shown, storing->first_modseq);
        storing->shown = NULL;
    }
    if (uid_set_count(storing->modified) == 0) {
        return imap_end(session, "OK done");
    }
    buffer_append(&session->reply, SLICE("OK [MODIFIED "));
    append_modified(session, storing->modified);
    buffer_append(&session->reply, SLICE("] changed meanwhile"));
    return imap_end_reply(session);
}

static enum session_next say_rows(struct imap_session *session)
{
    struct storing *storing = session->work;

    while (storing->row_said < storing->row_count) {
        if (imap_is_output_full(session)) {
            return imap_pause(session, say_rows);
        }
        imap_append_flags_fetch(session, &storing->rows[storing->row_said++], !storing->is_silent);
    }
    return uid_set_count(storing->uids) > 0 ? store_batch(session) : end_storing(session);
}

static bool is_to_be_shown(const struct imap_session *session, const struct storing *storing,
                           const struct message_row *row)
{
    return (!storing->is_silent || session->wants_condstore) &&
           imap_view_number(session->view, row->uid) > 0 &&
           !uid_set_contains(storing->modified, row->uid);
}

static void keep_rows(struct imap_session *session, const struct message_row *rows, size_t count)
{
    struct storing *storing = session->work;

    arena_clear(&storing->arena);
    storing->rows = arena_array(&storing->arena, count, sizeof(*rows));
    storing->row_count = 0;
    storing->row_said = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_to_be_shown(session, storing, &rows[i])) {
            storing->rows[storing->row_count++] = imap_copy_row(&storing->arena, &rows[i]);
            uid_set_add(storing->shown, rows[i].uid);
        }
    }
}

static void on_rows(struct mailbox_call *call, enum status status, const struct mailbox_rows *rows)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);

    if (status == STATUS_OK) {
        keep_rows(session, rows->rows, rows->count);
    }
    imap_wake(session, say_rows(session));
}

static void on_stored(struct mailbox_call *call, enum status status,
                      const struct store_result *result)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    struct storing *storing = session->work;

    if (status != STATUS_OK) {
        session->view->is_dirty = true;
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    if (storing->first_modseq == 0) {
        storing->first_modseq = result->modseq;
    }
    if (storing->order.keyword_count > 0) {
        /* The mailbox may have a new keyword, which FLAGS is to tell. */
        session->view->is_dirty = true;
    } else {
        imap_view_wrote(session->view, result->modseq);
    }
    uid_set_unite(storing->modified, result->modified);
    if (result->rows_left_out) {
        struct rows_query query = {.uids = storing->batch};

        mailbox_get_rows(session->service->router, call, session->place, session->view->mailbox,
                         &query, on_rows);
        return;
    }
    keep_rows(session, result->rows, result->count);
    imap_wake(session, say_rows(session));
}

static enum session_next store_batch(struct imap_session *session)
{
    struct storing *storing = session->work;

    uid_set_free(storing->batch);
    storing->batch = imap_cut_batch(storing->uids, BATCH_COUNT);
    storing->order.uids = storing->batch;
    mailbox_store(session->service->router, &session->call, session->place, session->view->mailbox,
                  &storing->order, on_stored);
    return SESSION_WAITS;
}

enum session_next imap_run_store(struct imap_session *session, struct imap_parser *parser)
{
    struct storing *storing = ARENA_NEW(&session->arena, struct storing);

    session->work = storing;
    session->drop_work = drop_storing;
    if (!imap_take_uids(session, parser, &storing->uids) || !take_arguments(parser, storing)) {
        return imap_bad(session, parser);
    }
    if (session->view->is_read_only) {
        return imap_end(session, "NO [NOPERM] the mailbox is read-only");
    }
    if (storing->order.conditional) {
        imap_enable_condstore(session);
    }
    storing->shown = uid_set_new();
    storing->modified = uid_set_new();
    storing->order.flags = storing->flags.system;
    storing->order.keywords = storing->flags.keywords;
    storing->order.keyword_count = storing->flags.keyword_count;
    return uid_set_count(storing->uids) > 0 ? store_batch(session) : imap_end(session, "OK done");
}
