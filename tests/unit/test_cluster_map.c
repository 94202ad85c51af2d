/* What etcd says of a cluster, key by key, and the map that is made of it. */
#include "router/cluster_map.h"
#include "tests/unit/unit.h"

#define NODE(address, port) "{\"version\":1,\"address\":\"" address "\",\"port\":" #port "}"
#define SHARD(replicas)                                                                            \
    "{\"version\":1,\"generation\":1,\"voters\":3,\"founders\":3,\"life_next\":10,\"replicas\":"   \
    "[" replicas "]}"
#define VOTER(node)   "{\"node\":" #node ",\"life\":1,\"role\":\"voter\"}"
#define LEARNER(node) "{\"node\":" #node ",\"life\":1,\"role\":\"learner\"}"

static enum status put(struct cluster_map *map, const char *key, const char *value)
{
    return cluster_map_put(map, slice_of(key), slice_of(value), 5);
}

static void map_is_whole_once_every_slot_has_a_shard(void **state)
{
    static const struct {
        const char *key;
        const char *value;
    } keys[] = {
        {"/aviso/c/nodes/1", NODE("127.0.0.2", 4000)},
        {"/aviso/c/nodes/2", NODE("::1", 4001)},
        {"/aviso/c/leaders/7", "{\"version\":1,\"node\":2,\"term\":3,\"ready\":[1,2]}"},
        {"/aviso/c/slots/0-511", "{\"version\":1,\"shard\":7}"},
        {"/aviso/c/shards/7", SHARD(VOTER(1) "," VOTER(2) "," LEARNER(3))},
        {"/aviso/c/slots/512-1023", "{\"version\":1,\"shard\":9}"},
        {"/aviso/c/shards/9", SHARD(VOTER(2))},
        {"/aviso/c/config", "{\"version\":1,\"id\":\"18446744073709551615\",\"features\":\"0\"}"},
    };
    struct cluster_map *map = cluster_map_new(SLICE("/aviso/c/"));
    struct shard_map *snapshot = NULL;

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_int_equal(cluster_map_snapshot(map, &snapshot), STATUS_AGAIN);
        assert_int_equal(put(map, keys[i].key, keys[i].value), STATUS_OK);
    }
    assert_int_equal(cluster_map_snapshot(map, &snapshot), STATUS_OK);
    assert_true(shard_map_cluster(snapshot) == UINT64_MAX);
    assert_int_equal(shard_map_shard_count(snapshot), 2);
    assert_int_equal(shard_map_shard_of_slot(snapshot, 511), 7);
    assert_int_equal(shard_map_shard_of_slot(snapshot, 512), 9);
    const struct shard_map_shard *shard = shard_map_shard(snapshot, 7);

    assert_int_equal(shard->leader, 2);
    assert_int_equal(shard->node_count, 2); /* learners do not lead */
    assert_int_equal(shard->nodes[0], 1);
    assert_int_equal(shard->nodes[1], 2);
    assert_null(shard_map_shard(snapshot, 8));
    assert_string_equal(shard_map_node(snapshot, 2)->address, "::1");
    assert_int_equal(shard_map_node(snapshot, 1)->port, 4000);
    assert_null(shard_map_node(snapshot, 3));
    shard_map_unref(snapshot);
    for (size_t i = 3; i < COUNT_OF(keys); i++) { /* without any of these it is not whole */
        cluster_map_delete(map, slice_of(keys[i].key));
        assert_int_equal(cluster_map_snapshot(map, &snapshot), STATUS_AGAIN);
        assert_int_equal(put(map, keys[i].key, keys[i].value), STATUS_OK);
    }
    cluster_map_free(map);
}

static void nodes_and_leaders_come_and_go(void **state)
{
    struct cluster_map *map = cluster_map_new(SLICE("/aviso/c/"));

    assert_int_equal(put(map, "/aviso/c/nodes/4294967295", NODE("127.0.0.2", 1)), STATUS_OK);
    assert_int_equal(put(map, "/aviso/c/nodes/3", NODE("127.0.0.3", 65535)), STATUS_OK);
    assert_int_equal(put(map, "/aviso/c/drains/3", "{}"), STATUS_OK);
    assert_int_equal(cluster_map_node_count(map), 2);
    assert_int_equal(cluster_map_node_at(map, 0)->node.id, 3);
    assert_true(cluster_map_is_draining(map, 3));
    cluster_map_delete(map, SLICE("/aviso/c/nodes/3"));
    cluster_map_delete(map, SLICE("/aviso/c/drains/3"));
    assert_false(cluster_map_node(map, 3)->is_alive);
    assert_false(cluster_map_is_draining(map, 3));
    assert_int_equal(put(map, "/aviso/c/leaders/5", "{\"version\":1,\"node\":2}"), STATUS_OK);
    assert_int_equal(put(map, "/aviso/c/shards/5", SHARD(VOTER(2))), STATUS_OK);
    assert_true(cluster_map_shard(map, 5)->has_leader);
    assert_true(cluster_map_shard(map, 5)->revision == 5);
    cluster_map_delete(map, SLICE("/aviso/c/leaders/5"));
    assert_false(cluster_map_shard(map, 5)->has_leader);
    cluster_map_delete(map, SLICE("/aviso/c/shards/5"));
    assert_null(cluster_map_shard(map, 5));
    cluster_map_free(map);
}

static void keys_of_others_are_no_matter(void **state)
{
    static const char *const keys[] = {
        "",
        "/aviso/c",
        "/aviso/c/",
        "/aviso/d/nodes/1",
        "/aviso/c/placer",
        "/aviso/c/nodes/",
        "/aviso/c/nodes/x",
        "/aviso/c/nodes/1x",
        "/aviso/c/nodes/-1",
        "/aviso/c/nodes/1-",
        "/aviso/c/slots/1-2-3",
        "/aviso/c/nodes/4294967296",
    };
    struct cluster_map *map = cluster_map_new(SLICE("/aviso/c/"));

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        enum status status = put(map, keys[i], NODE("127.0.0.2", 1));

        assert_true(status == STATUS_NOT_FOUND || status == STATUS_CORRUPT);
        cluster_map_delete(map, slice_of(keys[i]));
    }
    assert_int_equal(cluster_map_node_count(map), 0);
    cluster_map_free(map);
}

static void records_that_cannot_be_read_change_nothing(void **state)
{
    static const struct {
        const char *key;
        const char *value;
        enum status status;
    } records[] = {
        {"/aviso/c/nodes/1", "", STATUS_CORRUPT},
        {"/aviso/c/nodes/1", "{}", STATUS_CORRUPT},
        {"/aviso/c/nodes/1", "{\"version\":2}", STATUS_UNSUPPORTED},
        {"/aviso/c/nodes/1", "{\"version\":1,\"address\":\"a b\",\"port\":1}", STATUS_CORRUPT},
        {"/aviso/c/nodes/1", "{\"version\":1,\"address\":\"\",\"port\":1}", STATUS_CORRUPT},
        {"/aviso/c/nodes/1", NODE("127.0.0.1", 0), STATUS_CORRUPT},
        {"/aviso/c/nodes/1", NODE("127.0.0.1", 65536), STATUS_CORRUPT},
        {"/aviso/c/nodes/1", NODE("127.0.0.1", "1"), STATUS_CORRUPT},
        {"/aviso/c/nodes/0", NODE("127.0.0.1", 1), STATUS_CORRUPT},
        {"/aviso/c/drains/0", "{}", STATUS_CORRUPT},
        {"/aviso/c/shards/1", SHARD(""), STATUS_CORRUPT},
        {"/aviso/c/shards/1", SHARD("7"), STATUS_CORRUPT},
        {"/aviso/c/shards/1", SHARD(LEARNER(1)), STATUS_CORRUPT},
        {"/aviso/c/shards/1", SHARD(VOTER(2) "," VOTER(1)), STATUS_CORRUPT},
        {"/aviso/c/shards/1", SHARD(VOTER(1) "," VOTER(1)), STATUS_CORRUPT},
        {"/aviso/c/shards/1", SHARD("{\"node\":1,\"life\":10,\"role\":\"voter\"}"), STATUS_CORRUPT},
        {"/aviso/c/shards/1", SHARD("{\"node\":1,\"life\":1,\"role\":\"king\"}"), STATUS_CORRUPT},
        {"/aviso/c/shards/0", SHARD(VOTER(1)), STATUS_CORRUPT},
        {"/aviso/c/slots/5-4", "{\"version\":1,\"shard\":1}", STATUS_CORRUPT},
        {"/aviso/c/slots/0-1024", "{\"version\":1,\"shard\":1}", STATUS_CORRUPT},
        {"/aviso/c/slots/0-1", "{\"version\":1,\"shard\":0}", STATUS_CORRUPT},
        {"/aviso/c/config", "{\"version\":1,\"id\":\"0\",\"features\":\"0\"}", STATUS_CORRUPT},
        {"/aviso/c/config", "{\"version\":1,\"id\":\"1\",\"features\":\"1\"}", STATUS_UNSUPPORTED},
        {"/aviso/c/leaders/1", "{\"version\":1,\"node\":0}", STATUS_CORRUPT},
        {"/aviso/c/leaders/1", "{\"version\":1,\"node\":1,\"ready\":[0]}", STATUS_CORRUPT},
    };
    struct cluster_map *map = cluster_map_new(SLICE("/aviso/c/"));

    assert_int_equal(put(map, "/aviso/c/nodes/1", NODE("127.0.0.9", 9)), STATUS_OK);
    assert_int_equal(put(map, "/aviso/c/shards/1", SHARD(VOTER(9))), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        assert_int_equal(put(map, records[i].key, records[i].value), records[i].status);
        assert_string_equal(cluster_map_node(map, 1)->node.address.text, "127.0.0.9");
        assert_int_equal(cluster_map_shard(map, 1)->shard.now.list[0].node, 9);
        assert_null(cluster_map_config(map));
        assert_int_equal(cluster_map_drain_count(map), 0);
    }
    cluster_map_free(map);
}

static void names_of_clusters_are_plain(void **state)
{
    struct buffer prefix;

    buffer_init(&prefix, 256);
    assert_int_equal(cluster_prefix(SLICE("mail-1"), &prefix), STATUS_OK);
    assert_slice_equals(buffer_view(&prefix), "/aviso/mail-1/");
    assert_int_equal(cluster_prefix(SLICE(""), &prefix), STATUS_INVALID);
    assert_int_equal(cluster_prefix(SLICE("a/b"), &prefix), STATUS_INVALID);
    assert_int_equal(cluster_prefix(SLICE("Mail"), &prefix), STATUS_INVALID);
    buffer_done(&prefix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_is_whole_once_every_slot_has_a_shard),
        cmocka_unit_test(nodes_and_leaders_come_and_go),
        cmocka_unit_test(keys_of_others_are_no_matter),
        cmocka_unit_test(records_that_cannot_be_read_change_nothing),
        cmocka_unit_test(names_of_clusters_are_plain),
    };

    return cmocka_run_group_tests_name("cluster_map", tests, NULL, NULL);
}
