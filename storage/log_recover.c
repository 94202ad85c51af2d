#include <string.h>

#include "core/crc32c.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/log_core.h"
#include "storage/log_replay.h"

enum {
    WINDOW_SIZE = (2 << 20) + LOG_RECORD_HEADER_SIZE, /* holds the largest record */
    GROUPS_SKIPPED = 1 << 16,                         /* numbers that what was lost may have used */
};

/* A segment on its way through recovery. */
struct found {
    enum status status; /* OK, or CORRUPT: its header */
    struct log_segment_header header;
};

struct recovery {
    struct log *log;
    struct log_replay replay;
    struct found *found;
    char *window;
    size_t window_capacity; /* WINDOW_SIZE, or what the largest segment needs */
    uint64_t window_offset;
    size_t window_size;

    /* The segment that is being read. */
    struct file *file;
    uint32_t at;
    uint32_t end;    /* of what there may be to read */
    uint32_t synced; /* what is before it has to check */
    bool is_last;
    bool is_searched; /* for later marks */
    bool is_sealed;
    uint64_t group;
    uint32_t good_end; /* after the last whole batch, or mark */
};

/* ---- Reading ---- */

/* Points at `size` octets at `offset`; `out_octets` is NULL when the file ends before. */
static enum status view(struct recovery *recovery, uint32_t offset, size_t size,
                        const char **out_octets)
{
    uint64_t window_end = recovery->window_offset + recovery->window_size;

    *out_octets = NULL;
    if (size > recovery->window_capacity || offset > recovery->end ||
        size > recovery->end - offset) {
        return STATUS_OK;
    }
    if (offset < recovery->window_offset || offset + size > window_end) {
        size_t wanted = recovery->end - offset;

        wanted = wanted < recovery->window_capacity ? wanted : recovery->window_capacity;
        recovery->window_size = 0;

        enum status status = file_read(recovery->log->files, recovery->file, offset,
                                       recovery->window, wanted, &recovery->window_size);

        if (status != STATUS_OK) {
            return status;
        }
        recovery->window_offset = offset;
    }
    if (offset + size <= recovery->window_offset + recovery->window_size) {
        *out_octets = recovery->window + (offset - recovery->window_offset);
    }
    return STATUS_OK;
}

/* A record's header at `offset`, of this group or a later one. NOT_FOUND: none. */
static enum status header_at(struct recovery *recovery, uint32_t offset,
                             struct log_record *out_record)
{
    const char *octets;
    struct log_record record;
    enum status status = view(recovery, offset, LOG_RECORD_HEADER_SIZE, &octets);

    if (status != STATUS_OK) {
        return status;
    }
    if (octets == NULL || log_record_decode(octets, recovery->log->salt, &record) != STATUS_OK ||
        record.offset != offset || record.group < recovery->group ||
        log_record_size(record.size) > recovery->end - offset) {
        return STATUS_NOT_FOUND;
    }
    *out_record = record;
    return STATUS_OK;
}

/* ---- Damage ---- */

/* Whether anything after here tells that more was synced: then this is no torn tail. */
static enum status search_marks(struct recovery *recovery)
{
    if (recovery->is_searched || !recovery->is_last) {
        return STATUS_OK;
    }
    recovery->is_searched = true;
    for (uint32_t at = recovery->at; at < recovery->end; at += LOG_RECORD_ALIGNMENT) {
        struct log_record record;
        enum status status = header_at(recovery, at, &record);

        if (status == STATUS_NOT_FOUND) {
            continue;
        }
        if (status != STATUS_OK) {
            return status;
        }
        if ((record.kind == LOG_RECORD_GROUP || record.kind == LOG_RECORD_SEAL) &&
            record.group > recovery->group && record.index <= at) {
            recovery->is_sealed |= record.kind == LOG_RECORD_SEAL;
            recovery->synced =
                record.index > recovery->synced ? (uint32_t)record.index : recovery->synced;
            recovery->log->next_group =
                record.group > recovery->log->next_group ? record.group : recovery->log->next_group;
        }
    }
    return STATUS_OK;
}

/* Behind a header that is damaged: goes on with the next record that there is. */
static enum status resume(struct recovery *recovery)
{
    uint32_t lost = recovery->at;

    log_error("log.damaged", log_number("segment", recovery->replay.segment),
              log_number("offset", lost));
    log_replay_break_batch(&recovery->replay);
    for (recovery->at += LOG_RECORD_ALIGNMENT; recovery->at < recovery->synced;
         recovery->at += LOG_RECORD_ALIGNMENT) {
        struct log_record record;
        enum status status = header_at(recovery, recovery->at, &record);

        if (status == STATUS_NOT_FOUND) {
            continue;
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (record.previous_offset == lost) {
            log_replay_damage(&recovery->replay, record.previous_shard);
        } else if (recovery->is_last) {
            log_replay_damage_all(&recovery->replay);
        }
        recovery->group = record.group;
        return STATUS_OK;
    }
    /* What begins at `synced` is the next to read. In a segment that another follows, the states
     * there tell who lost something. */
    recovery->at = recovery->synced;
    if (recovery->is_last) {
        struct log_record record;
        enum status status = header_at(recovery, recovery->at, &record);

        if (status == STATUS_OK && record.previous_offset == lost) {
            log_replay_damage(&recovery->replay, record.previous_shard);
        } else {
            log_replay_damage_all(&recovery->replay);
        }
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    return STATUS_OK;
}

/* ---- A segment ---- */

/* NOT_FOUND: what is here does not check. */
static enum status read_record(struct recovery *recovery, struct log_record *out_record,
                               struct slice *out_payload)
{
    struct log_record record;
    const char *octets;
    enum status status = header_at(recovery, recovery->at, &record);

    if (status != STATUS_OK) {
        return status;
    }

    bool begins = record.kind == LOG_RECORD_GROUP || record.kind == LOG_RECORD_SEAL;

    if (begins ? record.group <= recovery->group || record.index > recovery->at
               : record.group != recovery->group) {
        return STATUS_NOT_FOUND;
    }
    status = view(recovery, recovery->at, LOG_RECORD_HEADER_SIZE + record.size, &octets);
    if (status != STATUS_OK || octets == NULL) {
        return status != STATUS_OK ? status : STATUS_NOT_FOUND;
    }
    *out_record = record;
    *out_payload = (struct slice){octets + LOG_RECORD_HEADER_SIZE, record.size};
    return STATUS_OK;
}

static void accept(struct recovery *recovery, const struct log_record *record, struct slice payload)
{
    recovery->at += (uint32_t)log_record_size(record->size);
    if (record->kind == LOG_RECORD_GROUP || record->kind == LOG_RECORD_SEAL) {
        log_replay_break_batch(&recovery->replay);
        recovery->group = record->group;
        recovery->synced =
            record->index > recovery->synced ? (uint32_t)record->index : recovery->synced;
        recovery->is_sealed |= record->kind == LOG_RECORD_SEAL;
        recovery->good_end = recovery->at;
    } else if (log_replay_record(&recovery->replay, record, payload)) {
        recovery->good_end = recovery->at;
    }
}

static enum status read_segment(struct recovery *recovery)
{
    while (recovery->at < recovery->end && !recovery->is_sealed) {
        struct log_record record;
        struct slice payload;
        enum status status = read_record(recovery, &record, &payload);
        bool is_read = status == STATUS_OK;

        if (is_read && crc32c(0, payload) == record.payload_crc) {
            accept(recovery, &record, payload);
            continue;
        }
        if (is_read || status == STATUS_NOT_FOUND) {
            status = search_marks(recovery);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (recovery->at >= recovery->synced) {
            return STATUS_OK;
        }
        if (is_read) {
            log_replay_damage(&recovery->replay, record.shard);
            recovery->at += (uint32_t)log_record_size(record.size);
            continue;
        }
        status = resume(recovery);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* `next` is NULL for the last. */
static enum status replay_segment(struct recovery *recovery, size_t index,
                                  const struct log_segment_header *next)
{
    const struct log_segment *segment = &recovery->log->segments.items[index];
    const struct log_segment_header *header = &recovery->found[index].header;
    uint64_t size = 0;
    enum status status = file_size(recovery->log->files, segment->file, &size);

    if (status != STATUS_OK) {
        return status;
    }

    bool is_cut = next == NULL ? size < header->size : size < next->previous_end;
    uint32_t end = next == NULL ? header->size : next->previous_end;

    recovery->file = segment->file;
    recovery->window_size = 0;
    recovery->at = LOG_SEGMENT_HEADER_SIZE;
    recovery->good_end = LOG_SEGMENT_HEADER_SIZE;
    recovery->end = size < end ? (uint32_t)size : end;
    recovery->synced = next == NULL ? LOG_SEGMENT_HEADER_SIZE : recovery->end;
    recovery->is_last = next == NULL;
    recovery->is_searched = false;
    recovery->is_sealed = false;
    recovery->group = header->first_group - 1;
    log_replay_begin_segment(&recovery->replay, segment->sequence);
    status = read_segment(recovery);
    if (status != STATUS_OK) {
        return status;
    }
    if (next != NULL) {
        log_replay_end_segment(&recovery->replay);
    } else if (is_cut || recovery->is_sealed) {
        log_error("log.segment_missing", log_number("after", segment->sequence));
        log_replay_damage_all(&recovery->replay);
    }
    recovery->replay.batch_count = 0;
    if (recovery->group > recovery->log->next_group) {
        recovery->log->next_group = recovery->group;
    }
    return STATUS_OK;
}

/* ---- All of them ---- */

static enum status read_headers(struct recovery *recovery)
{
    struct log_segments *segments = &recovery->log->segments;
    bool has_salt = false;

    recovery->found = memory_zeroed((segments->count + 1) * sizeof(*recovery->found));
    for (size_t i = 0; i < segments->count; i++) {
        struct found *found = &recovery->found[i];

        found->status = log_segment_header_read(segments, segments->items[i].file, &found->header);
        if (found->status != STATUS_OK && found->status != STATUS_CORRUPT) {
            return found->status;
        }
        if (found->status == STATUS_OK && !has_salt) {
            has_salt = true;
            recovery->log->salt = found->header.salt;
        }
        if (found->status == STATUS_OK &&
            (found->header.sequence != segments->items[i].sequence ||
             found->header.salt != recovery->log->salt || found->header.first_group == 0 ||
             found->header.size < LOG_SEGMENT_SIZE_MIN ||
             found->header.size > LOG_SEGMENT_SIZE_MAX)) {
            found->status = STATUS_CORRUPT;
        }
        if (found->status == STATUS_OK && found->header.first_group > recovery->log->next_group) {
            recovery->log->next_group = found->header.first_group;
        }
        if (found->status == STATUS_OK && found->header.size > recovery->window_capacity) {
            recovery->window_capacity =
                found->header.size < WINDOW_SIZE ? found->header.size : WINDOW_SIZE;
        }
        if (found->status != STATUS_OK) {
            log_error("log.segment_damaged", log_number("segment", segments->items[i].sequence));
        }
    }
    return STATUS_OK;
}

/* The last segments that follow each other without a gap: [begin, end). Those before a gap are
 * old, or else what is missing is noticed by what refers to it. */
static void choose_chain(const struct recovery *recovery, size_t *out_begin, size_t *out_end)
{
    const struct log_segment *items = recovery->log->segments.items;
    size_t end = recovery->log->segments.count;

    while (end > 0 && recovery->found[end - 1].status != STATUS_OK) {
        end--;
    }

    size_t begin = end > 0 ? end - 1 : 0;

    while (begin > 0 && recovery->found[begin - 1].status == STATUS_OK &&
           items[begin - 1].sequence + 1 == items[begin].sequence &&
           recovery->found[begin].header.previous_end >= LOG_SEGMENT_HEADER_SIZE) {
        begin--;
    }
    *out_begin = begin;
    *out_end = end;
}

static enum status replay_chain(struct recovery *recovery)
{
    size_t begin;
    size_t end;

    choose_chain(recovery, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        enum status status =
            replay_segment(recovery, i, i + 1 < end ? &recovery->found[i + 1].header : NULL);

        if (status != STATUS_OK) {
            return status;
        }
    }
    if (end < recovery->log->segments.count) {
        log_replay_damage_all(&recovery->replay);
        recovery->file = NULL;
    }
    log_replay_finish(&recovery->replay);
    return STATUS_OK;
}

/* What is behind the last mark may be in the kernel's memory alone, and marked as written there
 * after a sync that failed: so it is written again. */
static enum status make_durable(struct recovery *recovery)
{
    struct log *log = recovery->log;
    uint32_t at = recovery->synced;

    if (recovery->file == NULL || at >= recovery->good_end) {
        return STATUS_OK;
    }
    while (at < recovery->good_end) {
        size_t size = recovery->good_end - at;
        struct slice part;

        size = size < recovery->window_capacity ? size : recovery->window_capacity;

        enum status status = view(recovery, at, size, &part.data);

        part.size = size;
        if (status == STATUS_OK && part.data == NULL) {
            status = STATUS_IO_ERROR;
        }
        if (status == STATUS_OK) {
            status = file_write(log->files, recovery->file, at, &part, 1);
        }
        if (status != STATUS_OK) {
            return status;
        }
        at += (uint32_t)size;
    }
    CRASH_POINT("log.recover.rewritten");
    return file_sync(log->files, recovery->file) == STATUS_OK ? STATUS_OK : STATUS_IO_ERROR;
}

static void take_over(struct recovery *recovery)
{
    struct log *log = recovery->log;
    const struct log_segments *segments = &log->segments;

    log->next_group += GROUPS_SKIPPED;
    if (segments->count == 0) {
        return;
    }
    log->is_recovered = true;
    log->file_sequence = segments->items[segments->count - 1].sequence;
    log->head.next_sequence = log->file_sequence + 1;
    if (recovery->file != NULL) {
        log->file = recovery->file;
        log->written_end = recovery->good_end;
        log->synced_end = recovery->good_end;
    }
}

enum status log_recover(struct log *log)
{
    struct recovery recovery = {.log = log, .replay = {.log = log}};
    enum status status = read_headers(&recovery);

    if (status == STATUS_OK && log->segments.count > 0) {
        recovery.window = memory_resized(NULL, recovery.window_capacity + 1);
        status = replay_chain(&recovery);
    }
    if (status == STATUS_OK) {
        CRASH_POINT("log.recover.replayed");
        status = make_durable(&recovery);
    }
    if (status == STATUS_OK) {
        take_over(&recovery);
    }
    log_replay_done(&recovery.replay);
    memory_free(recovery.found);
    memory_free(recovery.window);
    return status;
}
