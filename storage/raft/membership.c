/* Who belongs: chapter 4. A configuration is in force from its append on (§4.1); one change at a
 * time; what changes voters goes through a joint configuration (§4.3). */
#include <string.h>

#include "storage/raft/grown.h"
#include "storage/raft/replica.h"

/* ---- the configurations of the log ---- */

void raft_members_track(struct raft *raft)
{
    const struct raft_configuration *members = raft_members(raft);
    uint64_t next = raft_log_tail_last_index(&raft->log) + 1;
    struct raft_progress *peers = memory_zeroed(members->count * sizeof(*peers));

    for (size_t i = 0; i < members->count; i++) {
        struct raft_progress *known = raft_find_peer(raft, members->replicas[i].id);

        if (known == NULL) {
            raft_progress_init(&peers[i], members->replicas[i].id, next, raft->now_ms);
        } else {
            peers[i] = *known;
            *known = (struct raft_progress){.id = 0}; /* moved */
        }
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        raft_progress_done(&raft->peers[i]);
    }
    memory_free(raft->peers);
    raft->peers = peers;
    raft->peer_count = members->count;
}

/* After another configuration came into force. */
static void changed(struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        raft_members_track(raft);
        if (!raft_configuration_votes(raft_members(raft), raft->transfer_to)) {
            raft->transfer_to = 0;
        }
    }
}

void raft_members_append(struct raft *raft, uint64_t index,
                         const struct raft_configuration *configuration)
{
    struct raft_configuration_at *added;

    raft->configurations = raft_grown(raft->configurations, &raft->configuration_capacity,
                                      raft->configuration_count + 1, sizeof(*raft->configurations));
    added = &raft->configurations[raft->configuration_count++];
    added->index = index;
    added->configuration = *configuration;
    changed(raft);
}

void raft_members_truncate(struct raft *raft, uint64_t index)
{
    if (MUTANT(10)) {
        return;
    }
    while (raft->configurations[raft->configuration_count - 1].index >= index) {
        raft->configuration_count--;
    }
}

/* Keeps the last committed one and those that may still be undone. */
static void forget_superseded(struct raft *raft)
{
    size_t superseded = 0;

    while (superseded + 1 < raft->configuration_count &&
           raft->configurations[superseded + 1].index <= raft->commit_index) {
        superseded++;
    }
    if (superseded > 0) {
        raft->configuration_count -= superseded;
        memmove(raft->configurations, raft->configurations + superseded,
                raft->configuration_count * sizeof(*raft->configurations));
    }
}

static bool is_settled(const struct raft *raft)
{
    return raft->configurations[raft->configuration_count - 1].index <= raft->commit_index;
}

/* ---- changes ---- */

static void append_configuration(struct raft *raft, const struct raft_configuration *configuration)
{
    uint32_t size = (uint32_t)raft_configuration_size(configuration);

    raft_append_own(raft, RAFT_ENTRY_CONFIGURATION, size, configuration);
}

/* §4.2.2: a leader that is not part of the new configuration leads until that is committed. Its
 * parting word spares the others the wait for a timeout. */
static void resign(struct raft *raft)
{
    const struct raft_progress *fittest = raft_transfer_fittest(raft);

    if (fittest != NULL) {
        struct raft_message farewell = raft_letter(raft, RAFT_TIMEOUT_NOW, fittest->id);

        raft_outbox_send_eager(&raft->outbox, &farewell);
    }
    raft_follow(raft, raft->hard_state.term, 0);
}

void raft_members_committed(struct raft *raft)
{
    const struct raft_configuration *members;

    forget_superseded(raft);
    members = raft_members(raft);
    if (raft->role != RAFT_LEADER || !is_settled(raft)) {
        return;
    }
    if (raft_configuration_is_joint(members)) {
        struct raft_configuration left = raft_configuration_leave(members);

        append_configuration(raft, &left);
    } else if (!raft_configuration_votes(members, raft->options.id)) {
        resign(raft);
    }
}

/* §4.2.1: a voter that has yet to catch up would only stand in the way of commits. */
static bool would_lag(const struct raft *raft, const struct raft_configuration *wished)
{
    uint64_t last_index = raft_log_tail_last_index(&raft->log);

    for (size_t i = 0; i < wished->count; i++) {
        const struct raft_replica *replica = &wished->replicas[i];
        const struct raft_progress *peer = raft_find_peer(raft, replica->id);
        uint64_t match = peer == NULL ? 0 : peer->match;

        if ((replica->parts & RAFT_VOTER) != 0 &&
            !raft_configuration_votes(raft_members(raft), replica->id) &&
            last_index - match > raft->options.promote_lag_max) {
            return true;
        }
    }
    return false;
}

static bool voters_are_within(const struct raft_configuration *one,
                              const struct raft_configuration *other)
{
    for (size_t i = 0; i < one->count; i++) {
        if (raft_configuration_votes(one, one->replicas[i].id) &&
            !raft_configuration_votes(other, one->replicas[i].id)) {
            return false;
        }
    }
    return true;
}

enum status raft_members_propose(struct raft *raft, const struct raft_configuration *wished)
{
    const struct raft_configuration *members = raft_members(raft);
    struct raft_configuration next = *wished;

    if (raft->role != RAFT_LEADER) {
        return STATUS_NOT_LEADER;
    }
    if (raft_configuration_check(wished) != STATUS_OK || raft_configuration_is_joint(wished)) {
        return STATUS_INVALID;
    }
    /* The no-op too must be committed: else an older configuration could still win elsewhere. */
    if (!is_settled(raft) || raft_configuration_is_joint(members) ||
        raft->commit_index < raft->term_first_index || raft->transfer_to != 0) {
        return STATUS_BUSY;
    }
    if (raft_configuration_equals(members, wished)) {
        return STATUS_EXISTS;
    }
    if (would_lag(raft, wished)) {
        return STATUS_BUSY;
    }
    if (!voters_are_within(members, wished) || !voters_are_within(wished, members)) {
        enum status status = raft_configuration_join(members, wished, &next);

        if (status != STATUS_OK) {
            return status;
        }
    }
    append_configuration(raft, &next);
    return STATUS_OK;
}

/* ---- after a lost quorum ---- */

void raft_force(uint64_t id, struct raft_hard_state before, struct raft_position last,
                struct raft_hard_state *out_hard_state,
                struct raft_configuration *out_configuration, struct raft_position *out_position)
{
    uint64_t term = (before.term > last.term ? before.term : last.term) + 1;

    *out_hard_state = (struct raft_hard_state){.term = term, .vote = id};
    *out_configuration = (struct raft_configuration){.count = 1};
    out_configuration->replicas[0] = (struct raft_replica){.id = id, .parts = RAFT_VOTER};
    *out_position = (struct raft_position){.term = term, .index = last.index + 1};
}
