/* Walking over the rows of emails finds what searching for each would. */
#include "core/number.h"
#include "core/random.h"
#include "storage/email_walk.h"
#include "tests/fakes/memory_store.h"
#include "tests/unit/unit.h"

enum { SHARD = 7, ACCOUNT = 9, EMAILS = 400, LOOKUPS = 4000 };

/* Every third email is not there; other accounts are, on both sides. */
static bool is_there(uint64_t email)
{
    return email > 0 && email < EMAILS && email % 3 != 0;
}

static void put(struct store *store, struct store_batch *batch, uint64_t account, uint64_t email)
{
    struct key key;
    char value[8];

    number_put_u64(value, account * 1000000 + email);
    store_batch_put(store, batch, key_mail(&key, SHARD, account, email),
                    (struct slice){value, sizeof(value)});
}

static struct store *filled_store(void)
{
    struct store *store = memory_store_new();
    struct store_batch *batch = store_batch_new(store);

    for (uint64_t email = 0; email < EMAILS + 10; email++) {
        put(store, batch, ACCOUNT - 1, email);
        put(store, batch, ACCOUNT + 1, email);
        if (is_there(email)) {
            put(store, batch, ACCOUNT, email);
        }
    }
    assert_int_equal(store_write(store, batch), STATUS_OK);
    store_batch_free(store, batch);
    return store;
}

static void look(struct email_walk *walk, uint64_t email)
{
    struct slice value;
    enum status status = email_walk_get(walk, email, &value);

    assert_int_equal(status, is_there(email) ? STATUS_OK : STATUS_NOT_FOUND);
    if (status == STATUS_OK) {
        assert_int_equal(number_get_u64(value.data), ACCOUNT * 1000000 + email);
    }
}

/* Runs up with gaps of all sizes, back, the same again, and past the end. */
static void any_order_finds_what_is_there_and_nothing_else(void **state)
{
    struct arena arena;
    struct read read = {.view = {.store = filled_store()}, .shard = SHARD, .arena = &arena};
    struct email_walk walk;
    struct random random = {5};
    uint64_t email = 0;

    arena_init(&arena);
    email_walk_init(&walk, &read, ROW_MAIL, ACCOUNT);
    for (size_t i = 0; i < LOOKUPS; i++) {
        uint64_t act = random_below(&random, 20);

        email = act == 0 ? random_below(&random, EMAILS + 10) : email + act % 3 + act / 18 * 4;
        look(&walk, email % (EMAILS + 10));
    }
    email_walk_done(&walk);
    store_close(read.view.store);
    arena_done(&arena);
}

/* A step where the disk would have to be read: the whole read begins again elsewhere. */
static void what_is_not_in_memory_is_said_so(void **state)
{
    struct arena arena;
    struct read read = {.view = {.store = filled_store()}, .shard = SHARD, .arena = &arena};
    struct email_walk walk;
    struct slice value;

    arena_init(&arena);
    read.view.tier = STORE_CACHED;
    email_walk_init(&walk, &read, ROW_MAIL, ACCOUNT);
    for (uint64_t email = 100; email < 106; email++) {
        look(&walk, email);
    }
    memory_store_set_cached(read.view.store, false);
    assert_int_equal(email_walk_get(&walk, 200, &value), STATUS_AGAIN);
    email_walk_done(&walk);
    store_close(read.view.store);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_finds_what_is_there_and_nothing_else),
        cmocka_unit_test(what_is_not_in_memory_is_said_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
