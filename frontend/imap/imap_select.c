/* SELECT, EXAMINE and UNSELECT; what a selected mailbox hears of. */
#include <inttypes.h>

#include "frontend/imap/imap_command.h"

struct selection {
    struct slice name;
    bool examines;
    bool condstore;
};

void imap_unselect(struct imap_session *session)
{
    imap_sync_done(&session->sync);
    imap_view_free(session->view);
    session->view = NULL;
    if (session->phase == IMAP_SELECTED) {
        session->phase = IMAP_LOGGED_IN;
    }
}

void imap_enable_condstore(struct imap_session *session)
{
    if (session->view != NULL && !session->wants_condstore) {
        buffer_printf(session->port.output, "* OK [HIGHESTMODSEQ %" PRIu64 "] enabled\r\n",
                      session->view->modseq);
    }
    session->wants_condstore = true;
}

bool imap_take_uids(struct imap_session *session, struct imap_parser *parser,
                    struct uid_set **out_uids)
{
    struct slice text;

    if (!imap_take_space(parser) || !imap_take_set(parser, &text)) {
        return false;
    }
    if (imap_set_resolve(text, session->view->uids, session->by_uid, out_uids) != STATUS_OK) {
        parser->fault = "no such messages";
        return false;
    }
    return true;
}

static bool names_mailbox(const struct watch_change *change, uint32_t mailbox)
{
    for (size_t i = 0; i < change->mailbox_count; i++) {
        if (change->mailboxes[i] == mailbox) {
            return true;
        }
    }
    return false;
}

/* A change of the list may be the end of the selected mailbox. */
void imap_on_change(struct account_watch *watch, const struct watch_change *change)
{
    struct imap_session *session = CONTAINER_OF(watch, struct imap_session, watch);
    struct imap_view *view = session->view;

    if (change->is_closed) {
        imap_expel(session);
        return;
    }
    if (view == NULL ||
        !(change->everything || change->mailbox_list || names_mailbox(change, view->mailbox)) ||
        change->modseq <= view->modseq) {
        return;
    }
    view->is_dirty = true;
    imap_idle_changed(session);
}

/* ---- SELECT and EXAMINE (RFC 3501 §6.3.1, RFC 7162 §3.1.2) ---- */

static void say_flags(struct imap_session *session, const struct mailbox_opening *opening)
{
    struct buffer *output = session->port.output;
    struct buffer flags;

    buffer_init(&flags, SESSION_OUTPUT_MAX);
    buffer_append(&flags, SLICE("\\Answered \\Flagged \\Deleted \\Seen \\Draft"));
    for (size_t i = 0; i < opening->record.keyword_count; i++) {
        if (imap_is_atom(opening->record.keywords[i])) {
            buffer_append_octet(&flags, ' ');
            buffer_append(&flags, opening->record.keywords[i]);
        }
    }
    buffer_append(output, SLICE("* FLAGS ("));
    buffer_append(output, buffer_view(&flags));
    buffer_append(output, SLICE(")\r\n* OK [PERMANENTFLAGS ("));
    if (!session->view->is_read_only) {
        buffer_append(output, buffer_view(&flags));
        buffer_append(output, SLICE(" \\*"));
    }
    buffer_append(output, SLICE(")] flags\r\n"));
    buffer_done(&flags);
}

static void say_opening(struct imap_session *session, const struct mailbox_opening *opening)
{
    const struct imap_view *view = session->view;
    struct buffer *output = session->port.output;

    say_flags(session, opening);
    buffer_printf(output, "* %" PRIu32 " EXISTS\r\n", imap_view_count(view));
    if (opening->first_unseen > 0) {
        buffer_printf(output, "* OK [UNSEEN %" PRIu32 "] first unseen\r\n",
                      imap_view_number(view, opening->first_unseen));
    }
    buffer_printf(output,
                  "* OK [UIDVALIDITY %" PRIu32 "] uids are valid\r\n"
                  "* OK [UIDNEXT %" PRIu32 "] next uid\r\n"
                  "* OK [HIGHESTMODSEQ %" PRIu64 "] highest modseq\r\n",
                  view->uid_validity, view->uid_next, view->modseq);
}

/* The last of them, once it is known what is \Recent here. */
static enum session_next end_selection(struct imap_session *session)
{
    struct imap_view *view = session->view;

    buffer_printf(session->port.output, "* %" PRIu32 " RECENT\r\n", imap_view_recent_count(view));
    session->phase = IMAP_SELECTED;
    return imap_end(session,
                    view->is_read_only ? "OK [READ-ONLY] selected" : "OK [READ-WRITE] selected");
}

static void on_claimed(struct mailbox_call *call, enum status status, uint32_t from, uint32_t to)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);

    if (status != STATUS_OK) {
        imap_unselect(session);
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    imap_view_claim(session->view, from, to);
    imap_wake(session, end_selection(session));
}

static void on_opened(struct mailbox_call *call, enum status status,
                      const struct mailbox_opening *opening)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    const struct selection *selection = session->work;

    if (status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    session->view = imap_view_new(selection->name, opening, selection->examines);
    /* What happened between the answer and now is announced to a session that had no view yet. */
    session->view->is_dirty = true;
    say_opening(session, opening);
    if (selection->examines || opening->recent_from >= opening->record.uid_next) {
        imap_view_claim(session->view, opening->recent_from, opening->record.uid_next);
        imap_wake(session, end_selection(session));
        return;
    }
    mailbox_claim_recent(session->service->router, call, session->place, session->view->mailbox,
                         on_claimed);
}

static enum session_next select_mailbox(struct imap_session *session, struct imap_parser *parser,
                                        bool examines)
{
    struct selection *selection = ARENA_NEW(&session->arena, struct selection);

    selection->examines = examines;
    if (!imap_take_space(parser) || !imap_take_mailbox(parser, &selection->name)) {
        return imap_bad(session, parser);
    }
    if (!imap_take_end(parser)) {
        if (!imap_take_keyword(parser, " (CONDSTORE)") || !imap_take_end(parser)) {
            return imap_bad(session, parser);
        }
        selection->condstore = true;
    }
    /* Whatever comes of it, nothing is selected from now on (RFC 3501 §6.3.1). */
    if (session->view != NULL) {
        imap_unselect(session);
        buffer_append(session->port.output, SLICE("* OK [CLOSED] the mailbox before\r\n"));
    }
    session->wants_condstore = session->wants_condstore || selection->condstore;
    session->work = selection;
    mailbox_open(session->service->router, &session->call, session->place, selection->name,
                 on_opened);
    return SESSION_WAITS;
}

enum session_next imap_run_select(struct imap_session *session, struct imap_parser *parser)
{
    return select_mailbox(session, parser, false);
}

enum session_next imap_run_examine(struct imap_session *session, struct imap_parser *parser)
{
    return select_mailbox(session, parser, true);
}

/* ---- UNSELECT (RFC 3691) ---- */

enum session_next imap_run_unselect(struct imap_session *session, struct imap_parser *parser)
{
    if (!imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    imap_unselect(session);
    return imap_end(session, "OK done");
}
