/* Content-Transfer-Encoding (RFC 2045 §6), decoded in pieces of any size. Pure.
 *
 * Lenient, as MIME wants: octets that do not belong are skipped or stand for themselves. */
#ifndef AVISO_MAIL_TRANSFER_H
#define AVISO_MAIL_TRANSFER_H

#include "core/buffer.h"

enum transfer_encoding {
    TRANSFER_IDENTITY, /* 7bit, 8bit, binary, and what nobody knows */
    TRANSFER_BASE64,
    TRANSFER_QUOTED_PRINTABLE,
};

/* What a field's value names. */
enum transfer_encoding transfer_encoding_of(struct slice name);

struct transfer_decoder {
    enum transfer_encoding encoding;
    uint32_t group; /* base64: the bits of `held` digits */
    unsigned held;
    struct buffer kept; /* quoted-printable: an escape or blanks not decided yet */
};

/* At the start of a body; done frees what was kept. */
void transfer_decoder_init(struct transfer_decoder *decoder, enum transfer_encoding encoding);
void transfer_decoder_done(struct transfer_decoder *decoder);

/* Appends what `input` decodes to: at most as many octets as all input so far. */
void transfer_decoder_decode(struct transfer_decoder *decoder, struct slice input,
                             struct buffer *output);

/* Appends what was kept back at the end of the input. */
void transfer_decoder_finish(struct transfer_decoder *decoder, struct buffer *output);

/* The "Q" of an encoded word (RFC 2047 §4.2), whole. */
void transfer_decode_word(struct slice input, struct buffer *output);

#endif
