/* The checkers are checked: each error is planted in a quiet history, and the checker that is there
 * for it must name it. Where the simulated nodes can be made to err, they are; else a checker is
 * shown what it would see of nodes that do. */
#include <inttypes.h>
#include <stdio.h>

#include "core/macros.h"
#include "core/memory.h"
#include "tests/sim/sim_main.h"

enum { PLANT_AT = 20 * SECOND, FAULTS_END = 32 * SECOND, CALM_AT = FAULTS_END + 90 * SECOND };

/* ---- What the plants work on ---- */

static struct shard *leader_of(struct sim *sim)
{
    struct shard *leader = operator_leader(sim, 0);

    if (leader == NULL) {
        sim_fail(sim, "no leader to plant anything at");
    }
    return leader;
}

static struct shard *follower_of(struct sim *sim, const struct shard *leader)
{
    unsigned slot = leader->node->slot == 0 ? 1 : 0;

    return &sim->nodes[slot].shards[0];
}

static void cut(struct sim *sim, const struct node *node, bool cuts)
{
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        sim->links[node->slot][slot].cut = sim->links[slot][node->slot].cut = cuts;
    }
}

static void give_leadership_away(struct shard *leader)
{
    struct raft_event event = {.kind = RAFT_TRANSFER};

    if (shard_step(leader, event) != STATUS_OK) {
        sim_fail(leader->node->sim, "leadership cannot be given away");
    }
    node_end_event(leader->node);
}

static struct committed *next_committed(struct sim *sim)
{
    return &sim->groups[0].committed[sim->groups[0].committed_last + 1];
}

static void show_answer(struct sim *sim, const struct operation *operation, uint32_t uid,
                        uint64_t modseq)
{
    struct answer answer = {
        .position = {.index = 1, .term = 1},
        .outcome = {.is_command = true, .operation = operation->id, .uid = uid, .modseq = modseq},
    };

    check_acked(sim, 0, operation, &answer);
}

/* ---- The errors ---- */

static void second_leader(struct sim *sim, struct shard *leader)
{
    struct group *group = &sim->groups[0];

    /* Somebody unknown leads the term that comes next. */
    group->leaders[group->leader_count - 1] = (struct known_leader){
        replica_state(leader->replica).hard_state.term + 1,
        999,
    };
    give_leadership_away(leader);
}

static void second_vote(struct sim *sim, struct shard *leader)
{
    struct raft_message vote = {.kind = RAFT_VOTE_ANSWER, .term = 1000, .from = 1, .to = 2};

    check_sent(leader, &vote);
    vote.to = 3;
    check_sent(leader, &vote);
}

static void unmatched_entries(struct sim *sim, struct shard *leader)
{
    struct raft_position position = {.term = 1000, .index = 1000};

    check_entry(&sim->groups[0], sim, 999, position, 7);
    check_entry(&sim->groups[0], sim, 999, position, 9);
}

static void other_entry_committed(struct sim *sim, struct shard *leader)
{
    next_committed(sim)->term = 999;
}

static void incomplete_leader(struct sim *sim, struct shard *leader)
{
    *next_committed(sim) = (struct committed){.term = 999, .known_in = 1};
    sim->groups[0].committed_last++;
    give_leadership_away(leader);
}

/* One who is cut off will apply what the others applied otherwise. */
static void run_change_digest(struct sim *sim, void *context, uint64_t argument)
{
    struct committed *last = &sim->groups[0].committed[sim->groups[0].committed_last];

    last->digest ^= 1;
    cut(sim, context, false);
}

static void unequal_states(struct sim *sim, struct shard *leader)
{
    struct node *node = follower_of(sim, leader)->node;

    cut(sim, node, true);
    sim_at(sim, sim->now_us + 5 * SECOND, run_change_digest, node, 0);
}

static void run_change_content(struct sim *sim, void *context, uint64_t argument)
{
    struct committed *last = &sim->groups[0].committed[sim->groups[0].committed_last];

    last->checksum ^= 2;
    cut(sim, context, false);
}

static void unequal_logs(struct sim *sim, struct shard *leader)
{
    struct node *node = follower_of(sim, leader)->node;

    cut(sim, node, true);
    sim_at(sim, sim->now_us + 5 * SECOND, run_change_content, node, 0);
}

static void term_gone_back(struct sim *sim, struct shard *leader)
{
    follower_of(sim, leader)->seen.hard_state.term += 100;
}

static void commit_gone_back(struct sim *sim, struct shard *leader)
{
    leader->seen.commit_index += 100;
}

static void changed_vote(struct sim *sim, struct shard *leader)
{
    leader->seen.hard_state.vote = 999;
}

static void lost_write(struct sim *sim, struct shard *leader)
{
    struct group *group = &sim->groups[0];
    struct operation operation = {.id = ++group->operation_last, .kind = OPERATION_DELIVER};

    show_answer(sim, &operation, 1, 1);
}

/* The same message under another request id, as if its repetition had not been recognised. */
static void doubled_write(struct sim *sim, struct shard *leader)
{
    struct state_command command = {.kind = OPERATION_DELIVER, .request = 1000000, .wall_ms = 1};
    struct raft_position position;
    struct buffer payload;

    for (uint64_t id = 1; id <= sim->groups[0].operation_last; id++) {
        if (sim->groups[0].acked[id].index > 0 &&
            sim->groups[0].acked[id].kind == OPERATION_DELIVER) {
            command.operation = id;
            command.box = sim->groups[0].acked[id].box;
        }
    }
    buffer_init(&payload, 1 << 20);
    state_encode(leader->state, &command, &payload);
    struct slice view = buffer_view(&payload);

    if (replica_propose(leader->replica, node_clock_ms(leader->node), &view, 1, &position) !=
        STATUS_OK) {
        sim_fail(sim, "the double was not proposed");
    }
    node_end_event(leader->node);
    buffer_done(&payload);
}

static void uid_given_twice(struct sim *sim, struct shard *leader)
{
    struct operation operation = {.id = 1, .kind = OPERATION_DELIVER, .acked_uid = 5};

    show_answer(sim, &operation, 5, 100000);
}

static void modseq_gone_back(struct sim *sim, struct shard *leader)
{
    struct operation operation = {.id = 1, .kind = OPERATION_FLAG, .acked_modseq = 50};

    show_answer(sim, &operation, 1, 49);
}

static void wrong_answer(struct sim *sim, struct shard *leader)
{
    struct operation operation = {.id = 1, .kind = OPERATION_FLAG};
    struct answer answer = {.outcome = {.operation = 2}};

    check_acked(sim, 0, &operation, &answer);
}

static void stale_read(struct sim *sim, struct shard *leader)
{
    struct operation operation = {.kind = OPERATION_READ, .acked_index = 50};
    struct answer answer = {.applied = 49, .view = {.uid_next = 9, .modseq = 9}};

    check_read(sim, 0, &operation, &answer);
}

static void retransmission_without_end(struct sim *sim, struct shard *leader)
{
    struct node *node = follower_of(sim, leader)->node;
    struct link *link = &sim->links[leader->node->slot][node->slot];

    cut(sim, node, true);
    link->unanswered[0] = 100000;
    link->unanswered_since_us[0] = sim->now_us;
}

static void nobody_leads(struct sim *sim, struct shard *leader)
{
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        cut(sim, &sim->nodes[slot], true);
    }
}

static void nothing_commits(struct sim *sim, struct shard *leader)
{
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        sim->nodes[slot].disk_us = 1000 * (uint64_t)SECOND;
    }
}

static void restless(struct sim *sim, struct shard *leader)
{
    give_leadership_away(leader);
}

static const struct planted {
    const char *name;
    const char *found; /* how the checker's words begin */
    void (*plant)(struct sim *sim, struct shard *leader);
    uint64_t at_us;
    bool real_apply;
} planted[] = {
    {"two leaders in a term", "one leader a term:", second_leader, PLANT_AT, false},
    {"two votes in a term", "votes:", second_vote, PLANT_AT, false},
    {"a vote that changes", "votes:", changed_vote, PLANT_AT, false},
    {"two entries of one term and index", "log matching:", unmatched_entries, PLANT_AT, false},
    {"a committed entry replaced", "committed entries never change:", other_entry_committed,
     PLANT_AT, false},
    {"a leader without a committed entry", "leader completeness:", incomplete_leader, PLANT_AT,
     false},
    {"unequal states", "equal states:", unequal_states, PLANT_AT, false},
    {"unequal states of real commands", "equal states:", unequal_states, PLANT_AT, true},
    {"unequal logs", "one log:", unequal_logs, PLANT_AT, false},
    {"a term that goes back", "nothing goes back:", term_gone_back, PLANT_AT, false},
    {"a commit that goes back", "nothing goes back:", commit_gone_back, PLANT_AT, false},
    {"a lost write", "what was acknowledged is there once:", lost_write, PLANT_AT, false},
    {"a lost write of real commands", "what was acknowledged is there once:", lost_write, PLANT_AT,
     true},
    {"a doubled write", "what was acknowledged is there once:", doubled_write, PLANT_AT, true},
    {"a UID given twice", "a UID is never given twice:", uid_given_twice, PLANT_AT, false},
    {"a MODSEQ that goes back", "MODSEQ never goes back:", modseq_gone_back, PLANT_AT, false},
    {"the answer to another question", "answers:", wrong_answer, PLANT_AT, false},
    {"a stale read", "reads see what was acknowledged:", stale_read, PLANT_AT, false},
    {"retransmission without end", "bounds:", retransmission_without_end, PLANT_AT, false},
    {"nobody leads", "progress: group 0 has no leader", nobody_leads, CALM_AT, false},
    {"nothing commits", "progress: group 0 commits nothing", nothing_commits, CALM_AT, false},
    {"leaders that change though nothing fails", "calm:", restless, CALM_AT, false},
    {"nothing at all", "", NULL, PLANT_AT, false},
    {"nothing at all, with real commands", "", NULL, PLANT_AT, true},
};

/* ---- Running them ---- */

static const struct planted *current;

static void run_plant(struct sim *sim, void *context, uint64_t argument)
{
    struct shard *leader = leader_of(sim);

    if (leader != NULL && current->plant != NULL) {
        current->plant(sim, leader);
    }
}

static void script(struct sim *sim)
{
    sim_at(sim, current->at_us, run_plant, NULL, 0);
}

static bool run_one_planted(const struct planted *error)
{
    static struct sim sim;
    struct plan plan;

    sim_quiet_plan(&plan);
    plan.heal_us = 150 * SECOND;
    plan.compact_entries = 10000;
    plan.real_apply = error->real_apply;
    current = error;
    sim_init(&sim, &plan);
    sim.script = script;
    sim_run(&sim);
    struct slice reason = buffer_view(&sim.reason);
    size_t words = 0;

    while (words < reason.size && (reason.data[words] == ' ' || reason.data[words] == '.' ||
                                   (reason.data[words] >= '0' && reason.data[words] <= '9'))) {
        words++; /* the time in front */
    }
    reason = slice_skip(reason, words);
    bool is_right = error->plant == NULL
                        ? !sim.failed
                        : sim.failed && slice_starts_with(reason, slice_of(error->found));

    printf("%-42s %s: %.*s\n", error->name,
           !is_right              ? "NOT FOUND"
           : error->plant == NULL ? "clean"
                                  : "found",
           (int)slice_prefix(reason, slice_find(reason, '\n')).size, reason.data);
    sim_done(&sim);
    return is_right;
}

int run_planted(void)
{
    unsigned missed = 0;

    for (size_t i = 0; i < COUNT_OF(planted); i++) {
        missed += !run_one_planted(&planted[i]);
    }
    printf("%zu planted, %u missed\n", COUNT_OF(planted), missed);
    return missed > 0;
}
