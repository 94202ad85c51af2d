/* Mailboxes and messages of an account, at the shard that holds it.
 *
 * NOT_FOUND of any call: no such account or mailbox (any more). */
#ifndef AVISO_ROUTER_MAILBOX_CLIENT_H
#define AVISO_ROUTER_MAILBOX_CLIENT_H

#include "mail/uid_set.h"
#include "router/account_client.h"

/* RFC 3501 §2.3.2, as stored; \Recent is the session's own. */
enum system_flag {
    FLAG_SEEN = 1,
    FLAG_ANSWERED = 2,
    FLAG_FLAGGED = 4,
    FLAG_DELETED = 8,
    FLAG_DRAFT = 16,
};

enum {
    KEYWORDS_MAX = 64,            /* of one message */
    MAILBOX_KEYWORDS_MAX = 256,   /* of one mailbox */
    KEYWORD_SIZE_MAX = 100,       /* octets */
    BODY_FRAME_SIZE = 256 * 1024, /* octets of a body in one stored frame, but the last */
    HEADER_SIZE_MAX = 256 * 1024, /* octets of a header block */
};

struct mailbox_record {
    uint32_t mailbox;
    struct slice name;        /* UTF-8, '/' between levels */
    struct slice special_use; /* RFC 6154, without the backslash; empty: none */
    bool subscribed;
    bool no_mailbox; /* only a subscription */
    uint32_t uid_validity;
    uint32_t uid_next;
    uint64_t modseq;
    uint32_t message_count;
    uint32_t unseen_count;
    uint32_t deleted_count;
    uint32_t recent_count;
    uint64_t size_octets;
    const struct slice *keywords;
    size_t keyword_count;
};

struct mailbox_opening {
    struct mailbox_record record;
    const struct uid_set *uids; /* borrowed: copy it */
    uint32_t first_unseen;      /* its UID; 0: none */
    uint32_t recent_from;       /* UIDs from here on are \Recent */
};

/* One message in one mailbox. */
struct message_row {
    uint32_t uid;
    uint64_t email;
    uint64_t thread;
    uint32_t flags; /* of enum system_flag */
    const struct slice *keywords;
    size_t keyword_count;
    uint64_t modseq;
    uint64_t size_octets;  /* RFC822.SIZE: header and body */
    uint64_t received_ms;  /* INTERNALDATE */
    int32_t received_zone; /* minutes east of UTC */
    uint64_t saved_ms;
    struct slice digest; /* with ROW_DIGEST: mail/digest.h */
    struct slice header; /* with ROW_HEADER: the header block, decompressed, with its empty line */
    uint32_t
        header_size; /* octets of `header` whether it was asked for or not: the body's offset */
    struct slice body_frame; /* with ROW_SMALL_BODY and a body of SMALL_BODY_SIZE_MAX octets at
                                most: all of it (router/frames.h); empty: mailbox_get_body() */
};

enum row_part {
    ROW_DIGEST = 1,
    ROW_HEADER = 2,
    ROW_SMALL_BODY = 4,
};

enum { SMALL_BODY_SIZE_MAX = 32 * 1024 };

struct rows_query {
    const struct uid_set *uids;
    unsigned parts;         /* of enum row_part, or-ed */
    uint64_t changed_since; /* only rows with a higher modseq; 0: all */
    uint32_t flags_all;     /* only rows with all of these... */
    uint32_t flags_none;    /* ... and none of these */
};

struct mailbox_rows {
    const struct message_row *rows; /* by UID */
    size_t count;
    uint32_t more_from; /* 0: that was all; else ask again for the UIDs from here on */
    uint64_t modseq;
};

struct mailbox_changes {
    const struct message_row *rows; /* new and changed, by UID */
    size_t count;
    const struct uid_set *vanished;
    uint64_t modseq; /* of the account: go on from here */
    uint32_t uid_next;
    bool more;                    /* ask again since `modseq` */
    bool gone;                    /* the mailbox was deleted */
    const struct slice *keywords; /* of the mailbox */
    size_t keyword_count;
};

enum store_mode { STORE_REPLACE = 0, STORE_ADD = 1, STORE_REMOVE = 2 };

struct store_order {
    const struct uid_set *uids;
    enum store_mode mode;
    uint32_t flags;
    const struct slice *keywords;
    size_t keyword_count;
    bool conditional; /* RFC 7162 UNCHANGEDSINCE */
    uint64_t unchanged_since;
};

struct store_result {
    const struct message_row *rows; /* as they are now, those that did not change too */
    size_t count;
    const struct uid_set *modified; /* failed the condition */
    uint64_t modseq;
    bool rows_left_out; /* read them with mailbox_get_rows() */
};

struct copy_result {
    uint32_t uid_validity;             /* of the target */
    const struct uid_set *source_uids; /* both ascending: equal ranks belong together */
    const struct uid_set *target_uids;
    uint64_t modseq;
};

struct mailbox_call;
typedef void mailbox_list_fn(struct mailbox_call *call, enum status status,
                             const struct mailbox_record *records, size_t count, uint64_t modseq);
typedef void mailbox_created_fn(struct mailbox_call *call, enum status status, uint32_t mailbox,
                                uint32_t uid_validity);
typedef void mailbox_done_fn(struct mailbox_call *call, enum status status);
typedef void mailbox_open_fn(struct mailbox_call *call, enum status status,
                             const struct mailbox_opening *opening);
typedef void mailbox_recent_fn(struct mailbox_call *call, enum status status, uint32_t recent_from,
                               uint32_t recent_to);
typedef void mailbox_rows_fn(struct mailbox_call *call, enum status status,
                             const struct mailbox_rows *rows);
typedef void mailbox_changes_fn(struct mailbox_call *call, enum status status,
                                const struct mailbox_changes *changes);
typedef void mailbox_body_fn(struct mailbox_call *call, enum status status, struct slice octets);
typedef void mailbox_store_fn(struct mailbox_call *call, enum status status,
                              const struct store_result *result);
typedef void mailbox_expunge_fn(struct mailbox_call *call, enum status status,
                                const struct uid_set *vanished, uint64_t modseq);
typedef void mailbox_copy_fn(struct mailbox_call *call, enum status status,
                             const struct copy_result *result);

struct mailbox_call {
    union {
        mailbox_list_fn *list;
        mailbox_created_fn *created;
        mailbox_done_fn *done;
        mailbox_open_fn *open;
        mailbox_recent_fn *recent;
        mailbox_rows_fn *rows;
        mailbox_changes_fn *changes;
        mailbox_body_fn *body;
        mailbox_store_fn *store;
        mailbox_expunge_fn *expunge;
        mailbox_copy_fn *copy;
    } done;
    struct mailbox_work *work; /* the module's; NULL: nothing in flight */
};

/* Harmless when nothing is in flight. */
void mailbox_call_cancel(struct mailbox_call *call);

/* ---- The list ---- */

/* All mailboxes and subscriptions, by name, with their counts. */
void mailbox_list(struct router *router, struct mailbox_call *call, struct account_place place,
                  mailbox_list_fn *done);

/* The same for one name: one record, or none. */
void mailbox_find(struct router *router, struct mailbox_call *call, struct account_place place,
                  struct slice name, mailbox_list_fn *done);

/* EXISTS; TOO_LARGE: too many mailboxes. Names are valid and normal (mail/mailbox_name.h). */
void mailbox_create(struct router *router, struct mailbox_call *call, struct account_place place,
                    struct slice name, struct slice special_use, mailbox_created_fn *done);

/* EXISTS; DENIED: into itself. */
void mailbox_rename(struct router *router, struct mailbox_call *call, struct account_place place,
                    struct slice name, struct slice new_name, mailbox_done_fn *done);

/* DENIED: INBOX. */
void mailbox_delete(struct router *router, struct mailbox_call *call, struct account_place place,
                    struct slice name, mailbox_done_fn *done);
void mailbox_subscribe(struct router *router, struct mailbox_call *call, struct account_place place,
                       struct slice name, bool subscribed, mailbox_done_fn *done);

/* ---- Reading ---- */

/* What SELECT and EXAMINE need. */
void mailbox_open(struct router *router, struct mailbox_call *call, struct account_place place,
                  struct slice name, mailbox_open_fn *done);
void mailbox_claim_recent(struct router *router, struct mailbox_call *call,
                          struct account_place place, uint32_t mailbox, mailbox_recent_fn *done);

/* As many rows as fit one answer (about 1 MiB). */
void mailbox_get_rows(struct router *router, struct mailbox_call *call, struct account_place place,
                      uint32_t mailbox, const struct rows_query *query, mailbox_rows_fn *done);

/* EXPIRED: too long ago to know what vanished. */
void mailbox_get_changes(struct router *router, struct mailbox_call *call,
                         struct account_place place, uint32_t mailbox, uint64_t since,
                         mailbox_changes_fn *done);

/* Octets of the body (what follows the header block) from `offset` on, decompressed: at least one
 * and at most 1 MiB, less than `size` when frames end; none at the end of the body. */
void mailbox_get_body(struct router *router, struct mailbox_call *call, struct account_place place,
                      uint64_t email, uint64_t offset, uint64_t size, mailbox_body_fn *done);

/* ---- Changing; a set of any size: over 16,384 UIDs go in several requests, so that no shard
 * stands still for one client. Each is done or not; when one fails, or the call is cancelled in
 * between, those before it are done (RFC 3501 §6.4.6, RFC 6851 §4.1 and §4.3 allow it), but for a
 * copy. ----
 */

/* TOO_LARGE: too many keywords. */
void mailbox_store(struct router *router, struct mailbox_call *call, struct account_place place,
                   uint32_t mailbox, const struct store_order *order, mailbox_store_fn *done);

/* Removes those of `uids` that are \Deleted; all of them when `undeleted` too. */
void mailbox_expunge(struct router *router, struct mailbox_call *call, struct account_place place,
                     uint32_t mailbox, const struct uid_set *uids, bool undeleted,
                     mailbox_expunge_fn *done);

/* Copies or moves. A copy that fails is taken back: nothing was copied (RFC 3501 §6.4.7), unless
 * the failure is that nobody answers (UNAVAILABLE, TIMED_OUT), or a large one is cancelled: then
 * some may have been. OVER_QUOTA; a move needs no room. */
void mailbox_copy(struct router *router, struct mailbox_call *call, struct account_place place,
                  uint32_t mailbox, const struct uid_set *uids, uint32_t to_mailbox, bool move,
                  mailbox_copy_fn *done);

#endif
