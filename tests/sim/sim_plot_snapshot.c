/* A plot around snapshots: a follower is cut off until its leader's log does not reach back to it;
 * when it fetches and installs what it lacks, it falls at a point in the middle of that, twice, and
 * the leader changes as well. */
#include "tests/sim/sim_nemesis.h"

static struct shard *follower_of(const struct plot *plot)
{
    return plot->others[0];
}

static bool begin_behind(struct sim *sim, struct plot *plot)
{
    plot_partition(sim, plot, plot_bit(follower_of(plot)));
    plot->index = replica_state(follower_of(plot)->replica).last.index;
    plot_step_event(plot->leader, RAFT_TRANSFER, shard_id(plot->others[1]));
    return true;
}

/* Long enough to be compacted, as soon as the state is durable. */
static void write_and_flush(struct sim *sim, struct plot *plot)
{
    struct shard *leader = operator_leader(sim, plot->group);

    if (leader != NULL && leader != follower_of(plot)) {
        plot_write(leader, 8);
    }
    if (leader != NULL && plot_runs(leader)) {
        sim->running = leader->node;
        shard_flush(leader);
        node_end_event(leader->node);
    }
}

static bool is_behind(struct sim *sim, struct plot *plot)
{
    const struct shard *leader = operator_leader(sim, plot->group);

    return leader != NULL && leader != follower_of(plot) &&
           replica_state(leader->replica).first_index > plot->index + 1;
}

/* With a disk that is slow to write down the new term. */
static void rejoin(struct sim *sim, struct plot *plot)
{
    plot_partition(sim, plot, 0);
    follower_of(plot)->node->disk_us =
        nemesis_chance(sim, 2) == 0 ? nemesis_between(sim, 500 * MS, 5 * SECOND) : 0;
}

static bool catches_up(struct sim *sim, struct plot *plot)
{
    return plot_runs(follower_of(plot)) &&
           (follower_of(plot)->fetching || follower_of(plot)->installing);
}

static void fall_on_the_way(struct sim *sim, struct plot *plot)
{
    static const char *const prefixes[] = {"install.", "replica.", "log.", ""};

    sim_arm_crash(sim, follower_of(plot)->node, prefixes[nemesis_chance(sim, 4)],
                  1 + nemesis_chance(sim, 24));
}

static bool is_down(struct sim *sim, struct plot *plot)
{
    return !follower_of(plot)->node->up;
}

static bool is_back(struct sim *sim, struct plot *plot)
{
    return plot_runs(follower_of(plot)) || catches_up(sim, plot);
}

static void change_leader_and_fall(struct sim *sim, struct plot *plot)
{
    struct shard *leader = operator_leader(sim, plot->group);

    if (leader != NULL) {
        plot_partition(sim, plot, plot_bit(leader));
    }
    fall_on_the_way(sim, plot);
}

static const struct plot_step behind_steps[] = {
    {is_behind, rejoin, write_and_flush, 20 * SECOND},
    {catches_up, fall_on_the_way, NULL, 6 * SECOND},
    {is_down, NULL, NULL, 6 * SECOND},
    {is_back, change_leader_and_fall, NULL, 25 * SECOND},
    {is_down, rejoin, write_and_flush, 6 * SECOND},
    {is_back, NULL, NULL, 25 * SECOND},
};

const struct plot_kind plot_behind = {"behind", begin_behind, behind_steps, COUNT_OF(behind_steps),
                                      false};
