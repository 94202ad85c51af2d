/* Puts a command together from the lines and literals that it comes in (RFC 3501 §4.3, RFC 7888).
 *
 * Pure. The octets are kept as they came, so that imap_parser.h reads what the client wrote:
 *
 *     line -> COMMAND | LITERAL -> octets ... -> line -> ...
 */
#ifndef AVISO_FRONTEND_IMAP_IMAP_INPUT_H
#define AVISO_FRONTEND_IMAP_IMAP_INPUT_H

#include "core/buffer.h"

enum {
    IMAP_LINE_SIZE_MAX = 64 * 1024,     /* octets, CRLF included */
    IMAP_COMMAND_SIZE_MAX = 256 * 1024, /* octets of a command, literals and all */
    IMAP_EARLY_SIZE_MAX = 16 * 1024,    /* the same before the login */
    IMAP_LITERAL_SIZE_MAX = 64 * 1024,  /* of one literal, but of a message in APPEND */
    IMAP_EARLY_LITERAL_SIZE_MAX = 1024,
};

struct imap_input {
    struct buffer octets;  /* of the command so far */
    uint64_t literal_rest; /* octets of a literal to come */
};

struct imap_literal {
    uint64_t size;         /* UINT64_MAX: a number too large for any */
    bool is_synchronizing; /* the client waits for a "+" */
};

enum imap_input_progress {
    IMAP_INPUT_COMMAND,   /* it is whole */
    IMAP_INPUT_LITERAL,   /* its line announced one */
    IMAP_INPUT_TOO_LARGE, /* over `size_max`: the line was not kept */
};

/* Allocates nothing until a line comes. */
void imap_input_init(struct imap_input *input);
void imap_input_done(struct imap_input *input);

/* Forgets the command. */
void imap_input_clear(struct imap_input *input);

/* Adds a line, which came without its CRLF. `out_literal` is set in any case: a line that was too
 * large may have announced one. The literal's announcement is kept, in front of its octets. */
enum imap_input_progress imap_input_line(struct imap_input *input, struct slice line,
                                         size_t size_max, struct imap_literal *out_literal);

/* Expects the literal just announced; its size and what is there already are within the limits. */
void imap_input_expect(struct imap_input *input, uint64_t size);

/* Takes octets of it; returns how many. It is whole when literal_rest is 0. */
size_t imap_input_octets(struct imap_input *input, struct slice octets);

#endif
