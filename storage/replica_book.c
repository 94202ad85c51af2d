#include "storage/replica_book.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/number.h"
#include "storage/log.h"

enum {
    FORMAT_VERSION = 1,
    RECORDS_MAX = LOG_SHARDS_MAX,
    LINE_SIZE_MAX = 160 + 2 * RAFT_CONFIGURATION_SIZE_MAX,
};

#define FILE_SIZE_MAX ((size_t)(RECORDS_MAX + 2) * LINE_SIZE_MAX)

static const struct file_system *files = &file_system_posix;
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

static void encode_configuration(const struct raft_configuration *configuration,
                                 struct buffer *output)
{
    struct buffer octets;

    if (configuration->count == 0) {
        buffer_append_octet(output, '-');
        return;
    }
    buffer_init(&octets, RAFT_CONFIGURATION_SIZE_MAX);
    raft_configuration_encode(configuration, &octets);
    for (size_t index = 0; index < octets.size; index++) {
        buffer_printf(output, "%02x", (unsigned)(unsigned char)octets.data[index]);
    }
    buffer_done(&octets);
}

void replica_book_encode(const struct replica_book *book, struct buffer *output)
{
    size_t begin = output->size;

    buffer_printf(output, "aviso replicas %d\n", FORMAT_VERSION);
    for (size_t index = 0; index < book->count; index++) {
        const struct replica_record *record = &book->records[index];

        buffer_printf(output, "replica %u %llu %llu %s %llu ", record->shard,
                      (unsigned long long)record->id, (unsigned long long)record->generation,
                      state_names[record->state], (unsigned long long)record->base.index);
        encode_configuration(&record->base.configuration, output);
        buffer_append_octet(output, '\n');
    }
    uint32_t sum = crc32c(0, slice_skip(buffer_view(output), begin));
    buffer_printf(output, "crc32c %u\n", sum);
}

static enum status hexadecimal(char octet, unsigned *out_digit)
{
    if (octet >= '0' && octet <= '9') {
        *out_digit = (unsigned)(octet - '0');
    } else if (octet >= 'a' && octet <= 'f') {
        *out_digit = (unsigned)(octet - 'a') + 10;
    } else {
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

static enum status decode_configuration(struct slice text, struct raft_configuration *out_one)
{
    char octets[RAFT_CONFIGURATION_SIZE_MAX];

    if (slice_equals(text, SLICE("-"))) {
        *out_one = (struct raft_configuration){0};
        return STATUS_OK;
    }
    if (text.size % 2 != 0 || text.size / 2 > sizeof(octets)) {
        return STATUS_CORRUPT;
    }
    for (size_t index = 0; index < text.size / 2; index++) {
        unsigned high = 0;
        unsigned low = 0;

        if (hexadecimal(text.data[2 * index], &high) != STATUS_OK ||
            hexadecimal(text.data[2 * index + 1], &low) != STATUS_OK) {
            return STATUS_CORRUPT;
        }
        octets[index] = (char)(unsigned char)(high << 4 | low);
    }
    enum status status = raft_configuration_decode((struct slice){octets, text.size / 2}, out_one);
    return status == STATUS_INVALID ? STATUS_CORRUPT : status;
}

static enum status take_number(struct slice *line, uint64_t most, uint64_t *out_number)
{
    return number_parse(slice_cut(line, ' '), most, out_number) == STATUS_OK ? STATUS_OK
                                                                             : STATUS_CORRUPT;
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
        take_number(&line, UINT32_MAX, &shard) != STATUS_OK ||
        take_number(&line, UINT64_MAX, &out_record->id) != STATUS_OK || out_record->id == 0 ||
        take_number(&line, UINT64_MAX, &out_record->generation) != STATUS_OK ||
        take_state(&line, &out_record->state) != STATUS_OK ||
        take_number(&line, UINT64_MAX, &out_record->base.index) != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    out_record->shard = (uint32_t)shard;
    return decode_configuration(line, &out_record->base.configuration);
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

/* Cuts the last line off. */
static enum status check_sum(struct slice *text)
{
    struct slice words = SLICE("crc32c ");
    uint64_t sum = 0;
    size_t begin = text->size;

    if (text->size == 0 || text->data[text->size - 1] != '\n') {
        return STATUS_CORRUPT;
    }
    do {
        begin--;
    } while (begin > 0 && text->data[begin - 1] != '\n');
    struct slice line = slice_skip(slice_prefix(*text, text->size - 1), begin);

    *text = slice_prefix(*text, begin);
    if (!slice_starts_with(line, words) ||
        number_parse(slice_skip(line, words.size), UINT32_MAX, &sum) != STATUS_OK ||
        sum != crc32c(0, *text)) {
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

enum status replica_book_decode(struct replica_book *book, struct slice text)
{
    struct slice words = SLICE("aviso replicas ");
    uint64_t version = 0;

    if (check_sum(&text) != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    struct slice head = slice_cut(&text, '\n');

    if (!slice_starts_with(head, words) ||
        number_parse(slice_skip(head, words.size), UINT32_MAX, &version) != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    if (version != FORMAT_VERSION) {
        return STATUS_UNSUPPORTED;
    }
    enum status status = decode_lines(book, text);

    if (status != STATUS_OK) {
        replica_book_done(book);
    }
    return status;
}

/* ---- Its file ---- */

static void path_of(const char *folder, const char *name, char *out_path)
{
    CHECK(snprintf(out_path, FILE_PATH_SIZE_MAX, "%s/%s", folder, name) < FILE_PATH_SIZE_MAX);
}

static enum status read_all(struct file *file, struct buffer *text)
{
    uint64_t size = 0;
    size_t count = 0;
    enum status status = file_size(files, file, &size);

    if (status == STATUS_OK && size > FILE_SIZE_MAX) {
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        char *room = buffer_reserve(text, (size_t)size);

        status = file_read(files, file, 0, room, (size_t)size, &count);
        buffer_grew(text, count);
    }
    return status;
}

enum status replica_book_load(struct replica_book *book, const char *folder)
{
    char path[FILE_PATH_SIZE_MAX];
    struct buffer text;
    struct file *file;

    path_of(folder, "replicas", path);
    enum status status = file_open(files, path, FILE_READ, &file);

    if (status != STATUS_OK) {
        return status;
    }
    buffer_init(&text, FILE_SIZE_MAX);
    status = read_all(file, &text);
    file_close(files, file);
    if (status == STATUS_OK) {
        status = replica_book_decode(book, buffer_view(&text));
    }
    buffer_done(&text);
    if (status != STATUS_OK) {
        log_error("replica_book.refused", log_text("file", slice_of(path)), log_status(status));
    }
    return status;
}

static enum status write_all(struct slice text, const char *path)
{
    struct file *file;
    enum status status = file_open(files, path, FILE_CREATE, &file);

    if (status != STATUS_OK) {
        return status;
    }
    status = file_truncate(files, file, 0);
    if (status == STATUS_OK) {
        status = file_write(files, file, 0, &text, 1);
    }
    if (status == STATUS_OK) {
        status = file_sync(files, file);
    }
    file_close(files, file);
    return status;
}

enum status replica_book_save(const struct replica_book *book, const char *folder)
{
    char path[FILE_PATH_SIZE_MAX];
    char new_path[FILE_PATH_SIZE_MAX];
    struct buffer text;

    path_of(folder, "replicas", path);
    path_of(folder, "replicas.new", new_path);
    buffer_init(&text, FILE_SIZE_MAX);
    replica_book_encode(book, &text);
    enum status status = write_all(buffer_view(&text), new_path);

    buffer_done(&text);
    if (status == STATUS_OK) {
        status = file_rename(files, new_path, path);
    }
    return status == STATUS_OK ? file_sync_folder(files, folder) : status;
}
