/* What a shard does of its own accord: removing, trimming, giving the log back. */
#include <semaphore.h>

#include "core/check.h"
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
    loop_timer_start(timer, CARE_INTERVAL_MS);
}

/* ---- A shorter log ---- */

struct compaction {
    struct loop_message message;
    struct shard *shard;
    uint64_t durable_index;
    bool even_if_needed;
    sem_t done;
};

static void compact(struct shard *shard, uint64_t durable_index, bool even_if_needed)
{
    struct raft_state raft = replica_state(shard->replica);
    uint64_t index = durable_index;

    if (!even_if_needed && raft.keep_from <= index) {
        index = raft.keep_from > 0 ? raft.keep_from - 1 : 0;
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

static void run_compaction(struct loop_message *message)
{
    struct compaction *compaction = CONTAINER_OF(message, struct compaction, message);
    struct shard *shard = compaction->shard;

    if (shard->replica != NULL && replica_status(shard->replica) == STATUS_OK &&
        !shard->is_sealed) {
        compact(shard, compaction->durable_index, compaction->even_if_needed);
    }
    CHECK(sem_post(&compaction->done) == 0);
}

void shard_compact(struct shard *shard, bool even_if_needed)
{
    struct compaction compaction = {
        .message = {.run = run_compaction}, .shard = shard, .even_if_needed = even_if_needed};
    enum status status =
        apply_durable_index(shard->options.store, shard->record.shard, &compaction.durable_index);

    CRASH_POINT("shard.before_compact");
    if (status != STATUS_OK) {
        log_warning("shard.not_compacted", log_number("shard", shard->record.shard),
                    log_status(status));
        return;
    }
    CHECK(sem_init(&compaction.done, 0, 0) == 0);
    loop_post(shard->options.loop, &compaction.message);
    while (sem_wait(&compaction.done) != 0) {
        continue; /* a signal */
    }
    sem_destroy(&compaction.done);
}

/* ---- What can be seen ---- */

struct watches *shard_watches(struct shard *shard)
{
    return shard->watches;
}

struct shard_state shard_state(const struct shard *shard)
{
    const struct meta_row *meta = apply_meta(shard->apply);

    return (struct shard_state){
        .id = shard->record.shard,
        .status = shard->status,
        .role = shard->leads ? RAFT_LEADER : RAFT_FOLLOWER,
        .term = shard->term,
        .leader = replica_id_node(shard->leader),
        .applied_index = meta->applied_index,
        .digest = meta->digest,
        .waiting_size = shard->waiting_size,
        .uid_cache_size = uid_cache_memory(shard->uid_cache),
        .applied_count = shard->applied_count,
        .batch_count = shard->batch_count,
    };
}
