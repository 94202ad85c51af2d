/* When the log does not reach back far enough: chapter 5. Only the manifest passes through here;
 * the node moves the files. */
#include "core/memory.h"
#include "storage/raft/replica.h"

/* ---- the leader ---- */

/* Only an answer brings a peer here, so it is there to fetch one. */
void raft_snapshot_needed(struct raft *raft, struct raft_progress *peer)
{
    struct raft_snapshot_effect effect = {.act = RAFT_SNAPSHOT_MAKE, .peer = peer->id};

    raft_progress_await_snapshot(peer);
    raft_outbox_snapshot(&raft->outbox, &effect);
}

static void send_offer(struct raft *raft, struct raft_progress *peer)
{
    struct raft_message offer = raft_letter(raft, RAFT_SNAPSHOT_OFFER, peer->id);

    offer.position = peer->snapshot->position;
    offer.configuration = raft_outbox_keep(&raft->outbox, &peer->snapshot->configuration);
    peer->offered_at_ms = raft->now_ms;
    raft_outbox_send_eager(&raft->outbox, &offer);
}

enum status raft_snapshot_ready(struct raft *raft, uint64_t id,
                                const struct raft_snapshot *snapshot)
{
    struct raft_progress *peer = raft_find_peer(raft, id);

    if (raft->role != RAFT_LEADER) {
        return STATUS_NOT_LEADER;
    }
    if (peer == NULL || peer->mode != RAFT_SNAPSHOT) {
        return STATUS_NOT_FOUND;
    }
    if (snapshot->position.index > raft->commit_index ||
        !raft_log_tail_has(&raft->log, snapshot->position)) {
        return STATUS_INVALID; /* not ahead, and the log must go on from it */
    }
    raft_progress_offer(peer, snapshot, raft->now_ms);
    send_offer(raft, peer);
    return STATUS_OK;
}

void raft_snapshot_remind(struct raft *raft, struct raft_progress *peer)
{
    if (peer->mode == RAFT_SNAPSHOT && peer->snapshot != NULL &&
        peer->offered_at_ms + raft->options.election_timeout_min_ms <= raft->now_ms) {
        send_offer(raft, peer);
    }
}

/* Looks again what the peer needs, but not before it has answered a heartbeat. */
static void give_up(struct raft *raft, struct raft_progress *peer)
{
    raft_progress_probe(peer);
    peer->probing = true;
    peer->probed_at_ms = raft->now_ms;
}

void raft_receive_offer_answer(struct raft *raft, const struct raft_message *message)
{
    struct raft_progress *peer = raft_find_peer(raft, message->from);

    if (peer == NULL) {
        return;
    }
    peer->answered_at_ms = raft->now_ms;
    if (message->refused && peer->snapshot != NULL &&
        peer->snapshot->position.index == message->position.index) {
        give_up(raft, peer);
    }
}

/* ---- the follower ---- */

static void stop_fetching(struct raft *raft)
{
    memory_free(raft->fetch);
    raft->fetch = NULL;
    raft->fetch_from = 0;
}

/* True when the log reaches over `position` by itself: then it is only news of a commit. */
static bool caught_up(struct raft *raft, struct raft_position position)
{
    if (position.index > raft->commit_index && raft_log_tail_has(&raft->log, position)) {
        raft_commit_to(raft, position.index);
    }
    return position.index <= raft->commit_index;
}

static void answer_offer(struct raft *raft, uint64_t to, struct raft_position position,
                         bool refused)
{
    struct raft_message answer = raft_letter(raft, RAFT_SNAPSHOT_ANSWER, to);

    answer.position = position;
    answer.refused = refused;
    raft_outbox_send_eager(&raft->outbox, &answer);
}

static void begin_fetch(struct raft *raft, const struct raft_message *offer)
{
    struct raft_snapshot_effect effect = {
        .act = RAFT_SNAPSHOT_FETCH,
        .peer = offer->from,
        .snapshot = {.position = offer->position, .configuration = *offer->configuration}};

    if (raft->fetch == NULL) {
        raft->fetch = NEW(struct raft_snapshot);
    }
    *raft->fetch = effect.snapshot;
    raft->fetch_from = offer->from;
    raft_outbox_snapshot(&raft->outbox, &effect);
}

void raft_receive_offer(struct raft *raft, const struct raft_message *message)
{
    bool under_way =
        raft->fetch_from == message->from && raft->fetch->position.index == message->position.index;

    if (!raft->installing && caught_up(raft, message->position)) {
        raft_answer_append(raft, message->from, raft->commit_index);
        return;
    }
    if (!raft->installing && !under_way) {
        begin_fetch(raft, message);
    }
    answer_offer(raft, message->from, message->position, false);
}

/* What came then is of a fetch that is about to be replaced, by another of the same position: who
 * carries the effects out would drop it and have nothing to install. */
static bool fetch_is_due(const struct raft *raft)
{
    const struct raft_snapshot_effect *effects = raft->outbox.snapshots.items;

    for (size_t i = 0; i < raft->outbox.snapshots.count; i++) {
        if (effects[i].act == RAFT_SNAPSHOT_FETCH) {
            return true;
        }
    }
    return false;
}

enum status raft_snapshot_fetched(struct raft *raft, const struct raft_snapshot *snapshot)
{
    struct raft_snapshot_effect effect = {.act = RAFT_SNAPSHOT_INSTALL, .peer = raft->fetch_from};

    if (raft->fetch == NULL || raft->installing || fetch_is_due(raft) ||
        raft->fetch->position.index != snapshot->position.index ||
        raft->fetch->position.term != snapshot->position.term) {
        return STATUS_NOT_FOUND;
    }
    if (raft->role == RAFT_LEADER || caught_up(raft, snapshot->position)) {
        effect.act = RAFT_SNAPSHOT_ABANDON;
        raft_outbox_snapshot(&raft->outbox, &effect);
        stop_fetching(raft);
        return STATUS_OK;
    }
    if (raft->role != RAFT_FOLLOWER) {
        raft_follow(raft, raft->hard_state.term, 0);
    }
    effect.snapshot = *raft->fetch;
    raft->installing = true;
    raft_outbox_snapshot(&raft->outbox, &effect);
    return STATUS_OK;
}

enum status raft_snapshot_installed(struct raft *raft, const struct raft_snapshot *snapshot)
{
    struct raft_position position = snapshot->position;

    if (!raft->installing || raft->fetch->position.index != position.index ||
        raft->fetch->position.term != position.term) {
        return STATUS_INVALID;
    }
    raft_log_tail_done(&raft->log);
    raft_log_tail_init(&raft->log, position);
    raft->outbox.handed_index = position.index;
    raft->persisted_index = position.index;
    raft->commit_index = position.index;
    raft->applied_index = position.index;
    raft->configuration_count = 0;
    raft_members_append(raft, position.index, &raft->fetch->configuration);
    raft->installing = false;
    stop_fetching(raft);
    if (raft->leader != 0) {
        raft_answer_append(raft, raft->leader, position.index);
    }
    return STATUS_OK;
}

static enum status fetch_failed(struct raft *raft)
{
    if (raft->fetch == NULL || raft->installing) {
        return STATUS_NOT_FOUND;
    }
    if (raft->leader == raft->fetch_from) {
        answer_offer(raft, raft->fetch_from, raft->fetch->position, true);
    }
    stop_fetching(raft);
    return STATUS_OK;
}

enum status raft_snapshot_failed(struct raft *raft, uint64_t id)
{
    struct raft_progress *peer = raft_find_peer(raft, id);

    if (id == 0) {
        return fetch_failed(raft);
    }
    if (peer == NULL || peer->mode != RAFT_SNAPSHOT) {
        return STATUS_NOT_FOUND;
    }
    give_up(raft, peer);
    return STATUS_OK;
}
