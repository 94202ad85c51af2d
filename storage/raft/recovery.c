/* The beginning and the end of a replica, and what can be seen of it between. */
#include "core/memory.h"
#include "storage/raft/grown.h"
#include "storage/raft/replica.h"

static void fill_defaults(struct raft_options *options)
{
    uint32_t min_ms =
        options->election_timeout_min_ms == 0 ? 2000 : options->election_timeout_min_ms;

    options->election_timeout_min_ms = min_ms;
    if (options->election_timeout_max_ms == 0) {
        options->election_timeout_max_ms = 2 * min_ms;
    }
    if (options->heartbeat_ms == 0) {
        options->heartbeat_ms = min_ms / 10;
    }
    if (options->message_bytes_max == 0) {
        options->message_bytes_max = (size_t)1 << 20;
    }
    if (options->inflight_messages_max == 0) {
        options->inflight_messages_max = 64;
    }
    if (options->inflight_bytes_max == 0) {
        options->inflight_bytes_max = (size_t)8 << 20;
    }
    if (options->uncommitted_bytes_max == 0) {
        options->uncommitted_bytes_max = (size_t)16 << 20;
    }
    if (options->reads_max == 0) {
        options->reads_max = 10000;
    }
    if (options->promote_lag_max == 0) {
        options->promote_lag_max = 1000;
    }
    options->runs = NULL;
    options->sizes = NULL;
    options->configurations = NULL;
}

static bool times_allowed(const struct raft_options *options)
{
    return options->heartbeat_ms > 0 &&
           (uint64_t)options->heartbeat_ms * 3 <= options->election_timeout_min_ms &&
           options->election_timeout_min_ms <= options->election_timeout_max_ms;
}

static bool configurations_allowed(const struct raft_options *options, uint64_t last_index)
{
    for (size_t i = 0; i < options->configuration_count; i++) {
        const struct raft_configuration_at *at = &options->configurations[i];
        bool blank = at->index == 0 && at->configuration.count == 0;
        uint64_t low = i == 0 ? 0 : at[-1].index + 1;
        uint64_t high = i == 0 ? options->applied_index : last_index;

        if (at->index < low || at->index > high || (i > 0 && at->index <= options->applied_index) ||
            (!blank && raft_configuration_check(&at->configuration) != STATUS_OK)) {
            return false;
        }
    }
    return options->configuration_count > 0;
}

static bool state_allowed(const struct raft_options *options, const struct raft_log_tail *log)
{
    struct raft_position last = raft_log_tail_last(log);

    return options->id != 0 && options->applied_index >= options->compacted.index &&
           options->applied_index <= last.index && options->hard_state.term >= last.term &&
           (options->hard_state.term > 0 || options->hard_state.vote == 0) &&
           configurations_allowed(options, last.index);
}

static void begin(struct raft *raft, const struct raft_options *options)
{
    uint32_t own_place;

    raft->random = (struct random){.state = options->seed};
    raft->now_ms = options->now_ms;
    raft->generation_seen = options->generation;
    raft->hard_state = options->hard_state;
    raft->persisted_index = raft_log_tail_last_index(&raft->log);
    raft->outbox.handed_index = raft->persisted_index;
    raft->commit_index = options->applied_index;
    raft->applied_index = options->applied_index;
    /* The answer to a question of an earlier life must not pass for one of this. */
    raft->reads.round = random_next(&raft->random) >> 2;
    for (size_t i = 0; i < options->configuration_count; i++) {
        raft_members_append(raft, options->configurations[i].index,
                            &options->configurations[i].configuration);
    }
    /* It may have promised a lease before it stopped. */
    if (raft->options.lease_reads && !MUTANT(22)) {
        raft->refuse_votes_until_ms = raft->now_ms + raft->options.election_timeout_min_ms;
    }
    raft_reset_election(raft);
    own_place = 1U << raft_place(raft, raft->options.id);
    if (raft_is_promotable(raft) && raft_configuration_quorum(raft_members(raft), own_place)) {
        raft->election_at_ms = raft->now_ms; /* nobody else could lead */
    }
}

enum status raft_new(const struct raft_options *options, struct raft **out_raft)
{
    struct raft *raft = NEW(struct raft);

    raft->options = *options;
    fill_defaults(&raft->options);
    if (!times_allowed(&raft->options) || raft_log_tail_recover(&raft->log, options) != STATUS_OK ||
        !state_allowed(options, &raft->log)) {
        raft_free(raft);
        return STATUS_INVALID;
    }
    begin(raft, options);
    *out_raft = raft;
    return STATUS_OK;
}

void raft_free(struct raft *raft)
{
    if (raft == NULL) {
        return;
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        raft_progress_done(&raft->peers[i]);
    }
    raft_reads_done(raft);
    raft_outbox_done(&raft->outbox);
    raft_log_tail_done(&raft->log);
    memory_free(raft->peers);
    memory_free(raft->configurations);
    memory_free(raft->fetch);
    memory_free(raft);
}

/* ---- seen from outside ---- */

static bool is_active(const struct raft *raft, const struct raft_progress *peer)
{
    return raft->now_ms < peer->answered_at_ms + raft->options.election_timeout_min_ms;
}

/* The first entry that this peer may still ask for. */
static uint64_t needed_by(const struct raft *raft, const struct raft_progress *peer)
{
    if (peer->id == raft->options.id || !is_active(raft, peer)) {
        return UINT64_MAX;
    }
    if (peer->mode != RAFT_SNAPSHOT) {
        return peer->match + 1;
    }
    return (peer->snapshot == NULL ? raft->log.compacted.index : peer->snapshot->position.index) +
           1;
}

static uint64_t keep_from(const struct raft *raft)
{
    uint64_t from = UINT64_MAX;

    for (size_t i = 0; i < raft->peer_count; i++) {
        uint64_t needed = needed_by(raft, &raft->peers[i]);

        from = needed < from ? needed : from;
    }
    return from;
}

static size_t memory_of(const struct raft *raft)
{
    size_t size = sizeof(*raft) + raft_log_tail_memory(&raft->log) +
                  raft_outbox_memory(&raft->outbox) +
                  raft->configuration_capacity * sizeof(*raft->configurations) +
                  (raft->reads.waiting.capacity + raft->reads.asked.capacity) *
                      sizeof(struct raft_waiting_read) +
                  (raft->fetch == NULL ? 0 : sizeof(*raft->fetch));

    for (size_t i = 0; i < raft->peer_count; i++) {
        size += raft_progress_memory(&raft->peers[i]);
    }
    return size;
}

struct raft_state raft_state(const struct raft *raft)
{
    return (struct raft_state){
        .id = raft->options.id,
        .role = raft->role,
        .hard_state = raft->hard_state,
        .leader = raft->leader,
        .first_index = raft->log.compacted.index + 1,
        .last = raft_log_tail_last(&raft->log),
        .persisted_index = raft->persisted_index,
        .commit_index = raft->commit_index,
        .applied_index = raft->applied_index,
        .configuration = raft_members(raft),
        .configuration_index = raft->configurations[raft->configuration_count - 1].index,
        .transferring_to = raft->transfer_to,
        .keep_from = keep_from(raft),
        .generation_seen = raft->generation_seen,
        .installing = raft->installing,
        .memory = memory_of(raft),
    };
}

enum status raft_peer(const struct raft *raft, uint64_t id, struct raft_peer *out_peer)
{
    const struct raft_progress *peer = raft_find_peer(raft, id);

    if (raft->role != RAFT_LEADER) {
        return STATUS_NOT_LEADER;
    }
    if (peer == NULL) {
        return STATUS_NOT_FOUND;
    }
    *out_peer = (struct raft_peer){.mode = peer->mode,
                                   .match = peer->match,
                                   .next = peer->next,
                                   .inflight_messages = peer->window_count,
                                   .inflight_bytes = peer->window_cost,
                                   .active = is_active(raft, peer)};
    return STATUS_OK;
}
