#include "router/placement_state.h"

#include <stdlib.h>

#include "core/memory.h"

enum { WEIGHT_UNIT = 1 << 30 }; /* a GiB: finer differences mean nothing */

static bool all_capacities_are_known(const struct placement_view *view)
{
    bool known = true;

    for (size_t i = 0; i < view->node_count; i++) {
        known = known && view->nodes[i].capacity > 0;
    }
    return known;
}

/* Where a shard is going counts, not where it is. */
static const struct cluster_replicas *goal_of(const struct cluster_shard *shard)
{
    return shard->wish.count > 0 ? &shard->wish : &shard->now;
}

static void count_shard(struct placement_state *state, const struct cluster_shard_entry *entry)
{
    uint32_t leader = entry->shard.leader_wish != 0 ? entry->shard.leader_wish
                      : entry->has_leader           ? entry->leader.node
                                                    : 0;
    struct placement_load *load = placement_load(state, leader);

    placement_count(state, goal_of(&entry->shard), 1);
    if (entry->shard.wish.count > 0) {
        placement_mark_busy(state, &entry->shard.now, &entry->shard.wish);
    }
    if (load != NULL) {
        load->leaders++;
    }
}

void placement_state_init(struct placement_state *state, const struct placement_view *view)
{
    bool is_weighed = all_capacities_are_known(view);

    state->view = view;
    state->loads = memory_zeroed((view->node_count + 1) * sizeof(*state->loads));
    for (size_t i = 0; i < view->node_count; i++) {
        uint64_t weight = is_weighed ? view->nodes[i].capacity / WEIGHT_UNIT : 1;

        state->loads[i].node = &view->nodes[i];
        state->loads[i].weight = weight > 0 ? weight : 1;
    }
    for (size_t i = 0; i < view->shard_count; i++) {
        if (view->shards[i].shard.id != 0) {
            count_shard(state, &view->shards[i]);
        }
    }
}

void placement_state_done(struct placement_state *state)
{
    memory_free(state->loads);
}

static int compare(const void *id, const void *load)
{
    uint32_t one = *(const uint32_t *)id;
    uint32_t other = ((const struct placement_load *)load)->node->id;

    return one < other ? -1 : one > other;
}

struct placement_load *placement_load(const struct placement_state *state, uint32_t node)
{
    return bsearch(&node, state->loads, state->view->node_count, sizeof(*state->loads), compare);
}

bool placement_is_fit(const struct placement_load *load)
{
    return load != NULL && load->node->is_alive && !load->node->is_draining;
}

void placement_count(struct placement_state *state, const struct cluster_replicas *replicas,
                     int step)
{
    for (size_t i = 0; i < replicas->count; i++) {
        struct placement_load *load = placement_load(state, replicas->list[i].node);

        if (load != NULL) {
            load->replicas += (uint32_t)step;
        }
    }
}

static bool differs(const struct cluster_replicas *one, const struct cluster_replica *replica)
{
    const struct cluster_replica *other = cluster_replicas_find(one, replica->node);

    return other == NULL || other->life != replica->life || other->role != replica->role;
}

static void mark(struct placement_state *state, const struct cluster_replicas *of,
                 const struct cluster_replicas *unlike)
{
    for (size_t i = 0; i < of->count; i++) {
        struct placement_load *load = placement_load(state, of->list[i].node);

        if (load != NULL && differs(unlike, &of->list[i])) {
            load->is_busy = true;
        }
    }
}

void placement_mark_busy(struct placement_state *state, const struct cluster_replicas *one,
                         const struct cluster_replicas *other)
{
    mark(state, one, other);
    mark(state, other, one);
}

static bool same_host(const struct placement_node *one, const struct placement_node *other)
{
    return one->host.text[0] != '\0' && cluster_name_equals(&one->host, &other->host);
}

/* Counts only the first of each zone, and of each host. */
unsigned placement_spread(const struct placement_state *state,
                          const struct cluster_replicas *replicas)
{
    unsigned zones = 0;
    unsigned hosts = 0;

    for (size_t i = 0; i < replicas->count; i++) {
        const struct placement_load *load = placement_load(state, replicas->list[i].node);
        bool is_new_zone = load != NULL && replicas->list[i].role == CLUSTER_VOTER;
        bool is_new_host = is_new_zone;

        for (size_t k = 0; k < i; k++) {
            const struct placement_load *other = placement_load(state, replicas->list[k].node);

            if (load != NULL && other != NULL && replicas->list[k].role == CLUSTER_VOTER) {
                is_new_zone =
                    is_new_zone && !cluster_name_equals(&load->node->zone, &other->node->zone);
                is_new_host = is_new_host && !same_host(load->node, other->node);
            }
        }
        zones += is_new_zone;
        hosts += is_new_host;
    }
    return zones * (CLUSTER_REPLICAS_MAX + 1) + hosts;
}

bool placement_has_quorum(const struct placement_state *state,
                          const struct cluster_replicas *replicas)
{
    size_t alive = 0;

    for (size_t i = 0; i < replicas->count; i++) {
        const struct placement_load *load = placement_load(state, replicas->list[i].node);

        alive += replicas->list[i].role == CLUSTER_VOTER && load != NULL && load->node->is_alive;
    }
    return alive > cluster_replicas_voters(replicas) / 2;
}

bool placement_evens(const struct placement_load *from, const struct placement_load *to)
{
    return from->replicas > 0 &&
           (2ULL * to->replicas + 1) * from->weight < (2ULL * from->replicas - 1) * to->weight;
}

/* Less loaded, once there is one more; of two alike the first stays. */
static bool is_emptier(const struct placement_load *one, const struct placement_load *other)
{
    return (one->replicas + 1ULL) * other->weight < (other->replicas + 1ULL) * one->weight;
}

struct placement_load *placement_best(const struct placement_state *state,
                                      const struct cluster_replicas *replicas,
                                      const struct cluster_name *region, bool may_be_busy)
{
    struct placement_load *best = NULL;
    unsigned best_spread = 0;

    for (size_t i = 0; i < state->view->node_count; i++) {
        struct placement_load *load = &state->loads[i];
        struct cluster_replicas with = *replicas;
        struct cluster_replica added = {load->node->id, 1, CLUSTER_VOTER};

        if (!placement_is_fit(load) || (load->is_busy && !may_be_busy) ||
            (region->text[0] != '\0' && !cluster_name_equals(region, &load->node->region)) ||
            cluster_replicas_find(replicas, load->node->id) != NULL ||
            cluster_replicas_put(&with, added) != STATUS_OK) {
            continue;
        }
        unsigned spread = placement_spread(state, &with);

        if (best == NULL || spread > best_spread ||
            (spread == best_spread && is_emptier(load, best))) {
            best = load;
            best_spread = spread;
        }
    }
    return best;
}
