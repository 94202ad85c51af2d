/* Random commands: the same entries in batches of any size make the same digest and the same rows,
 * and after all of them every count agrees with the rows that it counts. */
#include "core/memory.h"
#include "router/mailbox_client.h"
#include "storage/raft/message.h"
#include "tests/fakes/apply_world.h"

enum { COMMANDS = 600, ACCOUNTS = 3, ENTRIES_MAX = 4000 };

static const struct slice nothing = {"", 0};

static const char *const names[] = {"INBOX", "a",   "a/b",   "a/b/c",  "b",
                                    "b/a",   "c d", "inbox", "INBOX/x"};

static const char *random_name(struct random *random)
{
    return names[random_below(random, COUNT_OF(names))];
}

static const char *random_uids(struct random *random, char *text, size_t size)
{
    unsigned first = 1 + (unsigned)random_below(random, 30);
    unsigned second = first + 2 + (unsigned)random_below(random, 10);

    if (random_below(random, 2) == 0) {
        snprintf(text, size, "%u", first);
    } else {
        snprintf(text, size, "%u,%u:%u", first, second,
                 second + (unsigned)random_below(random, 20));
    }
    return text;
}

/* Deliveries to several accounts at once, some of which cannot take it. */
static void deliver_to_many(struct world *world, struct random *random, const uint64_t *accounts)
{
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    Aviso__DeliverRecipient recipients[4];
    Aviso__DeliverRecipient *pointers[4];
    char body_id[WORLD_BODY_ID_SIZE] = {(char)('A' + random_below(random, 5))};
    uint32_t frame_size = 5;
    uint64_t keys[2] = {random_below(random, 20), random_below(random, 20)};
    ProtobufCBinaryData keywords[1] = {bytes_of(random_below(random, 2) == 0 ? "$x" : "$y")};

    request.request_id = world_id(world);
    request.recipients = pointers;
    request.n_recipients = 1 + random_below(random, 4);
    for (size_t index = 0; index < request.n_recipients; index++) {
        aviso__deliver_recipient__init(&recipients[index]);
        recipients[index].account =
            accounts[random_below(random, ACCOUNTS)] + (random_below(random, 8) == 0 ? 1000 : 0);
        recipients[index].mailbox =
            bytes_of(random_below(random, 10) == 0 ? "bad//name" : random_name(random));
        recipients[index].must_exist = random_below(random, 3) == 0;
        recipients[index].flags = (uint32_t)random_below(random, 32);
        recipients[index].keywords = keywords;
        recipients[index].n_keywords = random_below(random, 2);
        pointers[index] = &recipients[index];
    }
    request.header_size = 10;
    request.header_frame_size = 4;
    request.body_sha256 = (ProtobufCBinaryData){sizeof(body_id), (uint8_t *)body_id};
    request.body_size = 77;
    request.n_frame_sizes = random_below(random, 4) != 0;
    request.frame_sizes = &frame_size;
    request.n_thread_keys = keys[0] == keys[1] ? 1 : 2;
    request.thread_keys = keys;
    world_do(world, COMMAND_DELIVER, &request.base, NULL,
             request.n_frame_sizes > 0 ? SLICE("headframe") : SLICE("head"));
}

static void change_messages(struct world *world, struct random *random, uint64_t account)
{
    char text[40];
    uint32_t mailbox = 1 + (uint32_t)random_below(random, 8);
    ProtobufCBinaryData uids = world_uids(world, random_uids(random, text, sizeof(text)));
    ProtobufCBinaryData keywords[1] = {bytes_of("$z")};

    switch (random_below(random, 3)) {
    case 0: {
        Aviso__StoreFlagsRequest request = AVISO__STORE_FLAGS_REQUEST__INIT;

        request.request_id = world_id(world);
        request.account = account;
        request.mailbox = mailbox;
        request.uids = uids;
        request.mode = (Aviso__StoreMode)random_below(random, 3);
        request.flags = (uint32_t)random_below(random, 32);
        request.keywords = keywords;
        request.n_keywords = random_below(random, 2);
        world_do(world, COMMAND_STORE_FLAGS, &request.base, NULL, nothing);
        break;
    }
    case 1: {
        Aviso__ExpungeRequest request = AVISO__EXPUNGE_REQUEST__INIT;

        request.request_id = world_id(world);
        request.account = account;
        request.mailbox = mailbox;
        request.uids = uids;
        request.undeleted = random_below(random, 3) == 0;
        world_do(world, COMMAND_EXPUNGE, &request.base, NULL, nothing);
        break;
    }
    default: {
        Aviso__CopyMessagesRequest request = AVISO__COPY_MESSAGES_REQUEST__INIT;

        request.request_id = world_id(world);
        request.account = account;
        request.mailbox = mailbox;
        request.uids = uids;
        request.to_mailbox = 1 + (uint32_t)random_below(random, 8);
        request.move = random_below(random, 2) == 0;
        world_do(world, COMMAND_COPY_MESSAGES, &request.base, NULL, nothing);
    }
    }
}

static void change_list(struct world *world, struct random *random, uint64_t account)
{
    switch (random_below(random, 4)) {
    case 0: {
        Aviso__RenameMailboxRequest request = AVISO__RENAME_MAILBOX_REQUEST__INIT;

        request.request_id = world_id(world);
        request.account = account;
        request.name = bytes_of(random_name(random));
        request.new_name = bytes_of(random_name(random));
        world_do(world, COMMAND_RENAME_MAILBOX, &request.base, NULL, nothing);
        break;
    }
    case 1: {
        Aviso__DeleteMailboxRequest request = AVISO__DELETE_MAILBOX_REQUEST__INIT;

        request.request_id = world_id(world);
        request.account = account;
        request.name = bytes_of(random_name(random));
        world_do(world, COMMAND_DELETE_MAILBOX, &request.base, NULL, nothing);
        break;
    }
    case 2: {
        Aviso__SubscribeRequest request = AVISO__SUBSCRIBE_REQUEST__INIT;

        request.request_id = world_id(world);
        request.account = account;
        request.name = bytes_of(random_name(random));
        request.subscribed = random_below(random, 2) == 0;
        world_do(world, COMMAND_SUBSCRIBE, &request.base, NULL, nothing);
        break;
    }
    default: {
        Aviso__CreateMailboxRequest request = AVISO__CREATE_MAILBOX_REQUEST__INIT;

        request.request_id = world_id(world);
        request.account = account;
        request.name = bytes_of(random_name(random));
        world_do(world, COMMAND_CREATE_MAILBOX, &request.base, NULL, nothing);
    }
    }
}

static void do_anything(struct world *world, struct random *random, const uint64_t *accounts)
{
    uint64_t account = accounts[random_below(random, ACCOUNTS)];

    world->now_ms += random_below(random, 30000);
    switch (random_below(random, 20)) {
    case 0:
        world_do(world, COMMAND_TRIM, NULL, NULL, nothing);
        break;
    case 1:
        world_do(world, COMMAND_REMOVE_STEP, NULL, NULL, nothing);
        break;
    case 2:
    case 3:
    case 4:
        change_list(world, random, account);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
        change_messages(world, random, account);
        break;
    default:
        deliver_to_many(world, random, accounts);
    }
}

/* ---- Recording, and applying again ---- */

struct recording {
    struct arena arena;
    struct slice entries[ENTRIES_MAX];
    size_t count;
};

static void record(void *context, uint64_t index, struct slice payload)
{
    struct recording *recording = context;

    assert_true(recording->count < ENTRIES_MAX);
    recording->entries[recording->count++] = arena_copy(&recording->arena, payload);
}

/* Everything but the meta row, whose digest is compared besides. */
static uint64_t rows_digest(struct store *store)
{
    return memory_store_digest(store, (struct slice){0});
}

/* Applies all again in batches of random sizes, some of which cannot be written at first. */
static void replay(const struct recording *recording, struct random *random, uint64_t batch_max,
                   uint64_t *out_digest, uint64_t *out_rows)
{
    struct store *store = memory_store_new();
    struct store_batch *batch = store_batch_new(store);
    struct apply *apply;
    struct apply_outcome outcome;
    size_t settled = 0;
    size_t next = 0;

    assert_int_equal(apply_new(store, WORLD_SHARD, NULL, &apply), STATUS_OK);
    while (next < recording->count) {
        uint64_t size = 1 + random_below(random, batch_max);

        for (uint64_t step = 0; step < size && next < recording->count; step++, next++) {
            struct apply_entry entry = {.index = next + 1,
                                        .term = 1,
                                        .kind = RAFT_ENTRY_COMMAND,
                                        .payload = recording->entries[next]};

            assert_int_equal(apply_entry(apply, &entry, &outcome), STATUS_OK);
        }
        if (random_below(random, 10) == 0) { /* the disk is full: all of it again */
            apply_abandon(apply);
            next = settled;
            continue;
        }
        store_batch_clear(store, batch);
        apply_finish(apply, batch);
        assert_int_equal(store_write(store, batch), STATUS_OK);
        apply_settle(apply);
        settled = next;
        if (random_below(random, 20) == 0) { /* a crash: what an earlier write left */
            memory_store_crash(store, random_below(random, memory_store_unflushed(store) + 1));
            apply_free(apply);
            assert_int_equal(apply_new(store, WORLD_SHARD, NULL, &apply), STATUS_OK);
            next = settled = apply_meta(apply)->applied_index;
        } else if (random_below(random, 10) == 0) {
            uint64_t durable = 0;

            assert_int_equal(store_flush(store), STATUS_OK);
            assert_int_equal(apply_durable_index(store, WORLD_SHARD, &durable), STATUS_OK);
            assert_int_equal(durable, settled);
        }
    }
    *out_digest = apply_meta(apply)->digest;
    *out_rows = rows_digest(store);
    apply_free(apply);
    store_batch_free(store, batch);
    store_close(store);
}

static void run_seed(uint64_t seed)
{
    struct random random = {seed};
    struct recording *recording = NEW(struct recording);
    struct world world;
    uint64_t accounts[ACCOUNTS];
    uint64_t digest;
    uint64_t rows;

    arena_init(&recording->arena);
    world_open(&world);
    world.log = record;
    world.log_context = recording;
    for (size_t index = 0; index < ACCOUNTS; index++) {
        accounts[index] = world_account(&world, NULL);
    }
    for (size_t index = 0; index < COMMANDS; index++) {
        do_anything(&world, &random, accounts);
    }
    world_check(&world);
    uint64_t expected_rows = rows_digest(world.store);

    for (uint64_t batch_max = 1; batch_max <= 100; batch_max = batch_max * 5) {
        replay(recording, &random, batch_max, &digest, &rows);
        assert_int_equal(digest, apply_meta(world.apply)->digest);
        assert_int_equal(rows, expected_rows);
    }
    world_close(&world);
    arena_done(&recording->arena);
    memory_free(recording);
}

static void any_batching_and_any_crash_make_the_same_state(void **state)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        run_seed(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_batching_and_any_crash_make_the_same_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
