#include "storage/text_file.h"

#include <stdio.h>

#include "core/check.h"
#include "core/crc32c.h"
#include "core/number.h"
#include "storage/crash_point.h"
#include "storage/file.h"

static const struct file_system *files = &file_system_posix;

/* ---- The file ---- */

static void path_of(const char *folder, const char *name, char *out_path)
{
    CHECK(snprintf(out_path, FILE_PATH_SIZE_MAX, "%s/%s", folder, name) < FILE_PATH_SIZE_MAX);
}

static enum status read_all(struct file *file, struct buffer *text)
{
    uint64_t size = 0;
    size_t count = 0;
    enum status status = file_size(files, file, &size);

    if (status == STATUS_OK && size > text->size_max) {
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        char *room = buffer_reserve(text, (size_t)size);

        status = file_read(files, file, 0, room, (size_t)size, &count);
        buffer_grew(text, count);
    }
    return status;
}

enum status text_file_load(const char *folder, const char *name, struct buffer *text)
{
    char path[FILE_PATH_SIZE_MAX];
    struct file *file;

    path_of(folder, name, path);
    enum status status = file_open(files, path, FILE_READ, &file);

    if (status == STATUS_OK) {
        status = read_all(file, text);
        file_close(files, file);
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

enum status text_file_save(const char *folder, const char *name, struct slice text)
{
    char path[FILE_PATH_SIZE_MAX];
    char new_path[FILE_PATH_SIZE_MAX];

    path_of(folder, name, path);
    CHECK(snprintf(new_path, sizeof(new_path), "%s/%s.new", folder, name) < FILE_PATH_SIZE_MAX);
    enum status status = write_all(text, new_path);

    CRASH_POINT("text_file.before_rename");
    if (status == STATUS_OK) {
        status = file_rename(files, new_path, path);
    }
    return status == STATUS_OK ? file_sync_folder(files, folder) : status;
}

/* ---- Its lines ---- */

void text_put_sum(struct buffer *text, size_t begin)
{
    uint32_t sum = crc32c(0, slice_skip(buffer_view(text), begin));

    buffer_printf(text, "crc32c %u\n", sum);
}

enum status text_check_sum(struct slice *text)
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

enum status text_check_head(struct slice *text, struct slice words, unsigned version)
{
    struct slice head = slice_cut(text, '\n');
    uint64_t number = 0;

    if (!slice_starts_with(head, words) ||
        number_parse(slice_skip(head, words.size), UINT32_MAX, &number) != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    return number == version ? STATUS_OK : STATUS_UNSUPPORTED;
}

enum status text_take_number(struct slice *line, uint64_t most, uint64_t *out_number)
{
    return number_parse(slice_cut(line, ' '), most, out_number) == STATUS_OK ? STATUS_OK
                                                                             : STATUS_CORRUPT;
}

void text_put_configuration(struct buffer *output, const struct raft_configuration *configuration)
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

enum status text_read_configuration(struct slice text, struct raft_configuration *out_one)
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
