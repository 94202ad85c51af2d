/* Charsets of mail (RFC 2045 §2.2, IANA's names) made UTF-8. Pure. */
#ifndef AVISO_MAIL_CHARSET_H
#define AVISO_MAIL_CHARSET_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

struct charset_decoder;

/* A decoder for texts in pieces. NOT_FOUND: nobody knows a charset of this name. Empty stands for
 * US-ASCII; octets beyond it are taken for UTF-8, which they mostly are. */
NODISCARD enum status charset_decoder_new(struct slice name, struct charset_decoder **out_decoder);

/* Accepts NULL. */
void charset_decoder_free(struct charset_decoder *decoder);

/* Appends `input` as UTF-8, with U+FFFD for what cannot be read, at most CHARSET_GROWTH octets for
 * each. `is_last`: nothing follows, a character cut there is one of those. */
enum { CHARSET_GROWTH = 4 };
void charset_decoder_decode(struct charset_decoder *decoder, struct slice input, bool is_last,
                            struct buffer *output);

/* The whole of `input` at once. NOT_FOUND as above, and nothing is appended. */
NODISCARD enum status charset_to_utf8(struct slice name, struct slice input, struct buffer *output);

#endif
