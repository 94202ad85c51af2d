/* A log that is full. The replica cannot go on from what was taken back: it is closed, once its
 * writes have all come back, and opened again over what the log then has. Whether there is room is
 * found out by a write that changes nothing, as often as somebody wants to write, or after a while.
 */
#include "core/log.h"
#include "storage/shard_parts.h"

void shard_became_full(struct shard *shard)
{
    if (!shard->is_full) {
        log_warning("shard.log_full", log_number("shard", shard->record.shard));
        shard->is_full = true;
        proposal_list_end(shard, &shard->collected, STATUS_NO_SPACE);
    }
    shard_turn_soon(shard);
}

/* Of what was proposed, the log keeps a part from the front: that waits on, and is applied when the
 * replica leads again. A sole voter knows that the rest did not happen. */
static void drop_lost(struct shard *shard, uint64_t last_index)
{
    struct proposal_list kept;
    struct proposal *proposal;

    proposal_list_init(&kept);
    while ((proposal = proposal_list_take(&shard->proposed)) != NULL) {
        if (!shard->is_alone) {
            proposal_end(shard, proposal, STATUS_UNAVAILABLE, (struct slice){0});
        } else if (proposal->index > last_index) {
            proposal_end(shard, proposal, STATUS_NO_SPACE, (struct slice){0});
        } else {
            proposal_list_add(&kept, proposal);
        }
    }
    while ((proposal = proposal_list_take(&kept)) != NULL) {
        proposal_list_add(&shard->proposed, proposal);
    }
}

static enum status resume(struct shard *shard, struct log_bounds *out_bounds)
{
    enum status status = log_resume(shard->options.log, shard->record.shard);

    if (status == STATUS_OK) {
        status = log_bounds(shard->options.log, shard->record.shard, out_bounds);
    }
    if (status == STATUS_NOT_FOUND) {
        *out_bounds = (struct log_bounds){.generation = shard->record.generation};
        status = STATUS_OK;
    }
    return status;
}

static void close_replica(struct shard *shard)
{
    struct log_bounds bounds;

    replica_free(shard->replica);
    shard->replica = NULL;
    shard->leads = false;
    shard->leader = 0;
    loop_timer_stop(&shard->tick);
    shard->tick_at_ms = UINT64_MAX;
    enum status status = resume(shard, &bounds);

    if (status != STATUS_OK) {
        shard_fail(shard, status, "log.bounds");
        return;
    }
    drop_lost(shard, bounds.last.index);
    if (!shard->is_alone) {
        shard_end_reads(shard, STATUS_NOT_LEADER);
        watches_end(shard->watches, STATUS_NOT_LEADER);
    }
    loop_timer_start(&shard->tick, SHARD_RETRY_MS);
}

static void probe(struct shard *shard)
{
    struct log_bounds bounds;
    enum status status = resume(shard, &bounds);

    if (status == STATUS_OK) {
        /* A new beginning of the log, when that is due, tells as well. A crash may have come before
         * the term of what was installed was durable; in that case nothing was promised in it. */
        shard->probe_hard_state = bounds.hard_state;
        if (shard->is_finishing && bounds.hard_state.term < shard->begins_after.term) {
            shard->probe_hard_state = (struct raft_hard_state){.term = shard->begins_after.term};
        }
        shard->probe = (struct log_append){
            .shard = shard->record.shard,
            .generation = shard->record.generation,
            .begin_after = shard->is_finishing ? &shard->begins_after : NULL,
            .hard_state = &shard->probe_hard_state,
            .context = shard,
        };
        status = log_writer_submit(shard->options.writer, &shard->probe);
    }
    if (status == STATUS_OK) {
        shard->is_probing = true;
    } else {
        shard_probed(shard, status);
    }
}

void shard_probed(struct shard *shard, enum status status)
{
    shard->is_probing = false;
    if (shard->is_sealed) {
        return;
    }
    if (status == STATUS_OK) {
        if (shard->is_finishing) {
            shard_began_after(shard);
        }
        shard->is_full = false;
        status = shard_open_replica(shard);
        log_info("shard.log_has_room", log_number("shard", shard->record.shard));
    }
    if (status == STATUS_NO_SPACE) {
        proposal_list_end(shard, &shard->collected, STATUS_NO_SPACE);
        loop_timer_start(&shard->tick, SHARD_RETRY_MS);
    } else if (status != STATUS_OK) {
        shard_fail(shard, status, "log.write");
    }
}

static bool is_time(const struct shard *shard)
{
    return shard->collected.first != NULL || !shard->tick.running;
}

void shard_full_turn(struct shard *shard)
{
    shard_apply_some(shard);
    if (shard->status == STATUS_NO_SPACE) {
        proposal_list_end(shard, &shard->collected, STATUS_NO_SPACE);
    }
    if (shard->replica != NULL) {
        if (replica_writing(shard->replica) == 0 && !shard->is_applying) {
            close_replica(shard);
        } else {
            proposal_list_end(shard, &shard->collected, STATUS_NO_SPACE);
        }
    }
    if (shard->replica == NULL && !shard->is_probing && shard->is_full && is_time(shard) &&
        !shard->is_stopping) {
        probe(shard);
    }
}
