/* IDLE (RFC 2177): what others do is told as it happens, until DONE. */
#include "frontend/imap/imap_command.h"

enum { RETRY_MS = 500 }; /* while the client does not read, or the mailbox cannot be asked */

static enum session_next on_done(struct imap_session *session, struct slice line);

void imap_idle_changed(struct imap_session *session)
{
    if (session->on_answer != on_done || session->view == NULL) {
        return;
    }
    if (imap_is_output_full(session)) {
        imap_idle_paused(session);
    } else {
        imap_sync_in_background(session);
    }
}

void imap_idle_paused(struct imap_session *session)
{
    const struct imap_sync *sync = &session->sync;
    bool is_done =
        sync->stage == SYNC_RESTS && (!session->view->is_dirty || session->view->is_gone);

    if (session->on_answer == on_done && session->port.loop != NULL && !sync->is_in_flight &&
        !is_done) {
        loop_timer_start(&session->idle_retry, RETRY_MS);
    }
}

static void on_retry(struct loop_timer *timer)
{
    imap_idle_changed(CONTAINER_OF(timer, struct imap_session, idle_retry));
}

static void drop_idling(struct imap_session *session)
{
    if (session->port.loop != NULL) {
        loop_timer_stop(&session->idle_retry);
    }
}

static enum session_next end_idling(struct imap_session *session)
{
    return imap_end(session, "OK done");
}

static enum session_next refuse_answer(struct imap_session *session)
{
    return imap_bad_because(session, "DONE was expected");
}

static enum session_next on_done(struct imap_session *session, struct slice line)
{
    session->on_answer = NULL;
    return imap_sync_join(session, slice_is(line, "DONE") ? end_idling : refuse_answer);
}

enum session_next imap_run_idle(struct imap_session *session, struct imap_parser *parser)
{
    if (!imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    /* Nothing of the arena: most connections are here most of the time. */
    if (session->port.loop != NULL) {
        loop_timer_init(&session->idle_retry, session->port.loop, on_retry);
    }
    session->drop_work = drop_idling;
    session->on_answer = on_done;
    buffer_append(session->port.output, SLICE("+ idling\r\n"));
    if (session->view != NULL && session->view->is_dirty) {
        imap_idle_changed(session);
    }
    return SESSION_READS;
}
