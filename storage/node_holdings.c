/* Which shards a node holds: the book says it, the log has to agree. */
#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/random.h"
#include "storage/crash_point.h"
#include "storage/node_parts.h"
#include "storage/replica_id.h"

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

void node_on_recovered(void *context, struct log *log, const struct log_recovered *recovered)
{
    struct holding *holding = add_holding(context, recovered->shard);

    holding->status = recovered->status;
    holding->is_logged = true;
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

struct loop *node_route(void *context, uint32_t shard)
{
    struct holding *holding = find_holding(context, shard);

    return holding != NULL ? holding->loop : NULL;
}

struct look {
    struct loop_message message;
    struct shard *shard;
    struct shard_state state;
    sem_t done;
};

static void run_look(struct loop_message *message)
{
    struct look *look = CONTAINER_OF(message, struct look, message);

    look->state = shard_state(look->shard);
    CHECK(sem_post(&look->done) == 0);
}

static struct shard_state look_at(struct node *node, struct holding *holding)
{
    struct look look = {.message = {.run = run_look}, .shard = holding->shard};

    if (!node->is_running) {
        return shard_state(holding->shard);
    }
    CHECK(sem_init(&look.done, 0, 0) == 0);
    loop_post(holding->loop, &look.message);
    node_wait(&look.done, 1);
    sem_destroy(&look.done);
    return look.state;
}

bool node_shard_state(struct node *node, size_t index, struct shard_state *out_state)
{
    if (index >= node->holding_count) {
        return false;
    }
    struct holding *holding = &node->holdings[index];

    *out_state = holding->shard != NULL
                     ? look_at(node, holding)
                     : (struct shard_state){.id = holding->id, .status = holding->status};
    return true;
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
    for (size_t index = 0; index < node->holding_count; index++) {
        struct replica_record record = sole_voter(node, node->holdings[index].id);

        record.state = REPLICA_BEGUN;
        replica_book_put(&node->book, &record);
    }
}

/* A crash may have come between a replica's first write and the note of it. */
static void note_begun(struct node *node)
{
    for (size_t index = 0; index < node->book.count; index++) {
        struct replica_record *record = &node->book.records[index];
        struct holding *holding = add_holding(node, record->shard);

        holding->is_booked = true;
        if (record->state == REPLICA_FRESH && holding->is_logged) {
            record->state = REPLICA_BEGUN;
        } else if (record->state == REPLICA_FRESH) {
            holding->status = check_new(node, record->shard);
        } else if (record->state == REPLICA_BEGUN && !holding->is_logged) {
            log_error("node.log_lost", log_number("shard", record->shard));
            holding->status = STATUS_CORRUPT;
        }
    }
}

static void want(struct node *node, const struct replica_record *record)
{
    if (replica_book_find(&node->book, record->shard) == NULL) {
        struct holding *holding = add_holding(node, record->shard);

        holding->status = check_new(node, record->shard);
        if (holding->status == STATUS_OK) {
            holding->is_booked = true;
            replica_book_put(&node->book, record);
        }
    }
}

static void note_wanted(struct node *node)
{
    const struct node_options *options = &node->options;

    for (size_t index = 0; index < options->shard_count; index++) {
        struct replica_record record = sole_voter(node, options->shards[index]);

        want(node, &record);
    }
    for (size_t index = 0; index < options->replica_count; index++) {
        const struct node_replica *replica = &options->replicas[index];
        struct replica_record record = {
            .shard = replica->shard,
            .id = replica->id,
            .generation = replica->generation,
            .base.configuration = replica->configuration,
        };

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
        note_begun(node);
        note_wanted(node);
        CRASH_POINT("node.before_book");
        status = replica_book_save(&node->book, node->folder.path);
    }
    return status;
}

void node_open_shards(struct node *node)
{
    for (size_t index = 0; index < node->holding_count; index++) {
        struct holding *holding = &node->holdings[index];

        size_t side = holding->id % node->options.loop_count;

        holding->loop = node->loops[side];
        if (!holding->is_booked && holding->status == STATUS_OK) {
            holding->status = STATUS_NOT_FOUND; /* given up before, but for its log */
        }
        if (holding->status != STATUS_OK) {
            log_error("node.shard_refused", log_number("shard", holding->id),
                      log_status(holding->status));
            continue;
        }
        struct shard_options options = {
            .replica = *replica_book_find(&node->book, holding->id),
            .loop = holding->loop,
            .store = node->store,
            .log = node->log,
            .writer = node->writer,
            .workers = node->workers,
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
    }
}

/* ---- The end ---- */

void node_each_shard_here(struct node *node, void (*each)(void *context, struct shard *shard),
                          void *context)
{
    for (size_t index = 0; index < node->holding_count; index++) {
        struct holding *holding = &node->holdings[index];

        if (holding->shard != NULL && loop_is_current(holding->loop)) {
            each(context, holding->shard);
        }
    }
}

/* Runs on a loop what has to be over before its owner goes on. */
struct halt {
    struct loop_message message;
    struct node *node;
    struct holding *holding; /* NULL: the node's own care */
    sem_t *halted;
};

static void on_stopped(struct loop_message *message)
{
    struct holding *holding = CONTAINER_OF(message, struct holding, stopped);

    CHECK(sem_post(holding->halted) == 0);
}

static void run_halt(struct loop_message *message)
{
    struct halt *halt = CONTAINER_OF(message, struct halt, message);

    if (halt->holding != NULL) {
        halt->holding->halted = halt->halted;
        halt->holding->stopped.run = on_stopped;
        shard_stop(halt->holding->shard, &halt->holding->stopped);
    } else {
        loop_timer_stop(&halt->node->care);
        CHECK(sem_post(halt->halted) == 0);
    }
}

void node_wait(sem_t *halted, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        while (sem_wait(halted) != 0) {
            continue; /* a signal */
        }
    }
}

/* All shards at once: each takes the time that its last writes need. */
void node_halt(struct node *node)
{
    struct halt *halts = memory_zeroed((node->holding_count + 1) * sizeof(*halts));
    size_t count = 0;
    sem_t halted;

    CHECK(sem_init(&halted, 0, 0) == 0);
    for (size_t index = 0; index < node->holding_count; index++) {
        struct holding *holding = &node->holdings[index];

        if (holding->shard != NULL) {
            halts[count] = (struct halt){{.run = run_halt}, node, holding, &halted};
            loop_post(holding->loop, &halts[count++].message);
        }
    }
    halts[count] = (struct halt){{.run = run_halt}, node, NULL, &halted};
    loop_post(node->loops[0], &halts[count++].message);
    node_wait(&halted, count);
    sem_destroy(&halted);
    memory_free(halts);
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
