/* What the files of delivery share; nobody else includes it. */
#ifndef AVISO_ROUTER_DELIVERY_WORK_H
#define AVISO_ROUTER_DELIVERY_WORK_H

#include "core/arena.h"
#include "proto/delivery.pb-c.h"
#include "router/attempt.h"
#include "router/delivery.h"

enum {
    KEEPERS_MAX = 3,     /* shards asked to take charge for one that does not answer */
    PATIENCE_MS = 45000, /* after which no other is asked: the client waits, too */
};

/* The recipients of one shard, in one request; it puts the body's frames first when they are many.
 * When that shard does not answer, another one, the keeper, is asked to take charge. */
struct leg {
    struct delivery_work *work;
    struct attempt attempt;
    uint32_t shard;
    uint32_t asked;     /* the shard, or a keeper */
    size_t *recipients; /* indices in the order */
    size_t count;
    size_t frame;   /* the next to be put */
    unsigned round; /* of the shard's request */
    unsigned rounds_left;
    unsigned keepers;
    enum status failure; /* of the shard; OK: none yet */
    bool is_stored;
};

struct delivery_work {
    struct router *router;
    struct delivery *delivery;
    struct arena arena;
    struct delivery_order order; /* its texts copied */
    struct rpc_octets *octets;   /* beside each Deliver; NULL: not made yet */
    struct delivery_outcome *outcomes;
    struct leg *legs;
    size_t leg_count;
    size_t legs_left;
    uint64_t began_ms;
    uint32_t *silent; /* shards that did not answer */
    size_t silent_count;
};

/* Whether the body's frames go before the request. */
bool delivery_puts_frames_first(const struct ingested *ingested);

/* The leg's Deliver, which lives in the work's arena; its octets are then in the work. `out_id` has
 * to live as long as `out_request`, which borrows from it. */
void leg_fill_request(struct leg *leg, struct request_id *out_id,
                      Aviso__DeliverRequest *out_request);

#endif
