/* router/etcd_watch.h and router/etcd_lease.h against a real etcd that is stopped, started,
 * compacted and replaced under them. */
#include "core/check.h"
#include "core/number.h"
#include "router/etcd_lease.h"
#include "router/etcd_watch.h"
#include "tests/fakes/etcd_server.h"
#include "tests/unit/unit.h"

enum { HISTORY_SIZE_MAX = 64 * 1024, MANY = 1200 };

static struct loop *loop;

/* What a listener hears: "+key=value", "-key", one after the other; "." when it is settled. */
struct scene {
    struct etcd_server server;
    const char *endpoints[1];
    struct etcd *etcd;
    struct etcd_watch_listener listener;
    struct etcd_watch *watch;
    struct buffer history;
    const char *awaited; /* the end of the history */
    size_t put_count;
    size_t settled_count;
    size_t settled_least;

    struct etcd_lease_listener lease_listener;
    struct etcd_lease *lease;
    struct etcd_call call;
    unsigned held_count;
    unsigned lost_count;
};

static void on_put(void *context, const struct etcd_entry *entry)
{
    struct scene *scene = context;

    scene->put_count++;
    buffer_printf(&scene->history, "+%.*s=%.*s ", (int)entry->key.size - 2, entry->key.data + 2,
                  (int)entry->value.size, entry->value.data);
}

static void on_delete(void *context, struct slice key)
{
    struct scene *scene = context;

    buffer_printf(&scene->history, "-%.*s ", (int)key.size - 2, key.data + 2);
}

static void on_settled(void *context, uint64_t revision)
{
    struct scene *scene = context;

    CHECK(revision > 0);
    scene->settled_count++;
}

static void open_now(void *context)
{
    struct scene *scene = context;
    struct etcd_options options = {
        .loop = loop, .endpoints = scene->endpoints, .endpoint_count = 1, .timeout_ms = 2000};

    scene->etcd = etcd_new(&options);
    scene->watch = etcd_watch_new(scene->etcd, SLICE("w/"), &scene->listener);
}

static void close_now(void *context)
{
    struct scene *scene = context;

    etcd_watch_free(scene->watch);
    etcd_lease_free(scene->lease);
    if (scene->call.etcd != NULL) {
        etcd_call_done(&scene->call);
    }
    etcd_free(scene->etcd);
}

static void prepare(struct scene *scene)
{
    *scene = (struct scene){
        .listener = {on_put, on_delete, on_settled, scene},
        .endpoints = {scene->server.url},
    };
    buffer_init(&scene->history, HISTORY_SIZE_MAX);
    etcd_server_prepare(&scene->server);
    etcd_server_start(&scene->server);
}

static void finish(struct scene *scene)
{
    run_on(loop, close_now, scene);
    etcd_server_remove(&scene->server);
    buffer_done(&scene->history);
}

static bool heard(void *context)
{
    struct scene *scene = context;

    return slice_ends_with(buffer_view(&scene->history), slice_of(scene->awaited));
}

static void await_heard(struct scene *scene, const char *end)
{
    scene->awaited = end;
    await_on(loop, heard, scene);
}

static bool is_live(void *context)
{
    return etcd_watch_is_live(((struct scene *)context)->watch);
}

static bool is_not_live(void *context)
{
    return !is_live(context);
}

static void list_comes_first_and_then_each_change(void **state)
{
    struct scene scene;

    prepare(&scene);
    etcd_server_put(&scene.server, "w/b", "1");
    etcd_server_put(&scene.server, "w/a", "1");
    etcd_server_put(&scene.server, "x/a", "not ours");
    etcd_server_put(&scene.server, "v", "not ours");
    run_on(loop, open_now, &scene);
    await_on(loop, is_live, &scene);
    assert_slice_equals(buffer_view(&scene.history), "+a=1 +b=1 ");
    for (int i = 2; i < 6; i++) {
        char value[2] = {(char)('0' + i), '\0'};

        etcd_server_put(&scene.server, "w/a", value);
    }
    etcd_server_delete(&scene.server, "w/b");
    etcd_server_put(&scene.server, "x/b", "not ours");
    etcd_server_put(&scene.server, "w/b", "again");
    await_heard(&scene, "again ");
    assert_slice_equals(buffer_view(&scene.history), "+a=1 +b=1 +a=2 +a=3 +a=4 +a=5 -b +b=again ");
    finish(&scene);
}

static void restart_of_etcd_loses_no_change(void **state)
{
    struct scene scene;
    uint16_t port = 0;

    prepare(&scene);
    etcd_server_put(&scene.server, "w/a", "1");
    run_on(loop, open_now, &scene);
    await_on(loop, is_live, &scene);
    etcd_server_kill(&scene.server);
    await_on(loop, is_not_live, &scene);
    /* Where the watch does not find it, all of this happens; it hears each of it later. */
    port = scene.server.port;
    scene.server.port = scene.server.peer_port;
    scene.server.peer_port = port;
    char url[64];

    snprintf(url, sizeof(url), "%s", scene.server.url);
    etcd_server_start(&scene.server);
    etcd_server_put(&scene.server, "w/a", "2");
    etcd_server_put(&scene.server, "w/b", "1");
    etcd_server_put(&scene.server, "w/a", "3");
    etcd_server_delete(&scene.server, "w/b");
    etcd_server_kill(&scene.server);
    scene.server.peer_port = scene.server.port;
    scene.server.port = port;
    etcd_server_start(&scene.server);
    assert_string_equal(scene.server.url, url);
    await_heard(&scene, "-b ");
    assert_slice_equals(buffer_view(&scene.history), "+a=1 +a=2 +b=1 +a=3 -b ");
    await_on(loop, is_live, &scene);
    etcd_server_put(&scene.server, "w/a", "4");
    await_heard(&scene, "-b +a=4 ");
    finish(&scene);
}

static void compaction_costs_steps_but_not_the_truth(void **state)
{
    struct scene scene;
    uint16_t port = 0;

    prepare(&scene);
    etcd_server_put(&scene.server, "w/a", "1");
    etcd_server_put(&scene.server, "w/b", "1");
    etcd_server_put(&scene.server, "w/c", "1");
    run_on(loop, open_now, &scene);
    await_on(loop, is_live, &scene);
    etcd_server_kill(&scene.server);
    await_on(loop, is_not_live, &scene);
    port = scene.server.port;
    scene.server.port = scene.server.peer_port;
    scene.server.peer_port = port;
    etcd_server_start(&scene.server);
    etcd_server_put(&scene.server, "w/a", "2");
    etcd_server_put(&scene.server, "w/a", "3");
    etcd_server_delete(&scene.server, "w/b");
    etcd_server_put(&scene.server, "w/d", "1");
    etcd_server_compact(&scene.server);
    etcd_server_kill(&scene.server);
    scene.server.peer_port = scene.server.port;
    scene.server.port = port;
    etcd_server_start(&scene.server);
    await_heard(&scene, "-b ");
    assert_slice_equals(buffer_view(&scene.history), "+a=1 +b=1 +c=1 +a=3 +d=1 -b ");
    await_on(loop, is_live, &scene);
    etcd_server_put(&scene.server, "w/a", "4");
    await_heard(&scene, "+a=4 ");
    finish(&scene);
}

static void another_store_is_listed_anew(void **state)
{
    struct scene scene;
    struct etcd_server other;

    prepare(&scene);
    etcd_server_put(&scene.server, "w/a", "1");
    etcd_server_put(&scene.server, "w/b", "1");
    run_on(loop, open_now, &scene);
    await_on(loop, is_live, &scene);
    etcd_server_prepare(&other);
    other.port = scene.server.port;
    etcd_server_kill(&scene.server);
    etcd_server_start(&other);
    etcd_server_put(&other, "w/a", "other");
    await_heard(&scene, "+a=other -b ");
    finish(&scene);
    etcd_server_remove(&other);
}

static bool has_many(void *context)
{
    struct scene *scene = context;

    return scene->put_count >= MANY && scene->settled_count >= scene->settled_least;
}

static void long_lists_come_in_pages(void **state)
{
    struct scene scene;
    struct buffer keys;

    prepare(&scene);
    buffer_init(&keys, HISTORY_SIZE_MAX);
    for (unsigned i = 0; i < MANY; i++) {
        char key[16];

        snprintf(key, sizeof(key), "w/%04u", i);
        etcd_server_put(&scene.server, key, "");
        buffer_printf(&keys, "+%04u= ", i);
    }
    scene.settled_least = 1;
    run_on(loop, open_now, &scene);
    await_on(loop, has_many, &scene);
    assert_int_equal(scene.settled_count, 1);
    buffer_append_octet(&keys, '\0');
    assert_slice_equals(buffer_view(&scene.history), keys.data);
    buffer_done(&keys);
    finish(&scene);
}

/* ---- Leases ---- */

static void on_put_done(struct etcd_call *call, enum status status,
                        const struct etcd_result *result)
{
    CHECK(status == STATUS_OK);
}

static void on_held(void *context, uint64_t lease)
{
    struct scene *scene = context;
    char value[16];
    int size = snprintf(value, sizeof(value), "held%u", ++scene->held_count);

    etcd_put(&scene->call, SLICE("w/lease"), (struct slice){value, (size_t)size}, lease,
             on_put_done);
}

static void on_lost(void *context)
{
    ((struct scene *)context)->lost_count++;
}

static void hold_now(void *context)
{
    struct scene *scene = context;

    etcd_call_init(&scene->call, scene->etcd);
    scene->lease = etcd_lease_new(scene->etcd, 2, &scene->lease_listener);
}

static void let_go_now(void *context)
{
    struct scene *scene = context;

    etcd_lease_free(scene->lease);
    scene->lease = NULL;
}

static uint64_t lease_id; /* of the lease in hand */

static void look_at_lease(void *context)
{
    lease_id = etcd_lease_id(((struct scene *)context)->lease);
}

static void lease_is_held_renewed_and_let_go(void **state)
{
    struct scene scene;
    char json[64];

    prepare(&scene);
    scene.lease_listener = (struct etcd_lease_listener){on_held, on_lost, &scene};
    run_on(loop, open_now, &scene);
    await_on(loop, is_live, &scene);
    run_on(loop, hold_now, &scene);
    await_heard(&scene, "+lease=held1 ");
    run_on(loop, look_at_lease, &scene);
    snprintf(json, sizeof(json), "{\"ID\":\"%llu\"}", (unsigned long long)lease_id);
    etcd_server_post(&scene.server, "/v3/lease/revoke", json);
    await_heard(&scene, "-lease +lease=held2 ");
    assert_int_equal(scene.lost_count, 1);
    run_on(loop, let_go_now, &scene);
    await_heard(&scene, "-lease ");
    finish(&scene);
}

static void lease_that_cannot_be_renewed_is_lost_by_our_own_clock(void **state)
{
    struct scene scene;

    prepare(&scene);
    scene.lease_listener = (struct etcd_lease_listener){on_held, on_lost, &scene};
    run_on(loop, open_now, &scene);
    await_on(loop, is_live, &scene);
    run_on(loop, hold_now, &scene);
    await_heard(&scene, "+lease=held1 ");
    etcd_server_kill(&scene.server);
    do {
        run_on(loop, look_at_lease, &scene);
    } while (lease_id != 0);
    assert_int_equal(scene.lost_count, 1);
    etcd_server_start(&scene.server);
    await_heard(&scene, "+lease=held2 ");
    finish(&scene);
}

static int start_loop(void **state)
{
    loop = loop_new("etcd");
    loop_start(loop);
    return 0;
}

static int stop_loop(void **state)
{
    loop_stop(loop);
    loop_join(loop);
    loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_comes_first_and_then_each_change),
        cmocka_unit_test(restart_of_etcd_loses_no_change),
        cmocka_unit_test(compaction_costs_steps_but_not_the_truth),
        cmocka_unit_test(another_store_is_listed_anew),
        cmocka_unit_test(long_lists_come_in_pages),
        cmocka_unit_test(lease_is_held_renewed_and_let_go),
        cmocka_unit_test(lease_that_cannot_be_renewed_is_lost_by_our_own_clock),
    };

    return cmocka_run_group_tests_name("etcd_watch", tests, start_loop, stop_loop);
}
