/* The few things that the log asks of a file system, as a table that a simulator can replace.
 *
 * Blocking. A failure is a status: NOT_FOUND, EXISTS, NO_SPACE (the disk or the quota is full),
 * DENIED (rights), IO_ERROR (all else; logged where it happens). Nothing is ever tried again here:
 * after a failed file_sync() the kernel may have dropped what it could not write, so that a second
 * one that succeeds proves nothing.
 *
 * What a crash leaves: of octets written since the last successful file_sync() of their file, any
 * may be there and any not; a file created, renamed or removed since the last successful
 * file_sync_folder() may be there under either name, or not. */
#ifndef AVISO_STORAGE_FILE_H
#define AVISO_STORAGE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

/* Octets of a path, with its folder and the final NUL. */
enum { FILE_PATH_SIZE_MAX = 1024 };

/* An open file: the implementation's. Different threads may read and write different ranges. */
struct file;

enum file_mode {
    FILE_READ,   /* for reading; NOT_FOUND */
    FILE_WRITE,  /* for reading and writing; NOT_FOUND */
    FILE_CREATE, /* the same, and made when it is not there */
};

/* Called for each plain file of a folder, in no order; `name` is without the folder. */
typedef void file_list_fn(void *context, const char *name);

/* Each takes the table's `context` first. Results are untouched on failure. */
struct file_system {
    void *context;

    enum status (*open)(void *context, const char *path, enum file_mode mode,
                        struct file **out_file);
    void (*close)(void *context, struct file *file);
    enum status (*read)(void *context, struct file *file, uint64_t offset, void *octets,
                        size_t size, size_t *out_size);
    enum status (*write)(void *context, struct file *file, uint64_t offset,
                         const struct slice *parts, size_t count);
    enum status (*sync)(void *context, struct file *file);
    enum status (*allocate)(void *context, struct file *file, uint64_t size);
    enum status (*truncate)(void *context, struct file *file, uint64_t size);
    enum status (*size)(void *context, struct file *file, uint64_t *out_size);
    enum status (*rename)(void *context, const char *from, const char *to);
    enum status (*unlink)(void *context, const char *path);
    enum status (*list)(void *context, const char *folder, file_list_fn *each, void *each_context);
    enum status (*sync_folder)(void *context, const char *folder);
};

/* The kernel's files. */
extern const struct file_system file_system_posix;

/* The file is the caller's, for file_close(). */
NODISCARD enum status file_open(const struct file_system *files, const char *path,
                                enum file_mode mode, struct file **out_file);

/* Accepts NULL. Syncs nothing. */
void file_close(const struct file_system *files, struct file *file);

/* Up to `size` octets from `offset`: fewer only where the file ends. */
NODISCARD enum status file_read(const struct file_system *files, struct file *file, uint64_t offset,
                                void *octets, size_t size, size_t *out_size);

/* `parts` one after another from `offset`, by as few system calls as `count` allows. On a failure
 * any of the octets may have been written. */
NODISCARD enum status file_write(const struct file_system *files, struct file *file,
                                 uint64_t offset, const struct slice *parts, size_t count);

/* All that was written before is durable, with the size that it needs (fdatasync). */
NODISCARD enum status file_sync(const struct file_system *files, struct file *file);

/* Takes the space for `size` octets, so that writes in it do not find the disk full. What is
 * there stays; a shorter file grows, with zeros. */
NODISCARD enum status file_allocate(const struct file_system *files, struct file *file,
                                    uint64_t size);

/* Cuts or grows to `size`. */
NODISCARD enum status file_truncate(const struct file_system *files, struct file *file,
                                    uint64_t size);
NODISCARD enum status file_size(const struct file_system *files, struct file *file,
                                uint64_t *out_size);

/* Replaces `to`, in one step, when it is there. An open file stays open. */
NODISCARD enum status file_rename(const struct file_system *files, const char *from,
                                  const char *to);
NODISCARD enum status file_unlink(const struct file_system *files, const char *path);

/* Does not descend. */
NODISCARD enum status file_list(const struct file_system *files, const char *folder,
                                file_list_fn *each, void *context);

/* Creations, renames and removals in it are durable. */
NODISCARD enum status file_sync_folder(const struct file_system *files, const char *folder);

#endif
