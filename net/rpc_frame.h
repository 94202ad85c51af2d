/* What goes over a connection between nodes: frames, each a header of fixed size, then a packed
 * message, then octets. Numbers are big-endian.
 *
 *      0  message size, octets        4
 *      4  octets size, octets         4
 *      8  kind                        1
 *      9  0                           1
 *     10  status                      2
 *     12  service                     4   rpc_frame_service()
 *     16  method                      2   its index, which never changes
 *     18  0                           2
 *     20  shard                       4
 *     24  request                     8
 *     32  argument                    4   by kind
 *
 * Each side first sends HELLO, and nothing else before it has the other's. Pure. */
#ifndef AVISO_NET_RPC_FRAME_H
#define AVISO_NET_RPC_FRAME_H

#include <stdint.h>

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

enum { RPC_FRAME_HEADER_SIZE = 36, RPC_HELLO_SIZE = 32, RPC_VERSION = 1 };

enum rpc_frame_kind {
    RPC_FRAME_HELLO = 1,   /* message: who speaks */
    RPC_FRAME_REQUEST = 2, /* argument: milliseconds it may take; 0: as many as it likes */
    RPC_FRAME_REPLY = 3,   /* ends the request well */
    RPC_FRAME_ITEM = 4,    /* of a stream */
    RPC_FRAME_END = 5,     /* without a message; argument: leader hint */
    RPC_FRAME_CANCEL = 6,
    RPC_FRAME_CREDIT = 7, /* argument: items */
    RPC_FRAME_PING = 8,
    RPC_FRAME_PONG = 9,
};

struct rpc_frame {
    enum rpc_frame_kind kind;
    uint32_t message_size;
    uint32_t octets_size;
    enum status status;
    uint32_t service;
    uint16_t method;
    uint32_t shard;
    uint64_t request;
    uint32_t argument;
};

/* Reads the header at the front of `octets`. AGAIN: not all of it is there. TOO_LARGE: over the
 * limits of net/rpc.h. INVALID: no frame that this version knows. A status that it does not know
 * is UNSUPPORTED. */
NODISCARD enum status rpc_frame_decode(struct slice octets, struct rpc_frame *out_frame);

/* Writes the header. */
void rpc_frame_encode(const struct rpc_frame *frame, char out_header[RPC_FRAME_HEADER_SIZE]);

/* A service on the wire: CRC32C of its full name, "aviso.Mailboxes". */
uint32_t rpc_frame_service(const char *name);

/* What a side says of itself. */
struct rpc_hello {
    uint16_t version_least; /* of frames that it understands */
    uint16_t version_most;
    uint32_t node; /* 0: none */
    uint64_t cluster;
    uint64_t features; /* bits that both must have before either uses them */
};

/* INVALID: not a greeting of this protocol. UNSUPPORTED: no version in common. */
NODISCARD enum status rpc_hello_decode(struct slice message, struct rpc_hello *out_hello);
void rpc_hello_encode(const struct rpc_hello *hello, char out_message[RPC_HELLO_SIZE]);

#endif
