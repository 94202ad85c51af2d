/* The client's side of a request in flight, whatever carries it.
 *
 * A carrier is a structure that begins with a rpc_channel and makes structures that hold a
 * rpc_pending. Everything here belongs to the channel's loop. */
#ifndef AVISO_NET_RPC_PENDING_H
#define AVISO_NET_RPC_PENDING_H

#include "net/rpc.h"

struct rpc_channel {
    ProtobufCService service; /* first: what the generated functions take */
    struct loop *loop;
    const struct rpc_carrier *carrier;
    size_t pending_count;
};

struct rpc_pending {
    struct rpc_channel *channel;
    struct rpc_call *call; /* NULL: ended, answers are dropped */
    const ProtobufCMethodDescriptor *method;
    ProtobufCClosure closure;
    bool is_stream;
    unsigned item_count;     /* taken since the server was last given credit */
    struct loop_timer timer; /* the deadline, or the moment to tell a failure that is known */
    enum status failure;     /* that the timer then tells */
};

/* A request as it goes out; the slice and the message are borrowed, the octets taken. */
struct rpc_outgoing {
    unsigned method_index;
    uint32_t shard;
    uint64_t deadline_ms; /* of the channel's loop; UINT64_MAX: none */
    const ProtobufCMessage *message;
    size_t message_size; /* packed; within its limit */
    struct rpc_octets *octets;
};

/* What differs between carriers. */
struct rpc_carrier {
    /* Memory for a request in flight, all zeros but what the carrier wants. */
    struct rpc_pending *(*make)(struct rpc_channel *channel);
    /* Any failure is told to the caller later. Takes the octets in any case. */
    enum status (*send)(struct rpc_pending *pending, const struct rpc_outgoing *outgoing);
    /* Tells the server that the client does not wait any more. release() follows. */
    void (*cancel)(struct rpc_pending *pending);
    /* Lets the server send so many more items. */
    void (*credit)(struct rpc_pending *pending, unsigned item_count);
    /* The request ended: `pending` is not used any more. */
    void (*release)(struct rpc_pending *pending);
    /* Frees the channel. */
    void (*free)(struct rpc_channel *channel);
};

/* Makes `channel` one for `descriptor`'s methods. */
void rpc_channel_init(struct rpc_channel *channel, struct loop *loop,
                      const ProtobufCServiceDescriptor *descriptor,
                      const struct rpc_carrier *carrier);

/* What came for a request: the last statement of who calls it, since the closure may free much.
 * `octets` may be NULL and stay the caller's. */
void rpc_pending_answer(struct rpc_pending *pending, struct slice packed,
                        struct rpc_octets *octets);

/* Its end without a message. */
void rpc_pending_end(struct rpc_pending *pending, enum status status, uint32_t leader_hint);

#endif
