#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/log.h"
#include "core/memory.h"
#include "storage/file.h"

enum { PARTS_AT_ONCE = 512 }; /* of IOV_MAX, so that the vector fits the stack */

struct file {
    int descriptor;
};

static enum status status_of_errno(const char *operation, int number)
{
    switch (number) {
    case ENOENT:
        return STATUS_NOT_FOUND;
    case EEXIST:
        return STATUS_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return STATUS_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return STATUS_DENIED;
    default:
        log_error("file.failed", log_text("operation", slice_of(operation)),
                  log_text("error", slice_of(strerror(number))));
        return STATUS_IO_ERROR;
    }
}

static enum status status_of_result(const char *operation, int result)
{
    return result == 0 ? STATUS_OK : status_of_errno(operation, errno);
}

static enum status posix_open(void *context, const char *path, enum file_mode mode,
                              struct file **out_file)
{
    static const int flags[] = {O_RDONLY, O_RDWR, O_RDWR | O_CREAT};
    int descriptor = open(path, flags[mode] | O_CLOEXEC, 0600);

    if (descriptor < 0) {
        return status_of_errno("open", errno);
    }
    *out_file = NEW(struct file);
    (*out_file)->descriptor = descriptor;
    return STATUS_OK;
}

static void posix_close(void *context, struct file *file)
{
    close(file->descriptor);
    memory_free(file);
}

static enum status posix_read(void *context, struct file *file, uint64_t offset, void *octets,
                              size_t size, size_t *out_size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got =
            pread(file->descriptor, (char *)octets + done, size - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return status_of_errno("read", errno);
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    *out_size = done;
    return STATUS_OK;
}

/* Takes what was written off the front of the vector; returns how many parts are done with. */
static int skip_written(struct iovec *parts, int count, size_t written)
{
    int skipped = 0;

    while (skipped < count && written >= parts[skipped].iov_len) {
        written -= parts[skipped].iov_len;
        skipped++;
    }
    if (skipped < count) {
        parts[skipped].iov_base = (char *)parts[skipped].iov_base + written;
        parts[skipped].iov_len -= written;
    }
    return skipped;
}

static enum status write_vector(struct file *file, uint64_t offset, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t written = pwritev(file->descriptor, parts, count, (off_t)offset);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return status_of_errno("write", written < 0 ? errno : EIO);
        }
        offset += (uint64_t)written;

        int skipped = skip_written(parts, count, (size_t)written);

        parts += skipped;
        count -= skipped;
    }
    return STATUS_OK;
}

static enum status posix_write(void *context, struct file *file, uint64_t offset,
                               const struct slice *parts, size_t count)
{
    struct iovec vector[PARTS_AT_ONCE];

    while (count > 0) {
        size_t taken = count < PARTS_AT_ONCE ? count : PARTS_AT_ONCE;
        size_t size = 0;

        for (size_t i = 0; i < taken; i++) {
            vector[i] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].size};
            size += parts[i].size;
        }

        enum status status = write_vector(file, offset, vector, (int)taken);

        if (status != STATUS_OK) {
            return status;
        }
        offset += size;
        parts += taken;
        count -= taken;
    }
    return STATUS_OK;
}

static enum status posix_sync(void *context, struct file *file)
{
    return status_of_result("sync", fdatasync(file->descriptor));
}

static enum status posix_allocate(void *context, struct file *file, uint64_t size)
{
    int error;

    do {
        error = posix_fallocate(file->descriptor, 0, (off_t)size);
    } while (error == EINTR);
    return error == 0 ? STATUS_OK : status_of_errno("allocate", error);
}

static enum status posix_truncate(void *context, struct file *file, uint64_t size)
{
    return status_of_result("truncate", ftruncate(file->descriptor, (off_t)size));
}

static enum status posix_size(void *context, struct file *file, uint64_t *out_size)
{
    struct stat facts;

    if (fstat(file->descriptor, &facts) != 0) {
        return status_of_errno("stat", errno);
    }
    *out_size = (uint64_t)facts.st_size;
    return STATUS_OK;
}

static enum status posix_rename(void *context, const char *from, const char *to)
{
    return status_of_result("rename", rename(from, to));
}

static enum status posix_unlink(void *context, const char *path)
{
    return status_of_result("unlink", unlink(path));
}

static enum status posix_list(void *context, const char *folder, file_list_fn *each,
                              void *each_context)
{
    DIR *stream = opendir(folder);
    struct dirent *item;

    if (stream == NULL) {
        return status_of_errno("list", errno);
    }
    errno = 0;
    while ((item = readdir(stream)) != NULL) {
        if (item->d_type == DT_REG || item->d_type == DT_UNKNOWN) {
            each(each_context, item->d_name);
        }
        errno = 0;
    }

    int error = errno;

    closedir(stream);
    return error == 0 ? STATUS_OK : status_of_errno("list", error);
}

static enum status posix_sync_folder(void *context, const char *folder)
{
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (descriptor < 0) {
        return status_of_errno("sync_folder", errno);
    }

    enum status status = status_of_result("sync_folder", fsync(descriptor));

    close(descriptor);
    return status;
}

const struct file_system file_system_posix = {
    .open = posix_open,
    .close = posix_close,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .allocate = posix_allocate,
    .truncate = posix_truncate,
    .size = posix_size,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .list = posix_list,
    .sync_folder = posix_sync_folder,
};
