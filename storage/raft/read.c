/* Linearizable reads (§6.4): the leader notes its commit index, makes sure by one round of
 * heartbeats that it still leads, and lets all reads that waited for that round go. A follower asks
 * its leader for the index, for all its waiting reads at once. */
#include "core/memory.h"
#include "storage/raft/grown.h"
#include "storage/raft/replica.h"

/* A list over this many places does not outlive the burst that needed it. */
enum { KEPT_COUNT_MAX = 64 };

static void push(struct raft_read_list *list, struct raft_waiting_read read)
{
    list->reads = raft_grown(list->reads, &list->capacity, list->count + 1, sizeof(*list->reads));
    list->reads[list->count++] = read;
}

static void empty(struct raft_read_list *list)
{
    list->count = 0;
    if (list->capacity > KEPT_COUNT_MAX) {
        memory_free(list->reads);
        list->reads = NULL;
        list->capacity = 0;
    }
}

void raft_reads_done(struct raft *raft)
{
    memory_free(raft->reads.waiting.reads);
    memory_free(raft->reads.asked.reads);
}

static void answer(struct raft *raft, struct raft_waiting_read read, uint64_t index,
                   enum status status)
{
    if (read.from == 0) {
        raft_outbox_read(
            &raft->outbox,
            (struct raft_read){.context = read.context, .index = index, .status = status});
    } else {
        struct raft_message message = raft_letter(raft, RAFT_READ_INDEX_ANSWER, read.from);

        message.context = read.context;
        message.index = index;
        message.refused = status != STATUS_OK;
        raft_outbox_send_eager(&raft->outbox, &message);
    }
}

static void answer_all(struct raft *raft, struct raft_read_list *list, uint64_t index,
                       enum status status)
{
    for (size_t i = 0; i < list->count; i++) {
        answer(raft, list->reads[i], index, status);
    }
    empty(list);
}

void raft_reads_fail(struct raft *raft)
{
    answer_all(raft, &raft->reads.asked, 0, STATUS_NOT_LEADER);
    answer_all(raft, &raft->reads.waiting, 0, STATUS_NOT_LEADER);
}

/* Those that wait go into a round of their own. */
static void open_round(struct raft *raft)
{
    struct raft_reads *reads = &raft->reads;
    struct raft_read_list asked = reads->waiting;

    reads->waiting = reads->asked;
    reads->asked = asked;
    reads->round++;
    reads->asked_at_ms = raft->now_ms;
}

static bool is_full(const struct raft *raft)
{
    return raft->reads.waiting.count + raft->reads.asked.count >= raft->options.reads_max;
}

/* ---- the leader ---- */

/* A new leader does not know what was committed before it, until something of its own is. */
static bool knows_commit(const struct raft *raft)
{
    return raft->commit_index >= raft->term_first_index;
}

void raft_reads_advance(struct raft *raft)
{
    struct raft_reads *reads = &raft->reads;

    while (knows_commit(raft)) {
        if (reads->asked.count == 0) {
            if (reads->waiting.count == 0) {
                return;
            }
            open_round(raft);
            reads->index = raft->commit_index;
            raft_send_heartbeats(raft);
        }
        if (raft_reached(raft, offsetof(struct raft_progress, round), reads->round) <
            reads->round) {
            return;
        }
        answer_all(raft, &reads->asked, reads->index, STATUS_OK);
    }
}

static enum status lead_read(struct raft *raft, struct raft_waiting_read read)
{
    if (MUTANT(14) || (knows_commit(raft) && raft_lease_holds(raft))) {
        answer(raft, read, raft->commit_index, STATUS_OK);
        return STATUS_OK;
    }
    if (is_full(raft)) {
        return STATUS_BUSY;
    }
    push(&raft->reads.waiting, read);
    raft_reads_advance(raft);
    return STATUS_OK;
}

void raft_receive_read_index(struct raft *raft, const struct raft_message *message)
{
    struct raft_waiting_read read = {.context = message->context, .from = message->from};

    if (raft->role != RAFT_LEADER || lead_read(raft, read) != STATUS_OK) {
        answer(raft, read, 0, STATUS_NOT_LEADER);
    }
}

/* ---- a follower ---- */

static void ask_leader(struct raft *raft)
{
    if (raft->reads.asked.count == 0 && raft->reads.waiting.count > 0) {
        struct raft_message question = raft_letter(raft, RAFT_READ_INDEX, raft->leader);

        open_round(raft);
        question.context = raft->reads.round;
        raft_outbox_send_eager(&raft->outbox, &question);
    }
}

void raft_receive_read_index_answer(struct raft *raft, const struct raft_message *message)
{
    if (raft->role != RAFT_FOLLOWER || message->from != raft->leader ||
        message->context != raft->reads.round || raft->reads.asked.count == 0) {
        return;
    }
    answer_all(raft, &raft->reads.asked, message->index,
               message->refused ? STATUS_NOT_LEADER : STATUS_OK);
    ask_leader(raft);
}

uint64_t raft_reads_wake_at_ms(const struct raft *raft)
{
    if (raft->role == RAFT_LEADER || raft->reads.asked.count == 0) {
        return UINT64_MAX;
    }
    return raft->reads.asked_at_ms + raft->options.election_timeout_min_ms;
}

void raft_reads_tick(struct raft *raft)
{
    if (raft->now_ms >= raft_reads_wake_at_ms(raft)) {
        raft_reads_fail(raft);
    }
}

enum status raft_read_begin(struct raft *raft, uint64_t context)
{
    struct raft_waiting_read read = {.context = context};

    if (raft->role == RAFT_LEADER) {
        return lead_read(raft, read);
    }
    if (raft->leader == 0) {
        return STATUS_NOT_LEADER;
    }
    if (is_full(raft)) {
        return STATUS_BUSY;
    }
    push(&raft->reads.waiting, read);
    ask_leader(raft);
    return STATUS_OK;
}
