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

/* ---- What clients were told ---- */

static struct acked *acked_of(struct group *group, uint64_t operation)
{
    if (operation >= group->acked_capacity) {
        size_t before = group->acked_capacity;

        group->acked_capacity = operation * 2 + 256;
        group->acked = memory_resized(group->acked, group->acked_capacity * sizeof(*group->acked));
        memset(group->acked + before, 0, (group->acked_capacity - before) * sizeof(*group->acked));
    }
    return &group->acked[operation];
}

void check_acked(struct sim *sim, unsigned number, const struct operation *operation,
                 const struct answer *answer)
{
    struct group *group = &sim->groups[number];
    const struct state_outcome *outcome = &answer->outcome;
    struct acked *acked = acked_of(group, operation->id);

    if (outcome->operation != operation->id) {
        sim_fail(sim, "answers: group %u operation %" PRIu64 " got the answer of %" PRIu64, number,
                 operation->id, outcome->operation);
        return;
    }
    if (outcome->status != STATUS_OK && operation->kind == OPERATION_DELIVER) {
        sim_fail(sim, "answers: group %u operation %" PRIu64 " came to %s", number, operation->id,
                 status_text(outcome->status));
        return;
    }
    if (!outcome->repeated && outcome->status == STATUS_OK &&
        outcome->modseq <= operation->acked_modseq) {
        sim_fail(sim,
                 "MODSEQ never goes back: group %u box %u: %" PRIu64 " was acknowledged before "
                 "operation %" PRIu64 " began, which got %" PRIu64,
                 number, operation->box, operation->acked_modseq, operation->id, outcome->modseq);
    }
    if (operation->kind == OPERATION_DELIVER && !outcome->repeated &&
        outcome->uid <= operation->acked_uid) {
        sim_fail(sim,
                 "a UID is never given twice: group %u box %u: %" PRIu64 " was acknowledged before "
                 "operation %" PRIu64 " began, which got %" PRIu32,
                 number, operation->box, operation->acked_uid, operation->id, outcome->uid);
    }
    SIM_TRACE(sim,
              "client %u: operation %" PRIu64 " of group %u box %u is acknowledged: uid %" PRIu32
              " modseq %" PRIu64 " entry %" PRIu64,
              answer->client, operation->id, number, operation->box, outcome->uid, outcome->modseq,
              answer->position.index);
    *acked = (struct acked){.index = answer->position.index,
                            .uid = outcome->uid,
                            .box = (uint8_t)operation->box,
                            .kind = (uint8_t)operation->kind,
                            .modseq = outcome->modseq};
    group->acked_count++;
    if (answer->position.index > group->acked_index) {
        group->acked_index = answer->position.index;
    }
    if (outcome->modseq > group->box_modseq[operation->box]) {
        group->box_modseq[operation->box] = outcome->modseq;
    }
    if (operation->kind == OPERATION_DELIVER && outcome->uid > group->box_uid[operation->box]) {
        group->box_uid[operation->box] = outcome->uid;
    }
}

void check_read(struct sim *sim, unsigned number, const struct operation *operation,
                const struct answer *answer)
{
    sim->groups[number].read_count++;
    SIM_TRACE(sim,
              "client %u: read group %u box %u: uidnext %" PRIu64 " modseq %" PRIu64
              " at entry %" PRIu64,
              answer->client, number, operation->box, answer->view.uid_next, answer->view.modseq,
              answer->applied);
    if (answer->view.uid_next <= operation->acked_uid ||
        answer->view.modseq < operation->acked_modseq || answer->applied < operation->acked_index) {
        sim_fail(sim,
                 "reads see what was acknowledged: group %u box %u: a read that began at %.3f saw "
                 "uidnext %" PRIu64 " modseq %" PRIu64 " entry %" PRIu64 ", but uid %" PRIu64
                 " modseq %" PRIu64 " entry %" PRIu64 " were acknowledged before",
                 number, operation->box, (double)operation->began_us / SECOND,
                 answer->view.uid_next, answer->view.modseq, answer->applied, operation->acked_uid,
                 operation->acked_modseq, operation->acked_index);
    }
}

/* ---- A forced configuration: what its survivor has is what there is ---- */

static void forget_what_is_lost(struct sim *sim, struct group *group, uint64_t from)
{
    uint64_t forgiven = 0;

    memset(group->box_uid, 0, sizeof(group->box_uid));
    memset(group->box_modseq, 0, sizeof(group->box_modseq));
    group->acked_index = 0;
    for (uint64_t i = 0; i < group->acked_capacity; i++) {
        struct acked *acked = &group->acked[i];

        if (acked->index >= from) {
            acked->index = 0;
            forgiven++;
        } else if (acked->index > 0) {
            group->acked_index =
                acked->index > group->acked_index ? acked->index : group->acked_index;
            if (acked->modseq > group->box_modseq[acked->box]) {
                group->box_modseq[acked->box] = acked->modseq;
            }
            if (acked->kind == OPERATION_DELIVER && acked->uid > group->box_uid[acked->box]) {
                group->box_uid[acked->box] = acked->uid;
            }
        }
    }
    for (unsigned i = 0; i < sim->plan.clients; i++) {
        struct client *client = &sim->clients[i];

        if (client->group == group->number) {
            client->operation.acked_uid = client->operation.acked_modseq = 0;
            client->operation.acked_index = 0;
        }
    }
    sim_tell(sim,
             "group %u: what was committed from entry %" PRIu64 " on is lost by force, %" PRIu64
             " acknowledged operations among it",
             group->number, from, forgiven);
}

void check_forced(struct sim *sim, unsigned number, struct shard *survivor)
{
    struct group *group = &sim->groups[number];
    struct log_bounds bounds;
    uint64_t from, term;

    if (log_bounds(survivor->node->log, number, &bounds) != STATUS_OK) {
        sim_fail(sim, "group %u: the forced log is not there", number);
        return;
    }
    from = bounds.compacted.index + 1;
    while (from < bounds.last.index && from <= group->committed_last &&
           log_term(survivor->node->log, number, from, &term) == STATUS_OK &&
           group->committed[from].term == term) {
        from++;
    }
    for (uint64_t index = from; index <= group->committed_last; index++) {
        group->committed[index] = (struct committed){0};
    }
    if (from <= group->committed_last) {
        forget_what_is_lost(sim, group, from);
        group->committed_last = from - 1;
    }
    if (group->entry_capacity > 0) {
        memset(group->entries, 0, group->entry_capacity * sizeof(*group->entries));
    }
    group->entry_count = group->leader_count = group->vote_count = 0;
}

/* ---- Progress, once faults are over ---- */

enum { ELECTION_BOUND = 60 * SECOND, CALM_AFTER = 65 * SECOND };

void check_calm(struct sim *sim)
{
    if (!sim->healed || sim->quiet || sim->now_us < sim->healed_at_us + CALM_AFTER) {
        for (unsigned i = 0; i < sim->plan.groups; i++) {
            sim->groups[i].calm_acked = sim->groups[i].committed_last;
            sim->groups[i].calm_count = sim->groups[i].acked_count + sim->groups[i].read_count;
            sim->groups[i].calm_term = 0;
        }
        return;
    }
    for (unsigned i = 0; i < sim->plan.groups; i++) {
        struct group *group = &sim->groups[i];
        struct shard *leader = operator_leader(sim, i);

        if (leader == NULL) {
            sim_fail(sim, "progress: group %u has no leader %.0f s after the last fault", i,
                     (double)(sim->now_us - sim->healed_at_us) / SECOND);
            return;
        }
        uint64_t term = replica_state(leader->replica).hard_state.term;
        if (group->calm_term == 0) {
            client_flood(sim, i, sim->now_us + 20 * SECOND);
        } else if (term != group->calm_term) {
            sim_fail(sim,
                     "calm: group %u: term %" PRIu64 " became %" PRIu64 " though nothing fails", i,
                     group->calm_term, term);
        } else if (group->committed_last <= group->calm_acked) {
            sim_fail(sim, "progress: group %u commits nothing past %" PRIu64 " in 10 s", i,
                     group->committed_last);
        } else if (sim->plan.sync_max_us <= 300 * MS &&
                   group->acked_count + group->read_count <= group->calm_count) {
            sim_fail(sim, "progress: group %u acknowledges nothing in 10 s under load", i);
        }
        group->calm_term = term;
        group->calm_acked = group->committed_last;
        group->calm_count = group->acked_count + group->read_count;
    }
}

/* ---- At the end ---- */

static void check_log_of(struct sim *sim, struct group *group, struct shard *shard)
{
    struct raft_state raft = replica_state(shard->replica);
    uint64_t term;

    for (uint64_t index = raft.first_index; index <= raft.commit_index; index++) {
        if (log_term(shard->node->log, shard->group, index, &term) != STATUS_OK ||
            group->committed[index].term != term) {
            sim_fail(sim, "one log: group %u: node %" PRIu64 " has another entry %" PRIu64,
                     group->number, shard_id(shard), index);
            return;
        }
    }
}

static void check_operations(struct sim *sim, struct group *group, struct shard *shard)
{
    if (!state_is_sound(shard->state)) {
        sim_fail(sim, "a UID is never given twice: group %u: node %" PRIu64, group->number,
                 shard_id(shard));
    }
    for (uint64_t id = 1; id < group->acked_capacity && id <= group->operation_last; id++) {
        const struct acked *acked = &group->acked[id];
        uint32_t uid = 0;

        if (acked->index == 0 || acked->kind != OPERATION_DELIVER) {
            continue;
        }
        unsigned count = state_find(shard->state, acked->box, id, &uid);
        if (count != 1 || uid != acked->uid) {
            sim_fail(sim,
                     "what was acknowledged is there once: group %u operation %" PRIu64
                     " (box %u, uid %" PRIu32 ", entry %" PRIu64 ") is there %u times, with uid "
                     "%" PRIu32 ", on node %" PRIu64,
                     group->number, id, acked->box, acked->uid, acked->index, count, uid,
                     shard_id(shard));
            return;
        }
    }
}

static void check_group(struct sim *sim, struct group *group)
{
    struct shard *leader = operator_leader(sim, group->number);

    if (leader == NULL) {
        sim_fail(sim, "progress: group %u has no leader at the end", group->number);
        return;
    }
    struct raft_state raft = replica_state(leader->replica);
    check_operations(sim, group, leader);
    for (size_t i = 0; i < raft.configuration->count && !sim->failed; i++) {
        uint64_t id = raft.configuration->replicas[i].id;
        struct shard *shard = shard_by_id(sim, group->number, id);

        if (shard == NULL || shard->phase != SHARD_RUNS) {
            sim_fail(sim, "progress: group %u: replica %" PRIu64 " does not run at the end",
                     group->number, id);
            return;
        }
        if (state_meta(shard->state)->applied.index != raft.commit_index) {
            sim_fail(sim,
                     "progress: group %u: node %" PRIu64 " applied %" PRIu64
                     ", its leader committed %" PRIu64 " %d s ago",
                     group->number, id, state_meta(shard->state)->applied.index, raft.commit_index,
                     20);
            return;
        }
        if (state_meta(shard->state)->digest != state_meta(leader->state)->digest) {
            sim_fail(sim, "equal states: group %u: nodes %" PRIu64 " and %" PRIu64 " at the end",
                     group->number, id, shard_id(leader));
        }
        check_log_of(sim, group, shard);
    }
}

void check_end(struct sim *sim)
{
    for (unsigned i = 0; i < sim->plan.groups && !sim->failed; i++) {
        check_group(sim, &sim->groups[i]);
        sim_mix(sim, sim->groups[i].committed_last);
        sim_mix(sim, sim->groups[i].acked_count);
    }
}

void check_done(struct group *group)
{
    memory_free(group->committed);
    memory_free(group->entries);
    memory_free(group->leaders);
    memory_free(group->votes);
    memory_free(group->acked);
}
