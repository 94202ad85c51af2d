/* A loop's way to all storage nodes: the shard map, a channel to each service, retries. One for
 * each loop that asks; all its calls end on that loop.
 *
 * The clients (directory, account_client, mailbox_client, delivery, watch_client) take a router.
 * Each of their calls is a structure embedded in who wants the answer: `done` runs exactly once,
 * never before the function returned and never after the call's cancel; who owns a call cancels it
 * before going away. Slices given are copied; slices of results are borrowed until `done` returns.
 *
 * Any call may end in UNAVAILABLE, BUSY, TIMED_OUT (outcome unknown for writes, which then may be
 * repeated under the same request id) and CORRUPT; other outcomes are named at each. NOT_LEADER
 * never comes out: the router follows leaders and retries until the deadline. */
#ifndef AVISO_ROUTER_ROUTER_H
#define AVISO_ROUTER_ROUTER_H

#include "net/loop.h"
#include "net/rpc.h"
#include "net/tls.h"
#include "net/worker.h"
#include "router/shard_map.h"

struct router;

struct router_options {
    struct loop *loop;
    const struct rpc_services *local; /* the services of this process; NULL: none, all are remote */
    struct shard_map *map;            /* of a cluster: then storage is where it says */
    struct tls_context *tls;          /* for storage nodes; NULL: plain */
    bool is_plain_allowed;            /* to nodes that are not on loopback */
    struct worker_pool *workers;      /* for compressing and parsing large messages */
    uint64_t call_timeout_ms;         /* a call's deadline, retries included: 30 s */
    uint64_t directory_cache_ms;      /* how old a directory answer may be: 5 s */
    size_t directory_cache_count_max; /* entries */
};

/* Copies the options. */
struct router *router_new(const struct router_options *options);

/* With no call in flight. */
void router_free(struct router *router);

/* From now on, a newer map: on its loop. */
void router_update_map(struct router *router, struct shard_map *map);

/* What it was made with; the map is valid until the next one. */
struct loop *router_loop(const struct router *router);
const struct shard_map *router_map(const struct router *router);
struct worker_pool *router_workers(const struct router *router);

/* The identity of a write or a delivery, so that a repetition has one effect: 48 bits of wall time
 * in milliseconds, then 80 random ones. */
enum { REQUEST_ID_SIZE = 16 };
struct request_id {
    char octets[REQUEST_ID_SIZE];
};
/* A new one. */
void request_id_make(struct request_id *out_id);

#endif
