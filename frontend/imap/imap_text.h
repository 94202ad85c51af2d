/* What goes out to an IMAP client, so that no octets of a message, of a name or of a keyword can be
 * taken for anything but one string (RFC 3501 §9). */
#ifndef AVISO_FRONTEND_IMAP_IMAP_TEXT_H
#define AVISO_FRONTEND_IMAP_IMAP_TEXT_H

#include "core/buffer.h"

/* Quoted when all octets may stand in a quoted string and there are not too many, else a literal.
 * A NUL, which no string may hold, becomes a '?'. */
void imap_append_string(struct buffer *output, struct slice text);

/* NIL for a slice whose data is NULL. */
void imap_append_nstring(struct buffer *output, struct slice text);

/* An atom when it can be one, else a string. */
void imap_append_astring(struct buffer *output, struct slice text);

/* A mailbox name that is stored in UTF-8: in modified UTF-7, as an astring. */
void imap_append_mailbox(struct buffer *output, struct slice name);

/* Decimal digits: far cheaper than buffer_printf(), for what is said of each message. */
void imap_append_number(struct buffer *output, uint64_t number);

/* FLAGS' list without parentheses: "\Seen $Forwarded". */
void imap_append_flags(struct buffer *output, uint32_t system_flags, bool recent,
                       const struct slice *keywords, size_t keyword_count);

#endif
