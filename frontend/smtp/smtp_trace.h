/* What a message says of its way, and what we add to it. */
#ifndef AVISO_FRONTEND_SMTP_SMTP_TRACE_H
#define AVISO_FRONTEND_SMTP_SMTP_TRACE_H

#include "frontend/smtp/smtp_state.h"

enum { SMTP_RECEIVED_SIZE_MAX = 4096 }; /* octets of our Received field */

/* Appends the Received field of this transaction (RFC 5321 §4.4). */
void smtp_append_received(const struct smtp_session *session, struct buffer *output);

/* How many Received fields the header block has. */
size_t smtp_trace_hops(struct slice message);

/* Whether a CR or a LF stands alone anywhere (RFC 5321 §2.3.8). */
bool smtp_trace_has_bare_line_end(struct slice message);

/* Gives a submitted message the Date and Message-ID that it lacks (RFC 6409 §8.1, §8.3), behind our
 * Received field. `message` then is the view of a new spool of the session. NO_SPACE, IO_ERROR,
 * TOO_LARGE: of the spool. */
NODISCARD enum status smtp_trace_complete(struct smtp_session *session, struct slice *message);

#endif
