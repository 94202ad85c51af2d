/* Rows kept beyond the answer that brought them. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_ROWS_H
#define AVISO_FRONTEND_IMAP_IMAP_ROWS_H

#include "core/arena.h"
#include "router/mailbox_client.h"

/* A copy of `row` with everything that it points to, of the arena. */
struct message_row imap_copy_row(struct arena *arena, const struct message_row *row);

#endif
