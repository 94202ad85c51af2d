#include "core/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/check.h"

enum { WRITE_SIZE = 256 * 1024 }; /* octets gathered before they go to the file */

void spool_init(struct spool *spool, const char *folder, size_t memory_size_max, uint64_t size_max)
{
    *spool = (struct spool){
        .folder = folder,
        .memory_size_max = memory_size_max,
        .size_max = size_max,
        .file = -1,
    };
    buffer_init(&spool->head, memory_size_max > WRITE_SIZE ? memory_size_max : WRITE_SIZE);
}

void spool_done(struct spool *spool)
{
    if (spool->mapping != NULL) {
        munmap(spool->mapping, spool->size);
    }
    if (spool->file >= 0) {
        close(spool->file);
    }
    buffer_done(&spool->head);
    *spool = (struct spool){.file = -1};
}

static enum status status_of_errno(void)
{
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == ENOMEM
               ? STATUS_NO_SPACE
               : STATUS_IO_ERROR;
}

/* A file without a name goes with the process, whatever becomes of that. */
static enum status open_file(struct spool *spool)
{
    spool->file = open(spool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->file < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        struct buffer path;

        buffer_init(&path, 4096);
        buffer_printf(&path, "%s/spool.XXXXXX", spool->folder);
        buffer_append_octet(&path, '\0');
        spool->file = mkostemp(path.data, O_CLOEXEC);
        if (spool->file >= 0) {
            unlink(path.data);
        }
        buffer_done(&path);
    }
    return spool->file >= 0 ? STATUS_OK : status_of_errno();
}

static enum status write_all(int file, struct slice bytes)
{
    while (bytes.size > 0) {
        ssize_t written = write(file, bytes.data, bytes.size);

        if (written < 0 && errno != EINTR) {
            return status_of_errno();
        }
        bytes = slice_skip(bytes, written > 0 ? (size_t)written : 0);
    }
    return STATUS_OK;
}

/* A fault stays: the file lacks octets that `size` counts. */
static enum status write_head(struct spool *spool)
{
    if (spool->fault == STATUS_OK && spool->file < 0) {
        spool->fault = open_file(spool);
    }
    if (spool->fault == STATUS_OK) {
        spool->fault = write_all(spool->file, buffer_view(&spool->head));
    }
    buffer_clear(&spool->head);
    return spool->fault;
}

enum status spool_append(struct spool *spool, struct slice bytes)
{
    CHECK(spool->mapping == NULL);
    if (spool->fault != STATUS_OK) {
        return spool->fault;
    }
    if (bytes.size > spool->size_max - spool->size) {
        return STATUS_TOO_LARGE;
    }
    spool->size += bytes.size;
    while (bytes.size > 0) {
        size_t most = spool->file < 0 ? spool->memory_size_max : WRITE_SIZE;
        size_t room = most > spool->head.size ? most - spool->head.size : 0;
        struct slice piece = slice_prefix(bytes, room);

        buffer_append(&spool->head, piece);
        bytes = slice_skip(bytes, piece.size);
        if (bytes.size > 0) {
            enum status status = write_head(spool);

            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    return STATUS_OK;
}

enum status spool_view(struct spool *spool, struct slice *out_bytes)
{
    if (spool->fault != STATUS_OK) {
        return spool->fault;
    }
    if (spool->file < 0) {
        *out_bytes = spool->head.size > 0 ? buffer_view(&spool->head) : SLICE("");
        return STATUS_OK;
    }
    if (spool->mapping == NULL) {
        enum status status = write_head(spool);

        if (status != STATUS_OK) {
            return status;
        }
        void *mapping = mmap(NULL, spool->size, PROT_READ, MAP_PRIVATE, spool->file, 0);

        if (mapping == MAP_FAILED) {
            return status_of_errno();
        }
        spool->mapping = mapping;
        buffer_release(&spool->head);
    }
    *out_bytes = (struct slice){spool->mapping, spool->size};
    return STATUS_OK;
}
