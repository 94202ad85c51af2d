/* UTF-8 (RFC 3629): whether it is, and without case. */
#ifndef AVISO_MAIL_UTF8_H
#define AVISO_MAIL_UTF8_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

/* Whether `text` is UTF-8: no overlong forms, no surrogates, nothing cut. */
bool utf8_is_valid(struct slice text);

/* The first `size` octets of UTF-8, or fewer: characters stay whole. */
struct slice utf8_prefix(struct slice text, size_t size);

/* Whether there is an octet beyond ASCII. */
bool utf8_is_beyond_ascii(struct slice text);

/* Appends `text` with case folded (Unicode's full default folding) and composed (NFC), so that what
 * people take for the same compares equal. INVALID: not UTF-8. TOO_LARGE: no room in `output`. Then
 * nothing is appended. */
NODISCARD enum status utf8_fold(struct slice text, struct buffer *output);

/* Appends `text` composed (NFC), its case as it is. The same failures. */
NODISCARD enum status utf8_compose(struct slice text, struct buffer *output);

#endif
