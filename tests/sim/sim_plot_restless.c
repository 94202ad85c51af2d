/* A plot without a history in mind: whenever a replica changes its role, its term or its
 * configuration, something else breaks at that instant, and meanwhile members come and go. So what
 * is rare by chance, two changes of leader and one of members within a message's travel, is the
 * rule. */
#include "tests/sim/sim_nemesis.h"

/* What a strike waits for. */
static uint64_t standing(const struct sim *sim, const struct plot *plot)
{
    uint64_t hash = 1;

    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        const struct shard *shard = &sim->nodes[slot].shards[plot->group];

        if (plot_runs(shard)) {
            struct raft_state state = replica_state(shard->replica);

            hash = hash_mix(hash, (uint64_t)slot << 8 | state.role);
            hash = hash_mix(hash, state.hard_state.term);
            hash = hash_mix(hash, state.configuration_index);
            hash = hash_mix(hash, state.configuration_index > state.commit_index);
        }
    }
    return hash;
}

static bool begin_restless(struct sim *sim, struct plot *plot)
{
    plot->index = standing(sim, plot);
    return true;
}

static bool is_stirred(struct sim *sim, struct plot *plot)
{
    return standing(sim, plot) != plot->index;
}

static struct shard *any_replica(struct sim *sim, const struct plot *plot)
{
    struct shard *leader = operator_leader(sim, plot->group);

    return leader != NULL && nemesis_chance(sim, 2) == 0 ? leader
                                                         : &nemesis_any(sim)->shards[plot->group];
}

static unsigned any_side(struct sim *sim)
{
    return (unsigned)nemesis_chance(sim, 1U << sim->node_count);
}

static void strike(struct sim *sim, struct plot *plot)
{
    struct shard *one = any_replica(sim, plot);
    struct shard *other = any_replica(sim, plot);

    switch (nemesis_chance(sim, 8)) {
    case 0:
    case 1:
        plot_partition(sim, plot, any_side(sim));
        break;
    case 2:
        plot_partition(sim, plot, 0);
        break;
    case 3:
        plot_silence(sim, plot, plot_bit(one), any_side(sim));
        break;
    case 4: /* and then all at once */
        plot_hold(sim, plot, one, other, sim->now_us + nemesis_between(sim, SECOND, 15 * SECOND));
        break;
    case 5:
        node_crash(one->node, nemesis_any_loss(sim), nemesis_between(sim, 20 * MS, 2 * SECOND));
        break;
    case 6:
        one->node->disk_us = nemesis_between(sim, 20 * MS, 3 * SECOND);
        break;
    default:
        one->node->disk_us = 0;
        plot_step_event(one, RAFT_TRANSFER, 0);
        break;
    }
    plot->index = standing(sim, plot);
}

static void stir(struct sim *sim, struct plot *plot)
{
    struct shard *leader = operator_leader(sim, plot->group);

    switch (nemesis_chance(sim, 8)) {
    case 0:
        operator_wander(sim, plot->group);
        break;
    case 1:
        plot_campaign(any_replica(sim, plot));
        break;
    case 2:
        plot_partition(sim, plot, 0);
        break;
    default:
        if (leader != NULL) {
            plot_write(leader, 1);
        }
        break;
    }
}

#define STRIKE                                                                                     \
    {                                                                                              \
        is_stirred, strike, stir, 5 * SECOND                                                       \
    }

static const struct plot_step restless_steps[] = {
    STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE,
    STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE, STRIKE,
};

const struct plot_kind plot_restless = {"restless", begin_restless, restless_steps,
                                        COUNT_OF(restless_steps), false};
