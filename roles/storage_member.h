/* A storage node as a member of its cluster: on the link's loop it says in etcd that it is alive,
 * learns where the others are and which replicas it is to hold, and where it leads a shard it makes
 * wishes so and writes what came of them.
 *
 * Raft decides and etcd follows: nothing of it is needed to serve, so etcd may rest. */
#ifndef AVISO_ROLES_STORAGE_MEMBER_H
#define AVISO_ROLES_STORAGE_MEMBER_H

#include "roles/cluster_link.h"
#include "storage/node.h"

struct storage_member;

/* Whether the settings of a node make a record. Logged when not. INVALID. */
NODISCARD enum status storage_member_check(const struct settings *settings);

/* On the link's loop, as all of these but the last. Registers; `settings` and `link` outlive it. */
struct storage_member *storage_member_new(const struct settings *settings,
                                          struct cluster_link *link, uint32_t number);

/* The node serves from now on, and until the link's loop has stopped. */
void storage_member_attach(struct storage_member *member, struct node *node);

/* The cluster changed. */
void storage_member_update(struct storage_member *member);

/* After the link's loop and the node have stopped, and before the link is closed. */
void storage_member_stop(struct storage_member *member);

/* After the link was closed: until then, what the node had to do may still end. Accepts NULL. */
void storage_member_free(struct storage_member *member);

#endif
