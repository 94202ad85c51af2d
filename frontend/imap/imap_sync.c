#include "frontend/imap/imap_sync.h"

#include "frontend/imap/imap_command.h"
#include "frontend/imap/imap_rows.h"

void imap_sync_init(struct imap_sync *sync)
{
    *sync = (struct imap_sync){0};
    arena_init(&sync->arena);
}

void imap_sync_done(struct imap_sync *sync)
{
    mailbox_call_cancel(&sync->call);
    uid_set_free(sync->shown);
    arena_done(&sync->arena);
    imap_sync_init(sync);
}

void imap_sync_shown(struct imap_session *session, struct uid_set *uids, uint64_t modseq)
{
    uid_set_free(session->sync.shown);
    session->sync.shown = uids;
    session->sync.shown_modseq = modseq;
}

/* ---- What is said ---- */

void imap_append_flags_fetch(struct imap_session *session, const struct message_row *row,
                             bool with_flags)
{
    struct buffer *output = session->port.output;
    const char *before = "";

    buffer_append(output, SLICE("* "));
    imap_append_number(output, imap_view_number(session->view, row->uid));
    buffer_append(output, SLICE(" FETCH ("));
    if (session->by_uid) {
        buffer_append(output, SLICE("UID "));
        imap_append_number(output, row->uid);
        before = " ";
    }
    if (with_flags) {
        buffer_append(output, slice_of(before));
        buffer_append(output, SLICE("FLAGS ("));
        imap_append_flags(output, row->flags, imap_view_is_recent(session->view, row->uid),
                          row->keywords, row->keyword_count);
        buffer_append_octet(output, ')');
        before = " ";
    }
    if (session->wants_condstore) {
        buffer_append(output, slice_of(before));
        buffer_append(output, SLICE("MODSEQ ("));
        imap_append_number(output, row->modseq);
        buffer_append_octet(output, ')');
    }
    buffer_append(output, SLICE(")\r\n"));
}

/* In ascending order each number counts what went before it. True when all is said. */
static bool say_expunges(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;
    struct imap_view *view = session->view;

    while (!imap_is_output_full(session)) {
        if (!imap_cursor_next(&sync->expunged, view->vanished)) {
            imap_view_forget_vanished(view);
            return true;
        }
        buffer_append(session->port.output, SLICE("* "));
        imap_append_number(session->port.output,
                           imap_view_number(view, sync->expunged.uid) - sync->expunged_count);
        buffer_append(session->port.output, SLICE(" EXPUNGE\r\n"));
        sync->expunged_count++;
    }
    return false;
}

static void say_counts(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;

    buffer_printf(session->port.output, "* %u EXISTS\r\n* %u RECENT\r\n",
                  (unsigned)imap_view_count(session->view),
                  (unsigned)imap_view_recent_count(session->view));
    sync->has_arrivals = false;
}

static void say_keywords(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;

    if (sync->keyword_count <= session->view->keyword_count) {
        return;
    }
    session->view->keyword_count = sync->keyword_count;
    buffer_append(session->port.output,
                  SLICE("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft"));
    for (size_t i = 0; i < sync->keyword_count; i++) {
        if (imap_is_atom(sync->keywords[i])) {
            buffer_append_octet(session->port.output, ' ');
            buffer_append(session->port.output, sync->keywords[i]);
        }
    }
    buffer_append(session->port.output, SLICE(")\r\n"));
}

static bool say_rows(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;
    const struct imap_view *view = session->view;

    while (sync->row_said < sync->row_count) {
        const struct message_row *row = &sync->rows[sync->row_said];

        if (imap_is_output_full(session)) {
            return false;
        }
        sync->row_said++;
        if (imap_view_number(view, row->uid) > 0 && !uid_set_contains(view->vanished, row->uid)) {
            imap_append_flags_fetch(session, row, true);
        }
    }
    return true;
}

/* ---- Noting the answers ---- */

static bool was_shown(const struct imap_sync *sync, const struct message_row *row)
{
    return sync->shown != NULL && row->modseq <= sync->shown_modseq &&
           uid_set_contains(sync->shown, row->uid);
}

static void note_rows(struct imap_session *session, const struct message_row *rows, size_t count)
{
    struct imap_sync *sync = &session->sync;

    sync->rows = arena_array(&sync->arena, count, sizeof(*rows));
    sync->row_count = 0;
    sync->row_said = 0;
    for (size_t i = 0; i < count; i++) {
        if (imap_view_add(session->view, rows[i].uid)) {
            sync->has_arrivals = true;
        } else if (!was_shown(sync, &rows[i])) {
            sync->rows[sync->row_count++] = imap_copy_row(&sync->arena, &rows[i]);
        }
    }
}

static void note_gone(struct imap_session *session)
{
    struct imap_view *view = session->view;

    imap_view_note_vanished(view, view->uids);
    view->is_gone = true;
    view->is_dirty = false;
    session->sync.more = false;
}

static void note_keywords(struct imap_sync *sync, const struct slice *keywords, size_t count)
{
    sync->keywords = arena_array(&sync->arena, count, sizeof(*keywords));
    for (size_t i = 0; i < count; i++) {
        sync->keywords[i] = arena_copy(&sync->arena, keywords[i]);
    }
    sync->keyword_count = count;
}

/* ---- The stages ---- */

static enum session_next go_on(struct imap_session *session);
static void begin(struct imap_session *session, bool tells_expunges);

/* Says what it can. What is announced while it runs begins it again; what fails waits for the idle
 * timer, or for DONE. */
static void run_background(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;

    (void)go_on(session);
    while (sync->stage == SYNC_RESTS && session->view->is_dirty && !session->view->is_gone &&
           !sync->has_failed) {
        sync->is_background = true;
        begin(session, true);
        (void)go_on(session);
    }
    session->port.flush(session->port.connection);
    imap_idle_paused(session);
}

/* After an answer. */
static void proceed(struct imap_session *session, enum imap_sync_stage stage)
{
    struct imap_sync *sync = &session->sync;

    sync->is_in_flight = false;
    sync->stage = stage;
    sync->expunged = (struct imap_cursor){0};
    sync->expunged_count = 0;
    if (!sync->is_background) {
        imap_wake(session, go_on(session));
        return;
    }
    run_background(session);
}

/* The view stays dirty: the next command asks again. */
static void fail(struct imap_session *session)
{
    session->sync.more = false;
    session->sync.has_failed = true;
    session->view->is_dirty = true;
    proceed(session, SYNC_ENDS);
}

static void on_rows(struct mailbox_call *call, enum status status, const struct mailbox_rows *rows)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, sync.call);
    struct imap_sync *sync = &session->sync;

    if (status != STATUS_OK) {
        fail(session);
        return;
    }
    note_rows(session, rows->rows, rows->count);
    sync->rows_from = rows->more_from;
    sync->more = rows->more_from > 0;
    proceed(session, SYNC_EXPUNGES);
}

static void ask_rows(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;
    struct uid_set *uids = uid_set_new();
    struct rows_query query = {.uids = uids, .changed_since = sync->rows_since};

    uid_set_add_range(uids, sync->rows_from, UINT32_MAX);
    mailbox_get_rows(session->service->router, &sync->call, session->place, session->view->mailbox,
                     &query, on_rows);
    uid_set_free(uids);
}

/* What changed is not remembered for so long: what is there now tells what vanished, and the rows'
 * own modseqs tell which changed. */
static void on_reopened(struct mailbox_call *call, enum status status,
                        const struct mailbox_opening *opening)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, sync.call);
    struct imap_view *view = session->view;
    struct uid_set *gone = NULL;

    if (status == STATUS_NOT_FOUND ||
        (status == STATUS_OK && opening->record.mailbox != view->mailbox)) {
        note_gone(session);
        proceed(session, SYNC_EXPUNGES);
        return;
    }
    if (status != STATUS_OK) {
        fail(session);
        return;
    }
    gone = uid_set_copy(view->uids);
    uid_set_subtract(gone, opening->uids);
    imap_view_note_vanished(view, gone);
    uid_set_free(gone);
    session->sync.rows_since = view->modseq;
    session->sync.rows_from = 1;
    view->modseq = opening->record.modseq;
    ask_rows(session);
}

static void on_changes(struct mailbox_call *call, enum status status,
                       const struct mailbox_changes *changes)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, sync.call);
    struct imap_sync *sync = &session->sync;
    struct imap_view *view = session->view;

    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && changes->gone)) {
        note_gone(session);
        proceed(session, SYNC_EXPUNGES);
        return;
    }
    if (status == STATUS_EXPIRED) {
        mailbox_open(session->service->router, call, session->place, buffer_view(&view->name),
                     on_reopened);
        return;
    }
    if (status != STATUS_OK) {
        fail(session);
        return;
    }
    note_rows(session, changes->rows, changes->count);
    imap_view_note_vanished(view, changes->vanished);
    note_keywords(sync, changes->keywords, changes->keyword_count);
    view->modseq = changes->modseq;
    sync->more = changes->more;
    proceed(session, SYNC_EXPUNGES);
}

static enum session_next ask(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;

    arena_clear(&sync->arena);
    sync->row_count = 0;
    sync->keyword_count = 0;
    sync->is_in_flight = true;
    if (sync->rows_from > 0) {
        ask_rows(session);
        return SESSION_WAITS;
    }
    /* Announcements that come from now on make it dirty again. */
    session->view->is_dirty = false;
    mailbox_get_changes(session->service->router, &sync->call, session->place,
                        session->view->mailbox, session->view->modseq, on_changes);
    return SESSION_WAITS;
}

static void on_claimed(struct mailbox_call *call, enum status status, uint32_t from, uint32_t to)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, sync.call);

    if (status == STATUS_OK) {
        imap_view_claim(session->view, from, to);
    }
    say_counts(session);
    proceed(session, SYNC_SHOWS);
}

/* New messages are \Recent for the first session that may change the mailbox (RFC 3501 §2.3.2). */
static enum session_next count(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;

    if (!sync->has_arrivals) {
        sync->stage = SYNC_SHOWS;
        return SESSION_READS;
    }
    if (session->view->is_read_only) {
        say_counts(session);
        sync->stage = SYNC_SHOWS;
        return SESSION_READS;
    }
    sync->is_in_flight = true;
    mailbox_claim_recent(session->service->router, &sync->call, session->place,
                         session->view->mailbox, on_claimed);
    return SESSION_WAITS;
}

static enum session_next end(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;
    enum session_next (*then)(struct imap_session *) = sync->then;

    sync->stage = SYNC_RESTS;
    sync->then = NULL;
    imap_sync_shown(session, NULL, 0);
    arena_done(&sync->arena);
    if (!sync->is_background) {
        return then(session);
    }
    sync->is_background = false;
    return SESSION_READS;
}

/* Runs until somebody has to answer or the output is full. */
static enum session_next go_on(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;

    for (;;) {
        switch (sync->stage) {
        case SYNC_ASKS:
            return ask(session);
        case SYNC_EXPUNGES:
            if (sync->tells_expunges && !say_expunges(session)) {
                return imap_pause(session, go_on);
            }
            sync->stage = SYNC_COUNTS;
            break;
        case SYNC_COUNTS:
            if (count(session) == SESSION_WAITS) {
                return SESSION_WAITS;
            }
            break;
        case SYNC_SHOWS:
            say_keywords(session);
            if (!say_rows(session)) {
                return imap_pause(session, go_on);
            }
            sync->stage = sync->more ? SYNC_ASKS : SYNC_ENDS;
            break;
        case SYNC_ENDS:
        case SYNC_RESTS:
            return end(session);
        }
    }
}

/* ---- Beginning ---- */

static void begin(struct imap_session *session, bool tells_expunges)
{
    struct imap_sync *sync = &session->sync;
    const struct imap_view *view = session->view;

    sync->tells_expunges = tells_expunges;
    sync->expunged = (struct imap_cursor){0};
    sync->expunged_count = 0;
    sync->more = false;
    sync->has_failed = false;
    sync->rows_from = 0;
    sync->has_arrivals = false;
    sync->row_count = 0;
    sync->row_said = 0;
    sync->keyword_count = 0;
    sync->stage = view->is_dirty && !view->is_gone ? SYNC_ASKS : SYNC_EXPUNGES;
}

enum session_next imap_sync_begin(struct imap_session *session, bool tells_expunges,
                                  enum session_next (*then)(struct imap_session *session))
{
    session->sync.then = then;
    begin(session, tells_expunges);
    return go_on(session);
}

void imap_sync_in_background(struct imap_session *session)
{
    struct imap_sync *sync = &session->sync;

    if (sync->stage == SYNC_RESTS) {
        sync->is_background = true;
        begin(session, true);
    }
    if (!sync->is_in_flight) {
        run_background(session);
    }
}

enum session_next imap_sync_join(struct imap_session *session,
                                 enum session_next (*then)(struct imap_session *session))
{
    struct imap_sync *sync = &session->sync;

    if (sync->stage == SYNC_RESTS) {
        return then(session);
    }
    sync->is_background = false;
    sync->then = then;
    return sync->is_in_flight ? SESSION_WAITS : go_on(session);
}
