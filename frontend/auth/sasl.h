/* SASL exchanges (RFC 4422) as the line protocols carry them: base64 text, a line at a time.
 *
 * PLAIN (RFC 4616) and LOGIN (an expired draft that many clients still speak). Pure: it ends in a
 * user name and a password, which frontend/auth/authenticator.h then checks.
 *
 *     sasl_begin -> CHALLENGE -> (send it) -> sasl_continue -> ... -> CREDENTIALS or a failure
 */
#ifndef AVISO_FRONTEND_AUTH_SASL_H
#define AVISO_FRONTEND_AUTH_SASL_H

#include "core/buffer.h"
#include "core/macros.h"

enum {
    SASL_LINE_SIZE_MAX = 12288, /* octets of a base64 line (RFC 4954 §4) */
    SASL_TEXT_SIZE_MAX = 1024,  /* octets of a user name, and of a password */
};

enum sasl_progress {
    SASL_CHALLENGE,   /* send `challenge` (base64, may be empty) and read a line */
    SASL_CREDENTIALS, /* user and password are there */
    SASL_MALFORMED,   /* not base64, or not what the mechanism says */
    SASL_CANCELLED,   /* the client sent "*" */
    SASL_UNKNOWN,     /* no such mechanism */
    SASL_REFUSED,     /* acting for somebody else (authzid) is not offered */
};

struct sasl {
    const struct sasl_mechanism *mechanism;
    unsigned step;
    struct slice challenge; /* base64, of static storage */
    struct buffer user;     /* the authentication identity, as sent */
    struct buffer password; /* wiped by sasl_done() */
};

/* The mechanisms as a protocol lists them: "PLAIN LOGIN". */
#define SASL_MECHANISMS "PLAIN LOGIN"

/* Allocates nothing until an exchange begins. */
void sasl_init(struct sasl *sasl);
void sasl_done(struct sasl *sasl);

/* Begins an exchange, forgetting any other. `initial` is the initial response as the client wrote
 * it ("=" stands for an empty one), or a slice with data NULL when there was none. */
NODISCARD enum sasl_progress sasl_begin(struct sasl *sasl, struct slice mechanism,
                                        struct slice initial);

/* Goes on with the client's line. */
NODISCARD enum sasl_progress sasl_continue(struct sasl *sasl, struct slice line);

#endif
