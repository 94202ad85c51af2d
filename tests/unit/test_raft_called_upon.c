/* A replica that is no voter by its own log, and has the newest log of all that are left: §4.2.2 of
 * the dissertation lets a server stand that is no part of its configuration, and here it has to. */
#include "tests/unit/raft_one.h"
#include "tests/unit/unit.h"

static void as_learner(struct raft_options *options)
{
    static struct raft_configuration_at began;

    began.configuration = one_configuration("L1 2 3 4");
    options->configurations = &began;
}

static void without_voters(struct raft_options *options)
{
    static const struct raft_configuration_at none;

    options->configurations = &none;
}

static void ask(struct one *one, enum raft_message_kind kind, uint64_t term,
                struct raft_position last)
{
    struct raft_message request = one_from(3, kind, term);

    request.position = last;
    one_receive(one, request);
}

/* Long enough for any timeout. */
static void wait(struct one *one)
{
    for (int i = 0; i < 50; i++) {
        one_tick(one, 100);
        if (one_sent_count(one, RAFT_PRE_VOTE) > 0) {
            return;
        }
    }
}

static void a_learner_stands_when_it_is_asked_by_who_lacks_its_log(void **state)
{
    struct one one = one_start(3, "117", 7, 0, as_learner);

    wait(&one);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    ask(&one, RAFT_PRE_VOTE, 8, (struct raft_position){6, 9});
    assert_true(one_sent(&one, RAFT_PRE_VOTE_ANSWER, 3)->refused);
    wait(&one);
    assert_int_equal(one_state(&one).role, RAFT_PRE_CANDIDATE);
    assert_int_equal(one_sent_count(&one, RAFT_PRE_VOTE), 3);
    one_free(&one);
}

static void a_vote_calls_upon_it_too(void **state)
{
    struct one one = one_start(3, "117", 7, 0, as_learner);

    ask(&one, RAFT_VOTE, 8, (struct raft_position){6, 9});
    wait(&one);
    assert_int_equal(one_state(&one).role, RAFT_PRE_CANDIDATE);
    one_free(&one);
}

static void who_has_as_much_calls_upon_nobody(void **state)
{
    struct one one = one_start(3, "117", 7, 0, as_learner);

    ask(&one, RAFT_PRE_VOTE, 8, (struct raft_position){7, 3});
    assert_false(one_sent(&one, RAFT_PRE_VOTE_ANSWER, 3)->refused);
    wait(&one);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    one_free(&one);
}

static void a_leader_that_is_heard_ends_the_call(void **state)
{
    struct one one = one_start(3, "117", 7, 0, as_learner);

    ask(&one, RAFT_PRE_VOTE, 8, (struct raft_position){6, 9});
    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 7));
    ask(&one, RAFT_PRE_VOTE, 8, (struct raft_position){6, 9}); /* and none comes in its lease */
    wait(&one);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    one_free(&one);
}

/* A majority of nobody would be there at once. */
static void who_knows_of_no_voters_never_stands(void **state)
{
    struct one one = one_start(3, "117", 7, 0, without_voters);

    ask(&one, RAFT_PRE_VOTE, 8, (struct raft_position){6, 9});
    wait(&one);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN, .now_ms = one.now_ms});
    assert_int_equal(one.status, STATUS_DENIED);
    one_free(&one);
}

static void grant(struct one *one, uint64_t from, enum raft_message_kind kind, uint64_t term)
{
    one_receive(one, one_from(from, kind, term));
}

/* Two of the three voters elect it, whether it votes or not; two commit; and then it goes. */
static void it_does_not_count_itself_and_resigns_by_its_first_commit(void **state)
{
    struct one one = one_start(3, "117", 7, 0, as_learner);

    ask(&one, RAFT_PRE_VOTE, 8, (struct raft_position){6, 9});
    wait(&one);
    grant(&one, 2, RAFT_PRE_VOTE_ANSWER, 8);
    assert_int_equal(one_state(&one).role, RAFT_PRE_CANDIDATE);
    grant(&one, 3, RAFT_PRE_VOTE_ANSWER, 8);
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    one_persist(&one);
    grant(&one, 2, RAFT_VOTE_ANSWER, 8);
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    grant(&one, 3, RAFT_VOTE_ANSWER, 8);
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    one_persist(&one);
    one_matched(&one, 2, 4);
    assert_int_equal(one_state(&one).commit_index, 0);
    one_matched(&one, 3, 4);
    assert_int_equal(one_state(&one).commit_index, 4);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    assert_int_equal(one_sent_count(&one, RAFT_TIMEOUT_NOW), 1);
    one_free(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_learner_stands_when_it_is_asked_by_who_lacks_its_log),
        cmocka_unit_test(a_vote_calls_upon_it_too),
        cmocka_unit_test(who_has_as_much_calls_upon_nobody),
        cmocka_unit_test(a_leader_that_is_heard_ends_the_call),
        cmocka_unit_test(who_knows_of_no_voters_never_stands),
        cmocka_unit_test(it_does_not_count_itself_and_resigns_by_its_first_commit),
    };

    return cmocka_run_group_tests_name("raft_called_upon", tests, NULL, NULL);
}
