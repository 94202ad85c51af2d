/* What operators do at bad moments, and what they do when a quorum is lost. */
#include <inttypes.h>

#include "tests/sim/sim_nemesis.h"

void fault_transfer(struct sim *sim)
{
    struct shard *leader = operator_leader(sim, (unsigned)nemesis_chance(sim, sim->plan.groups));
    struct raft_event event = {.kind = RAFT_TRANSFER};

    if (leader == NULL) {
        return;
    }
    struct raft_state state = replica_state(leader->replica);
    if (nemesis_chance(sim, 3) > 0 && state.configuration->count > 0) {
        event.peer =
            state.configuration->replicas[nemesis_chance(sim, state.configuration->count)].id;
    }
    sim->running = leader->node;
    enum status status = shard_step(leader, event);
    sim_tell(sim, "group %u: node %" PRIu64 " is to hand over to %" PRIu64 ": %s", leader->group,
             shard_id(leader), event.peer, status_text(status));
    node_end_event(leader->node);
}

void fault_campaign(struct sim *sim)
{
    struct node *node = nemesis_any_up(sim);
    unsigned group = (unsigned)nemesis_chance(sim, sim->plan.groups);

    if (node != NULL && node->shards[group].phase == SHARD_RUNS) {
        sim->running = node;
        enum status status =
            shard_step(&node->shards[group], (struct raft_event){.kind = RAFT_CAMPAIGN});

        (void)status;
        node_end_event(node);
    }
}

void fault_membership(struct sim *sim)
{
    operator_wander(sim, (unsigned)nemesis_chance(sim, sim->plan.groups));
}

/* ---- A quorum is written off, and comes back ---- */

static bool has_best_log(struct sim *sim, unsigned group, uint64_t gone, unsigned *out_slot)
{
    struct raft_position best = {0};
    bool found = false;

    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        struct shard *shard = &sim->nodes[slot].shards[group];

        if (((gone >> slot) & 1) != 0 || shard->phase != SHARD_RUNS || shard->installing ||
            shard->generation != sim->groups[group].generation || shard->at_risk ||
            !shard->created) {
            continue;
        }
        struct raft_state state = replica_state(shard->replica);
        if (raft_configuration_votes(state.configuration, shard_id(shard)) && !state.installing &&
            (!found || state.last.term > best.term ||
             (state.last.term == best.term && state.last.index > best.index))) {
            best = state.last;
            *out_slot = slot;
            found = true;
        }
    }
    return found;
}

static void run_force(struct sim *sim, void *context, uint64_t argument)
{
    struct group *group = context;
    struct shard *shard = &sim->nodes[group->survivor].shards[group->number];

    if (!group->disaster) {
        return;
    }
    if (shard->phase == SHARD_RUNS && !shard->installing && !shard->node->dying) {
        sim->running = shard->node;
        sim_tell(sim, "group %u: node %" PRIu64 " is forced", group->number, shard_id(shard));
        shard->phase = SHARD_FORCING;
        shard->is_dirty = true;
        shard_drop_waiters(shard);
        node_end_event(shard->node);
    }
    sim_at(sim, sim->now_us + SECOND, run_force, group, 0);
}

/* Some nodes are cut off from all others; what is left has no quorum, and one of it is forced. The
 * others come back with a generation that is over. */
void fault_force(struct sim *sim)
{
    struct group *group = &sim->groups[nemesis_chance(sim, sim->plan.groups)];
    uint64_t gone = 0;
    unsigned survivor;

    for (unsigned i = 0; i < sim->plan.groups; i++) {
        if (sim->groups[i].disaster) {
            return;
        }
    }
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        if (sim->nodes[slot].shards[group->number].hosted && nemesis_chance(sim, 3) > 0) {
            gone |= 1U << slot;
        }
    }
    if (nemesis_is_rotten_anywhere(sim) || !has_best_log(sim, group->number, gone, &survivor)) {
        return;
    }
    group->disaster = true;
    group->survivor = survivor;
    for (unsigned from = 0; from < sim->node_count; from++) {
        for (unsigned to = 0; to < sim->node_count; to++) {
            if (((gone >> from) & 1) != ((gone >> to) & 1)) {
                nemesis_take_link(sim, from, to)->cut = true;
            }
        }
    }
    sim_tell(sim, "group %u: slots %#" PRIx64 " are written off", group->number, gone);
    sim_at(sim, sim->now_us + SECOND, run_force, group, 0);
    nemesis_mend_links_later(sim, nemesis_between(sim, 5 * SECOND, 40 * SECOND));
}
