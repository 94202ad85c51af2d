/* router/remotes.h by way of a client: three nodes of which one leads, and which come and go. */
#include "core/check.h"
#include "net/rpc_server.h"
#include "proto/directory.pb-c.h"
#include "router/directory.h"
#include "tests/fakes/etcd_server.h"
#include "tests/unit/unit.h"

enum { NODES = 3, CLUSTER = 77, SHARD = 5, CALLS = 20 };

struct node {
    uint32_t number;
    Aviso__Directory_Service service;
    ProtobufCService *served[1];
    struct rpc_services services;
    struct rpc_server *server; /* NULL: it is down */
    uint16_t port;
    unsigned asked_count;
};

/* All on one loop: the client, and what the nodes serve. */
static struct scene {
    struct loop *loop;
    struct loop *net; /* of the servers' connections */
    struct node nodes[NODES];
    uint32_t leader; /* who serves; 0: nobody */
    uint32_t hint;   /* what the others say */
    struct shard_map *map;
    struct router *router;
    struct directory_call calls[CALLS];
    unsigned begin_count;
    unsigned answered_count;
    unsigned failed_count;
} scene;

/* ---- Nodes ---- */

static void serve_look(Aviso__Directory_Service *service, const Aviso__LookRequest *request,
                       Aviso__DirectoryEntry_Closure reply, void *call)
{
    struct node *node = CONTAINER_OF(service, struct node, service);

    node->asked_count++;
    if (node->number == scene.leader) {
        rpc_fail(call, STATUS_NOT_FOUND);
    } else {
        rpc_fail_not_leader(call, scene.hint);
    }
}

static struct loop *route(void *context, uint32_t shard)
{
    return scene.loop;
}

static void start_node(uint32_t number)
{
    struct node *node = &scene.nodes[number - 1];

    node->number = number;
    aviso__directory__init(&node->service, NULL);
    node->service.look = serve_look;
    node->served[0] = &node->service.base;
    node->services = (struct rpc_services){node->served, 1, route, NULL};
    struct rpc_server_options options = {
        .address = "127.0.0.1",
        .port = node->port,
        .loops = &scene.net,
        .loop_count = 1,
        .services = &node->services,
        .cluster = CLUSTER,
        .node = number,
    };

    assert_int_equal(rpc_server_open(&options, &node->server), STATUS_OK);
    node->port = rpc_server_port(node->server);
}

static bool has_stopped;

static void on_stopped(struct loop_message *message)
{
    has_stopped = true;
}

static bool stopped(void *context)
{
    return has_stopped;
}

static void stop_node(uint32_t number)
{
    static struct loop_message message = {.run = on_stopped};
    struct node *node = &scene.nodes[number - 1];

    has_stopped = false;
    rpc_server_stop(node->server, 0, scene.loop, &message);
    await_on(scene.loop, stopped, NULL);
    rpc_server_free(node->server);
    node->server = NULL;
}

/* ---- The client ---- */

static struct shard_map *make_map(uint32_t leader)
{
    struct shard_map_shard shard = {SHARD, leader, NODES, {1, 2, 3}};
    struct shard_map_node nodes[NODES] = {0};
    struct shard_map_parts parts = {.cluster = CLUSTER,
                                    .shards = &shard,
                                    .shard_count = 1,
                                    .nodes = nodes,
                                    .node_count = NODES};

    for (uint32_t i = 0; i < NODES; i++) {
        nodes[i] = (struct shard_map_node){.id = i + 1, .port = scene.nodes[i].port};
        snprintf(nodes[i].address, sizeof(nodes[i].address), "127.0.0.1");
    }
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        parts.slots[slot] = SHARD;
    }
    return shard_map_build(&parts);
}

static void open_router(void *context)
{
    scene.router = router_new(&(struct router_options){
        .loop = scene.loop,
        .map = scene.map,
        .call_timeout_ms = 20000,
        .directory_cache_count_max = 10,
    });
}

static void on_entry(struct directory_call *call, enum status status,
                     const struct directory_entry *entry)
{
    scene.answered_count++;
    scene.failed_count += status != STATUS_NOT_FOUND;
}

static void begin_calls(void *context)
{
    scene.answered_count = 0;
    scene.failed_count = 0;
    for (unsigned i = 0; i < scene.begin_count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "user%u@example.org", i);
        directory_look(scene.router, &scene.calls[i], slice_of(name), on_entry);
    }
}

static bool all_answered(void *context)
{
    return scene.answered_count == scene.begin_count;
}

/* So many calls at once, all of which the leader answers in the end. */
static void look(unsigned count)
{
    scene.begin_count = count;
    run_on(scene.loop, begin_calls, NULL);
    await_on(scene.loop, all_answered, NULL);
    assert_int_equal(scene.failed_count, 0);
}

static void open_scene(uint32_t leader, uint32_t map_leader)
{
    scene.leader = leader;
    scene.hint = leader;
    for (uint32_t number = 1; number <= NODES; number++) {
        start_node(number);
    }
    scene.map = make_map(map_leader);
    run_on(scene.loop, open_router, NULL);
}

static void close_router(void *context)
{
    router_free(scene.router);
}

static void close_scene(void)
{
    run_on(scene.loop, close_router, NULL);
    for (uint32_t number = 1; number <= NODES; number++) {
        if (scene.nodes[number - 1].server != NULL) {
            stop_node(number);
        }
        scene.nodes[number - 1] = (struct node){0};
    }
    shard_map_unref(scene.map);
}

/* ---- Tests ---- */

static void leader_of_the_map_is_asked_at_once(void **state)
{
    open_scene(2, 2);
    look(CALLS);
    assert_int_equal(scene.nodes[1].asked_count, CALLS);
    assert_int_equal(scene.nodes[0].asked_count + scene.nodes[2].asked_count, 0);
    close_scene();
}

static void hint_is_followed_and_kept(void **state)
{
    open_scene(3, 1);
    look(1);
    assert_int_equal(scene.nodes[0].asked_count, 1);
    assert_int_equal(scene.nodes[1].asked_count, 0);
    look(CALLS);
    assert_int_equal(scene.nodes[0].asked_count, 1);
    assert_int_equal(scene.nodes[2].asked_count, CALLS + 1);
    close_scene();
}

static void without_a_hint_all_are_asked_in_turn(void **state)
{
    open_scene(3, 0);
    scene.hint = 0;
    look(1);
    assert_int_equal(scene.nodes[0].asked_count, 1);
    assert_int_equal(scene.nodes[1].asked_count, 1);
    assert_int_equal(scene.nodes[2].asked_count, 1);
    close_scene();
}

static void calls_to_a_node_that_dies_go_to_the_next_leader(void **state)
{
    open_scene(1, 1);
    look(CALLS);
    stop_node(1);
    scene.leader = 2;
    scene.hint = 1; /* nobody has noticed yet */
    look(1);
    scene.hint = 2;
    look(CALLS);
    stop_node(2);
    scene.leader = 3;
    scene.hint = 3;
    look(CALLS);
    close_scene();
}

static void move_node(void *context)
{
    struct shard_map *map = make_map(1);

    router_update_map(scene.router, map);
    shard_map_unref(map);
}

static void newer_map_says_where_a_node_has_gone(void **state)
{
    uint16_t port = 0;

    open_scene(1, 1);
    look(CALLS);
    port = scene.nodes[0].port;
    stop_node(1);
    stop_node(2);
    stop_node(3);
    scene.nodes[0].port = 0; /* another one */
    start_node(1);
    scene.begin_count = 1;
    run_on(scene.loop, begin_calls, NULL);
    assert_false(all_answered(NULL));
    assert_int_not_equal(scene.nodes[0].port, port);
    run_on(scene.loop, move_node, NULL);
    await_on(scene.loop, all_answered, NULL);
    assert_int_equal(scene.failed_count, 0);
    look(CALLS);
    close_scene();
}

static int open_loops(void **state)
{
    scene.loop = loop_new("client");
    scene.net = loop_new("net");
    loop_start(scene.loop);
    loop_start(scene.net);
    return 0;
}

static int close_loops(void **state)
{
    struct loop *loops[] = {scene.loop, scene.net};

    for (size_t i = 0; i < COUNT_OF(loops); i++) {
        loop_stop(loops[i]);
        loop_join(loops[i]);
    }
    loops_free(loops, COUNT_OF(loops));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leader_of_the_map_is_asked_at_once),
        cmocka_unit_test(hint_is_followed_and_kept),
        cmocka_unit_test(without_a_hint_all_are_asked_in_turn),
        cmocka_unit_test(calls_to_a_node_that_dies_go_to_the_next_leader),
        cmocka_unit_test(newer_map_says_where_a_node_has_gone),
    };

    return cmocka_run_group_tests_name("remotes", tests, open_loops, close_loops);
}
