#include "storage/node.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/node_parts.h"
#include "storage/service.h"
#include "storage/store_rocksdb.h"

enum {
    WORKERS_MAX = 16,
    READ_QUEUE_MAX = 10000,
    SEGMENTS_MAX = 8,
    LOG_SPARES_MAX = 4,
    LOG_ZERO_AHEAD = 1024 * 1024,         /* octets */
    SEGMENT_SIZE_LEAST = 4 * 1024 * 1024, /* octets: half of it holds the largest submission */
    OPERATIONS_MAX = 10000,               /* that wait */
    CARE_INTERVAL_MS = 2000,
    PEER_SILENCE_MAX_MS = 3000,
    WRITE_BUFFER_SIZE = 64 * 1024 * 1024, /* octets, the store's default */
    ROOM_BUFFERS = 4,                     /* as many of them are kept free on the disk */
};

/* ---- Opening ---- */

static enum status open_store(struct node *node)
{
    char path[FILE_PATH_SIZE_MAX];
    struct store_rocksdb_options options = {
        .folder = path,
        .block_cache_size = node->options.block_cache_size,
        .write_buffer_size = node->options.write_buffer_size,
        .blob_size_min = node->options.blob_size_min,
    };

    node_folder_path(&node->folder, "state", path);
    return store_rocksdb_open(&options, &node->store);
}

/* The store needs room to flush and to compact, and Debian's RocksDB aborts the process where it
 * finds none: so the log, through which all writes come, is full before the disk is. */
static bool has_room(void *context)
{
    const struct node *node = context;
    uint64_t buffer_size = node->options.write_buffer_size;
    struct statvfs disk;

    buffer_size = buffer_size > 0 ? buffer_size : WRITE_BUFFER_SIZE;
    if (node->log == NULL || statvfs(node->folder.path, &disk) != 0) {
        return true; /* while it opens, it only brings back what there was */
    }
    return (uint64_t)disk.f_bavail * disk.f_frsize >= ROOM_BUFFERS * buffer_size;
}

static enum status open_log(struct node *node)
{
    char path[FILE_PATH_SIZE_MAX];
    struct log_options options = {
        .files = &file_system_posix,
        .folder = path,
        .segment_size = node->options.log_segment_size,
        .cache_size_max = node->options.log_cache_size,
        .spare_count_max = LOG_SPARES_MAX,
        .zero_ahead = LOG_ZERO_AHEAD,
        .on_recovered = node_on_recovered,
        .has_room = has_room,
        .context = node,
    };

    node_folder_path(&node->folder, "log", path);
    return log_open(&options, &node->log);
}

/* On the writer's thread. A failure that is not about room is the log's end. */
static void on_log_completed(void *context, struct log_append *append)
{
    struct node *node = context;
    bool is_dead = append->status == STATUS_IO_ERROR;

    if (append->context != NULL) {
        shard_log_completed(NULL, append);
    } else {
        node_forgotten(append);
    }
    if (is_dead && !node->has_failed) {
        node->has_failed = true;
        if (node->options.failed != NULL) {
            node->options.failed(node->options.failed_context);
        }
    }
}

static void make_loops(struct node *node)
{
    for (size_t index = 0; index < node->options.loop_count; index++) {
        node->loops[index] = loop_new("shards");
        node_make_peers(node, index);
    }
}

static void make_threads(struct node *node)
{
    struct node_options *options = &node->options;

    node->workers = worker_pool_new("reads", options->worker_count, options->read_queue_max);
    node->care_workers = worker_pool_new("flush", 1, 1);
    node->operators = worker_pool_new("operator", 1, OPERATIONS_MAX);
    node->writer = log_writer_new(node->log, on_log_completed, node);
}

static void make_services(struct node *node)
{
    node->service_list[0] = directory_service_new(node);
    node->service_list[1] = account_service_new(node);
    node->service_list[2] = mailbox_service_new(node);
    node->service_list[3] = delivery_service_new(node);
    node->service_list[4] = watch_service_new(node);
    node->service_list[5] = handover_service_new(node);
    node->service_list[6] = raft_service_new(node);
    node->service_list[7] = snapshot_service_new(node);
    node->services = (struct rpc_services){
        .services = node->service_list,
        .service_count = NODE_SERVICE_COUNT,
        .route = node_route,
        .context = node,
    };
}

static void set_default(size_t *number, size_t standard, size_t most)
{
    if (*number == 0) {
        *number = standard;
    }
    if (*number > most) {
        *number = most;
    }
}

static struct node_options with_defaults(const struct node_options *given)
{
    struct node_options options = *given;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t core_count = cores > 0 ? (size_t)cores : 1;

    if (options.node == 0) {
        options.node = NODE_ALONE;
    }
    if (options.peer_silence_max_ms == 0) {
        options.peer_silence_max_ms = PEER_SILENCE_MAX_MS;
    }
    set_default(&options.loop_count, core_count, NODE_LOOPS_MAX);
    set_default(&options.worker_count, core_count, WORKERS_MAX);
    set_default(&options.read_queue_max, READ_QUEUE_MAX, SIZE_MAX);
    set_default(&options.log_segments_max, SEGMENTS_MAX, SIZE_MAX);
    if (options.log_segment_size != 0 && options.log_segment_size < SEGMENT_SIZE_LEAST) {
        options.log_segment_size = SEGMENT_SIZE_LEAST;
    }
    return options;
}

/* ---- Care: flushing when the log grows ---- */

struct compaction {
    struct holding *holding;
    uint64_t durable_index;
    bool even_if_needed;
};

static void compact_here(void *context)
{
    const struct compaction *compaction = context;

    if (compaction->holding->shard != NULL) {
        shard_compact(compaction->holding->shard, compaction->durable_index,
                      compaction->even_if_needed);
    }
}

static void compact_all(struct node *node, bool even_if_needed)
{
    for (size_t index = 0; index < holdings_count(node->holdings); index++) {
        struct compaction compaction = {holdings_at(node->holdings, index), 0, even_if_needed};
        enum status status =
            apply_durable_index(node->store, compaction.holding->id, &compaction.durable_index);

        CRASH_POINT("shard.before_compact");
        if (status == STATUS_OK) {
            node_visit(node, compaction.holding->loop, compact_here, &compaction);
        } else {
            log_warning("shard.not_compacted", log_number("shard", compaction.holding->id),
                        log_status(status));
        }
    }
}

enum status node_flush(struct node *node)
{
    CRASH_POINT("node.before_flush");
    enum status status = store_flush(node->store);

    CRASH_POINT("node.after_flush");
    compact_all(node, false);
    return status;
}

static void work_flush(struct worker_job *job)
{
    struct node *node = CONTAINER_OF(job, struct node, flush);
    size_t segment_count = log_statistics(node->log).segment_count;

    store_care(node->store);
    if (segment_count > node->options.log_segments_max / 2) {
        compact_all(node, false);
    }
    if (segment_count > node->options.log_segments_max && node_flush(node) != STATUS_OK) {
        log_warning("node.not_flushed", log_number("segments", segment_count));
    }
    /* Whoever is behind that far is served with a snapshot. */
    if (log_statistics(node->log).segment_count > 2 * node->options.log_segments_max) {
        compact_all(node, true);
    }
}

static void done_flush(struct worker_job *job)
{
    struct node *node = CONTAINER_OF(job, struct node, flush);

    node->is_flushing = false;
}

static void on_care(struct loop_timer *timer)
{
    struct node *node = CONTAINER_OF(timer, struct node, care);

    if (!node->is_flushing) {
        node->flush = (struct worker_job){.work = work_flush, .done = done_flush};
        node->is_flushing =
            worker_submit(node->care_workers, node->loops[0], &node->flush) == STATUS_OK;
    }
    loop_timer_start(timer, CARE_INTERVAL_MS);
}

/* ---- Life ---- */

enum status node_open(const struct node_options *options, struct node **out_node)
{
    struct node *node = NEW(struct node);

    node->options = with_defaults(options);
    node->holdings = holdings_new();
    make_loops(node);
    enum status status = node_folder_open(options->folder, NODE_FORMAT_VERSION, &node->folder);

    if (status == STATUS_OK) {
        node_folder_path(&node->folder, "snapshots", node->snapshot_folder);
        snapshot_folders_clean(node->snapshot_folder, SHARD_INSTALLING);
        status = open_store(node);
    }
    if (status == STATUS_OK) {
        status = open_log(node);
    }
    if (status == STATUS_OK) {
        status = node_open_book(node);
    }
    if (status != STATUS_OK) {
        log_error("node.not_opened", log_text("folder", slice_of(options->folder)),
                  log_status(status));
        node_close(node);
        return status;
    }
    make_threads(node);
    make_services(node);
    node_open_shards(node);
    loop_timer_init(&node->care, node->loops[0], on_care);
    loop_timer_start(&node->care, CARE_INTERVAL_MS);
    for (size_t index = 0; index < node->options.loop_count; index++) {
        loop_start(node->loops[index]);
    }
    node->is_running = true;
    log_info("node.serving", log_number("node", node->folder.id),
             log_number("shards", holdings_count(node->holdings)));
    *out_node = node;
    return STATUS_OK;
}

const struct rpc_services *node_services(const struct node *node)
{
    return &node->services;
}

uint64_t node_id(const struct node *node)
{
    return node->folder.id;
}

uint32_t node_number(const struct node *node)
{
    return node->options.node;
}

struct loop *const *node_loops(const struct node *node, size_t *out_count)
{
    *out_count = node->options.loop_count;
    return node->loops;
}

static void stop_care(void *context)
{
    struct node *node = context;

    loop_timer_stop(&node->care);
}

void node_hand_over(struct node *node)
{
    if (node->has_handed_over || !node->is_running) {
        return;
    }
    node->has_handed_over = true;
    worker_pool_free(node->operators);
    node_visit(node, node->loops[0], stop_care, node);
    node_halt(node);
}

/* Nothing new goes to the log once the shards have stopped; then the writer ends, then the workers,
 * whose last messages come before the end of the loops. */
void node_stop(struct node *node)
{
    if (!node->is_running) {
        return;
    }
    node_hand_over(node);
    node_stop_peers(node);
    worker_pool_free(node->care_workers);
    log_writer_free(node->writer);
    worker_pool_free(node->workers);
    node->writer = NULL;
    for (size_t index = 0; index < node->options.loop_count; index++) {
        loop_stop(node->loops[index]);
        loop_join(node->loops[index]);
    }
    node->is_running = false;
}

static void close_files(struct node *node)
{
    if (node->store != NULL && node->log != NULL) {
        enum status status = store_flush(node->store);

        if (status != STATUS_OK) {
            log_warning("node.not_flushed", log_status(status));
        }
    }
    node_close_book(node);
    log_close(node->log);
    store_close(node->store);
    node_folder_close(&node->folder);
}

void node_close(struct node *node)
{
    if (node == NULL) {
        return;
    }
    node_stop(node);
    /* Messages between loops may still be on their way, so all of them end together. */
    loops_free(node->loops, node->loops[0] != NULL ? node->options.loop_count : 0);
    for (size_t index = 0; index < holdings_count(node->holdings); index++) {
        shard_close(holdings_at(node->holdings, index)->shard);
    }
    for (size_t index = 0; index < node->options.loop_count; index++) {
        peers_free(node->sides[index].peers);
    }
    for (size_t index = 0; index < NODE_SERVICE_COUNT; index++) {
        service_free(node->service_list[index]);
    }
    close_files(node);
    holdings_free(node->holdings);
    memory_free(node);
}

enum status node_property(const struct node *node, const char *name, uint64_t *out_number)
{
    return store_property(node->store, name, out_number);
}
