/* POP3 sessions: RFC 1939 with CAPA (RFC 2449), STLS (RFC 2595), SASL (RFC 5034), RESP-CODES,
 * AUTH-RESP-CODE (RFC 3206), PIPELINING, UIDL, TOP and UTF8 (RFC 6856). The maildrop is the INBOX.
 *
 * A session sees the maildrop as it was at login. Several sessions may have it open at once: what
 * one removes at QUIT is "[SYS/PERM] gone" for the others. Only an orderly QUIT removes anything.
 */
#ifndef AVISO_FRONTEND_POP3_POP3_SESSION_H
#define AVISO_FRONTEND_POP3_POP3_SESSION_H

#include "frontend/auth/authenticator.h"
#include "net/session.h"
#include "router/router.h"

/* How the sessions of one listener behave, on one loop. It outlives them. */
struct pop3_options {
    struct router *router;
    struct authenticator *authenticator;
    struct slice host_name;
    size_t messages_max;       /* of a maildrop that is served: 1,000,000 (24 octets each) */
    size_t errors_max;         /* refused commands before the end: 20 */
    uint64_t login_timeout_ms; /* silence before the login */
    uint64_t idle_timeout_ms;  /* and after it: 10 minutes at least (RFC 1939 §3) */
    bool offers_tls;           /* STLS */
    bool login_in_clear;       /* passwords without TLS: on loopback only */
};

/* The protocol of a listener; `options` becomes its context. */
struct protocol pop3_protocol(const struct pop3_options *options);

#endif
