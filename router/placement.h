/* Where the replicas of shards should be: a pure decision over what is known of a cluster.
 *
 * A shard's voters are spread over zones, then over hosts; what is on a node that is away for long,
 * or is to be emptied, moves elsewhere; then nodes are filled evenly for their capacity, and
 * leaders are spread. Every move makes things better by a measure that cannot go round in circles,
 * so its own outcome is left alone. A node takes part in one move at a time, and no move is
 * proposed that the voters which are alive could not carry out. */
#ifndef AVISO_ROUTER_PLACEMENT_H
#define AVISO_ROUTER_PLACEMENT_H

#include "router/cluster_map.h"

struct placement_node {
    uint32_t id;
    struct cluster_name zone;
    struct cluster_name region;
    struct cluster_name host; /* empty: of its own */
    uint64_t capacity;        /* 0: not known; then all count the same */
    bool is_alive;
    bool is_draining;
    uint64_t away_ms; /* for how long it is not alive */
};

struct placement_view {
    const struct placement_node *nodes; /* by ascending id; who is not here is away for ever */
    size_t node_count;
    const struct cluster_shard_entry *shards; /* by ascending id */
    size_t shard_count;
    uint64_t replace_after_ms; /* away for so long, a node's replicas are made elsewhere */
};

enum placement_reason {
    PLACEMENT_REPLACE, /* of one that is away */
    PLACEMENT_DRAIN,
    PLACEMENT_ADD,    /* too few voters */
    PLACEMENT_REMOVE, /* too many */
    PLACEMENT_SPREAD,
    PLACEMENT_BALANCE,
    PLACEMENT_LEADER,
};

/* A word for logs. */
const char *placement_reason_text(enum placement_reason reason);

/* The shard's record with the wish in it; the rest of it is as it was, but for `life_next`. */
struct placement_move {
    enum placement_reason reason;
    uint64_t revision; /* of the record that it is made of */
    struct cluster_shard shard;
};

/* At most `move_count_max` moves that may go on at the same time; 0: all is as it should be, or has
 * to wait for what goes on. */
size_t placement_decide(const struct placement_view *view, struct placement_move *out_moves,
                        size_t move_count_max);

/* The replicas of new shards 1 to `shard_count`, of `voters` voters each, evenly over the nodes
 * that are alive. UNAVAILABLE: there are fewer of those than voters. */
NODISCARD enum status placement_found(const struct placement_view *view, uint32_t voters,
                                      size_t shard_count, struct cluster_shard *out_shards);

#endif
