/* Tells a client what changed in the mailbox that it has selected (RFC 3501 §7.3, §7.4): EXPUNGE,
 * EXISTS, RECENT, FLAGS and FETCH of flags, in an order that keeps its sequence numbers right. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_SYNC_H
#define AVISO_FRONTEND_IMAP_IMAP_SYNC_H

#include "core/arena.h"
#include "frontend/imap/imap_set.h"
#include "frontend/imap/imap_view.h"
#include "net/session.h"
#include "router/mailbox_client.h"

struct imap_session;

enum imap_sync_stage {
    SYNC_RESTS,
    SYNC_ASKS,     /* for changes */
    SYNC_EXPUNGES, /* says what vanished */
    SYNC_COUNTS,   /* says how many there are */
    SYNC_SHOWS,    /* says the flags that changed */
    SYNC_ENDS,
};

struct imap_sync {
    enum imap_sync_stage stage;
    bool tells_expunges;
    bool is_background; /* while idling: nobody waits for its end */
    bool is_in_flight;
    bool has_failed;
    uint32_t rows_from;  /* changes were too old: rows are read instead, from this UID on... */
    uint64_t rows_since; /* ... with a higher modseq */
    enum session_next (*then)(struct imap_session *session);
    struct mailbox_call call;
    struct arena arena;       /* of one answer */
    struct message_row *rows; /* changed */
    size_t row_count;
    size_t row_said;
    struct imap_cursor expunged; /* the last one said, and how many */
    uint32_t expunged_count;
    bool has_arrivals;
    bool more; /* ask again */
    struct slice *keywords;
    size_t keyword_count;
    /* Rows that the command has just shown, and up to which modseq: not shown again. */
    struct uid_set *shown;
    uint64_t shown_modseq;
};

/* At rest. */
void imap_sync_init(struct imap_sync *sync);

/* Cancels what is in flight. */
void imap_sync_done(struct imap_sync *sync);

/* Tells everything that is new, then goes on with `then`. Where `tells_expunges` is false, what
 * vanished stays in the view. In the foreground: it returns what the session wants. */
enum session_next imap_sync_begin(struct imap_session *session, bool tells_expunges,
                                  enum session_next (*then)(struct imap_session *session));

/* The same while idling: nothing waits for its end. Harmless when it runs already. */
void imap_sync_in_background(struct imap_session *session);

/* Waits for one that runs in the background, if any, then goes on with `then`. */
enum session_next imap_sync_join(struct imap_session *session,
                                 enum session_next (*then)(struct imap_session *session));

/* The command shows (or showed) the rows of `uids` as of `modseq` itself. Takes `uids`. */
void imap_sync_shown(struct imap_session *session, struct uid_set *uids, uint64_t modseq);

/* Appends "* n FETCH (FLAGS (...))" of a row, with UID when the command is UID's and MODSEQ when
 * enabled. */
void imap_append_flags_fetch(struct imap_session *session, const struct message_row *row,
                             bool with_flags);

#endif
