/* A node with its real log and RocksDB in a temporary folder: what was answered is there again
 * after the process ended, however it ended.
 *
 * Nodes live in child processes only, so that every fork begins without threads. A child says what
 * was acknowledged on a pipe, a line each. */
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/number.h"
#include "mail/uid_set.h"
#include "proto/watch.pb-c.h"
#include "router/mailbox_client.h"
#include "storage/crash_point.h"
#include "storage/node.h"
#include "tests/fakes/node_client.h"
#include "tests/unit/unit.h"

enum { CRASHED = 77, FAILED = 78, MESSAGES_MAX = 4000, SHARD_COUNT = 2, MESSAGES_OF_RUN = 60 };

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            _exit(FAILED);                                                                         \
        }                                                                                          \
    } while (0)

/* What was acknowledged, over all lives of the node. */
struct record {
    uint32_t uids[SHARD_COUNT][MESSAGES_MAX]; /* by number of the message; 0: not acknowledged */
    bool seen[SHARD_COUNT][MESSAGES_MAX];
    unsigned next; /* number of a message not tried yet */
    uint64_t accounts[SHARD_COUNT];
    uint64_t began_ms;
};

static const uint32_t shards[SHARD_COUNT] = {3, 9};
static char folder[] = "/tmp/aviso-node-XXXXXX";

static struct node *open_node(void)
{
    struct node_options options = {
        .folder = folder,
        .shards = shards,
        .shard_count = SHARD_COUNT,
        .loop_count = 2,
        .worker_count = 1,
        .block_cache_size = 8 << 20,
        .write_buffer_size = 4 << 20,
        .log_segment_size = 4 << 20,
    };
    struct node *node = NULL;

    return node_open(&options, &node) == STATUS_OK ? node : NULL;
}

/* The id of a message depends on its number alone, so that another life repeats it. */
static ProtobufCBinaryData id_of(struct node_client *client, const struct record *record,
                                 unsigned number)
{
    char *octets = arena_zeroed(&client->arena, 16);

    number_put_u64(octets, record->began_ms << 16);
    number_put_u64(octets + 8, number);
    return (ProtobufCBinaryData){16, (uint8_t *)octets};
}

static struct slice body_of(unsigned number, char *octets, size_t size)
{
    int written = snprintf(octets, size, "body %u ", number);

    memset(octets + written, 'x', size - (size_t)written);
    return (struct slice){octets, size - number % 7};
}

/* ---- In a child: work until the crash ---- */

static void say(int output, const char *act, size_t shard, unsigned number, uint64_t value)
{
    char line[100];
    int size = snprintf(line, sizeof(line), "%s %zu %u %llu\n", act, shard, number,
                        (unsigned long long)value);

    EXPECT(write(output, line, (size_t)size) == size);
}

static void make_account(struct node_client *client, const struct record *record, size_t shard,
                         int output)
{
    Aviso__CreateAccountRequest request = AVISO__CREATE_ACCOUNT_REQUEST__INIT;

    request.request_id = id_of(client, record, (unsigned)(1000000 + shard));
    request.address = wire_from_slice(SLICE("ann@example.org"));
    const Aviso__CreateAccountReply *reply =
        node_client_call(client, shards[shard], "CreateAccount", &request.base, (struct slice){0});

    EXPECT(reply != NULL);
    say(output, "account", shard, 0, reply->account);
}

static void see(struct node_client *client, size_t shard, uint64_t account, uint32_t uid)
{
    Aviso__StoreFlagsRequest request = AVISO__STORE_FLAGS_REQUEST__INIT;
    struct uid_set *uids = uid_set_new();
    struct buffer octets;

    uid_set_add(uids, uid);
    buffer_init(&octets, 100);
    uid_set_encode(uids, &octets);
    request.request_id = node_client_id(client);
    request.account = account;
    request.mailbox = 1;
    request.uids = wire_from_slice(buffer_view(&octets));
    request.mode = AVISO__STORE_MODE__STORE_ADD;
    request.flags = FLAG_SEEN;
    EXPECT(node_client_call(client, shards[shard], "StoreFlags", &request.base,
                            (struct slice){0}) != NULL);
    buffer_done(&octets);
    uid_set_free(uids);
}

static void crash(void *context, const char *name)
{
    _exit(CRASHED);
}

static void work(struct node *node, const struct record *record, int output)
{
    struct node_client client;
    char octets[3000];

    node_client_open(&client, node_services(node));
    for (unsigned number = record->next; number < record->next + MESSAGES_OF_RUN; number++) {
        size_t shard = number % SHARD_COUNT;
        uint64_t account = record->accounts[shard];

        say(output, "try", shard, number, 0);
        const Aviso__DeliverOutcome *outcome =
            node_client_deliver(&client, shards[shard], account, id_of(&client, record, number),
                                body_of(number, octets, sizeof(octets)));

        EXPECT(outcome != NULL && outcome->status == STATUS_OK);
        say(output, "uid", shard, number, outcome->uid);
        if (number % 3 == 0) {
            see(&client, shard, account, outcome->uid);
            say(output, "seen", shard, number, 1);
        }
        if (number % 25 == 24) {
            EXPECT(node_flush(node) == STATUS_OK);
        }
    }
    node_client_close(&client);
}

static void live(const struct record *record, int output, const char *crash_at, uint64_t nth)
{
    if (crash_at != NULL) {
        crash_point_arm(crash_at, nth, crash, NULL);
    }
    struct node *node = open_node();

    EXPECT(node != NULL);
    if (record->accounts[0] == 0) {
        struct node_client client;

        node_client_open(&client, node_services(node));
        for (size_t shard = 0; shard < SHARD_COUNT; shard++) {
            make_account(&client, record, shard, output);
        }
        node_client_close(&client);
    } else {
        work(node, record, output);
    }
    node_stop(node);
    node_close(node);
    _exit(0);
}

/* ---- In another child: everything acknowledged must be there ---- */

static void check_mailbox(struct node_client *client, const struct record *record, size_t shard)
{
    Aviso__OpenMailboxRequest open = AVISO__OPEN_MAILBOX_REQUEST__INIT;
    Aviso__GetRowsRequest get = AVISO__GET_ROWS_REQUEST__INIT;
    struct uid_set *uids = uid_set_new();

    open.account = record->accounts[shard];
    open.name = wire_from_slice(SLICE("INBOX"));
    const Aviso__OpenMailboxReply *opened =
        node_client_call(client, shards[shard], "OpenMailbox", &open.base, (struct slice){0});

    EXPECT(opened != NULL);
    EXPECT(uid_set_decode(slice_from_wire(opened->uids), uids) == STATUS_OK);
    get.account = open.account;
    get.mailbox = 1;
    get.uids = opened->uids;
    const Aviso__GetRowsReply *rows =
        node_client_call(client, shards[shard], "GetRows", &get.base, (struct slice){0});

    EXPECT(rows != NULL && rows->n_rows == uid_set_count(uids));
    EXPECT(rows->n_rows <= (record->next + SHARD_COUNT - 1) / SHARD_COUNT); /* each once at most */
    for (unsigned number = 0; number < record->next; number++) {
        uint32_t uid = record->uids[shard][number];

        EXPECT(uid == 0 || uid_set_contains(uids, uid));
        if (uid != 0 && record->seen[shard][number]) {
            EXPECT((rows->rows[uid_set_rank(uids, uid) - 1]->flags & FLAG_SEEN) != 0);
        }
    }
    uid_set_free(uids);
}

static void check_bodies(struct node_client *client, const struct record *record, size_t shard)
{
    char octets[3000];

    for (unsigned number = 0; number < record->next; number++) {
        if (record->uids[shard][number] == 0) {
            continue;
        }
        Aviso__GetBodyRequest request = AVISO__GET_BODY_REQUEST__INIT;
        struct slice body = body_of(number, octets, sizeof(octets));

        /* Nothing is ever expunged here, so that the nth UID is the nth email. */
        request.account = record->accounts[shard];
        request.email = record->uids[shard][number];
        request.frame_count = 1;
        const Aviso__GetBodyReply *reply =
            node_client_call(client, shards[shard], "GetBody", &request.base, (struct slice){0});

        EXPECT(reply != NULL && reply->n_sizes == 1 && reply->sizes[0] == body.size);
    }
}

static void check(const struct record *record, int output, const char *crash_at, uint64_t nth)
{
    struct node *node = open_node();
    struct node_client client;
    char octets[3000];

    EXPECT(node != NULL);
    node_client_open(&client, node_services(node));
    for (size_t shard = 0; shard < SHARD_COUNT && record->accounts[shard] != 0; shard++) {
        check_mailbox(&client, record, shard);
        check_bodies(&client, record, shard);
    }
    /* What was tried last comes again under its id: no second message. */
    if (record->next > 0) {
        unsigned number = record->next - 1;
        size_t shard = number % SHARD_COUNT;
        const Aviso__DeliverOutcome *outcome = NULL;

        for (int repeat = 0; repeat < 2; repeat++) {
            outcome = node_client_deliver(&client, shards[shard], record->accounts[shard],
                                          id_of(&client, record, number),
                                          body_of(number, octets, sizeof(octets)));
            EXPECT(outcome != NULL && outcome->status == STATUS_OK);
        }
        say(output, "uid", shard, number, outcome->uid);
    }
    node_client_close(&client);
    node_stop(node);
    node_close(node);
    _exit(0);
}

/* ---- The parent ---- */

static void note(struct record *record, const char *act, size_t shard, unsigned number,
                 uint64_t value)
{
    if (strcmp(act, "account") == 0) {
        record->accounts[shard] = value;
    } else if (strcmp(act, "seen") == 0) {
        record->seen[shard][number] = true;
    } else {
        if (number >= record->next) {
            record->next = number + 1;
        }
        if (value != 0) {
            for (unsigned other = 0; other < record->next; other++) { /* never the same UID */
                assert_true(other == number || record->uids[shard][other] != value);
            }
            record->uids[shard][number] = (uint32_t)value;
        }
    }
}

static int run_child(struct record *record,
                     void (*child)(const struct record *, int, const char *, uint64_t),
                     const char *crash_at, uint64_t nth)
{
    int pipe_ends[2];
    char act[16];
    size_t shard;
    unsigned number;
    unsigned long long value;
    int status = 0;

    assert_int_equal(pipe(pipe_ends), 0);
    fflush(NULL);
    pid_t process = fork();

    if (process == 0) {
        close(pipe_ends[0]);
        child(record, pipe_ends[1], crash_at, nth);
    }
    close(pipe_ends[1]);
    FILE *input = fdopen(pipe_ends[0], "r");

    while (fscanf(input, "%15s %zu %u %llu", act, &shard, &number, &value) == 4) {
        assert_true(shard < SHARD_COUNT && number < MESSAGES_MAX);
        note(record, act, shard, number, value);
    }
    fclose(input);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int remove_file(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    return remove(path);
}

static void begin(struct record *record)
{
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(folder));
    *record = (struct record){.began_ms = clock_wall_ms()};
}

static void end(void)
{
    assert_int_equal(nftw(folder, remove_file, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void a_node_remembers_over_an_orderly_stop(void **state)
{
    struct record record;

    begin(&record);
    assert_int_equal(run_child(&record, live, NULL, 0), 0);
    assert_int_equal(run_child(&record, live, NULL, 0), 0);
    assert_int_equal(record.next, MESSAGES_OF_RUN);
    assert_int_equal(run_child(&record, check, NULL, 0), 0);
    end();
}

/* Folders of before there was a book of replicas have none. */
static void a_folder_without_a_book_is_a_sole_voters(void **state)
{
    struct record record;
    char path[200];

    begin(&record);
    assert_int_equal(run_child(&record, live, NULL, 0), 0);
    snprintf(path, sizeof(path), "%s/replicas", folder);
    assert_int_equal(remove(path), 0);
    assert_int_equal(run_child(&record, check, NULL, 0), 0);
    assert_int_equal(run_child(&record, live, NULL, 0), 0);
    assert_int_equal(run_child(&record, check, NULL, 0), 0);
    end();
}

static const struct {
    const char *name;
    uint64_t nth; /* time that it is reached in a life */
} crashes[] = {
    {"node.before_rename", 1},       {"shard.before_begin", 2},  {"shard.before_submit", 20},
    {"shard.after_submit", 30},      {"shard.durable", 25},      {"shard.applied", 20},
    {"shard.before_store_write", 7}, {"store.before_write", 33}, {"store.after_write", 12},
    {"shard.after_store_write", 40}, {"shard.before_reply", 18}, {"shard.after_reply", 22},
    {"shard.replayed", 1},           {"node.before_flush", 1},   {"store.before_flush", 2},
    {"store.after_flush", 1},        {"node.after_flush", 2},    {"shard.before_compact", 1},
    {"shard.after_compact", 2},      {"log.before_sync", 10},
};

static void nothing_acknowledged_is_lost_wherever_the_process_ends(void **state)
{
    struct record record;
    size_t crashed = 0;

    begin(&record);
    for (size_t index = 0; index < COUNT_OF(crashes); index++) {
        if (strcmp(crashes[index].name, "shard.replayed") == 0) { /* leave something to replay */
            assert_int_equal(run_child(&record, live, "shard.after_reply", 9), CRASHED);
        }
        int ended = run_child(&record, live, crashes[index].name, crashes[index].nth);

        if (ended != CRASHED) {
            print_error("not reached: %s\n", crashes[index].name);
        }
        crashed += ended == CRASHED;
        if (record.accounts[0] == 0 || record.accounts[1] == 0) {
            assert_int_equal(run_child(&record, live, NULL, 0), 0);
        }
        assert_int_equal(run_child(&record, check, NULL, 0), 0);
    }
    assert_int_equal(crashed, COUNT_OF(crashes));
    end();
}

/* ---- Large mailboxes and watches ---- */

static void deliver_many(struct node_client *client, uint64_t account, size_t count)
{
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    Aviso__DeliverRecipient recipient = AVISO__DELIVER_RECIPIENT__INIT;
    Aviso__DeliverRecipient *recipients[1000];

    for (size_t index = 0; index < count; index++) {
        recipients[index] = &recipient;
    }
    recipient.account = account;
    request.request_id = node_client_id(client);
    request.recipients = recipients;
    request.n_recipients = count;
    request.header_frame_size = 4;
    EXPECT(node_client_call(client, shards[0], "Deliver", &request.base, SLICE("head")) != NULL);
}

static uint32_t count_uids(struct node_client *client, uint64_t account)
{
    Aviso__OpenMailboxRequest request = AVISO__OPEN_MAILBOX_REQUEST__INIT;
    struct uid_set *uids = uid_set_new();

    request.account = account;
    request.name = wire_from_slice(SLICE("INBOX"));
    const Aviso__OpenMailboxReply *reply =
        node_client_call(client, shards[0], "OpenMailbox", &request.base, (struct slice){0});

    EXPECT(reply != NULL);
    EXPECT(uid_set_decode(slice_from_wire(reply->uids), uids) == STATUS_OK);
    uint32_t count = uid_set_count(uids);

    EXPECT(count == reply->record->message_count);
    EXPECT(reply->first_unseen == 1);
    uid_set_free(uids);
    return count;
}

static size_t count_rows(struct node_client *client, uint64_t account)
{
    Aviso__GetRowsRequest request = AVISO__GET_ROWS_REQUEST__INIT;
    size_t count = 0;
    uint32_t from = 1;

    while (from != 0) {
        struct uid_set *uids = uid_set_new();
        struct buffer octets;

        uid_set_add_range(uids, from, UINT32_MAX);
        buffer_init(&octets, 100);
        uid_set_encode(uids, &octets);
        request.account = account;
        request.mailbox = 1;
        request.uids = wire_from_slice(buffer_view(&octets));
        request.parts = ROW_HEADER;
        request.count_max = 700;
        const Aviso__GetRowsReply *reply =
            node_client_call(client, shards[0], "GetRows", &request.base, (struct slice){0});

        EXPECT(reply != NULL && reply->n_rows <= 700);
        for (size_t index = 0; index < reply->n_rows; index++) {
            EXPECT(reply->rows[index]->uid == ++count);
        }
        from = reply->more_from;
        buffer_done(&octets);
        uid_set_free(uids);
    }
    return count;
}

struct listener {
    struct rpc_call call; /* the first */
    struct loop_message message;
    struct node_client *client;
    ProtobufCService *channel;
    uint64_t account;
    uint64_t modseq;
    bool ended;
    sem_t heard;
};

static void on_event(const Aviso__WatchEvent *event, void *context)
{
    struct listener *listener = context;

    if (event != NULL) {
        listener->modseq = event->modseq;
    } else {
        listener->ended = true;
    }
    sem_post(&listener->heard);
}

static void listen_to(struct loop_message *message)
{
    struct listener *listener = CONTAINER_OF(message, struct listener, message);
    Aviso__WatchRequest request = AVISO__WATCH_REQUEST__INIT;

    request.account = listener->account;
    rpc_call_init(&listener->call, shards[0]);
    aviso__watches__watch(listener->channel, &request, on_event, listener);
}

static void stop_listening(struct loop_message *message)
{
    struct listener *listener = CONTAINER_OF(message, struct listener, message);

    rpc_call_cancel(&listener->call);
    rpc_channel_free(listener->channel);
    sem_post(&listener->heard);
}

/* Hears the present modseq, then that of a delivery. */
static void watch_account(struct node *node, struct node_client *client, uint64_t account)
{
    struct listener listener = {
        .message = {.run = listen_to},
        .client = client,
        .channel =
            rpc_local_channel_new(client->loop, &aviso__watches__descriptor, node_services(node)),
        .account = account,
    };

    sem_init(&listener.heard, 0, 0);
    loop_post(client->loop, &listener.message);
    sem_wait(&listener.heard);
    uint64_t before = listener.modseq;

    EXPECT(before > 0 && !listener.ended);
    deliver_many(client, account, 1);
    sem_wait(&listener.heard);
    EXPECT(listener.modseq == before + 1 && !listener.ended);
    listener.message.run = stop_listening;
    loop_post(client->loop, &listener.message);
    sem_wait(&listener.heard);
    sem_destroy(&listener.heard);
}

static void read_much(const struct record *record, int output, const char *crash_at, uint64_t nth)
{
    struct node *node = open_node();
    struct node_client client;
    struct shard_state shard_now;
    uint64_t account = record->accounts[0];
    uint32_t expected = 0;

    EXPECT(node != NULL);
    node_client_open(&client, node_services(node));
    for (int round = 0; round < 3; round++) {
        deliver_many(&client, account, 1000);
        expected += 1000;
        EXPECT(count_uids(&client, account) == expected); /* by a worker, then from the cache */
        EXPECT(count_uids(&client, account) == expected);
    }
    EXPECT(node_shard_state(node, 0, &shard_now) && shard_now.uid_cache_size > 0);
    EXPECT(count_rows(&client, account) == expected);
    EXPECT(node_flush(node) == STATUS_OK);
    watch_account(node, &client, account);
    EXPECT(count_uids(&client, account) == expected + 1);
    node_client_close(&client);
    node_stop(node);
    node_close(node);
    _exit(0);
}

static void large_mailboxes_are_read_whole_and_changes_are_heard(void **state)
{
    struct record record;

    begin(&record);
    assert_int_equal(run_child(&record, live, NULL, 0), 0);
    assert_int_equal(run_child(&record, read_much, NULL, 0), 0);
    end();
}

static void hold(const struct record *record, int output, const char *crash_at, uint64_t nth)
{
    struct node *node = open_node();
    pid_t other = fork();

    EXPECT(node != NULL);
    if (other == 0) {
        execl("/proc/self/exe", "test_node", "open", folder, (char *)NULL);
        _exit(FAILED);
    }
    int status = 0;

    EXPECT(waitpid(other, &status, 0) == other);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_BUSY);
    node_stop(node);
    node_close(node);
    _exit(0);
}

static void two_processes_cannot_have_one_folder(void **state)
{
    struct record record;

    begin(&record);
    assert_int_equal(run_child(&record, hold, NULL, 0), 0);
    end();
}

static void meddle(const char *name, const char *text)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void refuse(const struct record *record, int output, const char *crash_at, uint64_t nth)
{
    struct node_options options = {.folder = folder, .shards = shards, .shard_count = SHARD_COUNT};
    struct node *node = NULL;

    _exit((int)node_open(&options, &node));
}

static void a_folder_of_a_newer_version_or_a_damaged_one_is_refused(void **state)
{
    struct record record;

    begin(&record);
    assert_int_equal(run_child(&record, live, NULL, 0), 0);
    meddle("node", "aviso storage 2\nnode 5\n");
    assert_int_equal(run_child(&record, refuse, NULL, 0), STATUS_UNSUPPORTED);
    meddle("node", "aviso storage 1\nnode x\n");
    assert_int_equal(run_child(&record, refuse, NULL, 0), STATUS_CORRUPT);
    char path[200];

    snprintf(path, sizeof(path), "%s/node", folder);
    assert_int_equal(remove(path), 0);
    assert_int_equal(run_child(&record, refuse, NULL, 0), STATUS_CORRUPT);
    end();
}

int main(int argument_count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_remembers_over_an_orderly_stop),
        cmocka_unit_test(a_folder_without_a_book_is_a_sole_voters),
        cmocka_unit_test(nothing_acknowledged_is_lost_wherever_the_process_ends),
        cmocka_unit_test(large_mailboxes_are_read_whole_and_changes_are_heard),
        cmocka_unit_test(two_processes_cannot_have_one_folder),
        cmocka_unit_test(a_folder_of_a_newer_version_or_a_damaged_one_is_refused),
    };

    if (argument_count == 3) { /* the other process of two_processes_cannot_have_one_folder */
        struct node_options options = {.folder = arguments[2], .shards = shards, .shard_count = 1};
        struct node *node = NULL;

        return (int)node_open(&options, &node);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
