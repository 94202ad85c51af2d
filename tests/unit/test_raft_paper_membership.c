/* What the dissertation's chapter 4 asks of membership changes: a test for each sentence, in their
 * order, named after it. */
#include "tests/unit/raft_one.h"
#include "tests/unit/unit.h"

static void no_pre_vote(struct raft_options *options)
{
    options->pre_vote_off = true;
}

static void bare(struct raft_options *options)
{
    options->pre_vote_off = true;
    options->check_quorum_off = true;
}

static void assert_members(const struct one *one, const char *text)
{
    struct raft_configuration expected = one_configuration(text);

    assert_true(raft_configuration_equals(one_state(one).configuration, &expected));
}

/* An append of one configuration entry by replica 2, after `position`. */
static void receive_configuration(struct one *one, uint64_t from, uint64_t term,
                                  struct raft_position position, const char *text, uint64_t commit)
{
    struct raft_configuration configuration = one_configuration(text);
    struct raft_entry entry = {.index = position.index + 1,
                               .term = term,
                               .kind = RAFT_ENTRY_CONFIGURATION,
                               .configuration = &configuration};
    struct raft_message append = one_from(from, RAFT_APPEND, term);

    append.position = position;
    append.entries = &entry;
    append.entry_count = 1;
    append.commit = commit;
    one_receive(one, append);
}

/* ---- §4.1 ---- */

/* "The new configuration takes effect on each server as soon as it is added to that server's log."
 */
static void a_configuration_takes_effect_when_it_is_appended(void **state)
{
    struct one leader = one_start(3, "", 0, 0, NULL);
    struct one follower = one_start(3, "", 1, 0, NULL);

    one_lead_committed(&leader);
    assert_int_equal(one_change(&leader, "1 2 3 L4"), STATUS_OK);
    assert_members(&leader, "1 2 3 L4");
    assert_int_equal(one_state(&leader).configuration_index, 2);
    assert_int_equal(leader.effects.entries[0].kind, RAFT_ENTRY_CONFIGURATION);
    assert_non_null(leader.effects.entries[0].configuration);
    assert_int_equal(leader.effects.entries[0].size, 2 + 4 * 10);
    receive_configuration(&follower, 2, 1, (struct raft_position){0, 0}, "1 2", 0);
    assert_members(&follower, "1 2");
    one_free(&leader);
    one_free(&follower);
}

/* "If a server's log is truncated, it falls back to the previous configuration." */
static void a_truncated_configuration_is_undone(void **state)
{
    struct one one = one_start(3, "1", 1, 0, bare);

    receive_configuration(&one, 2, 1, (struct raft_position){1, 1}, "1 2", 0);
    receive_configuration(&one, 2, 1, (struct raft_position){1, 2}, "1", 0);
    assert_members(&one, "1");
    one_receive_append(&one, 3, 2, (struct raft_position){1, 2}, "2", 0);
    assert_members(&one, "1 2");
    one_receive_append(&one, 3, 3, (struct raft_position){1, 1}, "3", 0);
    assert_members(&one, "1 2 3");
    assert_int_equal(one_state(&one).configuration_index, 0);
    one_free(&one);
}

/* "Servers process incoming RPC requests without consulting their current configurations": "a
 * server accepts AppendEntries requests from a leader that is not part of the server's latest
 * configuration", "and grants its vote to a candidate that is not". */
static void requests_are_served_whoever_asks(void **state)
{
    struct one one = one_start(3, "", 0, 0, bare);
    struct raft_message request = one_from(8, RAFT_VOTE, 2);

    one_receive_append(&one, 9, 1, (struct raft_position){0, 0}, "1", 0);
    assert_false(one_sent(&one, RAFT_APPEND_ANSWER, 9)->refused);
    request.position = (struct raft_position){1, 1};
    one_receive(&one, request);
    assert_false(one_sent(&one, RAFT_VOTE_ANSWER, 8)->refused);
    one_free(&one);
}

/* A replica with an empty log and no configuration waits for a leader, and votes as well. */
static void a_new_server_waits_for_a_leader(void **state)
{
    struct one one = one_start(0, "", 0, 0, NULL);

    assert_int_equal(one.effects.wake_at_ms, 0);
    one_tick(&one, 100000);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    assert_int_equal(one.effects.wake_at_ms, UINT64_MAX);
    receive_configuration(&one, 2, 1, (struct raft_position){0, 0}, "L1 2 3", 1);
    assert_members(&one, "L1 2 3");
    one_free(&one);
}

/* ---- §4.2 ---- */

/* "Only one change at a time": and none before an entry of this term is committed, or an older
 * configuration could still win elsewhere. */
static void a_change_waits_for_the_one_before_and_for_the_terms_first_commit(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    assert_int_equal(one_change(&one, "1 2"), STATUS_NOT_LEADER);
    one_lead(&one);
    assert_int_equal(one_change(&one, "1 2 3 L4"), STATUS_BUSY);
    one_matched(&one, 2, 1);
    assert_int_equal(one_change(&one, "1 2 3 L4"), STATUS_OK);
    one_persist(&one);
    assert_int_equal(one_change(&one, "1 2 3"), STATUS_BUSY);
    one_matched(&one, 3, 2);
    assert_int_equal(one_change(&one, "1 2 3 L4"), STATUS_EXISTS);
    assert_int_equal(one_change(&one, "1 2 3"), STATUS_OK);
    one_free(&one);
}

static void a_configuration_that_is_not_allowed_is_refused(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    assert_int_equal(one_change(&one, "L1 L2"), STATUS_INVALID);
    assert_int_equal(one_change(&one, "1 2 -3"), STATUS_INVALID);
    assert_int_equal(one_change(&one, "2 1"), STATUS_INVALID);
    one_free(&one);
}

/* A union of old and new that is over the limit. */
static void a_change_of_too_many_at_once_is_refused(void **state)
{
    struct one one = one_start(9, "", 0, 0, NULL);
    struct raft_configuration wished = {.count = RAFT_REPLICAS_MAX};

    one_lead_committed(&one);
    for (size_t i = 0; i < wished.count; i++) {
        wished.replicas[i] = (struct raft_replica){.id = i + 5, .parts = RAFT_VOTER};
    }
    one_step(&one,
             (struct raft_event){.kind = RAFT_CONFIGURATION_PROPOSED, .configuration = &wished});
    assert_int_equal(one.status, STATUS_TOO_LARGE);
    assert_int_equal(one_state(&one).configuration->count, 9);
    one_free(&one);
}

/* §4.2.1: "The leader replicates log entries to it, but it is not yet counted towards majorities
 * for voting or commitment purposes." */
static void a_learner_receives_and_does_not_count(void **state)
{
    struct one one = one_start(1, "", 0, 0, NULL);

    one_tick(&one, 0);
    one_persist(&one);
    one_persist(&one);
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    assert_int_equal(one_change(&one, "1 L2 L3"), STATUS_OK);
    assert_non_null(one_sent(&one, RAFT_APPEND, 3));
    one_matched(&one, 2, 2);
    one_matched(&one, 3, 2);
    assert_int_equal(one_state(&one).commit_index, 1);
    one_propose(&one, 1);
    one_persist(&one);
    assert_int_equal(one_state(&one).commit_index, 3);
    one_free(&one);
}

/* §4.2.1: a server that has to catch up first does not become a voter yet. */
static void a_voter_to_be_has_to_have_caught_up(void **state)
{
    struct one one = one_start(2, "", 0, 0, NULL);
    static const uint32_t sizes[2000] = {0};
    struct raft_event many = {.kind = RAFT_PROPOSED};

    many.proposed.sizes = sizes;
    many.proposed.count = COUNT_OF(sizes);
    one_lead_committed(&one);
    one_step(&one, many);
    one_persist(&one);
    one_matched(&one, 2, 2001);
    assert_int_equal(one_change(&one, "1 2 3"), STATUS_BUSY);
    assert_int_equal(one_change(&one, "1 2 L3"), STATUS_OK);
    one_persist(&one);
    one_matched(&one, 2, 2002);
    one_matched(&one, 3, 1001);
    assert_int_equal(one_change(&one, "1 2 3"), STATUS_BUSY);
    one_matched(&one, 3, 1002);
    assert_int_equal(one_change(&one, "1 2 3"), STATUS_OK);
    one_free(&one);
}

/* §4.2.2: "A leader that is removed from the configuration steps down once the C_new entry is
 * committed", "it replicates log entries but does not count itself in majorities". */
static void a_removed_leader_leads_uncounted_until_its_removal_is_committed(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    assert_int_equal(one_change(&one, "2 3"), STATUS_OK);
    one_persist(&one);
    one_matched(&one, 2, 2);
    one_matched(&one, 3, 2);
    assert_members(&one, "2 3"); /* joint is over, C_new is appended */
    assert_int_equal(one_state(&one).last.index, 3);
    one_persist(&one);
    one_matched(&one, 2, 3);
    assert_int_equal(one_state(&one).commit_index, 2);
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    one_matched(&one, 3, 3);
    assert_int_equal(one_state(&one).commit_index, 3);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    assert_int_equal(one_sent_count(&one, RAFT_TIMEOUT_NOW), 1);
    one_tick(&one, 100000); /* it does not come back */
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    assert_int_equal(one.status, STATUS_DENIED);
    one_free(&one);
}

/* §4.2.2: "a server that is not part of its own latest configuration should still start new
 * elections, as it might still be needed until the C_new entry is committed. It does not count its
 * own vote." */
static void a_removed_server_campaigns_until_its_removal_is_committed(void **state)
{
    struct one one = one_start(3, "1", 1, 0, bare);

    receive_configuration(&one, 2, 1, (struct raft_position){1, 1}, "2 3", 0);
    one_persist(&one);
    one_tick(&one, 2 * ONE_ELECTION_MS);
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    one_persist(&one);
    one_receive(&one, one_from(2, RAFT_VOTE_ANSWER, 2));
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE); /* 2 of {2, 3} are needed */
    one_receive(&one, one_from(3, RAFT_VOTE_ANSWER, 2));
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    one_free(&one);
}

/* §4.2.3: "If a server receives a RequestVote request within the minimum election timeout of
 * hearing from a current leader, it does not update its term or grant its vote." */
static void a_vote_is_not_heard_while_a_leader_is(void **state)
{
    struct one one = one_start(3, "1", 1, 0, no_pre_vote);
    struct raft_message request = one_from(3, RAFT_VOTE, 9);

    request.position = (struct raft_position){1, 1};
    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
    one.now_ms += ONE_ELECTION_MS - 1;
    one_receive(&one, request);
    assert_int_equal(one_state(&one).hard_state.term, 1);
    assert_null(one_sent(&one, RAFT_VOTE_ANSWER, 3));
    one.now_ms += 1;
    one_receive(&one, request);
    assert_int_equal(one_state(&one).hard_state.term, 9);
    assert_false(one_sent(&one, RAFT_VOTE_ANSWER, 3)->refused);
    one_free(&one);
}

/* The leader itself does not listen either: check-quorum deposes it when it is time. */
static void a_leader_does_not_hear_a_disruptive_candidate(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    one_receive(&one, one_from(3, RAFT_VOTE, 9));
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    assert_int_equal(one_state(&one).hard_state.term, 1);
    one_free(&one);
}

/* §4.2.3: "we include a special flag in RequestVote requests that says: I have permission to
 * disrupt the leader." */
static void a_forced_vote_is_heard(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);
    struct raft_message request = one_from(3, RAFT_VOTE, 2);

    request.position = (struct raft_position){1, 1};
    request.forced = true;
    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
    one_receive(&one, request);
    assert_false(one_sent(&one, RAFT_VOTE_ANSWER, 3)->refused);
    one_free(&one);
}

/* ---- §4.3: joint consensus ---- */

/* "The cluster first switches to a transitional configuration"; "log entries are replicated to all
 * servers in both configurations". */
static void a_change_of_voters_goes_through_a_joint_configuration(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    assert_int_equal(one_change(&one, "1 2 4"), STATUS_OK);
    assert_members(&one, "=1 =2 -3 4");
    assert_int_equal(one_sent_count(&one, RAFT_APPEND), 3);
    one_free(&one);
}

/* "Agreement (for elections and entry commitment) requires majorities from both the old and new
 * configurations": commitment. */
static void joint_commits_need_both_majorities(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    one_change(&one, "1 4 5");
    one_persist(&one);
    one_matched(&one, 4, 2);
    one_matched(&one, 5, 2);
    assert_int_equal(one_state(&one).commit_index, 1);
    one_matched(&one, 3, 2);
    assert_int_equal(one_state(&one).commit_index, 2);
    one_free(&one);
}

/* The same for elections; and "any server from either configuration may serve as leader". */
static void joint_elections_need_both_majorities(void **state)
{
    struct one one = one_start(3, "1", 1, 0, bare);

    receive_configuration(&one, 2, 1, (struct raft_position){1, 1}, "-1 =2 -3 4 5", 0);
    one_persist(&one);
    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    assert_int_equal(one_sent_count(&one, RAFT_VOTE), 4);
    one_persist(&one);
    one_receive(&one, one_from(3, RAFT_VOTE_ANSWER, 2));
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    one_receive(&one, one_from(4, RAFT_VOTE_ANSWER, 2));
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    one_receive(&one, one_from(5, RAFT_VOTE_ANSWER, 2));
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    one_free(&one);
}

/* "Once C_old,new has been committed, a leader creates a log entry describing C_new": also a leader
 * that found it in its log. */
static void a_joint_configuration_is_left_when_it_is_committed(void **state)
{
    struct one one = one_start(3, "1", 1, 0, bare);

    receive_configuration(&one, 2, 1, (struct raft_position){1, 1}, "=1 =2 ~3 4", 0);
    one_persist(&one);
    one_lead(&one);
    assert_members(&one, "=1 =2 ~3 4");
    one_matched(&one, 2, 3);
    one_matched(&one, 3, 3);
    assert_int_equal(one_state(&one).commit_index, 1 + 1 + 1);
    assert_members(&one, "1 2 L3 4");
    assert_int_equal(one_state(&one).last.index, 4);
    one_free(&one);
}

/* A transfer to one that is removed meanwhile is over. */
static void a_transfer_to_a_removed_server_ends(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    one_change(&one, "1 2 L3"); /* joint first */
    one_step(&one, (struct raft_event){.kind = RAFT_TRANSFER, .peer = 3});
    assert_int_equal(one.status, STATUS_NOT_FOUND); /* it is about to be none */
    one_step(&one, (struct raft_event){.kind = RAFT_TRANSFER, .peer = 2});
    assert_int_equal(one.status, STATUS_OK);
    one_persist(&one);
    one_matched(&one, 3, 2);
    one_matched(&one, 2, 2);
    assert_members(&one, "1 2 L3");
    assert_int_equal(one_state(&one).transferring_to, 2);
    one_free(&one);
}

/* After a lost quorum: the survivor alone is the group, and all that it has counts. */
static void a_forced_survivor_leads_alone_and_keeps_all_it_has(void **state)
{
    struct raft_hard_state hard_state;
    struct raft_configuration configuration;
    struct raft_position position;
    struct raft_configuration_at configurations[2] = {
        {.configuration = one_configuration("1 2 3")}};
    struct raft_term_run runs[] = {{1, 1}, {3, 4}, {4, 8}};
    uint32_t sizes[4] = {0};
    struct raft_options options = {.id = 2,
                                   .generation = 2,
                                   .runs = runs,
                                   .run_count = 3,
                                   .sizes = sizes,
                                   .entry_count = 4,
                                   .configurations = configurations,
                                   .configuration_count = 2};
    struct one one = {.now_ms = 1};

    raft_force(2, (struct raft_hard_state){.term = 7, .vote = 3}, (struct raft_position){4, 3},
               &hard_state, &configuration, &position);
    assert_int_equal(hard_state.term, 8);
    assert_int_equal(hard_state.vote, 2);
    assert_int_equal(position.index, 4);
    assert_int_equal(position.term, 8);
    configurations[1] = (struct raft_configuration_at){position.index, configuration};
    options.hard_state = hard_state;
    assert_int_equal(raft_new(&options, &one.raft), STATUS_OK);
    one_tick(&one, 0);
    one_persist(&one);
    one_persist(&one);
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    assert_int_equal(one_state(&one).commit_index, 5);
    assert_int_equal(one_state(&one).hard_state.term, 9);
    one_free(&one);
    raft_force(2, (struct raft_hard_state){.term = 3}, (struct raft_position){4, 3}, &hard_state,
               &configuration, &position);
    assert_int_equal(hard_state.term, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configuration_takes_effect_when_it_is_appended),
        cmocka_unit_test(a_truncated_configuration_is_undone),
        cmocka_unit_test(requests_are_served_whoever_asks),
        cmocka_unit_test(a_new_server_waits_for_a_leader),
        cmocka_unit_test(a_change_waits_for_the_one_before_and_for_the_terms_first_commit),
        cmocka_unit_test(a_configuration_that_is_not_allowed_is_refused),
        cmocka_unit_test(a_change_of_too_many_at_once_is_refused),
        cmocka_unit_test(a_learner_receives_and_does_not_count),
        cmocka_unit_test(a_voter_to_be_has_to_have_caught_up),
        cmocka_unit_test(a_removed_leader_leads_uncounted_until_its_removal_is_committed),
        cmocka_unit_test(a_removed_server_campaigns_until_its_removal_is_committed),
        cmocka_unit_test(a_vote_is_not_heard_while_a_leader_is),
        cmocka_unit_test(a_leader_does_not_hear_a_disruptive_candidate),
        cmocka_unit_test(a_forced_vote_is_heard),
        cmocka_unit_test(a_change_of_voters_goes_through_a_joint_configuration),
        cmocka_unit_test(joint_commits_need_both_majorities),
        cmocka_unit_test(joint_elections_need_both_majorities),
        cmocka_unit_test(a_joint_configuration_is_left_when_it_is_committed),
        cmocka_unit_test(a_transfer_to_a_removed_server_ends),
        cmocka_unit_test(a_forced_survivor_leads_alone_and_keeps_all_it_has),
    };

    return cmocka_run_group_tests_name("raft_paper_membership", tests, NULL, NULL);
}
