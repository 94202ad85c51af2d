/* IMAP4rev1 (RFC 3501): one client, from greeting to LOGOUT.
 *
 * With LITERAL+ and LITERAL- (RFC 7888), SASL-IR (4959), ID (2971), ENABLE (5161), IDLE (2177),
 * NAMESPACE (2342), UNSELECT (3691), CHILDREN (3348), UIDPLUS (4315), MOVE (6851), LIST-EXTENDED
 * (5258), LIST-STATUS (5819), SPECIAL-USE and CREATE-SPECIAL-USE (6154), STATUS=SIZE (8438),
 * ESEARCH (4731), CONDSTORE (7162), APPENDLIMIT (7889) and STARTTLS. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_SESSION_H
#define AVISO_FRONTEND_IMAP_IMAP_SESSION_H

#include "frontend/auth/authenticator.h"
#include "net/session.h"
#include "router/router.h"

/* What the sessions of one loop share; it outlives them. */
struct imap_service {
    struct router *router;
    struct authenticator *authenticator;
    const char *spool_folder;  /* for messages over 1 MiB on their way in */
    uint64_t append_size_max;  /* octets of one message: APPENDLIMIT */
    uint64_t login_timeout_ms; /* silence before the login: at least 60 s (RFC 3501 §5.4: 30 min) */
    uint64_t idle_timeout_ms;  /* silence after it: at least 30 min */
    bool offers_tls;           /* STARTTLS, in the clear */
    bool clear_login_on_loopback; /* passwords in the clear when the peer is on this machine */
};

/* The protocol whose sessions use `service`. */
struct protocol imap_protocol(const struct imap_service *service);

#endif
