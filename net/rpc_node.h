/* Another node, as one loop sees it: a connection that is made when it is needed and made again
 * when it breaks, and channels that share it. */
#ifndef AVISO_NET_RPC_NODE_H
#define AVISO_NET_RPC_NODE_H

#include "net/rpc.h"
#include "net/tls.h"

struct rpc_node;

struct rpc_node_options {
    struct loop *loop;
    const char *address; /* numeric; copied */
    uint16_t port;
    uint64_t cluster;
    uint32_t node;           /* ours; 0: a client that is none */
    struct tls_context *tls; /* with our certificate, and the authorities of theirs */
    const char *tls_name;    /* of the certificate; copied. NULL: any of the authorities' */
    bool is_plain_allowed;   /* without `tls` to an address that is not loopback */
    uint64_t silence_max_ms; /* without a word from the node, pings unanswered; then the connection
                                is broken. 0: 15 s */
};

/* INVALID: not an address. DENIED: plain is not allowed to there. */
NODISCARD enum status rpc_node_new(const struct rpc_node_options *options,
                                   struct rpc_node **out_node);

/* On its loop, not within a closure of its channels, and after them. The connection ends later. */
void rpc_node_free(struct rpc_node *node);

/* A channel to one service of it. UNAVAILABLE of a call: there was no connection, or it broke; the
 * call may have been served, or may still be. After a failure, calls fail at once until it is time
 * for another attempt. BUSY: too much waits to be sent. */
ProtobufCService *rpc_node_channel_new(struct rpc_node *node,
                                       const ProtobufCServiceDescriptor *descriptor);

#endif
