/* The placer: of all router processes the one that etcd elected writes where replicas should be.
 * What it decides with is router/placement.h; each write holds only as long as it is elected and
 * the record is as it was read. */
#ifndef AVISO_ROLES_PLACER_H
#define AVISO_ROLES_PLACER_H

#include "roles/cluster_link.h"

struct placer;

/* On the link's loop. Campaigns, and places from then on. `settings` and `link` outlive it. */
struct placer *placer_new(const struct settings *settings, struct cluster_link *link);

/* After the link's loop has stopped, before the link is closed. Accepts NULL. */
void placer_free(struct placer *placer);

#endif
