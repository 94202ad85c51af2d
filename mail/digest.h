/* What is known of a message once it was parsed: its ENVELOPE, its parts and where they are. Made
 * at delivery (mail/mime.h), stored as octets, and read back without a look at the message.
 *
 * Texts are raw header text, unfolded and still encoded, as RFC 3501 wants them in ENVELOPE and
 * BODYSTRUCTURE. An absent text has NULL data; an empty one has not. Offsets count from the first
 * octet of the message. */
#ifndef AVISO_MAIL_DIGEST_H
#define AVISO_MAIL_DIGEST_H

#include <stdint.h>

#include "core/arena.h"
#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

enum {
    DIGEST_SIZE_MAX = 256 * 1024, /* octets encoded; what does not fit is left out of the tree */
    DIGEST_PARTS_MAX = 1000,
    DIGEST_DEPTH_MAX = 50,
    DIGEST_ADDRESSES_MAX = 2000,   /* of all lists of a message */
    DIGEST_PARAMETERS_MAX = 100,   /* of one field */
    DIGEST_TEXT_SIZE_MAX = 8192,   /* octets of one text, cut behind */
    DIGEST_PREVIEW_SIZE_MAX = 512, /* octets */
    DIGEST_REFERENCES_MAX = 32,
};

/* A mailbox of a list; or the begin of a group (host NULL, mailbox its name) or its end (both
 * NULL). */
struct digest_address {
    struct slice name;
    struct slice mailbox;
    struct slice host;
};

struct digest_addresses {
    const struct digest_address *items;
    size_t count; /* 0: NIL */
};

struct digest_envelope {
    struct slice date;
    struct slice subject;
    struct digest_addresses from;
    struct digest_addresses sender; /* as written; empty stands for `from`, as the next */
    struct digest_addresses reply_to;
    struct digest_addresses to;
    struct digest_addresses cc;
    struct digest_addresses bcc;
    struct slice in_reply_to;
    struct slice message_id;
};

struct digest_parameter {
    struct slice name;
    struct slice value;
};

struct digest_parameters {
    const struct digest_parameter *items;
    size_t count;
};

/* One part of the MIME tree (RFC 2045). */
struct digest_part {
    struct slice type; /* "text"; as written */
    struct slice subtype;
    struct digest_parameters parameters;
    struct slice id;
    struct slice description;
    struct slice encoding; /* "7bit" when absent */
    struct slice md5;
    struct slice disposition;
    struct digest_parameters disposition_parameters;
    struct slice language; /* the field's value */
    struct slice location;
    uint64_t header_offset; /* of the part's own header block */
    uint64_t header_size;   /* octets, the empty line included */
    uint64_t body_offset;
    uint64_t body_size;
    uint32_t lines; /* of the body, as sent */
    /* Of multipart: its parts. Of message/rfc822: one, the message, whose header is at its start.
     */
    const struct digest_part *children;
    size_t child_count;
    const struct digest_envelope *envelope; /* of message/rfc822; else NULL */
};

struct digest {
    uint64_t size; /* octets of the message */
    uint64_t header_size;
    struct digest_envelope envelope;
    struct digest_part root;
    struct slice preview;      /* the first words of the text, UTF-8 in one line */
    struct slice base_subject; /* RFC 5256 §2.1, UTF-8, folded */
    const struct slice
        *references; /* message ids without brackets, the latest last; the message's own not */
    size_t reference_count;
};

/* Appends the octets, versioned, at most DIGEST_SIZE_MAX: TOO_LARGE otherwise, and nothing is
 * appended. */
NODISCARD enum status digest_encode(const struct digest *digest, struct buffer *output);

/* Reads them back: texts borrow from `octets`, the rest lives in `arena`. INVALID: not such octets;
 * UNSUPPORTED: of a newer version. */
NODISCARD enum status digest_decode(struct slice octets, struct arena *arena,
                                    struct digest *out_digest);

#endif
