/* Giving leadership away: §3.10. Proposals wait (as BUSY) until the other has the whole log and is
 * told to campaign; after an election timeout the leader goes on as if nothing had been. */
#include "storage/raft/replica.h"

static bool is_voter(const struct raft *raft, uint64_t id)
{
    const struct raft_replica *replica = raft_configuration_find(raft_members(raft), id);

    return replica != NULL && (replica->parts & RAFT_VOTER) != 0;
}

static uint8_t priority_of(const struct raft *raft, uint64_t id)
{
    const struct raft_replica *replica = raft_configuration_find(raft_members(raft), id);

    return replica == NULL ? 0 : replica->priority;
}

/* Listens and is being served from the log. */
static bool is_fit(const struct raft *raft, const struct raft_progress *peer)
{
    return peer->id != raft->options.id && is_voter(raft, peer->id) &&
           peer->mode == RAFT_REPLICATE &&
           raft->now_ms < peer->answered_at_ms + raft->options.election_timeout_min_ms;
}

static bool is_fitter(const struct raft *raft, const struct raft_progress *peer,
                      const struct raft_progress *than)
{
    if (than == NULL || peer->match != than->match) {
        return than == NULL || peer->match > than->match;
    }
    return priority_of(raft, peer->id) > priority_of(raft, than->id);
}

const struct raft_progress *raft_transfer_fittest(const struct raft *raft)
{
    const struct raft_progress *fittest = NULL;

    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct raft_progress *peer = &raft->peers[i];

        if (is_fit(raft, peer) && is_fitter(raft, peer, fittest)) {
            fittest = peer;
        }
    }
    return fittest;
}

void raft_transfer_advance(struct raft *raft, const struct raft_progress *peer)
{
    struct raft_message now = raft_letter(raft, RAFT_TIMEOUT_NOW, peer->id);

    if (raft->transfer_to == peer->id && peer->match == raft_log_tail_last_index(&raft->log)) {
        raft->lease_given_up = true;
        raft_outbox_send_eager(&raft->outbox, &now);
    }
}

enum status raft_transfer_begin(struct raft *raft, uint64_t to)
{
    const struct raft_progress *peer = to == 0 ? NULL : raft_find_peer(raft, to);

    if (raft->role != RAFT_LEADER) {
        return STATUS_NOT_LEADER;
    }
    if (to == raft->options.id) {
        return STATUS_EXISTS;
    }
    if (raft->transfer_to != 0) {
        return STATUS_BUSY;
    }
    if (to == 0) {
        peer = raft_transfer_fittest(raft);
    }
    if (peer == NULL || !is_voter(raft, peer->id)) {
        return STATUS_NOT_FOUND;
    }
    raft->transfer_to = peer->id;
    raft->transfer_until_ms = raft->now_ms + raft->options.election_timeout_min_ms;
    raft_transfer_advance(raft, peer);
    return STATUS_OK;
}

/* Someone who should rather lead, and can. */
static uint64_t find_preferred(const struct raft *raft)
{
    uint8_t best = priority_of(raft, raft->options.id);
    uint64_t preferred = 0;

    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct raft_progress *peer = &raft->peers[i];

        if (is_fit(raft, peer) && priority_of(raft, peer->id) > best &&
            peer->match >= raft->commit_index) {
            best = priority_of(raft, peer->id);
            preferred = peer->id;
        }
    }
    return preferred;
}

/* Still leading after it tried: the other cannot take over, and proposals were refused meanwhile.
 * So the next time comes later and later, up to 64 times. */
static void look_for_preferred(struct raft *raft)
{
    uint64_t preferred = find_preferred(raft);

    raft->prefer_at_ms =
        raft->now_ms + ((uint64_t)raft->options.election_timeout_max_ms << raft->prefer_tries);
    if (preferred != 0) {
        if (raft->prefer_tries < 7) {
            raft->prefer_tries++;
        }
        raft_transfer_begin(raft, preferred);
    }
}

void raft_transfer_tick(struct raft *raft)
{
    if (raft->transfer_to != 0 && raft->now_ms >= raft->transfer_until_ms) {
        raft->transfer_to = 0;
    }
    if (raft->transfer_to == 0 && raft->now_ms >= raft->prefer_at_ms) {
        look_for_preferred(raft);
    }
}

void raft_receive_timeout_now(struct raft *raft, const struct raft_message *message)
{
    if (raft_is_promotable(raft)) {
        raft_campaign(raft, RAFT_CAMPAIGN_FORCED);
    }
}
