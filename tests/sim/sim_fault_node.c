/* Nodes that crash, stand still, or have the wrong time. */
#include <inttypes.h>

#include "tests/sim/sim_nemesis.h"

/* ---- Crashes ---- */

void fault_crash(struct sim *sim)
{
    struct node *node = nemesis_victim(sim);

    if (node != NULL) {
        sim_tell(sim, "node %" PRIu64 " crashes", node->id);
        node_crash(node, nemesis_any_loss(sim), nemesis_between(sim, 20 * MS, 15 * SECOND));
    }
}

void fault_crash_point(struct sim *sim)
{
    static const char *const prefixes[] = {"", "replica.", "log.", "install.", "shard.", "node."};

    sim_arm_crash(sim, NULL, prefixes[nemesis_chance(sim, 6)], 1 + nemesis_chance(sim, 400));
}

static void run_storm(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = nemesis_any_up(sim);

    if (sim->healed) {
        return;
    }
    if (node != NULL) {
        node_crash(node, nemesis_any_loss(sim), nemesis_between(sim, 20 * MS, SECOND));
    }
    if (argument > 0) {
        sim_at(sim, sim->now_us + nemesis_between(sim, 50 * MS, 3 * SECOND), run_storm, NULL,
               argument - 1);
    }
}

void fault_crash_storm(struct sim *sim)
{
    sim_tell(sim, "a storm of crashes");
    run_storm(sim, NULL, 2 + nemesis_chance(sim, 12));
}

void fault_crash_all(struct sim *sim)
{
    sim_tell(sim, "all nodes crash");
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        if (nemesis_chance(sim, 5) > 0) {
            node_crash(&sim->nodes[slot], nemesis_any_loss(sim),
                       nemesis_between(sim, 100 * MS, 5 * SECOND));
        }
    }
}

void fault_pause(struct sim *sim)
{
    struct node *node = nemesis_victim(sim);

    if (node != NULL) {
        node->paused_until_us = sim->now_us + nemesis_between(sim, 100 * MS, 12 * SECOND);
        sim_tell(sim, "node %" PRIu64 " stands still", node->id);
    }
}

/* ---- Clocks ---- */

void fault_clock_jump(struct sim *sim)
{
    struct node *node = nemesis_any(sim);

    node_clock_change(node, (int64_t)nemesis_between(sim, MS, 20 * SECOND), node->clock_rate_ppm);
    node->wall_skew_ms += (int64_t)nemesis_chance(sim, 20000) - 10000;
    sim_tell(sim, "the clock of node %" PRIu64 " jumps", node->id);
}

void fault_clock_rate(struct sim *sim)
{
    struct node *node = nemesis_any(sim);

    node_clock_change(node, 0, nemesis_any_rate(sim));
    sim_tell(sim, "the clock of node %" PRIu64 " goes wrong", node->id);
}
