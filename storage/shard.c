#include "storage/shard.h"

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/random.h"
#include "storage/crash_point.h"
#include "storage/shard_parts.h"

enum {
    CARE_INTERVAL_MS = 5000,
    STOP_TIME_MS = 5000, /* for what was proposed to be committed */
};

#define WAITING_SIZE_MAX   ((size_t)16 * 1024 * 1024)
#define WRITE_SIZE_MAX     ((size_t)8 * 1024 * 1024)
#define MESSAGE_SIZE_MAX   ((size_t)1024 * 1024)
#define UID_CACHE_SIZE_MAX ((size_t)8 * 1024 * 1024)

void shard_fail(struct shard *shard, enum status status, const char *act)
{
    if (shard->status != STATUS_OK && shard->status != STATUS_NO_SPACE) {
        return;
    }
    log_error("shard.stopped", log_number("shard", shard->record.shard),
              log_text("act", slice_of(act)), log_status(status));
    shard->status = status;
    shard->leads = false;
    shard->reads_at_once = false;
    shard->is_applying = false;
    loop_timer_stop(&shard->care);
    loop_timer_stop(&shard->tick);
    proposal_list_end(shard, &shard->collected, status);
    proposal_list_end(shard, &shard->proposed, status);
    shard_end_reads(shard, status);
    shard_end_wishes(shard, status);
    watches_end(shard->watches, status);
    shard_turn_soon(shard);
}

/* ---- Opening ---- */

static void on_change(void *context, const struct apply_change *change)
{
    struct shard *shard = context;

    watches_changed(shard->watches, change);
}

static void on_uid(void *context, uint64_t account, uint32_t mailbox, uint32_t uid,
                   enum apply_uid_act act, uint32_t flags)
{
    struct shard *shard = context;

    uid_cache_changed(shard->uid_cache, account, mailbox, uid, act, flags);
}

static void set_default(size_t *number, size_t standard)
{
    if (*number == 0) {
        *number = standard;
    }
}

static struct shard *make(const struct shard_options *options)
{
    struct shard *shard = NEW(struct shard);

    shard->options = *options;
    shard->record = options->replica;
    set_default(&shard->options.waiting_size_max, WAITING_SIZE_MAX);
    set_default(&shard->options.write_size_max, WRITE_SIZE_MAX);
    set_default(&shard->options.uid_cache_size_max, UID_CACHE_SIZE_MAX);
    proposal_list_init(&shard->collected);
    proposal_list_init(&shard->proposed);
    read_list_init(&shard->reads);
    read_list_init(&shard->ready);
    shard->turn.run = shard_on_turn;
    shard->mailbox.message.run = shard_on_completed;
    shard->mailbox.end = &shard->mailbox.first;
    CHECK(pthread_mutex_init(&shard->mailbox.lock, NULL) == 0);
    shard->tick_at_ms = UINT64_MAX;
    shard->batch = store_batch_new(options->store);
    shard->watches = watches_new();
    shard->uid_cache = uid_cache_new(shard->options.uid_cache_size_max);
    loop_timer_init(&shard->care, options->loop, shard_on_care);
    loop_timer_init(&shard->tick, options->loop, shard_on_tick);
    return shard;
}

/* That of the state, unless what the group began with is newer. */
static enum status find_configuration(const struct shard *shard,
                                      struct raft_configuration_at *out_configuration)
{
    const struct meta_row *meta = apply_meta(shard->apply);
    enum status status = STATUS_OK;

    *out_configuration = shard->record.base;
    if (meta->configuration.size > 0 && meta->configuration_index >= shard->record.base.index) {
        out_configuration->index = meta->configuration_index;
        status = raft_configuration_decode(meta->configuration, &out_configuration->configuration);
    }
    return status == STATUS_INVALID ? STATUS_CORRUPT : status;
}

static size_t smaller(size_t one, size_t other)
{
    return one < other ? one : other;
}

static struct replica_options replica_options(struct shard *shard)
{
    const struct meta_row *meta = apply_meta(shard->apply);
    struct replica_options options = {
        .log = shard->options.log,
        .shard = shard->record.shard,
        .port = shard_port(shard),
        .raft =
            {
                .id = shard->record.id,
                .generation = shard->record.generation,
                .now_ms = loop_now_ms(shard->options.loop),
                .election_timeout_min_ms = shard->options.election_timeout_ms,
                .heartbeat_ms = shard->options.heartbeat_ms,
                .message_bytes_max = smaller(shard->options.write_size_max, MESSAGE_SIZE_MAX),
                .uncommitted_bytes_max = 2 * shard->options.waiting_size_max,
            },
        .applied = {meta->applied_term, meta->applied_index},
        .fresh = shard->record.state == REPLICA_FRESH,
    };

    random_octets(&options.raft.seed, sizeof(options.raft.seed));
    return options;
}

/* Nobody else can lead: there is nothing to wait for. */
static void lead_alone(struct shard *shard)
{
    struct raft_event event = {.kind = RAFT_CAMPAIGN, .now_ms = loop_now_ms(shard->options.loop)};

    if (shard->is_alone) {
        enum status status = replica_step(shard->replica, &event);

        CHECK(status == STATUS_OK || status == STATUS_CORRUPT);
        shard_run(shard);
    }
}

enum status shard_open_replica(struct shard *shard)
{
    struct replica_options options = replica_options(shard);
    enum status status = find_configuration(shard, &options.configuration);

    if (status == STATUS_OK) {
        status = replica_open(&options, &shard->replica);
    }
    if (status != STATUS_OK) {
        log_error("shard.unfit", log_number("shard", shard->record.shard),
                  log_number("applied", options.applied.index), log_status(status));
        return status == STATUS_INVALID ? STATUS_CORRUPT : status;
    }
    CRASH_POINT("shard.before_begin");
    shard_run(shard);
    lead_alone(shard);
    return shard->status == STATUS_NO_SPACE ? STATUS_OK : shard->status;
}

enum status shard_open_state(struct shard *shard)
{
    struct apply_observer observer = {on_change, on_uid, shard};

    return apply_new(shard->options.store, shard->record.shard, &observer, &shard->apply);
}

/* The log is still to begin after the snapshot that the state was taken from: as if it had been
 * full before. */
static void finish_first(struct shard *shard)
{
    shard->is_full = true;
    shard_turn_soon(shard);
}

enum status shard_open(const struct shard_options *options, struct shard **out_shard)
{
    struct shard *shard = make(options);
    enum status status = shard_resume_install(shard);

    if (status == STATUS_OK) {
        status = shard_open_state(shard);
    }
    if (status == STATUS_OK && shard->is_finishing) {
        finish_first(shard);
    } else if (status == STATUS_OK) {
        status = shard_open_replica(shard);
    }
    if (status != STATUS_OK) {
        shard_close(shard);
        return status;
    }
    loop_timer_start(&shard->care, CARE_INTERVAL_MS);
    *out_shard = shard;
    return STATUS_OK;
}

/* ---- The end ---- */

void shard_stop(struct shard *shard, struct loop_message *stopped)
{
    shard->is_stopping = true;
    shard->stopped = stopped;
    shard->stop_at_ms = loop_now_ms(shard->options.loop) + STOP_TIME_MS;
    loop_timer_start(&shard->care, STOP_TIME_MS);
    proposal_list_end(shard, &shard->collected, STATUS_UNAVAILABLE);
    watches_end(shard->watches, STATUS_UNAVAILABLE);
    shard_stop_fetch(shard);
    shard_turn_soon(shard);
}

static void seal(struct shard *shard)
{
    shard->is_sealed = true;
    shard->leads = false;
    shard->reads_at_once = false;
    loop_timer_stop(&shard->care);
    loop_timer_stop(&shard->tick);
    proposal_list_end(shard, &shard->proposed, STATUS_UNAVAILABLE);
    shard_end_reads(shard, STATUS_UNAVAILABLE);
    shard_end_wishes(shard, STATUS_UNAVAILABLE);
}

static bool is_writing(const struct shard *shard)
{
    return shard->is_probing || (shard->replica != NULL && replica_writing(shard->replica) > 0);
}

void shard_stop_if_quiet(struct shard *shard)
{
    bool is_late = loop_now_ms(shard->options.loop) >= shard->stop_at_ms;
    bool waits = shard->proposed.first != NULL && shard->status == STATUS_OK;

    if (!shard->is_stopping || shard->stopped == NULL) {
        return;
    }
    if (!shard->is_sealed && !is_late &&
        (waits || is_writing(shard) || shard->job_count > 0 || shard_hands_over(shard))) {
        return;
    }
    if (!shard->is_sealed) {
        seal(shard);
    }
    if (!is_writing(shard) && shard->job_count == 0) {
        loop_post(shard->options.loop, shard->stopped);
        shard->stopped = NULL;
    }
}

void shard_close(struct shard *shard)
{
    if (shard == NULL) {
        return;
    }
    proposal_list_end(shard, &shard->collected, STATUS_UNAVAILABLE);
    proposal_list_end(shard, &shard->proposed, STATUS_UNAVAILABLE);
    shard_end_reads(shard, STATUS_UNAVAILABLE);
    shard_close_exports(shard);
    snapshot_manifest_done(&shard->fetched);
    replica_free(shard->replica);
    watches_free(shard->watches);
    uid_cache_free(shard->uid_cache);
    store_batch_free(shard->options.store, shard->batch);
    apply_free(shard->apply);
    pthread_mutex_destroy(&shard->mailbox.lock);
    memory_free(shard);
}
