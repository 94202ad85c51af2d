/* Snapshots for others: made by a worker, kept as files while somebody may want them. */
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/shard_parts.h"

enum {
    KEPT_MS = 10 * 60 * 1000, /* without being asked for */
    PART_SIZE_MAX = 4 * 1024 * 1024,
};

/* One being made. */
struct export_job {
    struct worker_job job;
    struct shard *shard;
    struct store_snapshot *view;
    struct raft_configuration configuration;
    struct snapshot_manifest manifest;
    char folder[FILE_PATH_SIZE_MAX];
    char old_folder[FILE_PATH_SIZE_MAX]; /* to be removed; empty: none */
    enum status status;
};

void shard_snapshot_path(const struct shard *shard, const char *kind, uint64_t number,
                         char *out_path)
{
    int size =
        snprintf(out_path, FILE_PATH_SIZE_MAX, "%s/%u-%s-%llu", shard->options.snapshot_folder,
                 shard->record.shard, kind, (unsigned long long)number);

    CHECK(size > 0 && size < FILE_PATH_SIZE_MAX);
}

/* ---- Making ---- */

static void work(struct worker_job *worker_job)
{
    struct export_job *job = CONTAINER_OF(worker_job, struct export_job, job);
    struct store_view view = {job->shard->options.store, job->view, STORE_ALL};

    if (job->old_folder[0] != 0) {
        snapshot_folder_remove(job->old_folder);
    }
    job->status = snapshot_folder_make(job->folder);
    if (job->status == STATUS_OK) {
        job->status = snapshot_export(&view, job->shard->record.shard, &job->configuration,
                                      job->folder, &job->manifest);
    }
    if (job->status != STATUS_OK) {
        snapshot_folder_remove(job->folder);
    }
}

static void done(struct worker_job *worker_job)
{
    struct export_job *job = CONTAINER_OF(worker_job, struct export_job, job);
    struct shard *shard = job->shard;
    struct shard_exports *exports = &shard->exports;

    store_snapshot_release(shard->options.store, job->view);
    exports->is_making = false;
    exports->has_failed = job->status != STATUS_OK;
    if (job->status == STATUS_OK) {
        exports->is_made = true;
        exports->manifest = job->manifest;
        exports->used_ms = loop_now_ms(shard->options.loop);
        memcpy(exports->folder, job->folder, sizeof(exports->folder));
    }
    log_info("shard.snapshot_made", log_number("shard", shard->record.shard),
             log_number("index", job->manifest.snapshot.position.index),
             log_number("files", job->manifest.file_count), log_status(job->status));
    memory_free(job);
    shard->job_count--;
    shard_turn_soon(shard);
}

static void forget(struct shard_exports *exports)
{
    snapshot_manifest_done(&exports->manifest);
    exports->is_made = false;
}

static void make(struct shard *shard)
{
    struct shard_exports *exports = &shard->exports;
    struct export_job *job = NEW(struct export_job);

    job->job = (struct worker_job){.work = work, .done = done};
    job->shard = shard;
    job->configuration = shard->record.base.configuration;
    shard_snapshot_path(shard, "out", ++shard->snapshot_number, job->folder);
    if (exports->is_made) {
        memcpy(job->old_folder, exports->folder, sizeof(job->old_folder));
        forget(exports);
    }
    job->view = store_snapshot_take(shard->options.store);
    exports->pinned_index = apply_meta(shard->apply)->applied_index;
    exports->is_making =
        worker_submit(shard->options.workers, shard->options.loop, &job->job) == STATUS_OK;
    if (exports->is_making) {
        shard->job_count++;
    } else {
        exports->has_failed = true;
        store_snapshot_release(shard->options.store, job->view);
        memory_free(job);
    }
}

void shard_want_export(struct shard *shard, uint64_t peer)
{
    struct shard_exports *exports = &shard->exports;

    for (size_t index = 0; index < exports->peer_count; index++) {
        if (exports->peers[index] == peer) {
            return;
        }
    }
    if (exports->peer_count < RAFT_REPLICAS_MAX) {
        exports->peers[exports->peer_count++] = peer;
    }
    shard_turn_soon(shard);
}

/* ---- Offering ---- */

static void offer(struct shard *shard, uint64_t peer, bool has_failed)
{
    struct raft_event event = {
        .kind = has_failed ? RAFT_SNAPSHOT_FAILED : RAFT_SNAPSHOT_READY,
        .now_ms = loop_now_ms(shard->options.loop),
        .peer = peer,
        .snapshot = has_failed ? NULL : &shard->exports.manifest.snapshot,
    };
    enum status status = replica_step(shard->replica, &event);

    if (status == STATUS_INVALID) { /* the log does not go on from it any more */
        event.kind = RAFT_SNAPSHOT_FAILED;
        status = replica_step(shard->replica, &event);
    }
    (void)status; /* nobody may wait any more */
}

static bool is_of_use(const struct shard *shard)
{
    uint64_t first_index = replica_state(shard->replica).first_index;

    return shard->exports.is_made &&
           shard->exports.manifest.snapshot.position.index + 1 >= first_index;
}

void shard_offer_exports(struct shard *shard)
{
    struct shard_exports *exports = &shard->exports;

    if (exports->peer_count == 0 || exports->is_making) {
        return;
    }
    if (!is_of_use(shard) && !exports->has_failed) {
        make(shard);
    }
    if (exports->is_making) {
        return;
    }
    for (size_t index = 0; index < exports->peer_count; index++) {
        offer(shard, exports->peers[index], exports->has_failed);
    }
    exports->peer_count = 0;
    exports->has_failed = false;
    exports->pinned_index = 0;
}

/* ---- Serving ---- */

const struct snapshot_manifest *shard_manifest(struct shard *shard, struct raft_position position)
{
    struct shard_exports *exports = &shard->exports;

    if (!exports->is_made || exports->manifest.snapshot.position.index != position.index ||
        exports->manifest.snapshot.position.term != position.term) {
        return NULL;
    }
    exports->used_ms = loop_now_ms(shard->options.loop);
    return &exports->manifest;
}

struct part_job {
    struct worker_job job;
    struct shard *shard;
    struct rpc_request *call;
    char folder[FILE_PATH_SIZE_MAX];
    size_t file;
    uint64_t offset;
    size_t size;
    char *room;
    struct rpc_octets *octets;
    enum status status;
};

static void work_part(struct worker_job *worker_job)
{
    struct part_job *job = CONTAINER_OF(worker_job, struct part_job, job);
    size_t size = 0;

    job->octets = rpc_octets_reserve(job->size, &job->room);
    job->status =
        snapshot_file_read(job->folder, job->file, job->offset, job->room, job->size, &size);
    if (job->status == STATUS_OK && size < job->size) {
        job->status = STATUS_NOT_FOUND;
    }
}

static void done_part(struct worker_job *worker_job)
{
    struct part_job *job = CONTAINER_OF(worker_job, struct part_job, job);
    struct shard *shard = job->shard;

    if (job->status == STATUS_OK) {
        rpc_reply_octets(job->call, job->octets);
        rpc_reply_packed(job->call, (struct slice){0});
    } else {
        rpc_octets_unref(job->octets);
        rpc_fail(job->call, job->status);
    }
    memory_free(job);
    shard->job_count--;
    if (shard->is_stopping) {
        shard_turn_soon(shard);
    }
}

void shard_serve_part(struct shard *shard, struct raft_position position, size_t file,
                      uint64_t offset, size_t size, struct rpc_request *call)
{
    const struct snapshot_manifest *manifest = shard_manifest(shard, position);

    if (manifest == NULL || shard->is_stopping || file >= manifest->file_count ||
        offset >= manifest->files[file].size) {
        rpc_fail(call, STATUS_NOT_FOUND);
        return;
    }
    uint64_t left = manifest->files[file].size - offset;
    struct part_job *job = NEW(struct part_job);

    size = size < PART_SIZE_MAX ? size : PART_SIZE_MAX;
    job->job = (struct worker_job){.work = work_part, .done = done_part};
    job->shard = shard;
    job->call = call;
    job->file = file;
    job->offset = offset;
    job->size = size < left ? size : (size_t)left;
    memcpy(job->folder, shard->exports.folder, sizeof(job->folder));
    enum status status = worker_submit(shard->options.workers, shard->options.loop, &job->job);

    if (status == STATUS_OK) {
        shard->job_count++;
    } else {
        memory_free(job);
        rpc_fail(call, status);
    }
}

/* ---- The end ---- */

void shard_care_for_exports(struct shard *shard)
{
    struct shard_exports *exports = &shard->exports;

    if (exports->is_made && exports->peer_count == 0 &&
        loop_now_ms(shard->options.loop) > exports->used_ms + KEPT_MS) {
        snapshot_folder_remove(exports->folder);
        forget(exports);
    }
}

void shard_close_exports(struct shard *shard)
{
    if (shard->exports.is_made) {
        snapshot_folder_remove(shard->exports.folder);
        forget(&shard->exports);
    }
}
