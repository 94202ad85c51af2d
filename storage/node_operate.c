/* What a node does when it is told to by who places replicas. Replicas come and go one after
 * another, on a thread of their own, which may wait for loops and for the disk; what a shard's
 * leader does is the shard's. */
#include <stdio.h>

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/keys.h"
#include "storage/node_parts.h"

struct operation {
    struct worker_job job;
    struct loop_message message;
    struct node *node;
    struct replica_record record;
    uint32_t shard;
    uint64_t replica;
    struct raft_configuration configuration;
    enum status status;
    node_done_fn *done;
    void *context;
};

static struct operation *new_operation(struct node *node, uint32_t shard, node_done_fn *done,
                                       void *context)
{
    struct operation *operation = NEW(struct operation);

    operation->node = node;
    operation->shard = shard;
    operation->done = done;
    operation->context = context;
    return operation;
}

static void end(struct operation *operation, enum status status)
{
    if (operation->done != NULL) {
        operation->done(operation->context, status);
    }
    memory_free(operation);
}

static void on_refused(struct loop_message *message)
{
    struct operation *operation = CONTAINER_OF(message, struct operation, message);

    end(operation, operation->status);
}

static void on_worked(struct worker_job *job)
{
    struct operation *operation = CONTAINER_OF(job, struct operation, job);

    end(operation, operation->status);
}

static void submit(struct operation *operation, void (*work)(struct worker_job *job))
{
    struct loop *loop = operation->node->loops[0];

    operation->job = (struct worker_job){.work = work, .done = on_worked};
    enum status status = worker_submit(operation->node->operators, loop, &operation->job);

    if (status != STATUS_OK) { /* else it is not ours any more */
        operation->status = status;
        operation->message.run = on_refused;
        loop_post(loop, &operation->message);
    }
}

/* ---- Coming ---- */

struct opening {
    struct node *node;
    struct holding *holding;
    const struct replica_record *record;
    enum status status;
};

static void open_here(void *context)
{
    struct opening *opening = context;

    opening->status = node_open_shard(opening->node, opening->holding, opening->record);
}

static enum status save(struct node *node)
{
    enum status status = replica_book_save(&node->book, node->folder.path);

    if (status != STATUS_OK) {
        log_warning("node.book_not_saved", log_status(status));
    }
    return status;
}

static enum status add(struct node *node, const struct replica_record *record)
{
    const struct replica_record *present = replica_book_find(&node->book, record->shard);
    struct opening opening = {.node = node, .record = record};

    if (record->shard == UINT32_MAX || record->id == 0) {
        return STATUS_INVALID;
    }
    if (present != NULL) {
        return present->id == record->id && present->state != REPLICA_LEAVING ? STATUS_OK
                                                                              : STATUS_EXISTS;
    }
    opening.holding = node_add_holding(node, record->shard);
    if (opening.holding == NULL) {
        return STATUS_TOO_LARGE;
    }
    replica_book_put(&node->book, record);
    enum status status = save(node);

    if (status != STATUS_OK) {
        replica_book_remove(&node->book, record->shard);
        return status;
    }
    CRASH_POINT("node.replica_booked");
    log_info("node.replica_added", log_number("shard", record->shard));
    node_visit(node, opening.holding->loop, open_here, &opening);
    return opening.status;
}

static void work_add(struct worker_job *job)
{
    struct operation *operation = CONTAINER_OF(job, struct operation, job);

    operation->status = add(operation->node, &operation->record);
}

void node_add_replica(struct node *node, const struct node_replica *replica, node_done_fn *done,
                      void *context)
{
    struct operation *operation = new_operation(node, replica->shard, done, context);

    operation->record = node_record_of(replica);
    submit(operation, work_add);
}

/* ---- Going ---- */

struct leaving {
    struct loop_message stopped;
    struct holding *holding;
    sem_t done;
};

static void on_stopped(struct loop_message *message)
{
    struct leaving *leaving = CONTAINER_OF(message, struct leaving, stopped);
    struct holding *holding = leaving->holding;

    shard_close(holding->shard);
    holding->shard = NULL;
    holding->status = STATUS_NOT_LEADER;
    CHECK(sem_post(&leaving->done) == 0);
}

static void stop_here(void *context)
{
    struct leaving *leaving = context;

    if (leaving->holding->shard != NULL) {
        shard_stop(leaving->holding->shard, &leaving->stopped);
    } else {
        CHECK(sem_post(&leaving->done) == 0);
    }
}

static void stop_shard(struct node *node, uint32_t shard)
{
    struct leaving leaving = {.stopped = {.run = on_stopped},
                              .holding = holdings_find(node->holdings, shard)};

    CHECK(sem_init(&leaving.done, 0, 0) == 0);
    node_visit(node, leaving.holding->loop, stop_here, &leaving);
    node_wait(&leaving.done, 1);
    sem_destroy(&leaving.done);
}

/* That was to be installed when it was removed. */
static void forget_snapshot(const struct node *node, uint32_t shard)
{
    char folder[FILE_PATH_SIZE_MAX];

    CHECK(snprintf(folder, sizeof(folder), "%s/%u%s", node->snapshot_folder, shard,
                   SHARD_INSTALLING) < FILE_PATH_SIZE_MAX);
    snapshot_folder_remove(folder);
}

/* Durably: the record goes after it, and nothing else remembers the replica. */
static enum status wipe_state(struct node *node, uint32_t shard)
{
    struct store_batch *batch = store_batch_new(node->store);
    struct key low;
    struct key high;
    struct slice prefix = key_shard(&low, shard);

    store_batch_delete_range(node->store, batch, prefix, key_after(&high, prefix));
    enum status status = store_write(node->store, batch);

    store_batch_free(node->store, batch);
    forget_snapshot(node, shard);
    CRASH_POINT("node.state_wiped");
    return status == STATUS_OK ? store_flush(node->store) : status;
}

struct forgetting {
    struct log_append append; /* the first */
    sem_t done;
};

/* On the writer's thread. */
void node_forgotten(struct log_append *append)
{
    struct forgetting *forgetting = CONTAINER_OF(append, struct forgetting, append);

    CHECK(sem_post(&forgetting->done) == 0);
}

static enum status forget_log(struct node *node, uint32_t shard)
{
    struct forgetting forgetting = {.append = {.shard = shard}};

    CHECK(sem_init(&forgetting.done, 0, 0) == 0);
    enum status status = log_writer_forget(node->writer, &forgetting.append);

    if (status == STATUS_OK) {
        node_wait(&forgetting.done, 1);
        status = forgetting.append.status;
    }
    sem_destroy(&forgetting.done);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status finish(struct node *node, uint32_t shard)
{
    enum status status = wipe_state(node, shard);

    if (status == STATUS_OK) {
        status = forget_log(node, shard);
    }
    CRASH_POINT("node.log_forgotten");
    if (status == STATUS_OK) {
        replica_book_remove(&node->book, shard);
        status = save(node);
    }
    if (status == STATUS_OK) {
        log_info("node.replica_removed", log_number("shard", shard));
    }
    return status;
}

static enum status take_away(struct node *node, uint32_t shard, uint64_t replica)
{
    struct replica_record *record = replica_book_find(&node->book, shard);

    if (record == NULL || record->id != replica) {
        return STATUS_OK;
    }
    if (record->state != REPLICA_LEAVING) {
        enum replica_state before = record->state;

        record->state = REPLICA_LEAVING;
        enum status status = save(node);

        if (status != STATUS_OK) {
            record->state = before;
            return status;
        }
    }
    CRASH_POINT("node.replica_leaves");
    stop_shard(node, shard);
    return finish(node, shard);
}

static void work_remove(struct worker_job *job)
{
    struct operation *operation = CONTAINER_OF(job, struct operation, job);

    operation->status = take_away(operation->node, operation->shard, operation->replica);
}

void node_remove_replica(struct node *node, uint32_t shard, uint64_t replica, node_done_fn *done,
                         void *context)
{
    struct operation *operation = new_operation(node, shard, done, context);

    operation->replica = replica;
    submit(operation, work_remove);
}

static void work_finish(struct worker_job *job)
{
    struct operation *operation = CONTAINER_OF(job, struct operation, job);

    operation->status = finish(operation->node, operation->shard);
}

void node_finish_removal(struct node *node, uint32_t shard)
{
    submit(new_operation(node, shard, NULL, NULL), work_finish);
}

/* ---- What the leader does ---- */

static void send(struct operation *operation, void (*run)(struct loop_message *message))
{
    struct node *node = operation->node;
    struct holding *holding = holdings_find(node->holdings, operation->shard);

    operation->message.run = run;
    loop_post(holding != NULL ? holding->loop : node->loops[0], &operation->message);
}

static void on_done(void *context, enum status status)
{
    end(context, status);
}

static struct shard *find(struct operation *operation)
{
    enum status status = STATUS_OK;
    struct shard *shard = node_shard(operation->node, operation->shard, &status);

    if (shard == NULL) {
        end(operation, status);
    }
    return shard;
}

static void run_change(struct loop_message *message)
{
    struct operation *operation = CONTAINER_OF(message, struct operation, message);
    struct shard *shard = find(operation);

    if (shard != NULL) {
        shard_change(shard, &operation->configuration, on_done, operation);
    }
}

void node_change_shard(struct node *node, uint32_t shard, const struct raft_configuration *wished,
                       node_done_fn *done, void *context)
{
    struct operation *operation = new_operation(node, shard, done, context);

    operation->configuration = *wished;
    send(operation, run_change);
}

static void run_transfer(struct loop_message *message)
{
    struct operation *operation = CONTAINER_OF(message, struct operation, message);
    struct shard *shard = find(operation);

    if (shard != NULL) {
        shard_transfer(shard, operation->replica, on_done, operation);
    }
}

void node_transfer_shard(struct node *node, uint32_t shard, uint64_t replica, node_done_fn *done,
                         void *context)
{
    struct operation *operation = new_operation(node, shard, done, context);

    operation->replica = replica;
    send(operation, run_transfer);
}
