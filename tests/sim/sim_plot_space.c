/* A plot around a full disk: a node has no room for its next write; as soon as it has noticed,
 * there is a little room, then none again; and when it works again and has answered for something,
 * it loses all that was not synced. Half of the time it leads. */
#include "tests/sim/sim_nemesis.h"

static struct shard *victim_of(const struct plot *plot)
{
    return plot->next;
}

static void leave_room(struct sim *sim, const struct plot *plot, uint64_t octets)
{
    struct fake_disk *disk = victim_of(plot)->node->disk;

    fake_disk_limit(disk, fake_disk_used(disk) + nemesis_chance(sim, octets + 1));
}

static bool begin_no_room(struct sim *sim, struct plot *plot)
{
    plot->next = nemesis_chance(sim, 2) == 0 ? plot->leader : plot->others[0];
    leave_room(sim, plot, 4096);
    return true;
}

static void write_on(struct sim *sim, struct plot *plot)
{
    struct shard *leader = operator_leader(sim, plot->group);

    if (leader != NULL) {
        plot_write(leader, 12);
    }
}

static bool has_stopped(struct sim *sim, struct plot *plot)
{
    return victim_of(plot)->phase == SHARD_STOPPED || !victim_of(plot)->node->up;
}

static void leave_little(struct sim *sim, struct plot *plot)
{
    leave_room(sim, plot, 80000);
}

static bool runs_again(struct sim *sim, struct plot *plot)
{
    return plot_runs(victim_of(plot));
}

static void leave_all(struct sim *sim, struct plot *plot)
{
    fake_disk_limit(victim_of(plot)->node->disk, UINT64_MAX);
}

static void note_persisted(struct sim *sim, struct plot *plot)
{
    plot->index = replica_state(victim_of(plot)->replica).persisted_index;
}

static bool has_written(struct sim *sim, struct plot *plot)
{
    return plot_runs(victim_of(plot)) &&
           replica_state(victim_of(plot)->replica).persisted_index > plot->index;
}

static void fall(struct sim *sim, struct plot *plot)
{
    node_crash(victim_of(plot)->node, FAKE_DISK_LOSES, nemesis_between(sim, 20 * MS, 2 * SECOND));
}

static const struct plot_step no_room_steps[] = {
    {has_stopped, leave_little, write_on, 15 * SECOND},
    {runs_again, NULL, NULL, 10 * SECOND},
    {has_stopped, leave_all, write_on, 15 * SECOND},
    {runs_again, note_persisted, NULL, 25 * SECOND},
    {has_written, fall, write_on, 10 * SECOND},
    {runs_again, NULL, write_on, 10 * SECOND},
};

const struct plot_kind plot_no_room = {"no-room", begin_no_room, no_room_steps,
                                       COUNT_OF(no_room_steps), false};
