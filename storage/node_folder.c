#include "storage/node_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/check.h"
#include "core/log.h"
#include "core/number.h"
#include "core/random.h"
#include "storage/crash_point.h"

enum {
    NODE_FILE_SIZE_MAX = 256,
    NAME_ROOM = 32, /* octets for the names in the folder */
    FOLDER_MODE = 0700,
    FILE_MODE = 0600,
    START_ROOM_SIZE = 16 * 1024 * 1024, /* octets */
};

static const struct file_system *files = &file_system_posix;

void node_folder_path(const struct node_folder *folder, const char *name, char *out_path)
{
    CHECK(snprintf(out_path, FILE_PATH_SIZE_MAX, "%s/%s", folder->path, name) < FILE_PATH_SIZE_MAX);
}

static enum status status_of_errno(void)
{
    switch (errno) {
    case ENOSPC:
    case EDQUOT:
        return STATUS_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return STATUS_DENIED;
    default:
        return STATUS_IO_ERROR;
    }
}

static enum status refuse(const struct node_folder *folder, const char *reason, enum status status)
{
    log_error("node.folder_refused", log_text("folder", slice_of(folder->path)),
              log_text("reason", slice_of(reason)), log_status(status));
    return status;
}

static enum status make_folder(const struct node_folder *folder, const char *path)
{
    if (mkdir(path, FOLDER_MODE) == 0 || errno == EEXIST) {
        return STATUS_OK;
    }
    return refuse(folder, "the folder cannot be made", status_of_errno());
}

static enum status lock(struct node_folder *folder)
{
    char path[FILE_PATH_SIZE_MAX];

    node_folder_path(folder, "lock", path);
    folder->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (folder->lock < 0) {
        folder->lock = 0;
        return refuse(folder, "the lock file cannot be opened", status_of_errno());
    }
    if (flock(folder->lock, LOCK_EX | LOCK_NB) != 0) {
        return refuse(folder, "another process has the folder open", STATUS_BUSY);
    }
    return STATUS_OK;
}

/* ---- The node file: "aviso storage VERSION\nnode ID\n" ---- */

static enum status parse_node_file(struct node_folder *folder, struct slice text,
                                   unsigned format_version)
{
    struct slice head = slice_cut(&text, '\n');
    struct slice line = slice_cut(&text, '\n');
    struct slice head_words = SLICE("aviso storage ");
    struct slice node_words = SLICE("node ");
    uint64_t version = 0;

    if (!slice_starts_with(head, head_words) ||
        number_parse(slice_skip(head, head_words.size), UINT64_MAX, &version) != STATUS_OK) {
        return refuse(folder, "the file 'node' is damaged", STATUS_CORRUPT);
    }
    if (version > format_version) {
        return refuse(folder, "a newer version of aviso wrote it", STATUS_UNSUPPORTED);
    }
    if (!slice_starts_with(line, node_words) ||
        number_parse(slice_skip(line, node_words.size), UINT64_MAX, &folder->id) != STATUS_OK ||
        folder->id == 0) {
        return refuse(folder, "the file 'node' is damaged", STATUS_CORRUPT);
    }
    return STATUS_OK;
}

static enum status read_node_file(struct node_folder *folder, unsigned format_version)
{
    char path[FILE_PATH_SIZE_MAX];
    char text[NODE_FILE_SIZE_MAX];
    size_t size = 0;
    struct file *file;

    node_folder_path(folder, "node", path);
    enum status status = file_open(files, path, FILE_READ, &file);

    if (status != STATUS_OK) {
        return status;
    }
    status = file_read(files, file, 0, text, sizeof(text), &size);
    file_close(files, file);
    return status == STATUS_OK ? parse_node_file(folder, (struct slice){text, size}, format_version)
                               : status;
}

/* Written under another name, synced and renamed: there as a whole or not at all. */
static enum status write_node_file(struct node_folder *folder, unsigned format_version)
{
    char path[FILE_PATH_SIZE_MAX];
    char new_path[FILE_PATH_SIZE_MAX];
    struct buffer text;
    struct file *file;

    random_octets(&folder->id, sizeof(folder->id));
    folder->id = (folder->id >> 1) | 1; /* never 0 */
    node_folder_path(folder, "node", path);
    node_folder_path(folder, "node.new", new_path);
    buffer_init(&text, NODE_FILE_SIZE_MAX);
    buffer_printf(&text, "aviso storage %u\nnode %llu\n", format_version,
                  (unsigned long long)folder->id);
    struct slice part = buffer_view(&text);
    enum status status = file_open(files, new_path, FILE_CREATE, &file);

    if (status == STATUS_OK) {
        status = file_truncate(files, file, 0);
        if (status == STATUS_OK) {
            status = file_write(files, file, 0, &part, 1);
        }
        if (status == STATUS_OK) {
            status = file_sync(files, file);
        }
        file_close(files, file);
    }
    buffer_done(&text);
    CRASH_POINT("node.before_rename");
    if (status == STATUS_OK) {
        status = file_rename(files, new_path, path);
    }
    return status == STATUS_OK ? file_sync_folder(files, folder->path) : status;
}

/* A folder with data and without a node file is somebody's loss, not a new node. */
static enum status check_empty(const struct node_folder *folder)
{
    char path[FILE_PATH_SIZE_MAX];

    node_folder_path(folder, "state/CURRENT", path);
    if (access(path, F_OK) == 0) {
        return refuse(folder, "the file 'node' is missing beside existing data", STATUS_CORRUPT);
    }
    return STATUS_OK;
}

/* The store cannot bear to find the disk full while it is opened, so that is found out before. */
static enum status check_room(const struct node_folder *folder)
{
    char path[FILE_PATH_SIZE_MAX];
    struct file *file = NULL;

    node_folder_path(folder, "room", path);
    enum status status = file_open(files, path, FILE_CREATE, &file);

    if (status == STATUS_OK) {
        status = file_allocate(files, file, START_ROOM_SIZE);
        file_close(files, file);
        if (file_unlink(files, path) != STATUS_OK) {
            status = status == STATUS_OK ? STATUS_IO_ERROR : status;
        }
    }
    if (status == STATUS_NO_SPACE) {
        return refuse(folder, "less than 16 MiB are left on the disk: make room", status);
    }
    return status == STATUS_OK ? status : refuse(folder, "it cannot be written to", status);
}

enum status node_folder_open(const char *path, unsigned format_version,
                             struct node_folder *out_folder)
{
    struct node_folder *folder = out_folder;
    char inner[FILE_PATH_SIZE_MAX];

    *folder = (struct node_folder){0};
    snprintf(folder->path, sizeof(folder->path), "%s", path);
    if (strlen(path) + NAME_ROOM > FILE_PATH_SIZE_MAX) {
        return refuse(folder, "the path is too long", STATUS_TOO_LARGE);
    }
    enum status status = make_folder(folder, path);

    if (status == STATUS_OK) {
        status = lock(folder);
    }
    if (status == STATUS_OK) {
        status = read_node_file(folder, format_version);
    }
    if (status == STATUS_NOT_FOUND) {
        status = check_empty(folder);
        if (status == STATUS_OK) {
            status = write_node_file(folder, format_version);
        }
    }
    if (status == STATUS_OK) {
        node_folder_path(folder, "log", inner);
        status = make_folder(folder, inner);
    }
    if (status == STATUS_OK) {
        node_folder_path(folder, "state", inner);
        status = make_folder(folder, inner);
    }
    if (status == STATUS_OK) {
        node_folder_path(folder, "snapshots", inner);
        status = make_folder(folder, inner);
    }
    if (status == STATUS_OK) {
        status = check_room(folder);
    }
    return status == STATUS_OK ? file_sync_folder(files, path) : status;
}

void node_folder_close(struct node_folder *folder)
{
    if (folder->lock > 0) {
        close(folder->lock);
        folder->lock = 0;
    }
}
