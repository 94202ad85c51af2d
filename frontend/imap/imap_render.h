/* ENVELOPE and BODYSTRUCTURE from a message's digest (RFC 3501 §7.4.2). */
#ifndef AVISO_FRONTEND_IMAP_IMAP_RENDER_H
#define AVISO_FRONTEND_IMAP_IMAP_RENDER_H

#include "core/buffer.h"
#include "mail/digest.h"

/* The envelope with its parentheses. */
void imap_render_envelope(struct buffer *output, const struct digest_envelope *envelope);

/* The structure of a part and all below it; with extension data as BODYSTRUCTURE, without as BODY.
 */
void imap_render_structure(struct buffer *output, const struct digest_part *part, bool extended);

#endif
