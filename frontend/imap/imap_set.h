/* Sequence sets in commands (RFC 3501 §9: sequence-set), and walking over their members. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_SET_H
#define AVISO_FRONTEND_IMAP_IMAP_SET_H

#include "frontend/imap/imap_parser.h"
#include "mail/uid_set.h"

/* Takes what looks like one; imap_set_resolve() then knows whether it is. */
bool imap_take_set(struct imap_parser *parser, struct slice *out_text);

/* Those of `view` that `text` names, by UID or by sequence number, "*" being the last: a new set.
 * INVALID: not a sequence-set, or a sequence number beyond the end. TOO_LARGE. */
NODISCARD enum status imap_set_resolve(struct slice text, const struct uid_set *view, bool by_uid,
                                       struct uid_set **out_uids);

/* Walks over the members of a set in ascending order, in constant time a step. */
struct imap_cursor {
    uint32_t uid; /* the present one; 0: before the first */
    uint32_t run_last;
};

/* To the next member; false when there is none (any more). */
bool imap_cursor_next(struct imap_cursor *cursor, const struct uid_set *set);

/* Takes the lowest `count` members out of `uids`, or all: a new set. */
struct uid_set *imap_cut_batch(struct uid_set *uids, uint32_t count);

#endif
