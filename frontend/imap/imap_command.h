/* What the commands of an IMAP session share: its state, its replies, and the table's functions.
 *
 * A command runs like this: `run` parses its arguments and either ends at once (imap_end, imap_bad,
 * imap_refuse) or asks somebody and WAITS; a continuation then ends it with imap_wake(). What it
 * needs until then is in `arena`. Long answers are said piece by piece: when imap_is_output_full(),
 * a command returns imap_pause() with the function that goes on. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_COMMAND_H
#define AVISO_FRONTEND_IMAP_IMAP_COMMAND_H

#include "core/arena.h"
#include "frontend/auth/authenticator.h"
#include "frontend/imap/imap_input.h"
#include "frontend/imap/imap_parser.h"
#include "frontend/imap/imap_session.h"
#include "frontend/imap/imap_sync.h"
#include "frontend/imap/imap_text.h"
#include "frontend/imap/imap_view.h"
#include "router/mailbox_client.h"
#include "router/watch_client.h"

/* RFC 3501 §3. A set of phases is their union: where a command is allowed. */
enum imap_phase {
    IMAP_GREETED = 1,
    IMAP_LOGGED_IN = 2,
    IMAP_SELECTED = 4,
};

struct imap_session;

typedef enum session_next imap_run_fn(struct imap_session *session, struct imap_parser *parser);
typedef enum session_next imap_go_on_fn(struct imap_session *session);

/* What the end of a command may tell of changes that others made (RFC 3501 §5.5, §7.4.1). */
enum imap_telling {
    IMAP_TELLS_NOTHING = 0,
    IMAP_TELLS_BUT_EXPUNGE = 1, /* sequence numbers hold, unless it is the UID form */
    IMAP_TELLS_ALL = 2,
    IMAP_ASKS_ALL = 3, /* NOOP: looks for changes even when none was announced */
};

/* The forms of a command. */
enum imap_form { IMAP_PLAIN = 1, IMAP_UID = 2 };

struct imap_command {
    const char *verb;
    unsigned phases;
    unsigned forms;
    enum imap_telling telling;
    imap_run_fn *run;
};

struct imap_session {
    struct session_port port;
    const struct imap_service *service;
    enum imap_phase phase;
    struct imap_input input;
    unsigned fault_count; /* BAD commands in a row */

    /* The command in progress. */
    const struct imap_command *command; /* NULL: none */
    struct slice tag;
    bool by_uid;
    struct arena arena;
    struct buffer reply; /* what follows the tag at its end */
    size_t reply_said;   /* octets of it */
    imap_go_on_fn *after_reply;
    void *work; /* the command's own */
    /* Undoes what `work` holds besides memory of the arena. Runs once, when the command ends or the
     * session does, and cancels what is in flight. NULL: nothing to do. */
    void (*drop_work)(struct imap_session *session);
    imap_go_on_fn *resume; /* when the output has drained */
    /* Takes the next line in place of a new command: AUTHENTICATE, IDLE. */
    enum session_next (*on_answer)(struct imap_session *session, struct slice line);
    /* Takes the literal's octets in place of `input`: APPEND. */
    enum session_next (*on_literal)(struct imap_session *session, struct slice octets,
                                    size_t *out_taken);
    struct mailbox_call call;
    struct auth_call auth;

    /* Since the login. */
    struct account_place place;
    struct account_watch watch;
    bool is_watching;
    bool wants_condstore; /* RFC 7162 §3.1: a CONDSTORE enabling command was given */

    struct imap_view *view; /* while SELECTED */
    struct imap_sync sync;
    struct loop_timer idle_retry; /* while IDLE */
};

/* ---- Replies ---- */

/* Ends the command with a tagged reply, "OK done", behind what changed in the mailbox meanwhile. */
enum session_next imap_end(struct imap_session *session, const char *reply);

/* The same; `session->reply` holds the reply. */
enum session_next imap_end_reply(struct imap_session *session);

/* Says what is in `session->reply`, however large, as it is, and goes on with `then`. */
enum session_next imap_say_reply(struct imap_session *session, imap_go_on_fn *then);

/* Ends it with BAD: the client is at fault. `parser` may say more than "syntax"; NULL: `why`. */
enum session_next imap_bad(struct imap_session *session, const struct imap_parser *parser);
enum session_next imap_bad_because(struct imap_session *session, const char *why);

/* Ends it with NO: the one place where a status becomes a response code (RFC 5530) and words. */
enum session_next imap_refuse(struct imap_session *session, enum status status);

/* ---- Going on ---- */

/* Ends SESSION_WAITS; the last statement of a continuation. */
void imap_wake(struct imap_session *session, enum session_next next);

/* Whether a command has to pause before it says more. */
bool imap_is_output_full(const struct imap_session *session);

/* SESSION_WRITES; `resume` runs when there is room. */
enum session_next imap_pause(struct imap_session *session, imap_go_on_fn *resume);

/* ---- Between the families ---- */

/* After login: remembers the account and starts to watch it. */
void imap_log_in(struct imap_session *session, const struct authenticated *who);

/* The account was suspended or removed: says so where a response may stand, and ends the session
 * with whatever it was doing. Not from within the session's functions; it may free the session. */
void imap_expel(struct imap_session *session);

/* Leaves the selected mailbox, if any, without expunging. */
void imap_unselect(struct imap_session *session);

/* RFC 7162 §3.1: from now on FETCH responses carry MODSEQ. Says HIGHESTMODSEQ of the selected
 * mailbox, if any, the first time. */
void imap_enable_condstore(struct imap_session *session);

/* Passwords may be sent as things are. */
bool imap_may_log_in(const struct imap_session *session);

/* "CAPABILITY ..." without CRLF, as it is for this phase. */
void imap_append_capabilities(struct imap_session *session);

/* Whether `input` ends with the announcement of the message of an APPEND, which then takes over. */
bool imap_is_append(struct imap_session *session);
enum session_next imap_append_begins(struct imap_session *session, struct imap_literal literal);

/* Takes " 1:3,5" and says which UIDs of the view that is: a new set. */
bool imap_take_uids(struct imap_session *session, struct imap_parser *parser,
                    struct uid_set **out_uids);

/* The row of a verb; there is one. */
const struct imap_command *imap_find_command(struct slice verb);

/* What a "changed" says of the selected mailbox and, while idling, tells it. */
void imap_on_change(struct account_watch *watch, const struct watch_change *change);
void imap_idle_changed(struct imap_session *session);

/* A sync in the background has done what it could: what is left is tried again after a while. */
void imap_idle_paused(struct imap_session *session);

extern const struct imap_command imap_commands[];
extern const size_t imap_command_count;

/* ---- The table's functions, by family ---- */

imap_run_fn imap_run_capability, imap_run_noop, imap_run_logout, imap_run_id, imap_run_starttls,
    imap_run_authenticate, imap_run_login, imap_run_enable;   /* imap_login.c */
imap_run_fn imap_run_list, imap_run_lsub, imap_run_namespace; /* imap_list.c */
imap_run_fn imap_run_create, imap_run_delete, imap_run_rename, imap_run_subscribe,
    imap_run_unsubscribe, imap_run_status;                        /* imap_mailbox.c */
imap_run_fn imap_run_select, imap_run_examine, imap_run_unselect; /* imap_select.c */
imap_run_fn imap_run_append;                                      /* imap_append.c */
imap_run_fn imap_run_fetch;                                       /* imap_fetch.c */
imap_run_fn imap_run_store;                                       /* imap_store.c */
imap_run_fn imap_run_copy, imap_run_move;                         /* imap_copy.c */
imap_run_fn imap_run_expunge, imap_run_close;                     /* imap_expunge.c */
imap_run_fn imap_run_search;                                      /* imap_search.c */
imap_run_fn imap_run_idle;                                        /* imap_idle.c */

#endif
