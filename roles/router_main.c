#include "roles/router_main.h"

#include <signal.h>

#include "core/log.h"
#include "roles/placer.h"
#include "roles/process.h"

struct router_process {
    const struct settings *settings;
    struct cluster_link *link;
    struct placer *placer; /* lives on the link's loop */
    struct loop_message start;
};

/* The placer looks at the map in its own time. */
static void on_changed(void *context, const struct cluster_map *map)
{
}

static void start_placer(struct loop_message *message)
{
    struct router_process *process = CONTAINER_OF(message, struct router_process, start);

    process->placer = placer_new(process->settings, process->link);
}

int router_main(const struct settings *settings)
{
    struct router_process process = {.settings = settings, .start = {.run = start_placer}};
    int signal = 0;

    process_block_signals();
    if (cluster_link_open(settings, on_changed, &process, &process.link) != STATUS_OK) {
        return 1;
    }
    loop_post(cluster_link_loop(process.link), &process.start);
    log_info("router.working", log_text("cluster", settings->cluster_name));
    do {
        signal = process_wait(0);
    } while (signal == SIGHUP);
    log_info("router.stopping", log_number("signal", (uint64_t)signal));
    cluster_link_stop(process.link);
    placer_free(process.placer);
    cluster_link_close(process.link);
    return 0;
}
