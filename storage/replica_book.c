#include "storage/replica_book.h"

#include <string.h>

#include "core/log.h"
#include "core/memory.h"
#include "storage/log.h"
#include "storage/text_file.h"

enum {
    FORMAT_VERSION = 1,
    RECORDS_MAX = LOG_SHARDS_MAX,
    LINE_SIZE_MAX = 160 + 2 * RAFT_CONFIGURATION_SIZE_MAX,
};

#define FILE_SIZE_MAX ((size_t)(RECORDS_MAX + 2) * LINE_SIZE_MAX)

static const char *const file_name = "replicas";
static const char *const state_names[] = {"fresh", "begun", "installing", "leaving"};

/* ---- The book ---- */

void replica_book_init(struct replica_book *book)
{
    *book = (struct replica_book){0};
}

void replica_book_done(struct replica_book *book)
{
    memory_free(book->records);
    replica_book_init(book);
}

/* The place of `shard`, or where it belongs. */
static size_t place_of(const struct replica_book *book, uint32_t shard)
{
    size_t low = 0;
    size_t high = book->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (book->records[middle].shard < shard) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct replica_book *book, size_t place, uint32_t shard)
{
    return place < book->count && book->records[place].shard == shard;
}

struct replica_record *replica_book_find(const struct replica_book *book, uint32_t shard)
{
    size_t place = place_of(book, shard);

    return is_at(book, place, shard) ? &book->records[place] : NULL;
}

void replica_book_put(struct replica_book *book, const struct replica_record *record)
{
    struct replica_record copy = *record;
    size_t place = place_of(book, copy.shard);

    if (!is_at(book, place, copy.shard)) {
        book->records = memory_resized(book->records, (book->count + 1) * sizeof(copy));
        memmove(&book->records[place + 1], &book->records[place],
                (book->count - place) * sizeof(copy));
        book->count++;
    }
    book->records[place] = copy;
}

void replica_book_remove(struct replica_book *book, uint32_t shard)
{
    size_t place = place_of(book, shard);

    if (is_at(book, place, shard)) {
        book->count--;
        memmove(&book->records[place], &book->records[place + 1],
                (book->count - place) * sizeof(*book->records));
    }
}

/* ---- Its text ---- */

void replica_book_encode(const struct replica_book *book, struct buffer *output)
{
    size_t begin = output->size;

    buffer_printf(output, "aviso replicas %d\n", FORMAT_VERSION);
    for (size_t index = 0; index < book->count; index++) {
        const struct replica_record *record = &book->records[index];

        buffer_printf(output, "replica %u %llu %llu %s %llu ", record->shard,
                      (unsigned long long)record->id, (unsigned long long)record->generation,
                      state_names[record->state], (unsigned long long)record->base.index);
        text_put_configuration(output, &record->base.configuration);
        buffer_append_octet(output, '\n');
    }
    text_put_sum(output, begin);
}

static enum status take_state(struct slice *line, enum replica_state *out_state)
{
    struct slice word = slice_cut(line, ' ');

    for (size_t index = 0; index < COUNT_OF(state_names); index++) {
        if (slice_equals(word, slice_of(state_names[index]))) {
            *out_state = (enum replica_state)index;
            return STATUS_OK;
        }
    }
    return STATUS_CORRUPT;
}

static enum status decode_record(struct slice line, struct replica_record *out_record)
{
    uint64_t shard = 0;

    if (!slice_equals(slice_cut(&line, ' '), SLICE("replica")) ||
        text_take_number(&line, UINT32_MAX, &shard) != STATUS_OK ||
        text_take_number(&line, UINT64_MAX, &out_record->id) != STATUS_OK || out_record->id == 0 ||
        text_take_number(&line, UINT64_MAX, &out_record->generation) != STATUS_OK ||
        take_state(&line, &out_record->state) != STATUS_OK ||
        text_take_number(&line, UINT64_MAX, &out_record->base.index) != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    out_record->shard = (uint32_t)shard;
    return text_read_configuration(line, &out_record->base.configuration);
}

static enum status decode_lines(struct replica_book *book, struct slice text)
{
    while (text.size > 0) {
        struct replica_record record = {0};
        enum status status = decode_record(slice_cut(&text, '\n'), &record);

        if (status != STATUS_OK) {
            return status;
        }
        if (book->count == RECORDS_MAX ||
            (book->count > 0 && book->records[book->count - 1].shard >= record.shard)) {
            return STATUS_CORRUPT;
        }
        replica_book_put(book, &record);
    }
    return STATUS_OK;
}

enum status replica_book_decode(struct replica_book *book, struct slice text)
{
    enum status status = text_check_sum(&text);

    if (status == STATUS_OK) {
        status = text_check_head(&text, SLICE("aviso replicas "), FORMAT_VERSION);
    }
    if (status == STATUS_OK) {
        status = decode_lines(book, text);
    }
    if (status != STATUS_OK) {
        replica_book_done(book);
    }
    return status;
}

/* ---- Its file ---- */

enum status replica_book_load(struct replica_book *book, const char *folder)
{
    struct buffer text;

    buffer_init(&text, FILE_SIZE_MAX);
    enum status status = text_file_load(folder, file_name, &text);

    if (status == STATUS_OK) {
        status = replica_book_decode(book, buffer_view(&text));
    }
    buffer_done(&text);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        log_error("replica_book.refused", log_text("folder", slice_of(folder)), log_status(status));
    }
    return status;
}

enum status replica_book_save(const struct replica_book *book, const char *folder)
{
    struct buffer text;

    buffer_init(&text, FILE_SIZE_MAX);
    replica_book_encode(book, &text);
    enum status status = text_file_save(folder, file_name, buffer_view(&text));

    buffer_done(&text);
    return status;
}
