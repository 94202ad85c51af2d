/* Where the octets of BODY[section] are (RFC 3501 §6.4.5): in the header block, which the row
 * brings, and in the body, which is read in pieces. Pure. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_SECTION_H
#define AVISO_FRONTEND_IMAP_IMAP_SECTION_H

#include "frontend/imap/imap_fetch_items.h"
#include "mail/digest.h"
#include "router/mailbox_client.h"

struct imap_octets {
    bool exists;          /* false: no such part: NIL */
    uint64_t header_from; /* of the header block */
    uint64_t header_size;
    uint64_t body_from; /* of what follows it */
    uint64_t body_size;
    bool filters; /* HEADER.FIELDS: these octets, but not all of their fields */
};

/* Which parts of a row (enum row_part) a section is found with. */
unsigned imap_section_needs(const struct imap_section *section);

/* Finds the section of a row; `digest` is NULL when the section does not need it. A partial range
 * is not applied yet. */
struct imap_octets imap_section_find(const struct imap_section *section,
                                     const struct message_row *row, const struct digest *digest);

/* Cuts a range of octets, which may lie beyond the end (RFC 3501 §6.4.5). */
void imap_octets_cut(struct imap_octets *octets, uint64_t offset, uint64_t size);

/* Appends those fields of a header block that the section names, or that it does not, and the empty
 * line. */
void imap_section_filter(const struct imap_section *section, struct slice header,
                         struct buffer *output);

#endif
