/* The transparency of SMTP and POP3: a line that begins with a dot gets another, and a dot alone
 * ends the text (RFC 5321 §4.5.2, RFC 1939 §3). Both ways in pieces of any size. Pure. */
#ifndef AVISO_MAIL_DOT_STUFFING_H
#define AVISO_MAIL_DOT_STUFFING_H

#include <stdbool.h>

#include "core/buffer.h"

/* Where a text in the making stands. */
struct dot_decoder {
    unsigned state;
    bool has_violation;
};

/* At the start of a line. */
void dot_decoder_init(struct dot_decoder *decoder);

/* Takes octets of `input` and writes the text to `output`, which has room for twice as many.
 * Returns how many it took: all, or those up to the CRLF.CRLF that ends the text. Only that ends
 * it. */
size_t dot_decoder_decode(struct dot_decoder *decoder, struct slice input, char *output,
                          size_t *out_size);

/* Whether that end has come. */
bool dot_decoder_is_finished(const struct dot_decoder *decoder);

/* Whether a CR or a LF stood alone: other servers see a line end there, so such a text must not be
 * accepted (RFC 5321 §2.3.8; "SMTP smuggling"). */
bool dot_decoder_has_violation(const struct dot_decoder *decoder);

/* Where a text on its way out stands. */
struct dot_encoder {
    char last; /* octet, 0 at the start */
    bool at_line_start;
    bool at_crlf; /* behind a whole line end, or at the start */
};

/* At the start of a text. */
void dot_encoder_init(struct dot_encoder *encoder);

/* Appends `text` to `output` with its dots doubled where they begin a line. Any LF begins a line
 * here: a client may take it for one. */
void dot_encoder_append(struct dot_encoder *encoder, struct slice text, struct buffer *output);

/* Ends the last line if it has no CRLF, and the text. */
void dot_encoder_finish(struct dot_encoder *encoder, struct buffer *output);

#endif
