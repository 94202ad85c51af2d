#include "storage/log.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/random.h"
#include "storage/log_core.h"

enum {
    SEGMENT_SIZE = 64 << 20,
    CACHE_SIZE_MAX = 64 << 20,
    SPARE_COUNT_MAX = 2,
    RESERVE_MAX = 64 << 10,
};

/* ---- Shards ---- */

/* Where `number` is, or would be. */
static size_t shard_slot(const struct log *log, uint32_t number)
{
    size_t low = 0;
    size_t high = log->shard_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (log->shards[middle]->number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct log_shard *log_find_shard(struct log *log, uint32_t number)
{
    size_t slot = shard_slot(log, number);

    return slot < log->shard_count && log->shards[slot]->number == number ? log->shards[slot]
                                                                          : NULL;
}

struct log_shard *log_add_shard(struct log *log, uint32_t number)
{
    size_t slot = shard_slot(log, number);

    if (log->shard_count == log->shard_capacity) {
        log->shard_capacity = log->shard_capacity * 2 + 8;
        log->shards = memory_resized(log->shards, log->shard_capacity * sizeof(*log->shards));
    }
    memmove(log->shards + slot + 1, log->shards + slot,
            (log->shard_count - slot) * sizeof(*log->shards));
    log->shards[slot] = log_shard_new(number);
    log->shard_count++;
    return log->shards[slot];
}

void log_remove_shard(struct log *log, struct log_shard *shard)
{
    size_t slot = shard_slot(log, shard->number);

    CHECK(log->shards[slot] == shard);
    log->shard_count--;
    memmove(log->shards + slot, log->shards + slot + 1,
            (log->shard_count - slot) * sizeof(*log->shards));
    log_shard_free(shard);
}

void log_quarantine(struct log_shard *shard)
{
    shard->status = STATUS_CORRUPT;
    shard->state.is_corrupt = true;
}

/* ---- Opening and closing ---- */

static enum status check_options(const struct log_options *options)
{
    uint32_t size = options->segment_size;

    if (options->files == NULL || options->folder == NULL ||
        strlen(options->folder) >= sizeof(((struct log_segments *)NULL)->folder) ||
        (size != 0 && (size < LOG_SEGMENT_SIZE_MIN || size > LOG_SEGMENT_SIZE_MAX ||
                       size % LOG_SEGMENT_HEADER_SIZE != 0))) {
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static uint32_t make_salt(uint64_t seed)
{
    struct random random = {.state = seed};
    uint32_t salt;

    if (seed != 0) {
        return (uint32_t)random_next(&random);
    }
    random_octets(&salt, sizeof(salt));
    return salt;
}

static struct log *new_log(const struct log_options *options)
{
    struct log *log = NEW(struct log);
    uint32_t size = options->segment_size != 0 ? options->segment_size : SEGMENT_SIZE;

    pthread_mutex_init(&log->lock, NULL);
    log->files = options->files;
    log->segments.files = options->files;
    memcpy(log->segments.folder, options->folder, strlen(options->folder) + 1);
    log->segments.size = size;
    log->segments.has_room = options->has_room;
    log->segments.context = options->context;
    log->segments.spare_count_max =
        options->spare_count_max != 0 ? options->spare_count_max : SPARE_COUNT_MAX;
    log->cache_size_max = options->cache_size_max != 0 ? options->cache_size_max : CACHE_SIZE_MAX;
    log->reserve = size / 16 < RESERVE_MAX ? size / 16 : RESERVE_MAX;
    log->shards_max = size / 4 / log_record_size(LOG_STATE_SIZE);
    log->shards_max = log->shards_max < LOG_SHARDS_MAX ? log->shards_max : LOG_SHARDS_MAX;
    log->zero_ahead = options->zero_ahead;
    log->zeros = options->zero_ahead > 0 ? memory_zeroed(options->zero_ahead) : NULL;
    log->salt = make_salt(options->seed);
    log->next_group = 1;
    log->head.next_sequence = 1;
    log->head.previous_shard = LOG_NO_SHARD;
    return log;
}

static void free_log(struct log *log)
{
    for (size_t i = 0; i < log->cache_count; i++) {
        log_block_unref(log->cache[log->cache_begin + i]);
    }
    for (size_t i = 0; i < log->shard_count; i++) {
        log_shard_free(log->shards[i]);
    }
    memory_free(log->zeros);
    memory_free(log->cache);
    memory_free(log->shards);
    log_segments_close(&log->segments);
    pthread_mutex_destroy(&log->lock);
    memory_free(log);
}

static void tell_recovered(struct log *log, const struct log_options *options)
{
    for (size_t i = 0; i < log->shard_count && options->on_recovered != NULL; i++) {
        const struct log_shard *shard = log->shards[i];
        struct log_recovered recovered = {
            .shard = shard->number,
            .status = shard->status,
            .generation = shard->generation,
            .hard_state = shard->state.hard_state,
            .compacted = shard->state.compacted,
            .last = shard->state.last,
            .runs = shard->runs,
            .run_count = shard->run_count,
        };

        options->on_recovered(options->context, log, &recovered);
    }
}

enum status log_open(const struct log_options *options, struct log **out_log)
{
    enum status status = check_options(options);

    if (status != STATUS_OK) {
        return status;
    }

    struct log *log = new_log(options);

    status = log_segments_open(&log->segments);
    if (status == STATUS_OK) {
        status = log_recover(log);
    }
    if (status != STATUS_OK) {
        free_log(log);
        return status;
    }
    log->spare_count = log->segments.spare_count;
    log->may_retire = true;
    tell_recovered(log, options);
    *out_log = log;
    return STATUS_OK;
}

/* What nobody waits for any more. */
static void drop_all(struct log *log, struct log_append *append)
{
    while (append != NULL) {
        struct log_append *next = append->next;

        if (append->undo != NULL) {
            log_drop(append);
        }
        append = next;
    }
}

void log_close(struct log *log)
{
    if (log == NULL) {
        return;
    }
    log_mark(log);
    drop_all(log, log->written);
    while (log->pending != NULL) {
        struct log_group *group = log->pending;

        drop_all(log, group->first);
        log->pending = group->next;
        log_group_free(group);
    }
    free_log(log);
}

/* ---- What is known ---- */

/* Under the lock. */
static enum status look_up(struct log *log, uint32_t number, struct log_shard **out_shard)
{
    struct log_shard *shard = log_find_shard(log, number);

    if (log->is_dead) {
        return STATUS_IO_ERROR;
    }
    if (shard == NULL || shard->is_leaving || log_shard_is_blank(shard)) {
        return STATUS_NOT_FOUND;
    }
    *out_shard = shard;
    return shard->status;
}

enum status log_describe(struct log *log, uint32_t number, uint64_t index,
                         struct log_description *out_description)
{
    struct log_shard *shard = NULL;
    struct log_description description = {0};

    pthread_mutex_lock(&log->lock);

    enum status status = look_up(log, number, &shard);
    const struct log_location *location = status == STATUS_OK ? log_shard_find(shard, index) : NULL;

    if (location != NULL) {
        description.size = location->size;
        description.kind = location->kind;
        status = log_shard_term(shard, index, &description.term);
    }
    pthread_mutex_unlock(&log->lock);
    if (status != STATUS_OK || location == NULL) {
        return status != STATUS_OK ? status : STATUS_NOT_FOUND;
    }
    *out_description = description;
    return STATUS_OK;
}

enum status log_term(struct log *log, uint32_t number, uint64_t index, uint64_t *out_term)
{
    struct log_shard *shard = NULL;

    pthread_mutex_lock(&log->lock);

    enum status status = look_up(log, number, &shard);

    if (status == STATUS_OK) {
        status = log_shard_term(shard, index, out_term);
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

enum status log_bounds(struct log *log, uint32_t number, struct log_bounds *out_bounds)
{
    struct log_shard *shard = NULL;

    pthread_mutex_lock(&log->lock);

    enum status status = look_up(log, number, &shard);

    if (status == STATUS_OK) {
        *out_bounds = (struct log_bounds){
            .generation = shard->generation,
            .hard_state = shard->state.hard_state,
            .compacted = shard->state.compacted,
            .last = shard->state.last,
        };
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

struct log_statistics log_statistics(struct log *log)
{
    struct log_statistics statistics;

    pthread_mutex_lock(&log->lock);
    statistics = (struct log_statistics){
        .segment_count = log->segments.count,
        .spare_count = log->spare_count,
        .pending_octets = log->pending_octets,
        .cache_octets = log->cache_octets,
        .write_count = log->write_count,
        .sync_count = log->sync_count,
        .memory =
            sizeof(*log) + log->cache_octets + log->cache_capacity * sizeof(struct log_block *),
    };
    for (size_t i = 0; i < log->shard_count; i++) {
        statistics.memory += log_shard_memory(log->shards[i]);
    }
    pthread_mutex_unlock(&log->lock);
    return statistics;
}
