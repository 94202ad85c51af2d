/* A snapshot takes the place of a shard's state and of its log. That it is to be done is recorded
 * durably before the first row goes, so it is finished whatever happens; and it is over once the
 * log begins after it. */
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/shard_parts.h"

/* ---- What raft asks for ---- */

void shard_snapshot_act(struct shard *shard, const struct raft_snapshot_effect *effect)
{
    switch (effect->act) {
    case RAFT_SNAPSHOT_MAKE:
        shard_want_export(shard, effect->peer);
        break;
    case RAFT_SNAPSHOT_FETCH:
        shard_start_fetch(shard, effect);
        break;
    case RAFT_SNAPSHOT_ABANDON:
        shard_stop_fetch(shard);
        shard_drop_fetched(shard);
        break;
    case RAFT_SNAPSHOT_INSTALL:
        shard_install(shard);
        break;
    }
}

void shard_drop_fetched(struct shard *shard)
{
    if (shard->fetched.file_count > 0) {
        snapshot_folder_remove(shard->fetched_folder);
        snapshot_manifest_done(&shard->fetched);
    }
}

void shard_fetched(struct shard *shard, enum status status,
                   const struct snapshot_manifest *manifest, const char *folder)
{
    struct raft_event event = {
        .kind = status == STATUS_OK ? RAFT_SNAPSHOT_FETCHED : RAFT_SNAPSHOT_FAILED,
        .now_ms = loop_now_ms(shard->options.loop),
        .snapshot = status == STATUS_OK ? &shard->fetched.snapshot : NULL,
    };

    log_info("shard.snapshot_fetched", log_number("shard", shard->record.shard),
             log_number("index", manifest->snapshot.position.index), log_status(status));
    if (status == STATUS_OK) {
        shard_drop_fetched(shard);
        shard->fetched = *manifest;
        memcpy(shard->fetched_folder, folder, sizeof(shard->fetched_folder));
    }
    if (shard_is_running(shard) && shard->replica != NULL && !shard->is_full) {
        enum status stepped = replica_step(shard->replica, &event);

        (void)stepped; /* nobody may want it any more */
    }
}

/* ---- Installing ---- */

struct install {
    struct worker_job job;
    struct shard *shard;
    enum status status;
};

static void work(struct worker_job *job)
{
    struct install *install = CONTAINER_OF(job, struct install, job);
    struct shard *shard = install->shard;
    char folder[FILE_PATH_SIZE_MAX];

    shard_snapshot_path(shard, "in", 0, folder);
    install->status = snapshot_intend(&shard->fetched, shard->fetched_folder);
    if (install->status == STATUS_OK) {
        install->status = snapshot_folder_rename(shard->fetched_folder, folder);
    }
    CRASH_POINT("install.intended");
    if (install->status == STATUS_OK) {
        install->status =
            snapshot_import(shard->options.store, shard->record.shard, &shard->fetched, folder);
    }
}

/* What the state was is not in memory any more, either. */
static enum status reload(struct shard *shard)
{
    apply_free(shard->apply);
    uid_cache_free(shard->uid_cache);
    shard->apply = NULL;
    shard->uid_cache = uid_cache_new(shard->options.uid_cache_size_max);
    return shard_open_state(shard);
}

static void done(struct worker_job *job)
{
    struct install *install = CONTAINER_OF(job, struct install, job);
    struct shard *shard = install->shard;
    enum status status = install->status;

    memory_free(install);
    shard->job_count--;
    if (status == STATUS_OK) {
        status = reload(shard);
    }
    log_info("shard.snapshot_installed", log_number("shard", shard->record.shard),
             log_number("index", shard->fetched.snapshot.position.index), log_status(status));
    if (status != STATUS_OK) {
        shard_fail(shard, status, "install");
    } else if (shard_is_running(shard)) {
        replica_installed(shard->replica, &shard->fetched.snapshot);
    }
    shard_turn_soon(shard);
}

void shard_install(struct shard *shard)
{
    struct install *install = NEW(struct install);

    CHECK(shard->fetched.file_count > 0);
    *install = (struct install){.job = {.work = work, .done = done}, .shard = shard};
    shard->is_finishing = true;
    shard->begins_after = shard->fetched.snapshot.position;
    enum status status = worker_submit(shard->options.workers, shard->options.loop, &install->job);

    if (status == STATUS_OK) {
        shard->job_count++;
    } else {
        memory_free(install);
        shard_fail(shard, status, "install");
    }
}

/* ---- The end of it ---- */

/* Without the intention the rest is only files. */
static void finished(struct shard *shard)
{
    char folder[FILE_PATH_SIZE_MAX];

    CRASH_POINT("install.logged");
    shard->is_finishing = false;
    snapshot_manifest_done(&shard->fetched);
    shard_snapshot_path(shard, "in", 0, folder);
    snapshot_folder_remove(folder);
}

void shard_look_at_install(struct shard *shard)
{
    if (shard->is_finishing && shard->replica != NULL &&
        replica_status(shard->replica) == STATUS_OK && !replica_state(shard->replica).installing) {
        finished(shard);
    }
}

void shard_began_after(struct shard *shard)
{
    finished(shard);
}

enum status shard_resume_install(struct shard *shard)
{
    struct snapshot_manifest manifest;
    struct log_bounds bounds = {0};
    char folder[FILE_PATH_SIZE_MAX];

    if (shard->options.snapshot_folder == NULL) {
        return STATUS_OK;
    }
    shard_snapshot_path(shard, "in", 0, folder);
    enum status status = snapshot_intended(folder, &manifest);

    if (status == STATUS_NOT_FOUND) {
        snapshot_folder_remove(folder);
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = log_bounds(shard->options.log, shard->record.shard, &bounds);
    if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    shard->is_finishing = true;
    shard->begins_after = manifest.snapshot.position;
    if (status == STATUS_OK && bounds.compacted.index >= manifest.snapshot.position.index) {
        finished(shard); /* but for the files */
    } else if (status == STATUS_OK) {
        log_info("shard.goes_on_installing", log_number("shard", shard->record.shard),
                 log_number("index", manifest.snapshot.position.index));
        status = snapshot_import(shard->options.store, shard->record.shard, &manifest, folder);
    }
    snapshot_manifest_done(&manifest);
    return status;
}
