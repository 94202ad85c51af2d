/* EXPUNGE, UID EXPUNGE and CLOSE (RFC 3501 §6.4.2, §6.4.3, RFC 4315 §2.1). */
#include "frontend/imap/imap_command.h"

struct expunging {
    struct uid_set *uids;    /* to look at */
    struct uid_set *deleted; /* those with \Deleted */
    bool closes;
};

static void drop_expunging(struct imap_session *session)
{
    struct expunging *expunging = session->work;

    mailbox_call_cancel(&session->call);
    uid_set_free(expunging->uids);
    uid_set_free(expunging->deleted);
}

static enum session_next end_expunging(struct imap_session *session)
{
    const struct expunging *expunging = session->work;

    if (expunging->closes) {
        imap_unselect(session);
    }
    return imap_end(session, "OK done");
}

static void on_expunged(struct mailbox_call *call, enum status status,
                        const struct uid_set *vanished, uint64_t modseq)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);

    if (status != STATUS_OK) {
        session->view->is_dirty = true;
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    imap_view_note_vanished(session->view, vanished);
    imap_view_wrote(session->view, modseq);
    imap_wake(session, end_expunging(session));
}

static void ask_deleted(struct imap_session *session);

static void on_deleted_rows(struct mailbox_call *call, enum status status,
                            const struct mailbox_rows *rows)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    struct expunging *expunging = session->work;

    if (status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    for (size_t i = 0; i < rows->count; i++) {
        uid_set_add(expunging->deleted, rows->rows[i].uid);
    }
    if (rows->more_from > 0) {
        uid_set_remove_range(expunging->uids, 1, rows->more_from - 1);
        ask_deleted(session);
        return;
    }
    if (uid_set_count(expunging->deleted) == 0) {
        imap_wake(session, end_expunging(session));
        return;
    }
    mailbox_expunge(session->service->router, call, session->place, session->view->mailbox,
                    expunging->deleted, false, on_expunged);
}

/* Looking first costs nothing in the log when nothing is deleted, which is what CLOSE mostly finds.
 */
static void ask_deleted(struct imap_session *session)
{
    const struct expunging *expunging = session->work;
    struct rows_query query = {.uids = expunging->uids, .flags_all = FLAG_DELETED};

    mailbox_get_rows(session->service->router, &session->call, session->place,
                     session->view->mailbox, &query, on_deleted_rows);
}

static struct expunging *new_expunging(struct imap_session *session)
{
    struct expunging *expunging = ARENA_NEW(&session->arena, struct expunging);

    session->work = expunging;
    session->drop_work = drop_expunging;
    expunging->deleted = uid_set_new();
    return expunging;
}

enum session_next imap_run_expunge(struct imap_session *session, struct imap_parser *parser)
{
    struct expunging *expunging = new_expunging(session);

    if ((session->by_uid && !imap_take_uids(session, parser, &expunging->uids)) ||
        !imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    if (session->view->is_read_only) {
        return imap_end(session, "NO [NOPERM] the mailbox is read-only");
    }
    if (!session->by_uid) {
        expunging->uids = uid_set_copy(session->view->uids);
    }
    if (uid_set_count(expunging->uids) == 0) {
        return imap_end(session, "OK done");
    }
    ask_deleted(session);
    return SESSION_WAITS;
}

enum session_next imap_run_close(struct imap_session *session, struct imap_parser *parser)
{
    struct expunging *expunging = new_expunging(session);

    if (!imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    expunging->closes = true;
    if (session->view->is_read_only || session->view->is_gone ||
        imap_view_count(session->view) == 0) {
        return end_expunging(session);
    }
    expunging->uids = uid_set_copy(session->view->uids);
    ask_deleted(session);
    return SESSION_WAITS;
}
