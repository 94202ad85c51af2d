/* Why an id of raft is one life of a replica and not a node: what raft.h says of ids, shown on a
 * replica that was removed, has lost its log, and is added again. */
#include "tests/unit/raft_one.h"
#include "tests/unit/unit.h"

/* One that is yet to be added: no log, no configuration. */
static void blank(struct raft_options *options)
{
    static const struct raft_configuration_at none;

    options->configurations = &none;
}

/* Leader 2 of term 5 sends it the log from its beginning. `founder` was the only voter at first;
 * the entries that changed that, by which 2, 3 and 4 vote now, are yet to come. */
static void receive_beginning(struct one *one, const char *founder)
{
    struct raft_configuration configuration = one_configuration(founder);
    struct raft_entry entries[] = {
        {.index = 1, .term = 1, .kind = RAFT_ENTRY_CONFIGURATION, .configuration = &configuration},
        {.index = 2, .term = 1, .kind = RAFT_ENTRY_COMMAND},
    };
    struct raft_message append = one_from(2, RAFT_APPEND, 5);

    append.entries = entries;
    append.entry_count = COUNT_OF(entries);
    append.commit = COUNT_OF(entries);
    one_receive(one, append);
    one_persist(one);
    assert_int_equal(one_state(one).commit_index, 2);
}

static void wait(struct one *one)
{
    for (int i = 0; i < 100; i++) {
        one_tick(one, 100);
        one_persist(one);
    }
}

/* Were the old id used again, there would be two leaders who both commit: 2 by a majority of 2, 3
 * and 4, and this one by its old right. Nothing in its log tells it that this is over. */
static void an_id_that_comes_back_without_its_log_elects_itself(void **state)
{
    struct one one = one_start(3, "", 0, 0, blank);

    receive_beginning(&one, "1");
    wait(&one);
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    assert_int_equal(one_state(&one).commit_index, 3);
    one_free(&one);
}

/* Under an id that the group never had it is nobody's voter until it is made one. */
static void a_new_id_waits_to_be_made_a_voter(void **state)
{
    struct one one = one_start(3, "", 0, 0, blank);

    receive_beginning(&one, "9");
    wait(&one);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    assert_int_equal(one_state(&one).hard_state.term, 5);
    one_free(&one);
}

/* Nor does a call change that: it asks the voters of its own log alone, and counts no other. */
static void a_new_id_that_is_called_upon_needs_the_voters_of_its_log(void **state)
{
    struct one one = one_start(3, "", 0, 0, blank);
    struct raft_message request = one_from(3, RAFT_PRE_VOTE, 6);

    receive_beginning(&one, "9");
    one_tick(&one, 5000);
    one_receive(&one, request);
    wait(&one);
    assert_int_equal(one_state(&one).role, RAFT_PRE_CANDIDATE);
    one_receive(&one, one_from(2, RAFT_PRE_VOTE_ANSWER, 6));
    one_receive(&one, one_from(3, RAFT_PRE_VOTE_ANSWER, 6));
    assert_int_equal(one_state(&one).role, RAFT_PRE_CANDIDATE);
    one_free(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_that_comes_back_without_its_log_elects_itself),
        cmocka_unit_test(a_new_id_waits_to_be_made_a_voter),
        cmocka_unit_test(a_new_id_that_is_called_upon_needs_the_voters_of_its_log),
    };

    return cmocka_run_group_tests_name("raft_identity", tests, NULL, NULL);
}
