#include "router/cluster_map.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"
#include "router/numbered.h"

enum { PREFIX_SIZE_MAX = 128 };

struct drain {
    uint32_t node;
};

struct cluster_map {
    char prefix[PREFIX_SIZE_MAX];
    size_t prefix_size;
    bool has_config;
    struct cluster_config config;
    struct numbered nodes;  /* struct cluster_node_entry */
    struct numbered drains; /* struct drain */
    struct numbered shards; /* struct cluster_shard_entry */
    struct numbered slots;  /* struct cluster_slots, by the first */
};

struct cluster_map *cluster_map_new(struct slice prefix)
{
    struct cluster_map *map = NEW(struct cluster_map);

    CHECK(prefix.size < PREFIX_SIZE_MAX);
    memcpy(map->prefix, prefix.data, prefix.size);
    map->prefix_size = prefix.size;
    numbered_init(&map->nodes, sizeof(struct cluster_node_entry));
    numbered_init(&map->drains, sizeof(struct drain));
    numbered_init(&map->shards, sizeof(struct cluster_shard_entry));
    numbered_init(&map->slots, sizeof(struct cluster_slots));
    return map;
}

void cluster_map_free(struct cluster_map *map)
{
    if (map != NULL) {
        numbered_done(&map->nodes);
        numbered_done(&map->drains);
        numbered_done(&map->shards);
        numbered_done(&map->slots);
        memory_free(map);
    }
}

/* ---- Keys ---- */

/* "nodes/7" is kind "nodes", number 7. False: not of the map, or not as we write it. */
static bool cut_key(const struct cluster_map *map, struct slice key, struct slice *out_kind,
                    uint32_t *out_first, uint32_t *out_last)
{
    struct slice prefix = {map->prefix, map->prefix_size};
    uint64_t first = 0;
    uint64_t last = 0;

    if (!slice_starts_with(key, prefix)) {
        return false;
    }
    struct slice rest = slice_skip(key, prefix.size);

    *out_kind = slice_cut(&rest, '/');
    if (rest.size > 0 &&
        (number_take(&rest, UINT32_MAX, &first) != STATUS_OK ||
         (rest.size > 0 && (slice_cut(&rest, '-').size > 0 ||
                            number_parse(rest, UINT32_MAX, &last) != STATUS_OK)))) {
        return false;
    }
    *out_first = (uint32_t)first;
    *out_last = (uint32_t)last;
    return true;
}

void cluster_key_config(struct slice prefix, struct buffer *output)
{
    buffer_append(output, prefix);
    buffer_append(output, SLICE("config"));
}

void cluster_key_number(struct slice prefix, const char *kind, uint32_t number,
                        struct buffer *output)
{
    buffer_append(output, prefix);
    buffer_printf(output, "%s/%u", kind, number);
}

void cluster_key_slots(struct slice prefix, uint32_t first, uint32_t last, struct buffer *output)
{
    buffer_append(output, prefix);
    buffer_printf(output, "slots/%u-%u", first, last);
}

enum status cluster_prefix(struct slice name, struct buffer *output)
{
    bool is_good = name.size > 0 && name.size <= CLUSTER_NAME_SIZE_MAX;

    for (size_t i = 0; i < name.size; i++) {
        char octet = name.data[i];

        is_good = is_good && ((octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') ||
                              octet == '-');
    }
    if (!is_good) {
        return STATUS_INVALID;
    }
    buffer_append(output, SLICE("/aviso/"));
    buffer_append(output, name);
    buffer_append_octet(output, '/');
    return STATUS_OK;
}

/* ---- Changes ---- */

/* If need be, one that went away is forgotten. */
static bool has_room_for_node(struct cluster_map *map)
{
    for (size_t i = 0; map->nodes.count >= CLUSTER_NODES_MAX && i < map->nodes.count; i++) {
        const struct cluster_node_entry *entry = numbered_at(&map->nodes, i);

        if (!entry->is_alive) {
            numbered_remove(&map->nodes, entry->node.id);
            break;
        }
    }
    return map->nodes.count < CLUSTER_NODES_MAX;
}

static enum status put_node(struct cluster_map *map, uint32_t id, struct slice value)
{
    struct cluster_node node;
    enum status status = cluster_node_parse(id, value, &node);

    if (status == STATUS_OK && numbered_find(&map->nodes, id) == NULL && !has_room_for_node(map)) {
        return STATUS_TOO_LARGE;
    }
    if (status == STATUS_OK) {
        *(struct cluster_node_entry *)numbered_put(&map->nodes, id) =
            (struct cluster_node_entry){node, true};
    }
    return status;
}

static enum status put_drain(struct cluster_map *map, uint32_t id)
{
    if (id == 0 ||
        (map->drains.count >= CLUSTER_NODES_MAX && numbered_find(&map->drains, id) == NULL)) {
        return id == 0 ? STATUS_CORRUPT : STATUS_TOO_LARGE;
    }
    ((struct drain *)numbered_put(&map->drains, id))->node = id;
    return STATUS_OK;
}

static bool has_room_for_shard(const struct cluster_map *map, uint32_t id)
{
    return map->shards.count < SHARD_COUNT_MAX || numbered_find(&map->shards, id) != NULL;
}

static enum status put_shard(struct cluster_map *map, uint32_t id, struct slice value,
                             uint64_t revision)
{
    struct cluster_shard shard;
    enum status status = cluster_shard_parse(id, value, &shard);

    if (status == STATUS_OK && !has_room_for_shard(map, id)) {
        return STATUS_TOO_LARGE;
    }
    if (status == STATUS_OK) {
        struct cluster_shard_entry *entry = numbered_put(&map->shards, id);

        entry->shard = shard;
        entry->revision = revision;
    }
    return status;
}

/* It may come before its shard's record does. */
static enum status put_leader(struct cluster_map *map, uint32_t id, struct slice value)
{
    struct cluster_leader leader;
    enum status status = cluster_leader_parse(id, value, &leader);

    if (status == STATUS_OK && !has_room_for_shard(map, id)) {
        return STATUS_TOO_LARGE;
    }
    if (status == STATUS_OK) {
        struct cluster_shard_entry *entry = numbered_put(&map->shards, id);

        entry->has_leader = true;
        entry->leader = leader;
    }
    return status;
}

static enum status put_slots(struct cluster_map *map, uint32_t first, uint32_t last,
                             struct slice value)
{
    struct cluster_slots slots;
    enum status status = cluster_slots_parse(first, last, value, &slots);

    if (status == STATUS_OK) {
        *(struct cluster_slots *)numbered_put(&map->slots, first) = slots;
    }
    return status;
}

enum status cluster_map_put(struct cluster_map *map, struct slice key, struct slice value,
                            uint64_t revision)
{
    struct slice kind;
    uint32_t first = 0;
    uint32_t last = 0;

    if (!cut_key(map, key, &kind, &first, &last)) {
        return STATUS_NOT_FOUND;
    }
    if (slice_equals(kind, SLICE("config"))) {
        enum status status = cluster_config_parse(value, &map->config);

        map->has_config = map->has_config || status == STATUS_OK;
        return status;
    }
    return slice_equals(kind, SLICE("nodes"))     ? put_node(map, first, value)
           : slice_equals(kind, SLICE("drains"))  ? put_drain(map, first)
           : slice_equals(kind, SLICE("shards"))  ? put_shard(map, first, value, revision)
           : slice_equals(kind, SLICE("leaders")) ? put_leader(map, first, value)
           : slice_equals(kind, SLICE("slots"))   ? put_slots(map, first, last, value)
                                                  : STATUS_NOT_FOUND;
}

/* A shard's record and the word of its leader are two keys; the last that goes takes all. */
static void forget_shard(struct cluster_map *map, uint32_t id, bool is_leader)
{
    struct cluster_shard_entry *entry = numbered_find(&map->shards, id);

    if (entry == NULL) {
        return;
    }
    if (is_leader) {
        entry->has_leader = false;
    } else {
        entry->shard = (struct cluster_shard){0};
    }
    if (!entry->has_leader && entry->shard.id == 0) {
        numbered_remove(&map->shards, id);
    }
}

static void forget_node(struct cluster_map *map, uint32_t id)
{
    struct cluster_node_entry *entry = numbered_find(&map->nodes, id);

    if (entry != NULL) {
        entry->is_alive = false;
    }
}

void cluster_map_delete(struct cluster_map *map, struct slice key)
{
    struct slice kind;
    uint32_t first = 0;
    uint32_t last = 0;

    if (!cut_key(map, key, &kind, &first, &last)) {
        return;
    }
    if (slice_equals(kind, SLICE("config"))) {
        map->has_config = false;
    } else if (slice_equals(kind, SLICE("nodes"))) {
        forget_node(map, first);
    } else if (slice_equals(kind, SLICE("drains"))) {
        numbered_remove(&map->drains, first);
    } else if (slice_equals(kind, SLICE("shards")) || slice_equals(kind, SLICE("leaders"))) {
        forget_shard(map, first, slice_equals(kind, SLICE("leaders")));
    } else if (slice_equals(kind, SLICE("slots"))) {
        numbered_remove(&map->slots, first);
    }
}

/* ---- What is known ---- */

const struct cluster_config *cluster_map_config(const struct cluster_map *map)
{
    return map->has_config ? &map->config : NULL;
}

size_t cluster_map_node_count(const struct cluster_map *map)
{
    return map->nodes.count;
}

const struct cluster_node_entry *cluster_map_node_at(const struct cluster_map *map, size_t index)
{
    return numbered_at(&map->nodes, index);
}

const struct cluster_node_entry *cluster_map_node(const struct cluster_map *map, uint32_t id)
{
    return numbered_find(&map->nodes, id);
}

size_t cluster_map_drain_count(const struct cluster_map *map)
{
    return map->drains.count;
}

uint32_t cluster_map_drain_at(const struct cluster_map *map, size_t index)
{
    return ((const struct drain *)numbered_at(&map->drains, index))->node;
}

bool cluster_map_is_draining(const struct cluster_map *map, uint32_t node)
{
    return numbered_find(&map->drains, node) != NULL;
}

size_t cluster_map_shard_count(const struct cluster_map *map)
{
    return map->shards.count;
}

const struct cluster_shard_entry *cluster_map_shard_at(const struct cluster_map *map, size_t index)
{
    return numbered_at(&map->shards, index);
}

const struct cluster_shard_entry *cluster_map_shard(const struct cluster_map *map, uint32_t id)
{
    return numbered_find(&map->shards, id);
}

/* ---- The map for those who route ---- */

/* False: a slot is nobody's, or that of a shard which is not there. */
static bool fill_slots(const struct cluster_map *map, uint32_t *slots)
{
    for (size_t i = 0; i < map->slots.count; i++) {
        const struct cluster_slots *range = numbered_at(&map->slots, i);
        const struct cluster_shard_entry *entry = numbered_find(&map->shards, range->shard);

        if (entry == NULL || entry->shard.id == 0) {
            return false;
        }
        for (uint32_t slot = range->first; slot <= range->last; slot++) {
            slots[slot] = range->shard;
        }
    }
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        if (slots[slot] == 0) {
            return false;
        }
    }
    return true;
}

static void fill_shard(const struct cluster_shard_entry *entry, struct shard_map_shard *out_shard)
{
    out_shard->id = entry->shard.id;
    out_shard->leader = entry->has_leader ? entry->leader.node : 0;
    for (size_t i = 0; i < entry->shard.now.count; i++) {
        if (entry->shard.now.list[i].role == CLUSTER_VOTER) {
            out_shard->nodes[out_shard->node_count++] = entry->shard.now.list[i].node;
        }
    }
}

static void fill_node(const struct cluster_node *node, struct shard_map_node *out_node)
{
    out_node->id = node->id;
    out_node->port = node->port;
    memcpy(out_node->address, node->address.text, sizeof(out_node->address));
}

enum status cluster_map_snapshot(const struct cluster_map *map, struct shard_map **out_map)
{
    struct shard_map_parts parts = {0};

    if (!map->has_config || map->shards.count == 0 || !fill_slots(map, parts.slots)) {
        return STATUS_AGAIN;
    }
    struct shard_map_shard *shards = memory_zeroed(map->shards.count * sizeof(*shards));
    struct shard_map_node *nodes = memory_zeroed((map->nodes.count + 1) * sizeof(*nodes));

    for (size_t i = 0; i < map->shards.count; i++) {
        const struct cluster_shard_entry *entry = numbered_at(&map->shards, i);

        if (entry->shard.id != 0) {
            fill_shard(entry, &shards[parts.shard_count++]);
        }
    }
    for (size_t i = 0; i < map->nodes.count; i++) {
        fill_node(&((const struct cluster_node_entry *)numbered_at(&map->nodes, i))->node,
                  &nodes[parts.node_count++]);
    }
    parts.cluster = map->config.id;
    parts.shards = shards;
    parts.nodes = nodes;
    *out_map = shard_map_build(&parts);
    memory_free(shards);
    memory_free(nodes);
    return STATUS_OK;
}
