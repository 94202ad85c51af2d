/* Addresses on the envelope (RFC 5321 §4.1.2, RFC 6531) and the form under which the directory
 * knows them. Pure. Addresses in headers are mail/address_list.h. */
#ifndef AVISO_MAIL_ADDRESS_H
#define AVISO_MAIL_ADDRESS_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

enum {
    ADDRESS_LOCAL_SIZE_MAX = 64,   /* octets (RFC 5321 §4.5.3.1.1) */
    ADDRESS_DOMAIN_SIZE_MAX = 255, /* octets (§4.5.3.1.2) */
    ADDRESS_SIZE_MAX = 320,        /* octets, "@" and quotes included */
};

enum address_path_kind {
    ADDRESS_PATH_REVERSE, /* of MAIL: may be "<>" */
    ADDRESS_PATH_FORWARD, /* of RCPT: may be "<Postmaster>" */
};

/* What stands between the brackets, borrowed from the line, without a source route. */
struct address_path {
    struct slice mailbox; /* "local@domain" as written, empty for "<>", or "Postmaster" */
    bool is_utf8;         /* has octets beyond ASCII */
};

/* Takes a path off the front of `rest`. INVALID: not of the grammar, over a limit, or not UTF-8;
 * then `rest` is as it was. */
NODISCARD enum status address_parse_path(struct slice *rest, enum address_path_kind kind,
                                         struct address_path *out_path);

/* Appends the form that names and look-ups share: the local part without needless quotes and
 * without case, the domain in lower case with A-labels (RFC 5891). INVALID: not an address. */
NODISCARD enum status address_canonical(struct slice address, struct buffer *output);

/* The same of a domain alone. INVALID: not a domain. */
NODISCARD enum status address_canonical_domain(struct slice domain, struct buffer *output);

/* The parts of a canonical address: "ann+x@example.org" is "ann", "x", "example.org". Without a
 * `delimiter`, `out_detail` is empty; a delimiter at the front is part of the name. */
void address_split(struct slice canonical, char delimiter, struct slice *out_user,
                   struct slice *out_detail, struct slice *out_domain);

#endif
