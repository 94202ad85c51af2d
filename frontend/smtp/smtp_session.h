/* SMTP sessions (RFC 5321), of three services that differ in whom they trust and whom they answer:
 *
 * MX          from anybody, for accounts of our domains alone
 * SUBMISSION  from our users, who say who they are first (RFC 6409, RFC 8314)
 * LMTP        from a neighbouring MTA; an answer for each recipient (RFC 2033)
 *
 * Extensions: PIPELINING, SIZE, 8BITMIME, ENHANCEDSTATUSCODES, SMTPUTF8, CHUNKING, BINARYMIME,
 * STARTTLS, AUTH, LIMITS. The final 250 means that storage has committed the message; nothing else
 * does.
 *
 * A group is one recipient with one answer. It is taken when the message fits one member at least,
 * and then every member gets it who is in use: also over the quota, since nobody would tell who was
 * left out that there was a message; by one message, since RCPT refuses the next for a group that
 * is full as a whole. Members that are suspended are passed over, as they get no mail at all; when
 * all are, the group is refused as one of them would be. */
#ifndef AVISO_FRONTEND_SMTP_SMTP_SESSION_H
#define AVISO_FRONTEND_SMTP_SMTP_SESSION_H

#include "frontend/auth/authenticator.h"
#include "net/session.h"
#include "router/router.h"

enum smtp_service { SMTP_MX, SMTP_SUBMISSION, SMTP_LMTP };

/* How the sessions of one listener behave, on one loop. It outlives them. */
struct smtp_options {
    enum smtp_service service;
    struct router *router;
    struct authenticator *authenticator; /* NULL: no AUTH */
    struct slice host_name;              /* how this server calls itself */
    const char *spool_folder;            /* for messages over `spool_memory_max` */
    size_t spool_memory_max;             /* octets of a message kept in memory: 1 MiB */
    uint64_t message_size_max;           /* octets: 50 MiB */
    size_t recipients_max;               /* of one message: 1000 */
    size_t hops_max;                     /* Received fields before it is a loop: 100 */
    size_t errors_max;                   /* refused commands before the end: 20 */
    uint64_t idle_timeout_ms;            /* 5 minutes (RFC 5321 §4.5.3.2) */
    bool offers_tls;                     /* STARTTLS */
    bool auth_in_clear;                  /* AUTH without TLS: on loopback only */
};

/* The protocol of a listener; `options` becomes its context. */
struct protocol smtp_protocol(const struct smtp_options *options);

#endif
