#include "roles/storage_number.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/number.h"
#include "core/random.h"
#include "roles/process.h"

enum { TEXT_SIZE_MAX = 16 };

static enum status read_number(const char *path, uint32_t *out_number)
{
    char text[TEXT_SIZE_MAX];
    uint64_t number = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0) {
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO_ERROR;
    }
    ssize_t size = read(file, text, sizeof(text));

    close(file);
    struct slice line = {text, size > 0 ? (size_t)size : 0};

    if (size < 0) {
        return STATUS_IO_ERROR;
    }
    if (number_parse(slice_prefix(line, slice_find(line, '\n')), UINT32_MAX, &number) !=
            STATUS_OK ||
        number == 0) {
        return STATUS_CORRUPT;
    }
    *out_number = (uint32_t)number;
    return STATUS_OK;
}

/* Durable before it is used: two numbers of one folder would be two nodes. */
static enum status write_number(const char *path, struct slice folder, uint32_t number)
{
    struct buffer text;
    char room[PROCESS_PATH_SIZE_MAX];
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int parent = open(process_path(room, folder, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    buffer_init(&text, TEXT_SIZE_MAX);
    buffer_printf(&text, "%u\n", number);
    bool is_written = file >= 0 && parent >= 0 &&
                      write(file, text.data, text.size) == (ssize_t)text.size && fsync(file) == 0 &&
                      fsync(parent) == 0;

    buffer_done(&text);
    if (file >= 0) {
        close(file);
    }
    if (parent >= 0) {
        close(parent);
    }
    return is_written ? STATUS_OK : STATUS_IO_ERROR;
}

enum status storage_number_open(struct slice data_folder, uint32_t *out_number)
{
    char path[PROCESS_PATH_SIZE_MAX];
    enum status status = read_number(process_path(path, data_folder, "node_number"), out_number);

    if (status == STATUS_NOT_FOUND) {
        uint32_t number = 0;

        random_octets(&number, sizeof(number));
        number = number / 2 + 1; /* not 0, and shorter to say */
        status = write_number(path, data_folder, number);
        *out_number = number;
    }
    if (status != STATUS_OK) {
        log_error("storage.no_number", log_text("path", slice_of(path)), log_status(status));
    }
    return status;
}

enum status storage_cut_address(struct slice text, char out_address[STORAGE_ADDRESS_SIZE_MAX],
                                uint16_t *out_port)
{
    size_t colon = text.size;
    uint64_t port = 0;

    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    struct slice address = slice_prefix(text, colon > 0 ? colon - 1 : 0);

    if (slice_starts_with(address, SLICE("[")) && slice_ends_with(address, SLICE("]"))) {
        address = slice_skip(slice_prefix(address, address.size - 1), 1);
    }
    if (address.size == 0 || address.size >= STORAGE_ADDRESS_SIZE_MAX ||
        number_parse(slice_skip(text, colon), UINT16_MAX, &port) != STATUS_OK || port == 0) {
        return STATUS_INVALID;
    }
    memcpy(out_address, address.data, address.size);
    out_address[address.size] = '\0';
    *out_port = (uint16_t)port;
    return STATUS_OK;
}
