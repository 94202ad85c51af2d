/* The fields that a message gets on its way (RFC 5321 §4.4): Received and Return-Path. Pure.
 *
 * Whatever a client said, each is one field: what cannot stand in its place is replaced. To detect
 * loops, count them: header_count(block, "Received"). */
#ifndef AVISO_MAIL_TRACE_H
#define AVISO_MAIL_TRACE_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"
#include "mail/date.h"

enum {
    TRACE_RECEIVED_MAX = 100,   /* fields, above which a message loops (RFC 5321 §6.3) */
    TRACE_FIELD_SIZE_MAX = 4096 /* octets that one function appends, at most */
};

/* Empty texts are left out, but for the names. */
struct trace_received {
    struct slice client_said;    /* in HELO, EHLO or LHLO */
    struct slice client_host;    /* of its address in the DNS */
    struct slice client_address; /* "192.0.2.1", "2001:db8::1" */
    struct slice server_name;
    struct slice protocol; /* "ESMTPSA" (RFC 3848) */
    struct slice tls;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384" */
    struct slice id;
    struct slice recipient; /* "ann@example.org", of a message to her alone */
    struct date date;
};

/* TOO_LARGE: no room for TRACE_FIELD_SIZE_MAX octets; then nothing is appended. */
NODISCARD enum status trace_write_received(const struct trace_received *received,
                                           struct buffer *output);

/* `mailbox` is the reverse path's, empty for "<>". The same failure; INVALID: not an address. */
NODISCARD enum status trace_write_return_path(struct slice mailbox, struct buffer *output);

#endif
