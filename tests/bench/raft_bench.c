/* What the Raft core costs: three replicas of each group in one thread, with logs in memory.
 *
 *     cmake --preset release && cmake --build --preset release --target raft_bench
 *     build/release/tests/bench/raft_bench [SECONDS]
 *
 * Prints commits a second of 1 KiB (100 groups, 8 proposals outstanding in each; every replica
 * copies every payload into its log), octets of an idle replica, and the part of a core that 300
 * idle groups take on three nodes together. Exits 1 when a number that the design holds is missed:
 * 150,000 commits/s, 16 KiB, 1 %. Times are of the processor, so that a busy machine counts less.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"
#include "storage/raft/raft.h"

enum {
    REPLICAS = 3,
    GROUPS = 100,
    OUTSTANDING = 8,
    PAYLOAD_SIZE = 1024,
    LOG_SIZE = 256, /* entries kept, a power of two */
    INBOX_SIZE = 64,
    BATCH_SIZE = 32, /* entries in a message at most, by message_bytes_max */
    IDLE_GROUPS = 300,
    IDLE_SECONDS = 600, /* simulated */
};

struct letter {
    struct raft_message message;
    struct raft_entry entries[BATCH_SIZE];
};

struct replica {
    struct raft *raft;
    struct raft_entry entries[LOG_SIZE];
    char (*payloads)[PAYLOAD_SIZE]; /* LOG_SIZE of them, or NULL */
    struct letter inbox[INBOX_SIZE];
    size_t inbox_count;
    struct raft_mark mark; /* written in the last round, durable in this */
    bool has_mark;
    uint64_t applied_index;
    uint64_t wake_at_ms;
};

struct group {
    struct replica replicas[REPLICAS];
    uint64_t proposed;
};

static char payload[PAYLOAD_SIZE];

static double processor_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static struct raft *start(uint64_t id, uint64_t seed)
{
    struct raft_configuration_at first = {.configuration = {.count = REPLICAS}};
    struct raft_options options = {.id = id,
                                   .seed = seed,
                                   .now_ms = 1,
                                   .message_bytes_max = BATCH_SIZE / 2 * PAYLOAD_SIZE,
                                   .configurations = &first,
                                   .configuration_count = 1};
    struct raft *raft;

    for (uint64_t i = 0; i < REPLICAS; i++) {
        first.configuration.replicas[i] = (struct raft_replica){.id = i + 1, .parts = RAFT_VOTER};
    }
    CHECK(raft_new(&options, &raft) == STATUS_OK);
    return raft;
}

static void post(struct group *group, const struct replica *from,
                 const struct raft_message *message)
{
    struct replica *to = &group->replicas[message->to - 1];
    struct letter *letter = &to->inbox[to->inbox_count++];

    CHECK(to->inbox_count <= INBOX_SIZE && message->entry_count <= BATCH_SIZE);
    letter->message = *message;
    letter->message.entries = letter->entries;
    for (size_t i = 0; i < message->entry_count; i++) {
        letter->entries[i] = from->entries[(message->position.index + 1 + i) % LOG_SIZE];
    }
}

static void carry_out(struct group *group, struct replica *replica,
                      const struct raft_effects *effects)
{
    for (size_t i = 0; i < effects->entry_count; i++) {
        const struct raft_entry *entry = &effects->entries[i];

        replica->entries[entry->index % LOG_SIZE] = *entry;
        if (replica->payloads != NULL) {
            memcpy(replica->payloads[entry->index % LOG_SIZE], payload, entry->size);
        }
    }
    for (size_t i = 0; i < effects->eager_count; i++) {
        post(group, replica, &effects->messages_eager[i]);
    }
    for (size_t i = 0; i < effects->durable_count; i++) {
        post(group, replica, &effects->messages_durable[i]);
    }
    replica->has_mark = effects->writes;
    replica->mark = effects->mark;
    replica->wake_at_ms = effects->wake_at_ms;
}

static void step(struct replica *replica, struct raft_event event)
{
    CHECK(raft_step(replica->raft, &event, NULL) == STATUS_OK);
}

/* One iteration of a shard's loop: everything that waits, then one set of effects. */
static void turn(struct group *group, struct replica *replica, uint64_t now_ms, size_t proposals)
{
    static const uint32_t sizes[OUTSTANDING] = {PAYLOAD_SIZE, PAYLOAD_SIZE, PAYLOAD_SIZE,
                                                PAYLOAD_SIZE, PAYLOAD_SIZE, PAYLOAD_SIZE,
                                                PAYLOAD_SIZE, PAYLOAD_SIZE};
    struct raft_effects effects;

    if (replica->has_mark) {
        step(replica, (struct raft_event){
                          .kind = RAFT_PERSISTED, .now_ms = now_ms, .persisted = replica->mark});
    }
    for (size_t i = 0; i < replica->inbox_count; i++) {
        step(replica, (struct raft_event){.kind = RAFT_RECEIVED,
                                          .now_ms = now_ms,
                                          .received = &replica->inbox[i].message});
    }
    replica->inbox_count = 0;
    if (now_ms >= replica->wake_at_ms) {
        step(replica, (struct raft_event){.kind = RAFT_TICK, .now_ms = now_ms});
    }
    if (proposals > 0) {
        struct raft_event event = {.kind = RAFT_PROPOSED, .now_ms = now_ms};

        event.proposed.sizes = sizes;
        event.proposed.count = proposals;
        step(replica, event);
    }
    CHECK(raft_step(replica->raft, NULL, &effects) == STATUS_OK);
    carry_out(group, replica, &effects);
    if (effects.apply_through > replica->applied_index) {
        replica->applied_index = effects.apply_through;
        step(replica, (struct raft_event){
                          .kind = RAFT_APPLIED, .now_ms = now_ms, .index = replica->applied_index});
        if (replica->applied_index % LOG_SIZE < OUTSTANDING) {
            uint64_t keep = LOG_SIZE / 4;

            step(replica, (struct raft_event){.kind = RAFT_COMPACTED,
                                              .now_ms = now_ms,
                                              .index = replica->applied_index > keep
                                                           ? replica->applied_index - keep
                                                           : 0});
        }
    }
}

static struct group *groups_new(size_t count, bool has_payloads)
{
    struct group *groups = memory_zeroed(count * sizeof(*groups));

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < REPLICAS; j++) {
            struct replica *replica = &groups[i].replicas[j];

            replica->raft = start(j + 1, i * REPLICAS + j);
            if (has_payloads) {
                replica->payloads = memory_zeroed((size_t)LOG_SIZE * PAYLOAD_SIZE);
            }
        }
        step(&groups[i].replicas[0], (struct raft_event){.kind = RAFT_CAMPAIGN, .now_ms = 1});
        for (int round = 0; round < 20; round++) {
            for (size_t j = 0; j < REPLICAS; j++) {
                turn(&groups[i], &groups[i].replicas[j], 1, 0);
            }
        }
        CHECK(raft_state(groups[i].replicas[0].raft).role == RAFT_LEADER);
        groups[i].proposed = groups[i].replicas[0].applied_index;
    }
    return groups;
}

static void groups_free(struct group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < REPLICAS; j++) {
            raft_free(groups[i].replicas[j].raft);
            memory_free(groups[i].replicas[j].payloads);
        }
    }
    memory_free(groups);
}

/* A millisecond passes for every hundred rounds: what a busy node would see. */
static double measure_commits(double seconds)
{
    struct group *groups = groups_new(GROUPS, true);
    double began = processor_seconds();
    uint64_t commits = 0;
    double took;

    for (uint64_t round = 0; (took = processor_seconds() - began) < seconds; round++) {
        for (size_t i = 0; i < GROUPS; i++) {
            struct group *group = &groups[i];
            uint64_t before = group->replicas[0].applied_index;
            size_t free = OUTSTANDING - (size_t)(group->proposed - before);

            group->proposed += free;
            turn(group, &group->replicas[0], 1 + round / 100, free);
            turn(group, &group->replicas[1], 1 + round / 100, 0);
            turn(group, &group->replicas[2], 1 + round / 100, 0);
            commits += group->replicas[0].applied_index - before;
        }
    }
    groups_free(groups, GROUPS);
    return (double)commits / took;
}

/* What the heap holds for idle replicas, per replica: with all that the allocator adds. */
static size_t measure_idle_memory(struct group *groups)
{
    size_t before = mallinfo2().uordblks;
    size_t largest = 0;
    struct raft *fresh[100];

    for (size_t i = 0; i < 100; i++) {
        fresh[i] = start(1, i);
    }
    printf("idle memory, new replica: %zu octets\n", (mallinfo2().uordblks - before) / 100);
    for (size_t i = 0; i < 100; i++) {
        raft_free(fresh[i]);
    }
    for (size_t i = 0; i < IDLE_GROUPS; i++) {
        for (size_t j = 0; j < REPLICAS; j++) {
            size_t memory = raft_state(groups[i].replicas[j].raft).memory;

            largest = memory > largest ? memory : largest;
        }
    }
    return largest;
}

/* Each node takes its turn with all groups whenever one of them has to wake: their heartbeats
 * are due together, so that there is one frame a peer. */
static double measure_idle_share(struct group *groups)
{
    double began = processor_seconds();
    uint64_t messages = 0;

    for (uint64_t now_ms = 1; now_ms < IDLE_SECONDS * 1000; now_ms += 50) {
        for (size_t i = 0; i < IDLE_GROUPS; i++) {
            for (size_t j = 0; j < REPLICAS; j++) {
                struct replica *replica = &groups[i].replicas[j];

                messages += replica->inbox_count;
                if (replica->inbox_count > 0 || now_ms >= replica->wake_at_ms) {
                    turn(&groups[i], replica, now_ms, 0);
                }
            }
        }
    }
    printf("idle groups: %.0f messages/s\n", (double)messages / IDLE_SECONDS);
    for (size_t i = 0; i < IDLE_GROUPS; i++) {
        CHECK(raft_state(groups[i].replicas[0].raft).hard_state.term == 1);
    }
    return (processor_seconds() - began) / IDLE_SECONDS;
}

int main(int count, char **arguments)
{
    uint64_t seconds = 3;
    struct group *idle;
    double commits;
    size_t memory;
    double share;

    if (count > 1) {
        CHECK(number_parse(slice_of(arguments[1]), 3600, &seconds) == STATUS_OK);
    }
    commits = measure_commits((double)seconds);
    printf("commits: %.0f/s (at least 150000)\n", commits);
    idle = groups_new(IDLE_GROUPS, false);
    share = measure_idle_share(idle);
    memory = measure_idle_memory(idle);
    printf("idle memory, largest of %d replicas: %zu octets (at most 16384)\n",
           IDLE_GROUPS * REPLICAS, memory);
    printf("%d idle groups on three nodes: %.3f %% of a core (at most 1)\n", IDLE_GROUPS,
           share * 100);
    groups_free(idle, IDLE_GROUPS);
    return commits >= 150000 && memory <= 16384 && share <= 0.01 ? 0 : 1;
}
