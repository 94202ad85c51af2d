/* The server's side of a request, whatever carries it. It belongs to the loop that serves it. */
#ifndef AVISO_NET_RPC_REQUEST_H
#define AVISO_NET_RPC_REQUEST_H

#include "core/arena.h"
#include "net/rpc.h"

/* One answer: an item of a stream, a reply, or an end without a message. */
struct rpc_answer {
    enum status status;
    uint32_t leader_hint;
    bool is_end;                     /* no other follows */
    const ProtobufCMessage *message; /* or NULL: `packed` is the message, if the status is OK */
    struct slice packed;
    size_t size;               /* of the message, packed */
    struct rpc_octets *octets; /* NULL or the carrier's, as soon as it is sent */
};

/* What differs between carriers. */
struct rpc_responder {
    void (*send)(struct rpc_request *request, const struct rpc_answer *answer);
    /* The request is over: its memory is the carrier's again. */
    void (*release)(struct rpc_request *request);
};

struct rpc_request {
    const struct rpc_responder *responder; /* the carrier sets this and the next five */
    struct loop *loop;
    uint32_t shard;
    uint64_t deadline_ms; /* UINT64_MAX: none */
    bool is_stream;
    struct rpc_octets *octets; /* taken */

    struct arena arena; /* holds the message */
    struct rpc_octets *reply_octets;
    unsigned credit; /* items that the client has room for */
    bool is_open;    /* from serving until the last answer */
    bool is_gone;    /* the client is */
    bool is_ending;  /* `ending` is on its way */
    bool has_begun;
    void (*on_end)(struct rpc_request *request, void *context);
    void (*on_writable)(struct rpc_request *request, void *context);
    void *context;
    struct loop_message ending;
};

/* Unpacks the message and calls the service. */
void rpc_request_serve(struct rpc_request *request, ProtobufCService *service,
                       unsigned method_index, struct slice packed);

/* The client cancelled, or is gone. May release the request. */
void rpc_request_abandon(struct rpc_request *request);

/* The client of a stream has room for more. May release the request. */
void rpc_request_credit(struct rpc_request *request, unsigned item_count);

/* Writes the answer's message, `answer->size` octets. */
void rpc_answer_pack(const struct rpc_answer *answer, char *out_octets);

#endif
