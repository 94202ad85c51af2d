/* The text of one part of a message as SEARCH compares it: decoded, in UTF-8, without case, in
 * pieces that overlap by as much as a search text may be long. Pure. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_SEARCH_TEXT_H
#define AVISO_FRONTEND_IMAP_IMAP_SEARCH_TEXT_H

#include "core/arena.h"
#include "mail/charset.h"
#include "mail/digest.h"
#include "mail/transfer.h"

/* Octets of a body that hold text. */
struct imap_text_range {
    uint64_t offset; /* from the body's begin */
    uint64_t size;
    enum transfer_encoding encoding;
    struct slice charset;
};

/* All text of a message: the parts that are text, and the headers of messages inside. Of the arena;
 * `digest` NULL: the body as it is. */
size_t imap_text_ranges(const struct digest *digest, uint64_t body_size, struct arena *arena,
                        const struct imap_text_range **out_ranges);

struct imap_search_text {
    struct transfer_decoder transfer;
    struct charset_decoder *charset;
    struct buffer decoded;
    struct buffer utf8;   /* not folded yet: a piece of text may be cut within a character */
    struct buffer folded; /* the piece in hand, behind the end of the one before */
    bool is_open;
};

/* For any number of ranges, one after the other. */
void imap_search_text_init(struct imap_search_text *text);
void imap_search_text_done(struct imap_search_text *text);

/* From here on octets are of this range. */
void imap_search_text_begin(struct imap_search_text *text, const struct imap_text_range *range);

/* The next octets of the range; returns folded text to look into, valid until the next call. */
struct slice imap_search_text_feed(struct imap_search_text *text, struct slice octets,
                                   bool is_last);

#endif
