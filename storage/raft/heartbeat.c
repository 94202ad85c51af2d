/* What keeps a leader leading while there is nothing to say, and deposes it when nobody listens:
 * heartbeats, check-quorum (§6.2), the lease (§6.4.1). */
#include "storage/raft/replica.h"

void raft_send_heartbeats(struct raft *raft)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct raft_progress *peer = &raft->peers[i];
        struct raft_message heartbeat = raft_letter(raft, RAFT_HEARTBEAT, peer->id);

        if (peer->id == raft->options.id) {
            continue;
        }
        /* Never over what the peer is known to have: beyond that its log may differ. */
        heartbeat.commit = raft->commit_index < peer->match ? raft->commit_index : peer->match;
        heartbeat.round = raft->reads.round;
        heartbeat.sent_at_ms = raft->now_ms;
        raft_outbox_send_eager(&raft->outbox, &heartbeat);
    }
}

void raft_receive_heartbeat(struct raft *raft, const struct raft_message *message)
{
    struct raft_message answer = raft_letter(raft, RAFT_HEARTBEAT_ANSWER, message->from);
    uint64_t last_index = raft_log_tail_last_index(&raft->log);

    if (message->commit > last_index) {
        raft_break(raft); /* it had these entries once, and said so */
        return;
    }
    raft_commit_to(raft, message->commit);
    answer.index = last_index;
    answer.round = message->round;
    answer.sent_at_ms = message->sent_at_ms;
    raft_outbox_send_eager(&raft->outbox, &answer);
    if (MUTANT(2)) {
        raft_answer_append(raft, message->from, last_index);
    }
}

/* The heartbeat went out after the append did, and yet the peer has less: the append was lost. Or
 * it was overtaken; then a probe costs little. A peer whose log is long but different is not found
 * so: after a whole timeout without an answer it is probed in any case. */
static void look_for_losses(struct raft *raft, struct raft_progress *peer,
                            const struct raft_message *answer)
{
    const struct raft_inflight *oldest = raft_progress_oldest(peer);
    uint64_t timeout_ms = raft->options.election_timeout_min_ms;

    if (MUTANT(18) && peer->mode == RAFT_REPLICATE) {
        raft_progress_replicate(peer);
        return;
    }
    if (peer->mode == RAFT_PROBE && peer->probed_at_ms < answer->sent_at_ms) {
        peer->probing = false;
    }
    if (oldest != NULL && oldest->sent_at_ms < answer->sent_at_ms &&
        (answer->index < oldest->last_index || oldest->sent_at_ms + timeout_ms <= raft->now_ms)) {
        raft_progress_probe(peer);
    }
}

void raft_receive_heartbeat_answer(struct raft *raft, const struct raft_message *message)
{
    struct raft_progress *peer = raft_find_peer(raft, message->from);

    if (peer == NULL || message->round > raft->reads.round || message->sent_at_ms > raft->now_ms) {
        return;
    }
    peer->answered_at_ms = raft->now_ms;
    if (message->sent_at_ms > peer->lease_at_ms) {
        peer->lease_at_ms = MUTANT(21) ? raft->now_ms : message->sent_at_ms;
    }
    if (message->round > peer->round) {
        peer->round = message->round;
    }
    look_for_losses(raft, peer, message);
    raft_snapshot_remind(raft, peer);
    raft_reads_advance(raft);
}

bool raft_lease_holds(const struct raft *raft)
{
    uint64_t lease_ms = raft->options.election_timeout_min_ms;
    uint64_t heard_at_ms =
        raft_reached(raft, offsetof(struct raft_progress, lease_at_ms), raft->now_ms);

    if (!raft->options.lease_reads || raft->options.check_quorum_off || raft->lease_given_up) {
        return false;
    }
    /* An eighth for clocks that do not run alike. */
    return heard_at_ms != 0 && raft->now_ms < heard_at_ms + lease_ms - lease_ms / 8;
}

/* §6.2: a leader that does not hear a majority must not make clients wait for it. */
static bool hears_quorum(const struct raft *raft)
{
    uint64_t heard_at_ms =
        raft_reached(raft, offsetof(struct raft_progress, answered_at_ms), raft->now_ms);

    return raft->options.check_quorum_off ||
           raft->now_ms < heard_at_ms + raft->options.election_timeout_min_ms;
}

void raft_schedule_heartbeat(struct raft *raft)
{
    uint64_t interval_ms = raft->options.heartbeat_ms;

    raft->heartbeat_at_ms = (raft->now_ms / interval_ms + 1) * interval_ms;
}

void raft_tick_leader(struct raft *raft)
{
    if (!hears_quorum(raft)) {
        raft_follow(raft, raft->hard_state.term, 0);
        return;
    }
    raft_transfer_tick(raft);
    if (raft->now_ms >= raft->heartbeat_at_ms) {
        raft_send_heartbeats(raft);
        raft_schedule_heartbeat(raft);
    }
}
