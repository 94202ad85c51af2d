/* The name of a replica in its raft: one life of one shard's copy on one node.
 *
 * A node that gave a shard up and holds it again has forgotten what it had promised, so it is
 * somebody else: its new copy has a new life, which whoever places replicas never gives twice (to a
 * node, for a shard). The node is in the name, so that messages find their way by it alone. */
#ifndef AVISO_STORAGE_REPLICA_ID_H
#define AVISO_STORAGE_REPLICA_ID_H

#include <stdint.h>

enum { REPLICA_NODE_SHIFT = 32 };

/* Neither is 0. */
static inline uint64_t replica_id_make(uint32_t node, uint32_t life)
{
    return (uint64_t)node << REPLICA_NODE_SHIFT | life;
}

/* Of 0, 0. */
static inline uint32_t replica_id_node(uint64_t id)
{
    return (uint32_t)(id >> REPLICA_NODE_SHIFT);
}

#endif
