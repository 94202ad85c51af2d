/* A shard's state as files, with the real store: what was begun with them is finished, wherever it
 * was interrupted, and nothing else of the node is touched. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/crc32c.h"
#include "storage/node.h"
#include "storage/replica_id.h"
#include "storage/snapshot.h"
#include "storage/store_rocksdb.h"
#include "tests/fakes/node_client.h"
#include "tests/unit/unit.h"

enum { SHARD = 7, OTHER_SHARD = 8, MESSAGES = 30, BODY_SIZE = 20000 };

struct place {
    char folder[64];
    struct node *node;
    uint64_t account;
};

static void make_place(struct place *place)
{
    *place = (struct place){.folder = "/tmp/aviso-snapshot-XXXXXX"};
    assert_non_null(mkdtemp(place->folder));
}

static int remove_file(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    return remove(path);
}

static void remove_place(struct place *place)
{
    assert_int_equal(nftw(place->folder, remove_file, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void path_in(const struct place *place, const char *name, char *out_path)
{
    snprintf(out_path, FILE_PATH_SIZE_MAX, "%s/%s", place->folder, name);
}

/* ---- Nodes ---- */

static void open_node(struct place *place, uint32_t alone, const struct node_replica *replica)
{
    struct node_options options = {
        .folder = place->folder,
        .node = replica != NULL ? 2 : 1,
        .shards = &alone,
        .shard_count = 1,
        .replicas = replica,
        .replica_count = replica != NULL ? 1 : 0,
        .loop_count = 1,
        .worker_count = 1,
        .block_cache_size = 8 << 20,
        .write_buffer_size = 4 << 20,
        .log_segment_size = 4 << 20,
    };

    assert_int_equal(node_open(&options, &place->node), STATUS_OK);
}

static void close_node(struct place *place)
{
    node_stop(place->node);
    node_close(place->node);
    place->node = NULL;
}

static void fill(struct place *place, uint32_t shard, size_t count)
{
    static char body[BODY_SIZE];
    struct node_client client;
    Aviso__CreateAccountRequest request = AVISO__CREATE_ACCOUNT_REQUEST__INIT;

    node_client_open(&client, node_services(place->node));
    request.request_id = node_client_id(&client);
    request.address = wire_from_slice(SLICE("ann@example.org"));
    const Aviso__CreateAccountReply *made =
        node_client_call(&client, shard, "CreateAccount", &request.base, (struct slice){0});

    assert_non_null(made);
    place->account = made->account;
    for (size_t number = 0; number < count; number++) {
        snprintf(body, sizeof(body), "message %zu", number);
        assert_non_null(node_client_deliver(&client, shard, place->account, node_client_id(&client),
                                            (struct slice){body, sizeof(body)}));
    }
    node_client_close(&client);
}

static uint64_t count_messages(struct place *place, uint32_t shard)
{
    struct node_client client;
    Aviso__GetAccountRequest request = AVISO__GET_ACCOUNT_REQUEST__INIT;

    node_client_open(&client, node_services(place->node));
    request.account = place->account;
    const Aviso__Account *account =
        node_client_call(&client, shard, "GetAccount", &request.base, (struct slice){0});

    assert_non_null(account);
    uint64_t count = account->used_messages;

    node_client_close(&client);
    return count;
}

static struct shard_state state_of(struct place *place, uint32_t shard)
{
    struct shard_state state = {0};

    for (size_t index = 0; node_shard_state(place->node, index, &state); index++) {
        if (state.id == shard) {
            return state;
        }
    }
    fail_msg("shard %u is not there", shard);
    return state;
}

/* The log begins anew by a write of its own, soon after the opening. */
static struct shard_state state_at(struct place *place, uint64_t first_index)
{
    struct shard_state state = state_of(place, SHARD);

    while (state.status == STATUS_OK && state.first_index != first_index) {
        state = state_of(place, SHARD);
    }
    return state;
}

/* ---- A snapshot of one, for the other ---- */

struct scene {
    struct place from;
    struct place to;
    struct shard_state before; /* what the snapshot is of */
    struct snapshot_manifest manifest;
    char folder[FILE_PATH_SIZE_MAX]; /* where it is to be installed from */
    struct node_replica replica;
};

static struct store *open_store(const struct place *place)
{
    char path[FILE_PATH_SIZE_MAX];
    struct store_rocksdb_options options = {.folder = path, .block_cache_size = 8 << 20};
    struct store *store = NULL;

    path_in(place, "state", path);
    assert_int_equal(store_rocksdb_open(&options, &store), STATUS_OK);
    return store;
}

static void export(struct scene *scene)
{
    struct store *store = open_store(&scene->from);
    struct store_view view = {.store = store};
    struct raft_configuration configuration = {
        .count = 1, .replicas = {{.id = replica_id_make(1, 1), .parts = RAFT_VOTER}}};

    assert_int_equal(snapshot_folder_make(scene->folder), STATUS_OK);
    assert_int_equal(snapshot_export(&view, SHARD, &configuration, scene->folder, &scene->manifest),
                     STATUS_OK);
    store_close(store);
}

/* One node with a shard full of messages, and another that holds a shard of its own and is to take
 * that one over. */
static void set(struct scene *scene)
{
    *scene = (struct scene){.replica = {.shard = SHARD, .id = replica_id_make(2, 1)}};
    make_place(&scene->from);
    make_place(&scene->to);
    open_node(&scene->from, SHARD, NULL);
    fill(&scene->from, SHARD, MESSAGES);
    scene->before = state_of(&scene->from, SHARD);
    close_node(&scene->from);
    open_node(&scene->to, OTHER_SHARD, &scene->replica);
    fill(&scene->to, OTHER_SHARD, 5);
    close_node(&scene->to);
    path_in(&scene->to, "snapshots/7" SHARD_INSTALLING, scene->folder);
    export(scene);
}

static void strike(struct scene *scene)
{
    snapshot_manifest_done(&scene->manifest);
    remove_place(&scene->from);
    remove_place(&scene->to);
}

static void check_installed(struct scene *scene)
{
    open_node(&scene->to, OTHER_SHARD, &scene->replica);
    struct shard_state state = state_at(&scene->to, scene->before.applied_index + 1);

    assert_int_equal(state.status, STATUS_OK);
    assert_int_equal(state.applied_index, scene->before.applied_index);
    assert_int_equal(state.digest, scene->before.digest);
    assert_int_equal(count_messages(&scene->to, OTHER_SHARD), 5);
    close_node(&scene->to);
    assert_int_not_equal(access(scene->folder, F_OK), 0);
}

/* ---- Tests ---- */

static void the_manifest_tells_what_is_in_the_files(void **state)
{
    struct scene scene;
    uint64_t offset = 0;
    uint32_t sum = 0;
    size_t size = 0;
    char octets[4096];

    set(&scene);
    assert_int_equal(scene.manifest.file_count, 1);
    assert_int_equal(scene.manifest.snapshot.position.index, scene.before.applied_index);
    assert_int_equal(scene.manifest.snapshot.configuration.count, 1);
    do {
        assert_int_equal(snapshot_file_read(scene.folder, 0, offset, octets, sizeof(octets), &size),
                         STATUS_OK);
        sum = crc32c(sum, (struct slice){octets, size});
        offset += size;
    } while (size == sizeof(octets));
    assert_int_equal(offset, scene.manifest.files[0].size);
    assert_int_equal(sum, scene.manifest.files[0].sum);
    assert_int_equal(snapshot_file_read(scene.folder, 1, 0, octets, 1, &size), STATUS_NOT_FOUND);
    strike(&scene);
}

static void what_was_intended_is_remembered(void **state)
{
    struct scene scene;
    struct snapshot_manifest read;

    set(&scene);
    assert_int_equal(snapshot_intended(scene.folder, &read), STATUS_NOT_FOUND);
    assert_int_equal(snapshot_intend(&scene.manifest, scene.folder), STATUS_OK);
    assert_int_equal(snapshot_intended(scene.folder, &read), STATUS_OK);
    assert_int_equal(read.file_count, 1);
    assert_int_equal(read.files[0].size, scene.manifest.files[0].size);
    assert_int_equal(read.files[0].sum, scene.manifest.files[0].sum);
    assert_int_equal(read.snapshot.position.index, scene.manifest.snapshot.position.index);
    assert_int_equal(read.snapshot.position.term, scene.manifest.snapshot.position.term);
    assert_true(raft_configuration_equals(&read.snapshot.configuration,
                                          &scene.manifest.snapshot.configuration));
    snapshot_manifest_done(&read);
    strike(&scene);
}

static void files_without_an_intention_are_forgotten(void **state)
{
    struct scene scene;

    set(&scene);
    open_node(&scene.to, OTHER_SHARD, &scene.replica);
    assert_int_equal(state_of(&scene.to, SHARD).applied_index, 0);
    assert_int_not_equal(access(scene.folder, F_OK), 0);
    assert_int_equal(count_messages(&scene.to, OTHER_SHARD), 5);
    close_node(&scene.to);
    strike(&scene);
}

static void an_installation_that_was_intended_is_done_at_the_next_start(void **state)
{
    struct scene scene;

    set(&scene);
    assert_int_equal(snapshot_intend(&scene.manifest, scene.folder), STATUS_OK);
    check_installed(&scene);
    check_installed(&scene); /* and it lasts */
    strike(&scene);
}

static void an_installation_that_was_interrupted_is_done_again(void **state)
{
    struct scene scene;

    set(&scene);
    assert_int_equal(snapshot_intend(&scene.manifest, scene.folder), STATUS_OK);
    for (int time = 0; time < 2; time++) {
        struct store *store = open_store(&scene.to);

        assert_int_equal(snapshot_import(store, SHARD, &scene.manifest, scene.folder), STATUS_OK);
        store_close(store);
    }
    check_installed(&scene);
    strike(&scene);
}

/* When the log begins after the snapshot, all is done but for the files: they are not looked at. */
static void an_installation_that_is_over_is_not_done_again(void **state)
{
    struct scene scene;
    char path[FILE_PATH_SIZE_MAX];

    set(&scene);
    assert_int_equal(snapshot_intend(&scene.manifest, scene.folder), STATUS_OK);
    check_installed(&scene);
    assert_int_equal(snapshot_folder_make(scene.folder), STATUS_OK);
    assert_int_equal(snapshot_intend(&scene.manifest, scene.folder), STATUS_OK);
    snapshot_file_path(scene.folder, 0, path);
    assert_int_not_equal(access(path, F_OK), 0);
    check_installed(&scene);
    strike(&scene);
}

static void a_damaged_intention_keeps_the_shard_from_being_served(void **state)
{
    struct scene scene;
    char path[FILE_PATH_SIZE_MAX + 16];

    set(&scene);
    assert_int_equal(snapshot_intend(&scene.manifest, scene.folder), STATUS_OK);
    snprintf(path, sizeof(path), "%s/installing", scene.folder);
    assert_int_equal(truncate(path, 20), 0);
    open_node(&scene.to, OTHER_SHARD, &scene.replica);
    assert_int_equal(state_of(&scene.to, SHARD).status, STATUS_CORRUPT);
    assert_int_equal(count_messages(&scene.to, OTHER_SHARD), 5);
    close_node(&scene.to);
    strike(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manifest_tells_what_is_in_the_files),
        cmocka_unit_test(what_was_intended_is_remembered),
        cmocka_unit_test(files_without_an_intention_are_forgotten),
        cmocka_unit_test(an_installation_that_was_intended_is_done_at_the_next_start),
        cmocka_unit_test(an_installation_that_was_interrupted_is_done_again),
        cmocka_unit_test(an_installation_that_is_over_is_not_done_again),
        cmocka_unit_test(a_damaged_intention_keeps_the_shard_from_being_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
