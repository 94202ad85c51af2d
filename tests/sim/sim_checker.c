/* What must hold, whatever fails. Each checker works on what it is shown, and on nothing that the
 * checked code computes about itself. */
#include <inttypes.h>
#include <string.h>

#include "core/memory.h"
#include "tests/sim/sim.h"

/* A replica of a generation that is over binds nobody any more. */
static bool counts(const struct shard *shard)
{
    return !shard->node->dying &&
           shard->generation == shard->node->sim->groups[shard->group].generation;
}

static struct group *group_of(const struct shard *shard)
{
    return &shard->node->sim->groups[shard->group];
}

/* ---- Log matching: an entry's term and index name its content and the entry before it ---- */

static struct known_entry *slot_of(struct known_entry *entries, size_t capacity, uint64_t term,
                                   uint64_t index)
{
    size_t place = (size_t)hash_mix(hash_mix(1, term), index) & (capacity - 1);

    while (entries[place].index != 0 &&
           (entries[place].index != index || entries[place].term != term)) {
        place = (place + 1) & (capacity - 1);
    }
    return &entries[place];
}

static void grow_entries(struct group *group)
{
    size_t capacity = group->entry_capacity == 0 ? 1024 : group->entry_capacity * 2;
    struct known_entry *entries = memory_zeroed(capacity * sizeof(*entries));

    for (size_t i = 0; i < group->entry_capacity; i++) {
        const struct known_entry *known = &group->entries[i];

        if (known->index != 0) {
            *slot_of(entries, capacity, known->term, known->index) = *known;
        }
    }
    memory_free(group->entries);
    group->entries = entries;
    group->entry_capacity = capacity;
}

void check_entry(struct group *group, struct sim *sim, uint64_t before_term,
                 struct raft_position position, uint64_t checksum)
{
    if (group->entry_count * 2 >= group->entry_capacity) {
        grow_entries(group);
    }
    struct known_entry *known =
        slot_of(group->entries, group->entry_capacity, position.term, position.index);
    if (known->index == 0) {
        group->entry_count++;
        *known = (struct known_entry){position.term, position.index, checksum, before_term};
    } else if (known->checksum != checksum || known->before_term != before_term) {
        sim_fail(sim, "log matching: group %u has two entries at term %" PRIu64 " index %" PRIu64,
                 group->number, position.term, position.index);
    }
}

static uint64_t checksum_of(const struct log_entry *entry)
{
    return hash_octets(entry->kind + 1, entry->payload) | 1;
}

void check_append(struct shard *shard, const struct raft_message *message,
                  const struct log_entries *entries)
{
    struct link *link = NULL;
    struct sim *sim = shard->node->sim;
    struct shard *peer = shard_by_id(sim, shard->group, message->to);
    struct node *to = peer == NULL ? NULL : peer->node;
    uint64_t before_term = message->position.term;

    if (!counts(shard)) {
        return;
    }
    for (size_t i = 0; i < entries->count; i++) {
        check_entry(group_of(shard), sim, before_term, entries->items[i].position,
                    checksum_of(&entries->items[i]));
        before_term = entries->items[i].position.term;
    }
    if (to == NULL) {
        return;
    }
    /* Retransmission to who does not answer is bounded: by the window, then by the clock. */
    link = &sim->links[shard->node->slot][to->slot];
    if (link->unanswered[shard->group]++ == 0) {
        link->unanswered_since_us[shard->group] = sim->now_us;
    }
    uint64_t beats = (sim->now_us - link->unanswered_since_us[shard->group]) / MS /
                     (sim->plan.heartbeat_ms * 3 / 4);
    if (link->unanswered[shard->group] > 2 * sim->plan.inflight_messages_max + 2 * beats + 32) {
        sim_fail(sim,
                 "bounds: group %u: node %" PRIu64 " sent %" PRIu64 " appends to node %" PRIu64
                 ", which answers none",
                 shard->group, shard_id(shard), link->unanswered[shard->group], message->to);
    }
}

/* ---- Votes ---- */

static void check_vote(struct shard *shard, const struct raft_message *message)
{
    struct group *group = group_of(shard);

    for (size_t i = group->vote_count; i > 0; i--) {
        const struct known_vote *vote = &group->votes[i - 1];

        if (vote->term == message->term && vote->voter == message->from) {
            if (vote->candidate != message->to) {
                sim_fail(shard->node->sim,
                         "votes: group %u: node %" PRIu64 " voted for %" PRIu64 " and for %" PRIu64
                         " in term %" PRIu64,
                         shard->group, message->from, vote->candidate, message->to, message->term);
            }
            return;
        }
    }
    if (group->vote_count == group->vote_capacity) {
        group->vote_capacity = group->vote_capacity * 2 + 64;
        group->votes = memory_resized(group->votes, group->vote_capacity * sizeof(*group->votes));
    }
    group->votes[group->vote_count++] =
        (struct known_vote){message->term, message->from, message->to};
}

void check_sent(struct shard *shard, const struct raft_message *message)
{
    if (!counts(shard)) {
        return;
    }
    if (message->kind == RAFT_VOTE_ANSWER && !message->refused) {
        check_vote(shard, message);
    }
}

/* ---- Leaders ---- */

static void check_leader_is_complete(struct shard *shard, const struct raft_state *raft)
{
    struct group *group = group_of(shard);
    uint64_t index = group->committed_last;
    uint64_t term;

    /* §5.4: what was committed in an earlier term; an entry of an earlier term may be committed in
     * this one. */
    while (index > 0 && group->committed[index].known_in >= raft->hard_state.term) {
        index--;
    }
    if (index < raft->first_index) {
        return;
    }
    enum status status = log_term(shard->node->log, shard->group, index, &term);
    if (status == STATUS_OK ? term != group->committed[index].term : status == STATUS_NOT_FOUND) {
        sim_fail(shard->node->sim,
                 "leader completeness: group %u: node %" PRIu64 " leads term %" PRIu64
                 " without entry %" PRIu64 " that was committed in term %" PRIu64,
                 shard->group, shard_id(shard), raft->hard_state.term, index,
                 group->committed[index].term);
    }
}

static void check_leader(struct shard *shard, const struct raft_state *raft)
{
    struct group *group = group_of(shard);
    struct sim *sim = shard->node->sim;

    for (size_t i = group->leader_count; i > 0; i--) {
        const struct known_leader *leader = &group->leaders[i - 1];

        if (leader->term == raft->hard_state.term && leader->node != shard_id(shard)) {
            sim_fail(sim,
                     "one leader a term: group %u: nodes %" PRIu64 " and %" PRIu64
                     " lead term %" PRIu64,
                     shard->group, leader->node, shard_id(shard), leader->term);
            return;
        }
    }
    if (group->leader_count == group->leader_capacity) {
        group->leader_capacity = group->leader_capacity * 2 + 64;
        group->leaders =
            memory_resized(group->leaders, group->leader_capacity * sizeof(*group->leaders));
    }
    group->leaders[group->leader_count++] =
        (struct known_leader){raft->hard_state.term, shard_id(shard)};
    sim_tell(sim,
             "group %u: node %" PRIu64 " leads term %" PRIu64 ", last %" PRIu64 ":%" PRIu64
             ", commit %" PRIu64,
             shard->group, shard_id(shard), raft->hard_state.term, raft->last.term,
             raft->last.index, raft->commit_index);
    sim_mix(sim, raft->hard_state.term ^ shard_id(shard) << 32);
    check_leader_is_complete(shard, raft);
}

/* ---- What is committed stays ---- */

static void commit(struct shard *shard, uint64_t index, uint64_t now_term)
{
    struct group *group = group_of(shard);
    struct sim *sim = shard->node->sim;
    uint64_t term;

    if (index + 1 >= group->committed_capacity) {
        size_t before = group->committed_capacity;

        group->committed_capacity = (index + 1) * 2 + 256;
        group->committed =
            memory_resized(group->committed, group->committed_capacity * sizeof(*group->committed));
        memset(group->committed + before, 0,
               (group->committed_capacity - before) * sizeof(*group->committed));
    }
    if (log_term(shard->node->log, shard->group, index, &term) != STATUS_OK) {
        return;
    }
    struct committed *committed = &group->committed[index];
    if (committed->term == 0) {
        committed->term = term;
        committed->known_in = now_term;
        if (index > group->committed_last) {
            group->committed_last = index;
        }
    } else if (committed->term != term) {
        sim_fail(sim,
                 "committed entries never change: group %u entry %" PRIu64 " was of term %" PRIu64
                 ", node %" PRIu64 " commits one of term %" PRIu64,
                 shard->group, index, committed->term, shard_id(shard), term);
    }
}

void check_applied(struct shard *shard, const struct log_entry *entry,
                   const struct state_outcome *outcome, uint64_t digest)
{
    struct group *group = group_of(shard);
    struct sim *sim = shard->node->sim;
    uint64_t index = entry->position.index;
    uint64_t checksum = checksum_of(entry);

    if (!counts(shard)) {
        return;
    }
    commit(shard, index, replica_state(shard->replica).hard_state.term);
    struct committed *committed = &group->committed[index];
    if (index <= group->committed_last && committed->checksum == 0) {
        committed->checksum = checksum;
        committed->digest = digest;
        return;
    }
    if (committed->checksum != checksum) {
        sim_fail(sim, "one log: group %u: node %" PRIu64 " applies another entry %" PRIu64,
                 shard->group, shard_id(shard), index);
    } else if (committed->digest != digest) {
        sim_fail(sim, "equal states: group %u: node %" PRIu64 " has another state after %" PRIu64,
                 shard->group, shard_id(shard), index);
    }
}

/* ---- After every round of a replica ---- */

static void check_peers(struct shard *shard, const struct raft_state *raft)
{
    const struct plan *plan = &shard->node->sim->plan;
    struct raft_peer peer;

    for (size_t i = 0; i < raft->configuration->count; i++) {
        if (replica_peer(shard->replica, raft->configuration->replicas[i].id, &peer) == STATUS_OK &&
            (peer.inflight_messages > plan->inflight_messages_max ||
             peer.inflight_bytes >
                 plan->inflight_bytes_max + plan->message_bytes_max + plan->payload_max + 4096)) {
            sim_fail(shard->node->sim,
                     "bounds: group %u: node %" PRIu64 " has %zu appends, %zu octets on their way",
                     shard->group, shard_id(shard), peer.inflight_messages, peer.inflight_bytes);
        }
    }
    if (raft->memory > (1 << 20) + 64 * (raft->last.index - raft->first_index + 1)) {
        sim_fail(shard->node->sim, "bounds: group %u: node %" PRIu64 " takes %zu octets",
                 shard->group, shard_id(shard), raft->memory);
    }
}

static void check_against_before(struct shard *shard, const struct raft_state *raft)
{
    const struct raft_state *seen = &shard->seen;
    struct sim *sim = shard->node->sim;

    if (raft->hard_state.term < seen->hard_state.term || raft->commit_index < seen->commit_index ||
        raft->applied_index < seen->applied_index) {
        sim_fail(sim,
                 "nothing goes back: group %u: node %" PRIu64 " from term %" PRIu64
                 " commit %" PRIu64 " applied %" PRIu64 " to %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                 shard->group, shard_id(shard), seen->hard_state.term, seen->commit_index,
                 seen->applied_index, raft->hard_state.term, raft->commit_index,
                 raft->applied_index);
    }
    if (raft->hard_state.term == seen->hard_state.term && seen->hard_state.vote != 0 &&
        raft->hard_state.vote != seen->hard_state.vote) {
        sim_fail(sim, "votes: group %u: node %" PRIu64 " changes its vote in term %" PRIu64,
                 shard->group, shard_id(shard), raft->hard_state.term);
    }
    if (raft->applied_index > raft->commit_index || raft->commit_index > raft->last.index) {
        sim_fail(sim,
                 "bounds: group %u: node %" PRIu64 " applied %" PRIu64 " commit %" PRIu64
                 " last %" PRIu64,
                 shard->group, shard_id(shard), raft->applied_index, raft->commit_index,
                 raft->last.index);
    }
}

/* Committed, and in this replica's log: a write that its disk has no room for is not, and then the
 * log still has what the write takes away. */
static uint64_t settled(const struct raft_state *raft)
{
    return raft->commit_index < raft->persisted_index ? raft->commit_index : raft->persisted_index;
}

void check_opened(struct shard *shard)
{
    shard->seen = replica_state(shard->replica);
    shard->seen.role = RAFT_FOLLOWER;
    shard->has_seen = true;
    shard->configuration = *shard->seen.configuration;
}

void check_step(struct shard *shard)
{
    struct raft_state raft = replica_state(shard->replica);

    if (raft.configuration_index != shard->configuration_index ||
        raft.configuration->count != shard->configuration.count || shard->rounds % 16 == 0) {
        shard->configuration = *raft.configuration;
        shard->configuration_index = raft.configuration_index;
    }
    shard->rounds++;
    if (counts(shard)) {
        check_against_before(shard, &raft);
        for (uint64_t index = settled(&shard->seen) + 1; index <= settled(&raft); index++) {
            commit(shard, index, raft.hard_state.term);
        }
        if (raft.role == RAFT_LEADER) {
            if (shard->seen.role != RAFT_LEADER ||
                shard->seen.hard_state.term != raft.hard_state.term) {
                check_leader(shard, &raft);
            }
            check_peers(shard, &raft);
        }
    }
    shard->seen = raft;
}

/* ---- The end ---- */

void check_done(struct group *group)
{
    memory_free(group->committed);
    memory_free(group->entries);
    memory_free(group->leaders);
    memory_free(group->votes);
    memory_free(group->acked);
}
