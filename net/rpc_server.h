/* Services of this node for others, over TCP or TLS. */
#ifndef AVISO_NET_RPC_SERVER_H
#define AVISO_NET_RPC_SERVER_H

#include "net/accept_limiter.h"
#include "net/rpc.h"
#include "net/tls.h"

struct rpc_server;

enum { RPC_REQUESTS_MAX = 4096 }; /* in flight on one connection; then no more are read */

struct rpc_server_options {
    const char *address; /* as in net/listener.h */
    uint16_t port;
    struct loop *const *loops; /* that carry the connections; requests go where `route` says */
    size_t loop_count;
    const struct rpc_services *services;
    uint64_t cluster; /* who is of another is refused */
    uint32_t node;
    struct tls_context *tls;        /* with authorities, so that clients prove who they are */
    bool is_plain_allowed;          /* without `tls` on an address that is not loopback */
    struct accept_limiter *limiter; /* or NULL */
};

/* Listens. Copies the options but for what they point to. DENIED: plain is not allowed there. The
 * other failures are those of listener_open(). */
NODISCARD enum status rpc_server_open(const struct rpc_server_options *options,
                                      struct rpc_server **out_server);

/* Where it listens. */
uint16_t rpc_server_port(const struct rpc_server *server);

/* As listener_stop() and listener_free(); requests that are served meanwhile may still be answered,
 * and nobody hears. */
void rpc_server_stop(struct rpc_server *server, uint64_t grace_ms, struct loop *loop,
                     struct loop_message *done);
void rpc_server_free(struct rpc_server *server);

#endif
