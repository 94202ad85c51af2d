/* The writer's thread on the kernel's files: a process that is killed at any moment keeps what it
 * acknowledged. */
#include "storage/log_writer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/random.h"
#include "tests/unit/unit.h"

enum { SHARDS = 4, ROUNDS = 100, PAYLOAD_SIZE_MAX = 2000 };

struct acknowledgement {
    uint64_t shard;
    uint64_t index;
};

static char folder[] = "/tmp/aviso_log_XXXXXX";

static struct log *open_log(void)
{
    struct log_options options = {
        .files = &file_system_posix,
        .folder = folder,
        .segment_size = LOG_SEGMENT_SIZE_MIN,
    };
    struct log *log = NULL;

    CHECK(log_open(&options, &log) == STATUS_OK);
    return log;
}

static struct slice payload_of(uint32_t shard, uint64_t index, char *octets)
{
    struct random random = {.state = index * SHARDS + shard};
    size_t size = (size_t)random_below(&random, PAYLOAD_SIZE_MAX);

    for (size_t i = 0; i < size; i++) {
        octets[i] = (char)random_next(&random);
    }
    return (struct slice){octets, size};
}

/* ---- The process that is killed ---- */

struct client {
    struct log_append append;
    struct log_entry entry;
    char payload[PAYLOAD_SIZE_MAX];
};

struct server {
    struct log *log;
    struct log_writer *writer;
    struct client clients[SHARDS];
    int pipe;
};

static void submit_next(struct server *server, struct client *client)
{
    uint64_t index = client->entry.position.index + 1;

    client->entry = (struct log_entry){
        .position = {.term = 1 + index / 50, .index = index},
        .kind = RAFT_ENTRY_COMMAND,
        .payload = payload_of(client->append.shard, index, client->payload),
    };
    client->append.entries = &client->entry;
    client->append.entry_count = 1;
    CHECK(log_writer_submit(server->writer, &client->append) == STATUS_OK);
}

/* On the writer's thread: what it submits is the next batch. */
static void on_completed(void *context, struct log_append *append)
{
    struct server *server = context;
    struct client *client = CONTAINER_OF(append, struct client, append);
    struct acknowledgement acknowledgement = {append->shard, client->entry.position.index};

    CHECK(append->status == STATUS_OK);
    CHECK(write(server->pipe, &acknowledgement, sizeof(acknowledgement)) ==
          sizeof(acknowledgement));
    if (acknowledgement.index % 40 == 0) {
        CHECK(log_writer_compact(server->writer, append->shard, acknowledgement.index - 20,
                                 acknowledgement.index) == STATUS_OK);
    }
    submit_next(server, client);
}

_Noreturn static void serve(int pipe)
{
    struct server *server = NEW(struct server);

    server->pipe = pipe;
    server->log = open_log();
    server->writer = log_writer_new(server->log, on_completed, server);
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct client *client = &server->clients[i];
        struct log_bounds bounds = {0};

        if (log_bounds(server->log, i, &bounds) == STATUS_OK) {
            client->entry.position = bounds.last;
        }
        client->append.shard = i;
        submit_next(server, client);
    }
    for (;;) {
        pause();
    }
}

/* ---- The one that checks ---- */

static void kill_after(uint64_t acknowledgements, uint64_t *last_acknowledged)
{
    int ends[2];
    struct acknowledgement acknowledgement;

    assert_int_equal(pipe(ends), 0);

    pid_t child = fork();

    if (child == 0) {
        close(ends[0]);
        serve(ends[1]);
    }
    close(ends[1]);
    for (uint64_t i = 0;
         read(ends[0], &acknowledgement, sizeof(acknowledgement)) == sizeof(acknowledgement); i++) {
        last_acknowledged[acknowledgement.shard] = acknowledgement.index;
        if (i == acknowledgements) {
            assert_int_equal(kill(child, SIGKILL), 0);
        }
    }
    close(ends[0]);

    int outcome;

    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_true(WIFSIGNALED(outcome) && WTERMSIG(outcome) == SIGKILL);
}

static void check_shard(struct log *log, uint32_t shard, uint64_t last_acknowledged)
{
    struct log_bounds bounds;
    struct log_entries entries;
    char octets[PAYLOAD_SIZE_MAX];

    assert_int_equal(log_bounds(log, shard, &bounds), STATUS_OK);
    assert_true(bounds.last.index >= last_acknowledged);
    assert_true(bounds.last.index <= last_acknowledged + 1);
    for (uint64_t index = bounds.compacted.index + 1; index <= bounds.last.index; index++) {
        struct slice expected = payload_of(shard, index, octets);

        assert_int_equal(log_read(log, shard, index, index + 1, 1, false, &entries), STATUS_OK);
        assert_true(slice_equals(entries.items[0].payload, expected));
        assert_int_equal(entries.items[0].position.term, 1 + index / 50);
        log_entries_done(&entries);
    }
}

static void a_killed_process_keeps_what_it_acknowledged(void **state)
{
    struct random random = {.state = 1};
    uint64_t last_acknowledged[SHARDS + 1] = {0};

    for (size_t i = 0; i < ROUNDS; i++) {
        kill_after(20 + random_below(&random, 150), last_acknowledged);

        struct log *log = open_log();

        for (uint32_t j = 0; j < SHARDS; j++) {
            check_shard(log, j, last_acknowledged[j]);
        }
        log_close(log);
    }
}

/* ---- A writer that is stopped ---- */

static void count(void *context, struct log_append *append)
{
    CHECK(append->status == STATUS_OK);
    ++*(size_t *)context;
}

static void a_writer_finishes_what_was_submitted(void **state)
{
    struct log *log = open_log();
    struct log_append appends[50] = {{0}};
    struct raft_hard_state hard_state = {.term = 9};
    size_t completed = 0;
    struct log_writer *writer = log_writer_new(log, count, &completed);

    for (size_t i = 0; i < COUNT_OF(appends); i++) {
        appends[i] = (struct log_append){.shard = 100 + (uint32_t)i, .hard_state = &hard_state};
        assert_int_equal(log_writer_submit(writer, &appends[i]), STATUS_OK);
    }
    log_writer_free(writer);
    assert_int_equal(completed, COUNT_OF(appends));
    assert_true(log_statistics(log).sync_count <= COUNT_OF(appends));
    log_close(log);
}

/* ---- A folder of its own ---- */

static int make_folder(void **state)
{
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static void remove_file(void *context, const char *name)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    CHECK(file_unlink(&file_system_posix, path) == STATUS_OK);
}

static int remove_folder(void **state)
{
    CHECK(file_list(&file_system_posix, folder, remove_file, NULL) == STATUS_OK);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_process_keeps_what_it_acknowledged),
        cmocka_unit_test(a_writer_finishes_what_was_submitted),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
