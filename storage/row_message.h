/* A stored row as the wire's MessageRow, the same from reads and from replies to writes. */
#ifndef AVISO_STORAGE_ROW_MESSAGE_H
#define AVISO_STORAGE_ROW_MESSAGE_H

#include "proto/mailbox.pb-c.h"
#include "storage/rows.h"

/* All that the uid row has; digest and header are left empty. What it points to is the arena's or
 * borrowed from `mailbox`. CORRUPT: a keyword that the mailbox does not have. */
NODISCARD enum status row_message_fill(uint32_t uid, const struct uid_row *row,
                                       const struct mailbox_row *mailbox, struct arena *arena,
                                       Aviso__MessageRow *out_message);

#endif
