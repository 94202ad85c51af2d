/* Where names lie, for ever, and the file that says which shard serves what. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buffer.h"
#include "router/shard_map.h"
#include "tests/unit/unit.h"

static char folder[] = "/tmp/aviso-map-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/map.json", folder);
    return 0;
}

static int remove_folder(void **state)
{
    unlink(path);
    return rmdir(folder);
}

/* Entries lie where these numbers say: they must never change. Made by another program. */
static void slots_are_frozen(void **state)
{
    static const struct {
        const char *name;
        uint32_t slot;
    } known[] = {
        {"", 961},
        {"@", 467},
        {"@example.org", 420},
        {"ann@example.org", 335},
        {"bob@example.org", 867},
        {"ann+x@example.org", 664},
        {"postmaster@example.org", 886},
        {"\"a b\"@example.org", 647},
        {"a@b", 875},
        {"@xn--bcher-kva.example", 653},
        {"info@xn--bcher-kva.example", 270},
        {"a.very.long.name.of.a.person@mail.subdomain.example.org", 323},
        {"j\xc3\xbcrgen@example.org", 545},
    };

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        assert_int_equal(slot_of(slice_of(known[i].name)), known[i].slot);
    }
}

/* No shard of a fresh map holds much more than its part of many names. */
static void names_spread_evenly(void **state)
{
    struct shard_map *map = shard_map_new(8);
    unsigned counts[9] = {0};

    for (unsigned i = 0; i < 8000; i++) {
        char name[64];

        snprintf(name, sizeof(name), "user%u@example.org", i);
        counts[shard_map_shard_of_slot(map, slot_of(slice_of(name)))]++;
    }
    assert_int_equal(counts[0], 0);
    for (unsigned shard = 1; shard <= 8; shard++) {
        assert_in_range(counts[shard], 800, 1200);
    }
    shard_map_unref(map);
}

static void fresh_map_has_its_shards(void **state)
{
    static const uint32_t counts[] = {1, 3, 8, 64, 1024, 1025, SHARD_COUNT_MAX};

    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct shard_map *map = shard_map_new(counts[i]);

        assert_int_equal(shard_map_shard_count(map), counts[i]);
        assert_int_equal(shard_map_shard_at(map, 0), 1);
        assert_int_equal(shard_map_shard_at(map, counts[i] - 1), counts[i]);
        assert_false(shard_map_has_shard(map, 0));
        assert_true(shard_map_has_shard(map, 1));
        assert_true(shard_map_has_shard(map, counts[i]));
        assert_false(shard_map_has_shard(map, counts[i] + 1));
        assert_false(shard_map_has_shard(map, UINT32_MAX));
        for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
            assert_true(shard_map_has_shard(map, shard_map_shard_of_slot(map, slot)));
        }
        shard_map_unref(map);
    }
}

static void assert_same_maps(const struct shard_map *map, const struct shard_map *other)
{
    assert_int_equal(shard_map_shard_count(map), shard_map_shard_count(other));
    for (uint32_t i = 0; i < shard_map_shard_count(map); i++) {
        assert_int_equal(shard_map_shard_at(map, i), shard_map_shard_at(other, i));
    }
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        assert_int_equal(shard_map_shard_of_slot(map, slot), shard_map_shard_of_slot(other, slot));
    }
}

static void saved_map_is_loaded_again(void **state)
{
    static const uint32_t counts[] = {SHARD_COUNT_MAX, 64, 1};

    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct shard_map *map = shard_map_new(counts[i]);
        struct shard_map *loaded = NULL;

        assert_int_equal(shard_map_save(map, path), STATUS_OK);
        assert_int_equal(shard_map_load(path, &loaded), STATUS_OK);
        assert_same_maps(map, loaded);
        shard_map_unref(map);
        shard_map_unref(loaded);
    }
}

static void save_that_fails_leaves_the_old_map_alone(void **state)
{
    struct shard_map *map = shard_map_new(5);
    struct shard_map *loaded = NULL;
    char temporary[80];

    assert_int_equal(shard_map_save(map, path), STATUS_OK);
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    assert_int_equal(mkdir(temporary, 0700), 0);
    struct shard_map *newer = shard_map_new(6);

    assert_int_equal(shard_map_save(newer, path), STATUS_IO_ERROR);
    assert_int_equal(rmdir(temporary), 0);
    assert_int_equal(shard_map_load(path, &loaded), STATUS_OK);
    assert_same_maps(map, loaded);
    shard_map_unref(map);
    shard_map_unref(newer);
    shard_map_unref(loaded);
}

static void load_tells_a_missing_file_from_one_it_cannot_read(void **state)
{
    struct shard_map *map = NULL;

    assert_int_equal(shard_map_load("/nonexistent/map.json", &map), STATUS_NOT_FOUND);
    assert_int_equal(shard_map_load(folder, &map), STATUS_IO_ERROR);
    assert_null(map);
}

static void write_file(struct slice text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.size, file), text.size);
    assert_int_equal(fclose(file), 0);
}

/* The file of a map with `shard_count` shards. */
static void print_map(uint32_t shard_count, struct buffer *output)
{
    struct shard_map *map = shard_map_new(shard_count);
    FILE *file = NULL;

    assert_int_equal(shard_map_save(map, path), STATUS_OK);
    file = fopen(path, "r");
    assert_non_null(file);
    buffer_init(output, 1 << 20);
    buffer_grew(output, fread(buffer_reserve(output, 1 << 20), 1, 1 << 20, file));
    assert_int_equal(fclose(file), 0);
    shard_map_unref(map);
}

static void cut_file_is_corrupt(void **state)
{
    struct buffer text;

    print_map(8, &text);
    size_t whole = text.size - 1; /* but for the end of the line */

    for (size_t size = 0; size < whole; size += size < 60 || size > whole - 60 ? 1 : 97) {
        struct shard_map *map = NULL;

        assert_int_equal(shard_map_parse(slice_prefix(buffer_view(&text), size), &map),
                         STATUS_CORRUPT);
        assert_null(map);
    }
    write_file(slice_prefix(buffer_view(&text), whole / 2));
    struct shard_map *map = NULL;

    assert_int_equal(shard_map_load(path, &map), STATUS_CORRUPT);
    buffer_done(&text);
}

static void file_without_end_is_not_read(void **state)
{
    struct shard_map *map = NULL;

    write_file(SLICE("{}"));
    assert_int_equal(truncate(path, 1L << 40), 0);
    assert_int_equal(shard_map_load(path, &map), STATUS_CORRUPT);
    assert_int_equal(truncate(path, 2), 0);
}

/* {"version": VERSION, "shards": SHARDS, "slots": [FIRST, 1, 1, ...]} with `slot_count` slots. */
static enum status parse_made(const char *version, const char *shards, const char *first_slot,
                              unsigned slot_count)
{
    struct shard_map *map = NULL;
    struct buffer text;

    buffer_init(&text, 1 << 20);
    buffer_printf(&text, "{\"version\": %s, \"shards\": %s, \"slots\": [%s", version, shards,
                  first_slot);
    for (unsigned i = 1; i < slot_count; i++) {
        buffer_printf(&text, ", 1");
    }
    buffer_printf(&text, "]}");
    enum status status = shard_map_parse(buffer_view(&text), &map);

    assert_true((status == STATUS_OK) == (map != NULL));
    shard_map_unref(map);
    buffer_done(&text);
    return status;
}

static void map_is_refused_unless_it_is_whole(void **state)
{
    static const struct {
        const char *version;
        const char *shards;
        const char *first_slot;
        unsigned slot_count;
        enum status status;
    } maps[] = {
        {"1", "[1, 7]", "7", 1024, STATUS_OK},
        {"1", "[1, 4294967295]", "4294967295", 1024, STATUS_OK},
        {"2", "[1, 7]", "7", 1024, STATUS_UNSUPPORTED},
        {"9223372036854775807", "{}", "7", 3, STATUS_UNSUPPORTED},
        {"0", "[1]", "1", 1024, STATUS_CORRUPT},
        {"-1", "[1]", "1", 1024, STATUS_CORRUPT},
        {"1.0", "[1]", "1", 1024, STATUS_CORRUPT},
        {"\"1\"", "[1]", "1", 1024, STATUS_CORRUPT},
        {"99999999999999999999", "[1]", "1", 1024, STATUS_CORRUPT},
        {"1", "[]", "1", 1024, STATUS_CORRUPT},
        {"1", "{\"1\": 1}", "1", 1024, STATUS_CORRUPT},
        {"1", "1", "1", 1024, STATUS_CORRUPT},
        {"1", "[0, 1]", "1", 1024, STATUS_CORRUPT},
        {"1", "[1, 1]", "1", 1024, STATUS_CORRUPT},
        {"1", "[2, 1]", "1", 1024, STATUS_CORRUPT},
        {"1", "[1, 4294967296]", "1", 1024, STATUS_CORRUPT},
        {"1", "[1, -2]", "1", 1024, STATUS_CORRUPT},
        {"1", "[1, null]", "1", 1024, STATUS_CORRUPT},
        {"1", "[1, \"2\"]", "1", 1024, STATUS_CORRUPT},
        {"1", "[1]", "2", 1024, STATUS_CORRUPT},
        {"1", "[1]", "0", 1024, STATUS_CORRUPT},
        {"1", "[1]", "4294967297", 1024, STATUS_CORRUPT},
        {"1", "[1]", "1", 1023, STATUS_CORRUPT},
        {"1", "[1]", "1", 1025, STATUS_CORRUPT},
        {"1, \"version\": 2", "[1]", "1", 1024, STATUS_CORRUPT},
    };

    for (size_t i = 0; i < COUNT_OF(maps); i++) {
        assert_int_equal(
            parse_made(maps[i].version, maps[i].shards, maps[i].first_slot, maps[i].slot_count),
            maps[i].status);
    }
}

static void other_texts_are_corrupt(void **state)
{
    static const char *const texts[] = {
        "", " ", "null", "[]", "1", "\"\xff\"", "{}{}", "{\"version\": 1}", "\xef\xbb\xbf{}"};
    struct shard_map *map = NULL;

    assert_int_equal(shard_map_parse((struct slice){0}, &map), STATUS_CORRUPT);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(shard_map_parse(slice_of(texts[i]), &map), STATUS_CORRUPT);
    }
    assert_null(map);
}

static void deep_nesting_is_refused(void **state)
{
    struct shard_map *map = NULL;
    struct buffer text;

    buffer_init(&text, 1 << 20);
    for (unsigned i = 0; i < 1 << 20; i++) {
        buffer_append_octet(&text, '[');
    }
    assert_int_equal(shard_map_parse(buffer_view(&text), &map), STATUS_CORRUPT);
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_frozen),
        cmocka_unit_test(names_spread_evenly),
        cmocka_unit_test(fresh_map_has_its_shards),
        cmocka_unit_test(saved_map_is_loaded_again),
        cmocka_unit_test(save_that_fails_leaves_the_old_map_alone),
        cmocka_unit_test(load_tells_a_missing_file_from_one_it_cannot_read),
        cmocka_unit_test(cut_file_is_corrupt),
        cmocka_unit_test(file_without_end_is_not_read),
        cmocka_unit_test(map_is_refused_unless_it_is_whole),
        cmocka_unit_test(other_texts_are_corrupt),
        cmocka_unit_test(deep_nesting_is_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
