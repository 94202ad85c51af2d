#include "net/connection_peer.h"

#include <string.h>

#include <arpa/inet.h>

#include "core/check.h"

/* ::ffff:192.0.2.1 */
static void unmap(struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *wide = (const struct sockaddr_in6 *)address;

    if (address->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&wide->sin6_addr)) {
        return;
    }
    struct sockaddr_in narrow = {.sin_family = AF_INET, .sin_port = wide->sin6_port};

    memcpy(&narrow.sin_addr, &wide->sin6_addr.s6_addr[12], sizeof(narrow.sin_addr));
    memset(address, 0, sizeof(*address));
    memcpy(address, &narrow, sizeof(narrow));
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6) {
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
    }
    return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
}

bool connection_peer_read(struct connection_peer *peer, const uv_tcp_t *tcp)
{
    struct sockaddr_storage local;
    int size = sizeof(peer->address);
    int local_size = sizeof(local);

    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&peer->address, &size) != 0 ||
        uv_tcp_getsockname(tcp, (struct sockaddr *)&local, &local_size) != 0) {
        return false;
    }
    unmap(&peer->address);
    const void *octets = peer->address.ss_family == AF_INET6
                             ? (const void *)&((struct sockaddr_in6 *)&peer->address)->sin6_addr
                             : (const void *)&((struct sockaddr_in *)&peer->address)->sin_addr;

    CHECK(inet_ntop(peer->address.ss_family, octets, peer->text, sizeof(peer->text)) != NULL);
    peer->is = (struct session_peer){
        .address = slice_of(peer->text),
        .port = port_of(&peer->address),
        .local_port = port_of(&local),
        .is_loopback = is_loopback(&peer->address),
    };
    return true;
}

void connection_peer_secured(struct connection_peer *peer, const struct tls_stream *tls)
{
    peer->is.is_tls = true;
    peer->is.tls_version = slice_of(tls_stream_version(tls));
    peer->is.tls_cipher = slice_of(tls_stream_cipher(tls));
}
