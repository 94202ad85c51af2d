#include <inttypes.h>
#include <stdio.h>

#include "core/check.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "tests/sim/sim.h"

/* ---- Its clock: another base, another rate, and it jumps; it never goes back ---- */

static int64_t clock_us(const struct node *node)
{
    int64_t passed = (int64_t)(node->sim->now_us - node->clock_since_us);

    return node->clock_base_us + passed + passed / 1000 * node->clock_rate_ppm / 1000;
}

uint64_t node_clock_ms(const struct node *node)
{
    return (uint64_t)clock_us(node) / MS;
}

uint64_t node_wall_ms(const struct node *node)
{
    return (uint64_t)((int64_t)1700000000000 + (int64_t)(node->sim->now_us / MS) +
                      node->wall_skew_ms);
}

void node_clock_change(struct node *node, int64_t jump_us, int64_t rate_ppm)
{
    node->clock_base_us = clock_us(node) + jump_us;
    node->clock_since_us = node->sim->now_us;
    node->clock_rate_ppm = rate_ppm;
}

/* ---- Beginning ---- */

void node_create(struct node *node)
{
    struct sim *sim = node->sim;

    fake_disk_free(node->disk);
    node->disk = fake_disk_new(random_next(&sim->random[STREAM_DISK]));
    node->id = ++sim->node_id_last;
    node->exists = true;
    node->disk_slow = 1;
    node->clock_base_us = SECOND + (int64_t)sim_chance(sim, STREAM_NODE, 1000 * SECOND);
    node->clock_since_us = sim->now_us;
    node->clock_rate_ppm =
        sim->plan.clocks_differ ? (int64_t)sim_chance(sim, STREAM_NODE, 2000) - 1000 : 0;
    snprintf(node->folder, sizeof(node->folder), "log");
    for (unsigned i = 0; i < GROUPS_MAX; i++) {
        struct shard *shard = &node->shards[i];

        state_free(shard->state);
        *shard = (struct shard){.node = node, .group = i};
        shard->waiters_end = &shard->waiters;
    }
}

static void run_flush(struct sim *sim, void *context, uint64_t argument);

void node_start(struct node *node)
{
    struct sim *sim = node->sim;
    struct log_options options = {
        .files = fake_disk_files(node->disk),
        .folder = node->folder,
        .segment_size = LOG_SEGMENT_SIZE_MIN,
        .cache_size_max = 32 << 10,
        .spare_count_max = 1,
        .seed = random_next(&sim->random[STREAM_DISK]) | 1,
    };

    CHECK(!node->up);
    node->start_at_us = 0;
    fake_disk_power_on(node->disk);
    node->life++;
    node->up = true;
    sim->running = node;
    CRASH_POINT("node.start");
    enum status status = log_open(&options, &node->log);
    if (status != STATUS_OK) {
        node->log = NULL;
        if (!node->dying && status != STATUS_NO_SPACE && status != STATUS_IO_ERROR) {
            sim_fail(sim, "node %" PRIu64 " cannot open its log: %s", node->id,
                     status_text(status));
        }
        node_die(node);
        node_end_event(node);
        return;
    }
    SIM_TRACE(sim, "node %" PRIu64 " starts", node->id);
    CRASH_POINT("node.log_opened");
    for (unsigned i = 0; i < sim->plan.groups && !node->dying; i++) {
        shard_open(&node->shards[i]);
    }
    sim_at(sim, sim->now_us + sim_between(sim, STREAM_NODE, 1, sim->plan.flush_us), run_flush, node,
           node->life);
    node_end_event(node);
}

static void run_start(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = context;

    if (!node->up && !node->retired && node->start_at_us == sim->now_us) {
        node_start(node);
    }
}

/* ---- End ---- */

void node_die(struct node *node)
{
    struct sim *sim = node->sim;

    if (node->dying) {
        return;
    }
    fake_disk_power_off(node->disk, (enum fake_disk_loss)sim_chance(sim, STREAM_DISK, 3));
    node->dying = true;
    node->restart_after_us =
        sim_between(sim, STREAM_NODE, 50 * MS, sim->healed ? 2 * SECOND : 20 * SECOND);
}

/* Everything that was submitted comes back, failed: the disk is off. */
static void drain_log(struct node *node)
{
    struct log_append *append;

    if (node->log == NULL) {
        return;
    }
    for (int round = 0; round < 4; round++) {
        enum status written = log_write(node->log);
        enum status synced = log_sync(node->log);

        (void)written;
        (void)synced;
        while ((append = log_completed(node->log)) != NULL) {
            struct shard *shard = &node->shards[append->shard];

            if (append == &shard->append) {
                shard->append_is_out = false;
            } else if (append == &shard->carry) {
                shard->carry_is_out = false;
            } else {
                replica_written(append, node_clock_ms(node));
            }
        }
    }
    log_close(node->log);
    node->log = NULL;
}

static void finish_dying(struct node *node)
{
    struct sim *sim = node->sim;
    struct node *running = sim->running;

    sim->running = NULL;
    node->up = false;
    node->life++;
    node->writer_busy = node->writer_syncs = node->round_is_due = false;
    node->timer_at_us = 0;
    node->paused_until_us = 0;
    if (node->log != NULL) {
        for (unsigned i = 0; i < GROUPS_MAX; i++) {
            shard_before_crash(&node->shards[i]);
        }
    }
    drain_log(node);
    for (unsigned i = 0; i < GROUPS_MAX; i++) {
        shard_after_crash(&node->shards[i]);
    }
    node->dying = false;
    if (!node->retired) {
        node->start_at_us = sim->now_us + node->restart_after_us;
        sim_at(sim, node->start_at_us, run_start, node, 0);
    }
    sim_mix(sim, node->id ^ sim->now_us);
    SIM_TRACE(sim, "node %" PRIu64 " is down", node->id);
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        network_disconnect(&sim->nodes[slot], node);
    }
    sim->running = running == node ? NULL : running;
}

void node_crash(struct node *node, enum fake_disk_loss loss, uint64_t restart_after_us)
{
    if (!node->up) {
        return;
    }
    fake_disk_power_off(node->disk, loss);
    node->dying = true;
    node->restart_after_us = restart_after_us;
    finish_dying(node);
}

void node_destroy(struct node *node)
{
    node->retired = true;
    node_crash(node, FAKE_DISK_KEEPS, 0);
    for (unsigned i = 0; i < GROUPS_MAX; i++) {
        state_free(node->shards[i].state);
        state_blob_unref(node->shards[i].install.blob);
    }
    fake_disk_free(node->disk);
}

/* ---- The writer of its log: what a thread does on a real node ---- */

enum { DISK_WAIT_MAX = 10 * SECOND };

static uint64_t disk_us(struct node *node)
{
    const struct plan *plan = &node->sim->plan;
    uint64_t us =
        sim_between(node->sim, STREAM_DISK, plan->sync_min_us, plan->sync_max_us) * node->disk_slow;

    if (node->disk_us > 0) {
        return node->disk_us;
    }
    return us < DISK_WAIT_MAX ? us : DISK_WAIT_MAX;
}

static void run_sync(struct sim *sim, void *context, uint64_t argument);

static void take_completed(struct node *node)
{
    struct log_append *append;

    while ((append = log_completed(node->log)) != NULL) {
        struct shard *shard = &node->shards[append->shard];

        CRASH_POINT("node.completed");
        if (append == &shard->append) {
            shard_append_ended(shard);
        } else if (append == &shard->carry) {
            shard->carry_is_out = false;
            CRASH_POINT("node.carried");
        } else {
            enum status status = append->status;

            replica_written(append, node_clock_ms(node));
            shard_written(shard, status);
        }
        shard->is_dirty = true;
    }
}

static void fail_disk(struct node *node, const char *what)
{
    if (node->dying) {
        return;
    }
    sim_tell(node->sim, "node %" PRIu64 ": %s failed, it stops", node->id, what);
    if (!MUTANT(11)) {
        node_die(node);
    }
}

static void run_write(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = context;

    if (node->life != argument) {
        return;
    }
    if (node->paused_until_us > sim->now_us) {
        sim_at(sim, node->paused_until_us, run_write, node, argument);
        return;
    }
    sim->running = node;
    CRASH_POINT("node.before_write");
    enum status status = log_write(node->log);
    CRASH_POINT("node.write_done");
    if (status == STATUS_IO_ERROR) {
        fail_disk(node, "a write");
    }
    if (!node->dying) {
        take_completed(node);
        sim_at(sim, sim->now_us + disk_us(node), run_sync, node, node->life);
    }
    node_end_event(node);
}

static void run_sync(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = context;

    if (node->life != argument) {
        return;
    }
    sim->running = node;
    CRASH_POINT("node.before_sync");
    enum status status = log_sync(node->log);
    CRASH_POINT("node.sync_done");
    if (status != STATUS_OK) {
        fail_disk(node, "a sync");
    }
    if (!node->dying) {
        take_completed(node);
        node->writer_busy = false;
        if (log_is_pending(node->log)) {
            node_writer_wake(node);
        } else {
            log_mark(node->log);
            CRASH_POINT("node.marked");
        }
    }
    node_end_event(node);
}

void node_writer_wake(struct node *node)
{
    if (!node->writer_busy && !node->dying) {
        node->writer_busy = true;
        sim_at(node->sim, node->sim->now_us + 20, run_write, node, node->life);
    }
}

/* ---- Flushes of its states, and compaction ---- */

static void run_flush(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = context;

    if (node->life != argument) {
        return;
    }
    sim->running = node;
    for (unsigned i = 0; i < sim->plan.groups && !node->dying; i++) {
        shard_flush(&node->shards[i]);
    }
    if (!node->dying && sim_happens(sim, STREAM_NODE, 300000)) {
        carry_oldest(node);
    }
    sim_at(sim, sim->now_us + sim_between(sim, STREAM_NODE, 1, 2 * sim->plan.flush_us), run_flush,
           node, node->life);
    node_end_event(node);
}

/* ---- Its loop ---- */

static void run_timer(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = context;

    if (node->life != argument || node->timer_at_us != sim->now_us) {
        return;
    }
    if (node->paused_until_us > sim->now_us) {
        node->timer_at_us = node->paused_until_us;
        sim_at(sim, node->timer_at_us, run_timer, node, argument);
        return;
    }
    node->timer_at_us = 0;
    sim->running = node;
    for (unsigned i = 0; i < sim->plan.groups && !node->dying; i++) {
        shard_tick(&node->shards[i]);
    }
    node_end_event(node);
}

static void set_timer(struct node *node)
{
    struct sim *sim = node->sim;
    uint64_t wake_ms = UINT64_MAX;
    uint64_t now_ms = node_clock_ms(node);

    for (unsigned i = 0; i < sim->plan.groups; i++) {
        const struct shard *shard = &node->shards[i];

        if (shard->phase == SHARD_RUNS && replica_wake_at_ms(shard->replica) < wake_ms) {
            wake_ms = replica_wake_at_ms(shard->replica);
        }
    }
    if (wake_ms == UINT64_MAX) {
        return;
    }
    uint64_t wait_ms = wake_ms > now_ms ? wake_ms - now_ms : 1;
    uint64_t at_us = sim->now_us + wait_ms * MS;
    if (node->timer_at_us == 0 || at_us < node->timer_at_us) {
        node->timer_at_us = at_us;
        sim_at(sim, at_us, run_timer, node, node->life);
    }
}

static void run_round(struct sim *sim, void *context, uint64_t argument);

static void round_all(struct node *node)
{
    bool again = true;

    for (int turn = 0; again && !node->dying; turn++) {
        CHECK(turn < 1000);
        again = false;
        for (unsigned i = 0; i < node->sim->plan.groups && !node->dying; i++) {
            struct shard *shard = &node->shards[i];

            if (shard->is_dirty) {
                shard->is_dirty = false;
                again = true;
                shard_round(shard);
            }
        }
    }
}

static bool is_dirty(const struct node *node)
{
    for (unsigned i = 0; i < node->sim->plan.groups; i++) {
        if (node->shards[i].is_dirty) {
            return true;
        }
    }
    return false;
}

static void run_round(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = context;

    if (node->life != argument) {
        return;
    }
    node->round_is_due = false;
    sim->running = node;
    round_all(node);
    node_end_event(node);
}

void node_end_event(struct node *node)
{
    struct sim *sim = node->sim;

    if (!node->up) {
        return;
    }
    if (!node->dying && is_dirty(node)) {
        if (sim->plan.batch_us == 0) {
            round_all(node);
        } else if (!node->round_is_due) {
            node->round_is_due = true;
            sim_at(sim, sim->now_us + sim->plan.batch_us, run_round, node, node->life);
        }
    }
    if (!node->dying) {
        set_timer(node);
    } else {
        finish_dying(node);
    }
    sim->running = NULL;
}
