/* Writes a file that store_ingest() takes, without a store: its rows in ascending order.
 *
 *     new -> ( begin -> put, put, ... -> end )* -> free */
#ifndef AVISO_STORAGE_STORE_ROCKSDB_FILE_H
#define AVISO_STORAGE_STORE_ROCKSDB_FILE_H

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

struct store_file;

/* free accepts NULL; a file that was not ended is worth nothing. */
struct store_file *store_file_new(void);
void store_file_free(struct store_file *file);

/* Each IO_ERROR, logged with RocksDB's own words. `end` syncs. */
NODISCARD enum status store_file_begin(struct store_file *file, const char *path);
NODISCARD enum status store_file_put(struct store_file *file, struct slice key, struct slice value);
NODISCARD enum status store_file_end(struct store_file *file);

#endif
