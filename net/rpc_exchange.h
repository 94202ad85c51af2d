/* A request between two loops: the one it came from (its origin) and the one that serves it.
 *
 * Requests, answers and notices travel as messages. Each side touches only its own half of the
 * exchange that they share, and the last to leave frees it: so either side may be gone when the
 * other's message arrives. */
#ifndef AVISO_NET_RPC_EXCHANGE_H
#define AVISO_NET_RPC_EXCHANGE_H

#include <stdatomic.h>

#include "net/rpc_request.h"

/* An answer, back at the origin. What it holds is borrowed until on_answer returns. */
struct rpc_exchange_answer {
    enum status status;
    uint32_t leader_hint;
    bool is_end;
    bool has_message;
    struct slice packed;
    struct rpc_octets *octets; /* or NULL */
};

/* The first member of what the origin knows of the request. */
struct rpc_exchange {
    atomic_uint references;
    struct rpc_request request; /* the server's half */
    struct loop *origin;
    /* On the origin, for every answer, also when nobody wants it any more. */
    void (*on_answer)(struct rpc_exchange *exchange, const struct rpc_exchange_answer *answer);
    struct loop_message arrival; /* at the loop that serves, with the rest */
    ProtobufCService *served;
    unsigned method_index;
    char *packed;
    size_t packed_size;
};

/* What is asked. */
struct rpc_exchange_request {
    ProtobufCService *served;
    unsigned method_index;
    struct loop *loop; /* serves it */
    uint32_t shard;
    uint64_t deadline_ms;
    struct rpc_octets *octets; /* taken; or NULL */
    char *packed;              /* of memory_resized(), taken */
    size_t packed_size;
};

/* `exchange` is at the front of a NEW structure; born with the origin's reference. */
void rpc_exchange_init(struct rpc_exchange *exchange, struct loop *origin,
                       void (*on_answer)(struct rpc_exchange *exchange,
                                         const struct rpc_exchange_answer *answer));

/* The origin has no more use for it. */
void rpc_exchange_unref(struct rpc_exchange *exchange);

/* Sends the request on its way, once. */
void rpc_exchange_ask(struct rpc_exchange *exchange, const struct rpc_exchange_request *request);

/* Lets the server of a stream send so many more items; 0: the client is gone. Harmless before the
 * request was sent and when it is over. */
void rpc_exchange_notify(struct rpc_exchange *exchange, unsigned credit);

#endif
