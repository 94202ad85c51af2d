/* `aviso cluster VERB`: founding a cluster in etcd, and looking at it. */
#ifndef AVISO_ROLES_CLUSTER_COMMAND_H
#define AVISO_ROLES_CLUSTER_COMMAND_H

#include "roles/settings.h"

/* `words`: the verb and what follows it.
 *
 *     init                shards on the storage nodes that are alive now; EXISTS if there are some
 *     status              nodes, shards, who leads, what is being moved
 *     drain NODE          moves everything off a node
 *     undrain NODE        takes that back
 *     lead SHARD NODE     lets that node lead the shard
 *     move SHARD FROM TO  moves a replica; the placer may move it on
 *
 * Prints results on standard output and faults on standard error. Returns the exit code: 0 done,
 * 1 refused or failed, 2 wrong usage, 3 no such thing, 4 there is one already, 5 etcd cannot be
 * reached. */
int cluster_command(const struct settings *settings, char **words, int word_count);

#endif
