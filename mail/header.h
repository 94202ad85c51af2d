/* Header blocks (RFC 5322 §2.2, §3.6) cut into fields, and values made readable. Pure, linear,
 * borrowing.
 *
 * Lines end in CRLF; a bare LF is taken for an end as well, because old mail is full of them.
 * Nothing is ever refused here: a line without a colon is a field without a name. */
#ifndef AVISO_MAIL_HEADER_H
#define AVISO_MAIL_HEADER_H

#include <stdbool.h>

#include "core/buffer.h"

/* One field as it stands in the block. */
struct header_field {
    struct slice name;  /* without the colon; empty for a line without one */
    struct slice value; /* behind the colon, folded as it is, without the last line end */
    struct slice whole; /* name, colon, value and line end */
};

/* The header block at the front of `message`, with the empty line that ends it where there is one.
 * All of `message` when there is none. */
struct slice header_block(struct slice message);

/* Takes the next field off the front of `block`; false at its end. */
bool header_next(struct slice *block, struct header_field *out_field);

/* The first field of this name, in any case; false when there is none. */
bool header_find(struct slice block, const char *name, struct header_field *out_field);

/* How many fields have this name. */
size_t header_count(struct slice block, const char *name);

/* Appends `value` as one line: line ends dropped, blanks at both ends trimmed, NULs dropped. */
void header_unfold(struct slice value, struct buffer *output);

/* Appends `value` unfolded with its encoded words (RFC 2047) as UTF-8; what is not UTF-8 after that
 * becomes U+FFFD. Words of unknown charsets stay as they are. */
void header_decode(struct slice value, struct buffer *output);

#endif
