/* What a FETCH asks for (RFC 3501 §6.4.5, RFC 7162 §3.1.4), parsed. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_FETCH_ITEMS_H
#define AVISO_FRONTEND_IMAP_IMAP_FETCH_ITEMS_H

#include "core/buffer.h"
#include "frontend/imap/imap_parser.h"

enum {
    IMAP_FETCH_ITEMS_MAX = 100,
    IMAP_SECTION_DEPTH_MAX = 64, /* numbers of one part: "1.2.3" has three */
};

enum imap_fetch_kind {
    FETCH_FLAGS,
    FETCH_UID,
    FETCH_INTERNALDATE,
    FETCH_RFC822_SIZE,
    FETCH_ENVELOPE,
    FETCH_BODY, /* without extension data */
    FETCH_BODYSTRUCTURE,
    FETCH_MODSEQ,
    FETCH_SECTION, /* BODY[...], RFC822, RFC822.HEADER and RFC822.TEXT */
};

/* Which octets of a part (RFC 3501 §9: section-text). */
enum imap_section_text {
    SECTION_WHOLE, /* of a part, its content; without a part, the message */
    SECTION_HEADER,
    SECTION_HEADER_FIELDS,
    SECTION_HEADER_FIELDS_NOT,
    SECTION_TEXT,
    SECTION_MIME,
};

struct imap_section {
    const uint32_t *part;
    size_t part_depth;
    enum imap_section_text text;
    const struct slice *names; /* of HEADER.FIELDS */
    size_t name_count;
    bool partial;
    uint32_t offset; /* octets, when partial */
    uint32_t size;
};

struct imap_fetch_item {
    enum imap_fetch_kind kind;
    struct imap_section section;
    bool sees;          /* sets \Seen */
    const char *rfc822; /* the response's name when it is not BODY[...] */
};

struct imap_fetch_items {
    struct imap_fetch_item *items;
    size_t count;
    bool changed_since_given;
    uint64_t changed_since;
};

/* Takes all that follows the sequence set, to the end of the command. `by_uid`: UID is among the
 * items (RFC 3501 §6.4.8); with CHANGEDSINCE, MODSEQ is. */
bool imap_take_fetch_items(struct imap_parser *parser, bool by_uid,
                           struct imap_fetch_items *out_items);

/* Whether an item of a kind is there. */
bool imap_fetch_items_have(const struct imap_fetch_items *items, enum imap_fetch_kind kind);

/* Appends the item's name in a response: "BODY[1.HEADER.FIELDS (Subject)]<0>". */
void imap_append_section_name(struct buffer *output, const struct imap_fetch_item *item);

#endif
