/* Base64 (RFC 4648 §4), strict: the protocols refuse what is not canonical. MIME bodies, which
 * tolerate line ends and junk, have a decoder of their own in mail/. */
#ifndef AVISO_CORE_BASE64_H
#define AVISO_CORE_BASE64_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

/* Appends the text of `bytes`, padded, without line ends. */
void base64_encode(struct slice bytes, struct buffer *output);

/* Appends the octets of `text`. INVALID: wrong padding, another octet, or bits left over;
 * TOO_LARGE: no room in `output`. Then nothing is appended. */
NODISCARD enum status base64_decode(struct slice text, struct buffer *output);

#endif
