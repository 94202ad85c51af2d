#include "storage/node.h"

#include <semaphore.h>
#include <unistd.h>

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/node_folder.h"
#include "storage/service.h"
#include "storage/store_rocksdb.h"

enum {
    SERVICE_COUNT = 6,
    LOOPS_MAX = 64,
    WORKERS_MAX = 16,
    READ_QUEUE_MAX = 10000,
    SEGMENTS_MAX = 8,
    SEGMENT_SIZE_LEAST = 4 * 1024 * 1024, /* octets: half of it holds the largest submission */
    CARE_INTERVAL_MS = 2000,
};

/* A shard that the node holds; `shard` is NULL when it cannot be served. */
struct holding {
    uint32_t id;
    enum status status;
    bool is_new; /* the log does not know it */
    struct shard_log log;
    struct shard *shard;
    struct loop *loop;
};

struct node {
    struct node_options options;
    struct node_folder folder;
    struct store *store;
    struct log *log;
    struct log_writer *writer;
    struct worker_pool *workers;
    struct worker_pool *care_workers; /* one thread: flushes */
    struct loop *loops[LOOPS_MAX];
    struct holding *holdings; /* by id */
    size_t holding_count;
    ProtobufCService *service_list[SERVICE_COUNT];
    struct rpc_services services;
    struct loop_timer care;
    struct worker_job flush;
    bool is_flushing;
    bool is_running;
    bool has_failed; /* the writer's */
};

/* ---- Holdings ---- */

static struct holding *find_holding(const struct node *node, uint32_t shard)
{
    size_t low = 0;
    size_t high = node->holding_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (node->holdings[middle].id < shard) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < node->holding_count && node->holdings[low].id == shard ? &node->holdings[low]
                                                                        : NULL;
}

/* Keeps the order by id. */
static struct holding *add_holding(struct node *node, uint32_t shard)
{
    struct holding *present = find_holding(node, shard);
    size_t at = node->holding_count;

    if (present != NULL) {
        return present;
    }
    node->holdings =
        memory_resized(node->holdings, (node->holding_count + 1) * sizeof(struct holding));
    while (at > 0 && node->holdings[at - 1].id > shard) {
        node->holdings[at] = node->holdings[at - 1];
        at--;
    }
    node->holdings[at] = (struct holding){.id = shard};
    node->holding_count++;
    return &node->holdings[at];
}

static void on_recovered(void *context, struct log *log, const struct log_recovered *recovered)
{
    struct holding *holding = add_holding(context, recovered->shard);

    holding->status = recovered->status;
    holding->log = (struct shard_log){
        .hard_state = recovered->hard_state,
        .compacted = recovered->compacted,
        .last = recovered->last,
    };
}

struct shard *node_shard(const struct node *node, uint32_t shard, enum status *out_status)
{
    struct holding *holding = find_holding(node, shard);

    if (holding == NULL) {
        *out_status = STATUS_NOT_LEADER;
        return NULL;
    }
    if (holding->shard == NULL) {
        *out_status = holding->status;
    }
    return holding->shard;
}

static struct loop *route(void *context, uint32_t shard)
{
    struct holding *holding = find_holding(context, shard);

    return holding != NULL ? holding->loop : NULL;
}

bool node_shard_state(const struct node *node, size_t index, struct shard_state *out_state)
{
    if (index >= node->holding_count) {
        return false;
    }
    const struct holding *holding = &node->holdings[index];

    *out_state = holding->shard != NULL
                     ? shard_state(holding->shard)
                     : (struct shard_state){.id = holding->id, .status = holding->status};
    return true;
}

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

static enum status open_log(struct node *node)
{
    char path[FILE_PATH_SIZE_MAX];
    struct log_options options = {
        .files = &file_system_posix,
        .folder = path,
        .segment_size = node->options.log_segment_size,
        .cache_size_max = node->options.log_cache_size,
        .on_recovered = on_recovered,
        .context = node,
    };

    node_folder_path(&node->folder, "log", path);
    return log_open(&options, &node->log);
}

/* A shard with state and without a log has lost it: to begin a new one would take back what was
 * promised. */
static enum status check_new(const struct node *node, uint32_t shard)
{
    uint64_t durable = 0;
    enum status status = apply_durable_index(node->store, shard, &durable);

    if (status == STATUS_OK && durable > 0) {
        log_error("node.log_lost", log_number("shard", shard), log_number("applied", durable));
        return STATUS_CORRUPT;
    }
    return status;
}

static void note_wanted(struct node *node)
{
    for (size_t index = 0; index < node->options.shard_count; index++) {
        uint32_t shard = node->options.shards[index];

        if (find_holding(node, shard) == NULL) {
            struct holding *holding = add_holding(node, shard);

            holding->is_new = true;
            holding->status = check_new(node, shard);
        }
    }
}

static void open_shards(struct node *node)
{
    for (size_t index = 0; index < node->holding_count; index++) {
        struct holding *holding = &node->holdings[index];

        holding->loop = node->loops[index % node->options.loop_count];
        if (holding->status != STATUS_OK) {
            log_error("node.shard_refused", log_number("shard", holding->id),
                      log_status(holding->status));
            continue;
        }
        struct shard_options options = {
            .id = holding->id,
            .node = node->folder.id,
            .loop = holding->loop,
            .store = node->store,
            .log = node->log,
            .writer = node->writer,
            .workers = node->workers,
            .waiting_size_max = node->options.waiting_size_max,
            .write_size_max = node->options.log_segment_size / 4,
            .uid_cache_size_max = node->options.uid_cache_size_max,
        };

        holding->status = shard_open(&options, &holding->log, &holding->shard);
        if (holding->status != STATUS_OK) {
            log_error("node.shard_refused", log_number("shard", holding->id),
                      log_status(holding->status));
        }
    }
}

/* On the writer's thread. A failure that is not about room is the log's end. */
static void on_log_completed(void *context, struct log_append *append)
{
    struct node *node = context;
    bool is_dead = append->status == STATUS_IO_ERROR;

    shard_log_completed(NULL, append);
    if (is_dead && !node->has_failed) {
        node->has_failed = true;
        if (node->options.failed != NULL) {
            node->options.failed(node->options.failed_context);
        }
    }
}

static void make_threads(struct node *node)
{
    struct node_options *options = &node->options;

    for (size_t index = 0; index < options->loop_count; index++) {
        node->loops[index] = loop_new("shards");
    }
    node->workers = worker_pool_new("reads", options->worker_count, options->read_queue_max);
    node->care_workers = worker_pool_new("flush", 1, 1);
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
    node->services = (struct rpc_services){
        .services = node->service_list,
        .service_count = SERVICE_COUNT,
        .route = route,
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

    set_default(&options.loop_count, core_count, LOOPS_MAX);
    set_default(&options.worker_count, core_count, WORKERS_MAX);
    set_default(&options.read_queue_max, READ_QUEUE_MAX, SIZE_MAX);
    set_default(&options.log_segments_max, SEGMENTS_MAX, SIZE_MAX);
    if (options.log_segment_size != 0 && options.log_segment_size < SEGMENT_SIZE_LEAST) {
        options.log_segment_size = SEGMENT_SIZE_LEAST;
    }
    return options;
}

/* ---- Care: flushing when the log grows ---- */

static void compact_all(struct node *node)
{
    for (size_t index = 0; index < node->holding_count; index++) {
        if (node->holdings[index].shard != NULL) {
            shard_compact(node->holdings[index].shard);
        }
    }
}

enum status node_flush(struct node *node)
{
    CRASH_POINT("node.before_flush");
    enum status status = store_flush(node->store);

    CRASH_POINT("node.after_flush");
    compact_all(node);
    return status;
}

static void work_flush(struct worker_job *job)
{
    struct node *node = CONTAINER_OF(job, struct node, flush);
    size_t segment_count = log_statistics(node->log).segment_count;

    store_care(node->store);
    if (segment_count > node->options.log_segments_max / 2) {
        compact_all(node);
    }
    if (segment_count > node->options.log_segments_max && node_flush(node) != STATUS_OK) {
        log_warning("node.not_flushed", log_number("segments", segment_count));
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
    enum status status = node_folder_open(options->folder, NODE_FORMAT_VERSION, &node->folder);

    if (status == STATUS_OK) {
        status = open_store(node);
    }
    if (status == STATUS_OK) {
        status = open_log(node);
    }
    if (status != STATUS_OK) {
        log_error("node.not_opened", log_text("folder", slice_of(options->folder)),
                  log_status(status));
        node_close(node);
        return status;
    }
    note_wanted(node);
    make_threads(node);
    make_services(node);
    open_shards(node);
    loop_timer_init(&node->care, node->loops[0], on_care);
    loop_timer_start(&node->care, CARE_INTERVAL_MS);
    for (size_t index = 0; index < node->options.loop_count; index++) {
        loop_start(node->loops[index]);
    }
    node->is_running = true;
    log_info("node.serving", log_number("node", node->folder.id),
             log_number("shards", node->holding_count));
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

/* Runs on a loop what has to be over before its owner goes on. */
struct halt {
    struct loop_message message;
    struct node *node;
    struct holding *holding; /* NULL: the node's own care */
    sem_t halted;
};

static void run_halt(struct loop_message *message)
{
    struct halt *halt = CONTAINER_OF(message, struct halt, message);

    if (halt->holding != NULL) {
        shard_stop(halt->holding->shard);
    } else {
        loop_timer_stop(&halt->node->care);
    }
    CHECK(sem_post(&halt->halted) == 0);
}

static void halt_and_wait(struct node *node, struct loop *loop, struct holding *holding)
{
    struct halt halt = {.message = {.run = run_halt}, .node = node, .holding = holding};

    CHECK(sem_init(&halt.halted, 0, 0) == 0);
    loop_post(loop, &halt.message);
    while (sem_wait(&halt.halted) != 0) {
        continue; /* a signal */
    }
    sem_destroy(&halt.halted);
}

/* Nothing new goes to the log once the shards have stopped; then the writer ends, then the workers,
 * whose last messages come before the end of the loops. */
void node_stop(struct node *node)
{
    if (!node->is_running) {
        return;
    }
    node->is_running = false;
    halt_and_wait(node, node->loops[0], NULL);
    for (size_t index = 0; index < node->holding_count; index++) {
        if (node->holdings[index].shard != NULL) {
            halt_and_wait(node, node->holdings[index].loop, &node->holdings[index]);
        }
    }
    worker_pool_free(node->care_workers);
    log_writer_free(node->writer);
    worker_pool_free(node->workers);
    node->writer = NULL;
    for (size_t index = 0; index < node->options.loop_count; index++) {
        loop_stop(node->loops[index]);
        loop_join(node->loops[index]);
    }
}

static void close_files(struct node *node)
{
    if (node->store != NULL && node->log != NULL) {
        enum status status = store_flush(node->store);

        if (status != STATUS_OK) {
            log_warning("node.not_flushed", log_status(status));
        }
    }
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
    for (size_t index = 0; index < node->holding_count; index++) {
        shard_close(node->holdings[index].shard);
    }
    for (size_t index = 0; index < node->options.loop_count; index++) {
        if (node->loops[index] != NULL) {
            loop_free(node->loops[index]);
        }
    }
    for (size_t index = 0; index < SERVICE_COUNT; index++) {
        service_free(node->service_list[index]);
    }
    close_files(node);
    memory_free(node->holdings);
    memory_free(node);
}

enum status node_property(const struct node *node, const char *name, uint64_t *out_number)
{
    return store_property(node->store, name, out_number);
}
