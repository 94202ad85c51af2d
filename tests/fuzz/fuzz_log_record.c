/* The octets of a segment, as a recovery reads them: whatever they are, the log opens, what it
 * shows of each shard hangs together, and it goes on. The header of the segment is made here and
 * the CRCs are put right, so that the records behind them are reached. */
#include <string.h>

#include "core/check.h"
#include "core/crc32c.h"
#include "core/memory.h"
#include "core/number.h"
#include "storage/log.h"
#include "storage/log_record.h"
#include "storage/log_segment.h"
#include "tests/fakes/fake_disk.h"
#include "tests/fuzz/fuzz.h"

enum { INPUT_SIZE_MAX = LOG_SEGMENT_SIZE_MIN - LOG_SEGMENT_HEADER_SIZE, SALT = 1 };

/* Places record after record as the log would, as far as their sizes allow. */
static void repair(char *octets, size_t size)
{
    size_t at = 0;
    uint32_t previous = 0;
    uint32_t previous_shard = LOG_NO_SHARD;

    while (size - at >= LOG_RECORD_HEADER_SIZE) {
        char *header = octets + at;
        size_t payload = number_get_u32(header + 12) % 1024;
        size_t whole = log_record_size(payload);
        struct log_place place = {
            .offset = (uint32_t)(LOG_SEGMENT_HEADER_SIZE + at),
            .previous_offset = previous,
            .previous_shard = previous_shard,
            .group = number_get_u64(header + 32) % 8,
        };

        if (whole > size - at) {
            return;
        }
        number_put_u32(header + 12, (uint32_t)payload);
        number_put_u32(header + 8,
                       crc32c(0, (struct slice){header + LOG_RECORD_HEADER_SIZE, payload}));
        log_record_place(header, SALT, &place, &previous_shard);
        previous = place.offset;
        at += whole;
    }
}

static void write_segment(struct fake_disk *disk, const char *octets, size_t size)
{
    struct log_segments segments = {
        .files = fake_disk_files(disk), .folder = "log", .size = LOG_SEGMENT_SIZE_MIN};
    struct log_segment_header header = {
        .salt = SALT, .sequence = 1, .size = LOG_SEGMENT_SIZE_MIN, .first_group = 1};
    struct slice part = {octets, size};
    struct file *file = NULL;

    CHECK(log_segment_create(&segments, &header, &file) == STATUS_OK);
    CHECK(file_write(segments.files, file, LOG_SEGMENT_HEADER_SIZE, &part, 1) == STATUS_OK);
    file_close(segments.files, file);
}

static void look_at(struct log *log, const struct log_recovered *recovered)
{
    uint64_t low = recovered->compacted.index + 1;
    uint64_t term = 0;
    struct log_entries entries;

    CHECK(recovered->last.index + 1 >= low);
    while (low <= recovered->last.index) {
        struct log_description description;

        CHECK(log_describe(log, recovered->shard, low, &description) == STATUS_OK);
        CHECK(description.term >= term);
        term = description.term;
        low++;
    }
    CHECK(low == recovered->compacted.index + 1 || term == recovered->last.term);
    if (recovered->last.index > recovered->compacted.index) {
        CHECK(log_read(log, recovered->shard, recovered->last.index, low, 1, false, &entries) ==
              STATUS_OK);
        log_entries_done(&entries);
    }
}

struct shards {
    struct log_recovered items[LOG_SHARDS_MAX];
    size_t count;
};

static void on_recovered(void *context, struct log *log, const struct log_recovered *recovered)
{
    struct shards *shards = context;

    if (recovered->status == STATUS_OK) {
        shards->items[shards->count++] = *recovered;
    }
}

static void go_on(struct log *log)
{
    struct raft_hard_state hard_state = {.term = 1};
    struct log_append append = {.shard = LOG_NO_SHARD - 1, .hard_state = &hard_state};

    if (log_submit(log, &append) == STATUS_OK) {
        CHECK(log_write(log) == STATUS_OK && log_sync(log) == STATUS_OK);
        CHECK(log_completed(log) == &append);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_disk *disk = fake_disk_new(1);
    struct shards *shards = NEW(struct shards);
    struct log_options options = {
        .files = fake_disk_files(disk),
        .folder = "log",
        .segment_size = LOG_SEGMENT_SIZE_MIN,
        .seed = 1,
        .on_recovered = on_recovered,
        .context = shards,
    };
    struct log *log = NULL;

    size = size < INPUT_SIZE_MAX ? size : INPUT_SIZE_MAX;

    char *octets = memory_zeroed(size + 1);

    if (size > 0) {
        memcpy(octets, data, size);
    }
    if (size == 0 || data[size - 1] % 4 != 0) {
        repair(octets, size);
    }
    write_segment(disk, octets, size);
    CHECK(log_open(&options, &log) == STATUS_OK);
    for (size_t i = 0; i < shards->count; i++) {
        look_at(log, &shards->items[i]);
    }
    go_on(log);
    log_close(log);
    shards->count = 0;
    CHECK(log_open(&options, &log) == STATUS_OK);
    log_close(log);
    memory_free(octets);
    memory_free(shards);
    fake_disk_free(disk);
    return 0;
}
