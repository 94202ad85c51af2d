/* Who is on the other side of a socket. */
#ifndef AVISO_NET_CONNECTION_PEER_H
#define AVISO_NET_CONNECTION_PEER_H

#include <netinet/in.h>
#include <uv.h>

#include "net/session.h"
#include "net/tls_stream.h"

struct connection_peer {
    struct session_peer is; /* its slices are of this structure, or literals */
    struct sockaddr_storage address;
    char text[INET6_ADDRSTRLEN];
};

/* Fills `peer` from a connected socket; an IPv4 address that came by IPv6 is an IPv4 address.
 * False: the peer is gone already. */
bool connection_peer_read(struct connection_peer *peer, const uv_tcp_t *tcp);

/* Notes that the handshake is over. */
void connection_peer_secured(struct connection_peer *peer, const struct tls_stream *tls);

#endif
