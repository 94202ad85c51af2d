/* router/placement.h: what it does about each thing that may be wrong, and over seeded clusters
 * that it comes to an end, leaves its own outcome alone and never takes a quorum away. */
#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/random.h"
#include "router/placement.h"
#include "tests/unit/unit.h"

enum {
    NODES_MAX = 16,
    SHARDS_MAX = 64,
    MOVES_MAX = 32,
    ROUNDS_MAX = 2000,
    SEEDS = 300,
    REPLACE_AFTER_MS = 300000,
};

static struct placement_node nodes[NODES_MAX];
static struct cluster_shard_entry shards[SHARDS_MAX];
static struct placement_view view;

static void name(struct cluster_name *out_name, const char *text)
{
    assert_int_equal(cluster_name_set(out_name, slice_of(text)), STATUS_OK);
}

static void begin(void)
{
    memset(nodes, 0, sizeof(nodes));
    memset(shards, 0, sizeof(shards));
    view = (struct placement_view){
        .nodes = nodes, .shards = shards, .replace_after_ms = REPLACE_AFTER_MS};
}

static void add_node(const char *zone)
{
    struct placement_node *node = &nodes[view.node_count++];

    *node = (struct placement_node){.id = (uint32_t)view.node_count, .is_alive = true};
    name(&node->zone, zone);
}

/* "1 2 3*": voters on these nodes, the starred one leads; "4l" is a learner. */
static struct cluster_shard_entry *add_shard(uint32_t voters, const char *replicas)
{
    struct cluster_shard_entry *entry = &shards[view.shard_count++];
    struct slice rest = slice_of(replicas);

    *entry = (struct cluster_shard_entry){.revision = 100 + view.shard_count,
                                          .shard = {.id = (uint32_t)view.shard_count,
                                                    .generation = 1,
                                                    .voters = voters,
                                                    .founders = voters,
                                                    .life_next = 2}};
    while (rest.size > 0) {
        struct slice word = slice_cut(&rest, ' ');
        uint64_t node = 0;

        assert_int_equal(number_take(&word, NODES_MAX, &node), STATUS_OK);
        if (slice_equals(word, SLICE("*"))) {
            entry->has_leader = true;
            entry->leader = (struct cluster_leader){.node = (uint32_t)node};
        }
        assert_int_equal(cluster_replicas_put(
                             &entry->shard.now,
                             (struct cluster_replica){
                                 (uint32_t)node, 1,
                                 slice_equals(word, SLICE("l")) ? CLUSTER_LEARNER : CLUSTER_VOTER}),
                         STATUS_OK);
    }
    return entry;
}

/* The wish as add_shard() writes it. */
static void assert_wish(const struct placement_move *move, const char *expected)
{
    struct buffer text;

    buffer_init(&text, 200);
    for (size_t i = 0; i < move->shard.wish.count; i++) {
        buffer_printf(&text, "%s%u%s", i > 0 ? " " : "", move->shard.wish.list[i].node,
                      move->shard.wish.list[i].role == CLUSTER_LEARNER ? "l" : "");
    }
    assert_slice_equals(buffer_view(&text), expected);
    buffer_done(&text);
}

static size_t decide(struct placement_move *moves)
{
    return placement_decide(&view, moves, MOVES_MAX);
}

/* ---- One thing at a time ---- */

static void what_is_well_is_left_alone(void **state)
{
    struct placement_move moves[MOVES_MAX];

    begin();
    add_node("a");
    add_node("b");
    add_node("c");
    add_shard(3, "1* 2 3");
    add_shard(3, "1 2* 3");
    add_shard(3, "1 2 3*");
    add_shard(3, "1* 2 3");
    assert_int_equal(decide(moves), 0);
}

static void replica_of_a_lost_node_is_made_in_its_zone(void **state)
{
    struct placement_move moves[MOVES_MAX];

    begin();
    add_node("a");
    add_node("b");
    add_node("c");
    add_node("a");
    add_node("c");
    add_shard(3, "1* 2 3");
    nodes[2].is_alive = false;
    nodes[2].away_ms = REPLACE_AFTER_MS - 1;
    assert_int_equal(decide(moves), 0); /* it may come back */
    nodes[2].away_ms = REPLACE_AFTER_MS;
    assert_int_equal(decide(moves), 1);
    assert_int_equal(moves[0].reason, PLACEMENT_REPLACE);
    assert_wish(&moves[0], "1 2 5");
    assert_true(moves[0].revision == 101);
    assert_int_equal(moves[0].shard.life_next, 3);
    assert_int_equal(cluster_replicas_find(&moves[0].shard.wish, 5)->life, 2);
}

static void without_a_quorum_nothing_is_moved(void **state)
{
    struct placement_move moves[MOVES_MAX];

    begin();
    for (int i = 0; i < 6; i++) {
        add_node("a");
    }
    add_shard(3, "1* 2 3");
    nodes[1].is_alive = nodes[2].is_alive = false;
    nodes[1].away_ms = nodes[2].away_ms = REPLACE_AFTER_MS;
    assert_int_equal(decide(moves), 0);
}

static void drained_node_gives_leaders_away_and_then_replicas(void **state)
{
    struct placement_move moves[MOVES_MAX];

    begin();
    add_node("a");
    add_node("b");
    add_node("c");
    add_node("a");
    struct cluster_shard_entry *entry = add_shard(3, "1* 2 3");

    nodes[0].is_draining = true;
    assert_int_equal(decide(moves), 1);
    assert_int_equal(moves[0].reason, PLACEMENT_LEADER);
    assert_int_equal(moves[0].shard.leader_wish, 2);
    entry->shard = moves[0].shard;
    assert_int_equal(decide(moves), 0); /* until that is done */
    entry->leader.node = 2;
    assert_int_equal(decide(moves), 1);
    assert_int_equal(moves[0].reason, PLACEMENT_DRAIN);
    assert_wish(&moves[0], "2 3 4");
    entry->shard = moves[0].shard;
    assert_int_equal(decide(moves), 0);
    nodes[3].is_draining = true; /* the wish is of no use any more */
    assert_int_equal(decide(moves), 1);
    assert_wish(&moves[0], "1 2 3");
}

static void replicas_in_one_zone_are_spread(void **state)
{
    struct placement_move moves[MOVES_MAX];

    begin();
    add_node("a");
    add_node("a");
    add_node("b");
    add_node("c");
    add_shard(3, "1* 2 3");
    assert_int_equal(decide(moves), 1);
    assert_int_equal(moves[0].reason, PLACEMENT_SPREAD);
    assert_int_equal(cluster_replicas_voters(&moves[0].shard.wish), 3);
    assert_non_null(cluster_replicas_find(&moves[0].shard.wish, 3));
    assert_non_null(cluster_replicas_find(&moves[0].shard.wish, 4));
}

static void replicas_on_one_host_are_spread(void **state)
{
    struct placement_move moves[MOVES_MAX];

    begin();
    for (int i = 0; i < 4; i++) {
        add_node("a");
        name(&nodes[i].host, i < 2 ? "h1" : i == 2 ? "h2" : "h3");
    }
    add_shard(3, "1 2* 3");
    assert_int_equal(decide(moves), 1);
    assert_int_equal(moves[0].reason, PLACEMENT_SPREAD);
    assert_non_null(cluster_replicas_find(&moves[0].shard.wish, 4));
    assert_non_null(cluster_replicas_find(&moves[0].shard.wish, 3));
}

static void missing_voters_are_added_and_spare_ones_removed(void **state)
{
    struct placement_move moves[MOVES_MAX];

    begin();
    add_node("a");
    add_node("b");
    add_node("c");
    add_node("c");
    add_shard(3, "1* 2");
    assert_int_equal(decide(moves), 1);
    assert_int_equal(moves[0].reason, PLACEMENT_ADD);
    assert_wish(&moves[0], "1 2 3");
    begin();
    add_node("a");
    add_node("b");
    add_node("c");
    add_node("c");
    add_shard(3, "1 2 3* 4");
    assert_int_equal(decide(moves), 1);
    assert_int_equal(moves[0].reason, PLACEMENT_REMOVE);
    assert_wish(&moves[0], "1 2 3");
}

static void shard_stays_in_its_region(void **state)
{
    struct placement_move moves[MOVES_MAX];

    begin();
    for (int i = 0; i < 6; i++) {
        add_node("z");
        name(&nodes[i].region, i < 3 || i == 5 ? "eu" : "us");
    }
    add_shard(3, "1* 2 3");
    name(&shards[0].shard.region, "eu");
    nodes[2].is_alive = false;
    nodes[2].away_ms = REPLACE_AFTER_MS;
    assert_int_equal(decide(moves), 1);
    assert_wish(&moves[0], "1 2 6");
    nodes[5].is_alive = false;
    assert_int_equal(decide(moves), 0);
}

static void node_takes_part_in_one_move_at_a_time(void **state)
{
    struct placement_move moves[MOVES_MAX];

    begin();
    for (int i = 0; i < 4; i++) {
        add_node("a");
    }
    for (int i = 0; i < 8; i++) {
        add_shard(3, "1 2 3");
    }
    assert_int_equal(decide(moves), 1); /* all would have to go to node 4 */
    assert_int_equal(moves[0].reason, PLACEMENT_BALANCE);
    shards[0].shard = moves[0].shard;
    assert_int_equal(decide(moves), 0);
}

static void larger_disks_take_more(void **state)
{
    struct cluster_shard founded[40];
    unsigned counts[4] = {0};

    begin();
    for (int i = 0; i < 4; i++) {
        add_node("a");
        nodes[i].capacity = (i == 0 ? 3ULL : 1ULL) << 40;
    }
    assert_int_equal(placement_found(&view, 1, 40, founded), STATUS_OK);
    for (size_t i = 0; i < 40; i++) {
        counts[founded[i].now.list[0].node - 1]++;
    }
    assert_in_range(counts[0], 19, 21);
    assert_in_range(counts[1], 6, 7);
    assert_int_equal(placement_found(&view, 5, 40, founded), STATUS_UNAVAILABLE);
}

/* ---- Seeded clusters ---- */

static bool is_alive(uint32_t node)
{
    return node >= 1 && node <= view.node_count && nodes[node - 1].is_alive;
}

/* As Raft and the leaders would carry it out. */
static void carry_out(const struct placement_move *move)
{
    struct cluster_shard_entry *entry = &shards[move->shard.id - 1];
    struct cluster_shard *shard = &entry->shard;

    assert_true(move->revision == entry->revision);
    entry->revision++;
    *shard = move->shard;
    if (shard->wish.count > 0) {
        shard->now = shard->wish;
        shard->wish = (struct cluster_replicas){0};
    }
    if (shard->leader_wish != 0 && is_alive(shard->leader_wish)) {
        entry->leader.node = shard->leader_wish;
    }
    for (size_t i = 0; i < shard->now.count; i++) {
        if (cluster_replicas_find(&shard->now, entry->leader.node) == NULL ||
            !is_alive(entry->leader.node)) {
            entry->leader.node = shard->now.list[i].node;
        }
    }
}

static bool has_quorum(const struct cluster_replicas *replicas)
{
    size_t alive = 0;

    for (size_t i = 0; i < replicas->count; i++) {
        alive += is_alive(replicas->list[i].node);
    }
    return alive > replicas->count / 2;
}

static void check_moves(const struct placement_move *moves, size_t count)
{
    unsigned parts[NODES_MAX + 1] = {0};

    for (size_t i = 0; i < count; i++) {
        const struct cluster_shard *before = &shards[moves[i].shard.id - 1].shard;
        const struct cluster_replicas *wish = &moves[i].shard.wish;

        if (wish->count == 0) {
            continue;
        }
        assert_true(has_quorum(&before->now) && has_quorum(wish));
        for (uint32_t node = 1; node <= view.node_count; node++) {
            bool was = cluster_replicas_find(&before->now, node) != NULL;
            bool will = cluster_replicas_find(wish, node) != NULL;

            parts[node] += was != will && is_alive(node);
            assert_true(was || !will || (is_alive(node) && !nodes[node - 1].is_draining));
            assert_true(parts[node] <= 1);
        }
    }
}

static void settle(uint64_t seed)
{
    struct placement_move moves[MOVES_MAX];
    unsigned rounds = 0;
    size_t count = 0;

    while ((count = decide(moves)) > 0) {
        check_moves(moves, count);
        for (size_t i = 0; i < count; i++) {
            carry_out(&moves[i]);
        }
        if (++rounds > ROUNDS_MAX) {
            fail_msg("seed %llu does not settle", (unsigned long long)seed);
        }
    }
}

static unsigned zones_of(const struct cluster_replicas *replicas, bool of_fit_nodes)
{
    unsigned zones = 0;
    bool seen[256] = {false};

    for (uint32_t node = 1; node <= view.node_count; node++) {
        unsigned char zone = (unsigned char)nodes[node - 1].zone.text[0];
        bool counts = of_fit_nodes ? nodes[node - 1].is_alive && !nodes[node - 1].is_draining
                                   : cluster_replicas_find(replicas, node) != NULL;

        zones += counts && !seen[zone];
        seen[zone] = seen[zone] || counts;
    }
    return zones;
}

static size_t fit_nodes(void)
{
    size_t count = 0;

    for (size_t i = 0; i < view.node_count; i++) {
        count += nodes[i].is_alive && !nodes[i].is_draining;
    }
    return count;
}

/* Where there are nodes enough, each shard is where it should be. */
static void check_settled(void)
{
    unsigned most_zones = zones_of(NULL, true);

    for (size_t i = 0; i < view.shard_count; i++) {
        const struct cluster_shard *shard = &shards[i].shard;

        if (fit_nodes() < shard->voters || !has_quorum(&shard->now)) {
            continue;
        }
        assert_int_equal(shard->now.count, shard->voters);
        for (size_t k = 0; k < shard->now.count; k++) {
            const struct placement_node *node = &nodes[shard->now.list[k].node - 1];

            assert_true(node->is_alive && !node->is_draining);
        }
        assert_int_equal(zones_of(&shard->now, false),
                         most_zones < shard->voters ? most_zones : shard->voters);
    }
}

static void make_cluster(struct random *random)
{
    static const char *const zones[] = {"a", "b", "c", "d"};
    size_t node_count = 3 + random_below(random, NODES_MAX - 3);
    size_t zone_count = 1 + random_below(random, 4);
    size_t shard_count = 1 + random_below(random, SHARDS_MAX);

    begin();
    for (size_t i = 0; i < node_count; i++) {
        add_node(zones[random_below(random, zone_count)]);
    }
    for (size_t i = 0; i < shard_count; i++) {
        struct cluster_shard_entry *entry = add_shard(random_below(random, 4) == 0 ? 1 : 3, "");

        while (entry->shard.now.count < 1 + random_below(random, 3)) {
            uint32_t node = 1 + (uint32_t)random_below(random, node_count);

            assert_int_equal(cluster_replicas_put(&entry->shard.now,
                                                  (struct cluster_replica){node, 1, CLUSTER_VOTER}),
                             STATUS_OK);
        }
        entry->has_leader = true;
        entry->leader.node = entry->shard.now.list[0].node;
    }
}

static void harm(struct random *random)
{
    for (uint64_t i = random_below(random, 3); i > 0; i--) {
        struct placement_node *node = &nodes[random_below(random, view.node_count)];

        node->is_alive = false;
        node->away_ms = REPLACE_AFTER_MS;
    }
    nodes[random_below(random, view.node_count)].is_draining = random_below(random, 2) == 0;
    for (size_t i = 0; i < view.shard_count; i++) {
        for (size_t k = 0; k < shards[i].shard.now.count; k++) {
            uint32_t node = shards[i].shard.now.list[k].node;

            if (!is_alive(shards[i].leader.node) && is_alive(node)) {
                shards[i].leader.node = node;
            }
        }
    }
}

static void seeded_clusters_settle_and_keep_their_quorums(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random = {seed};

        make_cluster(&random);
        settle(seed);
        check_settled();
        harm(&random);
        settle(seed);
        check_settled();
        for (size_t i = 0; i < view.node_count; i++) {
            nodes[i].is_alive = true;
            nodes[i].is_draining = false;
        }
        settle(seed);
        check_settled();
    }
}

static void filled_cluster_is_even(void **state)
{
    unsigned replicas[NODES_MAX + 1] = {0};
    unsigned leaders[NODES_MAX + 1] = {0};

    begin();
    for (int i = 0; i < 6; i++) {
        add_node(i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c");
    }
    for (int i = 0; i < 60; i++) {
        add_shard(3, "1* 2 3"); /* nodes 4, 5 and 6 are new */
    }
    settle(0);
    for (size_t i = 0; i < view.shard_count; i++) {
        for (size_t k = 0; k < 3; k++) {
            replicas[shards[i].shard.now.list[k].node]++;
        }
        leaders[shards[i].leader.node]++;
    }
    for (uint32_t node = 1; node <= 6; node++) {
        assert_int_equal(replicas[node], 30);
        assert_in_range(leaders[node], 9, 11);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_well_is_left_alone),
        cmocka_unit_test(replica_of_a_lost_node_is_made_in_its_zone),
        cmocka_unit_test(without_a_quorum_nothing_is_moved),
        cmocka_unit_test(drained_node_gives_leaders_away_and_then_replicas),
        cmocka_unit_test(replicas_in_one_zone_are_spread),
        cmocka_unit_test(replicas_on_one_host_are_spread),
        cmocka_unit_test(missing_voters_are_added_and_spare_ones_removed),
        cmocka_unit_test(shard_stays_in_its_region),
        cmocka_unit_test(node_takes_part_in_one_move_at_a_time),
        cmocka_unit_test(larger_disks_take_more),
        cmocka_unit_test(seeded_clusters_settle_and_keep_their_quorums),
        cmocka_unit_test(filled_cluster_is_even),
    };

    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
