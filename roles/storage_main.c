#include "roles/storage_main.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/log.h"
#include "net/rpc_server.h"
#include "roles/cluster_link.h"
#include "roles/process.h"
#include "roles/storage_member.h"
#include "roles/storage_number.h"

enum { LOOK_AGAIN_MS = 100, STOP_GRACE_MS = 1000 };

struct storage_process {
    const struct settings *settings;
    uint32_t number;
    struct tls_context *tls;
    struct cluster_link *link;
    struct storage_member *member; /* lives on the link's loop */
    struct loop_message join;
    struct loop_message attach;
    atomic_ullong cluster; /* its id; 0: there is none yet */
    struct node *node;
    struct rpc_server *server;
};

static atomic_bool has_failed;

/* As if the operator had ended it, but for the exit code: a supervisor starts it again. */
static void on_node_failed(void *context)
{
    has_failed = true;
    log_error("storage.failed",
              log_text("cure", SLICE("look at the disk; what was acknowledged is in the log, and "
                                     "is there after the next start")));
    kill(getpid(), SIGTERM);
}

/* ---- On the link's loop ---- */

static void on_changed(void *context, const struct cluster_map *map)
{
    struct storage_process *process = context;
    const struct cluster_config *config = cluster_map_config(map);

    if (config != NULL) {
        atomic_store(&process->cluster, config->id);
    }
    if (process->member != NULL) {
        storage_member_update(process->member);
    }
}

static void join_cluster(struct loop_message *message)
{
    struct storage_process *process = CONTAINER_OF(message, struct storage_process, join);

    process->member = storage_member_new(process->settings, process->link, process->number);
}

static void attach_node(struct loop_message *message)
{
    struct storage_process *process = CONTAINER_OF(message, struct storage_process, attach);

    storage_member_attach(process->member, process->node);
}

/* ---- The main thread ---- */

/* False: told to end before there was a cluster. */
static bool await_cluster(struct storage_process *process)
{
    int signal = 0;

    if (atomic_load(&process->cluster) == 0) {
        log_info("storage.waiting", log_number("node", process->number),
                 log_text("for", SLICE("`aviso cluster init`")));
    }
    while (atomic_load(&process->cluster) == 0 && (signal == 0 || signal == SIGHUP)) {
        signal = process_wait(LOOK_AGAIN_MS);
    }
    return atomic_load(&process->cluster) != 0;
}

static enum status open_node(struct storage_process *process)
{
    const struct settings *settings = process->settings;
    char folder[PROCESS_PATH_SIZE_MAX];
    struct node_options options = {
        .folder = process_path(folder, settings->data_folder, "storage"),
        .node = process->number,
        .cluster = atomic_load(&process->cluster),
        .tls = process->tls,
        .is_plain_allowed = settings->rpc_plain,
        .loop_count = settings->storage_loops,
        .block_cache_size = settings->block_cache_size,
        .write_buffer_size = settings->write_buffer_size,
        .log_cache_size = settings->log_cache_size,
        .log_segment_size = (uint32_t)settings->log_segment_size,
        .failed = on_node_failed,
    };

    return node_open(&options, &process->node);
}

static enum status open_server(struct storage_process *process)
{
    char address[STORAGE_ADDRESS_SIZE_MAX];
    struct rpc_server_options options = {
        .address = address,
        .services = node_services(process->node),
        .cluster = atomic_load(&process->cluster),
        .node = process->number,
        .tls = process->tls,
        .is_plain_allowed = process->settings->rpc_plain,
    };
    enum status status =
        storage_cut_address(process->settings->node_listen, address, &options.port);

    options.loops = node_loops(process->node, &options.loop_count);
    if (status == STATUS_OK) {
        status = rpc_server_open(&options, &process->server);
    }
    if (status != STATUS_OK) {
        log_error("storage.cannot_listen", log_text("address", process->settings->node_listen),
                  log_status(status));
    }
    return status;
}

/* The server's connections live on the node's loops: it ends before they do. */
struct stopping {
    struct loop_message message;
    struct loop *loop;
};

static void on_server_stopped(struct loop_message *message)
{
    loop_stop(CONTAINER_OF(message, struct stopping, message)->loop);
}

static void stop_server(struct storage_process *process)
{
    struct stopping stopping = {{.run = on_server_stopped}, loop_new("stopping")};

    rpc_server_stop(process->server, STOP_GRACE_MS, stopping.loop, &stopping.message);
    loop_run(stopping.loop);
    loop_free(stopping.loop);
}

static void serve_until_told(struct storage_process *process)
{
    int signal = 0;

    process->attach.run = attach_node;
    loop_post(cluster_link_loop(process->link), &process->attach);
    log_info("storage.serving", log_number("node", process->number),
             log_text("address", process->settings->node_listen));
    do {
        signal = process_wait(0);
    } while (signal == SIGHUP);
    log_info("storage.stopping", log_number("signal", (uint64_t)signal));
    cluster_link_stop(process->link);
    node_hand_over(process->node);
    stop_server(process);
}

static enum status serve(struct storage_process *process)
{
    if (!await_cluster(process)) {
        return STATUS_OK;
    }
    enum status status = open_node(process);

    if (status == STATUS_OK) {
        status = open_server(process);
    }
    if (status == STATUS_OK) {
        serve_until_told(process);
    }
    return status;
}

static enum status open_all(struct storage_process *process)
{
    const struct settings *settings = process->settings;
    enum status status = process_make_folder(settings->data_folder);

    if (status == STATUS_OK) {
        status = storage_number_open(settings->data_folder, &process->number);
    }
    if (status == STATUS_OK) {
        status = cluster_open_tls(settings, &process->tls);
    }
    if (status == STATUS_OK) {
        status = storage_member_check(settings);
    }
    if (status == STATUS_OK) {
        status = cluster_link_open(settings, on_changed, process, &process->link);
    }
    return status;
}

/* The link's loop has to stand before what lives on it goes, and before the node does. */
static void close_all(struct storage_process *process)
{
    if (process->link != NULL) {
        cluster_link_stop(process->link);
    }
    if (process->node != NULL) {
        node_stop(process->node);
    }
    rpc_server_free(process->server);
    node_close(process->node);
    if (process->member != NULL) {
        storage_member_stop(process->member);
    }
    cluster_link_close(process->link);
    storage_member_free(process->member);
    tls_context_free(process->tls);
}

int storage_main(const struct settings *settings)
{
    struct storage_process process = {.settings = settings};

    process_block_signals();
    enum status status = open_all(&process);

    if (status == STATUS_OK) {
        process.join.run = join_cluster;
        loop_post(cluster_link_loop(process.link), &process.join);
        status = serve(&process);
    }
    close_all(&process);
    log_info("storage.stopped", log_text("data", settings->data_folder));
    return status == STATUS_OK && !has_failed ? 0 : 1;
}
