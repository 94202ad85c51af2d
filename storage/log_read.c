#include <string.h>

#include "core/check.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/log_core.h"

enum { COUNT_AT_ONCE = 4096 }; /* entries of one read */

/* Where one entry's payload comes from. */
struct source {
    struct log_location location;
    struct log_block *block; /* NULL: from the file */
    struct file *file;
    char *record; /* what was read from it */
};

struct log_memory {
    size_t count;
    struct source sources[];
};

/* ---- Under the lock ---- */

static size_t choose(struct log *log, const struct log_shard *shard, uint64_t low, uint64_t high,
                     size_t bytes_max, bool only_cached, struct source *sources)
{
    size_t count = 0;
    size_t bytes = 0;

    while (low + count < high && count < COUNT_AT_ONCE) {
        const struct log_location *location = log_shard_find(shard, low + count);

        if (location == NULL || (count > 0 && location->size > bytes_max - bytes)) {
            break;
        }

        struct source *source = &sources[count];

        *source = (struct source){.location = *location, .block = log_find_block(log, *location)};
        if (source->block == NULL) {
            struct log_segment *segment = log_segments_find(&log->segments, location->segment);

            if (only_cached || segment == NULL) {
                break;
            }
            segment->reader_count++;
            source->file = segment->file;
        }
        count++;
        bytes += location->size < bytes_max - bytes ? location->size : bytes_max - bytes;
    }
    return count;
}

static void unpin(struct log *log, const struct log_memory *memory)
{
    for (size_t i = 0; i < memory->count; i++) {
        if (memory->sources[i].file != NULL) {
            struct log_segment *segment =
                log_segments_find(&log->segments, memory->sources[i].location.segment);

            CHECK(segment != NULL && segment->reader_count > 0);
            segment->reader_count--;
        }
    }
}

/* ---- Outside it ---- */

static enum status check_record(const struct log *log, uint32_t shard,
                                const struct log_entry *entry, const struct source *source,
                                const char *octets)
{
    struct log_record record;

    if (log_record_decode(octets, log->salt, &record) != STATUS_OK || record.shard != shard ||
        record.index != entry->position.index || record.term != entry->position.term ||
        record.offset != source->location.offset || record.size != source->location.size ||
        record.payload_crc !=
            crc32c(0, (struct slice){octets + LOG_RECORD_HEADER_SIZE, record.size})) {
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

static enum status load(const struct log *log, uint32_t shard, struct log_entry *entry,
                        struct source *source)
{
    const char *record = NULL;
    size_t wanted = LOG_RECORD_HEADER_SIZE + source->location.size;
    size_t size = 0;

    if (source->block != NULL) {
        record = source->block->octets + (source->location.offset - source->block->offset);
    } else {
        source->record = memory_resized(NULL, wanted);

        enum status status = file_read(log->files, source->file, source->location.offset,
                                       source->record, wanted, &size);

        if (status == STATUS_OK) {
            status = size < wanted ? STATUS_CORRUPT
                                   : check_record(log, shard, entry, source, source->record);
        }
        if (status != STATUS_OK) {
            return status;
        }
        record = source->record;
    }
    entry->payload = (struct slice){record + LOG_RECORD_HEADER_SIZE, source->location.size};
    return STATUS_OK;
}

static void free_memory(struct log_memory *memory)
{
    for (size_t i = 0; memory != NULL && i < memory->count; i++) {
        log_block_unref(memory->sources[i].block);
        memory_free(memory->sources[i].record);
    }
    memory_free(memory);
}

void log_entries_done(struct log_entries *entries)
{
    free_memory(entries->memory);
    memory_free(entries->items);
    *entries = (struct log_entries){0};
}

static enum status load_all(const struct log *log, uint32_t shard, struct log_entries *entries)
{
    struct log_memory *memory = entries->memory;

    for (size_t i = 0; i < entries->count; i++) {
        enum status status = load(log, shard, &entries->items[i], &memory->sources[i]);

        if (status == STATUS_CORRUPT) {
            log_error("log.corrupt", log_number("shard", shard),
                      log_number("index", entries->items[i].position.index),
                      log_number("segment", memory->sources[i].location.segment),
                      log_number("offset", memory->sources[i].location.offset));
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* Under the lock. */
static enum status find(struct log *log, uint32_t number, uint64_t low, uint64_t high,
                        size_t bytes_max, bool only_cached, struct log_entries *entries)
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
    if (low >= high || log_shard_find(shard, low) == NULL) {
        return STATUS_NOT_FOUND;
    }

    uint64_t most = shard->state.last.index + 1 - low;

    most = most < high - low ? most : high - low;
    most = most < COUNT_AT_ONCE ? most : COUNT_AT_ONCE;

    struct log_memory *memory =
        memory_resized(NULL, sizeof(*memory) + (size_t)most * sizeof(struct source));

    memory->count = choose(log, shard, low, low + most, bytes_max, only_cached, memory->sources);
    entries->memory = memory;
    entries->count = memory->count;
    if (memory->count == 0) {
        return STATUS_AGAIN;
    }
    entries->items = memory_zeroed(memory->count * sizeof(*entries->items));
    for (size_t i = 0; i < memory->count; i++) {
        struct log_entry *entry = &entries->items[i];

        entry->position.index = low + i;
        entry->kind = memory->sources[i].location.kind;
        CHECK(log_shard_term(shard, low + i, &entry->position.term) == STATUS_OK);
    }
    return STATUS_OK;
}

/* A damaged entry: the shard is not to be trusted, unless it dropped it meanwhile. */
static void quarantine_reader(struct log *log, uint32_t number)
{
    struct log_shard *shard = log_find_shard(log, number);

    if (shard != NULL) {
        log_quarantine(shard);
    }
}

enum status log_read(struct log *log, uint32_t shard, uint64_t low, uint64_t high, size_t bytes_max,
                     bool only_cached, struct log_entries *out_entries)
{
    struct log_entries entries = {0};

    pthread_mutex_lock(&log->lock);

    enum status status = find(log, shard, low, high, bytes_max, only_cached, &entries);

    pthread_mutex_unlock(&log->lock);
    if (status == STATUS_OK) {
        status = load_all(log, shard, &entries);
        pthread_mutex_lock(&log->lock);
        unpin(log, entries.memory);
        if (status == STATUS_CORRUPT) {
            quarantine_reader(log, shard);
        }
        pthread_mutex_unlock(&log->lock);
    }
    if (status != STATUS_OK) {
        log_entries_done(&entries);
        return status;
    }
    *out_entries = entries;
    return STATUS_OK;
}
