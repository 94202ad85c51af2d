/* The records of a cluster: the first octet says of which kind, the rest is the record. What is
 * read is whole, and is read again from what is printed of it. */
#include <string.h>

#include "core/check.h"
#include "router/cluster_map.h"
#include "tests/fuzz/fuzz.h"

static const char *const keys[] = {"/aviso/c/config",       "/aviso/c/nodes/7",
                                   "/aviso/c/shards/3",     "/aviso/c/leaders/3",
                                   "/aviso/c/slots/0-1023", "/aviso/c/drains/7"};

static void check_shard(struct slice text)
{
    struct cluster_shard shard;
    struct cluster_shard again;
    struct buffer printed;

    if (cluster_shard_parse(3, text, &shard) != STATUS_OK) {
        return;
    }
    CHECK(cluster_replicas_voters(&shard.now) > 0);
    CHECK(shard.wish.count == 0 || cluster_replicas_voters(&shard.wish) > 0);
    buffer_init(&printed, CLUSTER_RECORD_SIZE_MAX);
    cluster_shard_print(&shard, &printed);
    CHECK(cluster_shard_parse(3, buffer_view(&printed), &again) == STATUS_OK);
    CHECK(cluster_replicas_equal(&shard.now, &again.now));
    CHECK(cluster_replicas_equal(&shard.wish, &again.wish));
    CHECK(shard.generation == again.generation && shard.leader_wish == again.leader_wish);
    CHECK(shard.voters == again.voters && shard.life_next == again.life_next);
    buffer_done(&printed);
}

static void check_node(struct slice text)
{
    struct cluster_node node;
    struct cluster_node again;
    struct buffer printed;

    if (cluster_node_parse(7, text, &node) != STATUS_OK) {
        return;
    }
    buffer_init(&printed, CLUSTER_RECORD_SIZE_MAX);
    cluster_node_print(&node, &printed);
    CHECK(cluster_node_parse(7, buffer_view(&printed), &again) == STATUS_OK);
    CHECK(cluster_name_equals(&node.address, &again.address));
    CHECK(cluster_name_equals(&node.zone, &again.zone));
    CHECK(node.port == again.port && node.capacity == again.capacity);
    buffer_done(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct cluster_map *map = cluster_map_new(SLICE("/aviso/c/"));
    struct slice text = {(const char *)data + 1, size - 1};
    struct slice key = slice_of(keys[data[0] % COUNT_OF(keys)]);
    struct shard_map *snapshot = NULL;

    check_shard(text);
    check_node(text);
    if (cluster_map_put(map, key, text, 1) == STATUS_OK) {
        CHECK(cluster_map_put(map, key, text, 2) == STATUS_OK);
    }
    CHECK(cluster_map_put(map, text, text, 1) != STATUS_OK ||
          slice_starts_with(text, SLICE("/aviso/c/")));
    CHECK(cluster_map_snapshot(map, &snapshot) == STATUS_AGAIN);
    cluster_map_delete(map, text);
    cluster_map_delete(map, key);
    CHECK(cluster_map_node_count(map) <= 2 && cluster_map_drain_count(map) == 0);
    CHECK(cluster_map_shard_count(map) == 0 && cluster_map_config(map) == NULL);
    cluster_map_free(map);
    return 0;
}
