/* From committed entries to the store, a batch at a time, and then the replies. What this process
 * proposed itself is in memory; the rest is read from the log, by a worker when it is on disk. */
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/shard_parts.h"

/* Entries that a worker reads. */
struct load {
    struct worker_job job;
    struct shard *shard;
    uint64_t low;
    uint64_t high;
    enum status status;
    struct log_entries entries;
};

/* ---- One batch ---- */

/* Writes what was applied. On a failure the batch is forgotten and has to be applied again. */
static enum status write_batch(struct shard *shard)
{
    struct store *store = shard->options.store;

    store_batch_clear(store, shard->batch);
    apply_finish(shard->apply, shard->batch);
    CRASH_POINT("shard.before_store_write");
    enum status status = store_write(store, shard->batch);

    CRASH_POINT("shard.after_store_write");
    if (status != STATUS_OK) {
        apply_abandon(shard->apply);
    } else {
        shard->batch_count++;
    }
    return status;
}

static void set_no_space(struct shard *shard)
{
    if (shard->status == STATUS_OK) {
        log_warning("shard.no_space", log_number("shard", shard->record.shard));
        shard->status = STATUS_NO_SPACE;
    }
    loop_timer_start(&shard->care, SHARD_RETRY_MS);
}

static void clear_no_space(struct shard *shard)
{
    if (shard->status == STATUS_NO_SPACE) {
        log_info("shard.space_again", log_number("shard", shard->record.shard));
        shard->status = STATUS_OK;
        loop_timer_start(&shard->care, SHARD_RETRY_MS);
    }
}

/* The batch is in the store, or not. */
static void ended(struct shard *shard, enum status status)
{
    if (status == STATUS_OK) {
        clear_no_space(shard);
        apply_settle(shard->apply);
        shard->is_applying = false;
        replica_applied(shard->replica, loop_now_ms(shard->options.loop),
                        apply_meta(shard->apply)->applied_index);
        if (!shard->is_full) {
            shard_run(shard);
        }
        shard_remove_more(shard);
    } else if (status == STATUS_NO_SPACE) {
        set_no_space(shard);
    } else {
        shard_fail(shard, status, "apply");
    }
}

/* ---- Entries that were proposed here ---- */

static uint64_t next_index(const struct shard *shard)
{
    return apply_meta(shard->apply)->applied_index + 1;
}

static bool is_next_proposed(const struct shard *shard)
{
    return shard->proposed.first != NULL && shard->proposed.first->index == next_index(shard);
}

/* Applies up to a batch's worth; those that are in the batch move to `out_applied`. */
static enum status apply_proposed(struct shard *shard, struct proposal_list *out_applied)
{
    enum status status = STATUS_OK;

    proposal_list_init(out_applied);
    while (is_next_proposed(shard) && next_index(shard) <= shard->apply_through &&
           apply_pending_size(shard->apply) < SHARD_BATCH_SIZE) {
        struct proposal *proposal = shard->proposed.first;
        struct apply_entry entry = {
            .index = proposal->index,
            .term = proposal->term,
            .kind = RAFT_ENTRY_COMMAND,
            .payload = buffer_view(&proposal->payload),
        };

        status = apply_entry(shard->apply, &entry, &proposal->outcome);
        if (status != STATUS_OK) {
            break;
        }
        proposal_list_add(out_applied, proposal_list_take(&shard->proposed));
    }
    return status;
}

/* Puts proposals back in front, to be applied again. */
static void put_back(struct shard *shard, struct proposal_list *applied)
{
    if (applied->first == NULL) {
        return;
    }
    *applied->end = shard->proposed.first;
    if (shard->proposed.first == NULL) {
        shard->proposed.end = applied->end;
    }
    shard->proposed.first = applied->first;
}

static void answer(struct shard *shard, struct proposal_list *applied)
{
    struct proposal *proposal;

    CRASH_POINT("shard.before_reply");
    while ((proposal = proposal_list_take(applied)) != NULL) {
        shard->applied_count++;
        proposal_end(shard, proposal, proposal->outcome.status, proposal->outcome.reply);
    }
    CRASH_POINT("shard.after_reply");
}

static void apply_own(struct shard *shard)
{
    struct proposal_list applied;
    enum status status = apply_proposed(shard, &applied);

    CRASH_POINT("shard.applied");
    if (status == STATUS_OK) {
        status = write_batch(shard);
    } else {
        apply_abandon(shard->apply);
    }
    if (status == STATUS_OK) {
        clear_no_space(shard);
        answer(shard, &applied);
    } else {
        put_back(shard, &applied);
    }
    ended(shard, status);
}

/* ---- Entries of the log ---- */

static enum status apply_read(struct shard *shard, const struct log_entries *entries)
{
    struct apply_outcome outcome;

    for (size_t index = 0; index < entries->count; index++) {
        const struct log_entry *item = &entries->items[index];
        struct apply_entry entry = {
            .index = item->position.index,
            .term = item->position.term,
            .kind = item->kind,
            .payload = item->payload,
        };
        enum status status = apply_entry(shard->apply, &entry, &outcome);

        if (status != STATUS_OK) {
            apply_abandon(shard->apply);
            return status;
        }
    }
    CRASH_POINT("shard.replayed");
    return write_batch(shard);
}

static void apply_entries(struct shard *shard, struct log_entries *entries)
{
    size_t count = entries->count;
    enum status status = apply_read(shard, entries);

    if (status == STATUS_OK) {
        shard->applied_count += count;
    }
    ended(shard, status);
    log_entries_done(entries);
}

static void work_load(struct worker_job *job)
{
    struct load *load = CONTAINER_OF(job, struct load, job);

    load->status = log_read(load->shard->options.log, load->shard->record.shard, load->low,
                            load->high, SHARD_BATCH_SIZE, false, &load->entries);
}

static void done_load(struct worker_job *job)
{
    struct load *load = CONTAINER_OF(job, struct load, job);
    struct shard *shard = load->shard;
    bool is_wanted = shard->is_applying && !shard->is_sealed;

    shard->job_count--;
    shard->is_loading = false;
    if (load->status == STATUS_OK && is_wanted) {
        apply_entries(shard, &load->entries);
    } else if (load->status == STATUS_OK) {
        log_entries_done(&load->entries);
    } else if (is_wanted) {
        shard_fail(shard, load->status == STATUS_NOT_FOUND ? STATUS_CORRUPT : load->status,
                   "log.read");
    }
    memory_free(load);
    shard_turn_soon(shard);
}

/* The workers' queue may be full: then the timer tries again. */
static void load(struct shard *shard, uint64_t low, uint64_t high)
{
    struct load *load = NEW(struct load);

    *load = (struct load){
        .job = {.work = work_load, .done = done_load}, .shard = shard, .low = low, .high = high};
    shard->is_loading =
        worker_submit(shard->options.workers, shard->options.loop, &load->job) == STATUS_OK;
    shard->job_count += shard->is_loading;
    if (!shard->is_loading) {
        memory_free(load);
        loop_timer_start(&shard->care, SHARD_RETRY_MS);
    }
}

static void apply_others(struct shard *shard)
{
    struct log_entries entries;
    uint64_t low = next_index(shard);
    uint64_t high = shard->apply_through + 1;

    if (shard->proposed.first != NULL && shard->proposed.first->index < high) {
        high = shard->proposed.first->index;
    }
    enum status status = log_read(shard->options.log, shard->record.shard, low, high,
                                  SHARD_BATCH_SIZE, true, &entries);

    if (status == STATUS_OK) {
        apply_entries(shard, &entries);
    } else if (status == STATUS_AGAIN) {
        load(shard, low, high);
    } else {
        shard_fail(shard, status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status, "log.read");
    }
}

/* ---- What is due ---- */

void shard_apply_some(struct shard *shard)
{
    if (!shard->is_applying || shard->is_loading) {
        return;
    }
    if (is_next_proposed(shard)) {
        apply_own(shard);
    } else {
        apply_others(shard);
    }
    if (shard->is_applying && shard->status == STATUS_OK && !shard->is_loading) {
        shard_turn_soon(shard);
    }
}
