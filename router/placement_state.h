/* What placement weighs: nodes with what they carry, and how well replicas are spread. */
#ifndef AVISO_ROUTER_PLACEMENT_STATE_H
#define AVISO_ROUTER_PLACEMENT_STATE_H

#include "router/placement.h"

/* A node, with what is on it once all that goes on is done. */
struct placement_load {
    const struct placement_node *node;
    uint64_t weight; /* what it can carry, against the others */
    uint32_t replicas;
    uint32_t leaders;
    bool is_busy; /* takes part in a move */
};

struct placement_state {
    const struct placement_view *view;
    struct placement_load *loads; /* of each node, in their order */
};

/* What is there, counted; and its memory given back. */
void placement_state_init(struct placement_state *state, const struct placement_view *view);
void placement_state_done(struct placement_state *state);

/* NULL: not known. */
struct placement_load *placement_load(const struct placement_state *state, uint32_t node);

/* Takes new replicas: alive, not to be emptied. */
bool placement_is_fit(const struct placement_load *load);

/* Counts replicas as on their nodes, or as gone from there, by `step` 1 or -1. */
void placement_count(struct placement_state *state, const struct cluster_replicas *replicas,
                     int step);

/* All who have a replica in one of the two take part in a move, or already do. */
void placement_mark_busy(struct placement_state *state, const struct cluster_replicas *one,
                         const struct cluster_replicas *other);

/* How well voters are spread: zones first, then hosts. More is better. */
unsigned placement_spread(const struct placement_state *state,
                          const struct cluster_replicas *replicas);

/* Whether the voters that are alive are enough to decide. */
bool placement_has_quorum(const struct placement_state *state,
                          const struct cluster_replicas *replicas);

/* Whether one replica more on `to` and one less on `from` evens the load out: the sum of squares
 * over weights goes down. */
bool placement_evens(const struct placement_load *from, const struct placement_load *to);

/* The fit node, idle unless `may_be_busy`, on which a voter more makes `replicas` (and has none of
 * them) spread best; of those the least loaded. NULL: there is none in `region`. */
struct placement_load *placement_best(const struct placement_state *state,
                                      const struct cluster_replicas *replicas,
                                      const struct cluster_name *region, bool may_be_busy);

#endif
