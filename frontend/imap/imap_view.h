/* The selected mailbox as its client has been told of it (RFC 3501 §2.3.1.2): sequence numbers are
 * ranks in a set of UIDs. Pure.
 *
 * What others do reaches the view in two steps: it is noted (imap_view_note_...), and it becomes
 * part of the view when the client is told, which for EXPUNGE is not always allowed. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_VIEW_H
#define AVISO_FRONTEND_IMAP_IMAP_VIEW_H

#include "core/buffer.h"
#include "mail/uid_set.h"
#include "router/mailbox_client.h"

struct imap_view {
    uint32_t mailbox;
    struct buffer name; /* as it was when it was selected */
    uint32_t uid_validity;
    bool is_read_only;
    struct uid_set *uids; /* what the client knows of; some may have vanished */
    /* The run of `uids` that was numbered last: rows are said in order, and counting ranks anew for
     * each would be the most of the work. Empty after every change of `uids`. */
    struct imap_numbered_run {
        uint32_t first;
        uint32_t last;   /* 0: none */
        uint32_t number; /* of the first */
    } * numbered;
    struct uid_set *vanished; /* gone, and the client does not know it yet */
    struct uid_set *recent;   /* \Recent in this session */
    uint64_t modseq;          /* changes up to here are noted */
    uint32_t uid_next;
    size_t keyword_count; /* of the mailbox, as told */
    bool is_dirty;        /* there may be changes after `modseq` */
    bool is_gone;         /* the mailbox was deleted */
};

/* As it was when it was opened. `free` accepts NULL. */
struct imap_view *imap_view_new(struct slice name, const struct mailbox_opening *opening,
                                bool is_read_only);
void imap_view_free(struct imap_view *view);

/* How many messages the client counts. */
uint32_t imap_view_count(const struct imap_view *view);

/* The sequence number of a UID; 0 when the client does not know of it. */
uint32_t imap_view_number(const struct imap_view *view, uint32_t uid);

/* What is \Recent in this session. */
bool imap_view_is_recent(const struct imap_view *view, uint32_t uid);
uint32_t imap_view_recent_count(const struct imap_view *view);

/* UIDs from `from` up to, not including, `to` are \Recent in this session. */
void imap_view_claim(struct imap_view *view, uint32_t from, uint32_t to);

/* Messages are gone; UIDs that are not in the view are ignored. */
void imap_view_note_vanished(struct imap_view *view, const struct uid_set *uids);

/* The client was told that all that vanished did. */
void imap_view_forget_vanished(struct imap_view *view);

/* A message is there; false when the client knows of it already. Then the client counts it. */
bool imap_view_add(struct imap_view *view, uint32_t uid);

/* Our own write made `modseq`. When it follows upon what was noted there was nothing else in
 * between; otherwise the view is dirty. */
void imap_view_wrote(struct imap_view *view, uint64_t modseq);

#endif
