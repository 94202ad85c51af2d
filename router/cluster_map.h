/* All that etcd says of a cluster, kept up to date key by key, for one loop; and the immutable map
 * of it for whoever routes. */
#ifndef AVISO_ROUTER_CLUSTER_MAP_H
#define AVISO_ROUTER_CLUSTER_MAP_H

#include "router/cluster_record.h"
#include "router/shard_map.h"

enum { CLUSTER_NODES_MAX = 10000 };

struct cluster_map;

/* One shard's record and what is known besides. */
struct cluster_shard_entry {
    struct cluster_shard shard;
    uint64_t revision; /* of its key: what to compare with before it is written */
    bool has_leader;
    struct cluster_leader leader;
};

/* A node that was there since we look. One that went away is kept: while etcd rests its lease ends,
 * and it may serve all the same. */
struct cluster_node_entry {
    struct cluster_node node;
    bool is_alive; /* holds its lease */
};

/* `prefix` is that of the cluster, with the slash at its end; copied. */
struct cluster_map *cluster_map_new(struct slice prefix);
void cluster_map_free(struct cluster_map *map);

/* A key was put. NOT_FOUND: it is none of the map's, and nothing changes. CORRUPT, UNSUPPORTED: the
 * record cannot be read, and what was there before stays. TOO_LARGE: too many nodes or shards. */
NODISCARD enum status cluster_map_put(struct cluster_map *map, struct slice key, struct slice value,
                                      uint64_t revision);
/* A key was deleted; others than the map's are no matter. */
void cluster_map_delete(struct cluster_map *map, struct slice key);

/* NULL: there is none yet. */
const struct cluster_config *cluster_map_config(const struct cluster_map *map);

/* The nodes, by ascending id. */
size_t cluster_map_node_count(const struct cluster_map *map);
const struct cluster_node_entry *cluster_map_node_at(const struct cluster_map *map, size_t index);
const struct cluster_node_entry *cluster_map_node(const struct cluster_map *map, uint32_t id);

/* The nodes that are to be emptied, by ascending id. */
size_t cluster_map_drain_count(const struct cluster_map *map);
uint32_t cluster_map_drain_at(const struct cluster_map *map, size_t index);
bool cluster_map_is_draining(const struct cluster_map *map, uint32_t node);

/* The shards, by ascending id. */
size_t cluster_map_shard_count(const struct cluster_map *map);
const struct cluster_shard_entry *cluster_map_shard_at(const struct cluster_map *map, size_t index);
const struct cluster_shard_entry *cluster_map_shard(const struct cluster_map *map, uint32_t id);

/* The map for those who route. AGAIN: something is still missing: the configuration, a shard, or
 * the shard of a slot. */
NODISCARD enum status cluster_map_snapshot(const struct cluster_map *map,
                                           struct shard_map **out_map);

/* Appends the key of each kind of record to what is in `output`. */
void cluster_key_config(struct slice prefix, struct buffer *output);
void cluster_key_number(struct slice prefix, const char *kind, uint32_t number,
                        struct buffer *output); /* "nodes", "drains", "shards", "leaders" */
void cluster_key_slots(struct slice prefix, uint32_t first, uint32_t last, struct buffer *output);

/* Appends "/aviso/NAME/". INVALID: not a name of [a-z0-9-], or empty, or over
 * CLUSTER_NAME_SIZE_MAX octets. */
NODISCARD enum status cluster_prefix(struct slice name, struct buffer *output);

#endif
