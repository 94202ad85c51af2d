/* A process's side of its cluster: a loop of its own for etcd, and the map that it says. */
#ifndef AVISO_ROLES_CLUSTER_LINK_H
#define AVISO_ROLES_CLUSTER_LINK_H

#include "net/tls.h"
#include "roles/settings.h"
#include "router/cluster_watch.h"

struct cluster_link;

/* Connects as the settings say, and calls `changed` on its loop whenever the cluster changed. Every
 * failure is logged in words for the operator; etcd need not be there. INVALID. */
NODISCARD enum status cluster_link_open(const struct settings *settings,
                                        cluster_changed_fn *changed, void *context,
                                        struct cluster_link **out_link);

/* Ends the loop: nothing runs on it any more. What others have on it is freed between the two. */
void cluster_link_stop(struct cluster_link *link);
/* Accepts NULL. */
void cluster_link_close(struct cluster_link *link);

/* For what else lives on its loop. */
struct etcd *cluster_link_etcd(struct cluster_link *link);
struct loop *cluster_link_loop(struct cluster_link *link);
struct slice cluster_link_prefix(const struct cluster_link *link);
const struct cluster_map *cluster_link_map(const struct cluster_link *link); /* on its loop */

/* What nodes and their clients prove themselves with; NULL: they do not. Logged when it fails. */
NODISCARD enum status cluster_open_tls(const struct settings *settings,
                                       struct tls_context **out_tls);

#endif
