#include "storage/file.h"

enum status file_open(const struct file_system *files, const char *path, enum file_mode mode,
                      struct file **out_file)
{
    return files->open(files->context, path, mode, out_file);
}

void file_close(const struct file_system *files, struct file *file)
{
    if (file != NULL) {
        files->close(files->context, file);
    }
}

enum status file_read(const struct file_system *files, struct file *file, uint64_t offset,
                      void *octets, size_t size, size_t *out_size)
{
    return files->read(files->context, file, offset, octets, size, out_size);
}

enum status file_write(const struct file_system *files, struct file *file, uint64_t offset,
                       const struct slice *parts, size_t count)
{
    return files->write(files->context, file, offset, parts, count);
}

enum status file_sync(const struct file_system *files, struct file *file)
{
    return files->sync(files->context, file);
}

enum status file_allocate(const struct file_system *files, struct file *file, uint64_t size)
{
    return files->allocate(files->context, file, size);
}

enum status file_truncate(const struct file_system *files, struct file *file, uint64_t size)
{
    return files->truncate(files->context, file, size);
}

enum status file_size(const struct file_system *files, struct file *file, uint64_t *out_size)
{
    return files->size(files->context, file, out_size);
}

enum status file_rename(const struct file_system *files, const char *from, const char *to)
{
    return files->rename(files->context, from, to);
}

enum status file_unlink(const struct file_system *files, const char *path)
{
    return files->unlink(files->context, path);
}

enum status file_list(const struct file_system *files, const char *folder, file_list_fn *each,
                      void *context)
{
    return files->list(files->context, folder, each, context);
}

enum status file_sync_folder(const struct file_system *files, const char *folder)
{
    return files->sync_folder(files->context, folder);
}
