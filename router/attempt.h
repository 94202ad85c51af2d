/* One request to a shard, tried until it is answered, refused or late: the only place that retries.
 *
 * NOT_LEADER, UNAVAILABLE and BUSY are tried again after a pause that grows, with some chance in
 * it, up to the deadline. A write may be repeated because its request id makes the repetition
 * harmless. Within the router alone. */
#ifndef AVISO_ROUTER_ATTEMPT_H
#define AVISO_ROUTER_ATTEMPT_H

#include "core/buffer.h"
#include "router/router.h"

struct attempt;

/* `reply` is NULL unless `status` is OK, and valid until the function returns; `octets` likewise.
 * It may free or start the attempt again. */
typedef void attempt_done_fn(struct attempt *attempt, enum status status,
                             const ProtobufCMessage *reply, struct rpc_octets *octets);

/* Embedded in the module's own work. */
struct attempt {
    struct router *router;
    attempt_done_fn *done;
    const ProtobufCServiceDescriptor *service;
    unsigned method;
    uint64_t deadline_ms;
    unsigned tries;
    const ProtobufCService *asked; /* the channel of the last one */
    struct buffer packed;          /* the request, to be sent again */
    struct rpc_octets *octets;
    struct rpc_call call;
    struct loop_timer pause;
};

/* Nothing is in flight yet. */
void attempt_init(struct attempt *attempt, struct router *router);

/* Cancels what is in flight. */
void attempt_done(struct attempt *attempt);

/* Sends `request` to the method of this name. Takes `octets`, which may be NULL. */
void attempt_start(struct attempt *attempt, uint32_t shard,
                   const ProtobufCServiceDescriptor *service, const char *method,
                   const ProtobufCMessage *request, struct rpc_octets *octets,
                   attempt_done_fn *done);

#endif
