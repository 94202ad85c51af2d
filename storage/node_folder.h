/* A node's data directory: who it belongs to, and that nobody else has it open.
 *
 *     lock      locked while a process has the folder
 *     node      text: format version and node id, written once
 *     log/      storage/log.h
 *     state/    the store
 *     snapshots/  files on their way from or to other nodes (storage/snapshot.h)
 *     room      made and removed at each start: whether there is room to start in */
#ifndef AVISO_STORAGE_NODE_FOLDER_H
#define AVISO_STORAGE_NODE_FOLDER_H

#include "storage/file.h"

struct node_folder {
    char path[FILE_PATH_SIZE_MAX];
    uint64_t id;
    int lock; /* its file; 0: not locked */
};

/* Makes what is missing. BUSY, UNSUPPORTED, CORRUPT, DENIED, NO_SPACE, IO_ERROR; each is logged in
 * words. Whatever it answers, node_folder_close() is harmless. */
NODISCARD enum status node_folder_open(const char *path, unsigned format_version,
                                       struct node_folder *out_folder);
void node_folder_close(struct node_folder *folder);

/* The path of a file in it; `out_path` has FILE_PATH_SIZE_MAX octets, which open checked to be
 * enough for the names above. */
void node_folder_path(const struct node_folder *folder, const char *name, char *out_path);

#endif
