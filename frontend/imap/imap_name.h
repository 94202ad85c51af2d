/* Names of mailboxes as IMAP's commands and replies have them: mail/mailbox_name.h, in an arena. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_NAME_H
#define AVISO_FRONTEND_IMAP_IMAP_NAME_H

#include "core/arena.h"
#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

/* Appends the name as its client writes it. In one that is not UTF-8, which no client can have
 * made, a question mark stands for what is not ASCII. */
void imap_name_encode(struct slice name, struct buffer *output);

/* As mailbox_name_decode(). */
NODISCARD enum status imap_name_decode(struct arena *arena, struct slice wire,
                                       struct slice *out_name);

/* The same for what may be a part of a name or have wildcards, and composed (NFC) as kept names
 * are.
 */
NODISCARD enum status imap_name_decode_pattern(struct arena *arena, struct slice wire,
                                               struct slice *out_pattern);

/* As mailbox_name_normalise(): the name that is kept for `name`. */
NODISCARD enum status imap_name_check(struct arena *arena, struct slice name,
                                      struct slice *out_name);

#endif
