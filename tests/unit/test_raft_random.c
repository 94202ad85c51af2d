/* storage/raft under a random schedule: messages lost, doubled and reordered, disks that lag,
 * crashes with all that was not durable, changes of members, transfers, snapshots. Every promise of
 * the paper's Figure 3 is checked all along; and when the faults end, the group goes on within a
 * bound.
 *
 * RAFT_SEED=n runs that seed alone; RAFT_SEEDS=n that many. */
#include <stdio.h>
#include <stdlib.h>

#include "core/number.h"
#include "core/random.h"
#include "tests/unit/raft_group.h"
#include "tests/unit/unit.h"

enum { SEEDS = 300, STEPS = 1500, NODES = 5 };

struct chaos {
    struct group group;
    struct random random;
    uint64_t proposals;
    /* How wild this run is, by its seed. */
    uint64_t advance_ms_max; /* in a step */
    uint64_t loss_percent;
    uint64_t double_percent;
    uint64_t moves_max;    /* messages in a step */
    uint64_t persists_max; /* writes in a step */
    uint64_t disturb_percent;
    uint64_t read_percent;
    uint64_t propose_percent;
    bool small; /* three replicas, whose members never change */
    bool bare;  /* without pre-vote and check-quorum: more elections, and no promise of progress */
};

static uint64_t one_of(struct chaos *chaos, const uint64_t choices[4])
{
    return choices[random_below(&chaos->random, 4)];
}

static bool happens(struct chaos *chaos, uint64_t percent)
{
    return random_below(&chaos->random, 100) < percent;
}

static void choose_wildness(struct chaos *chaos)
{
    chaos->advance_ms_max = one_of(chaos, (const uint64_t[]){10, 40, 120, 300});
    chaos->loss_percent = one_of(chaos, (const uint64_t[]){0, 1, 5, 20});
    chaos->double_percent = one_of(chaos, (const uint64_t[]){0, 5, 10, 25});
    chaos->moves_max = one_of(chaos, (const uint64_t[]){4, 8, 16, 30});
    chaos->persists_max = one_of(chaos, (const uint64_t[]){2, 4, 8, 30});
    chaos->disturb_percent = one_of(chaos, (const uint64_t[]){2, 5, 15, 40});
    chaos->read_percent = one_of(chaos, (const uint64_t[]){0, 5, 20, 50});
    chaos->propose_percent = one_of(chaos, (const uint64_t[]){10, 30, 60, 100});
    chaos->small = happens(chaos, 50);
    chaos->bare = happens(chaos, 40);
}

static struct group_node *any_node(struct chaos *chaos)
{
    return &chaos->group.nodes[random_below(&chaos->random, chaos->group.node_count)];
}

static void begin(struct chaos *chaos, uint64_t seed)
{
    struct raft_configuration_at first = {.index = 0};

    *chaos = (struct chaos){.random = {.state = seed * 7919 + 1}};
    group_init(&chaos->group, NULL);
    chaos->group.reads_name_indexes = true;
    choose_wildness(chaos);
    for (uint64_t id = 1; id <= 3; id++) {
        struct raft_replica replica = {
            .id = id, .parts = RAFT_VOTER, .priority = (uint8_t)(seed % 3 == 0 ? id : 0)};

        assert_int_equal(raft_configuration_put(&first.configuration, replica), STATUS_OK);
    }
    for (uint64_t id = 1; id <= (chaos->small ? 3 : NODES); id++) {
        struct raft_options options = {.id = id,
                                       .generation = 1,
                                       .seed = seed * 100 + id,
                                       .election_timeout_min_ms = 1000,
                                       .heartbeat_ms = 100,
                                       .message_bytes_max = 200,
                                       .inflight_messages_max = 4,
                                       .uncommitted_bytes_max = 2000,
                                       .promote_lag_max = 5,
                                       .pre_vote_off = chaos->bare,
                                       .check_quorum_off = chaos->bare,
                                       .lease_reads = seed % 4 == 1};
        struct group_log disk = {.configuration = id <= 3 ? first.configuration
                                                          : (struct raft_configuration){0}};
        struct group_node *node =
            group_add(&chaos->group, &options, (struct raft_hard_state){0}, disk);

        node->holds_writes = true;
    }
}

static void change_members(struct chaos *chaos, struct group_node *node)
{
    struct raft_configuration wished = *raft_state(node->raft).configuration;
    struct raft_replica replica = {.id = 1 + random_below(&chaos->random, NODES),
                                   .parts = random_below(&chaos->random, 2) == 0 ? RAFT_VOTER
                                                                                 : RAFT_LEARNER};

    if (raft_configuration_is_joint(&wished) || chaos->small) {
        return;
    }
    if (random_below(&chaos->random, 3) == 0 && wished.count > 1) {
        uint64_t gone = random_below(&chaos->random, wished.count);

        memmove(&wished.replicas[gone], &wished.replicas[gone + 1],
                (wished.count - gone - 1) * sizeof(wished.replicas[0]));
        wished.count--;
    }
    if (raft_configuration_put(&wished, replica) == STATUS_OK) {
        group_step(
            &chaos->group, node,
            (struct raft_event){.kind = RAFT_CONFIGURATION_PROPOSED, .configuration = &wished});
    }
}

static void handle_snapshot(struct chaos *chaos, struct group_node *node)
{
    struct group *group = &chaos->group;
    bool fails = random_below(&chaos->random, 4) == 0;
    struct raft_event failed = {.kind = RAFT_SNAPSHOT_FAILED};

    if (node->make_for != 0) {
        failed.peer = (uint64_t)__builtin_ctz(node->make_for);
        if (fails) {
            node->make_for &= ~(1U << failed.peer);
            group_step(group, node, failed);
        } else {
            group_snapshot_ready(group, node, failed.peer);
        }
        return;
    }
    switch (node->snapshot.act) {
    case RAFT_SNAPSHOT_FETCH:
        if (fails) {
            node->snapshot.act = RAFT_SNAPSHOT_ABANDON;
            failed.peer = 0;
            group_step(group, node, failed);
        } else {
            group_snapshot_fetched(group, node);
        }
        break;
    case RAFT_SNAPSHOT_INSTALL:
        group_snapshot_installed(group, node);
        break;
    default:
        break;
    }
}

static void disturb(struct chaos *chaos, struct group_node *node)
{
    struct group *group = &chaos->group;
    struct raft_state state = raft_state(node->raft);
    uint64_t other = 1 + random_below(&chaos->random, NODES);

    switch (random_below(&chaos->random, 8)) {
    case 0:
        if (!state.installing) { /* finishing it is the node's duty, in sim */
            group_crash(
                group, node,
                node->flushed_index +
                    random_below(&chaos->random, node->applied_index - node->flushed_index + 1));
        }
        break;
    case 1:
        change_members(chaos, node);
        break;
    case 2:
        group_step(group, node, (struct raft_event){.kind = RAFT_TRANSFER, .peer = other % 4});
        break;
    case 3:
        if (state.applied_index >= state.first_index) {
            uint64_t span = state.applied_index - state.first_index + 1;

            (void)!group_compact(group, node,
                                 state.first_index + random_below(&chaos->random, span));
        }
        break;
    case 4:
        group_step(group, node, (struct raft_event){.kind = RAFT_PEER_LOST, .peer = other});
        break;
    case 5:
        group_step(group, node, (struct raft_event){.kind = RAFT_CAMPAIGN});
        break;
    case 6:
        node->cut_off = !node->cut_off;
        break;
    default:
        break;
    }
}

static void move_messages(struct chaos *chaos)
{
    struct group *group = &chaos->group;

    uint64_t moves = random_below(&chaos->random, chaos->moves_max) + group->messages.count / 4;

    for (uint64_t i = moves; i > 0; i--) {
        size_t window = group->messages.count < 8 ? group->messages.count : 8;
        size_t index;

        if (window == 0 || group->broken != NULL) {
            return;
        }
        /* Mostly the oldest ones; now and then one that was forgotten long since. */
        index = (size_t)random_below(&chaos->random,
                                     happens(chaos, 10) ? group->messages.count : window);
        if (happens(chaos, chaos->loss_percent)) {
            group_drop(group, index);
        } else if (happens(chaos, chaos->double_percent)) {
            group_duplicate(group, index);
        } else {
            group_deliver(group, index);
        }
    }
    while (group->messages.count > 200) {
        group_drop(group, (size_t)random_below(&chaos->random, group->messages.count));
    }
}

static void chaos_step(struct chaos *chaos)
{
    struct group *group = &chaos->group;
    struct group_node *node = any_node(chaos);
    struct group_node *leader = group_leader(group);

    move_messages(chaos);
    group_advance(group, random_below(&chaos->random, chaos->advance_ms_max));
    if (group->broken != NULL) {
        return;
    }
    if (node->raft == NULL) {
        if (happens(chaos, 20)) {
            group_restart(group, node);
        }
        return;
    }
    for (uint64_t i = random_below(&chaos->random, chaos->persists_max); i > 0; i--) {
        group_persist(group, node);
    }
    handle_snapshot(chaos, node);
    if (leader != NULL && group->broken == NULL && happens(chaos, chaos->propose_percent)) {
        char text[GROUP_TEXT_SIZE];

        snprintf(text, sizeof(text), "p%llu", (unsigned long long)++chaos->proposals);
        (void)!group_propose(group, leader, text, 1 + random_below(&chaos->random, 3), 20);
    }
    if (happens(chaos, chaos->disturb_percent) && group->broken == NULL && node->raft != NULL) {
        disturb(chaos, node);
    }
    if (happens(chaos, chaos->read_percent) && group->broken == NULL && node->raft != NULL) {
        group_step(group, node,
                   (struct raft_event){.kind = RAFT_READ, .read_context = group->committed_count});
    }
}

/* After the last fault everyone who belongs to the group has all of it. */
static void heals(struct chaos *chaos)
{
    struct group *group = &chaos->group;
    struct group_node *leader;

    for (size_t i = 0; i < group->node_count; i++) {
        struct group_node *node = &group->nodes[i];

        node->cut_off = false;
        node->holds_writes = false;
        if (node->raft == NULL) {
            group_restart(group, node);
        }
    }
    for (int round = 0; round < 300 && group->broken == NULL; round++) {
        group_stabilize(group);
        group_advance(group, 100);
    }
    leader = group_leader(group);
    if (group->broken != NULL) {
        return;
    }
    if (leader == NULL) {
        group->broken = "no leader after the faults ended";
        return;
    }
    if (group_propose(group, leader, "last", 1, 4) != STATUS_OK) {
        group->broken = "nothing can be proposed after the faults ended";
        return;
    }
    for (int round = 0; round < 30 && group->broken == NULL; round++) {
        group_stabilize(group);
        group_advance(group, 100);
    }
    for (size_t i = 0; i < group->node_count && group->broken == NULL; i++) {
        struct group_node *node = &group->nodes[i];
        struct raft_state state = raft_state(leader->raft);

        if (raft_configuration_find(state.configuration, node->id) != NULL &&
            node->applied_index != state.commit_index) {
            group->broken = "a member stays behind after the faults ended";
        }
        if (state.commit_index != state.last.index) {
            group->broken = "not all is committed after the faults ended";
        }
    }
}

static uint64_t chaos_committed;
static uint64_t chaos_terms;

static const char *run(uint64_t seed)
{
    struct chaos chaos;
    const char *broken;

    begin(&chaos, seed);
    for (int step = 0; step < STEPS && chaos.group.broken == NULL; step++) {
        chaos_step(&chaos);
        if (step % 16 == 0) {
            group_check_logs(&chaos.group);
        }
    }
    if (chaos.group.broken == NULL && !chaos.bare) {
        heals(&chaos);
        group_check_logs(&chaos.group);
    }
    broken = chaos.group.broken;
    chaos_committed += chaos.group.committed_count;
    chaos_terms += chaos.group.term_count;
    group_done(&chaos.group);
    return broken;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t number = otherwise;

    if (text != NULL) {
        assert_int_equal(number_parse(slice_of(text), UINT32_MAX, &number), STATUS_OK);
    }
    return number;
}

static void promises_hold_whatever_happens(void **state)
{
    uint64_t only = number_of("RAFT_SEED", 0);
    uint64_t count = only != 0 ? 1 : number_of("RAFT_SEEDS", SEEDS);
    uint64_t failures = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t seed = only != 0 ? only : i + 1;
        const char *broken = run(seed);

        if (broken != NULL) {
            print_message("RAFT_SEED=%llu: %s\n", (unsigned long long)seed, broken);
            failures++;
        }
    }
    print_message("%llu entries in %llu terms\n", (unsigned long long)chaos_committed,
                  (unsigned long long)chaos_terms);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(promises_hold_whatever_happens)};

    return cmocka_run_group_tests_name("raft_random", tests, NULL, NULL);
}
