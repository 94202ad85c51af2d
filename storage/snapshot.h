/* A shard's state as files: a snapshot that another replica can begin with (RAFT.md's catch-up).
 *
 * The files are the store's own kind, in ascending order of their keys, each with all that belongs
 * to it; the row that says how far the state has applied is among them. A manifest says which they
 * are. All functions block, and belong on a worker. */
#ifndef AVISO_STORAGE_SNAPSHOT_H
#define AVISO_STORAGE_SNAPSHOT_H

#include <stdbool.h>

#include "storage/file.h"
#include "storage/raft/raft.h"
#include "storage/store.h"

enum {
    SNAPSHOT_FILE_SIZE = 64 * 1024 * 1024, /* octets of one, about */
    SNAPSHOT_FILES_MAX = 65536,
};

struct snapshot_file {
    uint64_t size;
    uint32_t sum; /* CRC-32C */
};

struct snapshot_manifest {
    struct raft_snapshot snapshot; /* what is in the files: its last entry, and who belonged */
    struct snapshot_file *files;
    size_t file_count;
};
void snapshot_manifest_done(struct snapshot_manifest *manifest);

/* ---- The folder of one ---- */

/* An empty folder at `path`, in place of what is there. NO_SPACE, DENIED, IO_ERROR. */
NODISCARD enum status snapshot_folder_make(const char *path);

/* Removes it with all that is in it; what cannot be removed stays. */
void snapshot_folder_remove(const char *path);

/* The path of a file in it; `out_path` has FILE_PATH_SIZE_MAX octets. */
void snapshot_file_path(const char *folder, size_t number, char *out_path);

/* ---- Making one ---- */

/* Writes the rows of `shard` as `view` sees them. `configuration`: that in force when the state has
 * applied none. CORRUPT, NO_SPACE, IO_ERROR. */
NODISCARD enum status snapshot_export(const struct store_view *view, uint32_t shard,
                                      const struct raft_configuration *configuration,
                                      const char *folder, struct snapshot_manifest *out_manifest);

/* ---- Installing one ---- */

/* What is in the folder is whole, and is to be installed, from now on durably: whatever happens it
 * has to be finished. NO_SPACE, IO_ERROR. */
NODISCARD enum status snapshot_intend(const struct snapshot_manifest *manifest, const char *folder);

/* Removes from `path` what a process that ended left there, but for what is being installed, whose
 * name ends with `kept`. */
void snapshot_folders_clean(const char *path, const char *kept);

/* Gives a folder another name, durably. */
NODISCARD enum status snapshot_folder_rename(const char *from, const char *to);

/* Writes a part of a file; the last one makes the file durable. */
NODISCARD enum status snapshot_file_write(const char *folder, size_t number, uint64_t offset,
                                          struct slice octets, bool is_last);

/* Reads a part: fewer octets only where the file ends. NOT_FOUND. */
NODISCARD enum status snapshot_file_read(const char *folder, size_t number, uint64_t offset,
                                         void *octets, size_t size, size_t *out_size);

/* What was intended. NOT_FOUND: nothing. CORRUPT, IO_ERROR. */
NODISCARD enum status snapshot_intended(const char *folder, struct snapshot_manifest *out_manifest);

/* Puts the files in place of all rows of `shard`, durably. It can be done again from the beginning.
 * CORRUPT, NO_SPACE, IO_ERROR, UNSUPPORTED (the store takes no files). */
NODISCARD enum status snapshot_import(struct store *store, uint32_t shard,
                                      const struct snapshot_manifest *manifest, const char *folder);

#endif
