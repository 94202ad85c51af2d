/* A SEARCH in progress: what imap_search.c and imap_search_body.c share. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_SEARCH_H
#define AVISO_FRONTEND_IMAP_IMAP_SEARCH_H

#include "frontend/imap/imap_command.h"
#include "frontend/imap/imap_search_match.h"
#include "frontend/imap/imap_search_text.h"

enum imap_search_round { SEARCH_ROWS, SEARCH_PARTS, SEARCH_BODIES };

struct searching {
    struct imap_search_program program;
    struct imap_search_needs needs;
    enum imap_search_round round;
    struct rows_query query;
    struct uid_set *uids;      /* to ask for in this round */
    struct uid_set *undecided; /* for the next one */
    struct uid_set *found;
    uint64_t modseq;     /* the highest of what was found */
    uint32_t lowest_uid; /* of what was found, and its modseq */
    uint64_t lowest_modseq;
    uint32_t highest_uid;
    uint64_t highest_modseq;
    struct imap_cursor said;
    struct arena row_arena;

    /* Bodies. */
    enum session_next (*then)(struct imap_session *session);
    struct arena arena;  /* of a batch of rows */
    uint32_t batch_last; /* its last UID */
    struct message_row *rows;
    size_t row_count;
    size_t row_index;
    struct digest digest;
    bool has_digest;
    const struct imap_text_range *ranges;
    size_t range_count;
    size_t range_index;
    uint64_t range_done; /* octets */
    struct imap_search_text text;
};

/* Counts a row among the results. */
void imap_search_found(struct searching *searching, const struct message_row *row);

/* The last round: reads the bodies of `uids` and judges them, then goes on with `then`. */
enum session_next imap_search_bodies(struct imap_session *session,
                                     enum session_next (*then)(struct imap_session *session));

#endif
