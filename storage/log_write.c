#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/log_core.h"
#include "storage/raft/mutant.h"

void log_group_free(struct log_group *group)
{
    for (size_t i = 0; i < group->block_count; i++) {
        log_block_unref(group->blocks[i]);
    }
    memory_free(group->blocks);
    memory_free(group);
}

/* ---- Segments ---- */

static void encode_mark(char *octets, enum log_record_kind kind, uint32_t synced, uint32_t salt,
                        const struct log_place *place)
{
    struct log_record record = {
        .kind = (uint8_t)kind, .shard = LOG_NO_SHARD, .ends_batch = true, .index = synced};
    struct slice none = {NULL, 0};
    uint32_t shard;

    log_put_record(octets, &record, none);
    log_record_place(octets, salt, place, &shard);
}

/* Everything in the old file becomes durable before the next tells where it ended. */
static enum status sync_file(struct log *log)
{
    if (!log->is_unsynced) {
        return STATUS_OK;
    }
    CRASH_POINT("log.before_sync");
    if (file_sync(log->files, log->file) != STATUS_OK) {
        return STATUS_IO_ERROR;
    }
    CRASH_POINT("log.after_sync");
    log->synced_end = log->written_end;
    log->is_unsynced = false;
    log->sync_count++;
    return STATUS_OK;
}

/* Tells that a next one exists, so that it is missed when it is lost. Only for that: when the seal
 * itself does not make it, nothing is wrong. */
static void seal(struct log *log, struct file *file, uint32_t end, uint64_t group)
{
    char octets[LOG_RECORD_HEADER_SIZE];
    struct slice part = {octets, sizeof(octets)};
    struct log_place place = {.offset = end, .previous_shard = LOG_NO_SHARD, .group = group};

    encode_mark(octets, LOG_RECORD_SEAL, end, log->salt, &place);
    if (file_write(log->files, file, end, &part, 1) != STATUS_OK) {
        log_warning("log.seal_failed", log_number("end", end));
    }
    /* What a crash left behind the end is not needed, nor is the space. */
    if (log->is_recovered &&
        file_truncate(log->files, file, end + LOG_RECORD_HEADER_SIZE) != STATUS_OK) {
        log_warning("log.truncate_failed", log_number("end", end));
    }
}

static enum status switch_segment(struct log *log, const struct log_group *group)
{
    enum status status = sync_file(log);
    bool is_new = log->segments.spare_count == 0;
    struct file *file = NULL;
    struct log_segment_header header = {
        .salt = log->salt,
        .sequence = group->segment,
        .size = log->segments.size,
        .previous_end = log->written_end,
        .first_group = group->number,
    };

    if (status != STATUS_OK) {
        return status;
    }
    CRASH_POINT("log.before_segment");
    status = log_segment_create(&log->segments, &header, &file);
    if (status != STATUS_OK) {
        return status;
    }
    CRASH_POINT("log.before_seal");
    if (log->file != NULL && log->written_end != 0) {
        seal(log, log->file, log->written_end, group->number);
    }
    CRASH_POINT("log.after_seal");
    pthread_mutex_lock(&log->lock);
    log_segments_add(&log->segments, group->segment, file);
    log->spare_count = log->segments.spare_count;
    log->may_retire = true;
    pthread_mutex_unlock(&log->lock);
    log->file = file;
    log->file_sequence = group->segment;
    log->written_end = LOG_SEGMENT_HEADER_SIZE;
    log->synced_end = LOG_SEGMENT_HEADER_SIZE;
    log->zeroed_end = is_new && log->zero_ahead > 0 ? LOG_SEGMENT_HEADER_SIZE : log->segments.size;
    log->is_recovered = false;
    return STATUS_OK;
}

/* ---- Writing ---- */

/* What is half written and reported as failed must not come back after a crash: it is void before
 * log_sync() answers. */
static enum status make_void(struct log *log, const struct log_group *group)
{
    static const char zeros[LOG_RECORD_HEADER_SIZE];
    struct slice part = {zeros, sizeof(zeros)};

    log->is_unsynced = true;
    log->is_marked = false;
    return file_write(log->files, log->file, group->offset, &part, 1) == STATUS_OK
               ? STATUS_NO_SPACE
               : STATUS_IO_ERROR;
}

/* What goes behind the group into the part of a segment that was never written; mostly nothing, and
 * after a large group nothing: its sync takes long anyhow, and twice the octets take longer. */
static struct slice zeros_behind(const struct log *log, const struct log_group *group)
{
    bool is_large = group->end - group->offset > log->zero_ahead / 8;

    if (group->end < log->zeroed_end || group->end >= log->segments.size || is_large) {
        return (struct slice){NULL, 0};
    }
    return slice_prefix((struct slice){log->zeros, log->zero_ahead},
                        log->segments.size - group->end);
}

static enum status write_group(struct log *log, const struct log_group *group)
{
    char header[LOG_RECORD_HEADER_SIZE];
    struct log_place place = {
        .offset = group->offset,
        .previous_offset = group->previous_offset,
        .previous_shard = group->previous_shard,
        .group = group->number,
    };
    enum status status = STATUS_OK;

    if (group->segment != log->file_sequence || log->is_recovered) {
        status = switch_segment(log, group);
    }
    if (status != STATUS_OK) {
        return status;
    }
    encode_mark(header, LOG_RECORD_GROUP, log->synced_end, log->salt, &place);

    struct slice *parts = memory_resized(NULL, (group->block_count + 2) * sizeof(*parts));
    struct slice zeros = zeros_behind(log, group);

    parts[0] = (struct slice){header, sizeof(header)};
    for (size_t i = 0; i < group->block_count; i++) {
        parts[i + 1] = (struct slice){group->blocks[i]->octets, group->blocks[i]->size};
    }
    parts[group->block_count + 1] = zeros;
    CRASH_POINT("log.before_write");
    status = file_write(log->files, log->file, group->offset, parts,
                        group->block_count + 1 + (zeros.size > 0));
    CRASH_POINT("log.after_write");
    memory_free(parts);
    if (status == STATUS_OK) {
        log->written_end = group->end;
        log->zeroed_end = zeros.size > 0 ? group->end + (uint32_t)zeros.size : log->zeroed_end;
        log->is_unsynced |= group->block_count > 0;
        log->is_marked = group->block_count == 0;
    }
    return status == STATUS_NO_SPACE ? make_void(log, group) : status;
}

static void add_written(struct log *log, struct log_append *first, struct log_append *last)
{
    if (first == NULL) {
        return;
    }
    *(log->written_last != NULL ? &log->written_last->next : &log->written) = first;
    log->written_last = last;
}

/* Memory becomes what the files hold: all groups are undone, the last first. */
static void take_back(struct log *log, struct log_group *groups)
{
    struct log_append **appends = NULL;
    size_t count = 0;
    size_t capacity = 0;

    for (struct log_group *group = groups; group != NULL; group = group->next) {
        for (struct log_append *append = group->first; append != NULL; append = append->next) {
            if (count == capacity) {
                capacity = capacity * 2 + 16;
                appends = memory_resized(appends, capacity * sizeof(*appends));
            }
            appends[count++] = append;
        }
        for (size_t i = 0; i < group->block_count; i++) {
            log_cache_pop(log);
        }
    }
    while (count > 0 && !MUTANT(12)) {
        log_take_back(log, appends[--count]->undo);
    }
    memory_free(appends);
    log->head = groups->before;
    if (groups->before.segment != groups->segment && groups->segment == log->file_sequence) {
        /* The segment is there, and nothing is in it. */
        log->head.segment = 0;
        log->head.next_sequence = groups->segment + 1;
    }
}

static void finish_written(struct log *log, bool is_synced)
{
    while (log->written != NULL) {
        struct log_append *append = log->written;

        log->written = append->next;
        append->status = is_synced ? append->status : STATUS_IO_ERROR;
        log_finish(log, append);
    }
    log->written_last = NULL;
}

/* From now on every call answers IO_ERROR, and so does all that waits. Under the lock. */
static void die(struct log *log)
{
    log->is_dead = true;
    while (log->pending != NULL) {
        struct log_group *group = log->pending;

        add_written(log, group->first, group->last);
        log->pending = group->next;
        log_group_free(group);
    }
    log->pending_last = NULL;
    finish_written(log, false);
}

/* `groups` were not written, and what is pending builds on them. Under the lock. */
static void fail(struct log *log, struct log_group *groups, enum status status)
{
    struct log_group *last = groups;

    while (last->next != NULL) {
        last = last->next;
    }
    last->next = log->pending;
    log->pending = NULL;
    log->pending_last = NULL;
    if (status == STATUS_NO_SPACE) {
        take_back(log, groups);
    }
    while (groups != NULL) {
        struct log_group *group = groups;

        for (struct log_append *append = group->first; append != NULL; append = append->next) {
            append->status = status;
            append->undo->shard->has_failed |= !append->undo->is_internal && !append->undo->forgets;
        }
        add_written(log, group->first, group->last);
        groups = group->next;
        log_group_free(group);
    }
    if (status != STATUS_NO_SPACE) {
        die(log);
    }
}

static enum status write_groups(struct log *log, struct log_group *groups)
{
    while (groups != NULL) {
        struct log_group *group = groups;
        enum status status = write_group(log, group);

        pthread_mutex_lock(&log->lock);
        if (status != STATUS_OK) {
            status = status == STATUS_NO_SPACE ? status : STATUS_IO_ERROR;
            fail(log, groups, status);
            pthread_mutex_unlock(&log->lock);
            log_error("log.write_failed", log_status(status));
            return status;
        }
        log->write_count++;
        add_written(log, group->first, group->last);
        pthread_mutex_unlock(&log->lock);
        groups = group->next;
        log_group_free(group);
    }
    return STATUS_OK;
}

static struct log_group *take_pending(struct log *log)
{
    struct log_group *groups = log->pending;

    log->pending = NULL;
    log->pending_last = NULL;
    return groups;
}

enum status log_write(struct log *log)
{
    pthread_mutex_lock(&log->lock);

    bool is_dead = log->is_dead;
    struct log_group *groups = is_dead ? NULL : take_pending(log);

    pthread_mutex_unlock(&log->lock);
    if (is_dead) {
        return STATUS_IO_ERROR;
    }
    return groups == NULL ? STATUS_AGAIN : write_groups(log, groups);
}

void log_mark(struct log *log)
{
    struct log_group *groups = NULL;

    pthread_mutex_lock(&log->lock);

    bool is_due = !log->is_dead && log->pending == NULL && log->written == NULL &&
                  log->file != NULL && !log->is_recovered && !log->is_unsynced && !log->is_marked &&
                  log->head.segment == log->file_sequence &&
                  log->head.offset + 2 * LOG_RECORD_HEADER_SIZE <= log->segments.size;

    if (is_due) {
        log_place_mark(log);
        groups = take_pending(log);
    }
    pthread_mutex_unlock(&log->lock);
    if (groups != NULL && write_groups(log, groups) != STATUS_OK) {
        log_warning("log.mark_failed", log_number("offset", log->written_end));
    }
}

/* ---- Syncing ---- */

/* The oldest segment, when nobody needs it: what counts is in a later one, durably. */
static bool take_unneeded(struct log *log, struct log_segment *out_segment)
{
    if (log->segments.count < 2 || log->is_recovered) {
        return false;
    }

    const struct log_segment *oldest = &log->segments.items[0];

    if (oldest->sequence >= log->file_sequence || oldest->reader_count > 0 ||
        oldest->sequence >= log_oldest_needed(log)) {
        return false;
    }
    *out_segment = log_segments_remove_oldest(&log->segments);
    return true;
}

/* The file tables of retired segments belong to the writer, but for their count. */
static enum status retire_segments(struct log *log)
{
    for (;;) {
        struct log_segment segment;

        pthread_mutex_lock(&log->lock);
        log->spare_count = log->segments.spare_count;

        bool is_found = log->may_retire && take_unneeded(log, &segment);

        log->may_retire &= is_found;
        pthread_mutex_unlock(&log->lock);
        if (!is_found) {
            return STATUS_OK;
        }

        enum status status = log_segment_retire(&log->segments, segment);

        if (status != STATUS_OK) {
            return status;
        }
    }
}

enum status log_sync(struct log *log)
{
    pthread_mutex_lock(&log->lock);

    enum status status = log->is_dead ? STATUS_IO_ERROR : STATUS_OK;

    pthread_mutex_unlock(&log->lock);
    if (status == STATUS_OK && log->file_sequence != 0) {
        status = sync_file(log);
    }
    pthread_mutex_lock(&log->lock);
    if (status == STATUS_OK) {
        finish_written(log, true);
        log->durable =
            (struct log_location){.segment = log->file_sequence, .offset = log->synced_end};
        log_evict(log);
    } else {
        die(log);
    }
    pthread_mutex_unlock(&log->lock);
    if (status == STATUS_OK) {
        CRASH_POINT("log.before_completion");
        status = retire_segments(log);
        if (status != STATUS_OK) {
            pthread_mutex_lock(&log->lock);
            die(log);
            pthread_mutex_unlock(&log->lock);
            status = STATUS_IO_ERROR;
        }
    }
    if (status != STATUS_OK) {
        log_error("log.sync_failed", log_status(status));
    }
    return status;
}

struct log_append *log_completed(struct log *log)
{
    pthread_mutex_lock(&log->lock);

    struct log_append *append = log->completed;

    if (append != NULL) {
        log->completed = append->next;
        log->completed_last = log->completed == NULL ? NULL : log->completed_last;
        append->next = NULL;
    }
    pthread_mutex_unlock(&log->lock);
    return append;
}

bool log_is_pending(struct log *log)
{
    pthread_mutex_lock(&log->lock);

    bool is_pending = log->pending != NULL;

    pthread_mutex_unlock(&log->lock);
    return is_pending;
}
