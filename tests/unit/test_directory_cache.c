/* What is known of names and accounts, and for how long. */
#include "router/directory_cache.h"
#include "tests/unit/unit.h"

enum { AGE_MS = 5000 };

static struct directory_cache *cache;

static int open_cache(void **state)
{
    cache = directory_cache_new(3);
    return 0;
}

static int close_cache(void **state)
{
    directory_cache_free(cache);
    directory_cache_free(NULL);
    return 0;
}

static void put(const char *name, uint64_t account, uint64_t now_ms)
{
    struct directory_entry entry = {
        .name = slice_of(name), .kind = DIRECTORY_ACCOUNT, .account = account};

    directory_cache_put(cache, slice_of(name), &entry, now_ms);
}

/* The account of a name; 0: nothing is known. */
static uint64_t find(const char *name, uint64_t now_ms)
{
    struct directory_known known;

    return directory_cache_find(cache, slice_of(name), now_ms, AGE_MS, &known) ? known.entry.account
                                                                               : 0;
}

static void answer_is_used_until_it_is_too_old(void **state)
{
    put("a", 1, 100);
    assert_int_equal(find("a", 100), 1);
    assert_int_equal(find("a", 100 + AGE_MS - 1), 1);
    assert_int_equal(find("a", 100 + AGE_MS), 0);
    assert_int_equal(find("b", 100), 0);
    put("a", 2, 100 + AGE_MS);
    assert_int_equal(find("a", 100 + AGE_MS), 2);
    assert_int_equal(find("a", 99), 0); /* as of later than now */
}

static void name_that_nobody_has_is_known(void **state)
{
    struct directory_known known = {.is_there = true};

    directory_cache_put(cache, SLICE("none"), NULL, 0);
    assert_true(directory_cache_find(cache, SLICE("none"), 1, AGE_MS, &known));
    assert_false(known.is_there);
    put("none", 4, 2);
    assert_int_equal(find("none", 2), 4);
    directory_cache_put(cache, SLICE("none"), NULL, 3);
    assert_true(directory_cache_find(cache, SLICE("none"), 3, AGE_MS, &known));
    assert_false(known.is_there);
}

static void answer_unused_for_longest_makes_room(void **state)
{
    put("a", 1, 0);
    put("b", 2, 0);
    put("c", 3, 0);
    assert_int_equal(find("a", 1), 1);
    put("d", 4, 1);
    assert_int_equal(find("b", 1), 0);
    assert_int_equal(find("a", 1), 1);
    assert_int_equal(find("c", 1), 3);
    assert_int_equal(find("d", 1), 4);
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "name%u", i);
        put(name, i + 1, 2);
        assert_int_equal(find(name, 2), i + 1);
    }
    assert_int_equal(find("d", 2), 0);
}

static void forgotten_name_is_unknown_and_counted(void **state)
{
    put("a", 1, 0);
    uint64_t before = directory_cache_forgotten(cache);

    directory_cache_forget(cache, SLICE("a"));
    assert_int_equal(find("a", 0), 0);
    assert_true(directory_cache_forgotten(cache) != before);
    before = directory_cache_forgotten(cache);
    directory_cache_forget(cache, SLICE("never known"));
    assert_true(directory_cache_forgotten(cache) != before);
}

static void targets_are_copied(void **state)
{
    char texts[] = "ann@example.orgbob@example.org";
    struct slice targets[] = {{texts, 15}, {texts + 15, 15}, {texts, 0}};
    struct directory_entry entry = {
        .kind = DIRECTORY_GROUP, .targets = targets, .target_count = COUNT_OF(targets)};
    struct directory_known known;

    directory_cache_put(cache, SLICE("both@example.org"), &entry, 0);
    memset(texts, 'x', sizeof(texts));
    memset(targets, 0, sizeof(targets));
    assert_true(directory_cache_find(cache, SLICE("both@example.org"), 0, AGE_MS, &known));
    assert_slice_equals(known.entry.name, "both@example.org");
    assert_int_equal(known.entry.target_count, 3);
    assert_slice_equals(known.entry.targets[0], "ann@example.org");
    assert_slice_equals(known.entry.targets[1], "bob@example.org");
    assert_int_equal(known.entry.targets[2].size, 0);
}

static void accounts_have_states_of_their_own(void **state)
{
    struct resolved_account full = {.over_quota = true, .used_octets = 7};
    struct resolved_account found;

    directory_cache_put_account(cache, (struct account_place){1, 5}, &full, 10);
    assert_true(
        directory_cache_find_account(cache, (struct account_place){1, 5}, 11, AGE_MS, &found));
    assert_true(found.over_quota);
    assert_int_equal(found.used_octets, 7);
    assert_false(
        directory_cache_find_account(cache, (struct account_place){2, 5}, 11, AGE_MS, &found));
    assert_false(
        directory_cache_find_account(cache, (struct account_place){1, 6}, 11, AGE_MS, &found));
    assert_false(directory_cache_find_account(cache, (struct account_place){1, 5}, 10 + AGE_MS,
                                              AGE_MS, &found));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_cache, close_cache)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answer_is_used_until_it_is_too_old),
        TEST(name_that_nobody_has_is_known),
        TEST(answer_unused_for_longest_makes_room),
        TEST(forgotten_name_is_unknown_and_counted),
        TEST(targets_are_copied),
        TEST(accounts_have_states_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
