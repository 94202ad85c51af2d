/* router/etcd.h against a real etcd, and against servers that are none. */
#include <stdlib.h>

#include "core/check.h"
#include "core/memory.h"
#include "net/http_server.h"
#include "router/etcd.h"
#include "router/etcd_lease.h"
#include "tests/fakes/etcd_server.h"
#include "tests/fakes/toy_server.h"
#include "tests/unit/unit.h"

static struct etcd_server server;
static struct loop *loop;

static int open_server(void **state)
{
    etcd_server_prepare(&server);
    etcd_server_start(&server);
    loop = loop_new("etcd");
    loop_start(loop);
    return 0;
}

static int close_server(void **state)
{
    loop_stop(loop);
    loop_join(loop);
    loop_free(loop);
    etcd_server_remove(&server);
    return 0;
}

/* ---- One call at a time, waited for ---- */

struct scene {
    struct etcd_options options;
    struct etcd *etcd;
    struct etcd_call call;
    void (*ask)(struct scene *scene);
    bool is_done;
    enum status status;
    char values[256]; /* of the entries, one after the other with a blank between */
    size_t entry_count;
    uint64_t revision; /* of the last entry */
    uint64_t lease;

    struct slice key;
    struct slice value;
    struct etcd_compare compare;
};

static void on_done(struct etcd_call *call, enum status status, const struct etcd_result *result)
{
    struct scene *scene = CONTAINER_OF(call, struct scene, call);
    size_t size = 0;

    scene->status = status;
    scene->is_done = true;
    scene->entry_count = result != NULL ? result->entry_count : 0;
    scene->lease = result != NULL ? result->lease : 0;
    scene->values[0] = '\0';
    for (size_t i = 0; i < scene->entry_count && size < sizeof(scene->values); i++) {
        size += (size_t)snprintf(scene->values + size, sizeof(scene->values) - size, "%s%.*s",
                                 i > 0 ? " " : "", (int)result->entries[i].value.size,
                                 result->entries[i].value.data);
        scene->revision = result->entries[i].mod_revision;
    }
}

static void open_scene_now(void *context)
{
    struct scene *scene = context;

    scene->etcd = etcd_new(&scene->options);
    etcd_call_init(&scene->call, scene->etcd);
}

static void open_scene(struct scene *scene, const char *const *endpoints, size_t count)
{
    *scene = (struct scene){
        .options = {
            .loop = loop, .endpoints = endpoints, .endpoint_count = count, .timeout_ms = 20000}};
}

static void close_scene_now(void *context)
{
    struct scene *scene = context;

    etcd_call_done(&scene->call);
    etcd_free(scene->etcd);
}

static void ask_now(void *context)
{
    struct scene *scene = context;

    scene->is_done = false;
    scene->ask(scene);
    CHECK(!scene->is_done);
}

static bool is_done(void *context)
{
    return ((struct scene *)context)->is_done;
}

static enum status ask(struct scene *scene, void (*question)(struct scene *scene))
{
    if (scene->etcd == NULL) {
        run_on(loop, open_scene_now, scene);
    }
    scene->ask = question;
    run_on(loop, ask_now, scene);
    await_on(loop, is_done, scene);
    return scene->status;
}

static void ask_get(struct scene *scene)
{
    struct etcd_range range = {.key = scene->key};

    etcd_get(&scene->call, &range, on_done);
}

static void ask_list(struct scene *scene)
{
    struct etcd_range range = {.key = scene->key, .end = scene->value};

    etcd_get(&scene->call, &range, on_done);
}

static void ask_put(struct scene *scene)
{
    etcd_put(&scene->call, scene->key, scene->value, scene->lease, on_done);
}

static void ask_delete(struct scene *scene)
{
    etcd_delete(&scene->call, scene->key, on_done);
}

static void ask_put_compared(struct scene *scene)
{
    struct etcd_operation operation = {.key = scene->key, .value = scene->value};
    struct etcd_transaction transaction = {&scene->compare, 1, &operation, 1};

    scene->compare.key = scene->key;
    etcd_commit(&scene->call, &transaction, on_done);
}

static void ask_grant(struct scene *scene)
{
    etcd_grant(&scene->call, 3600, on_done);
}

static void ask_keep_alive(struct scene *scene)
{
    etcd_keep_alive(&scene->call, 4711, on_done);
}

static void ask_revoke(struct scene *scene)
{
    etcd_revoke(&scene->call, scene->lease, on_done);
}

/* ---- A real one ---- */

static void what_was_put_is_there_until_it_is_deleted(void **state)
{
    const char *endpoints[] = {server.url};
    struct scene scene;

    open_scene(&scene, endpoints, 1);
    scene.key = SLICE("put/\x00\xff one");
    scene.value = SLICE("first");
    assert_int_equal(ask(&scene, ask_get), STATUS_OK);
    assert_int_equal(scene.entry_count, 0);
    assert_int_equal(ask(&scene, ask_put), STATUS_OK);
    assert_int_equal(ask(&scene, ask_get), STATUS_OK);
    assert_string_equal(scene.values, "first");
    scene.key = SLICE("put/two");
    scene.value = SLICE("second");
    assert_int_equal(ask(&scene, ask_put), STATUS_OK);
    scene.key = SLICE("put/");
    scene.value = SLICE("put0");
    assert_int_equal(ask(&scene, ask_list), STATUS_OK);
    assert_string_equal(scene.values, "first second");
    scene.key = SLICE("put/two");
    assert_int_equal(ask(&scene, ask_delete), STATUS_OK);
    assert_int_equal(ask(&scene, ask_get), STATUS_OK);
    assert_int_equal(scene.entry_count, 0);
    run_on(loop, close_scene_now, &scene);
}

static void of_two_who_compare_one_has_the_conflict(void **state)
{
    const char *endpoints[] = {server.url};
    struct scene scene;

    open_scene(&scene, endpoints, 1);
    scene.key = SLICE("compare");
    scene.value = SLICE("mine");
    scene.compare = (struct etcd_compare){.target = ETCD_CREATE_REVISION};
    assert_int_equal(ask(&scene, ask_put_compared), STATUS_OK);
    scene.value = SLICE("theirs");
    assert_int_equal(ask(&scene, ask_put_compared), STATUS_CONFLICT);
    assert_int_equal(ask(&scene, ask_get), STATUS_OK);
    assert_string_equal(scene.values, "mine");
    scene.compare = (struct etcd_compare){.target = ETCD_MOD_REVISION, .revision = scene.revision};
    assert_int_equal(ask(&scene, ask_put_compared), STATUS_OK);
    assert_int_equal(ask(&scene, ask_put_compared), STATUS_CONFLICT);
    run_on(loop, close_scene_now, &scene);
}

static void what_is_put_with_a_lease_goes_with_it(void **state)
{
    const char *endpoints[] = {server.url};
    struct scene scene;
    uint64_t lease = 0;

    open_scene(&scene, endpoints, 1);
    assert_int_equal(ask(&scene, ask_grant), STATUS_OK);
    lease = scene.lease;
    assert_true(lease > 0);
    scene.key = SLICE("leased");
    scene.value = SLICE("alive");
    assert_int_equal(ask(&scene, ask_put), STATUS_OK);
    assert_int_equal(ask(&scene, ask_get), STATUS_OK);
    assert_string_equal(scene.values, "alive");
    scene.lease = lease;
    assert_int_equal(ask(&scene, ask_revoke), STATUS_OK);
    assert_int_equal(ask(&scene, ask_get), STATUS_OK);
    assert_int_equal(scene.entry_count, 0);
    assert_int_equal(ask(&scene, ask_keep_alive), STATUS_NOT_FOUND);
    scene.lease = 4711;
    assert_int_equal(ask(&scene, ask_put), STATUS_NOT_FOUND);
    run_on(loop, close_scene_now, &scene);
}

static void an_endpoint_that_is_not_there_is_passed_over(void **state)
{
    const char *endpoints[] = {"http://127.0.0.1:1", server.url, "http://127.0.0.1:1"};
    struct scene scene;

    for (int i = 0; i < 4; i++) { /* each begins with any of them */
        open_scene(&scene, endpoints, 3);
        scene.key = SLICE("failover");
        scene.value = SLICE("x");
        assert_int_equal(ask(&scene, ask_put), STATUS_OK);
        assert_int_equal(ask(&scene, ask_get), STATUS_OK);
        run_on(loop, close_scene_now, &scene);
    }
    open_scene(&scene, endpoints, 1);
    scene.options.timeout_ms = 100;
    scene.key = SLICE("nowhere");
    assert_int_equal(ask(&scene, ask_get), STATUS_UNAVAILABLE);
    assert_int_equal(ask(&scene, ask_put), STATUS_UNAVAILABLE);
    run_on(loop, close_scene_now, &scene);
}

static void etcd_that_comes_back_is_used_again(void **state)
{
    const char *endpoints[] = {server.url};
    struct scene scene;

    open_scene(&scene, endpoints, 1);
    scene.key = SLICE("back");
    scene.value = SLICE("kept");
    assert_int_equal(ask(&scene, ask_put), STATUS_OK);
    etcd_server_kill(&server);
    scene.ask = ask_get;
    run_on(loop, ask_now, &scene);
    etcd_server_start(&server);
    await_on(loop, is_done, &scene);
    if (scene.status != STATUS_OK) { /* it took longer than a call may */
        assert_int_equal(scene.status, STATUS_UNAVAILABLE);
        assert_int_equal(ask(&scene, ask_get), STATUS_OK);
    }
    assert_string_equal(scene.values, "kept");
    run_on(loop, close_scene_now, &scene);
}

static void tls_is_spoken_with_whom_the_authorities_know(void **state)
{
    struct etcd_server secured;
    const char *endpoints[] = {secured.url};
    char certificate[128];
    struct scene scene;

    etcd_server_prepare(&secured);
    secured.has_tls = true;
    etcd_server_start(&secured);
    etcd_server_certificate(&secured, certificate, sizeof(certificate));
    open_scene(&scene, endpoints, 1);
    scene.key = SLICE("secret");
    scene.value = SLICE("x");
    assert_int_equal(ask(&scene, ask_put), STATUS_DENIED);
    run_on(loop, close_scene_now, &scene);
    open_scene(&scene, endpoints, 1);
    scene.options.authorities_path = certificate;
    scene.key = SLICE("secret");
    scene.value = SLICE("x");
    assert_int_equal(ask(&scene, ask_put), STATUS_OK);
    assert_int_equal(ask(&scene, ask_get), STATUS_OK);
    assert_string_equal(scene.values, "x");
    run_on(loop, close_scene_now, &scene);
    etcd_server_remove(&secured);
}

static void users_have_passwords_and_their_tokens_are_renewed(void **state)
{
    struct etcd_server guarded;
    const char *endpoints[] = {guarded.url};
    struct scene scene;

    etcd_server_prepare(&guarded);
    etcd_server_start(&guarded);
    etcd_server_post(&guarded, "/v3/auth/user/add", "{\"name\":\"root\",\"password\":\"p\\\"w\"}");
    etcd_server_post(&guarded, "/v3/auth/role/add", "{\"name\":\"root\"}");
    etcd_server_post(&guarded, "/v3/auth/user/grant", "{\"user\":\"root\",\"role\":\"root\"}");
    etcd_server_post(&guarded, "/v3/auth/enable", "{}");
    open_scene(&scene, endpoints, 1);
    scene.key = SLICE("guarded");
    scene.value = SLICE("x");
    assert_int_equal(ask(&scene, ask_put), STATUS_DENIED);
    run_on(loop, close_scene_now, &scene);
    open_scene(&scene, endpoints, 1);
    scene.options.user = "root";
    scene.options.password = "wrong";
    scene.key = SLICE("guarded");
    assert_int_equal(ask(&scene, ask_put), STATUS_DENIED);
    run_on(loop, close_scene_now, &scene);
    open_scene(&scene, endpoints, 1);
    scene.options.user = "root";
    scene.options.password = "p\"w";
    scene.key = SLICE("guarded");
    scene.value = SLICE("x");
    assert_int_equal(ask(&scene, ask_put), STATUS_OK);
    etcd_server_kill(&guarded); /* its tokens are in its memory alone */
    etcd_server_start(&guarded);
    assert_int_equal(ask(&scene, ask_get), STATUS_OK);
    assert_string_equal(scene.values, "x");
    run_on(loop, close_scene_now, &scene);
    etcd_server_remove(&guarded);
}

static void a_cancelled_call_is_forgotten(void **state)
{
    const char *endpoints[] = {server.url};
    struct scene scene;

    open_scene(&scene, endpoints, 1);
    scene.key = SLICE("cancelled");
    run_on(loop, open_scene_now, &scene);
    scene.ask = ask_get;
    run_on(loop, ask_now, &scene);
    run_on(loop, close_scene_now, &scene);
}

/* ---- Servers that are none ---- */

static struct slice lie;

static void serve_lie(struct http_exchange *exchange, const struct http_request *request,
                      void *context)
{
    if (lie.size > 0) {
        http_respond(exchange, 200, "application/json", lie);
    }
}

static void lies_of_a_server_are_refused(void **state)
{
    static const struct {
        const char *text;
        enum status status;
    } lies[] = {
        {"{\"header\":{\"revision\":\"5\"},\"kvs\":[{\"key\":\"YQ==\",\"value\":\"Yg==\"}]}",
         STATUS_OK},
        {"hello", STATUS_CORRUPT},
        {"{", STATUS_CORRUPT},
        {"[]", STATUS_CORRUPT},
        {"{}", STATUS_CORRUPT},
        {"{\"header\":5}", STATUS_CORRUPT},
        {"{\"header\":{\"revision\":\"x\"}}", STATUS_CORRUPT},
        {"{\"header\":{\"revision\":-1}}", STATUS_CORRUPT},
        {"{\"header\":{\"revision\":\"99999999999999999999\"}}", STATUS_CORRUPT},
        {"{\"header\":{},\"kvs\":7}", STATUS_CORRUPT},
        {"{\"header\":{},\"kvs\":[7]}", STATUS_CORRUPT},
        {"{\"header\":{},\"kvs\":[{}]}", STATUS_CORRUPT},
        {"{\"header\":{},\"kvs\":[{\"key\":\"YQ=\"}]}", STATUS_CORRUPT},
        {"{\"header\":{},\"kvs\":[{\"key\":\"YR==\"}]}", STATUS_CORRUPT},
        {"{\"header\":{},\"kvs\":[{\"key\":7}]}", STATUS_CORRUPT},
        {"{\"header\":{},\"kvs\":[{\"key\":\"YQ==\",\"value\":\"Y_==\"}]}", STATUS_CORRUPT},
        {"{\"header\":{},\"header\":{}}", STATUS_CORRUPT},
    };
    struct toy_server liar;
    struct http_handler handler = {serve_lie, NULL, 1000};
    char url[64];
    const char *endpoints[] = {url};
    struct scene scene;

    toy_prepare(&liar);
    liar.protocol = http_protocol(&handler);
    toy_open(&liar);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", listener_port(liar.listener));
    open_scene(&scene, endpoints, 1);
    scene.key = SLICE("lie");
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        lie = slice_of(lies[i].text);
        assert_int_equal(ask(&scene, ask_get), lies[i].status);
    }
    lie = (struct slice){memory_zeroed(20 << 20), 20 << 20};
    assert_int_equal(ask(&scene, ask_get), STATUS_TOO_LARGE);
    memory_free((char *)lie.data);
    run_on(loop, close_scene_now, &scene);

    lie = (struct slice){0}; /* silence */
    open_scene(&scene, endpoints, 1);
    scene.options.timeout_ms = 100;
    scene.key = SLICE("lie");
    assert_int_equal(ask(&scene, ask_put), STATUS_TIMED_OUT);
    assert_int_equal(ask(&scene, ask_get), STATUS_UNAVAILABLE);
    run_on(loop, close_scene_now, &scene);
    toy_close(&liar, 10);
}

static void faults_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        enum status status;
    } faults[] = {
        {"{\"error\":\"etcdserver: invalid auth token\",\"code\":16}", STATUS_SUSPENDED},
        {"{\"error\":\"etcdserver: revision of auth store is old\",\"code\":3}", STATUS_SUSPENDED},
        {"{\"code\":7,\"message\":\"etcdserver: permission denied\"}", STATUS_DENIED},
        {"{\"error\":{\"grpc_code\":14,\"message\":\"etcdserver: no leader\"}}",
         STATUS_UNAVAILABLE},
        {"{\"error\":\"etcdserver: request timed out\",\"code\":14}", STATUS_UNAVAILABLE},
        {"{\"error\":\"etcdserver: requested lease not found\",\"code\":5}", STATUS_NOT_FOUND},
        {"{\"code\":11,\"message\":\"etcdserver: required revision has been compacted\"}",
         STATUS_EXPIRED},
        {"{\"code\":3,\"message\":\"etcdserver: key is not provided\"}", STATUS_INVALID},
        {"Not Found", STATUS_INVALID},
        {"", STATUS_INVALID},
    };

    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        assert_int_equal(etcd_wire_fault(slice_of(faults[i].text)), faults[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_there_until_it_is_deleted),
        cmocka_unit_test(of_two_who_compare_one_has_the_conflict),
        cmocka_unit_test(what_is_put_with_a_lease_goes_with_it),
        cmocka_unit_test(an_endpoint_that_is_not_there_is_passed_over),
        cmocka_unit_test(etcd_that_comes_back_is_used_again),
        cmocka_unit_test(tls_is_spoken_with_whom_the_authorities_know),
        cmocka_unit_test(users_have_passwords_and_their_tokens_are_renewed),
        cmocka_unit_test(a_cancelled_call_is_forgotten),
        cmocka_unit_test(lies_of_a_server_are_refused),
        cmocka_unit_test(faults_are_told_apart),
    };

    return cmocka_run_group_tests_name("etcd", tests, open_server, close_server);
}
