#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "tests/sim/sim.h"

/* ---- Chance ---- */

uint64_t sim_chance(struct sim *sim, enum stream stream, uint64_t bound)
{
    return bound <= UINT32_MAX ? random_below(&sim->random[stream], bound)
                               : random_next(&sim->random[stream]) % bound;
}

bool sim_happens(struct sim *sim, enum stream stream, unsigned ppm)
{
    return ppm > 0 && random_below(&sim->random[stream], 1000000) < ppm;
}

uint64_t sim_between(struct sim *sim, enum stream stream, uint64_t low, uint64_t high)
{
    return low >= high ? low : low + sim_chance(sim, stream, high - low + 1);
}

uint64_t hash_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    return hash ^ (hash >> 29);
}

uint64_t hash_octets(uint64_t hash, struct slice octets)
{
    hash = hash_mix(hash, octets.size);
    for (size_t i = 0; i < octets.size; i++) {
        hash = (hash ^ (unsigned char)octets.data[i]) * 0x100000001b3;
    }
    return hash_mix(hash, 1);
}

void sim_mix(struct sim *sim, uint64_t value)
{
    sim->digest = hash_mix(sim->digest, value);
}

/* ---- The queue: a binary heap by time, then by number ---- */

static bool is_before(const struct sim_event *one, const struct sim_event *other)
{
    return one->at_us != other->at_us ? one->at_us < other->at_us : one->number < other->number;
}

static void push(struct sim *sim, uint64_t at_us, sim_event_fn *run, void *context,
                 uint64_t argument, bool owned)
{
    struct sim_event event = {
        .at_us = at_us > sim->now_us ? at_us : sim->now_us,
        .number = ++sim->event_number,
        .run = run,
        .context = context,
        .argument = argument,
        .owned = owned,
    };

    if (sim->event_count == sim->event_capacity) {
        sim->event_capacity = sim->event_capacity * 2 + 256;
        sim->events = memory_resized(sim->events, sim->event_capacity * sizeof(*sim->events));
    }
    size_t place = sim->event_count++;
    while (place > 0 && is_before(&event, &sim->events[(place - 1) / 2])) {
        sim->events[place] = sim->events[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    sim->events[place] = event;
}

void sim_at(struct sim *sim, uint64_t at_us, sim_event_fn *run, void *context, uint64_t argument)
{
    push(sim, at_us, run, context, argument, false);
}

void sim_at_owned(struct sim *sim, uint64_t at_us, sim_event_fn *run, void *context)
{
    push(sim, at_us, run, context, 0, true);
}

static struct sim_event take_event(struct sim *sim)
{
    struct sim_event first = sim->events[0];
    struct sim_event last = sim->events[--sim->event_count];
    size_t place = 0;

    for (;;) {
        size_t child = 2 * place + 1;

        if (child >= sim->event_count) {
            break;
        }
        if (child + 1 < sim->event_count &&
            is_before(&sim->events[child + 1], &sim->events[child])) {
            child++;
        }
        if (!is_before(&sim->events[child], &last)) {
            break;
        }
        sim->events[place] = sim->events[child];
        place = child;
    }
    sim->events[place] = last;
    return first;
}

/* ---- What is told ---- */

static void print_time(struct sim *sim, struct buffer *output)
{
    buffer_printf(output, "%10.3f  ", (double)sim->now_us / SECOND);
}

static void append(struct buffer *output, const char *format, va_list arguments)
{
    char text[512];
    int size = vsnprintf(text, sizeof(text), format, arguments);

    buffer_append(output, (struct slice){text, (size_t)size < sizeof(text) ? (size_t)size
                                                                           : sizeof(text) - 1});
    buffer_append_octet(output, '\n');
}

void sim_tell(struct sim *sim, const char *format, ...)
{
    va_list arguments;

    if (buffer_room(&sim->story) < 1024) {
        buffer_consume(&sim->story, sim->story.size / 2);
    }
    size_t from = sim->story.size;
    print_time(sim, &sim->story);
    va_start(arguments, format);
    append(&sim->story, format, arguments);
    va_end(arguments);
    if (sim->traces) {
        fwrite(sim->story.data + from, 1, sim->story.size - from, stdout);
    }
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    va_list arguments;
    struct buffer line;

    buffer_init(&line, 2048);
    print_time(sim, &line);
    va_start(arguments, format);
    append(&line, format, arguments);
    va_end(arguments);
    fwrite(line.data, 1, line.size, stdout);
    buffer_done(&line);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list arguments;

    if (sim->failed) {
        return;
    }
    sim->failed = true;
    print_time(sim, &sim->reason);
    va_start(arguments, format);
    append(&sim->reason, format, arguments);
    va_end(arguments);
    if (sim->traces) {
        fprintf(stdout, "VIOLATION %.*s", (int)sim->reason.size, sim->reason.data);
    }
}

/* ---- A run ---- */

static void reached_point(void *context, const char *name)
{
    struct sim *sim = context;
    struct node *node = sim->running;

    if (node == NULL || node->dying) {
        return;
    }
    sim->points_reached++;
    if (sim->on_point != NULL) {
        sim->on_point(sim, name);
    }
    if (sim->crash_after == 0 || (sim->crash_node != NULL && sim->crash_node != node) ||
        strncmp(name, sim->crash_prefix, strlen(sim->crash_prefix)) != 0) {
        return;
    }
    if (--sim->crash_after == 0) {
        sim_tell(sim, "node %" PRIu64 " crashes at %s", node->id, name);
        if (sim->on_point == NULL) {
            crash_point_disarm();
        }
        node_die(node);
    }
}

void sim_arm_crash(struct sim *sim, struct node *node, const char *prefix, uint64_t nth)
{
    sim->crash_after = nth;
    sim->crash_node = node;
    sim->crash_prefix = prefix;
    crash_point_watch(reached_point, sim);
}

void sim_init(struct sim *sim, const struct plan *plan)
{
    struct random seeds = {plan->seed * 0x2545f4914f6cdd1d + 1};

    *sim = (struct sim){.plan = *plan, .digest = plan->seed};
    buffer_init(&sim->story, 1 << 18);
    buffer_init(&sim->reason, 1 << 12);
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        sim->random[i].state = random_next(&seeds);
    }
    sim->node_count = plan->nodes + plan->spares;
    CHECK(sim->node_count <= NODES_MAX && plan->groups <= GROUPS_MAX);
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        sim->nodes[slot].sim = sim;
        sim->nodes[slot].slot = slot;
        node_create(&sim->nodes[slot]);
    }
}

static void found_group(struct sim *sim, unsigned number)
{
    struct group *group = &sim->groups[number];
    struct raft_configuration configuration = {0};

    group->number = number;
    group->generation = 1;
    for (unsigned i = 0; i < sim->plan.voters; i++) {
        struct node *node = &sim->nodes[(number + i) % sim->plan.nodes];
        uint8_t priority = (uint8_t)(number % 2 == 1 && i == 0 ? 1 : 0);

        CHECK(raft_configuration_put(&configuration,
                                     (struct raft_replica){shard_id(&node->shards[number]),
                                                           RAFT_VOTER, priority}) == STATUS_OK);
    }
    for (unsigned i = 0; i < sim->plan.voters; i++) {
        shard_host(&sim->nodes[(number + i) % sim->plan.nodes].shards[number], 1, &configuration);
    }
}

static void run_heal(struct sim *sim, void *context, uint64_t argument)
{
    sim->healed = true;
    sim->healed_at_us = sim->now_us;
    sim_tell(sim, "---- faults are over ----");
    nemesis_heal(sim);
}

static void run_quiet(struct sim *sim, void *context, uint64_t argument)
{
    sim->quiet = true;
    sim_tell(sim, "---- clients are silent ----");
}

static void run_calm(struct sim *sim, void *context, uint64_t argument)
{
    check_calm(sim);
    sim_at(sim, sim->now_us + 10 * SECOND, run_calm, NULL, 0);
}

void sim_run(struct sim *sim)
{
    uint64_t end = sim->plan.duration_us + sim->plan.heal_us + sim->plan.silence_us;

    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        node_start(&sim->nodes[slot]);
    }
    for (unsigned i = 0; i < sim->plan.groups; i++) {
        found_group(sim, i);
    }
    for (unsigned i = 0; i < sim->plan.clients; i++) {
        sim->clients[i].sim = sim;
        sim->clients[i].number = i;
        client_start(&sim->clients[i]);
    }
    operator_start(sim);
    if (sim->script != NULL) {
        sim->script(sim);
    } else {
        nemesis_start(sim);
    }
    sim_at(sim, sim->plan.duration_us, run_heal, NULL, 0);
    sim_at(sim, sim->plan.duration_us + sim->plan.heal_us, run_quiet, NULL, 0);
    sim_at(sim, 0, run_calm, NULL, 0);
    while (!sim->failed && sim->event_count > 0 && sim->events[0].at_us < end) {
        struct sim_event event = take_event(sim);

        sim->now_us = event.at_us;
        sim->events_run++;
        event.run(sim, event.context, event.argument);
        if (sim->plot.kind != NULL && !sim->failed) {
            plot_look(sim);
        }
    }
    if (!sim->failed) {
        sim->now_us = end;
        check_end(sim);
    }
}

/* ---- How the replicas stand, for people ---- */

static void print_configuration(const struct raft_configuration *configuration,
                                struct buffer *output)
{
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_replica *replica = &configuration->replicas[i];

        buffer_printf(output, " %" PRIu64 "%s%s%s", replica->id,
                      (replica->parts & RAFT_VOTER) != 0 ? "v" : "",
                      (replica->parts & RAFT_OUTGOING) != 0 ? "o" : "",
                      (replica->parts & RAFT_LEARNER) != 0 ? "l" : "");
    }
}

static void print_shard(const struct shard *shard, struct buffer *output)
{
    static const char *const phases[] = {"none",       "finishing", "runs",    "stopped",
                                         "quarantine", "forcing",   "leaving", "forgetting"};
    static const char *const roles[] = {"follower", "pre-candidate", "candidate", "leader"};

    buffer_printf(output, "  node %" PRIu64 " (slot %u, %s) group %u %s%s generation %" PRIu64,
                  shard_id(shard), shard->node->slot, shard->node->up ? "up" : "down", shard->group,
                  phases[shard->phase], shard->hosted ? "" : " not hosted", shard->generation);
    if (shard->replica != NULL && shard->phase == SHARD_RUNS) {
        struct raft_state raft = replica_state(shard->replica);

        buffer_printf(output,
                      " %s%s term %" PRIu64 " vote %" PRIu64 " leader %" PRIu64 " first %" PRIu64
                      " last %" PRIu64 ":%" PRIu64 " persisted %" PRIu64 " commit %" PRIu64
                      " applied %" PRIu64 ", configuration of %" PRIu64 ":",
                      roles[raft.role], raft.installing ? " installing" : "", raft.hard_state.term,
                      raft.hard_state.vote, raft.leader, raft.first_index, raft.last.term,
                      raft.last.index, raft.persisted_index, raft.commit_index, raft.applied_index,
                      raft.configuration_index);
        print_configuration(raft.configuration, output);
    }
    buffer_append_octet(output, '\n');
}

void sim_print_standing(struct sim *sim, struct buffer *output)
{
    for (unsigned group = 0; group < sim->plan.groups; group++) {
        for (unsigned slot = 0; slot < sim->node_count; slot++) {
            const struct shard *shard = &sim->nodes[slot].shards[group];

            if (shard->hosted || shard->phase != SHARD_NONE) {
                print_shard(shard, output);
            }
        }
    }
}

void sim_done(struct sim *sim)
{
    crash_point_disarm();
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        node_destroy(&sim->nodes[slot]);
    }
    for (size_t i = 0; i < sim->event_count; i++) {
        if (sim->events[i].owned) {
            memory_free(sim->events[i].context);
        }
    }
    memory_free(sim->events);
    for (unsigned i = 0; i < sim->plan.groups; i++) {
        check_done(&sim->groups[i]);
    }
    buffer_done(&sim->story);
    buffer_done(&sim->reason);
}
