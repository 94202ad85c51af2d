/* What must hold once faults are over: progress within a bound, calm, and at the end one log, one
 * state and all that was acknowledged, on every replica. */
#include <inttypes.h>

#include "tests/sim/sim.h"

/* ---- Progress, once faults are over ---- */

enum { ELECTION_BOUND = 60 * SECOND, CALM_AFTER = 65 * SECOND };

void check_calm(struct sim *sim)
{
    if (!sim->healed || sim->quiet || sim->now_us < sim->healed_at_us + CALM_AFTER) {
        for (unsigned i = 0; i < sim->plan.groups; i++) {
            sim->groups[i].calm_acked = sim->groups[i].committed_last;
            sim->groups[i].calm_count = sim->groups[i].acked_count + sim->groups[i].read_count;
            sim->groups[i].calm_term = 0;
        }
        return;
    }
    for (unsigned i = 0; i < sim->plan.groups; i++) {
        struct group *group = &sim->groups[i];
        struct shard *leader = operator_leader(sim, i);

        if (leader == NULL) {
            sim_fail(sim, "progress: group %u has no leader %.0f s after the last fault", i,
                     (double)(sim->now_us - sim->healed_at_us) / SECOND);
            return;
        }
        uint64_t term = replica_state(leader->replica).hard_state.term;
        if (group->calm_term == 0) {
            client_flood(sim, i, sim->now_us + 20 * SECOND);
        } else if (term != group->calm_term) {
            sim_fail(sim,
                     "calm: group %u: term %" PRIu64 " became %" PRIu64 " though nothing fails", i,
                     group->calm_term, term);
        } else if (group->committed_last <= group->calm_acked) {
            sim_fail(sim, "progress: group %u commits nothing past %" PRIu64 " in 10 s", i,
                     group->committed_last);
        } else if (sim->plan.sync_max_us <= 300 * MS &&
                   group->acked_count + group->read_count <= group->calm_count) {
            sim_fail(sim, "progress: group %u acknowledges nothing in 10 s under load", i);
        }
        group->calm_term = term;
        group->calm_acked = group->committed_last;
        group->calm_count = group->acked_count + group->read_count;
    }
}

/* ---- At the end ---- */

static void check_log_of(struct sim *sim, struct group *group, struct shard *shard)
{
    struct raft_state raft = replica_state(shard->replica);
    uint64_t term;

    for (uint64_t index = raft.first_index; index <= raft.commit_index; index++) {
        if (log_term(shard->node->log, shard->group, index, &term) != STATUS_OK ||
            group->committed[index].term != term) {
            sim_fail(sim, "one log: group %u: node %" PRIu64 " has another entry %" PRIu64,
                     group->number, shard_id(shard), index);
            return;
        }
    }
}

static void check_operations(struct sim *sim, struct group *group, struct shard *shard)
{
    if (!state_is_sound(shard->state)) {
        sim_fail(sim, "a UID is never given twice: group %u: node %" PRIu64, group->number,
                 shard_id(shard));
    }
    for (uint64_t id = 1; id < group->acked_capacity && id <= group->operation_last; id++) {
        const struct acked *acked = &group->acked[id];
        uint32_t uid = 0;

        if (acked->index == 0 || acked->kind != OPERATION_DELIVER) {
            continue;
        }
        unsigned count = state_find(shard->state, acked->box, id, &uid);
        if (count != 1 || uid != acked->uid) {
            sim_fail(sim,
                     "what was acknowledged is there once: group %u operation %" PRIu64
                     " (box %u, uid %" PRIu32 ", entry %" PRIu64 ") is there %u times, with uid "
                     "%" PRIu32 ", on node %" PRIu64,
                     group->number, id, acked->box, acked->uid, acked->index, count, uid,
                     shard_id(shard));
            return;
        }
    }
}

static void check_group(struct sim *sim, struct group *group)
{
    struct shard *leader = operator_leader(sim, group->number);

    if (leader == NULL) {
        sim_fail(sim, "progress: group %u has no leader at the end", group->number);
        return;
    }
    struct raft_state raft = replica_state(leader->replica);
    check_operations(sim, group, leader);
    for (size_t i = 0; i < raft.configuration->count && !sim->failed; i++) {
        uint64_t id = raft.configuration->replicas[i].id;
        struct shard *shard = shard_by_id(sim, group->number, id);

        if (shard == NULL || shard->phase != SHARD_RUNS) {
            sim_fail(sim, "progress: group %u: replica %" PRIu64 " does not run at the end",
                     group->number, id);
            return;
        }
        if (state_meta(shard->state)->applied.index != raft.commit_index) {
            sim_fail(sim,
                     "progress: group %u: node %" PRIu64 " applied %" PRIu64
                     ", its leader committed %" PRIu64 " %d s ago",
                     group->number, id, state_meta(shard->state)->applied.index, raft.commit_index,
                     20);
            return;
        }
        if (state_meta(shard->state)->digest != state_meta(leader->state)->digest) {
            sim_fail(sim, "equal states: group %u: nodes %" PRIu64 " and %" PRIu64 " at the end",
                     group->number, id, shard_id(leader));
        }
        check_log_of(sim, group, shard);
    }
}

void check_end(struct sim *sim)
{
    for (unsigned i = 0; i < sim->plan.groups && !sim->failed; i++) {
        check_group(sim, &sim->groups[i]);
        sim_mix(sim, sim->groups[i].committed_last);
        sim_mix(sim, sim->groups[i].acked_count);
    }
}
