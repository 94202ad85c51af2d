/* From committed entries to the store, a batch at a time, and then the replies. */
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/shard_parts.h"

enum {
    BATCH_SIZE_ENOUGH = 1024 * 1024,    /* octets of entries in one write to the store */
    REPLAY_READ_SIZE = 4 * 1024 * 1024, /* octets of entries read at once */
};

void shard_apply_soon(struct shard *shard)
{
    if (!shard->applying_is_posted) {
        shard->applying_is_posted = true;
        loop_post(shard->options.loop, &shard->applying);
    }
}

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

/* ---- Entries of this process ---- */

static bool is_due(const struct shard *shard)
{
    return shard->written.first != NULL && shard->written.first->index <= shard->apply_through;
}

/* Applies up to a batch's worth; those that are in the batch move to `out_applied`. */
static enum status apply_some(struct shard *shard, struct proposal_list *out_applied)
{
    enum status status = STATUS_OK;

    proposal_list_init(out_applied);
    while (is_due(shard) && apply_pending_size(shard->apply) < BATCH_SIZE_ENOUGH) {
        struct proposal *proposal = shard->written.first;
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
        proposal_list_add(out_applied, proposal_list_take(&shard->written));
    }
    return status;
}

/* Puts proposals back in front, to be applied again. */
static void put_back(struct shard *shard, struct proposal_list *applied)
{
    if (applied->first == NULL) {
        return;
    }
    *applied->end = shard->written.first;
    if (shard->written.first == NULL) {
        shard->written.end = applied->end;
    }
    shard->written.first = applied->first;
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

static void set_no_space(struct shard *shard)
{
    if (shard->status == STATUS_OK) {
        log_warning("shard.no_space", log_number("shard", shard->options.id));
        shard->status = STATUS_NO_SPACE;
    }
    loop_timer_start(&shard->care, SHARD_RETRY_MS);
}

static void clear_no_space(struct shard *shard)
{
    if (shard->status == STATUS_NO_SPACE) {
        log_info("shard.space_again", log_number("shard", shard->options.id));
        shard->status = STATUS_OK;
        loop_timer_start(&shard->care, SHARD_RETRY_MS);
    }
}

/* False: not now, or never. */
static bool apply_batch(struct shard *shard)
{
    struct proposal_list applied;
    enum status status = apply_some(shard, &applied);

    CRASH_POINT("shard.applied");
    if (status == STATUS_OK) {
        status = write_batch(shard);
    } else {
        apply_abandon(shard->apply);
    }
    if (status == STATUS_OK) {
        clear_no_space(shard);
        answer(shard, &applied);
        apply_settle(shard->apply);
        return true;
    }
    put_back(shard, &applied);
    if (status == STATUS_NO_SPACE) {
        set_no_space(shard);
    } else {
        shard_fail(shard, status, "apply");
    }
    return false;
}

void shard_on_applying(struct loop_message *message)
{
    struct shard *shard = CONTAINER_OF(message, struct shard, applying);

    shard->applying_is_posted = false;
    while (is_due(shard)) {
        if (!apply_batch(shard)) {
            return;
        }
    }
    shard_remove_more(shard);
}

/* ---- Entries of an earlier life ---- */

static enum status replay_some(struct shard *shard, const struct log_entries *entries)
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
            return status;
        }
    }
    CRASH_POINT("shard.replayed");
    enum status status = write_batch(shard);

    if (status == STATUS_OK) {
        apply_settle(shard->apply);
    }
    return status;
}

enum status shard_replay(struct shard *shard, uint64_t last_index)
{
    enum status status = STATUS_OK;
    uint64_t from = apply_meta(shard->apply)->applied_index;

    while (status == STATUS_OK && apply_meta(shard->apply)->applied_index < last_index) {
        struct log_entries entries;

        status = log_read(shard->options.log, shard->options.id,
                          apply_meta(shard->apply)->applied_index + 1, last_index + 1,
                          REPLAY_READ_SIZE, false, &entries);
        if (status == STATUS_OK) {
            status = replay_some(shard, &entries);
            log_entries_done(&entries);
        }
    }
    if (last_index > from) {
        log_info("shard.replayed", log_number("shard", shard->options.id), log_number("from", from),
                 log_number("to", last_index), log_status(status));
    }
    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}
