/* Reads: once it is sure that nobody else leads, on the loop from what is in memory, else on a
 * worker from a snapshot. */
#include "core/log.h"
#include "core/memory.h"
#include "router/handover.h"
#include "storage/shard_parts.h"

/* One read on a worker. */
struct read_job {
    struct worker_job job;
    struct shard *shard;
    enum read_kind kind;
    const ProtobufCMessage *request;
    struct rpc_request *call;
    struct store_snapshot *snapshot;
    struct arena arena;
    struct read read;
    bool reads_uids; /* for the cache: noted there */
    uint64_t uids_account;
    uint32_t uids_mailbox;
    enum status status;
    struct buffer reply;
};

static void pack(const ProtobufCMessage *message, struct buffer *out_reply)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    buffer_init(out_reply, size);
    if (size > 0) {
        protobuf_c_message_pack(message, (uint8_t *)buffer_reserve(out_reply, size));
        buffer_grew(out_reply, size);
    }
}

static void answer(struct shard *shard, struct rpc_request *call, struct rpc_octets *octets,
                   enum status status, struct slice reply)
{
    if (status == STATUS_OK) {
        if (octets != NULL) {
            rpc_reply_octets(call, octets);
        }
        rpc_reply_packed(call, reply);
        return;
    }
    rpc_octets_unref(octets);
    if (apply_is_fatal(status)) {
        shard_fail(shard, status, "read");
    }
    rpc_fail(call, status);
}

/* ---- On a worker ---- */

static void work(struct worker_job *worker_job)
{
    struct read_job *job = CONTAINER_OF(worker_job, struct read_job, job);
    const ProtobufCMessage *message;

    job->status = read_run(&job->read, job->kind, job->request, &message);
    if (job->status == STATUS_OK) {
        pack(message, &job->reply);
    }
}

static void free_job(struct read_job *job)
{
    store_snapshot_release(job->shard->options.store, job->snapshot);
    arena_done(&job->arena);
    buffer_done(&job->reply);
    memory_free(job);
}

/* What OpenMailbox read goes into the cache, or nowhere. */
static void keep_uids(struct shard *shard, struct read_job *job)
{
    if (job->reads_uids) {
        uid_cache_end(shard->uid_cache, job->uids_account, job->uids_mailbox, job->read.uids);
        return;
    }
    uid_set_free(job->read.uids.uids);
    uid_set_free(job->read.uids.unseen);
}

static void done(struct worker_job *worker_job)
{
    struct read_job *job = CONTAINER_OF(worker_job, struct read_job, job);
    struct shard *shard = job->shard;

    keep_uids(shard, job);
    answer(shard, job->call, job->read.octets, job->status, buffer_view(&job->reply));
    free_job(job);
    shard->job_count--;
    if (shard->is_stopping) {
        shard_turn_soon(shard);
    }
}

static void read_on_worker(struct shard *shard, enum read_kind kind,
                           const ProtobufCMessage *request, struct rpc_request *call,
                           const struct read *tried)
{
    struct read_job *job = NEW(struct read_job);

    job->shard = shard;
    job->kind = kind;
    job->request = request;
    job->call = call;
    job->job.work = work;
    job->job.done = done;
    job->snapshot = store_snapshot_take(shard->options.store);
    arena_init(&job->arena);
    job->read = (struct read){
        .view = {shard->options.store, job->snapshot, STORE_ALL},
        .shard = shard->record.shard,
        .arena = &job->arena,
    };
    if (tried->uids_mailbox != 0) {
        job->uids_account = tried->uids_account;
        job->uids_mailbox = tried->uids_mailbox;
        job->reads_uids =
            uid_cache_begin(shard->uid_cache, tried->uids_account, tried->uids_mailbox);
    }
    enum status status = worker_submit(shard->options.workers, shard->options.loop, &job->job);

    shard->job_count += status == STATUS_OK;
    if (status != STATUS_OK) {
        keep_uids(shard, job);
        free_job(job);
        rpc_fail(call, status);
    }
}

/* ---- On the loop ---- */

static void forget_scanned(struct read *read)
{
    uid_set_free(read->uids.uids);
    uid_set_free(read->uids.unseen);
}

/* A small mailbox that the loop read itself is worth a place, too. */
static void keep_scanned(struct shard *shard, struct read *read)
{
    if (read->uids.uids == NULL) {
        return;
    }
    if (uid_cache_begin(shard->uid_cache, read->uids_account, read->uids_mailbox)) {
        uid_cache_end(shard->uid_cache, read->uids_account, read->uids_mailbox, read->uids);
    } else {
        forget_scanned(read);
    }
}

static void read_now(struct shard *shard, enum read_kind kind, const ProtobufCMessage *request,
                     struct rpc_request *call)
{
    struct arena arena;
    struct buffer reply;
    const ProtobufCMessage *message;

    arena_init(&arena);
    struct read read = {
        .view = {shard->options.store, NULL, STORE_CACHED},
        .shard = shard->record.shard,
        .arena = &arena,
        .cache = shard->uid_cache,
    };
    enum status status = read_run(&read, kind, request, &message);

    if (status == STATUS_AGAIN) {
        forget_scanned(&read);
        rpc_octets_unref(read.octets);
        read_on_worker(shard, kind, request, call, &read);
    } else if (status == STATUS_OK) {
        keep_scanned(shard, &read);
        pack(message, &reply);
        answer(shard, call, read.octets, status, buffer_view(&reply));
        buffer_done(&reply);
    } else {
        forget_scanned(&read);
        answer(shard, call, read.octets, status, (struct slice){0});
    }
    arena_done(&arena);
}

/* ---- Waiting for what is sure ---- */

void read_list_init(struct read_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static struct waiting_read *take_read(struct read_list *list)
{
    struct waiting_read *read = list->first;

    if (read != NULL) {
        list->first = read->next;
        if (list->first == NULL) {
            list->end = &list->first;
        }
    }
    return read;
}

/* Moves all of `from` behind `to`. */
static void move_reads(struct read_list *from, struct read_list *to)
{
    if (from->first != NULL) {
        *to->end = from->first;
        to->end = from->end;
        read_list_init(from);
    }
}

static void fail_read(struct shard *shard, struct rpc_request *call, enum status status)
{
    if (status == STATUS_NOT_LEADER) {
        rpc_fail_not_leader(call, replica_id_node(shard->leader));
    } else {
        rpc_fail(call, status);
    }
}

static void fail_reads(struct shard *shard, struct read_list *list, enum status status)
{
    struct waiting_read *read;

    while ((read = take_read(list)) != NULL) {
        fail_read(shard, read->call, status);
        memory_free(read);
    }
}

static bool is_serving(const struct shard *shard)
{
    return shard->status == STATUS_OK || shard->status == STATUS_NO_SPACE;
}

void shard_read(struct shard *shard, enum read_kind kind, const ProtobufCMessage *request,
                struct rpc_request *call)
{
    if (!is_serving(shard)) {
        rpc_fail(call, shard->status);
        return;
    }
    if (shard->is_sealed) { /* nobody would answer it any more */
        rpc_fail(call, STATUS_UNAVAILABLE);
        return;
    }
    if (shard->reads_at_once) {
        read_now(shard, kind, request, call);
        return;
    }
    if (!shard->leads && !shard->is_alone) {
        fail_read(shard, call, STATUS_NOT_LEADER);
        return;
    }
    struct waiting_read *read = NEW(struct waiting_read);

    *read = (struct waiting_read){.kind = kind, .request = request, .call = call};
    *shard->reads.end = read;
    shard->reads.end = &read->next;
    shard_turn_soon(shard);
}

void shard_ask_to_read(struct shard *shard)
{
    struct raft_event event = {.kind = RAFT_READ, .now_ms = loop_now_ms(shard->options.loop)};

    if (shard->reads.first == NULL || shard->is_full || (shard->is_alone && !shard->leads)) {
        return;
    }
    event.read_context = ++shard->read_context;
    enum status status = replica_step(shard->replica, &event);

    if (status != STATUS_OK) {
        fail_reads(shard, &shard->reads, status);
        return;
    }
    struct read_batch *batch = NEW(struct read_batch);

    batch->context = event.read_context;
    read_list_init(&batch->reads);
    move_reads(&shard->reads, &batch->reads);
    batch->next = shard->batches;
    shard->batches = batch;
}

static struct read_batch *take_batch(struct shard *shard, uint64_t context)
{
    struct read_batch **place = &shard->batches;

    while (*place != NULL && (*place)->context != context) {
        place = &(*place)->next;
    }
    struct read_batch *batch = *place;

    if (batch != NULL) {
        *place = batch->next;
    }
    return batch;
}

void shard_read_ended(struct shard *shard, uint64_t context, enum status status)
{
    struct read_batch *batch = take_batch(shard, context);

    if (batch == NULL) {
        return;
    }
    if (status == STATUS_OK) {
        shard->reads_at_once = shard->leads && shard->is_alone;
        move_reads(&batch->reads, &shard->ready);
    } else {
        fail_reads(shard, &batch->reads, status);
    }
    memory_free(batch);
}

void shard_answer_ready(struct shard *shard)
{
    struct waiting_read *read;

    if (!is_serving(shard)) {
        fail_reads(shard, &shard->ready, shard->status);
    }
    while ((read = take_read(&shard->ready)) != NULL) {
        read_now(shard, read->kind, read->request, read->call);
        memory_free(read);
    }
}

void shard_end_reads(struct shard *shard, enum status status)
{
    fail_reads(shard, &shard->reads, status);
    fail_reads(shard, &shard->ready, status);
    while (shard->batches != NULL) {
        struct read_batch *batch = shard->batches;

        shard->batches = batch->next;
        fail_reads(shard, &batch->reads, status);
        memory_free(batch);
    }
}

/* A read of one row: worth a look at the disk even on the loop, since a watch begins rarely. A
 * leader that is none any more ends the stream soon. */
enum status shard_account_state(struct shard *shard, uint64_t account, uint64_t *out_modseq,
                                bool *out_suspended)
{
    struct arena arena;
    struct account_row row;

    if (!is_serving(shard)) {
        return shard->status;
    }
    if (shard->is_stopping) {
        return STATUS_UNAVAILABLE;
    }
    if (!shard->leads && !shard->reads_at_once) {
        return STATUS_NOT_LEADER;
    }
    arena_init(&arena);
    struct read read = {
        .view = {shard->options.store, NULL, STORE_ALL},
        .shard = shard->record.shard,
        .arena = &arena,
    };
    if (account == WATCH_HANDOVERS) {
        *out_modseq = apply_meta(shard->apply)->applied_index;
        *out_suspended = false;
        arena_done(&arena);
        return STATUS_OK;
    }
    enum status status = read_account(&read, account, &row);

    if (status == STATUS_OK) {
        *out_modseq = row.modseq;
        *out_suspended = row.suspended;
    }
    arena_done(&arena);
    return status;
}
