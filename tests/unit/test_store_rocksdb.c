/* What storage/store_rocksdb adds to RocksDB: care for the garbage in its blob files. */
#include <ftw.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/number.h"
#include "core/random.h"
#include "storage/store_rocksdb.h"
#include "tests/unit/unit.h"

enum { ROUNDS = 32, KEPT_OF_ROUND = 16, REPLACED = 48, VALUE_SIZE = 4096 };

static int remove_item(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
    return remove(path);
}

static uint64_t number_of(struct store *store, const char *property)
{
    uint64_t number = 0;

    assert_int_equal(store_property(store, property, &number), STATUS_OK);
    return number;
}

static void put(struct store *store, struct store_batch *batch, uint64_t number)
{
    char key[8];
    char value[VALUE_SIZE];

    number_put_u64(key, number);
    random_octets(value, sizeof(value));
    store_batch_put(store, batch, (struct slice){key, sizeof(key)},
                    (struct slice){value, sizeof(value)});
}

/* Every blob file holds some that stay and three times as many that the next round replaces. */
static void write_round(struct store *store, uint64_t round)
{
    struct store_batch *batch = store_batch_new(store);

    for (uint64_t i = 0; i < REPLACED; i++) {
        put(store, batch, i * ROUNDS);
    }
    for (uint64_t i = 0; i < KEPT_OF_ROUND; i++) {
        put(store, batch, (REPLACED + i) * ROUNDS + round);
    }
    assert_int_equal(store_write(store, batch), STATUS_OK);
    store_batch_free(store, batch);
    assert_int_equal(store_flush(store), STATUS_OK);
    while (number_of(store, "rocksdb.num-running-compactions") > 0 ||
           number_of(store, "rocksdb.compaction-pending") > 0) {
        sched_yield();
    }
}

static uint64_t count_rows(struct store *store)
{
    struct store_view view = {.store = store};
    struct store_iterator *iterator =
        store_iterate(&view, SLICE("\0"), SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
    struct slice key;
    struct slice value;
    uint64_t count = 0;

    while (store_iterator_next(iterator, &key, &value) == STATUS_OK) {
        assert_int_equal(value.size, VALUE_SIZE);
        count++;
    }
    store_iterator_free(iterator);
    return count;
}

static void garbage_among_blobs_stays_in_bounds(void **state)
{
    char folder[] = "/tmp/aviso-store-XXXXXX";
    struct store_rocksdb_options options = {.folder = folder, .blob_size_min = 1024};
    struct store *store = NULL;
    uint64_t kept_size = (uint64_t)(ROUNDS * KEPT_OF_ROUND + REPLACED) * VALUE_SIZE;
    uint64_t written_size = (uint64_t)ROUNDS * (KEPT_OF_ROUND + REPLACED) * VALUE_SIZE;

    assert_non_null(mkdtemp(folder));
    assert_int_equal(store_rocksdb_open(&options, &store), STATUS_OK);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        write_round(store, round);
        store_care(store);
    }
    uint64_t size = number_of(store, "rocksdb.live-blob-file-size");

    assert_in_range(size, kept_size, kept_size * 2);
    assert_true(kept_size * 3 < written_size); /* else the test shows nothing */
    assert_int_equal(count_rows(store), ROUNDS * KEPT_OF_ROUND + REPLACED);
    store_close(store);
    nftw(folder, remove_item, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(garbage_among_blobs_stays_in_bounds)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
