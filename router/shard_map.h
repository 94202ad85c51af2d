/* Who serves what: slots to shards, shards to nodes. Immutable once made; a newer map replaces it.
 */
#ifndef AVISO_ROUTER_SHARD_MAP_H
#define AVISO_ROUTER_SHARD_MAP_H

#include <stdbool.h>

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "router/slot.h"

enum { SHARD_COUNT_MAX = 65536, SHARD_DEFAULT_COUNT_STANDALONE = 8, SHARD_DEFAULT_COUNT = 64 };

struct shard_map;

/* A fresh map: shards 1 to `shard_count`, the slots spread evenly over them. */
struct shard_map *shard_map_new(uint32_t shard_count);
struct shard_map *shard_map_ref(struct shard_map *map);
void shard_map_unref(struct shard_map *map);

/* Of what a cluster's map is made. A shard's nodes are those that may lead it. */
enum { SHARD_MAP_NODES_MAX = 16, SHARD_MAP_ADDRESS_SIZE_MAX = 63 };
struct shard_map_shard {
    uint32_t id;
    uint32_t leader; /* a node, as far as is known; 0: it is not */
    uint32_t node_count;
    uint32_t nodes[SHARD_MAP_NODES_MAX];
};
struct shard_map_node {
    uint64_t cluster; /* the map's */
    uint32_t id;
    uint16_t port;
    char address[SHARD_MAP_ADDRESS_SIZE_MAX + 1]; /* numeric */
};
struct shard_map_parts {
    uint64_t cluster;
    const struct shard_map_shard *shards; /* by ascending id */
    uint32_t shard_count;
    const struct shard_map_node *nodes; /* by ascending id */
    uint32_t node_count;
    uint32_t slots[SLOT_COUNT];
};
/* Copies the parts, in which every slot is that of a shard. */
struct shard_map *shard_map_build(const struct shard_map_parts *parts);

/* The cluster; 0: all is in this process. */
uint64_t shard_map_cluster(const struct shard_map *map);

/* Who serves `shard`, and where a node is. NULL: not known. */
const struct shard_map_shard *shard_map_shard(const struct shard_map *map, uint32_t shard);
const struct shard_map_node *shard_map_node(const struct shard_map *map, uint32_t node);

/* How many there are, the id of the one at `index`, and whether `shard` is one. */
uint32_t shard_map_shard_count(const struct shard_map *map);
uint32_t shard_map_shard_at(const struct shard_map *map, uint32_t index);
bool shard_map_has_shard(const struct shard_map *map, uint32_t shard);

/* The shard that holds the entries of `slot`. */
uint32_t shard_map_shard_of_slot(const struct shard_map *map, uint32_t slot);

/* The map as a file of text (JSON, versioned), written so that a crash leaves the old or the new:
 * standalone's stand-in for etcd. NOT_FOUND: no such file.
 * CORRUPT: not a map. UNSUPPORTED: of a newer version. */
NODISCARD enum status shard_map_load(const char *path, struct shard_map **out_map);
NODISCARD enum status shard_map_parse(struct slice text, struct shard_map **out_map);
NODISCARD enum status shard_map_save(const struct shard_map *map, const char *path);

#endif
