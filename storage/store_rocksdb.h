/* The store on disk: RocksDB without a write-ahead log (the shards' own log is one), in one column
 * family, so that a crash leaves what some prefix of the writes made.
 *
 * Memory: the block cache, twice the write buffer, and about 1 MiB for each 64 open files. */
#ifndef AVISO_STORAGE_STORE_ROCKSDB_H
#define AVISO_STORAGE_STORE_ROCKSDB_H

#include "storage/store.h"

/* Zero means the default, in brackets. */
struct store_rocksdb_options {
    const char *folder;       /* made when it is not there; nobody else's */
    size_t block_cache_size;  /* octets of blocks, indexes, filters and blobs [256 MiB] */
    size_t write_buffer_size; /* octets of one memtable; two at most [64 MiB] */
    size_t blob_size_min;     /* octets of a value that goes into a blob file [8 KiB] */
    int background_jobs;      /* threads that flush and compact [2] */
    int open_files_max;       /* [512] */
};

/* The store is the caller's, for store_close(). IO_ERROR, NO_SPACE, CORRUPT, BUSY (somebody has it
 * open), each logged with RocksDB's own words. Properties: RocksDB's numbers by their names, such
 * as "rocksdb.cur-size-all-mem-tables". */
NODISCARD enum status store_rocksdb_open(const struct store_rocksdb_options *options,
                                         struct store **out_store);

#endif
