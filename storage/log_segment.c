#include "storage/log_segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/crc32c.h"
#include "core/memory.h"
#include "core/number.h"
#include "storage/crash_point.h"

enum {
    VERSION = 1,
    COPY_OFFSET = 2048, /* of the second header */
    HEADER_OCTETS = 48,
    NAME_DIGITS = 8,
};

static const char magic[8] = {'A', 'V', 'I', 'S', 'O', 'L', 'O', 'G'};

/* ---- Names ---- */

static void name_file(const struct log_segments *segments, uint32_t number, const char *suffix,
                      char *path)
{
    int size = snprintf(path, FILE_PATH_SIZE_MAX, "%s/%08x.%s", segments->folder, number, suffix);

    CHECK(size > 0 && size < FILE_PATH_SIZE_MAX);
}

/* 0: not a name of ours. */
static uint32_t number_of_name(const char *name, const char *suffix)
{
    uint32_t number = 0;

    for (size_t i = 0; i < NAME_DIGITS; i++) {
        char digit = name[i];

        if (digit >= '0' && digit <= '9') {
            number = number * 16 + (uint32_t)(digit - '0');
        } else if (digit >= 'a' && digit <= 'f') {
            number = number * 16 + (uint32_t)(digit - 'a') + 10;
        } else {
            return 0;
        }
    }
    return name[NAME_DIGITS] == '.' && strcmp(name + NAME_DIGITS + 1, suffix) == 0 ? number : 0;
}

/* ---- The table ---- */

static void add_spare(struct log_segments *segments, uint32_t number)
{
    if (segments->spare_count == segments->spare_capacity) {
        segments->spare_capacity = segments->spare_capacity * 2 + 4;
        segments->spares =
            memory_resized(segments->spares, segments->spare_capacity * sizeof(*segments->spares));
    }
    segments->spares[segments->spare_count++] = number;
}

void log_segments_add(struct log_segments *segments, uint32_t sequence, struct file *file)
{
    if (segments->count == segments->capacity) {
        segments->capacity = segments->capacity * 2 + 4;
        segments->items =
            memory_resized(segments->items, segments->capacity * sizeof(*segments->items));
    }
    segments->items[segments->count++] = (struct log_segment){.sequence = sequence, .file = file};
}

static void on_name(void *context, const char *name)
{
    struct log_segments *segments = context;
    uint32_t sequence = number_of_name(name, "log");
    uint32_t spare = number_of_name(name, "spare");

    if (sequence != 0) {
        log_segments_add(segments, sequence, NULL);
    }
    if (spare != 0) {
        add_spare(segments, spare);
    }
}

static int compare_segments(const void *one, const void *other)
{
    uint32_t first = ((const struct log_segment *)one)->sequence;
    uint32_t second = ((const struct log_segment *)other)->sequence;

    return (first > second) - (first < second);
}

enum status log_segments_open(struct log_segments *segments)
{
    enum status status = file_list(segments->files, segments->folder, on_name, segments);

    if (status != STATUS_OK) {
        return status;
    }
    if (segments->count > 0) {
        qsort(segments->items, segments->count, sizeof(*segments->items), compare_segments);
    }
    for (size_t i = 0; i < segments->count && status == STATUS_OK; i++) {
        char path[FILE_PATH_SIZE_MAX];

        name_file(segments, segments->items[i].sequence, "log", path);
        status = file_open(segments->files, path, FILE_WRITE, &segments->items[i].file);
    }
    return status;
}

void log_segments_close(struct log_segments *segments)
{
    for (size_t i = 0; i < segments->count; i++) {
        file_close(segments->files, segments->items[i].file);
    }
    memory_free(segments->items);
    memory_free(segments->spares);
}

struct log_segment *log_segments_find(struct log_segments *segments, uint32_t sequence)
{
    size_t low = 0;
    size_t high = segments->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (segments->items[middle].sequence < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < segments->count && segments->items[low].sequence == sequence
               ? &segments->items[low]
               : NULL;
}

struct log_segment log_segments_remove_oldest(struct log_segments *segments)
{
    struct log_segment oldest = segments->items[0];

    segments->count--;
    memmove(segments->items, segments->items + 1, segments->count * sizeof(*segments->items));
    return oldest;
}

/* ---- Headers ---- */

static void encode_header(const struct log_segment_header *header, char *octets)
{
    memset(octets, 0, HEADER_OCTETS);
    memcpy(octets, magic, sizeof(magic));
    number_put_u32(octets + 8, VERSION);
    number_put_u32(octets + 12, header->salt);
    number_put_u32(octets + 16, header->sequence);
    number_put_u32(octets + 20, header->size);
    number_put_u32(octets + 24, header->previous_end);
    number_put_u64(octets + 32, header->first_group);
    number_put_u32(octets + HEADER_OCTETS - 4,
                   crc32c(0, (struct slice){octets, HEADER_OCTETS - 4}));
}

static enum status decode_header(const char *octets, struct log_segment_header *out_header)
{
    if (memcmp(octets, magic, sizeof(magic)) != 0 ||
        number_get_u32(octets + HEADER_OCTETS - 4) !=
            crc32c(0, (struct slice){octets, HEADER_OCTETS - 4})) {
        return STATUS_CORRUPT;
    }
    if (number_get_u32(octets + 8) != VERSION) {
        return STATUS_UNSUPPORTED;
    }
    *out_header = (struct log_segment_header){
        .salt = number_get_u32(octets + 12),
        .sequence = number_get_u32(octets + 16),
        .size = number_get_u32(octets + 20),
        .previous_end = number_get_u32(octets + 24),
        .first_group = number_get_u64(octets + 32),
    };
    return STATUS_OK;
}

enum status log_segment_header_read(const struct log_segments *segments, struct file *file,
                                    struct log_segment_header *out_header)
{
    static const uint64_t offsets[] = {0, COPY_OFFSET};
    enum status verdict = STATUS_CORRUPT;

    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        char octets[HEADER_OCTETS];
        size_t size = 0;
        enum status status =
            file_read(segments->files, file, offsets[i], octets, sizeof(octets), &size);

        if (status != STATUS_OK) {
            return status;
        }
        if (size < sizeof(octets)) {
            continue;
        }
        status = decode_header(octets, out_header);
        if (status == STATUS_OK) {
            return STATUS_OK;
        }
        verdict = status == STATUS_UNSUPPORTED ? status : verdict;
    }
    return verdict;
}

static enum status write_header(struct log_segments *segments, struct file *file,
                                const struct log_segment_header *header)
{
    char octets[LOG_SEGMENT_HEADER_SIZE] = {0};
    struct slice part = {octets, sizeof(octets)};

    encode_header(header, octets);
    encode_header(header, octets + COPY_OFFSET);
    return file_write(segments->files, file, 0, &part, 1);
}

/* ---- Coming and going ---- */

/* Takes the space and writes the header, durably. */
static enum status prepare(struct log_segments *segments, struct file *file,
                           const struct log_segment_header *header)
{
    enum status status = file_allocate(segments->files, file, segments->size);

    if (status == STATUS_OK) {
        CRASH_POINT("log.segment.allocated");
        status = write_header(segments, file, header);
    }
    if (status != STATUS_OK) {
        return status;
    }
    CRASH_POINT("log.segment.header_written");
    status = file_sync(segments->files, file);
    return status == STATUS_OK ? STATUS_OK : STATUS_IO_ERROR;
}

enum status log_segment_create(struct log_segments *segments,
                               const struct log_segment_header *header, struct file **out_file)
{
    bool is_recycled = segments->spare_count > 0;
    uint32_t number = is_recycled ? segments->spares[segments->spare_count - 1] : header->sequence;
    char spare[FILE_PATH_SIZE_MAX];
    char path[FILE_PATH_SIZE_MAX];
    struct file *file = NULL;

    if (segments->has_room != NULL && !segments->has_room(segments->context)) {
        return STATUS_NO_SPACE;
    }
    name_file(segments, number, "spare", spare);
    name_file(segments, header->sequence, "log", path);

    /* A header must not become durable under the name that the spare had before. */
    enum status status =
        is_recycled ? file_sync_folder(segments->files, segments->folder) : STATUS_OK;

    if (status == STATUS_OK) {
        status = file_open(segments->files, spare, FILE_CREATE, &file);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = prepare(segments, file, header);
    if (status == STATUS_NO_SPACE && !is_recycled &&
        file_unlink(segments->files, spare) != STATUS_OK) {
        status = STATUS_IO_ERROR;
    }
    if (status == STATUS_OK) {
        CRASH_POINT("log.segment.before_rename");
        status = file_rename(segments->files, spare, path);
    }
    if (status == STATUS_OK) {
        CRASH_POINT("log.segment.renamed");
        segments->spare_count -= is_recycled;
        status = file_sync_folder(segments->files, segments->folder);
        status = status == STATUS_OK ? STATUS_OK : STATUS_IO_ERROR;
    }
    if (status != STATUS_OK) {
        file_close(segments->files, file);
        return status;
    }
    *out_file = file;
    return STATUS_OK;
}

enum status log_segment_retire(struct log_segments *segments, struct log_segment segment)
{
    char path[FILE_PATH_SIZE_MAX];
    char spare[FILE_PATH_SIZE_MAX];
    enum status status;

    name_file(segments, segment.sequence, "log", path);
    file_close(segments->files, segment.file);
    CRASH_POINT("log.segment.before_retire");
    if (segments->spare_count >= segments->spare_count_max) {
        return file_unlink(segments->files, path);
    }
    name_file(segments, segment.sequence, "spare", spare);
    status = file_rename(segments->files, path, spare);
    if (status == STATUS_OK) {
        add_spare(segments, segment.sequence);
    }
    return status;
}
