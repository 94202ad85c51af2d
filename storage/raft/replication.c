/* How the leader's log becomes everyone's, and what of it is committed: §3.5, §3.6.2. */
#include "storage/raft/replica.h"

/* ---- the leader's own log ---- */

void raft_append_own(struct raft *raft, enum raft_entry_kind kind, uint32_t size,
                     const struct raft_configuration *configuration)
{
    struct raft_entry entry = {.index = raft_log_tail_last_index(&raft->log) + 1,
                               .term = raft->hard_state.term,
                               .size = size,
                               .kind = (uint8_t)kind,
                               .configuration = configuration};

    raft_log_tail_append(&raft->log, entry.term, size);
    raft_outbox_append(&raft->outbox, &entry);
    raft->uncommitted_cost += size + (size_t)RAFT_ENTRY_OVERHEAD;
    if (configuration != NULL) {
        raft_members_append(raft, entry.index, configuration);
    }
}

/* ---- sending ---- */

/* The peer is in the middle of a stream and lacks nothing, or a probe is due that finds out. */
static bool has_something_for(const struct raft *raft, const struct raft_progress *peer)
{
    return peer->next <= raft_log_tail_last_index(&raft->log) ||
           peer->commit_sent < raft->commit_index ||
           (peer->mode == RAFT_PROBE && peer->match + 1 < peer->next);
}

/* One append, which may be empty. False when there is no point in another one now. */
static bool send_append(struct raft *raft, struct raft_progress *peer)
{
    struct raft_message append = raft_letter(raft, RAFT_APPEND, peer->id);
    size_t cost = 0;

    if (!raft_log_tail_at(&raft->log, peer->next - 1, &append.position)) {
        raft_snapshot_needed(raft, peer);
        return false;
    }
    append.entry_count =
        raft_log_tail_fit(&raft->log, peer->next, raft->options.message_bytes_max, &cost);
    append.commit = raft->commit_index;
    peer->commit_sent = raft->commit_index;
    if (peer->mode == RAFT_PROBE) {
        peer->probing = true;
        peer->probed_at_ms = raft->now_ms;
    } else if (append.entry_count > 0) {
        peer->next += append.entry_count;
        raft_progress_sent(peer, peer->next - 1, cost, raft->now_ms);
    }
    raft_outbox_send_eager(&raft->outbox, &append);
    return true;
}

static bool may_send(const struct raft *raft, const struct raft_progress *peer)
{
    return !raft_progress_is_full(peer, &raft->options) ||
           (MUTANT(18) && peer->mode == RAFT_REPLICATE);
}

static void send_what_fits(struct raft *raft, struct raft_progress *peer)
{
    while (may_send(raft, peer) && has_something_for(raft, peer)) {
        if (!send_append(raft, peer)) {
            return;
        }
    }
}

void raft_replicate(struct raft *raft)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].id != raft->options.id) {
            send_what_fits(raft, &raft->peers[i]);
        }
    }
}

void raft_peer_unreachable(struct raft *raft, uint64_t id)
{
    struct raft_progress *peer = raft_find_peer(raft, id);

    if (peer != NULL && peer->mode == RAFT_REPLICATE) {
        raft_progress_probe(peer);
        peer->probing = true; /* until it answers a heartbeat */
        peer->probed_at_ms = raft->now_ms;
    }
}

/* ---- committing ---- */

void raft_commit_to(struct raft *raft, uint64_t index)
{
    if (index <= raft->commit_index && !MUTANT(8)) {
        return;
    }
    if (raft->role == RAFT_LEADER) {
        raft->uncommitted_cost -= raft_log_tail_cost(&raft->log, raft->commit_index, index);
    }
    raft->commit_index = index;
    raft_members_committed(raft);
}

/* Figure 8 of the paper: an entry of an older term may be on a majority and still be overwritten,
 * so only one of this term is counted, and it commits all before it. */
void raft_advance_commit(struct raft *raft)
{
    uint64_t last_index = raft_log_tail_last_index(&raft->log);
    uint64_t own = MUTANT(4) ? last_index : raft->persisted_index;
    uint64_t reached = raft_reached(raft, offsetof(struct raft_progress, match), own);
    struct raft_position position;

    if (reached > raft->commit_index && raft_log_tail_at(&raft->log, reached, &position) &&
        (position.term == raft->hard_state.term || MUTANT(1))) {
        raft_commit_to(raft, reached);
        if (raft->role == RAFT_LEADER) {
            raft_reads_advance(raft);
        }
    }
}

/* ---- a follower ---- */

void raft_answer_append(struct raft *raft, uint64_t to, uint64_t index)
{
    struct raft_message answer = raft_letter(raft, RAFT_APPEND_ANSWER, to);

    answer.index = index;
    raft_outbox_send_durable(&raft->outbox, &answer);
}

/* The place of the entry refused, and the last one where the two logs may agree: going by whole
 * terms, so that a leader finds it in few steps (§5.3 of the paper). */
static void refuse_append(struct raft *raft, const struct raft_message *append)
{
    struct raft_message answer = raft_letter(raft, RAFT_APPEND_ANSWER, append->from);

    answer.refused = true;
    answer.index = append->position.index;
    answer.position =
        raft_log_tail_agreement(&raft->log, append->position.index, append->position.term);
    raft_outbox_send_durable(&raft->outbox, &answer);
}

/* Takes over the entries that its log does not have. What it has and agrees stays (§3.5: a late
 * append must not cut off what a later one brought). They begin after the commit index, so nothing
 * that is committed is cut off. */
static void take_entries(struct raft *raft, const struct raft_entry *entries, size_t count)
{
    size_t known = 0;

    while (known < count && raft_log_tail_has(&raft->log, (struct raft_position){
                                                              .term = entries[known].term,
                                                              .index = entries[known].index,
                                                          })) {
        known++;
    }
    if (known < count && entries[known].index <= raft_log_tail_last_index(&raft->log)) {
        uint64_t from = entries[known].index;

        raft_log_tail_truncate(&raft->log, from);
        raft_outbox_truncate(&raft->outbox, from);
        raft_members_truncate(raft, from);
        if (raft->persisted_index >= from) {
            raft->persisted_index = from - 1;
        }
    }
    for (size_t i = known; i < count; i++) {
        raft_log_tail_append(&raft->log, entries[i].term, entries[i].size);
        raft_outbox_append(&raft->outbox, &entries[i]);
        if (entries[i].configuration != NULL) {
            raft_members_append(raft, entries[i].index, entries[i].configuration);
        }
    }
}

void raft_receive_append(struct raft *raft, const struct raft_message *message)
{
    uint64_t end = message->position.index + message->entry_count;

    if (raft->installing) {
        return;
    }
    if (message->position.index < raft->commit_index) {
        raft_answer_append(raft, message->from, raft->commit_index); /* it agrees so far at least */
        if (MUTANT(8)) {
            raft_commit_to(raft, message->commit < end ? message->commit : end);
        }
        return;
    }
    if (!raft_log_tail_has(&raft->log, message->position)) {
        refuse_append(raft, message);
        return;
    }
    take_entries(raft, message->entries, message->entry_count);
    raft_commit_to(raft, message->commit < end ? message->commit : end);
    raft_answer_append(raft, message->from, end);
}

/* ---- answers ---- */

static void matched(struct raft *raft, struct raft_progress *peer, uint64_t index)
{
    bool news = raft_progress_matched(peer, index);
    bool in_log = peer->match >= raft->log.compacted.index;

    if (peer->mode == RAFT_PROBE || (peer->mode == RAFT_SNAPSHOT && in_log && news)) {
        raft_progress_replicate(peer);
    } else if (peer->snapshot != NULL && index >= peer->snapshot->position.index) {
        raft_progress_probe(peer); /* installed, and the log has moved on: it needs another one */
    }
    if (news) {
        raft_advance_commit(raft);
    }
}

/* The peer has less than was sent: from a stream back to looking, or one step further in that. */
static void step_back(struct raft *raft, struct raft_progress *peer,
                      const struct raft_message *answer)
{
    struct raft_position agreed;

    if (answer->index <= peer->match || peer->mode == RAFT_SNAPSHOT) {
        return;
    }
    if (peer->mode == RAFT_REPLICATE) {
        raft_progress_probe(peer);
        return;
    }
    if (answer->index + 1 != peer->next) {
        return; /* refuses an older probe */
    }
    agreed = raft_log_tail_agreement(&raft->log, answer->position.index, answer->position.term);
    if (agreed.index == raft->log.compacted.index && answer->position.index < agreed.index) {
        agreed.index = answer->position.index; /* before the log: a snapshot will be needed */
    }
    peer->next = agreed.index + 1 < answer->index ? agreed.index + 1 : answer->index;
    peer->next = peer->next > peer->match ? peer->next : peer->match + 1;
    peer->probing = false;
}

void raft_receive_append_answer(struct raft *raft, const struct raft_message *message)
{
    struct raft_progress *peer = raft_find_peer(raft, message->from);
    uint64_t last_index = raft_log_tail_last_index(&raft->log);

    if (peer == NULL || (!message->refused && message->index > last_index)) {
        return;
    }
    peer->answered_at_ms = raft->now_ms;
    if (message->refused) {
        step_back(raft, peer, message);
        return;
    }
    matched(raft, peer, message->index);
    peer = raft_find_peer(raft, message->from); /* a commit may have ended leadership or peer */
    if (peer != NULL) {
        raft_transfer_advance(raft, peer);
    }
}
