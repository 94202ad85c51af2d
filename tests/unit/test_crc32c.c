/* CRC-32C by tables and by the processor's instruction: one answer. */
#include "core/crc32c.h"
#include "core/random.h"
#include "tests/unit/unit.h"

static void it_gives_the_values_of_rfc_3720(void **state)
{
    char ascending[32];
    char zeros[32] = {0};

    for (size_t i = 0; i < sizeof(ascending); i++) {
        ascending[i] = (char)i;
    }
    assert_int_equal(crc32c(0, SLICE("123456789")), 0xe3069283);
    assert_int_equal(crc32c_portable(0, SLICE("123456789")), 0xe3069283);
    assert_int_equal(crc32c(0, (struct slice){zeros, sizeof(zeros)}), 0x8a9136aa);
    assert_int_equal(crc32c_portable(0, (struct slice){zeros, sizeof(zeros)}), 0x8a9136aa);
    assert_int_equal(crc32c(0, (struct slice){ascending, sizeof(ascending)}), 0x46dd794e);
    assert_int_equal(crc32c_portable(0, (struct slice){ascending, sizeof(ascending)}), 0x46dd794e);
}

static void tables_and_instruction_agree_at_every_size_and_place(void **state)
{
    struct random random = {.state = 1};
    char octets[300];

    for (size_t i = 0; i < sizeof(octets); i++) {
        octets[i] = (char)random_next(&random);
    }
    for (size_t begin = 0; begin < 17; begin++) {
        for (size_t size = 0; begin + size <= sizeof(octets); size++) {
            struct slice bytes = {octets + begin, size};
            uint32_t seed = (uint32_t)random_next(&random);

            assert_int_equal(crc32c(seed, bytes), crc32c_portable(seed, bytes));
        }
    }
}

static void it_goes_on_where_it_stopped(void **state)
{
    struct slice whole = SLICE("a message in two parts, or in one");

    for (size_t cut = 0; cut <= whole.size; cut++) {
        uint32_t first = crc32c(0, slice_prefix(whole, cut));

        assert_int_equal(crc32c(first, slice_skip(whole, cut)), crc32c(0, whole));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_the_values_of_rfc_3720),
        cmocka_unit_test(tables_and_instruction_agree_at_every_size_and_place),
        cmocka_unit_test(it_goes_on_where_it_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
