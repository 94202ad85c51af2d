/* Lists of addresses in headers (RFC 5322 §3.4, with what is obsolete in §4.4), for ENVELOPE. Pure,
 * linear, and never refused: people write all sorts of things into these fields. */
#ifndef AVISO_MAIL_ADDRESS_LIST_H
#define AVISO_MAIL_ADDRESS_LIST_H

#include "mail/digest.h"

/* What may still be kept of one message's texts and addresses. */
struct mime_budget {
    size_t octets;
    size_t addresses;
};

/* Reads an unfolded value. Names are phrases without their quotes, encoded words as they are; an
 * address without a name has the comment behind it for one. What is over the budget is left out. */
struct digest_addresses address_list_parse(struct slice value, struct arena *arena,
                                           struct mime_budget *budget);

#endif
