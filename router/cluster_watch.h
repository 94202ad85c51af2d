/* A cluster as etcd has it, kept true on one loop: the map, and whoever wants to know of changes.
 */
#ifndef AVISO_ROUTER_CLUSTER_WATCH_H
#define AVISO_ROUTER_CLUSTER_WATCH_H

#include "router/cluster_map.h"
#include "router/etcd.h"

struct cluster_watch;

/* Something changed since the last time; a burst of changes is told once. Within it, nothing is
 * freed. */
typedef void cluster_changed_fn(void *context, const struct cluster_map *map);

/* Begins to list what is below `prefix`, which is copied. `etcd` outlives it. */
struct cluster_watch *cluster_watch_new(struct etcd *etcd, struct slice prefix,
                                        cluster_changed_fn *changed, void *context);

/* Accepts NULL. */
void cluster_watch_free(struct cluster_watch *watch);

/* As it is known now. */
const struct cluster_map *cluster_watch_map(const struct cluster_watch *watch);

/* Whether it was whole once: before, an empty map means nothing. */
bool cluster_watch_is_listed(const struct cluster_watch *watch);

#endif
