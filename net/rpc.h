/* Requests to other nodes: protobuf messages in frames, over TCP, TLS or within the process.
 *
 * A channel is a ProtobufCService, so the functions that protoc-c generates send the requests; a
 * server is one, too: the `serve_` functions of its methods. Both sides are the same code whether
 * a socket lies between them or not.
 *
 *     client: rpc_call_init -> fill shard, deadline, octets -> aviso__service__method(channel,
 *             &request, closure, &call) -> closure(reply or NULL, &call), once
 *     server: serve_method(service, request, closure, call) -> closure(&reply, call) or
 *             rpc_fail(call, status), once, at once or later
 */
#ifndef AVISO_NET_RPC_H
#define AVISO_NET_RPC_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "core/slice.h"
#include "core/status.h"
#include "net/loop.h"

enum {
    RPC_MESSAGE_SIZE_MAX = 4 * 1024 * 1024, /* octets of a protobuf message */
    RPC_OCTETS_SIZE_MAX = 8 * 1024 * 1024,  /* octets beside it */
    RPC_TIMEOUT_DEFAULT_MS = 30 * 1000,     /* of a call without a deadline that is no stream */
    RPC_STREAM_WINDOW = 16,                 /* items on their way in one stream */
};

/* Octets that travel beside a message and never through protobuf: shared, immutable, counted. */
struct rpc_octets;
/* Born with one reference. */
struct rpc_octets *rpc_octets_new(struct slice bytes); /* copies */
struct rpc_octets *rpc_octets_reserve(size_t size,
                                      char **out_writable); /* to be filled before use */
struct rpc_octets *rpc_octets_ref(struct rpc_octets *octets);
void rpc_octets_unref(struct rpc_octets *octets);              /* accepts NULL */
struct slice rpc_octets_view(const struct rpc_octets *octets); /* of NULL: empty */

/* ---- The client's side ---- */

/* One request in flight, embedded in who wants the answer. Its closure runs exactly once (for a
 * stream: once an item and once for the end), on the loop of the channel, never before the sending
 * function has returned, and never after rpc_call_cancel(). When `status` is not OK the closure's
 * message is NULL. A stream ends with a NULL message. */
struct rpc_call {
    uint32_t shard;            /* who is asked: given by the caller, as the next two */
    uint64_t deadline_ms;      /* of loop_now_ms(); TIMED_OUT after it. 0: the default, or none
                                  for a stream */
    struct rpc_octets *octets; /* the request's, which the call takes; or NULL */

    enum status status;              /* how it ended, or OK for an item of a stream */
    struct rpc_octets *reply_octets; /* borrowed until the closure returns; or NULL */
    uint32_t leader_hint;            /* node id with NOT_LEADER; 0: unknown */

    struct rpc_pending *pending; /* the channel's; NULL when nothing is in flight */
};

/* A call to whoever leads `shard`, with the default deadline and no octets. */
void rpc_call_init(struct rpc_call *call, uint32_t shard);

/* Forgets the request: its closure will not run; the server is told. Harmless when none is in
 * flight. */
void rpc_call_cancel(struct rpc_call *call);

/* A method of a channel whose replies are a stream: known on both sides by its name, which begins
 * with "Watch". */
bool rpc_method_is_stream(const ProtobufCServiceDescriptor *service, unsigned method);

/* ---- The server's side ---- */

/* The request being served, which is the `closure_data` of the serve_ functions. Until it is
 * answered the request message and all that hangs on it stay valid. It is served and answered on
 * one loop. */
struct rpc_request;

/* What the client gave. */
uint32_t rpc_request_shard(const struct rpc_request *request);
struct loop *rpc_request_loop(const struct rpc_request *request); /* that serves it */
struct slice rpc_request_octets(const struct rpc_request *request);
struct rpc_octets *rpc_request_octets_ref(struct rpc_request *request); /* to keep them longer */

/* The client's deadline on this loop's clock. */
uint64_t rpc_request_deadline_ms(const struct rpc_request *request);

/* Octets beside the reply that the closure then sends; takes `octets`. */
void rpc_reply_octets(struct rpc_request *request, struct rpc_octets *octets);

/* Sends a reply that is packed already: the closure's work without its message. */
void rpc_reply_packed(struct rpc_request *request, struct slice message);

/* The other answer, instead of the closure's. */
void rpc_fail(void *request, enum status status);
void rpc_fail_not_leader(void *request, uint32_t leader_hint);

/* A stream: the closure sends items, rpc_fail() ends it (with OK, orderly). `on_end` runs once when
 * the client cancels or goes away, after which the request is gone; not after rpc_fail(). Neither
 * runs before this returns. Begin before the first item. */
void rpc_stream_begin(struct rpc_request *request, void (*on_end)(struct rpc_request *, void *),
                      void (*on_writable)(struct rpc_request *, void *), void *context);

/* Whether the client has room for another item; if not, none may be sent, and `on_writable` tells
 * when. */
bool rpc_stream_is_writable(const struct rpc_request *request);

/* ---- Services, servers and channels ---- */

/* What a node serves. Requests run on the loop that `route` names for their shard (or the receiving
 * loop when it returns NULL, which the service then has to expect). */
struct rpc_services {
    ProtobufCService *const *services;
    size_t service_count;
    struct loop *(*route)(void *context, uint32_t shard);
    void *context;
};

/* Slices and the wire's bytes are the same thing. */
static inline ProtobufCBinaryData wire_from_slice(struct slice slice)
{
    return (ProtobufCBinaryData){slice.size, (uint8_t *)slice.data};
}

static inline struct slice slice_from_wire(ProtobufCBinaryData bytes)
{
    return (struct slice){(const char *)bytes.data, bytes.len};
}

/* A channel within the process, for callers on `loop`: requests and replies are packed, posted to
 * the loop of the shard, and unpacked there, as over a socket. UNSUPPORTED of every call: none of
 * `services`, which are borrowed, is `descriptor`'s. UNAVAILABLE: they are NULL. Free it on its
 * loop, with no call in flight.
 */
ProtobufCService *rpc_local_channel_new(struct loop *loop,
                                        const ProtobufCServiceDescriptor *descriptor,
                                        const struct rpc_services *services);
void rpc_channel_free(ProtobufCService *channel);

#endif
