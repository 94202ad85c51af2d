/* Which fault, when; and whom it hits. Each lasts for a while, and is undone by itself or at the
 * end. The faults themselves are in sim_fault_*.c, and adversaries with a plan in sim_plot_*.c. */
#include "tests/sim/sim_nemesis.h"

static const struct {
    const char *text;
    void (*begin)(struct sim *sim);
} faults[FAULT_COUNT] = {
    [FAULT_CRASH] = {"crash", fault_crash},
    [FAULT_CRASH_POINT] = {"crash-point", fault_crash_point},
    [FAULT_CRASH_STORM] = {"crash-storm", fault_crash_storm},
    [FAULT_CRASH_ALL] = {"crash-all", fault_crash_all},
    [FAULT_PARTITION] = {"partition", fault_partition},
    [FAULT_ONE_WAY] = {"one-way", fault_one_way},
    [FAULT_CONNECTION] = {"connection", fault_connection},
    [FAULT_ISOLATE_LEADER] = {"isolate-leader", fault_isolate_leader},
    [FAULT_SLOW_LINKS] = {"slow-links", fault_slow_links},
    [FAULT_LOSSY_LINKS] = {"lossy-links", fault_lossy_links},
    [FAULT_CLOCK_JUMP] = {"clock-jump", fault_clock_jump},
    [FAULT_CLOCK_RATE] = {"clock-rate", fault_clock_rate},
    [FAULT_SYNC_FAILS] = {"sync-fails", fault_sync_fails},
    [FAULT_DISK_LOST] = {"disk-lost", fault_disk_lost},
    [FAULT_DISK_FULL] = {"disk-full", fault_disk_full},
    [FAULT_DISK_SLOW] = {"disk-slow", fault_disk_slow},
    [FAULT_BIT_ROT] = {"bit-rot", fault_bit_rot},
    [FAULT_STATE_ROT] = {"state-rot", fault_state_rot},
    [FAULT_TRANSFER] = {"transfer", fault_transfer},
    [FAULT_MEMBERSHIP] = {"membership", fault_membership},
    [FAULT_CAMPAIGN] = {"campaign", fault_campaign},
    [FAULT_PAUSE] = {"pause", fault_pause},
    [FAULT_LAG] = {"lag", fault_lag},
    [FAULT_FORCE] = {"force", fault_force},
    [FAULT_PLOT] = {"plot", fault_plot},
};

const char *fault_text(enum fault fault)
{
    return faults[fault].text;
}

/* ---- Whom it hits ---- */

uint64_t nemesis_chance(struct sim *sim, uint64_t bound)
{
    return sim_chance(sim, STREAM_NEMESIS, bound);
}

uint64_t nemesis_between(struct sim *sim, uint64_t low, uint64_t high)
{
    return sim_between(sim, STREAM_NEMESIS, low, high);
}

struct node *nemesis_any(struct sim *sim)
{
    return &sim->nodes[nemesis_chance(sim, sim->node_count)];
}

struct node *nemesis_any_up(struct sim *sim)
{
    struct node *node = nemesis_any(sim);

    for (unsigned i = 0; i < sim->node_count && !node->up; i++) {
        node = &sim->nodes[(node->slot + 1) % sim->node_count];
    }
    return node->up ? node : NULL;
}

struct node *nemesis_victim(struct sim *sim)
{
    struct shard *leader = operator_leader(sim, (unsigned)nemesis_chance(sim, sim->plan.groups));

    return leader != NULL && nemesis_chance(sim, 2) == 0 ? leader->node : nemesis_any_up(sim);
}

enum fake_disk_loss nemesis_any_loss(struct sim *sim)
{
    return (enum fake_disk_loss)nemesis_chance(sim, 3);
}

int64_t nemesis_any_rate(struct sim *sim)
{
    uint64_t most = sim->plan.clock_rate_max_ppm;

    return (int64_t)nemesis_chance(sim, 2 * most + 1) - (int64_t)most;
}

/* ---- Which, when ---- */

void nemesis_do(struct sim *sim, enum fault fault)
{
    sim->fault_number++;
    sim->fault_count[fault]++;
    faults[fault].begin(sim);
}

static void run_fault(struct sim *sim, void *context, uint64_t argument)
{
    uint64_t total = 0;

    if (sim->healed) {
        return;
    }
    for (int i = 0; i < FAULT_COUNT; i++) {
        total += sim->plan.weights[i];
    }
    if (total == 0) {
        return;
    }
    uint64_t drawn = nemesis_chance(sim, total);
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (drawn < sim->plan.weights[i]) {
            nemesis_do(sim, (enum fault)i);
            break;
        }
        drawn -= sim->plan.weights[i];
    }
    sim_at(sim, sim->now_us + nemesis_between(sim, 1, 2 * sim->plan.fault_interval_us), run_fault,
           NULL, 0);
}

void nemesis_start(struct sim *sim)
{
    sim_at(sim, sim->now_us + nemesis_between(sim, 1, 2 * sim->plan.fault_interval_us), run_fault,
           NULL, 0);
}

void nemesis_heal(struct sim *sim)
{
    if (sim->plot.kind != NULL) {
        plot_end(sim);
    }
    sim->crash_after = 0;
    for (unsigned from = 0; from < sim->node_count; from++) {
        struct node *node = &sim->nodes[from];

        for (unsigned to = 0; to < sim->node_count; to++) {
            sim->links[from][to].cut = sim->links[from][to].severed = false;
            sim->links[from][to].holds_until_us = 0;
            sim->links[from][to].loss_ppm = 0;
            sim->links[from][to].slow_us = 0;
        }
        fake_disk_limit(node->disk, UINT64_MAX);
        fake_disk_fail_sync_at(node->disk, 0);
        fake_disk_fail_write_at(node->disk, 0, STATUS_OK);
        node->disk_slow = 1;
        node->disk_us = 0;
        node->paused_until_us = 0;
        node_clock_change(node, 0, 0);
        if (!node->up && !node->retired && node->start_at_us > sim->now_us + 3 * SECOND) {
            node_start(node);
        }
    }
}
