#include "storage/store_rocksdb.h"

#include <rocksdb/c.h>
#include <string.h>

#include "core/buffer.h"
#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"

enum {
    BLOCK_SIZE = 16 * 1024,
    BLOOM_BITS = 10,
    READ_TIER_ALL = 0,
    READ_TIER_CACHE = 1,
    READ_TIER_PERSISTED = 2,
    MEMTABLES_MAX = 2, /* more had bugs in 7.8.3 */
    LOG_FILES_KEPT = 4,
    LOG_FILE_SIZE_MAX = 4 * 1024 * 1024,
    LOG_LEVEL_WARNING = 2,
    GARBAGE_PERCENT_MUCH = 25, /* of all blobs: collect from here on */
    GARBAGE_PERCENT_LITTLE = 10,
};

/* Octets. */
#define BLOB_FILE_SIZE    ((uint64_t)256 * 1024 * 1024)
#define BLOCK_CACHE_SIZE  ((size_t)256 * 1024 * 1024)
#define WRITE_BUFFER_SIZE ((size_t)64 * 1024 * 1024)
#define BLOB_SIZE_LEAST   ((size_t)8 * 1024)
#define SYNC_SIZE         ((uint64_t)1024 * 1024)

/* Of the oldest blob files, when garbage is collected: rewrite them without waiting for others. */
#define GARBAGE_SHARE_FORCED 0.5

/* Of a memtable, for a filter over its keys: apply asks for many rows that are not there. */
#define MEMTABLE_FILTER_SHARE 0.05

struct rocksdb_store {
    struct store store;
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write_options;
    rocksdb_flushoptions_t *flush_options;
    rocksdb_readoptions_t *reads[3]; /* by enum store_tier */
    bool collects_garbage;           /* of blobs; for care() alone */
};

struct store_snapshot {
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *reads[2]; /* STORE_ALL, STORE_CACHED */
};

struct store_batch {
    rocksdb_writebatch_t *batch;
};

struct rocksdb_walk {
    struct store_iterator iterator;
    rocksdb_iterator_t *base;
    rocksdb_readoptions_t *options;
    char *high; /* the bound, which the options borrow */
    bool is_begun;
};

static const struct store_operations operations;

static struct rocksdb_store *rocksdb_of(struct store *store)
{
    CHECK(store->operations == &operations);
    return CONTAINER_OF(store, struct rocksdb_store, store);
}

/* ---- Failures ---- */

static const struct {
    const char *words;
    enum status status;
} failures[] = {
    {"Result incomplete", STATUS_AGAIN}, /* not in the cache */
    {"No space left", STATUS_NO_SPACE},
    {"Disk quota", STATUS_NO_SPACE},
    {"max space", STATUS_NO_SPACE},
    {"Corruption", STATUS_CORRUPT},
    {"LOCK", STATUS_BUSY},
};

/* Frees RocksDB's words. What it cannot name is an I/O error, which is fatal for the replica. */
static enum status status_of(char *error, const char *act)
{
    enum status status = STATUS_IO_ERROR;

    if (error == NULL) {
        return STATUS_OK;
    }
    for (size_t index = 0; index < COUNT_OF(failures); index++) {
        if (strstr(error, failures[index].words) != NULL) {
            status = failures[index].status;
            break;
        }
    }
    if (status != STATUS_AGAIN) {
        log_error("store.failed", log_text("act", slice_of(act)), log_status(status),
                  log_text("detail", slice_of(error)));
    }
    rocksdb_free(error);
    return status;
}

/* RocksDB counts what it does in variables of the thread, which costs more than some of the work.
 */
static void count_nothing(void)
{
    static _Thread_local bool is_set;

    if (!is_set) {
        rocksdb_set_perf_level(rocksdb_disable);
        is_set = true;
    }
}

/* ---- Reading ---- */

static const rocksdb_readoptions_t *read_options(const struct store_view *view)
{
    if (view->snapshot != NULL && view->tier != STORE_DURABLE) {
        return view->snapshot->reads[view->tier];
    }
    return rocksdb_of(view->store)->reads[view->tier];
}

static enum status get(const struct store_view *view, struct slice key, struct arena *arena,
                       struct slice *out_value)
{
    char *error = NULL;
    size_t size = 0;

    count_nothing();
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned(
        rocksdb_of(view->store)->db, read_options(view), key.data, key.size, &error);

    if (error != NULL) {
        return status_of(error, "get");
    }
    if (pinned == NULL) {
        return STATUS_NOT_FOUND;
    }
    const char *value = rocksdb_pinnableslice_value(pinned, &size);

    *out_value = arena_copy(arena, (struct slice){value, size});
    rocksdb_pinnableslice_destroy(pinned);
    return STATUS_OK;
}

static rocksdb_readoptions_t *new_read_options(int tier, const rocksdb_snapshot_t *snapshot)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();

    rocksdb_readoptions_set_read_tier(options, tier);
    rocksdb_readoptions_set_verify_checksums(options, 1);
    if (snapshot != NULL) {
        rocksdb_readoptions_set_snapshot(options, snapshot);
    }
    return options;
}

static enum status walk_next(struct store_iterator *iterator, struct slice *out_key,
                             struct slice *out_value)
{
    struct rocksdb_walk *walk = CONTAINER_OF(iterator, struct rocksdb_walk, iterator);

    if (walk->is_begun) {
        rocksdb_iter_next(walk->base);
    }
    walk->is_begun = true;
    if (!rocksdb_iter_valid(walk->base)) {
        char *error = NULL;

        rocksdb_iter_get_error(walk->base, &error);
        return error != NULL ? status_of(error, "iterate") : STATUS_NOT_FOUND;
    }
    out_key->data = rocksdb_iter_key(walk->base, &out_key->size);
    out_value->data = rocksdb_iter_value(walk->base, &out_value->size);
    return STATUS_OK;
}

static void walk_free(struct store_iterator *iterator)
{
    struct rocksdb_walk *walk = CONTAINER_OF(iterator, struct rocksdb_walk, iterator);

    rocksdb_iter_destroy(walk->base);
    rocksdb_readoptions_destroy(walk->options);
    memory_free(walk->high);
    memory_free(walk);
}

static struct store_iterator *iterate(const struct store_view *view, struct slice low,
                                      struct slice high)
{
    struct rocksdb_walk *walk = NEW(struct rocksdb_walk);

    CHECK(view->tier != STORE_DURABLE);
    count_nothing();
    walk->iterator = (struct store_iterator){walk_next, walk_free};
    walk->options = new_read_options(view->tier == STORE_CACHED ? READ_TIER_CACHE : READ_TIER_ALL,
                                     view->snapshot != NULL ? view->snapshot->snapshot : NULL);
    walk->high = memory_zeroed(high.size + 1);
    memcpy(walk->high, high.data, high.size);
    rocksdb_readoptions_set_iterate_upper_bound(walk->options, walk->high, high.size);
    walk->base = rocksdb_create_iterator(rocksdb_of(view->store)->db, walk->options);
    rocksdb_iter_seek(walk->base, low.data, low.size);
    return &walk->iterator;
}

static struct store_snapshot *snapshot_take(struct store *store)
{
    struct store_snapshot *snapshot = NEW(struct store_snapshot);

    snapshot->snapshot = rocksdb_create_snapshot(rocksdb_of(store)->db);
    snapshot->reads[STORE_ALL] = new_read_options(READ_TIER_ALL, snapshot->snapshot);
    snapshot->reads[STORE_CACHED] = new_read_options(READ_TIER_CACHE, snapshot->snapshot);
    return snapshot;
}

static void snapshot_release(struct store *store, struct store_snapshot *snapshot)
{
    rocksdb_readoptions_destroy(snapshot->reads[STORE_ALL]);
    rocksdb_readoptions_destroy(snapshot->reads[STORE_CACHED]);
    rocksdb_release_snapshot(rocksdb_of(store)->db, snapshot->snapshot);
    memory_free(snapshot);
}

/* ---- Writing ---- */

static struct store_batch *batch_new(struct store *store)
{
    struct store_batch *batch = NEW(struct store_batch);

    batch->batch = rocksdb_writebatch_create();
    return batch;
}

static void batch_free(struct store_batch *batch)
{
    rocksdb_writebatch_destroy(batch->batch);
    memory_free(batch);
}

static void batch_clear(struct store_batch *batch)
{
    rocksdb_writebatch_clear(batch->batch);
}

static void batch_put(struct store_batch *batch, struct slice key, struct slice value)
{
    rocksdb_writebatch_put(batch->batch, key.data, key.size, value.data, value.size);
}

static void batch_delete(struct store_batch *batch, struct slice key)
{
    rocksdb_writebatch_delete(batch->batch, key.data, key.size);
}

static void batch_delete_range(struct store_batch *batch, struct slice low, struct slice high)
{
    rocksdb_writebatch_delete_range(batch->batch, low.data, low.size, high.data, high.size);
}

static enum status write_batch(struct store *store, struct store_batch *batch)
{
    struct rocksdb_store *rocksdb = rocksdb_of(store);
    char *error = NULL;

    count_nothing();
    CRASH_POINT("store.before_write");
    rocksdb_write(rocksdb->db, rocksdb->write_options, batch->batch, &error);
    CRASH_POINT("store.after_write");
    return status_of(error, "write");
}

static enum status flush(struct store *store)
{
    struct rocksdb_store *rocksdb = rocksdb_of(store);
    char *error = NULL;

    CRASH_POINT("store.before_flush");
    rocksdb_flush(rocksdb->db, rocksdb->flush_options, &error);
    CRASH_POINT("store.after_flush");
    return status_of(error, "flush");
}

static enum status ingest(struct store *store, const char *const *paths, size_t count)
{
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    char *error = NULL;

    /* Not moved, nor linked: it writes into what it takes, which then could not be taken again. */
    rocksdb_ingestexternalfileoptions_set_move_files(options, 0);
    rocksdb_ingest_external_file(rocksdb_of(store)->db, paths, count, options, &error);
    rocksdb_ingestexternalfileoptions_destroy(options);
    return status_of(error, "ingest");
}

static enum status property(struct store *store, const char *name, uint64_t *out_number)
{
    return rocksdb_property_int(rocksdb_of(store)->db, name, out_number) == 0 ? STATUS_OK
                                                                              : STATUS_NOT_FOUND;
}

/* To collect garbage is to copy a part of all blobs in every compaction, so that happens only while
 * there is much of it. Files with nothing else in them go at any time. */
static void care(struct store *store)
{
    struct rocksdb_store *rocksdb = rocksdb_of(store);
    static const char *const name[] = {"enable_blob_garbage_collection"};
    uint64_t garbage = 0;
    uint64_t all = 0;
    char *error = NULL;

    if (property(store, "rocksdb.live-blob-file-garbage-size", &garbage) != STATUS_OK ||
        property(store, "rocksdb.live-blob-file-size", &all) != STATUS_OK) {
        return;
    }
    uint64_t percent = rocksdb->collects_garbage ? GARBAGE_PERCENT_LITTLE : GARBAGE_PERCENT_MUCH;
    bool collects = garbage / percent > all / 100;

    if (collects == rocksdb->collects_garbage) {
        return;
    }
    rocksdb_set_options(rocksdb->db, 1, name, (const char *const[]){collects ? "true" : "false"},
                        &error);
    if (status_of(error, "set_options") == STATUS_OK) {
        rocksdb->collects_garbage = collects;
    }
}

/* ---- Opening and closing ---- */

static void close_store(struct store *store)
{
    struct rocksdb_store *rocksdb = rocksdb_of(store);

    if (rocksdb->db != NULL) {
        rocksdb_close(rocksdb->db);
    }
    for (size_t tier = 0; tier < COUNT_OF(rocksdb->reads); tier++) {
        rocksdb_readoptions_destroy(rocksdb->reads[tier]);
    }
    rocksdb_flushoptions_destroy(rocksdb->flush_options);
    rocksdb_writeoptions_destroy(rocksdb->write_options);
    rocksdb_options_destroy(rocksdb->options);
    rocksdb_block_based_options_destroy(rocksdb->table_options);
    rocksdb_cache_destroy(rocksdb->cache);
    memory_free(rocksdb);
}

static const struct store_operations operations = {
    .get = get,
    .iterate = iterate,
    .snapshot_take = snapshot_take,
    .snapshot_release = snapshot_release,
    .batch_new = batch_new,
    .batch_free = batch_free,
    .batch_clear = batch_clear,
    .batch_put = batch_put,
    .batch_delete = batch_delete,
    .batch_delete_range = batch_delete_range,
    .write = write_batch,
    .flush = flush,
    .ingest = ingest,
    .care = care,
    .property = property,
    .close = close_store,
};

/* Filters, indexes and blocks share one cache, so that it bounds them all. */
static void set_table_options(struct rocksdb_store *rocksdb)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

    rocksdb_block_based_options_set_block_cache(table, rocksdb->cache);
    rocksdb_block_based_options_set_block_size(table, BLOCK_SIZE);
    rocksdb_block_based_options_set_filter_policy(table,
                                                  rocksdb_filterpolicy_create_bloom(BLOOM_BITS));
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_options_set_block_based_table_factory(rocksdb->options, table);
    rocksdb->table_options = table;
}

/* Values come compressed; keys and small rows gain a little from LZ4. */
static void set_blob_options(struct rocksdb_store *rocksdb, size_t blob_size_min)
{
    rocksdb_options_t *options = rocksdb->options;

    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_enable_blob_files(options, 1);
    rocksdb_options_set_min_blob_size(options, blob_size_min > 0 ? blob_size_min : BLOB_SIZE_LEAST);
    rocksdb_options_set_blob_file_size(options, BLOB_FILE_SIZE);
    rocksdb_options_set_blob_compression_type(options, rocksdb_no_compression);
    rocksdb_options_set_enable_blob_gc(options, 0); /* care() */
    rocksdb_options_set_blob_gc_force_threshold(options, GARBAGE_SHARE_FORCED);
    rocksdb_options_set_blob_cache(options, rocksdb->cache);
}

static void set_options(struct rocksdb_store *rocksdb, const struct store_rocksdb_options *given)
{
    rocksdb_options_t *options = rocksdb->options;

    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_paranoid_checks(options, 1);
    rocksdb_options_set_write_buffer_size(
        options, given->write_buffer_size > 0 ? given->write_buffer_size : WRITE_BUFFER_SIZE);
    rocksdb_options_set_max_write_buffer_number(options, MEMTABLES_MAX);
    rocksdb_options_set_max_background_jobs(
        options, given->background_jobs > 0 ? given->background_jobs : 2);
    rocksdb_options_set_max_open_files(options,
                                       given->open_files_max > 0 ? given->open_files_max : 512);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, MEMTABLE_FILTER_SHARE);
    rocksdb_options_set_memtable_whole_key_filtering(options, 1);
    /* What flushes write goes to the disk bit by bit: at once it would hold up the log's sync. */
    rocksdb_options_set_bytes_per_sync(options, SYNC_SIZE);
    rocksdb_options_set_info_log_level(options, LOG_LEVEL_WARNING);
    rocksdb_options_set_keep_log_file_num(options, LOG_FILES_KEPT);
    rocksdb_options_set_max_log_file_size(options, LOG_FILE_SIZE_MAX);
    set_table_options(rocksdb);
    set_blob_options(rocksdb, given->blob_size_min);
}

enum status store_rocksdb_open(const struct store_rocksdb_options *given, struct store **out_store)
{
    struct rocksdb_store *rocksdb = NEW(struct rocksdb_store);
    char *error = NULL;

    rocksdb->store.operations = &operations;
    rocksdb->options = rocksdb_options_create();
    rocksdb->cache = rocksdb_cache_create_lru(given->block_cache_size > 0 ? given->block_cache_size
                                                                          : BLOCK_CACHE_SIZE);
    set_options(rocksdb, given);
    rocksdb->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(rocksdb->write_options, 1);
    rocksdb->flush_options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(rocksdb->flush_options, 1);
    rocksdb->reads[STORE_ALL] = new_read_options(READ_TIER_ALL, NULL);
    rocksdb->reads[STORE_CACHED] = new_read_options(READ_TIER_CACHE, NULL);
    rocksdb->reads[STORE_DURABLE] = new_read_options(READ_TIER_PERSISTED, NULL);
    rocksdb->db = rocksdb_open(rocksdb->options, given->folder, &error);
    if (error != NULL) {
        close_store(&rocksdb->store);
        return status_of(error, "open");
    }
    *out_store = &rocksdb->store;
    return STATUS_OK;
}
