/* A view of all keys with a prefix, kept true: the list first, then each change in its order.
 *
 * When the connection breaks the changes missed are asked for; when etcd has forgotten them, or has
 * become another store, the list is made again and compared with what was told before. So whoever
 * listens hears of puts and deletes alone, and may lose sight of a value only when a later one has
 * taken its place. */
#ifndef AVISO_ROUTER_ETCD_WATCH_H
#define AVISO_ROUTER_ETCD_WATCH_H

#include "router/etcd.h"

enum { ETCD_WATCH_KEYS_MAX = 200000 };

struct etcd_watch;

/* None of them frees the watch. */
struct etcd_watch_listener {
    void (*on_put)(void *context, const struct etcd_entry *entry);
    void (*on_delete)(void *context, struct slice key);

    /* What was told since the last time belongs together, and is true as of `revision`. */
    void (*on_settled)(void *context, uint64_t revision);
    void *context;
};

/* Begins to list. `prefix` is copied; `listener` outlives the watch. */
struct etcd_watch *etcd_watch_new(struct etcd *etcd, struct slice prefix,
                                  const struct etcd_watch_listener *listener);

/* Accepts NULL. */
void etcd_watch_free(struct etcd_watch *watch);

/* Whether it was settled once, and changes come as they happen. */
bool etcd_watch_is_live(const struct etcd_watch *watch);

#endif
