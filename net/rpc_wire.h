/* One end of a connection between nodes, on top of a session's port: greets, puts frames together
 * and takes them apart. What the frames mean is for the server's and the client's side. */
#ifndef AVISO_NET_RPC_WIRE_H
#define AVISO_NET_RPC_WIRE_H

#include "net/rpc.h"
#include "net/rpc_frame.h"
#include "net/session.h"

enum {
    RPC_WIRE_OUTPUT_MAX = 256 * 1024 * 1024, /* octets that a slow peer did not take yet */
    RPC_SILENCE_MAX_MS = 15 * 1000,          /* after it a peer is dead */
    RPC_PINGS = 3,                           /* of the client, in that time */
};

struct rpc_wire;

struct rpc_wire_events {
    /* The other side is of this cluster and speaks a version that we know. */
    void (*on_hello)(struct rpc_wire *wire, const struct rpc_hello *hello);
    /* A frame but HELLO, PING and PONG. `message` is borrowed, `octets` taken or NULL.
     * False: the peer broke the protocol. */
    bool (*on_frame)(struct rpc_wire *wire, const struct rpc_frame *frame, struct slice message,
                     struct rpc_octets *octets);
};

struct rpc_wire {
    struct session_port port;
    const struct rpc_wire_events *events;
    struct rpc_hello hello; /* ours */
    uint64_t silence_max_ms;
    struct loop_timer flush; /* one write for all frames of a turn */
    struct buffer partial;   /* of a header or a message that did not come at once */
    struct rpc_frame frame;  /* whose parts are being taken */
    struct rpc_octets *octets;
    char *octets_next; /* where the rest of them goes */
    size_t octets_left;
    bool has_header;
    bool has_message; /* all of it is in `partial` */
    bool has_greeted; /* the other side */
    bool is_full;     /* a frame found no room: the peer is too slow */
};

/* Greets; `port` is copied. A peer that sends no frame for `silence_max_ms` is dead. */
void rpc_wire_init(struct rpc_wire *wire, const struct session_port *port,
                   const struct rpc_wire_events *events, const struct rpc_hello *hello,
                   uint64_t silence_max_ms);
void rpc_wire_done(struct rpc_wire *wire);

/* Takes all of `octets`. False: the peer broke the protocol, the connection ends. */
bool rpc_wire_take(struct rpc_wire *wire, struct slice octets);

/* Begins a frame with the sizes that it names: its message is written to the result, NULL when
 * there is no room, and `octets`, borrowed, follow. It is sent at the end of this turn. */
char *rpc_wire_begin(struct rpc_wire *wire, const struct rpc_frame *frame);
void rpc_wire_end(struct rpc_wire *wire, const struct rpc_frame *frame,
                  const struct rpc_octets *octets);

/* A frame without a message. */
void rpc_wire_send(struct rpc_wire *wire, const struct rpc_frame *frame);

#endif
