/* What a shard does of its own accord: removing, trimming, giving the log back. */
#include "core/clock.h"
#include "core/log.h"
#include "storage/crash_point.h"
#include "storage/shard_parts.h"

enum { CARE_INTERVAL_MS = 5000 };

static void on_step(void *context, enum status status, struct slice reply)
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
    if (!shard->step_in_flight && !shard->is_stopping && shard->status == STATUS_OK &&
        apply_wants_removal(shard->apply)) {
        propose_step(shard, COMMAND_REMOVE_STEP);
    }
}

/* A shard that comes back remembers for a while longer what it did before, for those who repeat
 * then what they asked when it went away (router/handover.h). */
static bool may_trim(const struct shard *shard)
{
    return loop_now_ms(shard->options.loop) > shard->opened_ms + ONCE_AGE_MAX_MS;
}

void shard_on_care(struct loop_timer *timer)
{
    struct shard *shard = CONTAINER_OF(timer, struct shard, care);

    if (shard->status == STATUS_NO_SPACE) {
        shard_apply_soon(shard); /* sets the timer again, if it is still full */
        return;
    }
    if (!shard->step_in_flight && may_trim(shard) &&
        apply_wants_trim(shard->apply, clock_wall_ms())) {
        propose_step(shard, COMMAND_TRIM);
    }
    shard_remove_more(shard);
    loop_timer_start(timer, CARE_INTERVAL_MS);
}

void shard_compact(struct shard *shard)
{
    uint64_t durable = 0;
    enum status status = apply_durable_index(shard->options.store, shard->options.id, &durable);

    CRASH_POINT("shard.before_compact");
    if (status == STATUS_OK && durable > 0) {
        status = log_writer_compact(shard->options.writer, shard->options.id, durable, durable);
        CRASH_POINT("shard.after_compact");
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        log_warning("shard.not_compacted", log_number("shard", shard->options.id),
                    log_status(status));
    }
}

struct watches *shard_watches(struct shard *shard)
{
    return shard->watches;
}

struct shard_state shard_state(const struct shard *shard)
{
    const struct meta_row *meta = apply_meta(shard->apply);

    return (struct shard_state){
        .id = shard->options.id,
        .status = shard->status,
        .applied_index = meta->applied_index,
        .digest = meta->digest,
        .waiting_size = shard->waiting_size,
        .uid_cache_size = uid_cache_memory(shard->uid_cache),
        .applied_count = shard->applied_count,
        .batch_count = shard->batch_count,
    };
}
