/* The overlay against a store that every operation is written to at once. */
#include "core/random.h"
#include "storage/keys.h"
#include "storage/overlay.h"
#include "tests/fakes/memory_store.h"
#include "tests/unit/unit.h"

enum { STEPS = 3000, ACCOUNTS = 3, NAMES = 12 };

/* The two that have to agree. */
struct pair {
    struct store *below; /* under the overlay */
    struct overlay overlay;
    struct store *model; /* has all committed steps and the one in hand */
    struct random random;
};

static struct slice random_key(struct pair *pair, struct key *key)
{
    return key_uid(key, 5, 1 + random_below(&pair->random, ACCOUNTS),
                   1 + (uint32_t)random_below(&pair->random, 2),
                   1 + (uint32_t)random_below(&pair->random, NAMES));
}

enum act { PUT, DELETE, DELETE_RANGE };

static void write_model(struct store *store, enum act act, struct slice key, struct slice value)
{
    struct store_batch *batch = store_batch_new(store);

    if (act == PUT) {
        store_batch_put(store, batch, key, value);
    } else if (act == DELETE) {
        store_batch_delete(store, batch, key);
    } else {
        store_batch_delete_range(store, batch, key, value);
    }
    assert_int_equal(store_write(store, batch), STATUS_OK);
    store_batch_free(store, batch);
}

static void write_both(struct pair *pair)
{
    struct key one;
    struct key other;
    char text[24];
    struct slice key = random_key(pair, &one);
    uint64_t dice = random_below(&pair->random, 10);

    if (dice < 6) {
        int size =
            snprintf(text, sizeof(text), "%llu", (unsigned long long)random_next(&pair->random));
        struct slice value = {text, (size_t)size};

        overlay_put(&pair->overlay, key, value);
        write_model(pair->model, PUT, key, value);
    } else if (dice < 9) {
        overlay_delete(&pair->overlay, key);
        write_model(pair->model, DELETE, key, (struct slice){0});
    } else {
        struct slice high = random_key(pair, &other);

        if (slice_compare(key, high) < 0) {
            overlay_delete_range(&pair->overlay, key, high);
            write_model(pair->model, DELETE_RANGE, key, high);
        }
    }
}

static void compare_get(struct pair *pair)
{
    struct store_view view = {.store = pair->model};
    struct arena arena;
    struct key key;
    struct slice name = random_key(pair, &key);
    struct slice actual;
    struct slice expected;

    arena_init(&arena);
    enum status status = store_get(&view, name, &arena, &expected);

    assert_int_equal(overlay_get(&pair->overlay, name, &actual), status);
    if (status == STATUS_OK) {
        assert_true(slice_equals(actual, expected));
    }
    arena_done(&arena);
}

static void compare_iteration(struct pair *pair)
{
    struct store_view view = {.store = pair->model};
    struct overlay_iterator actual;
    struct key one;
    struct key other;
    struct slice low = random_key(pair, &one);
    struct slice high = random_below(&pair->random, 2) == 0
                            ? random_key(pair, &other)
                            : key_after(&other, slice_prefix(low, KEY_ACCOUNT_PREFIX_SIZE));
    struct slice key[2];
    struct slice value[2];

    if (slice_compare(low, high) >= 0) {
        return;
    }
    struct store_iterator *expected = store_iterate(&view, low, high);

    overlay_iterate(&pair->overlay, low, high, &actual);
    for (;;) {
        enum status status = store_iterator_next(expected, &key[0], &value[0]);

        assert_int_equal(overlay_next(&actual, &key[1], &value[1]), status);
        if (status != STATUS_OK) {
            break;
        }
        assert_true(slice_equals(key[0], key[1]) && slice_equals(value[0], value[1]));
        if (random_below(&pair->random, 4) == 0) { /* does not disturb the iteration */
            overlay_put(&pair->overlay, arena_copy(&pair->overlay.arena, key[0]), value[0]);
        }
    }
    overlay_iterator_done(&actual);
    store_iterator_free(expected);
}

/* The model takes steps back by being a store that forgets unflushed writes. */
static void end_step(struct pair *pair)
{
    if (random_below(&pair->random, 3) == 0) {
        overlay_revert(&pair->overlay);
        memory_store_crash(pair->model, 0);
    } else {
        overlay_commit(&pair->overlay);
        assert_int_equal(store_flush(pair->model), STATUS_OK);
    }
}

static void end_batch(struct pair *pair)
{
    struct store_batch *batch = store_batch_new(pair->below);

    overlay_write(&pair->overlay, batch);
    assert_int_equal(store_write(pair->below, batch), STATUS_OK);
    overlay_settle(&pair->overlay);
    store_batch_free(pair->below, batch);
    assert_int_equal(memory_store_digest(pair->below, (struct slice){0}),
                     memory_store_digest(pair->model, (struct slice){0}));
}

static void run_seed(uint64_t seed, size_t memory_max)
{
    struct pair pair = {.below = memory_store_new(), .model = memory_store_new(), .random = {seed}};

    overlay_init(&pair.overlay, pair.below, 0, memory_max);
    for (int step = 0; step < STEPS; step++) {
        uint64_t dice = random_below(&pair.random, 20);

        if (dice < 9) {
            write_both(&pair);
        } else if (dice < 14) {
            compare_get(&pair);
        } else if (dice < 17) {
            compare_iteration(&pair);
        } else if (dice < 19) {
            end_step(&pair);
        } else {
            end_step(&pair);
            end_batch(&pair);
        }
    }
    overlay_done(&pair.overlay);
    store_close(pair.below);
    store_close(pair.model);
}

static void what_is_read_is_what_was_written(void **state)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        run_seed(seed, seed % 2 == 0 ? 4096 : 1 << 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_what_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
