#include "storage/snapshot.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/check.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/keys.h"
#include "storage/rows.h"
#include "storage/store_rocksdb_file.h"

enum { READ_SIZE = 1024 * 1024, FOLDER_MODE = 0700, DEPTH_MAX = 8 };

static const struct file_system *files = &file_system_posix;

void snapshot_manifest_done(struct snapshot_manifest *manifest)
{
    memory_free(manifest->files);
    manifest->files = NULL;
    manifest->file_count = 0;
}

static struct snapshot_file *add_file(struct snapshot_manifest *manifest)
{
    size_t size = (manifest->file_count + 1) * sizeof(*manifest->files);

    manifest->files = memory_resized(manifest->files, size);
    manifest->files[manifest->file_count] = (struct snapshot_file){0};
    return &manifest->files[manifest->file_count++];
}

/* ---- The folder ---- */

void snapshot_file_path(const char *folder, size_t number, char *out_path)
{
    CHECK(snprintf(out_path, FILE_PATH_SIZE_MAX, "%s/%06zu.sst", folder, number) <
          FILE_PATH_SIZE_MAX);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    return remove(path);
}

void snapshot_folder_remove(const char *path)
{
    if (access(path, F_OK) == 0 && nftw(path, remove_one, DEPTH_MAX, FTW_DEPTH | FTW_PHYS) != 0) {
        log_warning("snapshot.not_removed", log_text("folder", slice_of(path)));
    }
}

enum status snapshot_folder_make(const char *path)
{
    snapshot_folder_remove(path);
    return mkdir(path, FOLDER_MODE) == 0 ? STATUS_OK : STATUS_IO_ERROR;
}

void snapshot_folders_clean(const char *path, const char *kept)
{
    char inner[FILE_PATH_SIZE_MAX];
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        struct slice name = slice_of(entry->d_name);

        if (entry->d_name[0] != '.' && !slice_ends_with(name, slice_of(kept)) &&
            snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) < FILE_PATH_SIZE_MAX) {
            snapshot_folder_remove(inner);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

enum status snapshot_folder_rename(const char *from, const char *to)
{
    char parent[FILE_PATH_SIZE_MAX];
    struct slice path = slice_of(to);
    size_t size = path.size;

    while (size > 0 && to[size - 1] != '/') {
        size--;
    }
    CHECK(size > 1 && size <= sizeof(parent));
    memcpy(parent, to, size - 1);
    parent[size - 1] = 0;
    snapshot_folder_remove(to);
    enum status status = file_rename(files, from, to);

    return status == STATUS_OK ? file_sync_folder(files, parent) : status;
}

enum status snapshot_file_write(const char *folder, size_t number, uint64_t offset,
                                struct slice octets, bool is_last)
{
    char path[FILE_PATH_SIZE_MAX];
    struct file *file;

    snapshot_file_path(folder, number, path);
    enum status status = file_open(files, path, FILE_CREATE, &file);

    if (status != STATUS_OK) {
        return status;
    }
    status = file_write(files, file, offset, &octets, 1);
    if (status == STATUS_OK && is_last) {
        status = file_sync(files, file);
    }
    file_close(files, file);
    return status;
}

enum status snapshot_file_read(const char *folder, size_t number, uint64_t offset, void *octets,
                               size_t size, size_t *out_size)
{
    char path[FILE_PATH_SIZE_MAX];
    struct file *file;

    snapshot_file_path(folder, number, path);
    enum status status = file_open(files, path, FILE_READ, &file);

    if (status == STATUS_OK) {
        status = file_read(files, file, offset, octets, size, out_size);
        file_close(files, file);
    }
    return status;
}

/* ---- Making ---- */

struct export
{
    const char *folder;
    struct snapshot_manifest *manifest;
    struct store_file *file;
    bool is_open;
    uint64_t file_size;
};

static enum status sum_file(const char *path, struct snapshot_file *out_file)
{
    char *octets = NULL;
    size_t size = READ_SIZE;
    struct file *file;
    enum status status = file_open(files, path, FILE_READ, &file);

    if (status != STATUS_OK) {
        return status;
    }
    octets = memory_zeroed(READ_SIZE);
    while (status == STATUS_OK && size == READ_SIZE) {
        status = file_read(files, file, out_file->size, octets, READ_SIZE, &size);
        if (status == STATUS_OK) {
            out_file->sum = crc32c(out_file->sum, (struct slice){octets, size});
            out_file->size += size;
        }
    }
    memory_free(octets);
    file_close(files, file);
    return status;
}

static enum status end_file(struct export *export)
{
    char path[FILE_PATH_SIZE_MAX];

    if (!export->is_open) {
        return STATUS_OK;
    }
    export->is_open = false;
    enum status status = store_file_end(export->file);

    if (status == STATUS_OK) {
        snapshot_file_path(export->folder, export->manifest->file_count, path);
        status = sum_file(path, add_file(export->manifest));
    }
    return status;
}

static enum status begin_file(struct export *export)
{
    char path[FILE_PATH_SIZE_MAX];

    if (export->manifest->file_count == SNAPSHOT_FILES_MAX) {
        return STATUS_TOO_LARGE;
    }
    snapshot_file_path(export->folder, export->manifest->file_count, path);
    enum status status = store_file_begin(export->file, path);

    export->is_open = status == STATUS_OK;
    export->file_size = 0;
    return status;
}

static enum status put(struct export *export, struct slice key, struct slice value)
{
    enum status status = STATUS_OK;

    if (export->is_open && export->file_size >= SNAPSHOT_FILE_SIZE) {
        status = end_file(export);
    }
    if (status == STATUS_OK && !export->is_open) {
        status = begin_file(export);
    }
    if (status == STATUS_OK) {
        export->file_size += key.size + value.size;
        status = store_file_put(export->file, key, value);
    }
    return status;
}

/* The row that says how far it is; a configuration that no entry brought comes into it, too. */
static enum status put_meta(struct export *export, struct slice key, struct slice value,
                            const struct raft_configuration *configuration)
{
    struct raft_snapshot *snapshot = &export->manifest->snapshot;
    struct buffer encoded;
    struct buffer row;
    struct meta_row meta;
    enum status status = meta_row_decode(value, &meta);

    if (status != STATUS_OK) {
        return status;
    }
    buffer_init(&encoded, RAFT_CONFIGURATION_SIZE_MAX);
    buffer_init(&row, SIZE_MAX);
    if (meta.configuration.size == 0) {
        raft_configuration_encode(configuration, &encoded);
        meta.configuration = buffer_view(&encoded);
    }
    snapshot->position = (struct raft_position){meta.applied_term, meta.applied_index};
    status = raft_configuration_decode(meta.configuration, &snapshot->configuration);
    if (status == STATUS_OK) {
        meta_row_encode(&meta, &row);
        status = put(export, key, buffer_view(&row));
    }
    buffer_done(&row);
    buffer_done(&encoded);
    return status == STATUS_INVALID ? STATUS_CORRUPT : status;
}

static enum status put_all(struct export *export, const struct store_view *view, uint32_t shard,
                           const struct raft_configuration *configuration)
{
    struct key low_key;
    struct key high_key;
    struct key meta_key;
    struct slice low = key_shard(&low_key, shard);
    struct slice meta = key_meta(&meta_key, shard);
    struct slice key;
    struct slice value;
    struct store_iterator *iterator = store_iterate(view, low, key_after(&high_key, low));
    enum status status = store_iterator_next(iterator, &key, &value);

    while (status == STATUS_OK) {
        status = slice_equals(key, meta) ? put_meta(export, key, value, configuration)
                                         : put(export, key, value);
        if (status == STATUS_OK) {
            status = store_iterator_next(iterator, &key, &value);
        }
    }
    store_iterator_free(iterator);
    return status == STATUS_NOT_FOUND ? end_file(export) : status;
}

enum status snapshot_export(const struct store_view *view, uint32_t shard,
                            const struct raft_configuration *configuration, const char *folder,
                            struct snapshot_manifest *out_manifest)
{
    struct export export = {.folder = folder, .manifest = out_manifest};

    *out_manifest = (struct snapshot_manifest){.file_count = 0};
    export.file = store_file_new();
    enum status status = put_all(&export, view, shard, configuration);

    store_file_free(export.file);
    if (status == STATUS_OK && out_manifest->snapshot.position.index == 0) {
        status = STATUS_CORRUPT; /* nothing was ever applied: there is a log for that */
    }
    if (status != STATUS_OK) {
        snapshot_manifest_done(out_manifest);
    }
    return status;
}

/* ---- Installing ---- */

static enum status remove_rows(struct store *store, uint32_t shard)
{
    struct store_batch *batch = store_batch_new(store);
    struct key low_key;
    struct key high_key;
    struct slice low = key_shard(&low_key, shard);

    store_batch_delete_range(store, batch, low, key_after(&high_key, low));
    enum status status = store_write(store, batch);

    store_batch_free(store, batch);
    return status == STATUS_OK ? store_flush(store) : status;
}

static enum status ingest(struct store *store, const struct snapshot_manifest *manifest,
                          const char *folder)
{
    size_t count = manifest->file_count;
    char(*room)[FILE_PATH_SIZE_MAX] = memory_zeroed((count + 1) * sizeof(*room));
    const char **paths = memory_zeroed((count + 1) * sizeof(*paths));

    for (size_t number = 0; number < count; number++) {
        snapshot_file_path(folder, number, room[number]);
        paths[number] = room[number];
    }
    enum status status = store_ingest(store, paths, count);

    memory_free(paths);
    memory_free(room);
    return status;
}

enum status snapshot_import(struct store *store, uint32_t shard,
                            const struct snapshot_manifest *manifest, const char *folder)
{
    enum status status = remove_rows(store, shard);

    CRASH_POINT("snapshot.rows_removed");
    if (status == STATUS_OK) {
        status = ingest(store, manifest, folder);
    }
    CRASH_POINT("snapshot.ingested");
    return status;
}
