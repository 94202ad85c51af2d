/* What the dissertation's chapter 6 asks of client interaction, as far as it binds the core: a test
 * for each sentence, in their order, named after it. */
#include "tests/unit/raft_one.h"
#include "tests/unit/unit.h"

static void leases(struct raft_options *options)
{
    options->lease_reads = true;
}

static void few_reads(struct raft_options *options)
{
    options->reads_max = 2;
}

static enum status read_begin(struct one *one, uint64_t context)
{
    one_step(one, (struct raft_event){.kind = RAFT_READ, .read_context = context});
    return one->status;
}

/* The answer of `from` to the last heartbeat that was sent to it. */
static struct raft_message heartbeat_answer(const struct one *one, uint64_t from)
{
    const struct raft_message *heartbeat = one_sent(one, RAFT_HEARTBEAT, from);
    struct raft_message answer =
        one_from(from, RAFT_HEARTBEAT_ANSWER, one_state(one).hard_state.term);

    assert_non_null(heartbeat);
    answer.round = heartbeat->round;
    answer.sent_at_ms = heartbeat->sent_at_ms;
    answer.index = one_state(one).last.index;
    return answer;
}

static void assert_read(const struct one *one, size_t place, uint64_t context, uint64_t index)
{
    assert_true(place < one->effects.read_count);
    assert_int_equal(one->effects.reads[place].context, context);
    assert_int_equal(one->effects.reads[place].status, STATUS_OK);
    assert_int_equal(one->effects.reads[place].index, index);
}

/* ---- §6.2 ---- */

/* "A leader in Raft steps down if an election timeout elapses without a successful round of
 * heartbeats to a majority of its cluster." */
static void a_leader_that_hears_no_majority_steps_down(void **state)
{
    struct one one = one_start(5, "", 0, 0, NULL);

    one_lead_committed(&one);
    one_tick(&one, ONE_ELECTION_MS - 1);
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    one_receive(&one, heartbeat_answer(&one, 2));
    one_tick(&one, 1); /* itself and one other of five */
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    assert_int_equal(one_state(&one).leader, 0);
    assert_int_equal(one_state(&one).hard_state.term, 1);
    one_free(&one);
}

static void a_leader_that_hears_a_majority_leads_on(void **state)
{
    struct one one = one_start(5, "", 0, 0, NULL);

    one_lead_committed(&one);
    for (int i = 0; i < 50; i++) {
        struct raft_message answers[2];

        one_tick(&one, ONE_ELECTION_MS - 1);
        answers[0] = heartbeat_answer(&one, 2);
        answers[1] = heartbeat_answer(&one, 5);
        one_receive(&one, answers[0]);
        one_receive(&one, answers[1]);
        assert_int_equal(one_state(&one).role, RAFT_LEADER);
    }
    one_free(&one);
}

/* ---- §6.4: reads by index ---- */

/* "1. If the leader has not yet marked an entry from its current term committed, it waits until it
 * has done so." */
static void a_read_waits_for_the_terms_first_commit(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead(&one);
    assert_int_equal(read_begin(&one, 7), STATUS_OK);
    assert_null(one_sent(&one, RAFT_HEARTBEAT, 0));
    one_matched(&one, 2, 1);
    assert_int_equal(one.effects.read_count, 0); /* now its round begins */
    one_receive(&one, heartbeat_answer(&one, 3));
    assert_read(&one, 0, 7, 1);
    one_free(&one);
}

/* "2. The leader saves its current commit index. 3. The leader issues a new round of heartbeats and
 * waits for their acknowledgments from a majority of the cluster." */
static void a_read_waits_for_a_round_of_its_own(void **state)
{
    struct one one = one_start(5, "", 0, 0, NULL);
    struct raft_message old;
    struct raft_message new_one;
    struct raft_message new_two;

    one_lead_committed(&one);
    one_tick(&one, ONE_HEARTBEAT_MS);
    old = heartbeat_answer(&one, 2);
    assert_int_equal(read_begin(&one, 7), STATUS_OK);
    new_one = heartbeat_answer(&one, 3);
    new_two = heartbeat_answer(&one, 4);
    one_receive(&one, old); /* of a heartbeat from before the read */
    one_receive(&one, new_one);
    assert_int_equal(one.effects.read_count, 0);
    one_receive(&one, new_one); /* counts once */
    assert_int_equal(one.effects.read_count, 0);
    one_receive(&one, new_two);
    assert_read(&one, 0, 7, 1);
    one_free(&one);
}

/* A heartbeat that gets lost is made good by the next one. */
static void a_round_goes_on_with_the_next_heartbeats(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    read_begin(&one, 7);
    one_tick(&one, ONE_HEARTBEAT_MS);
    one_receive(&one, heartbeat_answer(&one, 2));
    assert_read(&one, 0, 7, 1);
    one_free(&one);
}

/* "4. The leader waits for its state machine to advance at least as far as the readIndex": which is
 * the commit index, and not what happens to be applied. */
static void a_read_index_is_the_commit_index(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    one_propose(&one, 3);
    one_persist(&one);
    one_matched(&one, 2, 4);
    assert_int_equal(one_state(&one).applied_index, 0);
    read_begin(&one, 7);
    one_receive(&one, heartbeat_answer(&one, 2));
    assert_read(&one, 0, 7, 4);
    one_free(&one);
}

/* "To improve efficiency further, the leader can amortize the cost of confirming its leadership: it
 * can use a single round of heartbeats for any number of read-only queries that it has
 * accumulated." */
static void one_round_serves_all_reads_that_waited(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);
    struct raft_message answer;

    one_lead_committed(&one);
    read_begin(&one, 1);
    answer = heartbeat_answer(&one, 2);
    for (uint64_t context = 2; context <= 100; context++) {
        assert_int_equal(read_begin(&one, context), STATUS_OK);
        assert_null(one_sent(&one, RAFT_HEARTBEAT, 0));
    }
    one_receive(&one, answer);
    assert_int_equal(one.effects.read_count, 1);
    assert_int_equal(one_sent_count(&one, RAFT_HEARTBEAT), 2);
    one_receive(&one, heartbeat_answer(&one, 2));
    assert_int_equal(one.effects.read_count, 99);
    assert_read(&one, 98, 100, 1);
    one_free(&one);
}

/* A leader that is deposed answers none of them. */
static void reads_fail_when_leadership_is_lost(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);
    struct raft_message question = one_from(2, RAFT_READ_INDEX, 1);

    one_lead_committed(&one);
    read_begin(&one, 1);
    read_begin(&one, 2);
    question.context = 55;
    one_receive(&one, question);
    one_receive(&one, one_from(3, RAFT_HEARTBEAT, 2));
    assert_int_equal(one.effects.read_count, 2);
    assert_int_equal(one.effects.reads[0].status, STATUS_NOT_LEADER);
    assert_true(one_sent(&one, RAFT_READ_INDEX_ANSWER, 2)->refused);
    assert_int_equal(one_sent(&one, RAFT_READ_INDEX_ANSWER, 2)->term, 1);
    one_free(&one);
}

/* "Followers could issue to the leader a request that just asks for the current readIndex." */
static void a_follower_asks_its_leader_for_the_index(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);
    struct raft_message answer = one_from(2, RAFT_READ_INDEX_ANSWER, 1);
    uint64_t first;

    assert_int_equal(read_begin(&one, 1), STATUS_NOT_LEADER);
    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
    assert_int_equal(read_begin(&one, 1), STATUS_OK);
    first = one_sent(&one, RAFT_READ_INDEX, 2)->context;
    read_begin(&one, 2); /* waits for the next question */
    assert_null(one_sent(&one, RAFT_READ_INDEX, 2));
    answer.context = first + 5; /* of another life */
    answer.index = 1;
    one_receive(&one, answer);
    assert_int_equal(one.effects.read_count, 0);
    answer.context = first;
    one_receive(&one, answer);
    assert_read(&one, 0, 1, 1);
    answer.context = one_sent(&one, RAFT_READ_INDEX, 2)->context;
    assert_true(answer.context != first);
    answer.refused = true;
    one_receive(&one, answer);
    assert_int_equal(one.effects.reads[0].context, 2);
    assert_int_equal(one.effects.reads[0].status, STATUS_NOT_LEADER);
    one_receive(&one, answer); /* once more: nobody waits */
    assert_int_equal(one.effects.read_count, 0);
    one_free(&one);
}

/* And gives up after an election timeout. */
static void a_followers_question_does_not_wait_for_ever(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);

    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
    read_begin(&one, 1);
    assert_int_equal(one.effects.wake_at_ms, one.now_ms + ONE_ELECTION_MS);
    one_tick(&one, ONE_ELECTION_MS);
    assert_int_equal(one.effects.read_count, 1);
    assert_int_equal(one.effects.reads[0].status, STATUS_NOT_LEADER);
    one_free(&one);
}

static void too_many_reads_are_refused(void **state)
{
    struct one leader = one_start(3, "", 0, 0, few_reads);
    struct one follower = one_start(3, "1", 1, 0, few_reads);
    struct raft_message question = one_from(2, RAFT_READ_INDEX, 1);

    one_lead_committed(&leader);
    one_receive(&follower, one_from(2, RAFT_HEARTBEAT, 1));
    for (uint64_t context = 1; context <= 3; context++) {
        enum status expected = context <= 2 ? STATUS_OK : STATUS_BUSY;

        assert_int_equal(read_begin(&leader, context), expected);
        assert_int_equal(read_begin(&follower, context), expected);
    }
    one_receive(&leader, question);
    assert_true(one_sent(&leader, RAFT_READ_INDEX_ANSWER, 2)->refused);
    one_receive(&follower, question); /* it does not lead */
    assert_true(one_sent(&follower, RAFT_READ_INDEX_ANSWER, 2)->refused);
    one_free(&leader);
    one_free(&follower);
}

/* ---- §6.4.1: reads by lease ---- */

/* "Once the leader's heartbeats were acknowledged by a majority of the cluster, the leader would
 * assume that no other server will become leader for about an election timeout", "extend its lease
 * to start + election timeout / clock drift bound". */
static void a_lease_runs_from_the_sending_of_the_heartbeats(void **state)
{
    struct one one = one_start(3, "", 0, 0, leases);
    struct raft_message answer;

    one_lead_committed(&one);
    one_tick(&one, ONE_HEARTBEAT_MS);
    answer = heartbeat_answer(&one, 2);
    assert_int_equal(read_begin(&one, 1), STATUS_OK);
    assert_int_equal(one.effects.read_count, 0); /* no lease yet: a round */
    one_receive(&one, heartbeat_answer(&one, 2));
    one.now_ms += 500;
    one_receive(&one, answer); /* late: counts from when it was sent */
    read_begin(&one, 2);
    assert_read(&one, 0, 2, 1);
    one.now_ms += ONE_ELECTION_MS - ONE_ELECTION_MS / 8 - 500 - 1;
    read_begin(&one, 3);
    assert_read(&one, 0, 3, 1);
    one.now_ms += 1;
    read_begin(&one, 4);
    assert_int_equal(one.effects.read_count, 0);
    one_free(&one);
}

/* "The leader expires its lease when it transfers leadership": for the rest of its term, as
 * TimeoutNow may arrive at any time. */
static void a_lease_ends_with_a_transfer(void **state)
{
    struct one one = one_start(3, "", 0, 0, leases);

    one_lead_committed(&one);
    one_tick(&one, ONE_HEARTBEAT_MS);
    one_receive(&one, heartbeat_answer(&one, 2));
    one_step(&one, (struct raft_event){.kind = RAFT_TRANSFER, .peer = 2});
    assert_non_null(one_sent(&one, RAFT_TIMEOUT_NOW, 2));
    read_begin(&one, 1);
    assert_int_equal(one.effects.read_count, 0);
    assert_int_equal(one_sent_count(&one, RAFT_HEARTBEAT), 2);
    one_free(&one);
}

/* Where leases answer reads, a broken connection is no reason to end one, and a restart neither. */
static void a_lease_outlives_connections_and_restarts(void **state)
{
    struct one one = one_start(3, "1", 1, 0, leases);
    struct raft_message request = one_from(3, RAFT_PRE_VOTE, 2);

    request.position = (struct raft_position){1, 1};
    one_receive(&one, request); /* just started */
    assert_true(one_sent(&one, RAFT_PRE_VOTE_ANSWER, 3)->refused);
    one.now_ms += ONE_ELECTION_MS;
    one_receive(&one, request);
    assert_false(one_sent(&one, RAFT_PRE_VOTE_ANSWER, 3)->refused);
    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
    one_step(&one, (struct raft_event){.kind = RAFT_PEER_LOST, .peer = 2});
    one_receive(&one, request);
    assert_true(one_sent(&one, RAFT_PRE_VOTE_ANSWER, 3)->refused);
    one_free(&one);
}

/* Without leases a lost connection frees its followers, and they soon campaign. */
static void a_lost_leader_frees_its_followers(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);
    struct raft_message request = one_from(3, RAFT_PRE_VOTE, 2);

    request.position = (struct raft_position){1, 1};
    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
    one_receive(&one, request);
    assert_true(one_sent(&one, RAFT_PRE_VOTE_ANSWER, 3)->refused);
    one_step(&one, (struct raft_event){.kind = RAFT_PEER_LOST, .peer = 3}); /* not the leader */
    assert_int_equal(one_state(&one).leader, 2);
    one_step(&one, (struct raft_event){.kind = RAFT_PEER_LOST, .peer = 2});
    assert_int_equal(one_state(&one).leader, 0);
    assert_true(one.effects.wake_at_ms <= one.now_ms + ONE_ELECTION_MS / 4);
    one_receive(&one, request);
    assert_false(one_sent(&one, RAFT_PRE_VOTE_ANSWER, 3)->refused);
    one_tick(&one, ONE_ELECTION_MS / 4);
    assert_int_equal(one_state(&one).role, RAFT_PRE_CANDIDATE);
    one_step(&one, (struct raft_event){.kind = RAFT_PEER_LOST, .peer = 3});
    assert_int_equal(one_state(&one).role, RAFT_PRE_CANDIDATE);
    one_free(&one);
}

/* ---- limits ---- */

/* More than may be uncommitted is refused; one of any size goes when nothing else waits. */
static void too_much_uncommitted_is_refused(void **state)
{
    static const uint32_t huge = UINT32_MAX;
    struct one one = one_start(3, "", 0, 0, NULL);
    struct raft_event event = {.kind = RAFT_PROPOSED};

    event.proposed.sizes = &huge;
    event.proposed.count = 1;
    one_lead_committed(&one);
    one_step(&one, event);
    assert_int_equal(one.status, STATUS_OK);
    assert_int_equal(one_propose(&one, 1), STATUS_BUSY);
    one_persist(&one);
    one_matched(&one, 2, 2);
    assert_int_equal(one_propose(&one, 1), STATUS_OK);
    one_step(&one, event);
    assert_int_equal(one.status, STATUS_BUSY);
    one_free(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_that_hears_no_majority_steps_down),
        cmocka_unit_test(a_leader_that_hears_a_majority_leads_on),
        cmocka_unit_test(a_read_waits_for_the_terms_first_commit),
        cmocka_unit_test(a_read_waits_for_a_round_of_its_own),
        cmocka_unit_test(a_round_goes_on_with_the_next_heartbeats),
        cmocka_unit_test(a_read_index_is_the_commit_index),
        cmocka_unit_test(one_round_serves_all_reads_that_waited),
        cmocka_unit_test(reads_fail_when_leadership_is_lost),
        cmocka_unit_test(a_follower_asks_its_leader_for_the_index),
        cmocka_unit_test(a_followers_question_does_not_wait_for_ever),
        cmocka_unit_test(too_many_reads_are_refused),
        cmocka_unit_test(a_lease_runs_from_the_sending_of_the_heartbeats),
        cmocka_unit_test(a_lease_ends_with_a_transfer),
        cmocka_unit_test(a_lease_outlives_connections_and_restarts),
        cmocka_unit_test(a_lost_leader_frees_its_followers),
        cmocka_unit_test(too_much_uncommitted_is_refused),
    };

    return cmocka_run_group_tests_name("raft_paper_clients", tests, NULL, NULL);
}
