#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "storage/log_core.h"
#include "storage/raft/mutant.h"

/* ---- Pins ---- */

static uint32_t lower(uint32_t one, uint32_t other)
{
    return one == 0 || (other != 0 && other < one) ? other : one;
}

uint32_t log_shard_pin(const struct log_shard *shard)
{
    uint32_t pin = log_shard_oldest_segment(shard);

    if (shard->status != STATUS_OK) {
        return 0;
    }
    for (const struct log_undo *undo = shard->oldest; undo != NULL; undo = undo->newer) {
        const struct log_before *before = &undo->before;

        pin = lower(
            pin, log_location_oldest(before->removed, before->removed_count, !before->has_carried));
    }
    return pin;
}

uint32_t log_oldest_needed(const struct log *log)
{
    uint32_t oldest = UINT32_MAX;

    for (size_t i = 0; i < log->shard_count; i++) {
        uint32_t pin = log_shard_pin(log->shards[i]);

        oldest = pin != 0 && pin < oldest ? pin : oldest;
    }
    return oldest;
}

static int compare_pins(const void *one, const void *other)
{
    const struct log_pin *first = one;
    const struct log_pin *second = other;

    if (first->segment != second->segment) {
        return first->segment < second->segment ? -1 : 1;
    }
    return first->shard < second->shard ? -1 : first->shard > second->shard;
}

static uint64_t count_in(const struct log_shard *shard, uint32_t segment)
{
    uint64_t count = 0;

    for (size_t i = 0; i < shard->count; i++) {
        count += shard->items[shard->begin + i].segment == segment;
    }
    return count;
}

size_t log_pins(struct log *log, struct log_pin *out_pins, size_t count)
{
    size_t found = 0;

    pthread_mutex_lock(&log->lock);

    struct log_pin *pins = memory_zeroed((log->shard_count + 1) * sizeof(*pins));

    for (size_t i = 0; i < log->shard_count; i++) {
        uint32_t pin = log_shard_pin(log->shards[i]);

        if (pin != 0) {
            pins[found++] = (struct log_pin){
                .shard = log->shards[i]->number,
                .segment = pin,
                .entries_in_oldest = count_in(log->shards[i], pin),
            };
        }
    }
    pthread_mutex_unlock(&log->lock);
    qsort(pins, found, sizeof(*pins), compare_pins);
    found = found < count ? found : count;
    if (found > 0) {
        memcpy(out_pins, pins, found * sizeof(*pins));
    }
    memory_free(pins);
    return found;
}

/* ---- Records of one shard alone ---- */

static struct log_block *encode_one(const struct log_shard *shard, struct log_record record)
{
    struct log_block *block = log_block_new(LOG_RECORD_HEADER_SIZE);
    struct slice none = {NULL, 0};

    record.shard = shard->number;
    record.generation = shard->generation;
    record.ends_batch = true;
    log_put_record(block->octets, &record, none);
    return block;
}

/* The lowest index that a submission on its way writes or removes. */
static uint64_t lowest_in_flight(const struct log_shard *shard)
{
    uint64_t lowest = UINT64_MAX;

    for (const struct log_undo *undo = shard->oldest; undo != NULL; undo = undo->newer) {
        lowest = undo->low < lowest ? undo->low : lowest;
    }
    return lowest;
}

/* Under the lock. */
static enum status compact(struct log *log, struct log_shard *shard, uint64_t index,
                           uint64_t durable_applied_index)
{
    struct raft_position position = {.index = index};

    if (index <= shard->state.compacted.index) {
        return STATUS_OK;
    }
    if ((index > durable_applied_index && !MUTANT(15)) || index >= lowest_in_flight(shard) ||
        log_shard_term(shard, index, &position.term) != STATUS_OK) {
        return STATUS_INVALID;
    }

    struct log_undo *undo = log_undo_new(NULL, shard, 0);
    struct log_record record = {
        .kind = LOG_RECORD_COMPACT, .term = position.term, .index = position.index};

    undo->compacts_to = index;
    log_place(log, undo, encode_one(shard, record), true);
    log_shard_compact(shard, position);
    shard->state.changes++;
    return STATUS_OK;
}

enum status log_compact(struct log *log, uint32_t number, uint64_t index,
                        uint64_t durable_applied_index)
{
    pthread_mutex_lock(&log->lock);

    struct log_shard *shard = log_find_shard(log, number);
    enum status status = log->is_dead                         ? STATUS_IO_ERROR
                         : shard == NULL || shard->is_leaving ? STATUS_NOT_FOUND
                         : shard->status != STATUS_OK         ? shard->status
                                                              : STATUS_OK;

    if (status == STATUS_OK) {
        status = compact(log, shard, index, durable_applied_index);
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

enum status log_forget(struct log *log, struct log_append *append)
{
    pthread_mutex_lock(&log->lock);

    struct log_shard *shard = log_find_shard(log, append->shard);
    enum status status = log->is_dead            ? STATUS_IO_ERROR
                         : shard == NULL         ? STATUS_NOT_FOUND
                         : shard->oldest != NULL ? STATUS_BUSY
                                                 : STATUS_OK;

    if (status == STATUS_OK) {
        struct log_undo *undo = log_undo_new(append, shard, 0);

        undo->forgets = true;
        undo->low = 0;
        log_place(log, undo, encode_one(shard, (struct log_record){.kind = LOG_RECORD_FORGET}),
                  true);
        shard->is_leaving = true;
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

/* ---- Carrying entries forward ---- */

/* What log_carry() found to copy, until it copies it. */
struct cargo {
    uint64_t low;
    size_t count;
    size_t octets;
    struct log_entry *entries;
    struct log_entries *parts;
    size_t part_count;
};

/* The entries at the front that are in the oldest segment, and what lies between them. */
static enum status survey(const struct log_shard *shard, size_t octets_max, struct cargo *cargo)
{
    uint32_t oldest = log_shard_oldest_segment(shard);
    size_t octets = 0;

    cargo->low = shard->first;
    for (size_t i = 0; i < shard->count; i++) {
        const struct log_location *location = &shard->items[shard->begin + i];

        octets += log_record_size(location->size);
        if (location->segment == oldest) {
            cargo->count = i + 1;
            cargo->octets = octets;
        }
    }
    if (cargo->count == 0) {
        return STATUS_NOT_FOUND;
    }
    return cargo->octets > octets_max ? STATUS_TOO_LARGE : STATUS_OK;
}

static enum status load_cargo(struct log *log, uint32_t shard, struct cargo *cargo)
{
    size_t loaded = 0;

    cargo->entries = memory_zeroed(cargo->count * sizeof(*cargo->entries));
    cargo->parts = memory_zeroed(cargo->count * sizeof(*cargo->parts));
    while (loaded < cargo->count) {
        struct log_entries *part = &cargo->parts[cargo->part_count];
        enum status status = log_read(log, shard, cargo->low + loaded, cargo->low + cargo->count,
                                      cargo->octets, false, part);

        if (status != STATUS_OK) {
            return status;
        }
        cargo->part_count++;
        memcpy(cargo->entries + loaded, part->items, part->count * sizeof(*part->items));
        loaded += part->count;
    }
    return STATUS_OK;
}

static void free_cargo(struct cargo *cargo)
{
    for (size_t i = 0; i < cargo->part_count; i++) {
        log_entries_done(&cargo->parts[i]);
    }
    memory_free(cargo->parts);
    memory_free(cargo->entries);
}

static struct log_block *encode_cargo(const struct log_shard *shard, const struct cargo *cargo)
{
    struct log_block *block = log_block_new(cargo->octets);
    char *cursor = block->octets;

    for (size_t i = 0; i < cargo->count; i++) {
        const struct log_entry *entry = &cargo->entries[i];
        struct log_record record = {
            .kind = LOG_RECORD_CARRY,
            .entry_kind = entry->kind,
            .shard = shard->number,
            .generation = shard->generation,
            .term = entry->position.term,
            .index = entry->position.index,
            .ends_batch = i + 1 == cargo->count,
        };

        cursor = log_put_record(cursor, &record, entry->payload);
    }
    return block;
}

static bool is_same_place(struct log_location one, struct log_location other)
{
    return one.segment == other.segment && one.offset == other.offset;
}

/* Under the lock. Takes nothing of `cargo`. */
static void place_cargo(struct log *log, struct log_append *append, struct log_shard *shard,
                        const struct cargo *cargo)
{
    struct log_undo *undo = log_undo_new(append, shard, 0);
    struct log_block *block = encode_cargo(shard, cargo);
    size_t size = cargo->count * sizeof(struct log_location);

    undo->carried_from = cargo->low;
    undo->carried_count = cargo->count;
    undo->carried_old = memory_resized(NULL, size);
    undo->carried_new = memory_resized(NULL, size);
    memcpy(undo->carried_old, log_shard_find(shard, cargo->low), size);
    memcpy(undo->carried_new, undo->carried_old, size);
    log_place(log, undo, block, false);
    shard->state.changes++;

    uint32_t offset = block->offset;

    for (size_t i = 0; i < cargo->count; i++) {
        undo->carried_new[i].segment = block->segment;
        undo->carried_new[i].offset = offset;
        offset += (uint32_t)log_record_size(undo->carried_new[i].size);
    }
}

void log_move_carried(struct log_shard *shard, const struct log_undo *undo)
{
    shard->has_carried = true;
    for (size_t i = 0; i < undo->carried_count; i++) {
        uint64_t index = undo->carried_from + i;

        if (index < shard->first || index - shard->first >= shard->count) {
            continue;
        }

        struct log_location *location = &shard->items[shard->begin + (index - shard->first)];

        if (is_same_place(*location, undo->carried_old[i])) {
            *location = undo->carried_new[i];
        }
    }
}

/* Under the lock. */
static enum status may_carry(struct log *log, uint32_t number, struct log_shard **out_shard)
{
    struct log_shard *shard = log_find_shard(log, number);

    if (log->is_dead) {
        return STATUS_IO_ERROR;
    }
    if (shard == NULL || shard->is_leaving) {
        return STATUS_NOT_FOUND;
    }
    if (shard->status != STATUS_OK) {
        return shard->status;
    }
    *out_shard = shard;
    return shard->oldest != NULL ? STATUS_BUSY : STATUS_OK;
}

enum status log_carry(struct log *log, struct log_append *append)
{
    struct cargo cargo = {0};
    struct log_shard *shard = NULL;
    uint64_t changes = 0;

    pthread_mutex_lock(&log->lock);

    enum status status = may_carry(log, append->shard, &shard);

    if (status == STATUS_OK) {
        changes = shard->state.changes;
        status = survey(shard, log_batch_size_max(log), &cargo);
    }
    pthread_mutex_unlock(&log->lock);
    if (status == STATUS_OK) {
        status = load_cargo(log, append->shard, &cargo);
    }
    if (status == STATUS_OK) {
        pthread_mutex_lock(&log->lock);
        status = may_carry(log, append->shard, &shard);
        if (status == STATUS_OK && shard->state.changes != changes) {
            status = STATUS_BUSY;
        }
        if (status == STATUS_OK) {
            place_cargo(log, append, shard, &cargo);
        }
        pthread_mutex_unlock(&log->lock);
    }
    free_cargo(&cargo);
    return status;
}
