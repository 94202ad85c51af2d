/* The order in which a replica carries out its duties, on a disk that waits for the test. */
#include "storage/replica.h"

#include "tests/fakes/fake_disk.h"
#include "tests/unit/unit.h"

enum { SHARD = 7, ELECTION_MS = 1000 };

struct scene {
    struct fake_disk *disk;
    struct log *log;
    struct replica *replica;
    uint64_t now_ms;
    unsigned fetches, installs;
};

/* ---- The port ---- */

static void on_submitted(void *context)
{
}

static void on_send(void *context, const struct raft_message *message)
{
}

static void on_apply(void *context, uint64_t low, uint64_t through)
{
}

static void on_read(void *context, uint64_t read_context, enum status status)
{
}

static void on_snapshot(void *context, const struct raft_snapshot_effect *effect)
{
    struct scene *scene = context;

    scene->fetches += effect->act == RAFT_SNAPSHOT_FETCH;
    scene->installs += effect->act == RAFT_SNAPSHOT_INSTALL;
}

/* ---- The scene: replica 1 of 1, 2 and 3, with an empty log ---- */

static struct raft_configuration members(void)
{
    struct raft_configuration configuration = {0};

    for (uint64_t id = 1; id <= 3; id++) {
        assert_int_equal(
            raft_configuration_put(&configuration, (struct raft_replica){id, RAFT_VOTER, 0}),
            STATUS_OK);
    }
    return configuration;
}

static void open_scene(struct scene *scene)
{
    *scene = (struct scene){.disk = fake_disk_new(1), .now_ms = 5000};

    struct log_options log = {.files = fake_disk_files(scene->disk),
                              .folder = "log",
                              .segment_size = LOG_SEGMENT_SIZE_MIN,
                              .cache_size_max = 32 << 10,
                              .seed = 1};
    struct replica_options options = {
        .shard = SHARD,
        .port = {on_submitted, on_send, on_apply, on_read, on_snapshot, scene},
        .raft = {.id = 1,
                 .generation = 1,
                 .seed = 1,
                 .now_ms = scene->now_ms,
                 .election_timeout_min_ms = ELECTION_MS},
        .configuration = {.configuration = members()},
        .fresh = true,
    };

    assert_int_equal(log_open(&log, &scene->log), STATUS_OK);
    options.log = scene->log;
    assert_int_equal(replica_open(&options, &scene->replica), STATUS_OK);
}

/* One write and one sync of the disk, and what they complete. */
static void sync_disk(struct scene *scene)
{
    struct log_append *append;

    assert_int_equal(log_write(scene->log), STATUS_OK);
    assert_int_equal(log_sync(scene->log), STATUS_OK);
    while ((append = log_completed(scene->log)) != NULL) {
        replica_written(append, scene->now_ms);
    }
    replica_run(scene->replica);
}

static void close_scene(struct scene *scene)
{
    while (replica_writing(scene->replica) > 0) {
        sync_disk(scene);
    }
    replica_free(scene->replica);
    log_close(scene->log);
    fake_disk_free(scene->disk);
}

/* Leader 2 of `term` offers what this replica lacks. */
static void offer(struct scene *scene, uint64_t term, const struct raft_snapshot *snapshot)
{
    struct raft_message message = {.kind = RAFT_SNAPSHOT_OFFER,
                                   .from = 2,
                                   .to = 1,
                                   .generation = 1,
                                   .term = term,
                                   .position = snapshot->position,
                                   .configuration = &snapshot->configuration};

    assert_int_equal(replica_receive(scene->replica, scene->now_ms, &message, NULL), STATUS_OK);
    replica_run(scene->replica);
}

static void fetched(struct scene *scene, const struct raft_snapshot *snapshot)
{
    struct raft_event event = {
        .kind = RAFT_SNAPSHOT_FETCHED, .now_ms = scene->now_ms, .snapshot = snapshot};

    assert_int_equal(replica_step(scene->replica, &event), STATUS_OK);
    replica_run(scene->replica);
}

/* ---- Duty 6: "after the writes that were handed over before" ---- */

/* The intention to install outlives a crash, and so must the term that the snapshot is of: or the
 * log would begin in a term that the replica has not recorded, and raft refuse it. */
static void an_installation_waits_for_the_term_to_be_durable(void **state)
{
    struct scene scene;
    struct raft_snapshot snapshot = {.position = {.term = 4, .index = 9},
                                     .configuration = members()};

    open_scene(&scene);
    offer(&scene, 4, &snapshot);
    assert_int_equal(scene.fetches, 1);
    assert_int_equal(replica_writing(scene.replica), 1);
    fetched(&scene, &snapshot);
    assert_true(replica_state(scene.replica).installing);
    assert_int_equal(scene.installs, 0);
    sync_disk(&scene);
    assert_int_equal(replica_writing(scene.replica), 0);
    assert_int_equal(scene.installs, 1);
    replica_installed(scene.replica, &snapshot);
    sync_disk(&scene);
    assert_int_equal(replica_state(scene.replica).first_index, 10);
    assert_int_equal(scene.installs, 1);
    close_scene(&scene);
}

static void an_installation_begins_at_once_when_nothing_is_being_written(void **state)
{
    struct scene scene;
    struct raft_snapshot snapshot = {.position = {.term = 4, .index = 9},
                                     .configuration = members()};

    open_scene(&scene);
    offer(&scene, 4, &snapshot);
    sync_disk(&scene);
    assert_int_equal(scene.installs, 0);
    fetched(&scene, &snapshot);
    assert_int_equal(scene.installs, 1);
    replica_installed(scene.replica, &snapshot);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_installation_waits_for_the_term_to_be_durable),
        cmocka_unit_test(an_installation_begins_at_once_when_nothing_is_being_written),
    };

    return cmocka_run_group_tests_name("replica", tests, NULL, NULL);
}
