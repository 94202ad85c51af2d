/* COPY, MOVE and their UID forms (RFC 3501 §6.4.7, RFC 4315, RFC 6851). */
#include <inttypes.h>

#include "frontend/imap/imap_command.h"

struct copying {
    struct uid_set *uids;
    struct slice name;
    bool moves;
};

static void drop_copying(struct imap_session *session)
{
    struct copying *copying = session->work;

    mailbox_call_cancel(&session->call);
    uid_set_free(copying->uids);
}

static void stage_copyuid(struct imap_session *session, const struct copy_result *result)
{
    buffer_printf(&session->reply, "OK [COPYUID %" PRIu32 " ", result->uid_validity);
    uid_set_print(result->source_uids, &session->reply);
    buffer_append_octet(&session->reply, ' ');
    uid_set_print(result->target_uids, &session->reply);
    buffer_append(&session->reply, SLICE("] done"));
}

static enum session_next end_moving(struct imap_session *session)
{
    return imap_end(session, "OK done");
}

static void on_copied(struct mailbox_call *call, enum status status,
                      const struct copy_result *result)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    const struct copying *copying = session->work;
    struct imap_view *view = session->view;

    if (status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    if (result->uid_validity == view->uid_validity) {
        view->is_dirty = true;
    } else {
        imap_view_wrote(view, result->modseq);
    }
    if (uid_set_count(result->source_uids) == 0) {
        imap_wake(session, imap_end(session, "OK nothing was there"));
        return;
    }
    if (!copying->moves) {
        stage_copyuid(session, result);
        imap_wake(session, imap_end_reply(session));
        return;
    }
    /* RFC 6851 §4.3: COPYUID comes before the EXPUNGEs, which imap_end() tells. */
    imap_view_note_vanished(view, result->source_uids);
    buffer_append(&session->reply, SLICE("* "));
    stage_copyuid(session, result);
    buffer_append(&session->reply, SLICE("\r\n"));
    imap_wake(session, imap_say_reply(session, end_moving));
}

/* The target's id. */
static void on_target(struct mailbox_call *call, enum status status,
                      const struct mailbox_record *records, size_t count, uint64_t modseq)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    const struct copying *copying = session->work;

    if (status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    if (count == 0 || records[0].no_mailbox) {
        imap_wake(session, imap_end(session, "NO [TRYCREATE] no such mailbox"));
        return;
    }
    mailbox_copy(session->service->router, call, session->place, session->view->mailbox,
                 copying->uids, records[0].mailbox, copying->moves, on_copied);
}

static enum session_next run_copying(struct imap_session *session, struct imap_parser *parser,
                                     bool moves)
{
    struct copying *copying = ARENA_NEW(&session->arena, struct copying);

    copying->moves = moves;
    session->work = copying;
    session->drop_work = drop_copying;
    if (!imap_take_uids(session, parser, &copying->uids) || !imap_take_space(parser) ||
        !imap_take_mailbox(parser, &copying->name) || !imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    if (moves && session->view->is_read_only) {
        return imap_end(session, "NO [NOPERM] the mailbox is read-only");
    }
    if (uid_set_count(copying->uids) == 0) {
        return imap_end(session, "OK nothing to do");
    }
    mailbox_find(session->service->router, &session->call, session->place, copying->name,
                 on_target);
    return SESSION_WAITS;
}

enum session_next imap_run_copy(struct imap_session *session, struct imap_parser *parser)
{
    return run_copying(session, parser, false);
}

enum session_next imap_run_move(struct imap_session *session, struct imap_parser *parser)
{
    return run_copying(session, parser, true);
}
