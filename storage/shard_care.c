/* What a shard does of its own accord: removing, trimming, giving the log back. */
#include "core/clock.h"
#include "core/log.h"
#include "storage/crash_point.h"
#include "storage/shard_parts.h"

enum { CARE_INTERVAL_MS = 5000 };

static void on_step(void *context, const struct shard_answer *answer)
{
    struct shard *shard = context;

    shard->step_in_flight = false;
}

static void propose_step(struct shard *shard, enum command_kind kind)
{
    shard->step_in_flight = true;
    shard_propose(shard, kind, NULL, (struct slice){0}, on_step, shard);
}

void shard_remove_more(struct shard *shard)
{
    if (!shard->step_in_flight && !shard->is_stopping && shard->leads &&
        shard->status == STATUS_OK && apply_wants_removal(shard->apply)) {
        propose_step(shard, COMMAND_REMOVE_STEP);
    }
}

/* A shard that comes back, or to another leader, remembers for a while longer what it did before,
 * for those who repeat then what they asked when it went away (router/handover.h). */
static bool may_trim(const struct shard *shard)
{
    return loop_now_ms(shard->options.loop) > shard->led_since_ms + ONCE_AGE_MAX_MS;
}

void shard_on_care(struct loop_timer *timer)
{
    struct shard *shard = CONTAINER_OF(timer, struct shard, care);

    if (shard->is_stopping) {
        shard_turn_soon(shard); /* its time is over */
        return;
    }
    if (shard->is_applying && !shard->is_loading) {
        shard_turn_soon(shard); /* a store that was full, or workers that were busy */
    }
    if (shard->status == STATUS_NO_SPACE) {
        loop_timer_start(timer, SHARD_RETRY_MS);
        return;
    }
    if (!shard->step_in_flight && shard->leads && may_trim(shard) &&
        apply_wants_trim(shard->apply, clock_wall_ms())) {
        propose_step(shard, COMMAND_TRIM);
    }
    shard_remove_more(shard);
    shard_care_for_exports(shard);
    loop_timer_start(timer, CARE_INTERVAL_MS);
}

/* ---- A shorter log ---- */

void shard_compact(struct shard *shard, uint64_t durable_index, bool even_if_needed)
{
    uint64_t index = durable_index;

    if (!shard_is_running(shard) || shard->replica == NULL || shard->is_full) {
        return;
    }
    struct raft_state raft = replica_state(shard->replica);

    if (!even_if_needed && raft.keep_from <= index) {
        index = raft.keep_from > 0 ? raft.keep_from - 1 : 0;
    }
    if (shard->exports.pinned_index > 0 && shard->exports.pinned_index < index) {
        index = shard->exports.pinned_index;
    }
    if (raft.installing || index < raft.first_index) {
        return;
    }
    enum status status =
        replica_compact(shard->replica, loop_now_ms(shard->options.loop), index, durable_index);

    if (status == STATUS_OK) {
        log_writer_wake(shard->options.writer);
        shard_turn_soon(shard);
    } else {
        log_warning("shard.not_compacted", log_number("shard", shard->record.shard),
                    log_status(status));
    }
    CRASH_POINT("shard.after_compact");
}

/* ---- What can be seen ---- */

struct watches *shard_watches(struct shard *shard)
{
    return shard->watches;
}

static void describe_peers(const struct shard *shard, const struct raft_state *raft,
                           struct shard_state *state)
{
    for (size_t index = 0; index < raft->configuration->count; index++) {
        struct shard_peer_state *peer = &state->peers[state->peer_count];
        struct raft_peer known;

        peer->id = raft->configuration->replicas[index].id;
        if (peer->id == raft->id) {
            continue;
        }
        if (replica_peer(shard->replica, peer->id, &known) == STATUS_OK) {
            peer->match = known.match;
            peer->is_active = known.active;
            peer->mode = known.mode;
        }
        state->peer_count++;
    }
}

struct shard_state shard_state(const struct shard *shard)
{
    const struct meta_row none = {0};
    const struct meta_row *meta = shard->apply != NULL ? apply_meta(shard->apply) : &none;
    struct shard_state state = {
        .id = shard->record.shard,
        .status = shard->status,
        .replica = shard->record.id,
        .generation = shard->record.generation,
        .term = shard->term,
        .leader = replica_id_node(shard->leader),
        .applied_index = meta->applied_index,
        .digest = meta->digest,
        .waiting_size = shard->waiting_size,
        .uid_cache_size = uid_cache_memory(shard->uid_cache),
        .applied_count = shard->applied_count,
        .batch_count = shard->batch_count,
    };

    if (shard->replica != NULL) {
        struct raft_state raft = replica_state(shard->replica);

        state.role = raft.role;
        state.first_index = raft.first_index;
        state.last_index = raft.last.index;
        state.commit_index = raft.commit_index;
        state.configuration = *raft.configuration;
        state.configuration_index = raft.configuration_index;
        describe_peers(shard, &raft, &state);
    }
    return state;
}
