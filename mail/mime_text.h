/* What is read out of a message's texts: its first words, its base subject, whom it refers to.
 * Within mail/mime alone. */
#ifndef AVISO_MAIL_MIME_TEXT_H
#define AVISO_MAIL_MIME_TEXT_H

#include "mail/address_list.h"
#include "mail/digest.h"

/* The first words of the first text part, in one line of UTF-8; empty when there is none. */
struct slice mime_preview(struct slice message, const struct digest_part *root,
                          struct arena *arena);

/* RFC 5256 §2.1, without case. */
struct slice mime_base_subject(struct slice subject, struct arena *arena);

/* The message ids of References, and of In-Reply-To when there are none. */
void mime_read_references(struct slice block, struct arena *arena, struct mime_budget *budget,
                          struct digest *digest);

#endif
