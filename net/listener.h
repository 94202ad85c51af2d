/* A port that serves a protocol on several loops: each has a socket of its own (SO_REUSEPORT), so
 * the system spreads the connections and no loop waits for another.
 *
 *     listener_open -> ... -> listener_stop -> `done` runs -> listener_free
 */
#ifndef AVISO_NET_LISTENER_H
#define AVISO_NET_LISTENER_H

#include "core/macros.h"
#include "core/status.h"
#include "net/accept_limiter.h"
#include "net/loop.h"
#include "net/session.h"
#include "net/tls.h"

struct listener;

struct listener_options {
    const char *address; /* "192.0.2.1", "2001:db8::1"; "*": all of both families */
    uint16_t port;       /* 0: any that is free */
    struct loop *const *loops;
    size_t loop_count;
    const struct protocol *protocol;         /* of all loops, unless */
    const struct protocol *const *protocols; /* there is one for each; else NULL */
    struct tls_context *tls;                 /* for STARTTLS, or from the start; NULL: none */
    bool is_tls_from_start;
    struct accept_limiter *limiter; /* NULL: no limits */
    struct slice refusal; /* the protocol's line for who comes over a limit: "421 ...\r\n" */
    uint64_t handshake_timeout_ms; /* 0: 30 s */
    uint64_t output_timeout_ms;    /* how long a peer may take nothing that is sent; 0: 60 s */
};

/* Listens, from any thread, whether the loops run already or not. Copies the options but for what
 * they point to.
 * INVALID: not an address. EXISTS: somebody listens there. DENIED: not allowed to. UNAVAILABLE: not
 * an address of this machine. IO_ERROR: any other failure of the system. */
NODISCARD enum status listener_open(const struct listener_options *options,
                                    struct listener **out_listener);

/* Where it listens. */
uint16_t listener_port(const struct listener *listener);

/* Closes the sockets, lets each session say its last word, and after `grace_ms` closes what is
 * left. Then `done` is posted to `loop`, and nothing of the listener runs any more. From any
 * thread, once; its loops run until then. */
void listener_stop(struct listener *listener, uint64_t grace_ms, struct loop *loop,
                   struct loop_message *done);

/* After it stopped. Accepts NULL. */
void listener_free(struct listener *listener);

#endif
