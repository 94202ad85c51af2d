/* A shard on a loop, over a disk and a store that fail on demand. */
#include <semaphore.h>

#include "core/clock.h"
#include "core/number.h"
#include "proto/account.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "storage/replica_id.h"
#include "storage/shard.h"
#include "tests/fakes/fake_disk.h"
#include "tests/fakes/memory_store.h"
#include "tests/unit/unit.h"

enum { SHARD = 4, BODY_SIZE = 20000, BURST_MAX = 64 };

/* A node's worth of parts around one shard. */
struct stage {
    struct fake_disk *disk;
    struct store *store;
    struct log *log;
    struct log_writer *writer;
    struct loop *loop;
    struct shard *shard;
    struct worker_pool *workers;
    bool is_logged;
    struct loop_message stopped;
    sem_t has_stopped;
    size_t waiting_size_max;
    uint64_t account;
    uint64_t ids;
};

static void on_recovered(void *context, struct log *log, const struct log_recovered *recovered)
{
    struct stage *stage = context;

    assert_int_equal(recovered->status, STATUS_OK);
    stage->is_logged = true;
}

static void start(struct stage *stage)
{
    struct log_options options = {
        .files = fake_disk_files(stage->disk),
        .folder = "log",
        .segment_size = 256 * 1024,
        .spare_count_max = 1,
        .seed = 1,
        .on_recovered = on_recovered,
        .context = stage,
    };

    stage->is_logged = false;
    assert_int_equal(log_open(&options, &stage->log), STATUS_OK);
    stage->writer = log_writer_new(stage->log, shard_log_completed, NULL);
    stage->loop = loop_new("shard");
    stage->workers = worker_pool_new("reads", 1, 100);
    struct shard_options shard = {
        .replica = {.shard = SHARD,
                    .id = replica_id_make(1, 1),
                    .state = stage->is_logged ? REPLICA_BEGUN : REPLICA_FRESH},
        .loop = stage->loop,
        .workers = stage->workers,
        .store = stage->store,
        .log = stage->log,
        .writer = stage->writer,
        .waiting_size_max = stage->waiting_size_max,
        .write_size_max = 64 * 1024,
    };

    shard.replica.base.configuration.count = 1;
    shard.replica.base.configuration.replicas[0] =
        (struct raft_replica){.id = shard.replica.id, .parts = RAFT_VOTER};
    assert_int_equal(shard_open(&shard, &stage->shard), STATUS_OK);
    loop_start(stage->loop);
}

static void open_stage(struct stage *stage)
{
    *stage = (struct stage){.disk = fake_disk_new(1), .store = memory_store_new()};
    start(stage);
}

/* Runs a function on the shard's loop, and waits until it has. */
struct visit {
    struct loop_message message;
    struct stage *stage;
    void (*run)(struct stage *stage);
    sem_t done;
};

static void run_visit(struct loop_message *message)
{
    struct visit *visit = CONTAINER_OF(message, struct visit, message);

    visit->run(visit->stage);
    sem_post(&visit->done);
}

static void on_loop(struct stage *stage, void (*run)(struct stage *stage))
{
    struct visit visit = {.message = {.run = run_visit}, .stage = stage, .run = run};

    sem_init(&visit.done, 0, 0);
    loop_post(stage->loop, &visit.message);
    sem_wait(&visit.done);
    sem_destroy(&visit.done);
}

static void on_stopped(struct loop_message *message)
{
    sem_post(&CONTAINER_OF(message, struct stage, stopped)->has_stopped);
}

static void stop_shard(struct stage *stage)
{
    stage->stopped.run = on_stopped;
    shard_stop(stage->shard, &stage->stopped);
}

static void stop(struct stage *stage)
{
    sem_init(&stage->has_stopped, 0, 0);
    on_loop(stage, stop_shard);
    sem_wait(&stage->has_stopped);
    sem_destroy(&stage->has_stopped);
    log_writer_free(stage->writer);
    worker_pool_free(stage->workers);
    loop_stop(stage->loop);
    loop_join(stage->loop);
    shard_close(stage->shard);
    loop_free(stage->loop);
    log_close(stage->log);
}

static void close_stage(struct stage *stage)
{
    stop(stage);
    store_close(stage->store);
    fake_disk_free(stage->disk);
}

/* ---- Proposals, some at once ---- */

struct burst {
    struct loop_message message;
    struct stage *stage;
    size_t count;
    size_t left;
    enum status statuses[BURST_MAX];
    struct outcome {
        struct burst *burst;
        size_t index;
    } outcomes[BURST_MAX];
    uint64_t account; /* that was made */
    bool makes_account;
    bool only_waits;
    sem_t done;
};

static void on_done(void *context, const struct shard_answer *answer)
{
    struct outcome *outcome = context;
    struct burst *burst = outcome->burst;

    burst->statuses[outcome->index] = answer->status;
    if (burst->makes_account && answer->status == STATUS_OK) {
        Aviso__CreateAccountReply *made = aviso__create_account_reply__unpack(
            NULL, answer->reply.size, (const uint8_t *)answer->reply.data);

        burst->account = made->account;
        aviso__create_account_reply__free_unpacked(made, NULL);
    }
    if (--burst->left == 0) {
        sem_post(&burst->done);
    }
}

static void make_id(struct stage *stage, char *octets)
{
    number_put_u64(octets, clock_wall_ms() << 16);
    number_put_u64(octets + 8, ++stage->ids);
}

static void propose_account(struct burst *burst, struct outcome *outcome)
{
    Aviso__CreateAccountRequest request = AVISO__CREATE_ACCOUNT_REQUEST__INIT;
    char id[16];

    make_id(burst->stage, id);
    request.request_id = (ProtobufCBinaryData){sizeof(id), (uint8_t *)id};
    request.address = wire_from_slice(SLICE("ann@example.org"));
    shard_propose(burst->stage->shard, COMMAND_CREATE_ACCOUNT, &request.base, (struct slice){0},
                  on_done, outcome);
}

static void propose_message(struct burst *burst, struct outcome *outcome)
{
    static char octets[BODY_SIZE];
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    Aviso__DeliverRecipient recipient = AVISO__DELIVER_RECIPIENT__INIT;
    Aviso__DeliverRecipient *recipients[] = {&recipient};
    char id[32] = {0};
    uint32_t frame_size = BODY_SIZE;

    make_id(burst->stage, id);
    recipient.account = burst->stage->account;
    request.request_id = (ProtobufCBinaryData){16, (uint8_t *)id};
    request.recipients = recipients;
    request.n_recipients = 1;
    request.body_sha256 = (ProtobufCBinaryData){sizeof(id), (uint8_t *)id};
    request.body_size = BODY_SIZE;
    request.frame_sizes = &frame_size;
    request.n_frame_sizes = 1;
    shard_propose(burst->stage->shard, COMMAND_DELIVER, &request.base,
                  (struct slice){octets, sizeof(octets)}, on_done, outcome);
}

static void run_burst(struct loop_message *message)
{
    struct burst *burst = CONTAINER_OF(message, struct burst, message);
    size_t count = burst->count; /* with the last answer, the burst may be gone */

    for (size_t index = 0; index < count; index++) {
        burst->outcomes[index] = (struct outcome){burst, index};
        if (burst->only_waits) {
            shard_propose(burst->stage->shard, COMMAND_REMOVE_STEP, NULL, (struct slice){0},
                          on_done, &burst->outcomes[index]);
        } else if (burst->makes_account) {
            propose_account(burst, &burst->outcomes[index]);
        } else {
            propose_message(burst, &burst->outcomes[index]);
        }
    }
}

static void begin_burst(struct stage *stage, struct burst *burst, size_t count, bool makes_account)
{
    *burst = (struct burst){.message = {.run = run_burst},
                            .stage = stage,
                            .count = count,
                            .left = count,
                            .makes_account = makes_account};
    sem_init(&burst->done, 0, 0);
    loop_post(stage->loop, &burst->message);
}

static void end_burst(struct burst *burst)
{
    sem_wait(&burst->done);
    sem_destroy(&burst->done);
}

static void make_account(struct stage *stage)
{
    struct burst burst;

    begin_burst(stage, &burst, 1, true);
    end_burst(&burst);
    assert_int_equal(burst.statuses[0], STATUS_OK);
    stage->account = burst.account;
}

/* How one message fares. */
static enum status deliver(struct stage *stage)
{
    struct burst burst;

    begin_burst(stage, &burst, 1, false);
    end_burst(&burst);
    return burst.statuses[0];
}

/* Until all is applied that was acknowledged before. */
static void settle(struct stage *stage)
{
    struct burst burst = {
        .message = {.run = run_burst}, .stage = stage, .count = 1, .left = 1, .only_waits = true};

    sem_init(&burst.done, 0, 0);
    loop_post(stage->loop, &burst.message);
    end_burst(&burst);
    assert_int_equal(burst.statuses[0], STATUS_OK);
}

/* How many messages the account has, in the store. */
static uint64_t messages(struct stage *stage)
{
    struct arena arena;
    struct account_row row = {0};

    arena_init(&arena);
    struct read read = {.view = {.store = stage->store}, .shard = SHARD, .arena = &arena};

    assert_int_equal(read_account(&read, stage->account, &row), STATUS_OK);
    arena_done(&arena);
    return row.used_messages;
}

/* kill -9: what memory held is gone, of the store also what was not flushed. */
static void kill_and_start(struct stage *stage, size_t writes_kept)
{
    stop(stage);
    fake_disk_kill(stage->disk);
    memory_store_crash(stage->store, writes_kept);
    start(stage);
    settle(stage);
}

/* ---- Tests ---- */

static void what_was_answered_is_there_after_any_crash_of_the_store(void **state)
{
    for (size_t kept = 0; kept < 12; kept += 3) {
        struct stage stage;

        open_stage(&stage);
        make_account(&stage);
        for (uint64_t count = 1; count <= 10; count++) {
            assert_int_equal(deliver(&stage), STATUS_OK);
            assert_int_equal(messages(&stage), count);
        }
        kill_and_start(&stage, kept);
        assert_int_equal(messages(&stage), 10);
        assert_int_equal(deliver(&stage), STATUS_OK);
        assert_int_equal(messages(&stage), 11);
        close_stage(&stage);
    }
}

static void a_full_log_is_a_temporary_error(void **state)
{
    struct stage stage;
    struct burst burst;
    uint64_t taken = 0;

    open_stage(&stage);
    make_account(&stage);
    fake_disk_limit(stage.disk, fake_disk_used(stage.disk) + 300000);
    for (int round = 0; round < 5; round++) {
        begin_burst(&stage, &burst, 20, false);
        end_burst(&burst);
        for (size_t index = 0; index < burst.count; index++) {
            enum status status = burst.statuses[index];

            assert_true(status == STATUS_OK || status == STATUS_NO_SPACE);
            taken += status == STATUS_OK;
        }
    }
    assert_int_equal(burst.statuses[19], STATUS_NO_SPACE);
    assert_int_equal(messages(&stage), taken);
    fake_disk_limit(stage.disk, UINT64_MAX);
    for (int count = 0; count < 30; count++) {
        assert_int_equal(deliver(&stage), STATUS_OK);
    }
    kill_and_start(&stage, 0);
    assert_int_equal(messages(&stage), taken + 30);
    close_stage(&stage);
}

static void a_failed_sync_ends_the_service_and_loses_nothing(void **state)
{
    struct stage stage;

    open_stage(&stage);
    make_account(&stage);
    assert_int_equal(deliver(&stage), STATUS_OK);
    fake_disk_fail_sync_at(stage.disk, 1);
    assert_int_equal(deliver(&stage), STATUS_IO_ERROR);
    assert_int_equal(deliver(&stage), STATUS_IO_ERROR);
    assert_int_equal(shard_state(stage.shard).status, STATUS_IO_ERROR);
    kill_and_start(&stage, 0);
    assert_true(messages(&stage) >= 1);
    assert_int_equal(deliver(&stage), STATUS_OK);
    close_stage(&stage);
}

/* What is committed is answered once there is room, in its order; what comes meanwhile is refused.
 */
static void a_full_store_holds_answers_back_until_there_is_room(void **state)
{
    struct stage stage;
    struct burst burst;

    open_stage(&stage);
    make_account(&stage);
    memory_store_fail_write(stage.store, STATUS_NO_SPACE);
    begin_burst(&stage, &burst, 5, false);
    end_burst(&burst);
    for (size_t index = 0; index < burst.count; index++) {
        assert_int_equal(burst.statuses[index], STATUS_OK);
    }
    assert_int_equal(messages(&stage), 5);
    assert_int_equal(shard_state(stage.shard).status, STATUS_OK);
    close_stage(&stage);
}

static void too_much_waiting_is_busy(void **state)
{
    struct stage stage = {.disk = fake_disk_new(1),
                          .store = memory_store_new(),
                          .waiting_size_max = 3 * (BODY_SIZE + 1000)};
    struct burst burst;

    start(&stage);
    make_account(&stage);
    begin_burst(&stage, &burst, 5, false);
    end_burst(&burst);
    assert_int_equal(burst.statuses[2], STATUS_OK);
    assert_int_equal(burst.statuses[3], STATUS_BUSY);
    assert_int_equal(burst.statuses[4], STATUS_BUSY);
    assert_int_equal(deliver(&stage), STATUS_OK);
    assert_int_equal(messages(&stage), 4);
    assert_int_equal(shard_state(stage.shard).waiting_size, 0);
    close_stage(&stage);
}

static void a_corrupt_row_quarantines_the_shard(void **state)
{
    struct stage stage;
    struct key key;

    open_stage(&stage);
    make_account(&stage);
    kill_and_start(&stage, SIZE_MAX); /* nothing of the state is in memory any more */
    memory_store_corrupt(stage.store, key_acct(&key, SHARD, stage.account));
    enum status status = deliver(&stage);

    assert_true(status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
    assert_int_equal(deliver(&stage), status);
    close_stage(&stage);
}

static void compact(struct stage *stage)
{
    uint64_t durable = 0;

    assert_int_equal(apply_durable_index(stage->store, SHARD, &durable), STATUS_OK);
    shard_compact(stage->shard, durable, false);
}

static void the_log_is_given_back_up_to_what_is_durable(void **state)
{
    struct stage stage;
    struct log_bounds bounds;

    open_stage(&stage);
    make_account(&stage);
    for (int count = 0; count < 10; count++) {
        assert_int_equal(deliver(&stage), STATUS_OK);
    }
    on_loop(&stage, compact);
    assert_int_equal(log_bounds(stage.log, SHARD, &bounds), STATUS_OK);
    assert_int_equal(bounds.compacted.index, 0); /* nothing was flushed */
    assert_int_equal(store_flush(stage.store), STATUS_OK);
    on_loop(&stage, compact);
    assert_int_equal(log_bounds(stage.log, SHARD, &bounds), STATUS_OK);
    assert_int_equal(bounds.compacted.index, 12); /* with the entry that opened the term */
    kill_and_start(&stage, 0);
    assert_int_equal(messages(&stage), 10);
    close_stage(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_answered_is_there_after_any_crash_of_the_store),
        cmocka_unit_test(a_full_log_is_a_temporary_error),
        cmocka_unit_test(a_failed_sync_ends_the_service_and_loses_nothing),
        cmocka_unit_test(a_full_store_holds_answers_back_until_there_is_room),
        cmocka_unit_test(too_much_waiting_is_busy),
        cmocka_unit_test(a_corrupt_row_quarantines_the_shard),
        cmocka_unit_test(the_log_is_given_back_up_to_what_is_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
