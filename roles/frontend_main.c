#include "roles/frontend_main.h"

#include <pthread.h>
#include <signal.h>

#include "core/log.h"
#include "roles/cluster_link.h"
#include "roles/frontend_role.h"
#include "roles/process.h"

enum { LOOK_AGAIN_MS = 100 };

/* Where the link's loop and the main thread meet. */
struct frontend_process {
    pthread_mutex_t lock;
    struct shard_map *map;          /* the newest; NULL: none yet */
    struct frontend_role *frontend; /* NULL: not yet, or no more */
};

/* While etcd lists, or when a shard is without a record, there is no map: the last one stays. */
static void on_changed(void *context, const struct cluster_map *cluster)
{
    struct frontend_process *process = context;
    struct shard_map *map = NULL;

    if (cluster_map_snapshot(cluster, &map) != STATUS_OK) {
        return;
    }
    pthread_mutex_lock(&process->lock);
    shard_map_unref(process->map);
    process->map = map;
    if (process->frontend != NULL) {
        frontend_role_update_map(process->frontend, map);
    }
    pthread_mutex_unlock(&process->lock);
}

static struct shard_map *newest_map(struct frontend_process *process)
{
    pthread_mutex_lock(&process->lock);
    struct shard_map *map = process->map != NULL ? shard_map_ref(process->map) : NULL;

    pthread_mutex_unlock(&process->lock);
    return map;
}

/* NULL: told to end before there was a map. */
static struct shard_map *await_map(struct frontend_process *process)
{
    struct shard_map *map = newest_map(process);
    int signal = 0;

    if (map == NULL) {
        log_info("frontend.waiting", log_text("for", SLICE("a cluster in etcd")));
    }
    while (map == NULL && (signal == 0 || signal == SIGHUP)) {
        signal = process_wait(LOOK_AGAIN_MS);
        map = newest_map(process);
    }
    return map;
}

static void serve_until_told(struct frontend_role *frontend)
{
    int signal = process_wait(0);

    while (signal == SIGHUP) {
        frontend_role_reload(frontend);
        signal = process_wait(0);
    }
    log_info("frontend.stopping", log_number("signal", (uint64_t)signal));
}

static void show_frontend(struct frontend_process *process, struct frontend_role *frontend)
{
    pthread_mutex_lock(&process->lock);
    process->frontend = frontend;
    if (frontend != NULL) {
        frontend_role_update_map(frontend, process->map); /* it may be newer */
    }
    pthread_mutex_unlock(&process->lock);
}

static enum status serve(const struct settings *settings, struct frontend_process *process,
                         struct slice token)
{
    struct shard_map *map = await_map(process);
    struct frontend_role *frontend = NULL;

    if (map == NULL) {
        return STATUS_OK;
    }
    enum status status = frontend_role_start(settings, NULL, map, token, &frontend);

    if (status == STATUS_OK) {
        log_info("frontend.serving", log_number("shards", shard_map_shard_count(map)));
        show_frontend(process, frontend);
        serve_until_told(frontend);
        show_frontend(process, NULL);
        frontend_role_stop(frontend);
        frontend_role_free(frontend);
    }
    shard_map_unref(map);
    return status;
}

int frontend_main(const struct settings *settings)
{
    struct frontend_process process = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct cluster_link *link = NULL;
    struct buffer token;

    process_block_signals();
    buffer_init(&token, PROCESS_TOKEN_SIZE_MAX);
    enum status status = process_make_folder(settings->data_folder);

    if (status == STATUS_OK) {
        status = process_open_token(settings, &token);
    }
    if (status == STATUS_OK) {
        status = cluster_link_open(settings, on_changed, &process, &link);
    }
    if (status == STATUS_OK) {
        status = serve(settings, &process, buffer_view(&token));
    }
    cluster_link_close(link);
    shard_map_unref(process.map);
    buffer_wipe(&token);
    return status == STATUS_OK ? 0 : 1;
}
