#include "roles/standalone.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/log.h"
#include "core/macros.h"
#include "core/memory.h"
#include "roles/frontend_role.h"
#include "roles/process.h"
#include "storage/node.h"

/* ---- The shard map: made at the first start, and kept ---- */

static enum status open_map(const struct settings *settings, struct shard_map **out_map)
{
    char path[PROCESS_PATH_SIZE_MAX];
    enum status status =
        shard_map_load(process_path(path, settings->data_folder, "shard_map.json"), out_map);

    if (status == STATUS_NOT_FOUND) {
        *out_map = shard_map_new((uint32_t)settings->shard_count);
        status = shard_map_save(*out_map, path);
    }
    if (status != STATUS_OK) {
        log_error("standalone.no_shard_map", log_text("path", slice_of(path)), log_status(status));
    }
    return status;
}

/* ---- Storage ---- */

static atomic_bool has_failed;

/* As if the operator had ended it, but for the exit code: a supervisor starts it again. */
static void on_storage_failed(void *context)
{
    has_failed = true;
    log_error("standalone.storage_failed",
              log_text("cure", SLICE("look at the disk; what was acknowledged is in the log, and "
                                     "is there after the next start")));
    kill(getpid(), SIGTERM);
}

static enum status open_node(const struct settings *settings, const struct shard_map *map,
                             struct node **out_node)
{
    char folder[PROCESS_PATH_SIZE_MAX];
    uint32_t count = shard_map_shard_count(map);
    uint32_t *shards = memory_zeroed(count * sizeof(*shards));
    struct node_options options = {
        .folder = process_path(folder, settings->data_folder, "storage"),
        .shards = shards,
        .shard_count = count,
        .loop_count = settings->storage_loops,
        .block_cache_size = settings->block_cache_size,
        .write_buffer_size = settings->write_buffer_size,
        .log_cache_size = settings->log_cache_size,
        .log_segment_size = (uint32_t)settings->log_segment_size,
        .failed = on_storage_failed,
    };

    for (uint32_t i = 0; i < count; i++) {
        shards[i] = shard_map_shard_at(map, i);
    }
    enum status status = node_open(&options, out_node);

    memory_free(shards);
    return status;
}

/* ---- The process ---- */

static void serve_until_told(struct frontend_role *frontend)
{
    int signal = process_wait(0);

    while (signal == SIGHUP) {
        frontend_role_reload(frontend);
        signal = process_wait(0);
    }
    log_info("standalone.stopping", log_number("signal", (uint64_t)signal));
}

static enum status run(const struct settings *settings, struct buffer *token)
{
    struct shard_map *map = NULL;
    struct node *node = NULL;
    struct frontend_role *frontend = NULL;
    enum status status = process_make_folder(settings->data_folder);

    if (status == STATUS_OK) {
        status = process_open_token(settings, token);
    }
    if (status == STATUS_OK) {
        status = open_map(settings, &map);
    }
    if (status == STATUS_OK) {
        status = open_node(settings, map, &node);
    }
    if (status == STATUS_OK) {
        status =
            frontend_role_start(settings, node_services(node), map, buffer_view(token), &frontend);
    }
    if (status == STATUS_OK) {
        log_info("standalone.serving", log_text("data", settings->data_folder),
                 log_number("shards", shard_map_shard_count(map)));
        serve_until_told(frontend);
        frontend_role_stop(frontend);
    }
    if (node != NULL) {
        node_stop(node);
    }
    frontend_role_free(frontend);
    node_close(node);
    shard_map_unref(map);
    return status;
}

/* Clients and shards share the processors here, and a delivery keeps both busy alike: loops over
 * their number would only wake each other more often, each for less. */
static struct settings with_shared_processors(const struct settings *settings)
{
    struct settings shared = *settings;
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t half = count > 1 ? ((uint64_t)count + 1) / 2 : 1;

    shared.frontend_loops = settings->frontend_loops > 0 ? settings->frontend_loops : half;
    shared.storage_loops = settings->storage_loops > 0 ? settings->storage_loops : half;
    return shared;
}

int standalone_run(const struct settings *given)
{
    struct settings settings = with_shared_processors(given);
    struct buffer token;

    process_block_signals();
    buffer_init(&token, PROCESS_TOKEN_SIZE_MAX);
    enum status status = run(&settings, &token);

    buffer_wipe(&token);
    if (status == STATUS_OK) {
        log_info("standalone.stopped", log_text("data", settings.data_folder));
    }
    return status == STATUS_OK && !has_failed ? 0 : 1;
}
