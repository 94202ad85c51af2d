/* A snapshot of another replica: its files are pulled one part after another, over a connection of
 * their own, and checked. What breaks is tried again from where it was, for a while. */
#include "core/check.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/memory.h"
#include "proto/snapshot.pb-c.h"
#include "storage/peers.h"
#include "storage/shard_parts.h"

enum {
    PART_SIZE = 1024 * 1024,
    FAILURES_MAX = 20, /* in a row */
    PAUSE_MS = 500,    /* after one */
};

struct fetch {
    struct rpc_call call; /* the first */
    struct shard *shard;  /* that it is for */
    bool is_unwanted;
    struct rpc_node *connection;
    ProtobufCService *channel;
    struct snapshot_manifest manifest;
    char folder[FILE_PATH_SIZE_MAX];

    size_t file; /* that is being pulled, and how far */
    uint64_t offset;
    uint32_t sum;
    struct rpc_octets *octets; /* being written */

    struct worker_job job;
    bool is_working;
    unsigned failures;
    struct loop_timer pause;
    struct loop_message end;
    bool is_over;
    enum status status;
};

static void ask(struct fetch *fetch);

/* ---- The end ---- */

static void on_end(struct loop_message *message)
{
    struct fetch *fetch = CONTAINER_OF(message, struct fetch, end);
    struct shard *shard = fetch->shard;

    rpc_call_cancel(&fetch->call);
    loop_timer_stop(&fetch->pause);
    if (fetch->channel != NULL) {
        rpc_channel_free(fetch->channel);
        rpc_node_free(fetch->connection);
    }
    if (!fetch->is_unwanted) {
        shard->fetch = NULL;
        shard_fetched(shard, fetch->status, &fetch->manifest, fetch->folder);
    }
    if (fetch->is_unwanted || fetch->status != STATUS_OK) {
        snapshot_folder_remove(fetch->folder);
        snapshot_manifest_done(&fetch->manifest);
    }
    rpc_octets_unref(fetch->octets);
    memory_free(fetch);
    shard->job_count--;
    shard_turn_soon(shard);
}

/* Not at once: this may be within a closure of the channel. */
static void end(struct fetch *fetch, enum status status)
{
    if (!fetch->is_over) {
        fetch->is_over = true;
        fetch->status = status;
        fetch->end.run = on_end;
        loop_post(fetch->shard->options.loop, &fetch->end);
    }
}

void shard_stop_fetch(struct shard *shard)
{
    struct fetch *fetch = shard->fetch;

    if (fetch != NULL) {
        shard->fetch = NULL;
        fetch->is_unwanted = true;
        if (!fetch->is_working) {
            end(fetch, STATUS_UNAVAILABLE);
        }
    }
}

static void failed(struct fetch *fetch, enum status status)
{
    if (status == STATUS_NOT_FOUND || ++fetch->failures > FAILURES_MAX) {
        end(fetch, status);
    } else {
        loop_timer_start(&fetch->pause, PAUSE_MS);
    }
}

/* ---- Parts ---- */

static bool is_last_part(const struct fetch *fetch)
{
    return fetch->offset + rpc_octets_view(fetch->octets).size ==
           fetch->manifest.files[fetch->file].size;
}

static void work_part(struct worker_job *job)
{
    struct fetch *fetch = CONTAINER_OF(job, struct fetch, job);
    struct slice octets = rpc_octets_view(fetch->octets);

    fetch->sum = crc32c(fetch->sum, octets);
    fetch->status =
        snapshot_file_write(fetch->folder, fetch->file, fetch->offset, octets, is_last_part(fetch));
}

static void done_part(struct worker_job *job)
{
    struct fetch *fetch = CONTAINER_OF(job, struct fetch, job);
    bool is_last = is_last_part(fetch);

    fetch->is_working = false;
    fetch->offset += rpc_octets_view(fetch->octets).size;
    rpc_octets_unref(fetch->octets);
    fetch->octets = NULL;
    if (fetch->is_unwanted || fetch->status != STATUS_OK) {
        end(fetch, fetch->status);
        return;
    }
    if (is_last && fetch->sum != fetch->manifest.files[fetch->file].sum) {
        end(fetch, STATUS_CORRUPT);
        return;
    }
    if (is_last) {
        fetch->file++;
        fetch->offset = 0;
        fetch->sum = 0;
    }
    ask(fetch);
}

static void work(struct fetch *fetch, void (*run)(struct worker_job *job),
                 void (*done)(struct worker_job *job))
{
    struct shard *shard = fetch->shard;

    fetch->job = (struct worker_job){.work = run, .done = done};
    fetch->is_working =
        worker_submit(shard->options.workers, shard->options.loop, &fetch->job) == STATUS_OK;
    if (!fetch->is_working) {
        end(fetch, STATUS_BUSY);
    }
}

static void on_part(const ProtobufCMessage *reply, void *data)
{
    struct fetch *fetch = data;
    size_t size = rpc_octets_view(fetch->call.reply_octets).size;

    if (reply == NULL) {
        failed(fetch, fetch->call.status);
    } else if (size == 0 || size > fetch->manifest.files[fetch->file].size - fetch->offset) {
        end(fetch, STATUS_INVALID);
    } else {
        fetch->failures = 0;
        fetch->octets = rpc_octets_ref(fetch->call.reply_octets);
        work(fetch, work_part, done_part);
    }
}

static void ask_for_part(struct fetch *fetch)
{
    const struct raft_position *position = &fetch->manifest.snapshot.position;
    Aviso__GetPartRequest request = AVISO__GET_PART_REQUEST__INIT;

    request.term = position->term;
    request.index = position->index;
    request.file = (uint32_t)fetch->file;
    request.offset = fetch->offset;
    request.size = PART_SIZE;
    rpc_call_init(&fetch->call, fetch->shard->record.shard);
    fetch->channel->invoke(fetch->channel, 1, &request.base, on_part, &fetch->call);
}

/* ---- The manifest ---- */

static enum status take_manifest(struct fetch *fetch, const Aviso__SnapshotManifest *reply)
{
    size_t count = reply->n_file_sizes;

    if (count == 0 || count > SNAPSHOT_FILES_MAX || reply->n_file_sums != count) {
        return STATUS_INVALID;
    }
    fetch->manifest.files = memory_zeroed(count * sizeof(*fetch->manifest.files));
    fetch->manifest.file_count = count;
    for (size_t index = 0; index < count; index++) {
        fetch->manifest.files[index] =
            (struct snapshot_file){reply->file_sizes[index], reply->file_sums[index]};
        if (reply->file_sizes[index] == 0) {
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

static void on_manifest(const ProtobufCMessage *reply, void *data)
{
    struct fetch *fetch = data;

    if (reply == NULL) {
        failed(fetch, fetch->call.status);
        return;
    }
    enum status status = take_manifest(fetch, (const Aviso__SnapshotManifest *)reply);

    if (status == STATUS_OK) {
        ask(fetch);
    } else {
        end(fetch, status);
    }
}

static void ask_for_manifest(struct fetch *fetch)
{
    const struct raft_position *position = &fetch->manifest.snapshot.position;
    Aviso__GetManifestRequest request = AVISO__GET_MANIFEST_REQUEST__INIT;

    request.term = position->term;
    request.index = position->index;
    rpc_call_init(&fetch->call, fetch->shard->record.shard);
    fetch->channel->invoke(fetch->channel, 0, &request.base, on_manifest, &fetch->call);
}

static void ask(struct fetch *fetch)
{
    if (fetch->manifest.file_count == 0) {
        ask_for_manifest(fetch);
    } else if (fetch->file < fetch->manifest.file_count) {
        ask_for_part(fetch);
    } else {
        end(fetch, STATUS_OK);
    }
}

static void on_pause_over(struct loop_timer *timer)
{
    ask(CONTAINER_OF(timer, struct fetch, pause));
}

/* ---- The beginning ---- */

static void work_folder(struct worker_job *job)
{
    struct fetch *fetch = CONTAINER_OF(job, struct fetch, job);

    fetch->status = snapshot_folder_make(fetch->folder);
}

static void done_folder(struct worker_job *job)
{
    struct fetch *fetch = CONTAINER_OF(job, struct fetch, job);

    fetch->is_working = false;
    if (fetch->is_unwanted || fetch->status != STATUS_OK) {
        end(fetch, fetch->status);
    } else {
        ask(fetch);
    }
}

void shard_start_fetch(struct shard *shard, const struct raft_snapshot_effect *effect)
{
    struct fetch *fetch = NEW(struct fetch);

    shard_stop_fetch(shard);
    fetch->shard = shard;
    fetch->manifest.snapshot = effect->snapshot;
    shard_snapshot_path(shard, "fetch", ++shard->snapshot_number, fetch->folder);
    loop_timer_init(&fetch->pause, shard->options.loop, on_pause_over);
    shard->fetch = fetch;
    shard->job_count++;
    enum status status =
        shard->options.peers != NULL
            ? peers_connect(shard->options.peers, replica_id_node(effect->peer), &fetch->connection)
            : STATUS_NOT_FOUND;

    if (status != STATUS_OK) {
        end(fetch, status);
        return;
    }
    fetch->channel = rpc_node_channel_new(fetch->connection, &aviso__snapshots__descriptor);
    work(fetch, work_folder, done_folder);
}
