/* Names of mailboxes: UTF-8, their levels between slashes, "INBOX" in any case the one INBOX
 * (RFC 3501 §5.1, RFC 9051 §5.1), and their form on the wire of IMAP4rev1. Pure. */
#ifndef AVISO_MAIL_MAILBOX_NAME_H
#define AVISO_MAIL_MAILBOX_NAME_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

#define MAILBOX_NAME_SEPARATOR '/'

enum {
    MAILBOX_NAME_OCTETS_MAX = 1000, /* of UTF-8 */
    MAILBOX_NAME_LEVELS_MAX = 50,
    MAILBOX_NAME_WIRE_GROWTH = 5, /* octets of modified UTF-7 for one of UTF-8, at most */
};

/* Appends the name that is kept for `name`: composed (NFC), so that what looks the same is the
 * same, and with INBOX in capitals, also as the first level. INVALID: not UTF-8, a control
 * character, empty, or a level without a name. TOO_LARGE: over a limit above, or no room. */
NODISCARD enum status mailbox_name_normalise(struct slice name, struct buffer *output);

/* Appends UTF-8 as modified UTF-7 (RFC 3501 §5.1.3). INVALID: not UTF-8; TOO_LARGE: no room for
 * MAILBOX_NAME_WIRE_GROWTH times its size. */
NODISCARD enum status mailbox_name_encode(struct slice name, struct buffer *output);

/* Appends the UTF-8 of modified UTF-7. INVALID: not its grammar, or not the one form that a name
 * has: what can stand for itself must, and no shift follows another. TOO_LARGE: no room for twice
 * its size. Wildcards stand for themselves, so a pattern can be decoded, too. */
NODISCARD enum status mailbox_name_decode(struct slice wire, struct buffer *output);

#endif
