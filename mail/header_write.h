/* Header fields written (RFC 5322 §2.2), with whatever value: CR, LF, NUL and all other controls
 * become blanks, so that one field is what comes out. Lines are folded at 78 columns where the
 * value has blanks, and never pass 998 octets. Pure.
 *
 * Each function appends the whole field with its CRLF. TOO_LARGE: the value is over
 * HEADER_WRITE_SIZE_MAX, or there is no room for it; then nothing is appended. */
#ifndef AVISO_MAIL_HEADER_WRITE_H
#define AVISO_MAIL_HEADER_WRITE_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

enum {
    HEADER_WRITE_SIZE_MAX = 64 * 1024, /* octets of a value */
    HEADER_WRITE_GROWTH = 8,           /* octets written for one of a value, at most, */
    HEADER_WRITE_OVERHEAD = 256,       /* and these for the field, next to its name */
};

/* A structured value (ids, dates, tokens) as it is. */
NODISCARD enum status header_write(const char *name, struct slice value, struct buffer *output);

/* Text in UTF-8: as it is in ASCII, otherwise as encoded words (RFC 2047); what is not UTF-8
 * becomes U+FFFD. */
NODISCARD enum status header_write_text(const char *name, struct slice text, struct buffer *output);

/* One mailbox: `"display name" <address>`, or the address alone. INVALID: not an address. */
NODISCARD enum status header_write_mailbox(const char *name, struct slice display_name,
                                           struct slice address, struct buffer *output);

/* A value with one parameter, which may be any text in UTF-8 (RFC 2231): `Content-Disposition:
 * attachment; filename*=utf-8''...`. */
NODISCARD enum status header_write_parameter(const char *name, struct slice value,
                                             const char *parameter, struct slice text,
                                             struct buffer *output);

#endif
