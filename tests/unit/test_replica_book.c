/* What a node holds, as text: it comes back as it was, and nothing else is believed. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/crc32c.h"
#include "storage/replica_book.h"
#include "storage/replica_id.h"
#include "tests/unit/unit.h"

static struct replica_record record_of(uint32_t shard, enum replica_state state)
{
    struct replica_record record = {
        .shard = shard,
        .id = replica_id_make(7, shard + 100),
        .generation = 3,
        .state = state,
        .base = {.index = shard * 10},
    };

    for (uint32_t node = 1; node <= shard % 4; node++) {
        struct raft_replica one = {.id = replica_id_make(node, 1), .parts = RAFT_VOTER};

        assert_int_equal(raft_configuration_put(&record.base.configuration, one), STATUS_OK);
    }
    return record;
}

static void fill(struct replica_book *book)
{
    static const uint32_t shards[] = {9, 1, 64, 2, 0, UINT32_MAX};

    replica_book_init(book);
    for (size_t index = 0; index < COUNT_OF(shards); index++) {
        struct replica_record record =
            record_of(shards[index], (enum replica_state)(index % (REPLICA_LEAVING + 1)));

        replica_book_put(book, &record);
    }
}

static void assert_same(const struct replica_book *one, const struct replica_book *other)
{
    assert_int_equal(one->count, other->count);
    for (size_t index = 0; index < one->count; index++) {
        const struct replica_record *left = &one->records[index];
        const struct replica_record *right = &other->records[index];

        assert_int_equal(left->shard, right->shard);
        assert_int_equal(left->id, right->id);
        assert_int_equal(left->generation, right->generation);
        assert_int_equal(left->state, right->state);
        assert_int_equal(left->base.index, right->base.index);
        assert_true(
            raft_configuration_equals(&left->base.configuration, &right->base.configuration));
    }
}

static void records_are_kept_by_shard(void **state)
{
    struct replica_book book;
    struct replica_record other = record_of(9, REPLICA_LEAVING);

    fill(&book);
    assert_int_equal(book.count, 6);
    for (size_t index = 1; index < book.count; index++) {
        assert_true(book.records[index - 1].shard < book.records[index].shard);
    }
    replica_book_put(&book, &other);
    assert_int_equal(book.count, 6);
    assert_int_equal(replica_book_find(&book, 9)->state, REPLICA_LEAVING);
    replica_book_remove(&book, 9);
    replica_book_remove(&book, 9);
    assert_null(replica_book_find(&book, 9));
    assert_int_equal(book.count, 5);
    replica_book_done(&book);
}

static void what_was_written_is_read_again(void **state)
{
    struct replica_book book;
    struct replica_book read;
    struct buffer text;

    fill(&book);
    replica_book_init(&read);
    buffer_init(&text, 100000);
    replica_book_encode(&book, &text);
    assert_int_equal(replica_book_decode(&read, buffer_view(&text)), STATUS_OK);
    assert_same(&book, &read);
    buffer_done(&text);
    replica_book_done(&read);
    replica_book_done(&book);
}

/* Every octet counts: cut anywhere, or with any bit turned, it is not believed. */
static void damage_is_noticed(void **state)
{
    struct replica_book book;
    struct replica_book read;
    struct buffer text;

    fill(&book);
    replica_book_init(&read);
    buffer_init(&text, 100000);
    replica_book_encode(&book, &text);
    for (size_t size = 0; size < text.size; size++) {
        struct slice part = slice_prefix(buffer_view(&text), size);

        assert_int_equal(replica_book_decode(&read, part), STATUS_CORRUPT);
        assert_int_equal(read.count, 0);
    }
    for (size_t bit = 0; bit < text.size * 8; bit++) {
        text.data[bit / 8] = (char)(text.data[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(replica_book_decode(&read, buffer_view(&text)), STATUS_CORRUPT);
        text.data[bit / 8] = (char)(text.data[bit / 8] ^ 1 << bit % 8);
    }
    buffer_done(&text);
    replica_book_done(&book);
}

static enum status decode(const char *lines)
{
    struct replica_book book;
    struct buffer text;

    replica_book_init(&book);
    buffer_init(&text, 10000);
    buffer_append(&text, slice_of(lines));
    buffer_printf(&text, "crc32c %u\n", crc32c(0, slice_of(lines)));
    enum status status = replica_book_decode(&book, buffer_view(&text));

    replica_book_done(&book);
    buffer_done(&text);
    return status;
}

static void nonsense_with_a_good_sum_is_refused(void **state)
{
    assert_int_equal(decode("aviso replicas 1\n"), STATUS_OK);
    assert_int_equal(decode("aviso replicas 1\nreplica 1 5 0 fresh 0 -\n"), STATUS_OK);
    assert_int_equal(decode("aviso replicas 2\n"), STATUS_UNSUPPORTED);
    assert_int_equal(decode(""), STATUS_CORRUPT);
    assert_int_equal(decode("aviso replicas 1\n\n"), STATUS_CORRUPT);
    assert_int_equal(decode("aviso replicas 1\nreplica 1 0 0 fresh 0 -\n"), STATUS_CORRUPT);
    assert_int_equal(decode("aviso replicas 1\nreplica 1 5 0 stale 0 -\n"), STATUS_CORRUPT);
    assert_int_equal(decode("aviso replicas 1\nreplica 1 5 0 fresh 0 0\n"), STATUS_CORRUPT);
    assert_int_equal(decode("aviso replicas 1\nreplica 1 5 0 fresh 0 0101\n"), STATUS_CORRUPT);
    assert_int_equal(decode("aviso replicas 1\nreplica 4294967296 5 0 fresh 0 -\n"),
                     STATUS_CORRUPT);
    assert_int_equal(decode("aviso replicas 1\nreplica 2 5 0 fresh 0 -\n"
                            "replica 1 5 0 fresh 0 -\n"),
                     STATUS_CORRUPT);
    assert_int_equal(decode("aviso replicas 1\nreplica 1 5 0 fresh 0 -\n"
                            "replica 1 5 0 fresh 0 -\n"),
                     STATUS_CORRUPT);
}

static int remove_file(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    return remove(path);
}

static void a_file_replaces_the_one_before(void **state)
{
    char folder[] = "/tmp/aviso-book-XXXXXX";
    struct replica_book book;
    struct replica_book read;

    assert_non_null(mkdtemp(folder));
    fill(&book);
    replica_book_init(&read);
    assert_int_equal(replica_book_load(&read, folder), STATUS_NOT_FOUND);
    assert_int_equal(replica_book_save(&book, folder), STATUS_OK);
    replica_book_remove(&book, 64);
    assert_int_equal(replica_book_save(&book, folder), STATUS_OK);
    assert_int_equal(replica_book_load(&read, folder), STATUS_OK);
    assert_same(&book, &read);
    replica_book_done(&read);
    replica_book_done(&book);
    assert_int_equal(nftw(folder, remove_file, 4, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_kept_by_shard),
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(nonsense_with_a_good_sum_is_refused),
        cmocka_unit_test(a_file_replaces_the_one_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
