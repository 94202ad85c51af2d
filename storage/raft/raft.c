#include "storage/raft/raft.h"

#include <string.h>

#include "storage/raft/replica.h"

/* ---- what the other parts share ---- */

void raft_break(struct raft *raft)
{
    raft->broken = true;
}

struct raft_message raft_letter(const struct raft *raft, enum raft_message_kind kind, uint64_t to)
{
    return (struct raft_message){.kind = (uint8_t)kind,
                                 .from = raft->options.id,
                                 .to = to,
                                 .generation = raft->options.generation,
                                 .term = raft->hard_state.term};
}

size_t raft_place(const struct raft *raft, uint64_t id)
{
    const struct raft_configuration *members = raft_members(raft);
    size_t place = 0;

    while (place < members->count && members->replicas[place].id != id) {
        place++;
    }
    return place;
}

struct raft_progress *raft_find_peer(const struct raft *raft, uint64_t id)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].id == id) {
            return &raft->peers[i];
        }
    }
    return NULL;
}

uint64_t raft_reached(const struct raft *raft, size_t offset, uint64_t own)
{
    uint64_t values[RAFT_REPLICAS_MAX] = {0};

    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct raft_progress *peer = &raft->peers[i];

        if (peer->id == raft->options.id) {
            values[i] = own;
        } else {
            memcpy(&values[i], (const char *)peer + offset, sizeof(values[i]));
        }
    }
    return raft_configuration_reached(raft_members(raft), values);
}

/* ---- messages ---- */

/* False: it is not to be looked at. Higher terms win (§3.3), but for what is only asked (pre-vote)
 * and for a candidate that would depose a leader others still hear (§4.2.3). */
static bool enter_higher_term(struct raft *raft, const struct raft_message *message)
{
    if (message->kind == RAFT_PRE_VOTE ||
        (message->kind == RAFT_PRE_VOTE_ANSWER && !message->refused)) {
        return true;
    }
    if (message->kind == RAFT_VOTE && !message->forced && raft_in_lease(raft)) {
        return false;
    }
    raft_follow(raft, message->term, 0);
    return true;
}

/* A leader or a candidate of the past hears of this term, and steps down. */
static void answer_lower_term(struct raft *raft, const struct raft_message *message)
{
    struct raft_message answer = raft_letter(raft, RAFT_APPEND_ANSWER, message->from);

    switch (message->kind) {
    case RAFT_APPEND:
    case RAFT_HEARTBEAT:
    case RAFT_SNAPSHOT_OFFER:
        answer.refused = true;
        raft_outbox_send_eager(&raft->outbox, &answer);
        break;
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        raft_receive_vote(raft, message);
        break;
    default:
        break;
    }
}

/* There is one leader a term (§3.2); another one means that somebody voted twice. */
static void recognise_leader(struct raft *raft, uint64_t leader)
{
    if (raft->role == RAFT_LEADER || (raft->leader != 0 && raft->leader != leader)) {
        raft_break(raft);
        return;
    }
    if (raft->role != RAFT_FOLLOWER) {
        raft_follow(raft, raft->hard_state.term, leader);
    }
    raft_heard_leader(raft, leader);
}

static void receive_from_leader(struct raft *raft, const struct raft_message *message)
{
    recognise_leader(raft, message->from);
    if (raft->broken) {
        return;
    }
    switch (message->kind) {
    case RAFT_APPEND:
        raft_receive_append(raft, message);
        break;
    case RAFT_HEARTBEAT:
        raft_receive_heartbeat(raft, message);
        break;
    case RAFT_SNAPSHOT_OFFER:
        raft_receive_offer(raft, message);
        break;
    default:
        raft_receive_timeout_now(raft, message);
        break;
    }
}

static void deliver(struct raft *raft, const struct raft_message *message)
{
    switch ((enum raft_message_kind)message->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        raft_receive_vote(raft, message);
        break;
    case RAFT_PRE_VOTE_ANSWER:
    case RAFT_VOTE_ANSWER:
        raft_receive_vote_answer(raft, message);
        break;
    case RAFT_APPEND_ANSWER:
        raft_receive_append_answer(raft, message);
        break;
    case RAFT_HEARTBEAT_ANSWER:
        raft_receive_heartbeat_answer(raft, message);
        break;
    case RAFT_SNAPSHOT_ANSWER:
        raft_receive_offer_answer(raft, message);
        break;
    case RAFT_READ_INDEX:
        raft_receive_read_index(raft, message);
        break;
    case RAFT_READ_INDEX_ANSWER:
        raft_receive_read_index_answer(raft, message);
        break;
    case RAFT_APPEND:
    case RAFT_HEARTBEAT:
    case RAFT_SNAPSHOT_OFFER:
    case RAFT_TIMEOUT_NOW:
        receive_from_leader(raft, message);
        break;
    }
}

static enum status receive(struct raft *raft, const struct raft_message *message)
{
    if (raft_message_check(message) != STATUS_OK || message->to != raft->options.id ||
        message->from == raft->options.id) {
        return STATUS_INVALID;
    }
    if (message->generation != raft->options.generation && !MUTANT(20)) {
        if (message->generation > raft->generation_seen) {
            raft->generation_seen = message->generation;
        }
        return STATUS_DENIED;
    }
    if (message->term < raft->hard_state.term) {
        answer_lower_term(raft, message);
    } else if (message->term == raft->hard_state.term || enter_higher_term(raft, message)) {
        deliver(raft, message);
    }
    return STATUS_OK;
}

/* ---- the caller's reports ---- */

/* The mark's write is durable. One of an earlier term says nothing: its tail may have been
 * overwritten since, and the write that recorded this term has a mark of its own. Within a term a
 * tail is overwritten once at most, by the term's leader, and then its last entry is another. */
static void persisted(struct raft *raft, struct raft_mark mark)
{
    uint64_t last_index = raft_log_tail_last_index(&raft->log);
    bool there = raft_log_tail_has(&raft->log, mark.last);

    if (MUTANT(9) && raft->role == RAFT_FOLLOWER && raft->leader != 0) {
        struct raft_message answer = raft_letter(raft, RAFT_APPEND_ANSWER, raft->leader);

        answer.index = mark.last.index;
        raft_outbox_send_eager(&raft->outbox, &answer);
    }
    if (MUTANT(3)) {
        there = mark.last.index <= last_index;
    } else if (mark.term != raft->hard_state.term) {
        return;
    }
    if (MUTANT(17) && raft->role == RAFT_LEADER && mark.last.index != last_index) {
        return;
    }
    if (there && mark.last.index > raft->persisted_index) {
        raft->persisted_index = mark.last.index;
    }
    if (mark.term == raft->hard_state.term) {
        raft_vote_persisted(raft);
    }
    if (raft->role == RAFT_LEADER) {
        raft_advance_commit(raft);
    }
}

static uint64_t apply_through(const struct raft *raft)
{
    return raft->commit_index < raft->persisted_index ? raft->commit_index : raft->persisted_index;
}

static enum status applied(struct raft *raft, uint64_t index)
{
    if (index > apply_through(raft)) {
        return STATUS_INVALID;
    }
    if (index > raft->applied_index) {
        raft->applied_index = index;
    }
    return STATUS_OK;
}

static enum status compacted(struct raft *raft, uint64_t index)
{
    if (index > raft->applied_index) {
        return STATUS_INVALID;
    }
    if (index > raft->log.compacted.index) {
        raft_log_tail_compact(&raft->log, index);
    }
    return STATUS_OK;
}

static enum status propose(struct raft *raft, const uint32_t *sizes, size_t count)
{
    size_t cost = 0;

    if (raft->role != RAFT_LEADER) {
        return STATUS_NOT_LEADER;
    }
    for (size_t i = 0; i < count; i++) {
        cost += sizes[i] + (size_t)RAFT_ENTRY_OVERHEAD;
    }
    /* With nothing before it, one of any size goes. */
    if (raft->transfer_to != 0 ||
        (raft->uncommitted_cost > 0 &&
         raft->uncommitted_cost + cost > raft->options.uncommitted_bytes_max)) {
        return STATUS_BUSY;
    }
    for (size_t i = 0; i < count; i++) {
        raft_append_own(raft, RAFT_ENTRY_COMMAND, sizes[i], NULL);
    }
    return STATUS_OK;
}

static enum status campaign(struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        return STATUS_EXISTS;
    }
    if (!raft_is_promotable(raft)) {
        return STATUS_DENIED;
    }
    /* Its own vote is one of those that a leader's lease counts on. */
    if (raft->options.lease_reads && raft_in_lease(raft) && !MUTANT(23)) {
        return STATUS_BUSY;
    }
    raft_campaign(raft, RAFT_CAMPAIGN_ASKED);
    return STATUS_OK;
}

static void tick(struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        raft_tick_leader(raft);
        return;
    }
    raft_reads_tick(raft);
    if (raft->now_ms >= raft->election_at_ms && raft_is_promotable(raft)) {
        raft_campaign(raft, RAFT_CAMPAIGN_ASKED);
    }
}

static void lost_peer(struct raft *raft, uint64_t id)
{
    if (raft->role == RAFT_FOLLOWER && raft->leader == id) {
        raft_leader_lost(raft);
    } else {
        raft_peer_unreachable(raft, id);
    }
}

/* ---- steps ---- */

static enum status handle(struct raft *raft, const struct raft_event *event)
{
    switch (event->kind) {
    case RAFT_TICK:
        tick(raft);
        return STATUS_OK;
    case RAFT_RECEIVED:
        return receive(raft, event->received);
    case RAFT_PERSISTED:
        persisted(raft, event->persisted);
        return STATUS_OK;
    case RAFT_APPLIED:
        return applied(raft, event->index);
    case RAFT_PROPOSED:
        return propose(raft, event->proposed.sizes, event->proposed.count);
    case RAFT_CONFIGURATION_PROPOSED:
        return raft_members_propose(raft, event->configuration);
    case RAFT_READ:
        return raft_read_begin(raft, event->read_context);
    case RAFT_TRANSFER:
        return raft_transfer_begin(raft, event->peer);
    case RAFT_CAMPAIGN:
        return campaign(raft);
    case RAFT_SNAPSHOT_READY:
        return raft_snapshot_ready(raft, event->peer, event->snapshot);
    case RAFT_SNAPSHOT_FETCHED:
        return raft_snapshot_fetched(raft, event->snapshot);
    case RAFT_SNAPSHOT_INSTALLED:
        return raft_snapshot_installed(raft, event->snapshot);
    case RAFT_SNAPSHOT_FAILED:
        return raft_snapshot_failed(raft, event->peer);
    case RAFT_COMPACTED:
        return compacted(raft, event->index);
    case RAFT_PEER_UNREACHABLE:
        raft_peer_unreachable(raft, event->peer);
        return STATUS_OK;
    case RAFT_PEER_LOST:
        lost_peer(raft, event->peer);
        return STATUS_OK;
    }
    return STATUS_INVALID;
}

static uint64_t wake_at_ms(const struct raft *raft)
{
    uint64_t reads_ms = raft_reads_wake_at_ms(raft);
    uint64_t own_ms = raft_is_promotable(raft) ? raft->election_at_ms : UINT64_MAX;

    if (raft->role == RAFT_LEADER) {
        return raft->heartbeat_at_ms;
    }
    return reads_ms < own_ms ? reads_ms : own_ms;
}

static void show(struct raft *raft, struct raft_effects *out_effects)
{
    struct raft_effects effects = {.wake_at_ms = UINT64_MAX};

    if (!raft->broken) {
        raft_replicate(raft);
        raft_outbox_show(&raft->outbox, &effects);
        effects.writes = raft_outbox_writes(&raft->outbox);
        effects.mark = (struct raft_mark){.term = raft->hard_state.term,
                                          .last = raft_log_tail_last(&raft->log)};
        effects.hard_state = raft->outbox.hard_state_changed ? &raft->hard_state : NULL;
        effects.apply_through = apply_through(raft);
        effects.wake_at_ms = wake_at_ms(raft);
    }
    raft->shown = true;
    *out_effects = effects;
}

enum status raft_step(struct raft *raft, const struct raft_event *event,
                      struct raft_effects *out_effects)
{
    enum status status = STATUS_OK;

    if (raft->shown) {
        raft_outbox_clear(&raft->outbox);
        raft->shown = false;
    }
    if (event != NULL && !raft->broken) {
        if (event->now_ms > raft->now_ms) {
            raft->now_ms = event->now_ms;
        }
        status = handle(raft, event);
    }
    if (out_effects != NULL) {
        show(raft, out_effects);
    }
    return raft->broken ? STATUS_CORRUPT : status;
}
