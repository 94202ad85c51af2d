/* What STATUS and LIST RETURN (STATUS ...) ask for (RFC 3501 §6.3.10, RFC 5819, RFC 8438). */
#ifndef AVISO_FRONTEND_IMAP_IMAP_STATUS_ITEMS_H
#define AVISO_FRONTEND_IMAP_IMAP_STATUS_ITEMS_H

#include "core/buffer.h"
#include "frontend/imap/imap_parser.h"
#include "router/mailbox_client.h"

enum imap_status_item {
    STATUS_MESSAGES = 1,
    STATUS_RECENT = 2,
    STATUS_UIDNEXT = 4,
    STATUS_UIDVALIDITY = 8,
    STATUS_UNSEEN = 16,
    STATUS_SIZE = 32,
    STATUS_HIGHESTMODSEQ = 64,
    STATUS_APPENDLIMIT = 128,
    STATUS_DELETED = 256,
};

/* The list with its parentheses, as a set of enum imap_status_item. */
bool imap_take_status_items(struct imap_parser *parser, unsigned *out_items);

/* Appends "* STATUS name (...)" and CRLF. */
void imap_append_status(struct buffer *output, struct slice name, unsigned items,
                        const struct mailbox_record *record, uint64_t append_size_max);

#endif
