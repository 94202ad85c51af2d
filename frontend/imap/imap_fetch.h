/* A FETCH in progress: what imap_fetch.c and imap_fetch_section.c share. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_FETCH_H
#define AVISO_FRONTEND_IMAP_IMAP_FETCH_H

#include "frontend/imap/imap_command.h"
#include "frontend/imap/imap_fetch_items.h"
#include "frontend/imap/imap_section.h"

struct fetching {
    struct imap_fetch_items items;
    struct uid_set *uids; /* to ask for */
    unsigned parts;       /* of enum row_part */
    bool sees;
    uint32_t row_total; /* rows that came, of `wanted` */
    uint32_t wanted;

    struct arena arena; /* of the batch */
    struct message_row *rows;
    bool *was_seen_now; /* of each row: this command set \Seen */
    size_t row_count;
    size_t row_index;
    size_t item_index;

    /* The row in hand. */
    struct arena row_arena;
    struct digest digest;
    bool has_digest;
    bool is_open; /* "* 1 FETCH (" is said */

    /* The section in hand. */
    struct imap_octets octets;
    struct buffer header; /* of a part, to be filtered */
};

/* The row in hand. */
static inline struct message_row *imap_fetching_row(const struct fetching *fetching)
{
    return &fetching->rows[fetching->row_index];
}

/* Says BODY[...] of the row in hand: true when it is said; else `*out_next` is what the session
 * wants, and imap_fetch_next_item() goes on afterwards. */
bool imap_fetch_say_section(struct imap_session *session, const struct imap_fetch_item *item,
                            enum session_next *out_next);

/* Goes on behind the item in hand. */
enum session_next imap_fetch_next_item(struct imap_session *session);

/* Ends the connection: what was announced to the client does not come, which no reply can mend. */
enum session_next imap_fetch_break_off(struct imap_session *session, enum status status);

#endif
