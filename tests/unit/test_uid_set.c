/* Sets of UIDs: against a plain array, as text, and on the wire. */
#include "core/random.h"
#include "mail/uid_set.h"
#include "tests/unit/unit.h"

enum { MODEL_SIZE = 3000 };

static struct uid_set *parsed(const char *text, uint32_t largest)
{
    struct uid_set *set = uid_set_new();

    assert_int_equal(uid_set_parse(slice_of(text), largest, set), STATUS_OK);
    return set;
}

static void a_sequence_set_is_read_and_printed(void **state)
{
    static const struct {
        const char *text;
        uint32_t largest;
        const char *printed;
    } cases[] = {
        {"1", 9, "1"},
        {"1:3,5", 9, "1:3,5"},
        {"5:2", 9, "2:5"},
        {"*", 9, "9"},
        {"*:7", 9, "7:9"},
        {"12:*", 9, "9:12"},
        {"*", 0, ""},
        {"4,*", 0, "4"},
        {"3,1,2", 9, "1:3"},
        {"4294967295", 9, "4294967295"},
        {"1:4294967295", 9, "1:4294967295"},
        {"4294967295:*", 9, "9:4294967295"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct uid_set *set = parsed(cases[i].text, cases[i].largest);
        struct buffer printed;

        buffer_init(&printed, 1000);
        uid_set_print(set, &printed);
        assert_slice_equals(buffer_view(&printed), cases[i].printed);
        buffer_done(&printed);
        uid_set_free(set);
    }
}

static void what_is_no_sequence_set_is_refused(void **state)
{
    static const char *const refused[] = {"",    "0",    "1,",  ",1",    "1:", ":1",
                                          "1:0", "a",    "1 2", "1:2:3", "**", "4294967296",
                                          "-1",  "1,,2", "*1",  "$"};

    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct uid_set *set = uid_set_new();

        assert_int_equal(uid_set_parse(slice_of(refused[i]), 9, set), STATUS_INVALID);
        uid_set_free(set);
    }
}

static void a_million_elements_are_too_many(void **state)
{
    struct uid_set *set = uid_set_new();
    struct buffer text;

    buffer_init(&text, 4000000);
    for (int i = 0; i < 1000000; i++) {
        buffer_append(&text, SLICE("1,"));
    }
    buffer_append(&text, SLICE("1"));
    assert_int_equal(uid_set_parse(buffer_view(&text), 9, set), STATUS_TOO_LARGE);
    buffer_done(&text);
    uid_set_free(set);
}

static void check_against(const struct uid_set *set, const bool *model)
{
    struct uid_set *decoded = uid_set_new();
    struct buffer octets;
    uint32_t rank = 0;

    for (uint32_t uid = 1; uid < MODEL_SIZE; uid++) {
        assert_int_equal(uid_set_contains(set, uid), model[uid]);
        rank += model[uid];
        assert_int_equal(uid_set_rank(set, uid), rank);
        if (model[uid]) {
            assert_int_equal(uid_set_select(set, rank), uid);
        }
    }
    assert_int_equal(uid_set_count(set), rank);
    assert_int_equal(uid_set_select(set, rank + 1), 0);
    assert_int_equal(uid_set_select(set, 0), 0);

    uint32_t first = 0;
    uint32_t last = 0;
    uint32_t seen = 0;

    for (uint32_t from = 1; uid_set_run(set, from, &first, &last); from = last + 1) {
        assert_false(model[first - 1]);
        assert_false(last + 1 < MODEL_SIZE && model[last + 1]);
        seen += last - first + 1;
    }
    assert_int_equal(seen, rank);

    buffer_init(&octets, 100000);
    uid_set_encode(set, &octets);
    assert_int_equal(uid_set_decode(buffer_view(&octets), decoded), STATUS_OK);
    assert_true(uid_set_equals(decoded, set));
    buffer_done(&octets);
    uid_set_free(decoded);
}

static void random_changes_match_a_plain_array(void **state)
{
    struct random random = {.state = 11};
    struct uid_set *set = uid_set_new();
    bool model[MODEL_SIZE] = {false};

    for (int turn = 0; turn < 60; turn++) {
        for (int i = 0; i < 10; i++) {
            uint32_t first = 1 + (uint32_t)random_below(&random, MODEL_SIZE - 1);
            uint32_t last = first + (uint32_t)random_below(&random, 100);
            bool add = random_below(&random, 2) == 0;

            last = last < MODEL_SIZE ? last : MODEL_SIZE - 1;
            (add ? uid_set_add_range : uid_set_remove_range)(set, first, last);
            memset(model + first, add, last - first + 1);
        }
        check_against(set, model);
    }
    uid_set_free(set);
}

static void sets_are_united_intersected_and_subtracted(void **state)
{
    struct uid_set *set = parsed("1:10", 0);
    struct uid_set *other = parsed("5:20", 0);
    struct uid_set *copy = uid_set_copy(set);

    uid_set_intersect(copy, other);
    assert_int_equal(uid_set_count(copy), 6);
    uid_set_unite(set, other);
    assert_int_equal(uid_set_last(set), 20);
    uid_set_subtract(set, copy);
    assert_int_equal(uid_set_count(set), 14);
    assert_int_equal(uid_set_first(set), 1);
    uid_set_free(copy);
    uid_set_free(other);
    uid_set_free(set);
}

static void broken_octets_are_refused(void **state)
{
    static const struct slice broken[] = {
        {"\x01", 1},
        {"\x80", 1},
        {"\x80\x80\x80\x80\x80\x80", 6},
        {"\xff\xff\xff\xff\x0f\x00", 6},
        {"\x00\xff\xff\xff\xff\x1f", 6},
        {"\x00\xfe\xff\xff\xff\x0f\x00\x00", 8},
    };

    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct uid_set *set = uid_set_new();

        assert_int_equal(uid_set_decode(broken[i], set), STATUS_INVALID);
        uid_set_free(set);
    }
}

/* The last UID of all is a member like any other. */
static void the_largest_number_wraps_nothing(void **state)
{
    struct uid_set *set = parsed("4294967294:4294967295,1", 0);
    uint32_t first = 0;
    uint32_t last = 0;

    assert_true(uid_set_run(set, 2, &first, &last));
    assert_int_equal(last, UINT32_MAX);
    assert_false(uid_set_run(set, last + 1, &first, &last));
    assert_int_equal(uid_set_rank(set, UINT32_MAX), 3);
    uid_set_remove_range(set, 2, UINT32_MAX);
    assert_int_equal(uid_set_count(set), 1);
    uid_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sequence_set_is_read_and_printed),
        cmocka_unit_test(what_is_no_sequence_set_is_refused),
        cmocka_unit_test(a_million_elements_are_too_many),
        cmocka_unit_test(random_changes_match_a_plain_array),
        cmocka_unit_test(sets_are_united_intersected_and_subtracted),
        cmocka_unit_test(broken_octets_are_refused),
        cmocka_unit_test(the_largest_number_wraps_nothing),
    };

    return cmocka_run_group_tests_name("uid_set", tests, NULL, NULL);
}
