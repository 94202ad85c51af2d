#include <string.h>

#include "core/memory.h"
#include "storage/log_core.h"

/* ---- Places ---- */

static struct log_group *begin_group(struct log *log)
{
    struct log_group *group = NEW(struct log_group);

    group->before = log->head;
    group->segment = log->head.segment;
    group->offset = log->head.offset;
    group->end = log->head.offset + LOG_RECORD_HEADER_SIZE;
    group->number = log->next_group++;
    group->previous_offset = log->head.previous_offset;
    group->previous_shard = log->head.previous_shard;
    log->head.previous_offset = group->offset;
    log->head.previous_shard = LOG_NO_SHARD;
    log->head.offset = group->end;
    if (log->pending_last == NULL) {
        log->pending = group;
    } else {
        log->pending_last->next = group;
    }
    log->pending_last = group;
    return group;
}

static void place_records(struct log *log, struct log_block *block, uint64_t group)
{
    struct log_head *head = &log->head;

    block->segment = head->segment;
    block->offset = head->offset;
    for (uint32_t at = 0; at < block->size;) {
        char *octets = block->octets + at;
        struct log_place place = {
            .offset = head->offset,
            .previous_offset = head->previous_offset,
            .previous_shard = head->previous_shard,
            .group = group,
        };
        size_t size = log_record_place(octets, log->salt, &place, &head->previous_shard);

        head->previous_offset = head->offset;
        head->offset += (uint32_t)size;
        at += (uint32_t)size;
    }
}

static void add_block(struct log *log, struct log_group *group, struct log_block *block)
{
    if (group->block_count == group->block_capacity) {
        group->block_capacity = group->block_capacity * 2 + 8;
        group->blocks =
            memory_resized(group->blocks, group->block_capacity * sizeof(struct log_block *));
    }
    group->blocks[group->block_count++] = block;
    place_records(log, block, group->number);
    group->end = log->head.offset;
    log_cache_push(log, block);
}

static void add_append(struct log_group *group, struct log_append *append)
{
    append->next = NULL;
    if (group->last == NULL) {
        group->first = append;
    } else {
        group->last->next = append;
    }
    group->last = append;
}

static bool has_state(const struct log_shard *shard)
{
    return !shard->is_leaving && !log_shard_is_blank(shard);
}

/* The states of all shards, where a segment begins: NULL without any. */
static struct log_block *encode_states(const struct log *log)
{
    size_t count = 0;

    for (size_t i = 0; i < log->shard_count; i++) {
        count += has_state(log->shards[i]);
    }
    if (count == 0) {
        return NULL;
    }

    struct log_block *block = log_block_new(count * log_record_size(LOG_STATE_SIZE));
    char *cursor = block->octets;
    size_t left = count;

    for (size_t i = 0; i < log->shard_count; i++) {
        const struct log_shard *shard = log->shards[i];

        if (!has_state(shard)) {
            continue;
        }

        struct log_record record = {
            .kind = LOG_RECORD_STATE,
            .shard = shard->number,
            .generation = shard->generation,
            .ends_batch = --left == 0,
        };
        char payload[LOG_STATE_SIZE];

        log_state_encode(&shard->state, payload);
        cursor = log_put_record(cursor, &record, (struct slice){payload, sizeof(payload)});
    }
    return block;
}

static struct log_group *begin_segment(struct log *log)
{
    struct log_head before = log->head;

    log->head = (struct log_head){
        .segment = before.next_sequence,
        .offset = LOG_SEGMENT_HEADER_SIZE,
        .previous_shard = LOG_NO_SHARD,
        .next_sequence = before.next_sequence + 1,
    };

    struct log_group *group = begin_group(log);
    struct log_block *states = encode_states(log);

    group->before = before;
    if (states != NULL) {
        add_block(log, group, states);
    }
    return group;
}

void log_place(struct log *log, struct log_undo *undo, struct log_block *block,
               bool may_use_reserve)
{
    struct log_group *group = log->pending_last;
    uint32_t kept = LOG_RECORD_HEADER_SIZE + (may_use_reserve ? 0 : log->reserve);
    uint32_t needed =
        (block != NULL ? block->size : 0) + (group == NULL ? LOG_RECORD_HEADER_SIZE : 0);

    if (log->head.segment == 0 || log->head.offset + needed + kept > log->segments.size) {
        group = begin_segment(log);
    } else if (group == NULL) {
        group = begin_group(log);
    }
    if (block != NULL) {
        undo->octets = block->size;
        log->pending_octets += block->size;
        add_block(log, group, block);
    }
    add_append(group, undo->append);
}

void log_place_mark(struct log *log)
{
    begin_group(log);
}

/* ---- Undo ---- */

struct log_undo *log_undo_new(struct log_append *append, struct log_shard *shard,
                              uint64_t removed_from)
{
    struct log_undo *undo = NEW(struct log_undo);

    undo->is_internal = append == NULL;
    undo->append = append == NULL ? &undo->internal : append;
    undo->append->undo = undo;
    undo->append->status = STATUS_OK;
    undo->shard = shard;
    undo->low = UINT64_MAX;
    log_before_init(&undo->before, shard, removed_from);
    undo->older = shard->newest;
    if (shard->newest == NULL) {
        shard->oldest = undo;
    } else {
        shard->newest->newer = undo;
    }
    shard->newest = undo;
    return undo;
}

void log_take_back(struct log *log, struct log_undo *undo)
{
    undo->shard->is_leaving &= !undo->forgets;
    log_before_restore(&undo->before, undo->shard);
}

static void unlink_undo(struct log_undo *undo)
{
    struct log_shard *shard = undo->shard;

    *(undo->older != NULL ? &undo->older->newer : &shard->oldest) = undo->newer;
    *(undo->newer != NULL ? &undo->newer->older : &shard->newest) = undo->older;
}

static void free_undo(struct log_undo *undo)
{
    log_before_done(&undo->before);
    memory_free(undo->carried_old);
    memory_free(undo->carried_new);
    memory_free(undo);
}

void log_drop(struct log_append *append)
{
    unlink_undo(append->undo);
    free_undo(append->undo);
}

/* What waits until it is durable. */
static void settle(struct log *log, struct log_undo *undo)
{
    struct log_shard *shard = undo->shard;

    if (undo->forgets) {
        log_remove_shard(log, shard);
    } else if (undo->compacts_to != 0) {
        log_shard_trim(shard, undo->compacts_to);
    } else if (undo->carried_new != NULL) {
        log_move_carried(shard, undo);
    }
    log->may_retire |= undo->forgets || undo->compacts_to != 0 || undo->carried_new != NULL ||
                       undo->before.removed != NULL;
}

void log_finish(struct log *log, struct log_append *append)
{
    struct log_undo *undo = append->undo;
    bool is_internal = undo->is_internal;

    log->pending_octets -= undo->octets;
    unlink_undo(undo);
    if (append->status == STATUS_OK) {
        settle(log, undo);
    } else if (!log->is_dead && undo->shard->oldest == NULL && log_shard_is_blank(undo->shard) &&
               !undo->shard->has_failed) {
        log_remove_shard(log, undo->shard);
    }
    if (!is_internal) {
        append->undo = NULL;
        append->next = NULL;
        *(log->completed_last != NULL ? &log->completed_last->next : &log->completed) = append;
        log->completed_last = append;
    }
    free_undo(undo);
}
