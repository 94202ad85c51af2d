#include <string.h>

#include "core/check.h"
#include "core/crc32c.h"
#include "core/memory.h"
#include "storage/log_core.h"

/* ---- Records ---- */

char *log_put_record(char *octets, struct log_record *record, struct slice payload)
{
    size_t size = log_record_size(payload.size);

    record->size = (uint32_t)payload.size;
    record->payload_crc = crc32c(0, payload);
    log_record_encode(record, octets);
    if (payload.size > 0) {
        memcpy(octets + LOG_RECORD_HEADER_SIZE, payload.data, payload.size);
    }
    memset(octets + LOG_RECORD_HEADER_SIZE + payload.size, 0,
           size - LOG_RECORD_HEADER_SIZE - payload.size);
    return octets + size;
}

size_t log_batch_size_max(const struct log *log)
{
    return log->segments.size / 2;
}

/* TOO_LARGE; else how many records the batch has, and their octets. */
static enum status measure(const struct log *log, const struct log_append *append,
                           size_t *out_count, size_t *out_size)
{
    size_t count = append->entry_count;
    size_t plain = append->begin_after != NULL;

    plain += append->truncate_from != 0;
    plain += append->hard_state != NULL;

    size_t size = plain * LOG_RECORD_HEADER_SIZE;

    for (size_t i = 0; i < count; i++) {
        if (append->entries[i].payload.size > LOG_PAYLOAD_SIZE_MAX) {
            return STATUS_TOO_LARGE;
        }
        size += log_record_size(append->entries[i].payload.size);
        if (size > log_batch_size_max(log)) {
            return STATUS_TOO_LARGE;
        }
    }
    *out_count = count + plain;
    *out_size = size;
    return STATUS_OK;
}

/* One record after another; the last ends the batch. */
struct batch {
    const struct log_append *append;
    char *cursor;
    size_t left;
};

static void put(struct batch *batch, struct log_record record, struct slice payload)
{
    record.shard = batch->append->shard;
    record.generation = batch->append->generation;
    record.ends_batch = --batch->left == 0;
    batch->cursor = log_put_record(batch->cursor, &record, payload);
}

static struct log_block *encode_batch(const struct log_append *append, size_t count, size_t size)
{
    struct log_block *block = log_block_new(size);
    struct batch batch = {.append = append, .cursor = block->octets, .left = count};
    struct slice none = {NULL, 0};

    if (append->begin_after != NULL) {
        put(&batch,
            (struct log_record){.kind = LOG_RECORD_BEGIN,
                                .term = append->begin_after->term,
                                .index = append->begin_after->index},
            none);
    }
    if (append->truncate_from != 0) {
        put(&batch,
            (struct log_record){.kind = LOG_RECORD_TRUNCATE, .index = append->truncate_from}, none);
    }
    for (size_t i = 0; i < append->entry_count; i++) {
        const struct log_entry *entry = &append->entries[i];

        put(&batch,
            (struct log_record){.kind = LOG_RECORD_ENTRY,
                                .entry_kind = entry->kind,
                                .term = entry->position.term,
                                .index = entry->position.index},
            entry->payload);
    }
    if (append->hard_state != NULL) {
        put(&batch,
            (struct log_record){.kind = LOG_RECORD_HARD_STATE,
                                .term = append->hard_state->term,
                                .index = append->hard_state->vote},
            none);
    }
    return block;
}

/* ---- Submissions ---- */

/* Whether the batch goes on where the shard ends. */
static enum status check_tail(const struct log_shard *shard, const struct log_append *append)
{
    struct raft_position last = shard->state.last;

    if (append->begin_after != NULL) {
        last = *append->begin_after;
        if (last.index < shard->state.compacted.index || append->truncate_from != 0) {
            return STATUS_INVALID;
        }
    }
    if (append->truncate_from != 0) {
        if (append->truncate_from <= shard->state.compacted.index ||
            append->truncate_from > last.index + 1) {
            return STATUS_INVALID;
        }
        last.index = append->truncate_from - 1;
        if (log_shard_term(shard, last.index, &last.term) != STATUS_OK) {
            return STATUS_INVALID;
        }
    }
    for (size_t i = 0; i < append->entry_count; i++) {
        struct raft_position position = append->entries[i].position;

        if (position.index != last.index + 1 || position.term < last.term) {
            return STATUS_INVALID;
        }
        last = position;
    }
    return STATUS_OK;
}

static enum status admit(const struct log *log, const struct log_shard *shard,
                         const struct log_append *append)
{
    if (log->is_dead) {
        return STATUS_IO_ERROR;
    }
    if (shard->status != STATUS_OK) {
        return shard->status;
    }
    if (shard->is_leaving) {
        return STATUS_BUSY;
    }
    if (shard->has_failed) {
        return STATUS_NO_SPACE;
    }
    if (append->generation < shard->generation) {
        return STATUS_DENIED;
    }
    if (append->hard_state != NULL && append->hard_state->term < shard->state.hard_state.term) {
        return STATUS_INVALID;
    }
    return check_tail(shard, append);
}

/* What the first record of the batch removes, if anything. */
static uint64_t removed_from(const struct log_shard *shard, const struct log_append *append)
{
    return append->begin_after != NULL ? shard->first : append->truncate_from;
}

static uint64_t lowest_touched(const struct log_append *append)
{
    if (append->begin_after != NULL) {
        return 0;
    }
    if (append->truncate_from != 0) {
        return append->truncate_from;
    }
    return append->entry_count > 0 ? append->entries[0].position.index : UINT64_MAX;
}

/* Memory becomes what the disk will be. */
static void apply(struct log_shard *shard, const struct log_append *append,
                  const struct log_block *block, size_t records)
{
    if (records == 0) {
        return;
    }

    size_t first = records - append->entry_count - (append->hard_state != NULL);
    uint32_t offset = block->offset + (uint32_t)(first * LOG_RECORD_HEADER_SIZE);

    shard->generation = append->generation;
    shard->state.changes++;
    if (append->begin_after != NULL) {
        log_shard_begin(shard, *append->begin_after);
    }
    if (append->truncate_from != 0) {
        log_shard_truncate(shard, append->truncate_from);
    }
    for (size_t i = 0; i < append->entry_count; i++) {
        const struct log_entry *entry = &append->entries[i];

        log_shard_append(shard, entry->position.term,
                         (struct log_location){.segment = block->segment,
                                               .offset = offset,
                                               .size = (uint32_t)entry->payload.size,
                                               .kind = entry->kind});
        offset += (uint32_t)log_record_size(entry->payload.size);
    }
    if (append->hard_state != NULL) {
        shard->state.hard_state = *append->hard_state;
    }
}

/* Under the lock. On failure the block is still the caller's. */
static enum status enter(struct log *log, struct log_append *append, struct log_block *block,
                         size_t records)
{
    static const struct log_shard fresh = {.first = 1};
    struct log_shard *shard = log_find_shard(log, append->shard);
    bool is_first = shard == NULL;
    enum status status = admit(log, is_first ? &fresh : shard, append);

    if (status != STATUS_OK) {
        return status;
    }
    if (is_first && log->shard_count >= log->shards_max) {
        return STATUS_BUSY;
    }
    if (is_first) {
        shard = log_add_shard(log, append->shard);
    }

    struct log_undo *undo = log_undo_new(append, shard, removed_from(shard, append));

    undo->low = lowest_touched(append);
    log_place(log, undo, block, false);
    apply(shard, append, block, records);
    return STATUS_OK;
}

enum status log_submit(struct log *log, struct log_append *append)
{
    size_t records = 0;
    size_t size = 0;
    enum status status = measure(log, append, &records, &size);

    if (status != STATUS_OK) {
        return status;
    }
    CHECK(append->shard != LOG_NO_SHARD);

    struct log_block *block = records > 0 ? encode_batch(append, records, size) : NULL;

    pthread_mutex_lock(&log->lock);
    status = enter(log, append, block, records);
    pthread_mutex_unlock(&log->lock);
    if (status != STATUS_OK) {
        log_block_unref(block);
    }
    return status;
}

/* What the log submits itself builds on nothing. */
static bool awaits_owner(const struct log_shard *shard)
{
    for (const struct log_undo *undo = shard->oldest; undo != NULL; undo = undo->newer) {
        if (!undo->is_internal) {
            return true;
        }
    }
    return false;
}

enum status log_resume(struct log *log, uint32_t number)
{
    pthread_mutex_lock(&log->lock);

    struct log_shard *shard = log_find_shard(log, number);
    enum status status = shard == NULL ? STATUS_NOT_FOUND : STATUS_OK;

    if (log->is_dead) {
        status = STATUS_IO_ERROR;
    } else if (shard != NULL && shard->has_failed && awaits_owner(shard)) {
        status = STATUS_BUSY;
    } else if (shard != NULL) {
        shard->has_failed = false;
        if (shard->oldest == NULL && log_shard_is_blank(shard)) {
            log_remove_shard(log, shard);
        }
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}
