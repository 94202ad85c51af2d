#include "core/memory.h"
#include "tests/sim/sim.h"

#include <inttypes.h>

enum { LEASE_CLOCK_PPM = 60000 };

static uint64_t between(struct random *random, uint64_t low, uint64_t high)
{
    return low + random_below(random, high - low + 1);
}

static const unsigned middle_weights[FAULT_COUNT] = {
    [FAULT_CRASH] = 12,         [FAULT_CRASH_POINT] = 12,
    [FAULT_CRASH_STORM] = 2,    [FAULT_CRASH_ALL] = 3,
    [FAULT_PARTITION] = 8,      [FAULT_ONE_WAY] = 6,
    [FAULT_ISOLATE_LEADER] = 8, [FAULT_SLOW_LINKS] = 4,
    [FAULT_LOSSY_LINKS] = 4,    [FAULT_CLOCK_JUMP] = 3,
    [FAULT_CLOCK_RATE] = 2,     [FAULT_SYNC_FAILS] = 4,
    [FAULT_DISK_LOST] = 2,      [FAULT_DISK_FULL] = 3,
    [FAULT_DISK_SLOW] = 4,      [FAULT_BIT_ROT] = 2,
    [FAULT_STATE_ROT] = 1,      [FAULT_TRANSFER] = 8,
    [FAULT_MEMBERSHIP] = 8,     [FAULT_CAMPAIGN] = 4,
    [FAULT_PAUSE] = 5,          [FAULT_LAG] = 2,
    [FAULT_FORCE] = 1,          [FAULT_CONNECTION] = 4,
};

static void middle(struct plan *plan, struct random *random)
{
    *plan = (struct plan){
        .nodes = 3 + (unsigned)random_below(random, 3),
        .spares = 1,
        .groups = 1 + (unsigned)random_below(random, 2),
        .voters = 3,
        .clients = 4,
        .duration_us = 1800ULL * SECOND,
        .heal_us = 90 * SECOND,
        .silence_us = 40 * SECOND,
        .think_us = 6 * SECOND,
        .read_percent = 35,
        .payload_max = 200,
        .delay_min_us = 200,
        .delay_max_us = 5 * MS,
        .loss_ppm = 2000,
        .double_ppm = 5000,
        .spike_ppm = 5000,
        .spike_us = 3 * SECOND,
        .sync_min_us = 300,
        .sync_max_us = 8 * MS,
        .apply_us = 2 * MS,
        .compact_entries = 60,
        .flush_us = 20 * SECOND,
        .clocks_differ = true,
        .clock_rate_max_ppm = 200000,
        .reports_losses = true,
        .election_min_ms = 2000,
        .election_max_ms = 4000,
        .heartbeat_ms = 500,
        .message_bytes_max = 4096,
        .inflight_messages_max = 8,
        .inflight_bytes_max = 16384,
        .uncommitted_bytes_max = 20000, /* a write has to fit into half a segment of the log */
        .fault_interval_us = 9 * SECOND,
    };
    for (int i = 0; i < FAULT_COUNT; i++) {
        plan->weights[i] = middle_weights[i];
    }
}

static void vary_faults(struct plan *plan, struct random *random)
{
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (random_below(random, 100) < 45) {
            plan->weights[i] = 0;
        } else {
            plan->weights[i] *= (unsigned)between(random, 1, 5);
        }
    }
    plan->fault_interval_us = between(random, 2, 25) * SECOND;
}

static void vary_network(struct plan *plan, struct random *random)
{
    static const uint64_t delays[] = {1 * MS, 5 * MS, 20 * MS, 100 * MS, 400 * MS};

    plan->delay_max_us = delays[random_below(random, 5)];
    plan->loss_ppm = (unsigned)between(random, 0, 3) * 15000;
    plan->double_ppm = (unsigned)between(random, 0, 3) * 20000;
    plan->spike_ppm = (unsigned)between(random, 0, 3) * 10000;
    plan->spike_us = between(random, 1, 15) * SECOND;
    plan->reports_losses = random_below(random, 2) == 0;
}

static void vary_nodes(struct plan *plan, struct random *random)
{
    static const uint64_t syncs[] = {500, 5 * MS, 30 * MS, 100 * MS, 500 * MS};
    static const uint64_t applies[] = {0, 1 * MS, 50 * MS, 1000 * MS};
    static const uint64_t batches[] = {0, 0, 200, 5 * MS, 50 * MS};

    plan->sync_max_us = syncs[random_below(random, 5)];
    plan->apply_us = applies[random_below(random, 4)];
    plan->batch_us = batches[random_below(random, 5)];
    plan->compact_entries = (unsigned)between(random, 3, 300);
    plan->flush_us = between(random, 1, 60) * SECOND;
    plan->clocks_differ = random_below(random, 2) == 0;
    plan->leaves_removed = random_below(random, 2) == 0;
    plan->payload_max = random_below(random, 4) == 0 ? 3000 : 100;
    plan->inflight_messages_max = between(random, 1, 16);
    plan->message_bytes_max = between(random, 1, 4) * 1500;
    plan->heartbeat_ms = (uint32_t)between(random, 3, 6) * 100;
    plan->election_max_ms = (uint32_t)between(random, 2500, 5000);
}

static void vary_cluster(struct plan *plan, struct random *random)
{
    plan->nodes = (unsigned)between(random, 1, 5);
    plan->spares =
        (unsigned)between(random, 0, NODES_MAX - plan->nodes > 2 ? 2 : NODES_MAX - plan->nodes);
    plan->voters = plan->nodes >= 5 && random_below(random, 2) == 0 ? 5 : 3;
    plan->voters = plan->voters > plan->nodes ? plan->nodes : plan->voters;
    plan->groups = (unsigned)between(random, 1, 3);
    plan->clients = (unsigned)between(random, 3, 8);
    plan->think_us = between(random, 1, 12) * SECOND;
    plan->read_percent = (unsigned)between(random, 10, 70);
}

/* One seed in four has an adversary, and leaves it some peace from chance. From a stream of its
 * own: another plot leaves the other seeds what they were. */
static void vary_plots(struct plan *plan, uint64_t seed)
{
    struct random random = {seed * 0xd1342543de82ef95 + 5};

    if (random_below(&random, 4) != 0) {
        return;
    }
    plan->plots = (uint32_t)between(&random, 1, (1U << plot_count()) - 1);
    plan->nodes = plan->nodes < 3 ? 3 : plan->nodes;
    plan->voters = plan->nodes >= 5 && random_below(&random, 3) == 0 ? 5 : 3;
    plan->spares = plan->nodes < NODES_MAX ? 1 : 0;
    if (random_below(&random, 2) == 0) { /* an entry a message, as in the figures of the paper */
        plan->message_bytes_max = 1;
        plan->inflight_messages_max = 16;
    }
    for (int i = 0; i < FAULT_COUNT; i++) {
        plan->weights[i] *= random_below(&random, 3) == 0;
    }
    plan->weights[FAULT_PLOT] = 100;
    plan->fault_interval_us = between(&random, 3, 8) * SECOND;
}

/* One seed in five reads by leases. Clocks then go wrong by 6 % at most, two of them differ by an
 * eighth at most, as raft.h allows, and do not jump. */
static void vary_leases(struct plan *plan, uint64_t seed)
{
    struct random random = {seed * 0xaef17502108ef2d9 + 11};

    if (random_below(&random, 5) != 0) {
        return;
    }
    plan->lease_reads = true;
    plan->clock_rate_max_ppm = LEASE_CLOCK_PPM;
    plan->weights[FAULT_CLOCK_JUMP] = 0;
    plan->weights[FAULT_CLOCK_RATE] = 10;
    plan->read_percent = 60;
}

/* One seed in six applies real commands, which cost more. */
static void vary_states(struct plan *plan, uint64_t seed)
{
    struct random random = {seed * 0x94d049bb133111eb + 13};

    plan->real_apply = random_below(&random, 6) == 0;
}

void plan_from_seed(struct plan *plan, uint64_t seed, bool swarm)
{
    struct random random = {seed * 0x9e3779b97f4a7c15 + 77};

    middle(plan, &random);
    plan->seed = seed;
    if (swarm) {
        vary_cluster(plan, &random);
        vary_network(plan, &random);
        vary_nodes(plan, &random);
        vary_faults(plan, &random);
        vary_plots(plan, seed);
        vary_leases(plan, seed);
        vary_states(plan, seed);
    }
    if (plan->nodes == 1) {
        plan->spares = 0;
    }
}

void plan_print(const struct plan *plan, struct buffer *output)
{
    buffer_printf(output,
                  "seed %" PRIu64 ": %u nodes + %u, %u groups of %u voters, %u clients, "
                  "message %.1f-%.1f ms, sync to %.1f ms, %s%sa fault every %.0f s:",
                  plan->seed, plan->nodes, plan->spares, plan->groups, plan->voters, plan->clients,
                  (double)plan->delay_min_us / MS, (double)plan->delay_max_us / MS,
                  (double)plan->sync_max_us / MS, plan->lease_reads ? "reads by leases, " : "",
                  plan->real_apply ? "real commands, " : "",
                  (double)plan->fault_interval_us / SECOND);
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (plan->weights[i] > 0) {
            buffer_printf(output, " %s:%u", fault_text((enum fault)i), plan->weights[i]);
        }
    }
    buffer_printf(output, "\n");
}
