/* Rows of emails, looked up in about the order of their numbers: the emails of a run of UIDs mostly
 * follow one another, and a step of an iterator costs a fraction of a search. */
#ifndef AVISO_STORAGE_EMAIL_WALK_H
#define AVISO_STORAGE_EMAIL_WALK_H

#include "storage/keys.h"
#include "storage/read.h"

struct email_walk {
    struct read *read;
    enum row_kind kind; /* of ROW_MAIL and ROW_HEAD */
    uint64_t account;
    uint64_t last;                   /* email that was asked for */
    unsigned near_count;             /* times in turn that it was near the one before */
    struct store_iterator *iterator; /* NULL: emails are searched for one by one */
    uint64_t at;                     /* the email where the iterator stands; 0: at its end */
    struct slice value;              /* there */
};

/* `read` outlives the walk. */
void email_walk_init(struct email_walk *walk, struct read *read, enum row_kind kind,
                     uint64_t account);
void email_walk_done(struct email_walk *walk);

/* The row of `email`, in the arena of the read. The failures of store_get(). */
NODISCARD enum status email_walk_get(struct email_walk *walk, uint64_t email,
                                     struct slice *out_value);

#endif
