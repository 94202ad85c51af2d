/* Messages parsed (RFC 5322, RFC 2045, RFC 2046) into their digest, in one pass and linear time.
 *
 * Any octets are a message. Where a part is nested too deeply, or there are too many, the rest is
 * opaque octets of the part that holds them. */
#ifndef AVISO_MAIL_MIME_H
#define AVISO_MAIL_MIME_H

#include "mail/digest.h"

/* Parses `message`; texts borrow from it or live in `arena`. */
void mime_parse(struct slice message, struct arena *arena, struct digest *out_digest);

/* The ENVELOPE of a header block. */
void mime_envelope(struct slice block, struct arena *arena, struct digest_envelope *out_envelope);

#endif
