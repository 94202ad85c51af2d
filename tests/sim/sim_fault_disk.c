/* Disks that fail, fill up, become slow, are lost, or rot. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/sim_nemesis.h"

void fault_sync_fails(struct sim *sim)
{
    struct node *node = nemesis_victim(sim);

    if (node == NULL) {
        return;
    }
    if (nemesis_chance(sim, 2) == 0) {
        fake_disk_fail_sync_at(node->disk, 1 + nemesis_chance(sim, 20));
    } else {
        fake_disk_fail_write_at(node->disk, 1 + nemesis_chance(sim, 20), STATUS_IO_ERROR);
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

bool nemesis_lose_disk(struct sim *sim, struct node *node)
{
    if (node->retired || !operator_can_lose(sim, node)) {
        return false;
    }
    sim_tell(sim, "node %" PRIu64 " loses its disk, for ever", node->id);
    node->retired = true;
    node_crash(node, FAKE_DISK_LOSES, 0);
    node->start_at_us = 0;
    sim_at(sim, sim->now_us + nemesis_between(sim, SECOND, 20 * SECOND), run_replace, node, 0);
    return true;
}

void fault_disk_lost(struct sim *sim)
{
    bool lost = nemesis_lose_disk(sim, nemesis_any(sim));

    (void)lost; /* or the cluster could not bear it now */
}

static void run_room(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = context;

    fake_disk_limit(node->disk, UINT64_MAX);
}

void fault_disk_full(struct sim *sim)
{
    struct node *node = nemesis_victim(sim);

    if (node != NULL) {
        fake_disk_limit(node->disk, fake_disk_used(node->disk) + nemesis_chance(sim, 3) * 10000);
        sim_tell(sim, "the disk of node %" PRIu64 " is full", node->id);
        sim_at(sim, sim->now_us + nemesis_between(sim, SECOND, 20 * SECOND), run_room, node, 0);
    }
}

static void run_fast(struct sim *sim, void *context, uint64_t argument)
{
    ((struct node *)context)->disk_slow = 1;
}

void fault_disk_slow(struct sim *sim)
{
    struct node *node = nemesis_any(sim);

    node->disk_slow = nemesis_between(sim, 5, 500);
    sim_tell(sim, "the disk of node %" PRIu64 " is slow", node->id);
    sim_at(sim, sim->now_us + nemesis_between(sim, SECOND, 30 * SECOND), run_fast, node, 0);
}

struct files {
    struct sim *sim;
    char name[64];
    unsigned seen;
};

static void choose_file(void *context, const char *name)
{
    struct files *files = context;

    if (nemesis_chance(files->sim, ++files->seen) == 0) {
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
            status =
                fake_disk_flip(node->disk, path, nemesis_chance(sim, 8 * LOG_SEGMENT_SIZE_MIN / 2));
        }
        node->rotten = true;
        sim_tell(sim, "bits of %s flip on node %" PRIu64, path, node->id);
    }
}

bool nemesis_is_rotten_anywhere(struct sim *sim)
{
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        if (sim->nodes[slot].rotten) {
            return true;
        }
    }
    return false;
}

/* Bits rot on one node at a time, and only when all its replicas can be spared. Half of the time it
 * is restarted, so that all its log is read; otherwise it finds out when it reads what is not in
 * memory any more, or never: its replicas are replaced in any case. */
void fault_bit_rot(struct sim *sim)
{
    struct node *node = nemesis_any_up(sim);

    if (node == NULL || nemesis_is_rotten_anywhere(sim) || !operator_can_lose(sim, node)) {
        return;
    }
    flip(sim, node);
    for (unsigned i = 0; i < sim->plan.groups; i++) {
        node->shards[i].at_risk = node->shards[i].hosted;
    }
    if (nemesis_chance(sim, 2) == 0) {
        node_crash(node, FAKE_DISK_KEEPS, nemesis_between(sim, 20 * MS, 5 * SECOND));
    }
}

void fault_state_rot(struct sim *sim)
{
    struct node *node = nemesis_any_up(sim);
    unsigned group = (unsigned)nemesis_chance(sim, sim->plan.groups);

    if (node == NULL || nemesis_is_rotten_anywhere(sim)) {
        return;
    }
    struct shard *shard = &node->shards[group];
    if (shard->phase == SHARD_RUNS && !shard->installing && operator_can_lose_shard(sim, shard)) {
        sim_tell(sim, "the state of node %" PRIu64 " group %u rots", node->id, group);
        shard->state_rotten = shard->at_risk = true;
        state_rot(shard->state);
    }
}
