/* The fields of MIME header blocks (RFC 2045 §5, RFC 2183): within mail/mime alone. */
#ifndef AVISO_MAIL_MIME_FIELDS_H
#define AVISO_MAIL_MIME_FIELDS_H

#include "mail/address_list.h"
#include "mail/digest.h"

/* Keeps an unfolded copy of `value` in `arena`, within the budget. */
struct slice mime_keep_text(struct slice value, struct arena *arena, struct mime_budget *budget);

/* Fills type, parameters, id, description, encoding, disposition, md5, language and location from a
 * header block. Without a valid Content-Type it is text/plain, or message/rfc822 in a digest (RFC
 * 2046 §5.1.5). */
void mime_read_part_fields(struct slice block, bool in_digest, struct arena *arena,
                           struct mime_budget *budget, struct digest_part *part);

/* The ENVELOPE of a header block, within the budget. */
void mime_read_envelope(struct slice block, struct arena *arena, struct mime_budget *budget,
                        struct digest_envelope *out_envelope);

/* A parameter's value, by its name in any case; data NULL when there is none. */
struct slice mime_parameter(const struct digest_parameters *parameters, const char *name);

#endif
