/* Which shards a node holds: the book says it, the log has to agree. */
#include <stdio.h>
#include <unistd.h>

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/random.h"
#include "storage/crash_point.h"
#include "storage/node_parts.h"
#include "storage/replica_id.h"

/* ---- Holdings ---- */

struct holding *node_add_holding(struct node *node, uint32_t shard)
{
    return holdings_add(node->holdings, shard, node->loops[shard % node->options.loop_count]);
}

void node_on_recovered(void *context, struct log *log, const struct log_recovered *recovered)
{
    struct holding *holding = node_add_holding(context, recovered->shard);

    holding->status = recovered->status;
    holding->is_logged = true;
}

/* Whoever asks on another loop did so when there was no such holding yet. */
struct shard *node_shard(const struct node *node, uint32_t shard, enum status *out_status)
{
    struct holding *holding = holdings_find(node->holdings, shard);

    if (holding == NULL || !loop_is_current(holding->loop)) {
        *out_status = STATUS_NOT_LEADER;
        return NULL;
    }
    if (holding->shard == NULL) {
        /* Not opened yet: somebody else leads, or nobody. */
        *out_status = holding->status != STATUS_OK ? holding->status : STATUS_NOT_LEADER;
    }
    return holding->shard;
}

struct loop *node_route(void *context, uint32_t shard)
{
    const struct node *node = context;
    struct holding *holding = holdings_find(node->holdings, shard);

    return holding != NULL ? holding->loop : NULL;
}

/* ---- Visits ---- */

struct visit {
    struct loop_message message;
    void (*run)(void *context);
    void *context;
    sem_t done;
};

static void run_visit(struct loop_message *message)
{
    struct visit *visit = CONTAINER_OF(message, struct visit, message);

    visit->run(visit->context);
    CHECK(sem_post(&visit->done) == 0);
}

void node_wait(sem_t *done, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        while (sem_wait(done) != 0) {
            continue; /* a signal */
        }
    }
}

void node_visit(struct node *node, struct loop *loop, void (*run)(void *context), void *context)
{
    struct visit visit = {.message = {.run = run_visit}, .run = run, .context = context};

    if (!node->is_running) {
        run(context);
        return;
    }
    CHECK(sem_init(&visit.done, 0, 0) == 0);
    loop_post(loop, &visit.message);
    node_wait(&visit.done, 1);
    sem_destroy(&visit.done);
}

struct look {
    struct holding *holding;
    struct shard_state *out_state;
};

static void look(void *context)
{
    struct look *look = context;
    struct holding *holding = look->holding;

    if (holding->shard != NULL) {
        *look->out_state = shard_state(holding->shard);
    } else {
        *look->out_state = (struct shard_state){.id = holding->id, .status = holding->status};
    }
}

bool node_shard_state(struct node *node, size_t index, struct shard_state *out_state)
{
    if (index >= holdings_count(node->holdings)) {
        return false;
    }
    struct look context = {holdings_at(node->holdings, index), out_state};

    node_visit(node, context.holding->loop, look, &context);
    return true;
}

void node_each_shard_here(struct node *node, void (*each)(void *context, struct shard *shard),
                          void *context)
{
    for (size_t index = 0; index < holdings_count(node->holdings); index++) {
        struct holding *holding = holdings_at(node->holdings, index);

        if (loop_is_current(holding->loop) && holding->shard != NULL) {
            each(context, holding->shard);
        }
    }
}

/* ---- The book ---- */

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

/* A copy of its own, whose group it is: what a node begins with that no other places replicas for.
 */
static struct replica_record sole_voter(const struct node *node, uint32_t shard)
{
    uint32_t life = 0;

    while (life == 0) {
        random_octets(&life, sizeof(life));
    }
    struct replica_record record = {
        .shard = shard,
        .id = replica_id_make(node->options.node, life),
        .base.configuration = {.count = 1},
    };

    record.base.configuration.replicas[0] =
        (struct raft_replica){.id = record.id, .parts = RAFT_VOTER};
    return record;
}

/* A folder of before there was a book: what its log knows are groups of one voter. */
static void begin_book(struct node *node)
{
    for (size_t index = 0; index < holdings_count(node->holdings); index++) {
        struct replica_record record = sole_voter(node, holdings_at(node->holdings, index)->id);

        record.state = REPLICA_BEGUN;
        replica_book_put(&node->book, &record);
    }
}

/* A snapshot was taking the place of its state when a crash came. */
static bool is_installing(const struct node *node, uint32_t shard)
{
    char path[FILE_PATH_SIZE_MAX];

    CHECK(snprintf(path, sizeof(path), "%s/%u%s", node->snapshot_folder, shard, SHARD_INSTALLING) <
          FILE_PATH_SIZE_MAX);
    return access(path, F_OK) == 0;
}

static enum status look_for_log(struct node *node, struct replica_record *record, bool is_logged)
{
    if (record->state == REPLICA_FRESH && !is_logged) {
        return is_installing(node, record->shard) ? STATUS_OK : check_new(node, record->shard);
    }
    if (record->state == REPLICA_FRESH) {
        record->state = REPLICA_BEGUN; /* a crash came between its first write and this note */
    } else if (record->state == REPLICA_BEGUN && !is_logged) {
        log_error("node.log_lost", log_number("shard", record->shard));
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

static void note_booked(struct node *node)
{
    for (size_t index = 0; index < node->book.count; index++) {
        struct replica_record *record = &node->book.records[index];
        struct holding *holding = node_add_holding(node, record->shard);

        holding->is_booked = true;
        if (holding->status == STATUS_OK) {
            holding->status = look_for_log(node, record, holding->is_logged);
        }
    }
}

static void want(struct node *node, const struct replica_record *record)
{
    struct holding *holding = NULL;

    if (replica_book_find(&node->book, record->shard) == NULL) {
        holding = node_add_holding(node, record->shard);
    }
    if (holding != NULL && !holding->is_logged) {
        holding->status = check_new(node, record->shard);
        if (holding->status == STATUS_OK) {
            holding->is_booked = true;
            replica_book_put(&node->book, record);
        }
    }
}

struct replica_record node_record_of(const struct node_replica *replica)
{
    return (struct replica_record){
        .shard = replica->shard,
        .id = replica->id,
        .generation = replica->generation,
        .base.configuration = replica->configuration,
    };
}

static void note_wanted(struct node *node)
{
    const struct node_options *options = &node->options;

    for (size_t index = 0; index < options->shard_count; index++) {
        struct replica_record record = sole_voter(node, options->shards[index]);

        want(node, &record);
    }
    for (size_t index = 0; index < options->replica_count; index++) {
        struct replica_record record = node_record_of(&options->replicas[index]);

        want(node, &record);
    }
}

enum status node_open_book(struct node *node)
{
    enum status status = replica_book_load(&node->book, node->folder.path);

    if (status == STATUS_NOT_FOUND) {
        begin_book(node);
        status = STATUS_OK;
    }
    if (status == STATUS_OK) {
        note_booked(node);
        note_wanted(node);
        CRASH_POINT("node.before_book");
        status = replica_book_save(&node->book, node->folder.path);
    }
    return status;
}

void node_close_book(struct node *node)
{
    bool is_changed = false;

    for (size_t index = 0; node->log != NULL && index < node->book.count; index++) {
        struct replica_record *record = &node->book.records[index];
        struct log_bounds bounds;

        if (record->state == REPLICA_FRESH &&
            log_bounds(node->log, record->shard, &bounds) == STATUS_OK) {
            record->state = REPLICA_BEGUN;
            is_changed = true;
        }
    }
    if (is_changed) {
        enum status status = replica_book_save(&node->book, node->folder.path);

        if (status != STATUS_OK) {
            log_warning("node.book_not_saved", log_status(status));
        }
    }
    replica_book_done(&node->book);
}

/* ---- Shards ---- */

enum status node_open_shard(struct node *node, struct holding *holding,
                            const struct replica_record *record)
{
    size_t side = holding->id % node->options.loop_count;
    struct shard_options options = {
        .replica = *record,
        .loop = holding->loop,
        .store = node->store,
        .log = node->log,
        .writer = node->writer,
        .workers = node->workers,
        .snapshot_folder = node->snapshot_folder,
        .peers = node->sides[side].peers,
        .election_timeout_ms = node->options.election_timeout_ms,
        .heartbeat_ms = node->options.heartbeat_ms,
        .waiting_size_max = node->options.waiting_size_max,
        .write_size_max = node->options.log_segment_size / 4,
        .uid_cache_size_max = node->options.uid_cache_size_max,
    };

    holding->status = shard_open(&options, &holding->shard);
    if (holding->status != STATUS_OK) {
        log_error("node.shard_refused", log_number("shard", holding->id),
                  log_status(holding->status));
    }
    return holding->status;
}

void node_open_shards(struct node *node)
{
    for (size_t index = 0; index < holdings_count(node->holdings); index++) {
        struct holding *holding = holdings_at(node->holdings, index);
        const struct replica_record *record = replica_book_find(&node->book, holding->id);
        enum status status = STATUS_OK;

        if (holding->status != STATUS_OK) {
            log_error("node.shard_refused", log_number("shard", holding->id),
                      log_status(holding->status));
        } else if (record == NULL || record->state == REPLICA_LEAVING) {
            holding->status = STATUS_NOT_LEADER;
            node_finish_removal(node, holding->id);
        } else {
            status = node_open_shard(node, holding, record);
        }
        (void)status; /* the holding has it */
    }
}

/* ---- The end ---- */

struct halt {
    struct loop_message message;
    struct loop_message stopped;
    struct holding *holding;
    sem_t *halted;
};

static void on_stopped(struct loop_message *message)
{
    struct halt *halt = CONTAINER_OF(message, struct halt, stopped);

    CHECK(sem_post(halt->halted) == 0);
}

static void run_halt(struct loop_message *message)
{
    struct halt *halt = CONTAINER_OF(message, struct halt, message);

    halt->stopped.run = on_stopped;
    if (halt->holding->shard != NULL) {
        shard_stop(halt->holding->shard, &halt->stopped);
    } else {
        CHECK(sem_post(halt->halted) == 0);
    }
}

/* All shards at once: each takes the time that its last writes need. */
void node_halt(struct node *node)
{
    size_t count = holdings_count(node->holdings);
    struct halt *halts = memory_zeroed((count + 1) * sizeof(*halts));
    sem_t halted;

    CHECK(sem_init(&halted, 0, 0) == 0);
    for (size_t index = 0; index < count; index++) {
        struct holding *holding = holdings_at(node->holdings, index);

        halts[index].message.run = run_halt;
        halts[index].holding = holding;
        halts[index].halted = &halted;
        loop_post(holding->loop, &halts[index].message);
    }
    node_wait(&halted, count);
    sem_destroy(&halted);
    memory_free(halts);
}
