/* A TCP socket on a loop, in the clear or under TLS: octets in, octets out, and an orderly end.
 * What carries sessions and requests is built on it. */
#ifndef AVISO_NET_TRANSPORT_H
#define AVISO_NET_TRANSPORT_H

#include <uv.h>

#include "net/loop_uv.h"
#include "net/tls_stream.h"

struct transport;

/* Tells its owner; none runs within a call to the transport. */
struct transport_events {
    /* There is something to pull, or the end of it. */
    void (*on_input)(struct transport *transport);
    /* The handshake is over. */
    void (*on_secured)(struct transport *transport);
    /* What was being written is on its way. */
    void (*on_sent)(struct transport *transport);
    /* The socket failed or its peer broke TLS: close it. */
    void (*on_broken)(struct transport *transport);
    /* After transport_close() or transport_finish(): its memory is the owner's again. */
    void (*on_closed)(struct transport *transport);
};

struct transport {
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct loop *loop;
    const struct transport_events *events;
    struct tls_stream *tls; /* or NULL */
    struct slice lent;      /* what was read in the clear, until it is pulled */
    struct buffer sending;  /* what libuv writes */
    size_t discarded;       /* octets, since the end was announced */
    bool is_open;
    bool is_wanted;  /* input is */
    bool is_reading; /* may go on a little after it is wanted no more */
    bool is_handshaking;
    bool is_sending;
    bool is_finishing;
    bool is_closing;
    bool is_broken;
    bool has_ended; /* the peer sends nothing more */
};

/* A socket that is not connected yet. */
void transport_init(struct transport *transport, struct loop *loop,
                    const struct transport_events *events);

/* After it was accepted or connected: no delay, keepalive. */
void transport_open(struct transport *transport);

/* Whether input is wanted now. */
void transport_want_input(struct transport *transport, bool wanted);

/* A run of octets, valid until the next pull or the end of the callback.
 * AGAIN: none now. NOT_FOUND: none any more. CORRUPT: close it. */
NODISCARD enum status transport_pull(struct transport *transport, struct slice *out_octets);

/* Sends what `output` holds and empties it, unless an earlier write is still going on: then
 * nothing happens, and on_sent follows. */
void transport_send(struct transport *transport, struct buffer *output);

/* Octets of the write that is going on which the system did not take yet. */
size_t transport_unsent_size(const struct transport *transport);

/* Begins the handshake; takes `tls`. What was read in the clear and not pulled is dropped. */
void transport_secure(struct transport *transport, struct tls_stream *tls);

/* Tells the peer that nothing follows, and drops what it still sends until it ends, too: closing at
 * once could destroy the last reply on its way. The owner closes it after a while. */
void transport_finish(struct transport *transport);

/* Harmless when it closes already. */
void transport_close(struct transport *transport);

#endif
