/* Faults. Each is drawn by its weight, lasts for a while, and is undone by itself or at the end. */
#include <inttypes.h>
#include <stdio.h>

#include "core/check.h"
#include "core/memory.h"
#include "tests/sim/sim.h"

static const char *const fault_texts[FAULT_COUNT] = {
    [FAULT_CRASH] = "crash",
    [FAULT_CRASH_POINT] = "crash-point",
    [FAULT_CRASH_STORM] = "crash-storm",
    [FAULT_CRASH_ALL] = "crash-all",
    [FAULT_PARTITION] = "partition",
    [FAULT_ONE_WAY] = "one-way",
    [FAULT_ISOLATE_LEADER] = "isolate-leader",
    [FAULT_SLOW_LINKS] = "slow-links",
    [FAULT_LOSSY_LINKS] = "lossy-links",
    [FAULT_CLOCK_JUMP] = "clock-jump",
    [FAULT_CLOCK_RATE] = "clock-rate",
    [FAULT_SYNC_FAILS] = "sync-fails",
    [FAULT_DISK_LOST] = "disk-lost",
    [FAULT_DISK_FULL] = "disk-full",
    [FAULT_DISK_SLOW] = "disk-slow",
    [FAULT_BIT_ROT] = "bit-rot",
    [FAULT_STATE_ROT] = "state-rot",
    [FAULT_TRANSFER] = "transfer",
    [FAULT_MEMBERSHIP] = "membership",
    [FAULT_CAMPAIGN] = "campaign",
    [FAULT_PAUSE] = "pause",
    [FAULT_LAG] = "lag",
    [FAULT_FORCE] = "force",
};

const char *fault_text(enum fault fault)
{
    return fault_texts[fault];
}

static uint64_t chance(struct sim *sim, uint64_t bound)
{
    return sim_chance(sim, STREAM_NEMESIS, bound);
}

static uint64_t between(struct sim *sim, uint64_t low, uint64_t high)
{
    return sim_between(sim, STREAM_NEMESIS, low, high);
}

static struct node *any_node(struct sim *sim)
{
    return &sim->nodes[chance(sim, sim->node_count)];
}

static struct node *any_up(struct sim *sim)
{
    struct node *node = any_node(sim);

    for (unsigned i = 0; i < sim->node_count && !node->up; i++) {
        node = &sim->nodes[(node->slot + 1) % sim->node_count];
    }
    return node->up ? node : NULL;
}

/* More often than not a leader: that is where it hurts. */
static struct node *victim(struct sim *sim)
{
    struct shard *leader = operator_leader(sim, (unsigned)chance(sim, sim->plan.groups));

    return leader != NULL && chance(sim, 2) == 0 ? leader->node : any_up(sim);
}

static enum fake_disk_loss any_loss(struct sim *sim)
{
    return (enum fake_disk_loss)chance(sim, 3);
}

/* ---- Crashes ---- */

static void crash(struct sim *sim)
{
    struct node *node = victim(sim);

    if (node != NULL) {
        sim_tell(sim, "node %" PRIu64 " crashes", node->id);
        node_crash(node, any_loss(sim), between(sim, 20 * MS, 15 * SECOND));
    }
}

static void crash_point(struct sim *sim)
{
    static const char *const prefixes[] = {"", "replica.", "log.", "install.", "shard.", "node."};

    sim_arm_crash(sim, NULL, prefixes[chance(sim, 6)], 1 + chance(sim, 400));
}

static void run_storm(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = any_up(sim);

    if (sim->healed) {
        return;
    }
    if (node != NULL) {
        node_crash(node, any_loss(sim), between(sim, 20 * MS, SECOND));
    }
    if (argument > 0) {
        sim_at(sim, sim->now_us + between(sim, 50 * MS, 3 * SECOND), run_storm, NULL, argument - 1);
    }
}

static void crash_all(struct sim *sim)
{
    sim_tell(sim, "all nodes crash");
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        if (chance(sim, 5) > 0) {
            node_crash(&sim->nodes[slot], any_loss(sim), between(sim, 100 * MS, 5 * SECOND));
        }
    }
}

static void pause_node(struct sim *sim)
{
    struct node *node = victim(sim);

    if (node != NULL) {
        node->paused_until_us = sim->now_us + between(sim, 100 * MS, 12 * SECOND);
        sim_tell(sim, "node %" PRIu64 " stands still", node->id);
    }
}

/* ---- The network ---- */

static void run_mend_links(struct sim *sim, void *context, uint64_t argument)
{
    for (unsigned from = 0; from < sim->node_count; from++) {
        for (unsigned to = 0; to < sim->node_count; to++) {
            struct link *link = &sim->links[from][to];

            if (link->fault == argument) {
                link->cut = false;
                link->loss_ppm = 0;
                link->slow_us = 0;
            }
        }
    }
}

static struct link *take_link(struct sim *sim, unsigned from, unsigned to)
{
    struct link *link = &sim->links[from][to];

    link->fault = sim->fault_number;
    return link;
}

static void mend_links_later(struct sim *sim, uint64_t after_us)
{
    sim_at(sim, sim->now_us + after_us, run_mend_links, NULL, sim->fault_number);
}

static void partition(struct sim *sim)
{
    if (sim->node_count < 2) {
        return;
    }
    uint64_t side = 1 + chance(sim, (1U << sim->node_count) - 2);
    for (unsigned from = 0; from < sim->node_count; from++) {
        for (unsigned to = 0; to < sim->node_count; to++) {
            if (((side >> from) & 1) != ((side >> to) & 1)) {
                take_link(sim, from, to)->cut = true;
            }
        }
    }
    sim_tell(sim, "partition: slots %#" PRIx64 " against the others", side);
    mend_links_later(sim, between(sim, 500 * MS, 25 * SECOND));
}

static void one_way(struct sim *sim)
{
    struct node *node = victim(sim);
    bool outwards = chance(sim, 2) == 0;

    if (node == NULL) {
        return;
    }
    for (unsigned other = 0; other < sim->node_count; other++) {
        if (other != node->slot && chance(sim, 3) > 0) {
            (outwards ? take_link(sim, node->slot, other) : take_link(sim, other, node->slot))
                ->cut = true;
        }
    }
    sim_tell(sim, "node %" PRIu64 " is %s in part", node->id, outwards ? "not heard" : "deaf");
    mend_links_later(sim, between(sim, 500 * MS, 25 * SECOND));
}

static void isolate(struct sim *sim, struct node *node, uint64_t for_us)
{
    for (unsigned other = 0; other < sim->node_count; other++) {
        if (other != node->slot) {
            take_link(sim, node->slot, other)->cut = true;
            take_link(sim, other, node->slot)->cut = true;
        }
    }
    sim_tell(sim, "node %" PRIu64 " is isolated", node->id);
    mend_links_later(sim, for_us);
}

static void isolate_leader(struct sim *sim)
{
    struct shard *leader = operator_leader(sim, (unsigned)chance(sim, sim->plan.groups));

    if (leader != NULL) {
        isolate(sim, leader->node, between(sim, SECOND, 20 * SECOND));
    }
}

static void lag(struct sim *sim)
{
    struct node *node = any_up(sim);

    if (node != NULL) {
        isolate(sim, node, between(sim, 30 * SECOND, 90 * SECOND));
    }
}

static void worsen_links(struct sim *sim, bool slow)
{
    for (unsigned from = 0; from < sim->node_count; from++) {
        for (unsigned to = 0; to < sim->node_count; to++) {
            if (chance(sim, 3) == 0) {
                struct link *link = take_link(sim, from, to);

                link->slow_us = slow ? between(sim, 50 * MS, 4 * SECOND) : 0;
                link->loss_ppm = slow ? 0 : (unsigned)between(sim, 50000, 600000);
            }
        }
    }
    sim_tell(sim, "links are %s", slow ? "slow" : "lossy");
    mend_links_later(sim, between(sim, SECOND, 30 * SECOND));
}

/* ---- Clocks ---- */

static void jump_clock(struct sim *sim)
{
    struct node *node = any_node(sim);

    node_clock_change(node, (int64_t)between(sim, MS, 20 * SECOND), node->clock_rate_ppm);
    node->wall_skew_ms += (int64_t)chance(sim, 20000) - 10000;
    sim_tell(sim, "the clock of node %" PRIu64 " jumps", node->id);
}

static void change_rate(struct sim *sim)
{
    struct node *node = any_node(sim);

    node_clock_change(node, 0, (int64_t)chance(sim, 400000) - 200000);
    sim_tell(sim, "the clock of node %" PRIu64 " goes wrong", node->id);
}

/* ---- Disks ---- */

static void fail_sync(struct sim *sim)
{
    struct node *node = victim(sim);

    if (node == NULL) {
        return;
    }
    if (chance(sim, 2) == 0) {
        fake_disk_fail_sync_at(node->disk, 1 + chance(sim, 20));
    } else {
        fake_disk_fail_write_at(node->disk, 1 + chance(sim, 20), STATUS_IO_ERROR);
    }
    sim_tell(sim, "the disk of node %" PRIu64 " will fail", node->id);
}

/* The disk is gone, and with it the node; a new one with an empty disk takes its place. */
static void run_replace(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = context;

    node->retired = false;
    node_create(node);
    sim_tell(sim, "node %" PRIu64 " is new, in slot %u", node->id, node->slot);
    node_start(node);
}

static void lose_disk(struct sim *sim)
{
    struct node *node = any_node(sim);

    if (node->retired || !operator_can_lose(sim, node)) {
        return;
    }
    sim_tell(sim, "node %" PRIu64 " loses its disk, for ever", node->id);
    node->retired = true;
    node_crash(node, FAKE_DISK_LOSES, 0);
    node->start_at_us = 0;
    sim_at(sim, sim->now_us + between(sim, SECOND, 20 * SECOND), run_replace, node, 0);
}

static void run_room(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = context;

    fake_disk_limit(node->disk, UINT64_MAX);
}

static void fill_disk(struct sim *sim)
{
    struct node *node = victim(sim);

    if (node != NULL) {
        fake_disk_limit(node->disk, fake_disk_used(node->disk) + chance(sim, 3) * 10000);
        sim_tell(sim, "the disk of node %" PRIu64 " is full", node->id);
        sim_at(sim, sim->now_us + between(sim, SECOND, 20 * SECOND), run_room, node, 0);
    }
}

static void run_fast(struct sim *sim, void *context, uint64_t argument)
{
    ((struct node *)context)->disk_slow = 1;
}

static void slow_disk(struct sim *sim)
{
    struct node *node = any_node(sim);

    node->disk_slow = between(sim, 5, 500);
    sim_tell(sim, "the disk of node %" PRIu64 " is slow", node->id);
    sim_at(sim, sim->now_us + between(sim, SECOND, 30 * SECOND), run_fast, node, 0);
}

struct files {
    struct sim *sim;
    char name[64];
    unsigned seen;
};

static void choose_file(void *context, const char *name)
{
    struct files *files = context;

    if (chance(files->sim, ++files->seen) == 0) {
        snprintf(files->name, sizeof(files->name), "%s", name);
    }
}

static void flip(struct sim *sim, struct node *node)
{
    struct files files = {.sim = sim};
    char path[128];
    const struct file_system *system = fake_disk_files(node->disk);
    bool off = fake_disk_is_off(node->disk);

    if (off) {
        fake_disk_power_on(node->disk);
    }
    enum status status = file_list(system, node->folder, choose_file, &files);
    if (status == STATUS_OK && files.seen > 0) {
        snprintf(path, sizeof(path), "%s/%s", node->folder, files.name);
        for (int i = 0; i < 3; i++) {
            status = fake_disk_flip(node->disk, path, chance(sim, 8 * LOG_SEGMENT_SIZE_MIN / 2));
        }
        node->rotten = true;
        sim_tell(sim, "bits of %s flip on node %" PRIu64, path, node->id);
    }
}

static bool is_rotten_anywhere(struct sim *sim)
{
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        if (sim->nodes[slot].rotten) {
            return true;
        }
    }
    return false;
}

/* Bits rot on one node at a time, and only when all its replicas can be spared: then it is
 * restarted, so that all its log is read, until it is whole again. */
static void rot(struct sim *sim)
{
    struct node *node = any_up(sim);

    if (node == NULL || is_rotten_anywhere(sim) || !operator_can_lose(sim, node)) {
        return;
    }
    flip(sim, node);
    for (unsigned i = 0; i < sim->plan.groups; i++) {
        node->shards[i].at_risk = node->shards[i].hosted;
    }
    node_crash(node, FAKE_DISK_KEEPS, between(sim, 20 * MS, 5 * SECOND));
}

static void rot_state(struct sim *sim)
{
    struct node *node = any_up(sim);
    unsigned group = (unsigned)chance(sim, sim->plan.groups);

    if (node == NULL || is_rotten_anywhere(sim)) {
        return;
    }
    struct shard *shard = &node->shards[group];
    if (shard->phase == SHARD_RUNS && !shard->installing && operator_can_lose_shard(sim, shard)) {
        sim_tell(sim, "the state of node %" PRIu64 " group %u rots", node->id, group);
        shard->state_rotten = shard->at_risk = true;
        state_rot(shard->state);
    }
}

/* ---- What operators do at bad moments ---- */

static void transfer(struct sim *sim)
{
    struct shard *leader = operator_leader(sim, (unsigned)chance(sim, sim->plan.groups));
    struct raft_event event = {.kind = RAFT_TRANSFER};

    if (leader == NULL) {
        return;
    }
    struct raft_state state = replica_state(leader->replica);
    if (chance(sim, 3) > 0 && state.configuration->count > 0) {
        event.peer = state.configuration->replicas[chance(sim, state.configuration->count)].id;
    }
    sim->running = leader->node;
    enum status status = shard_step(leader, event);
    sim_tell(sim, "group %u: node %" PRIu64 " is to hand over to %" PRIu64 ": %s", leader->group,
             shard_id(leader), event.peer, status_text(status));
    node_end_event(leader->node);
}

static void campaign(struct sim *sim)
{
    struct node *node = any_up(sim);
    unsigned group = (unsigned)chance(sim, sim->plan.groups);

    if (node != NULL && node->shards[group].phase == SHARD_RUNS) {
        sim->running = node;
        enum status status =
            shard_step(&node->shards[group], (struct raft_event){.kind = RAFT_CAMPAIGN});

        (void)status;
        node_end_event(node);
    }
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
static void force(struct sim *sim)
{
    struct group *group = &sim->groups[chance(sim, sim->plan.groups)];
    uint64_t gone = 0;
    unsigned survivor;

    for (unsigned i = 0; i < sim->plan.groups; i++) {
        if (sim->groups[i].disaster) {
            return;
        }
    }
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        if (sim->nodes[slot].shards[group->number].hosted && chance(sim, 3) > 0) {
            gone |= 1U << slot;
        }
    }
    if (is_rotten_anywhere(sim) || !has_best_log(sim, group->number, gone, &survivor)) {
        return;
    }
    group->disaster = true;
    group->survivor = survivor;
    for (unsigned from = 0; from < sim->node_count; from++) {
        for (unsigned to = 0; to < sim->node_count; to++) {
            if (((gone >> from) & 1) != ((gone >> to) & 1)) {
                take_link(sim, from, to)->cut = true;
            }
        }
    }
    sim_tell(sim, "group %u: slots %#" PRIx64 " are written off", group->number, gone);
    sim_at(sim, sim->now_us + SECOND, run_force, group, 0);
    mend_links_later(sim, between(sim, 5 * SECOND, 40 * SECOND));
}

/* ---- Which, when ---- */

void nemesis_do(struct sim *sim, enum fault fault)
{
    sim->fault_number++;
    sim->fault_count[fault]++;
    switch (fault) {
    case FAULT_CRASH:
        crash(sim);
        break;
    case FAULT_CRASH_POINT:
        crash_point(sim);
        break;
    case FAULT_CRASH_STORM:
        sim_tell(sim, "a storm of crashes");
        run_storm(sim, NULL, 2 + chance(sim, 12));
        break;
    case FAULT_CRASH_ALL:
        crash_all(sim);
        break;
    case FAULT_PARTITION:
        partition(sim);
        break;
    case FAULT_ONE_WAY:
        one_way(sim);
        break;
    case FAULT_ISOLATE_LEADER:
        isolate_leader(sim);
        break;
    case FAULT_SLOW_LINKS:
    case FAULT_LOSSY_LINKS:
        worsen_links(sim, fault == FAULT_SLOW_LINKS);
        break;
    case FAULT_CLOCK_JUMP:
        jump_clock(sim);
        break;
    case FAULT_CLOCK_RATE:
        change_rate(sim);
        break;
    case FAULT_SYNC_FAILS:
        fail_sync(sim);
        break;
    case FAULT_DISK_LOST:
        lose_disk(sim);
        break;
    case FAULT_DISK_FULL:
        fill_disk(sim);
        break;
    case FAULT_DISK_SLOW:
        slow_disk(sim);
        break;
    case FAULT_BIT_ROT:
        rot(sim);
        break;
    case FAULT_STATE_ROT:
        rot_state(sim);
        break;
    case FAULT_TRANSFER:
        transfer(sim);
        break;
    case FAULT_MEMBERSHIP:
        operator_wander(sim, (unsigned)chance(sim, sim->plan.groups));
        break;
    case FAULT_CAMPAIGN:
        campaign(sim);
        break;
    case FAULT_PAUSE:
        pause_node(sim);
        break;
    case FAULT_LAG:
        lag(sim);
        break;
    case FAULT_FORCE:
        force(sim);
        break;
    case FAULT_COUNT:
        break;
    }
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
    uint64_t drawn = chance(sim, total);
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (drawn < sim->plan.weights[i]) {
            nemesis_do(sim, (enum fault)i);
            break;
        }
        drawn -= sim->plan.weights[i];
    }
    sim_at(sim, sim->now_us + between(sim, 1, 2 * sim->plan.fault_interval_us), run_fault, NULL, 0);
}

void nemesis_start(struct sim *sim)
{
    sim_at(sim, sim->now_us + between(sim, 1, 2 * sim->plan.fault_interval_us), run_fault, NULL, 0);
}

void nemesis_heal(struct sim *sim)
{
    sim->crash_after = 0;
    for (unsigned from = 0; from < sim->node_count; from++) {
        struct node *node = &sim->nodes[from];

        for (unsigned to = 0; to < sim->node_count; to++) {
            sim->links[from][to].cut = false;
            sim->links[from][to].loss_ppm = 0;
            sim->links[from][to].slow_us = 0;
        }
        fake_disk_limit(node->disk, UINT64_MAX);
        fake_disk_fail_sync_at(node->disk, 0);
        fake_disk_fail_write_at(node->disk, 0, STATUS_OK);
        node->disk_slow = 1;
        node->paused_until_us = 0;
        node_clock_change(node, 0, 0);
        if (!node->up && !node->retired && node->start_at_us > sim->now_us + 3 * SECOND) {
            node_start(node);
        }
    }
}
