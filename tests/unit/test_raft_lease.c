/* What a replica owes to a lease that it granted, where reads go by leases (§6.4.1): its vote for
 * anyone, and that is for itself as well. */
#include "tests/unit/raft_one.h"
#include "tests/unit/unit.h"

static void leases(struct raft_options *options)
{
    options->lease_reads = true;
}

static enum status campaign(struct one *one)
{
    one_step(one, (struct raft_event){.kind = RAFT_CAMPAIGN, .now_ms = one->now_ms});
    return one->status;
}

/* Out of the lease that a start may have forgotten. */
static struct one start(void (*adjust)(struct raft_options *options))
{
    struct one one = one_start(3, "1", 1, 0, adjust);

    one.now_ms += ONE_ELECTION_MS;
    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
    return one;
}

static void a_replica_does_not_stand_inside_a_lease(void **state)
{
    struct one one = start(leases);

    one.now_ms += ONE_ELECTION_MS - 1;
    assert_int_equal(campaign(&one), STATUS_BUSY);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    assert_int_equal(one_sent_count(&one, RAFT_PRE_VOTE), 0);
    one.now_ms++;
    assert_int_equal(campaign(&one), STATUS_OK);
    assert_int_equal(one_state(&one).role, RAFT_PRE_CANDIDATE);
    one_free(&one);
}

static void without_reads_by_leases_it_may(void **state)
{
    struct one one = start(NULL);

    assert_int_equal(campaign(&one), STATUS_OK);
    assert_int_equal(one_state(&one).role, RAFT_PRE_CANDIDATE);
    one_free(&one);
}

static void a_lost_connection_does_not_end_the_lease_for_its_own_campaign(void **state)
{
    struct one one = start(leases);
    uint64_t granted_at_ms = one.now_ms;

    one_step(&one, (struct raft_event){.kind = RAFT_PEER_LOST, .peer = 2, .now_ms = one.now_ms});
    while (one_state(&one).role == RAFT_FOLLOWER) {
        one_tick(&one, 1);
    }
    assert_in_range(one.now_ms, granted_at_ms + ONE_ELECTION_MS,
                    granted_at_ms + 2 * ONE_ELECTION_MS);
    one_free(&one);
}

/* One that starts for the first time refuses in case that it granted a lease in a life that it has
 * forgotten; and says so in term 0, which its candidate has to bear. */
static void a_refusal_of_who_was_never_in_a_term_is_heard(void **state)
{
    struct one voter = one_start(3, "", 0, 0, leases);
    struct one candidate = one_start(3, "", 0, 0, NULL);
    struct raft_message answer;

    one_receive(&voter, one_from(2, RAFT_PRE_VOTE, 1));
    assert_true(one_sent(&voter, RAFT_PRE_VOTE_ANSWER, 2)->refused);
    answer = *one_sent(&voter, RAFT_PRE_VOTE_ANSWER, 2);
    assert_int_equal(answer.term, 0);
    assert_int_equal(campaign(&candidate), STATUS_OK);
    for (uint64_t from = 2; from <= 3; from++) {
        answer.from = from;
        answer.to = 1;
        one_receive(&candidate, answer);
        assert_int_equal(candidate.status, STATUS_OK);
    }
    assert_int_equal(one_state(&candidate).role, RAFT_FOLLOWER);
    answer.refused = false;
    one_receive(&candidate, answer);
    assert_int_equal(candidate.status, STATUS_INVALID);
    one_free(&voter);
    one_free(&candidate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_does_not_stand_inside_a_lease),
        cmocka_unit_test(without_reads_by_leases_it_may),
        cmocka_unit_test(a_lost_connection_does_not_end_the_lease_for_its_own_campaign),
        cmocka_unit_test(a_refusal_of_who_was_never_in_a_term_is_heard),
    };

    return cmocka_run_group_tests_name("raft_lease", tests, NULL, NULL);
}
