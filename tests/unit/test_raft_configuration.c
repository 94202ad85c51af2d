/* storage/raft/configuration.h, by table. Replicas as text: see one_configuration(). */
#include "storage/raft/configuration.h"
#include "tests/unit/raft_one.h"
#include "tests/unit/unit.h"

static void only_allowed_sets_pass_the_check(void **state)
{
    static const struct {
        const char *text;
        enum status expected;
    } cases[] = {
        {"1", STATUS_OK},          {"1 2 3", STATUS_OK},      {"1 L2", STATUS_OK},
        {"1 -2", STATUS_OK},       {"=1 -2 3 ~4", STATUS_OK}, {"", STATUS_INVALID},
        {"L1 L2", STATUS_INVALID}, {"-1 ~2", STATUS_INVALID}, {"2 1", STATUS_INVALID},
        {"1 1", STATUS_INVALID},   {"0 1", STATUS_INVALID},
    };
    struct raft_configuration configuration = one_configuration("1");

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        configuration = one_configuration(cases[i].text);
        assert_int_equal(raft_configuration_check(&configuration), cases[i].expected);
    }
    for (unsigned parts = 0; parts < 256; parts++) {
        bool allowed = parts == RAFT_VOTER || parts == RAFT_LEARNER || parts == RAFT_OUTGOING ||
                       parts == (RAFT_VOTER | RAFT_OUTGOING) ||
                       parts == (RAFT_LEARNER | RAFT_OUTGOING);

        configuration = one_configuration("1 2");
        configuration.replicas[1].parts = (uint8_t)parts;
        assert_int_equal(raft_configuration_check(&configuration),
                         allowed ? STATUS_OK : STATUS_INVALID);
    }
    configuration.count = RAFT_REPLICAS_MAX + 1;
    assert_int_equal(raft_configuration_check(&configuration), STATUS_INVALID);
}

static void replicas_are_put_at_their_place(void **state)
{
    struct raft_configuration configuration = {0};
    struct raft_configuration expected = one_configuration("1 L2 3");

    assert_int_equal(
        raft_configuration_put(&configuration, (struct raft_replica){3, RAFT_VOTER, 0}), STATUS_OK);
    assert_int_equal(
        raft_configuration_put(&configuration, (struct raft_replica){1, RAFT_VOTER, 0}), STATUS_OK);
    assert_int_equal(
        raft_configuration_put(&configuration, (struct raft_replica){2, RAFT_VOTER, 0}), STATUS_OK);
    assert_false(raft_configuration_equals(&configuration, &expected));
    assert_int_equal(
        raft_configuration_put(&configuration, (struct raft_replica){2, RAFT_LEARNER, 0}),
        STATUS_OK);
    assert_true(raft_configuration_equals(&configuration, &expected));
    expected.replicas[2].priority = 9;
    assert_false(raft_configuration_equals(&configuration, &expected));
    expected.replicas[2].id = 4;
    assert_false(raft_configuration_equals(&configuration, &expected));
    expected.count = 2;
    assert_false(raft_configuration_equals(&configuration, &expected));
    for (uint64_t id = 4; id <= RAFT_REPLICAS_MAX; id++) {
        assert_int_equal(
            raft_configuration_put(&configuration, (struct raft_replica){id, RAFT_VOTER, 0}),
            STATUS_OK);
    }
    assert_int_equal(
        raft_configuration_put(&configuration, (struct raft_replica){99, RAFT_VOTER, 0}),
        STATUS_TOO_LARGE);
    assert_int_equal(
        raft_configuration_put(&configuration, (struct raft_replica){2, RAFT_VOTER, 1}), STATUS_OK);
}

static void a_change_goes_by_a_joint_configuration(void **state)
{
    static const struct {
        const char *before;
        const char *after;
        const char *joint;
        enum status expected;
    } cases[] = {
        {"1 2 3", "1 2 4", "=1 =2 -3 4", STATUS_OK}, {"1 2 3", "1 2 L3", "=1 =2 ~3", STATUS_OK},
        {"1 L2 L3", "1 2", "=1 2", STATUS_OK},       {"1", "2", "-1 2", STATUS_OK},
        {"1 -2", "1", NULL, STATUS_INVALID},         {"1", "1 -2", NULL, STATUS_INVALID},
        {"L1", "1", NULL, STATUS_INVALID},           {"1", "", NULL, STATUS_INVALID},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct raft_configuration before = one_configuration(cases[i].before);
        struct raft_configuration after = one_configuration(cases[i].after);
        struct raft_configuration joint = {0};

        assert_int_equal(raft_configuration_join(&before, &after, &joint), cases[i].expected);
        if (cases[i].joint != NULL) {
            struct raft_configuration expected = one_configuration(cases[i].joint);
            struct raft_configuration left = raft_configuration_leave(&joint);

            assert_true(raft_configuration_equals(&joint, &expected));
            assert_true(raft_configuration_is_joint(&joint));
            assert_true(raft_configuration_equals(&left, &after));
        }
    }
}

static void quorums_are_majorities_of_every_set(void **state)
{
    static const struct {
        const char *text;
        uint32_t replicas;
        bool expected;
    } cases[] = {
        {"1", 1, true},
        {"1", 0, false},
        {"1 2", 1, false},
        {"1 2", 3, true},
        {"1 2 3", 5, true},
        {"1 2 3", 4, false},
        {"1 2 3 4", 3, false},
        {"1 2 3 4", 7, true},
        {"1 L2 L3", 6, false},
        {"1 L2 L3", 1, true},
        {"=1 -2 -3 4 5", 7, false},
        {"=1 -2 -3 4 5", 25, false},
        {"=1 -2 -3 4 5", 11, true},
        {"-1 2", 2, false},
        {"-1 2", 3, true},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct raft_configuration configuration = one_configuration(cases[i].text);
        uint64_t values[RAFT_REPLICAS_MAX] = {0};

        assert_int_equal(raft_configuration_quorum(&configuration, cases[i].replicas),
                         cases[i].expected);
        for (size_t j = 0; j < configuration.count; j++) {
            values[j] = (cases[i].replicas >> j & 1) != 0 ? 7 : 3;
        }
        assert_int_equal(raft_configuration_reached(&configuration, values),
                         cases[i].expected ? 7 : 3);
    }
}

/* Of every single octet changed, and of every length, only what is allowed decodes. */
static void only_what_was_encoded_decodes(void **state)
{
    struct raft_configuration configuration = one_configuration("=1 -2 3 ~4");
    struct raft_configuration decoded;
    char octets[RAFT_CONFIGURATION_SIZE_MAX + 1];
    struct buffer encoded;

    buffer_init(&encoded, RAFT_CONFIGURATION_SIZE_MAX);
    raft_configuration_encode(&configuration, &encoded);
    assert_int_equal(encoded.size, raft_configuration_size(&configuration));
    assert_int_equal(raft_configuration_decode(buffer_view(&encoded), &decoded), STATUS_OK);
    assert_true(raft_configuration_equals(&configuration, &decoded));
    for (size_t size = 0; size < encoded.size; size++) {
        assert_int_equal(
            raft_configuration_decode(slice_prefix(buffer_view(&encoded), size), &decoded),
            STATUS_INVALID);
    }
    memcpy(octets, encoded.data, encoded.size);
    assert_int_equal(raft_configuration_decode((struct slice){octets, encoded.size + 1}, &decoded),
                     STATUS_INVALID);
    octets[0] = 2;
    assert_int_equal(raft_configuration_decode((struct slice){octets, encoded.size}, &decoded),
                     STATUS_UNSUPPORTED);
    octets[0] = 1;
    octets[1] = RAFT_REPLICAS_MAX + 1;
    assert_int_equal(raft_configuration_decode((struct slice){octets, encoded.size}, &decoded),
                     STATUS_INVALID);
    octets[1] = 4;
    octets[10] = 0; /* the parts of the first */
    assert_int_equal(raft_configuration_decode((struct slice){octets, encoded.size}, &decoded),
                     STATUS_INVALID);
    buffer_done(&encoded);
}

static void who_votes_is_known(void **state)
{
    struct raft_configuration configuration = one_configuration("=1 -2 3 ~4 L5");

    for (uint64_t id = 1; id <= 4; id++) {
        assert_true(raft_configuration_votes(&configuration, id));
    }
    assert_false(raft_configuration_votes(&configuration, 5));
    assert_false(raft_configuration_votes(&configuration, 6));
    assert_null(raft_configuration_find(&configuration, 6));
    assert_int_equal(raft_configuration_find(&configuration, 5)->parts, RAFT_LEARNER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_allowed_sets_pass_the_check),
        cmocka_unit_test(replicas_are_put_at_their_place),
        cmocka_unit_test(a_change_goes_by_a_joint_configuration),
        cmocka_unit_test(quorums_are_majorities_of_every_set),
        cmocka_unit_test(only_what_was_encoded_decodes),
        cmocka_unit_test(who_votes_is_known),
    };

    return cmocka_run_group_tests_name("raft_configuration", tests, NULL, NULL);
}
