/* Command lines of SMTP cut into their parts (RFC 5321 §4.1): pure, bounded by the line. */
#ifndef AVISO_FRONTEND_SMTP_SMTP_COMMAND_H
#define AVISO_FRONTEND_SMTP_SMTP_COMMAND_H

#include <stdbool.h>

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

/* Cuts `line` into its verb and what follows the blank. */
void smtp_command_cut(struct slice line, struct slice *out_verb, struct slice *out_argument);

/* Takes "FROM:" or "TO:" in any case off the front of `rest`, with the blanks that some clients put
 * behind the colon. INVALID: something else is there. */
NODISCARD enum status smtp_command_take_keyword(struct slice *rest, struct slice keyword);

/* One ESMTP parameter (RFC 5321 §4.1.2): `value` has NULL data when there is no "=". */
struct smtp_parameter {
    struct slice keyword;
    struct slice value;
};

/* Takes the next parameter off `rest`. AGAIN: there is none left. INVALID: not of the grammar. */
NODISCARD enum status smtp_command_take_parameter(struct slice *rest,
                                                  struct smtp_parameter *out_parameter);

/* What MAIL may say besides the path. */
struct smtp_mail_parameters {
    uint64_t size; /* 0: not said */
    bool is_utf8;
    bool is_binary;
};

/* INVALID: not of the grammar, or one twice. UNSUPPORTED: a parameter that is not offered. */
NODISCARD enum status smtp_command_mail_parameters(struct slice text,
                                                   struct smtp_mail_parameters *out_parameters);

/* The argument of BDAT (RFC 3030 §2). INVALID: not of the grammar. */
struct smtp_chunk {
    uint64_t size;
    bool is_last;
};
NODISCARD enum status smtp_command_chunk(struct slice argument, struct smtp_chunk *out_chunk);

/* Whether `name` may follow EHLO: a domain, an address literal, or another word of printable octets
 * such as clients send; 255 octets at most. */
bool smtp_command_is_client_name(struct slice name);

#endif
