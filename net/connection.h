/* A connection carries a session (net/session.h): it serves lines and octets as they come, sends
 * replies, keeps the time, upgrades to TLS, and holds back a peer that does not read. */
#ifndef AVISO_NET_CONNECTION_H
#define AVISO_NET_CONNECTION_H

#include <uv.h>

#include "net/loop.h"
#include "net/session.h"
#include "net/tls.h"

struct connection;

/* Where connections of one kind live, on one loop. The owner fills it in; the connections keep the
 * list of themselves. */
struct connection_host {
    struct loop *loop;
    const struct protocol *protocol;
    struct tls_context *tls; /* NULL: SESSION_STARTS_TLS ends the connection */
    bool is_tls_from_start;
    uint64_t handshake_timeout_ms;
    uint64_t output_timeout_ms; /* how long a peer may take nothing of what is sent */
    struct slice refusal;       /* sent, in the clear, to who is not admitted */
    /* Whether to serve a peer. And that a connection is gone; NULL: it was not admitted. */
    bool (*admit)(struct connection_host *host, const struct sockaddr *peer);
    void (*on_gone)(struct connection_host *host, const struct sockaddr *peer);
    struct connection *first; /* the connections' */
    size_t count;
};

/* Accepts the next peer of `listener`. The connection frees itself and its session when either side
 * ends. */
void connection_accept(struct connection_host *host, uv_stream_t *listener);

/* Connects to `address`. When that fails, `on_failed` runs instead of the protocol's `open`, with
 * its context; neither before this returns. `name` is the peer's for TLS (net/tls_stream.h). */
void connection_connect(struct connection_host *host, const struct sockaddr *address,
                        const char *name, void (*on_failed)(void *context));

/* Tells every session to end, but leaves those that wait to their requests. */
void connections_stop(struct connection_host *host);

/* Closes all at once. */
void connections_close(struct connection_host *host);

#endif
