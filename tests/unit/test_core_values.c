/* The small values that everything is made of: slices, numbers, base64, CRC-32C, arenas. */
#include "core/arena.h"
#include "core/base64.h"
#include "core/crc32c.h"
#include "core/number.h"
#include "core/random.h"
#include "tests/unit/unit.h"

static void a_slice_compares_and_searches(void **state)
{
    assert_true(slice_equals_ignoring_case(SLICE("INBOX"), SLICE("inBox")));
    assert_false(slice_equals_ignoring_case(SLICE("INBOX"), SLICE("inBo")));
    assert_true(slice_starts_with(SLICE("abc"), SLICE("ab")));
    assert_true(slice_ends_with(SLICE("abc"), SLICE("bc")));
    assert_false(slice_ends_with(SLICE("c"), SLICE("bc")));
    assert_int_equal(slice_search(SLICE("hello"), SLICE("ll")), 2);
    assert_int_equal(slice_search(SLICE("hello"), SLICE("lo!")), 5);
    assert_true(slice_compare(SLICE("a"), SLICE("ab")) < 0);
    assert_true(slice_equals_secret(SLICE("abc"), SLICE("abc")));
    assert_false(slice_equals_secret(SLICE("abc"), SLICE("abd")));
    assert_false(slice_equals_secret(SLICE("abc"), SLICE("ab")));
    assert_slice_equals(slice_trim(SLICE(" \ta b ")), "a b");
}

static void a_number_keeps_to_its_limit(void **state)
{
    static const struct {
        const char *text;
        uint64_t most;
        enum status status;
        uint64_t number;
    } cases[] = {
        {"0", 9, STATUS_OK, 0},
        {"18446744073709551615", UINT64_MAX, STATUS_OK, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, STATUS_TOO_LARGE, 0},
        {"99999999999999999999999", UINT64_MAX, STATUS_TOO_LARGE, 0},
        {"4294967296", UINT32_MAX, STATUS_TOO_LARGE, 0},
        {"5", 4, STATUS_TOO_LARGE, 0},
        {"", 9, STATUS_INVALID, 0},
        {"-1", 9, STATUS_INVALID, 0},
        {"+1", 9, STATUS_INVALID, 0},
        {"1 ", 9, STATUS_INVALID, 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t number = 0;

        assert_int_equal(number_parse(slice_of(cases[i].text), cases[i].most, &number),
                         cases[i].status);
        assert_true(number == cases[i].number);
    }
}

static void base64_is_strict(void **state)
{
    static const struct {
        const char *text;
        const char *octets; /* NULL: refused */
    } cases[] = {
        {"", ""},       {"Zg==", "f"},   {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zh==", NULL},
        {"Zm9=", NULL}, {"Zg=", NULL},   {"Z", NULL},    {"====", NULL},  {"Zg==Zg==", NULL},
        {"=", NULL},    {"Zm9\n", NULL}, {"Z===", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer octets;

        buffer_init(&octets, 64);
        enum status status = base64_decode(slice_of(cases[i].text), &octets);
        assert_int_equal(status, cases[i].octets != NULL ? STATUS_OK : STATUS_INVALID);
        assert_slice_equals(buffer_view(&octets), cases[i].octets != NULL ? cases[i].octets : "");
        if (status == STATUS_OK) {
            struct buffer text;

            buffer_init(&text, 64);
            base64_encode(buffer_view(&octets), &text);
            assert_slice_equals(buffer_view(&text), cases[i].text);
            buffer_done(&text);
        }
        buffer_done(&octets);
    }
}

/* RFC 3720 appendix B.4. */
static void crc32c_gives_the_published_values(void **state)
{
    char zeros[32] = {0};
    char ones[32];
    char rising[32];

    memset(ones, 0xff, sizeof(ones));
    for (size_t i = 0; i < sizeof(rising); i++) {
        rising[i] = (char)i;
    }
    assert_int_equal(crc32c(0, (struct slice){zeros, 32}), 0x8a9136aa);
    assert_int_equal(crc32c(0, (struct slice){ones, 32}), 0x62a8ab43);
    assert_int_equal(crc32c(0, (struct slice){rising, 32}), 0x46dd794e);
    uint32_t halves =
        crc32c(crc32c(0, (struct slice){rising, 13}), (struct slice){rising + 13, 19});
    assert_int_equal(halves, 0x46dd794e);
}

static void an_arena_is_cleared_at_once(void **state)
{
    struct arena arena;

    arena_init(&arena);
    for (size_t i = 0; i < 1000; i++) {
        assert_slice_equals(arena_copy(&arena, SLICE("mail")), "mail");
    }
    char *large = arena_zeroed(&arena, 100000);
    assert_int_equal(large[99999], 0);
    arena_clear(&arena);
    assert_int_equal(arena.allocated, 0);
    assert_slice_equals(arena_copy(&arena, SLICE("again")), "again");
    arena_done(&arena);
}

static void a_seed_replays(void **state)
{
    struct random one = {.state = 7};
    struct random other = {.state = 7};

    for (int i = 0; i < 100; i++) {
        assert_true(random_next(&one) == random_next(&other));
        assert_true(random_below(&one, 3) < 3);
        other.state = one.state;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_compares_and_searches),
        cmocka_unit_test(a_number_keeps_to_its_limit),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(crc32c_gives_the_published_values),
        cmocka_unit_test(an_arena_is_cleared_at_once),
        cmocka_unit_test(a_seed_replays),
    };

    return cmocka_run_group_tests_name("core_values", tests, NULL, NULL);
}
