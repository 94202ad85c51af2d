#include "router/cluster_watch.h"

#include "core/log.h"
#include "core/memory.h"
#include "router/etcd_watch.h"

enum { BURST_MS = 20 };

struct cluster_watch {
    struct cluster_map *map;
    struct etcd_watch *watch;
    struct etcd_watch_listener listener;
    struct loop_timer burst;
    cluster_changed_fn *changed;
    void *context;
    bool is_listed;
};

static void on_put(void *context, const struct etcd_entry *entry)
{
    struct cluster_watch *watch = context;
    enum status status = cluster_map_put(watch->map, entry->key, entry->value, entry->mod_revision);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        log_error("cluster.bad_record", log_text("key", entry->key), log_status(status),
                  log_text("effect", SLICE("what was known before stays in use")));
    }
}

static void on_delete(void *context, struct slice key)
{
    cluster_map_delete(((struct cluster_watch *)context)->map, key);
}

static void on_settled(void *context, uint64_t revision)
{
    struct cluster_watch *watch = context;

    watch->is_listed = true;
    if (!watch->burst.running) {
        loop_timer_start(&watch->burst, BURST_MS);
    }
}

static void on_burst_over(struct loop_timer *timer)
{
    struct cluster_watch *watch = CONTAINER_OF(timer, struct cluster_watch, burst);

    watch->changed(watch->context, watch->map);
}

struct cluster_watch *cluster_watch_new(struct etcd *etcd, struct slice prefix,
                                        cluster_changed_fn *changed, void *context)
{
    struct cluster_watch *watch = NEW(struct cluster_watch);

    watch->map = cluster_map_new(prefix);
    watch->changed = changed;
    watch->context = context;
    watch->listener = (struct etcd_watch_listener){on_put, on_delete, on_settled, watch};
    loop_timer_init(&watch->burst, etcd_loop(etcd), on_burst_over);
    watch->watch = etcd_watch_new(etcd, prefix, &watch->listener);
    return watch;
}

void cluster_watch_free(struct cluster_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    loop_timer_stop(&watch->burst);
    etcd_watch_free(watch->watch);
    cluster_map_free(watch->map);
    memory_free(watch);
}

const struct cluster_map *cluster_watch_map(const struct cluster_watch *watch)
{
    return watch->map;
}

bool cluster_watch_is_listed(const struct cluster_watch *watch)
{
    return watch->is_listed;
}
