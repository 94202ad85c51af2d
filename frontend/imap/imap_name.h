/* Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3), UTF-8 everywhere else. Pure. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_NAME_H
#define AVISO_FRONTEND_IMAP_IMAP_NAME_H

#include "core/arena.h"
#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

enum {
    IMAP_NAME_SIZE_MAX = 1000, /* octets of UTF-8 */
    IMAP_NAME_LEVELS_MAX = 50,
};

/* Appends the name as its client writes it. What is not UTF-8 becomes U+FFFD. */
void imap_name_encode(struct slice name, struct buffer *output);

/* INVALID: not modified UTF-7, or not its only form: what could stand for itself must. Wildcards
 * stand for themselves, so patterns can be decoded too. */
NODISCARD enum status imap_name_decode(struct arena *arena, struct slice wire,
                                       struct slice *out_name);

/* A name that a mailbox may have, INBOX in capitals: INVALID: empty, a level without a name, or a
 * control character. TOO_LARGE. */
NODISCARD enum status imap_name_check(struct arena *arena, struct slice name,
                                      struct slice *out_name);

#endif
