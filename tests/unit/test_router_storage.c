/* The router's clients and a storage node with its real log and RocksDB, in one process. */
#include <ftw.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/memory.h"
#include "router/delivery.h"
#include "router/directory.h"
#include "router/frames.h"
#include "router/mailbox_client.h"
#include "router/watch_client.h"
#include "storage/node.h"
#include "tests/unit/unit.h"

enum { SHARDS = 2, ROWS_MAX = 64 };

static char folder[] = "/tmp/aviso-router-XXXXXX";
static struct node *node;
static struct loop *loop;
static struct router *router;
static struct shard_map *map;

/* What a call came to, kept beyond its end. Written on the loop, read when it is over. */
static struct kept {
    enum status status;
    uint64_t number;
    struct account_place place;
    enum resolution_outcome resolution;
    bool suspended;
    uint64_t used_octets;
    struct delivery_outcome outcomes[4];
    uint32_t message_count;
    uint32_t uid_next;
    uint32_t uid_validity;
    struct message_row rows[ROWS_MAX];
    size_t row_count;
    char text[1 << 20];
    size_t text_size;
    struct uid_set *uids;
    struct uid_set *other_uids;
    size_t count;
} kept;

/* What is asked. */
static struct {
    struct account_place place;
    struct slice name;
    struct slice other_name;
    struct directory_entry entry;
    struct delivery_order order;
    uint32_t mailbox;
    uint32_t other_mailbox;
    struct uid_set *uids;
    struct store_order store;
    struct account_update update;
    uint64_t number;
    uint64_t offset;
    bool flag;
} given;

static struct directory_call directory;
static struct account_call account;
static struct mailbox_call mailbox;
static struct delivery delivery;
static sem_t over;

/* ---- To the loop and back ---- */

struct turn {
    struct loop_message message;
    void (*run)(void);
};

static void on_turn(struct loop_message *message)
{
    CONTAINER_OF(message, struct turn, message)->run();
}

static void end_turn(enum status status)
{
    kept.status = status;
    CHECK(sem_post(&over) == 0);
}

static void wait_for_end(void)
{
    while (sem_wait(&over) != 0) {
        continue;
    }
}

/* Runs `run` on the loop, until end_turn(). */
static enum status ask(void (*run)(void))
{
    struct turn turn = {{on_turn, NULL}, run};

    loop_post(loop, &turn.message);
    wait_for_end();
    return kept.status;
}

/* ---- Names and accounts ---- */

static void on_directory_done(struct directory_call *call, enum status status)
{
    end_turn(status);
}

static void put(void)
{
    directory_put(router, &directory, &given.entry, true, on_directory_done);
}

static void on_created(struct account_call *call, enum status status, uint64_t id)
{
    kept.number = id;
    end_turn(status);
}

static void create(void)
{
    account_create(router, &account, given.place.shard, given.name, SLICE("secret"), given.number,
                   0, on_created);
}

static struct account_place make_account(const char *address, uint64_t quota_octets)
{
    given.place.shard = 1 + (uint32_t)strlen(address) % SHARDS;
    given.name = slice_of(address);
    given.number = quota_octets;
    assert_int_equal(ask(create), STATUS_OK);
    given.entry = (struct directory_entry){
        .name = given.name,
        .kind = DIRECTORY_ACCOUNT,
        .shard = given.place.shard,
        .account = kept.number,
    };
    assert_int_equal(ask(put), STATUS_OK);
    given.place.account = kept.number;
    return given.place;
}

static void on_resolved(struct directory_call *call, enum status status,
                        const struct resolution *resolution)
{
    if (status == STATUS_OK) {
        kept.resolution = resolution->outcome;
        kept.count = resolution->account_count;
        if (kept.count > 0) {
            kept.place = (struct account_place){resolution->accounts[0].shard,
                                                resolution->accounts[0].account};
        }
    }
    end_turn(status);
}

static void resolve(void)
{
    directory_resolve(router, &directory, given.name, on_resolved);
}

static void on_got(struct account_call *call, enum status status,
                   const struct account_record *record)
{
    if (status == STATUS_OK) {
        kept.suspended = record->suspended;
        kept.used_octets = record->used_octets;
    }
    end_turn(status);
}

static void get(void)
{
    account_get(router, &account, given.place, on_got);
}

static void on_account_done(struct account_call *call, enum status status)
{
    end_turn(status);
}

static void update(void)
{
    account_update(router, &account, given.place, &given.update, on_account_done);
}

/* ---- Mail ---- */

static void on_delivered(struct delivery *sent, const struct delivery_outcome *outcomes)
{
    memcpy(kept.outcomes, outcomes, given.order.recipient_count * sizeof(*outcomes));
    end_turn(outcomes->status);
}

static void send(void)
{
    delivery_send(router, &delivery, &given.order, on_delivered);
}

/* Delivers to the INBOX of `place`, or again what was delivered before. */
static enum status deliver(struct account_place place, struct slice message,
                           const struct request_id *again)
{
    struct delivery_recipient recipient = {.place = place};

    given.order = (struct delivery_order){
        .received_ms = clock_wall_ms(), .recipients = &recipient, .recipient_count = 1};
    request_id_make(&given.order.id);
    if (again != NULL) {
        given.order.id = *again;
    }
    assert_int_equal(ingest_message(message, &given.order.ingested), STATUS_OK);
    enum status status = ask(send);

    ingested_unref(given.order.ingested);
    return status;
}

static void on_opened(struct mailbox_call *call, enum status status,
                      const struct mailbox_opening *opening)
{
    if (status == STATUS_OK) {
        given.mailbox = opening->record.mailbox;
        kept.message_count = opening->record.message_count;
        kept.uid_next = opening->record.uid_next;
        kept.uid_validity = opening->record.uid_validity;
        kept.number = opening->record.modseq;
        uid_set_free(kept.uids);
        kept.uids = uid_set_copy(opening->uids);
    }
    end_turn(status);
}

static void open_mailbox(void)
{
    mailbox_open(router, &mailbox, given.place, given.name, on_opened);
}

static void keep_rows(const struct message_row *rows, size_t count)
{
    CHECK(count <= ROWS_MAX);
    memcpy(kept.rows, rows, count * sizeof(*rows));
    kept.row_count = count;
}

static void on_rows(struct mailbox_call *call, enum status status, const struct mailbox_rows *rows)
{
    if (status == STATUS_OK) {
        keep_rows(rows->rows, rows->count);
        kept.number = rows->modseq;
        kept.text_size = rows->rows[0].header.size;
        memcpy(kept.text, rows->rows[0].header.data, kept.text_size);
    }
    end_turn(status);
}

static void get_rows(void)
{
    struct rows_query query = {.uids = given.uids, .parts = ROW_DIGEST | ROW_HEADER};

    mailbox_get_rows(router, &mailbox, given.place, given.mailbox, &query, on_rows);
}

static void on_small_body(struct mailbox_call *call, enum status status,
                          const struct mailbox_rows *rows)
{
    struct buffer body;

    CHECK(status == STATUS_OK && rows->count == 1);
    buffer_init(&body, SMALL_BODY_SIZE_MAX);
    kept.text_size = 0;
    if (rows->rows[0].body_frame.size > 0) {
        status = frame_decompress(rows->rows[0].body_frame, SMALL_BODY_SIZE_MAX, &body);
        kept.text_size = body.size;
        memcpy(kept.text, body.data, body.size);
    }
    buffer_done(&body);
    end_turn(status);
}

static void get_small_body(void)
{
    struct rows_query query = {.uids = given.uids, .parts = ROW_SMALL_BODY};

    mailbox_get_rows(router, &mailbox, given.place, given.mailbox, &query, on_small_body);
}

static void on_body(struct mailbox_call *call, enum status status, struct slice octets)
{
    if (status == STATUS_OK) {
        kept.text_size = octets.size;
        memcpy(kept.text, octets.data, octets.size);
    }
    end_turn(status);
}

static void get_body(void)
{
    mailbox_get_body(router, &mailbox, given.place, kept.rows[0].email, given.offset, given.number,
                     on_body);
}

static void on_stored(struct mailbox_call *call, enum status status,
                      const struct store_result *result)
{
    if (status == STATUS_OK) {
        keep_rows(result->rows, result->count);
        uid_set_free(kept.uids);
        kept.uids = uid_set_copy(result->modified);
        kept.number = result->modseq;
    }
    end_turn(status);
}

static void store(void)
{
    mailbox_store(router, &mailbox, given.place, given.mailbox, &given.store, on_stored);
}

static void on_copied(struct mailbox_call *call, enum status status,
                      const struct copy_result *result)
{
    if (status == STATUS_OK) {
        uid_set_free(kept.uids);
        uid_set_free(kept.other_uids);
        kept.uids = uid_set_copy(result->source_uids);
        kept.other_uids = uid_set_copy(result->target_uids);
    }
    end_turn(status);
}

static void copy(void)
{
    mailbox_copy(router, &mailbox, given.place, given.mailbox, given.uids, given.other_mailbox,
                 given.flag, on_copied);
}

static void on_expunged(struct mailbox_call *call, enum status status,
                        const struct uid_set *vanished, uint64_t modseq)
{
    if (status == STATUS_OK) {
        uid_set_free(kept.uids);
        kept.uids = uid_set_copy(vanished);
    }
    end_turn(status);
}

static void expunge(void)
{
    mailbox_expunge(router, &mailbox, given.place, given.mailbox, given.uids, given.flag,
                    on_expunged);
}

static void on_changes(struct mailbox_call *call, enum status status,
                       const struct mailbox_changes *changes)
{
    if (status == STATUS_OK) {
        keep_rows(changes->rows, changes->count);
        uid_set_free(kept.uids);
        kept.uids = uid_set_copy(changes->vanished);
    }
    end_turn(status);
}

static void get_changes(void)
{
    mailbox_get_changes(router, &mailbox, given.place, given.mailbox, given.number, on_changes);
}

static void on_mailbox_done(struct mailbox_call *call, enum status status)
{
    end_turn(status);
}

static void rename_mailbox(void)
{
    mailbox_rename(router, &mailbox, given.place, given.name, given.other_name, on_mailbox_done);
}

/* Opens a mailbox of `given.place`. */
static enum status open_named(const char *name)
{
    given.name = slice_of(name);
    return ask(open_mailbox);
}

/* ---- The node ---- */

static void open_router(void)
{
    router = router_new(&(struct router_options){
        .loop = loop,
        .local = node_services(node),
        .map = map,
        .call_timeout_ms = 60000,
        .directory_cache_ms = 5000,
        .directory_cache_count_max = 100,
    });
    end_turn(STATUS_OK);
}

static void close_router(void)
{
    router_free(router);
    end_turn(STATUS_OK);
}

static int open_all(void **state)
{
    static const uint32_t shards[SHARDS] = {1, 2};
    struct node_options options = {
        .folder = folder,
        .shards = shards,
        .shard_count = SHARDS,
        .loop_count = 1,
        .worker_count = 1,
        .block_cache_size = 8 << 20,
        .write_buffer_size = 4 << 20,
        .log_segment_size = 4 << 20,
    };

    if (mkdtemp(folder) == NULL || sem_init(&over, 0, 0) != 0 ||
        node_open(&options, &node) != STATUS_OK) {
        return -1;
    }
    given.uids = uid_set_new();
    map = shard_map_new(SHARDS);
    loop = loop_new("router");
    loop_start(loop);
    ask(open_router);
    given.entry = (struct directory_entry){.name = SLICE("@example.org"), .kind = DIRECTORY_DOMAIN};
    return ask(put) == STATUS_OK ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    return remove(path);
}

static int close_all(void **state)
{
    node_stop(node);
    ask(close_router);
    loop_stop(loop);
    loop_join(loop);
    loop_free(loop);
    node_close(node);
    shard_map_unref(map);
    uid_set_free(given.uids);
    uid_set_free(kept.uids);
    uid_set_free(kept.other_uids);
    sem_destroy(&over);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void only_uid(uint32_t uid)
{
    uid_set_remove_range(given.uids, 1, UINT32_MAX);
    uid_set_add(given.uids, uid);
}

/* ---- Tests ---- */

static void new_account_is_found_by_its_address(void **state)
{
    given.name = SLICE("new@example.org");
    assert_int_equal(ask(resolve), STATUS_OK);
    assert_int_equal(kept.resolution, RESOLUTION_UNKNOWN_USER);
    struct account_place place = make_account("new@example.org", 0);

    given.name = SLICE("new+x@example.org");
    assert_int_equal(ask(resolve), STATUS_OK);
    assert_int_equal(kept.resolution, RESOLUTION_ACCOUNTS);
    assert_int_equal(kept.place.account, place.account);
    assert_int_equal(kept.place.shard, place.shard);
    assert_int_equal(ask(put), STATUS_EXISTS);
    given.name = SLICE("x@foreign.example");
    assert_int_equal(ask(resolve), STATUS_OK);
    assert_int_equal(kept.resolution, RESOLUTION_FOREIGN_DOMAIN);
}

static void delivered_message_is_read_back(void **state)
{
    given.place = make_account("ann@example.org", 0);
    assert_int_equal(deliver(given.place, SLICE("Subject: hi\r\n\r\nhello\r\n"), NULL), STATUS_OK);
    uint32_t uid = kept.outcomes[0].uid;

    assert_int_equal(open_named("INBOX"), STATUS_OK);
    assert_int_equal(kept.message_count, 1);
    assert_int_equal(kept.uid_validity, kept.outcomes[0].uid_validity);
    assert_true(uid_set_contains(kept.uids, uid));
    only_uid(uid);
    assert_int_equal(ask(get_rows), STATUS_OK);
    assert_int_equal(kept.row_count, 1);
    assert_int_equal(kept.rows[0].email, kept.outcomes[0].email);
    assert_int_equal(kept.rows[0].size_octets, 22);
    assert_int_equal(kept.rows[0].header_size, 15);
    assert_slice_equals(((struct slice){kept.text, kept.text_size}), "Subject: hi\r\n\r\n");
    given.offset = 2;
    given.number = 3;
    assert_int_equal(ask(get_body), STATUS_OK);
    assert_slice_equals(((struct slice){kept.text, kept.text_size}), "llo");
    given.offset = 7;
    assert_int_equal(ask(get_body), STATUS_OK);
    assert_int_equal(kept.text_size, 0);
    assert_int_equal(open_named("no such"), STATUS_NOT_FOUND);
}

static void small_body_comes_with_its_row(void **state)
{
    static const struct {
        size_t size;
        bool comes;
    } rows[] = {
        {0, false}, {1, true}, {SMALL_BODY_SIZE_MAX, true}, {SMALL_BODY_SIZE_MAX + 1, false}};
    char *message = memory_zeroed(2 + SMALL_BODY_SIZE_MAX + 1);

    memset(message, 'x', 2 + SMALL_BODY_SIZE_MAX + 1);
    memcpy(message, "\r\n", 2);
    given.place = make_account("small@example.org", 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(deliver(given.place, (struct slice){message, 2 + rows[i].size}, NULL),
                         STATUS_OK);
        uint32_t uid = kept.outcomes[0].uid;

        assert_int_equal(open_named("INBOX"), STATUS_OK);
        only_uid(uid);
        assert_int_equal(ask(get_small_body), STATUS_OK);
        assert_int_equal(kept.text_size, rows[i].comes ? rows[i].size : 0);
        assert_memory_equal(kept.text, message + 2, kept.text_size);
    }
    memory_free(message);
}

static void large_body_is_read_in_ranges(void **state)
{
    static const uint64_t offsets[] = {0, 1, 262143, 262144, 1000000, 2999999};
    size_t size = 3000000 + 2;
    char *message = memory_zeroed(size);
    uint32_t number = 1;

    memcpy(message, "\r\n", 2);
    for (size_t i = 2; i < size; i++) {
        number = number * 1664525 + 1013904223;
        message[i] = (char)(number >> 24);
    }
    given.place = make_account("large@example.org", 0);
    assert_int_equal(deliver(given.place, (struct slice){message, size}, NULL), STATUS_OK);
    assert_int_equal(deliver(given.place, (struct slice){message, size}, NULL), STATUS_OK);
    assert_int_equal(open_named("INBOX"), STATUS_OK);
    assert_int_equal(kept.message_count, 2);
    only_uid(2);
    assert_int_equal(ask(get_rows), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        given.offset = offsets[i];
        given.number = UINT64_MAX;
        assert_int_equal(ask(get_body), STATUS_OK);
        assert_in_range(kept.text_size, 1, 1 << 20);
        assert_memory_equal(kept.text, message + 2 + offsets[i], kept.text_size);
    }
    memory_free(message);
}

static void repeated_delivery_has_one_effect(void **state)
{
    given.place = make_account("once@example.org", 0);
    assert_int_equal(deliver(given.place, SLICE("A: b\r\n\r\nbody\r\n"), NULL), STATUS_OK);
    struct delivery_outcome first = kept.outcomes[0];
    struct request_id id = given.order.id;

    assert_int_equal(deliver(given.place, SLICE("A: b\r\n\r\nbody\r\n"), &id), STATUS_OK);
    assert_int_equal(kept.outcomes[0].uid, first.uid);
    assert_int_equal(kept.outcomes[0].email, first.email);
    assert_int_equal(open_named("INBOX"), STATUS_OK);
    assert_int_equal(kept.message_count, 1);
}

static void account_that_is_full_or_suspended_gets_nothing(void **state)
{
    static const bool yes = true;
    static const bool no = false;

    given.place = make_account("full@example.org", 20);
    assert_int_equal(deliver(given.place, SLICE("\r\nsixteen octets"), NULL), STATUS_OK);
    assert_int_equal(ask(get), STATUS_OK);
    assert_int_equal(kept.used_octets, 16);
    assert_int_equal(deliver(given.place, SLICE("\r\nsixteen octets"), NULL), STATUS_OVER_QUOTA);
    given.update = (struct account_update){.suspended = &yes};
    assert_int_equal(ask(update), STATUS_OK);
    assert_int_equal(ask(get), STATUS_OK);
    assert_true(kept.suspended);
    assert_int_equal(deliver(given.place, SLICE("\r\nx"), NULL), STATUS_SUSPENDED);
    given.update = (struct account_update){.suspended = &no};
    assert_int_equal(ask(update), STATUS_OK);
    assert_int_equal(deliver(given.place, SLICE("\r\nx"), NULL), STATUS_OK);
    given.place.account += 1000;
    assert_int_equal(deliver(given.place, SLICE("\r\nx"), NULL), STATUS_NOT_FOUND);
}

static void flags_are_stored_unless_they_changed(void **state)
{
    given.place = make_account("flags@example.org", 0);
    assert_int_equal(deliver(given.place, SLICE("\r\none"), NULL), STATUS_OK);
    assert_int_equal(deliver(given.place, SLICE("\r\ntwo"), NULL), STATUS_OK);
    assert_int_equal(open_named("INBOX"), STATUS_OK);
    uint64_t before = kept.number;

    only_uid(1);
    given.store = (struct store_order){.uids = given.uids, .mode = STORE_ADD, .flags = FLAG_SEEN};
    assert_int_equal(ask(store), STATUS_OK);
    assert_int_equal(kept.row_count, 1);
    assert_int_equal(kept.rows[0].flags, FLAG_SEEN);
    assert_true(kept.number > before);
    uid_set_add(given.uids, 2);
    given.store.flags = FLAG_FLAGGED;
    given.store.conditional = true;
    given.store.unchanged_since = before;
    assert_int_equal(ask(store), STATUS_OK);
    assert_int_equal(kept.row_count, 1);
    assert_int_equal(kept.rows[0].uid, 2);
    assert_int_equal(uid_set_count(kept.uids), 1);
    assert_true(uid_set_contains(kept.uids, 1));
    given.number = before;
    assert_int_equal(ask(get_changes), STATUS_OK);
    assert_int_equal(kept.row_count, 2);
    assert_int_equal(kept.rows[0].flags, FLAG_SEEN);
    assert_int_equal(kept.rows[1].flags, FLAG_FLAGGED);
}

static void messages_are_copied_moved_and_expunged(void **state)
{
    given.place = make_account("moves@example.org", 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(deliver(given.place, SLICE("\r\nbody"), NULL), STATUS_OK);
    }
    assert_int_equal(open_named("Trash"), STATUS_OK);
    given.other_mailbox = given.mailbox;
    assert_int_equal(open_named("INBOX"), STATUS_OK);
    uint64_t before = kept.number;

    only_uid(2);
    given.flag = false;
    assert_int_equal(ask(copy), STATUS_OK);
    assert_true(uid_set_contains(kept.uids, 2) && uid_set_contains(kept.other_uids, 1));
    only_uid(3);
    given.flag = true;
    assert_int_equal(ask(copy), STATUS_OK);
    only_uid(1);
    given.flag = false;
    assert_int_equal(ask(expunge), STATUS_OK);
    assert_int_equal(uid_set_count(kept.uids), 0);
    given.flag = true;
    assert_int_equal(ask(expunge), STATUS_OK);
    assert_int_equal(uid_set_count(kept.uids), 1);
    given.number = before;
    assert_int_equal(ask(get_changes), STATUS_OK);
    assert_int_equal(uid_set_count(kept.uids), 2);
    assert_true(uid_set_contains(kept.uids, 1) && uid_set_contains(kept.uids, 3));
    assert_int_equal(open_named("INBOX"), STATUS_OK);
    assert_int_equal(kept.message_count, 1);
    assert_int_equal(open_named("Trash"), STATUS_OK);
    assert_int_equal(kept.message_count, 2);
}

static void renamed_mailbox_keeps_its_messages(void **state)
{
    given.place = make_account("names@example.org", 0);
    given.name = SLICE("Archive");
    given.other_name = SLICE("Old/2020");
    assert_int_equal(ask(rename_mailbox), STATUS_OK);
    assert_int_equal(open_named("Archive"), STATUS_NOT_FOUND);
    assert_int_equal(open_named("Old/2020"), STATUS_OK);
    given.other_name = SLICE("Sent");
    assert_int_equal(ask(rename_mailbox), STATUS_EXISTS);
    given.other_name = SLICE("Old/2020/in itself");
    assert_int_equal(ask(rename_mailbox), STATUS_DENIED);
}

static struct account_watch watch;

/* The delivery's own answer and this come in any order. */
static void on_change(struct account_watch *told, const struct watch_change *change)
{
    if (change->mailbox_count > 0) {
        watch_stop(told);
        CHECK(sem_post(&over) == 0);
    }
}

static void start_watch(void)
{
    watch_start(router, &watch, given.place, on_change);
    account_get(router, &account, given.place, on_got); /* answered after the watch began */
}

static void watch_hears_of_a_delivery(void **state)
{
    given.place = make_account("watch@example.org", 0);
    assert_int_equal(ask(start_watch), STATUS_OK);
    struct delivery_recipient recipient = {.place = given.place};
    struct turn turn = {{on_turn, NULL}, send};

    given.order = (struct delivery_order){.recipients = &recipient, .recipient_count = 1};
    request_id_make(&given.order.id);
    assert_int_equal(ingest_message(SLICE("\r\nbody"), &given.order.ingested), STATUS_OK);
    loop_post(loop, &turn.message);
    wait_for_end();
    wait_for_end();
    assert_int_equal(kept.outcomes[0].status, STATUS_OK);
    assert_null(watch.stream);
    ingested_unref(given.order.ingested);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_account_is_found_by_its_address),
        cmocka_unit_test(delivered_message_is_read_back),
        cmocka_unit_test(small_body_comes_with_its_row),
        cmocka_unit_test(large_body_is_read_in_ranges),
        cmocka_unit_test(repeated_delivery_has_one_effect),
        cmocka_unit_test(account_that_is_full_or_suspended_gets_nothing),
        cmocka_unit_test(flags_are_stored_unless_they_changed),
        cmocka_unit_test(messages_are_copied_moved_and_expunged),
        cmocka_unit_test(renamed_mailbox_keeps_its_messages),
        cmocka_unit_test(watch_hears_of_a_delivery),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
