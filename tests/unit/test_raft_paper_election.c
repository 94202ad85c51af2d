/* What the Raft paper (§5.1, §5.2, §5.4.1) and the dissertation (§3.3, §3.4, §3.6.1, §3.8, §3.10)
 * ask of elections: a test for each sentence, in their order, named after it. */
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

static struct raft_message vote_request(uint64_t from, uint64_t term, struct raft_position last)
{
    struct raft_message request = one_from(from, RAFT_VOTE, term);

    request.position = last;
    return request;
}

/* ---- §5.1: terms ---- */

/* "If one server's current term is smaller than the other's, then it updates its current term to
 * the larger value." */
static void a_smaller_term_is_updated_to_the_larger(void **state)
{
    static const enum raft_message_kind kinds[] = {RAFT_VOTE,
                                                   RAFT_VOTE_ANSWER,
                                                   RAFT_APPEND,
                                                   RAFT_APPEND_ANSWER,
                                                   RAFT_HEARTBEAT,
                                                   RAFT_HEARTBEAT_ANSWER,
                                                   RAFT_SNAPSHOT_ANSWER,
                                                   RAFT_READ_INDEX,
                                                   RAFT_READ_INDEX_ANSWER};

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct one one = one_start(3, "12", 2, 2, NULL);

        one_receive(&one, one_from(2, kinds[i], 7));
        assert_int_equal(one_state(&one).hard_state.term, 7);
        assert_int_equal(one_state(&one).hard_state.vote, 0); /* its log is too short for one */
        assert_non_null(one.effects.hard_state);
        assert_true(one.effects.writes);
        one_free(&one);
    }
}

/* "If a candidate or leader discovers that its term is out of date, it immediately reverts to
 * follower state." */
static void a_candidate_or_leader_out_of_date_reverts_to_follower(void **state)
{
    struct one candidate = one_start(3, "", 0, 0, no_pre_vote);
    struct one leader = one_start(3, "", 0, 0, NULL);

    one_step(&candidate, (struct raft_event){.kind = RAFT_CAMPAIGN});
    assert_int_equal(one_state(&candidate).role, RAFT_CANDIDATE);
    one_receive(&candidate, one_from(2, RAFT_VOTE_ANSWER, 5));
    assert_int_equal(one_state(&candidate).role, RAFT_FOLLOWER);
    one_lead(&leader);
    one_receive(&leader, one_from(2, RAFT_APPEND_ANSWER, 5));
    assert_int_equal(one_state(&leader).role, RAFT_FOLLOWER);
    assert_int_equal(one_state(&leader).leader, 0);
    one_free(&candidate);
    one_free(&leader);
}

/* "If a server receives a request with a stale term number, it rejects the request." */
static void a_request_with_a_stale_term_is_rejected(void **state)
{
    struct one one = one_start(3, "14", 4, 0, NULL);

    one_receive_append(&one, 2, 3, (struct raft_position){1, 1}, "3", 2);
    assert_true(one_sent(&one, RAFT_APPEND_ANSWER, 2)->refused);
    assert_int_equal(one_sent(&one, RAFT_APPEND_ANSWER, 2)->term, 4);
    assert_int_equal(one_state(&one).last.term, 4);
    assert_int_equal(one_state(&one).leader, 0);
    one_receive(&one, vote_request(2, 3, (struct raft_position){3, 9}));
    assert_true(one_sent(&one, RAFT_VOTE_ANSWER, 2)->refused);
    assert_int_equal(one_state(&one).hard_state.vote, 0);
    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 3));
    assert_int_equal(one_sent(&one, RAFT_APPEND_ANSWER, 2)->term, 4);
    one_receive(&one, one_from(2, RAFT_TIMEOUT_NOW, 3));
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    one_receive(&one, one_from(2, RAFT_READ_INDEX, 3));
    assert_int_equal(one.effects.eager_count, 0);
    one_free(&one);
}

/* "Each server stores a current term number, which increases monotonically over time." */
static void the_term_never_goes_back(void **state)
{
    struct one one = one_start(3, "1", 6, 0, bare);

    for (uint64_t kind = RAFT_PRE_VOTE; kind <= RAFT_READ_INDEX_ANSWER; kind++) {
        if (kind != RAFT_SNAPSHOT_OFFER) {
            one_receive(&one, one_from(2, (enum raft_message_kind)kind, 3));
            assert_int_equal(one.status, STATUS_OK);
            assert_int_equal(one_state(&one).hard_state.term, 6);
        }
    }
    one_free(&one);
}

/* ---- §5.2: leader election ---- */

/* "When servers start up, they begin as followers." */
static void a_server_starts_as_follower(void **state)
{
    struct one one = one_start(3, "12", 5, 1, NULL);

    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    assert_int_equal(one_state(&one).hard_state.term, 5);
    assert_int_equal(one_state(&one).hard_state.vote, 1);
    assert_int_equal(one_state(&one).leader, 0);
    one_free(&one);
}

/* "A server remains in follower state as long as it receives valid RPCs from a leader." */
static void a_follower_stays_while_it_hears_the_leader(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);

    for (int i = 0; i < 100; i++) {
        one_tick(&one, ONE_ELECTION_MS - 1);
        if (i % 2 == 0) {
            one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
        } else {
            one_receive_append(&one, 2, 1, (struct raft_position){1, 1}, "", 0);
        }
        assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
        assert_int_equal(one_state(&one).leader, 2);
        assert_true(one.effects.wake_at_ms >= one.now_ms + ONE_ELECTION_MS);
    }
    one_free(&one);
}

/* "Leaders send periodic heartbeats to all followers in order to maintain their authority." */
static void a_leader_sends_heartbeats_periodically(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    for (int i = 0; i < 5; i++) {
        assert_true(one.effects.wake_at_ms <= one.now_ms + ONE_HEARTBEAT_MS);
        assert_int_equal(one.effects.wake_at_ms % ONE_HEARTBEAT_MS, 0);
        one_tick(&one, one.effects.wake_at_ms - one.now_ms);
        assert_int_equal(one_sent_count(&one, RAFT_HEARTBEAT), 2);
        assert_int_equal(one_sent(&one, RAFT_HEARTBEAT, 2)->entry_count, 0);
    }
    one_free(&one);
}

/* "If a follower receives no communication over a period of time called the election timeout, then
 * it assumes there is no viable leader and begins an election." */
static void a_follower_that_hears_nothing_begins_an_election(void **state)
{
    struct one one = one_start(3, "", 0, 0, bare);

    one_tick(&one, ONE_ELECTION_MS - 1);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    one_tick(&one, ONE_ELECTION_MS + 1);
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    one_free(&one);
}

/* "To begin an election, a follower increments its current term and transitions to candidate state.
 * It then votes for itself and issues RequestVote RPCs in parallel to each of the other servers."
 */
static void a_candidate_increments_its_term_votes_for_itself_and_asks_all(void **state)
{
    struct one one = one_start(5, "13", 3, 4, bare);

    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    assert_int_equal(one_state(&one).hard_state.term, 4);
    assert_int_equal(one_state(&one).hard_state.vote, 1);
    assert_int_equal(one_sent_count(&one, RAFT_VOTE), 4);
    for (uint64_t id = 2; id <= 5; id++) {
        const struct raft_message *request = one_sent(&one, RAFT_VOTE, id);

        assert_int_equal(request->term, 4);
        assert_int_equal(request->position.index, 2);
        assert_int_equal(request->position.term, 3);
    }
    one_free(&one);
}

/* "A candidate wins an election if it receives votes from a majority of the servers in the full
 * cluster for the same term." */
static void a_candidate_wins_with_a_majority_of_the_same_term(void **state)
{
    struct one one = one_start(5, "", 0, 0, bare);

    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    one_persist(&one);
    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    one_persist(&one);
    assert_int_equal(one_state(&one).hard_state.term, 2);
    one_receive(&one, one_from(2, RAFT_VOTE_ANSWER, 1)); /* of the term before */
    one_receive(&one, one_from(3, RAFT_VOTE_ANSWER, 1));
    one_receive(&one, one_from(4, RAFT_VOTE_ANSWER, 2));
    one_receive(&one, one_from(4, RAFT_VOTE_ANSWER, 2)); /* counts once */
    one_receive(&one, one_from(9, RAFT_VOTE_ANSWER, 2)); /* not of the cluster */
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    one_receive(&one, one_from(5, RAFT_VOTE_ANSWER, 2));
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    one_free(&one);
}

/* A majority that refuses ends it. */
static void a_candidate_loses_with_a_majority_against_it(void **state)
{
    struct one one = one_start(3, "", 0, 0, bare);
    struct raft_message refusal = one_from(2, RAFT_VOTE_ANSWER, 1);

    refusal.refused = true;
    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    one_persist(&one);
    one_receive(&one, refusal);
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    refusal.from = 3;
    one_receive(&one, refusal);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    assert_int_equal(one_state(&one).hard_state.vote, 1);
    one_free(&one);
}

/* "Each server will vote for at most one candidate in a given term, on a first-come-first-served
 * basis." */
static void a_server_votes_for_one_candidate_a_term(void **state)
{
    struct one one = one_start(3, "", 0, 0, bare);

    one_receive(&one, vote_request(2, 1, (struct raft_position){0, 0}));
    assert_false(one_sent(&one, RAFT_VOTE_ANSWER, 2)->refused);
    one_receive(&one, vote_request(3, 1, (struct raft_position){0, 0}));
    assert_true(one_sent(&one, RAFT_VOTE_ANSWER, 3)->refused);
    one_receive(&one, vote_request(2, 1, (struct raft_position){0, 0})); /* asked again */
    assert_false(one_sent(&one, RAFT_VOTE_ANSWER, 2)->refused);
    assert_int_equal(one_state(&one).hard_state.vote, 2);
    one_receive(&one, vote_request(3, 2, (struct raft_position){0, 0})); /* another term */
    assert_false(one_sent(&one, RAFT_VOTE_ANSWER, 3)->refused);
    one_free(&one);
}

/* The same, when a transfer forces the second candidate. */
static void a_forced_candidate_gets_no_second_vote(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);
    struct raft_message forced = vote_request(3, 1, (struct raft_position){0, 0});

    one_receive(&one, vote_request(2, 1, (struct raft_position){0, 0}));
    forced.forced = true;
    one_receive(&one, forced);
    assert_true(one_sent(&one, RAFT_VOTE_ANSWER, 3)->refused);
    one_free(&one);
}

/* "Once a candidate wins an election, it becomes leader. It then sends heartbeat messages to all of
 * the other servers to establish its authority." Here its no-op does so. */
static void a_new_leader_tells_all_others_at_once(void **state)
{
    struct one one = one_start(3, "11", 1, 0, bare);

    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    one_persist(&one);
    one_receive(&one, one_from(2, RAFT_VOTE_ANSWER, 2));
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    for (uint64_t id = 2; id <= 3; id++) {
        const struct raft_message *append = one_sent(&one, RAFT_APPEND, id);

        assert_int_equal(append->term, 2);
        assert_int_equal(append->position.index, 2);
        assert_int_equal(append->entry_count, 1);
        assert_false(one_is_durable(&one, append));
    }
    assert_int_equal(one.effects.entries[0].kind, RAFT_ENTRY_NOOP);
    one_free(&one);
}

/* "If the leader's term is at least as large as the candidate's current term, then the candidate
 * recognizes the leader as legitimate and returns to follower state." */
static void a_candidate_follows_a_leader_of_its_term(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    assert_int_equal(one_state(&one).role, RAFT_PRE_CANDIDATE);
    one_receive(&one, one_from(2, RAFT_PRE_VOTE_ANSWER, 1));
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    one_receive(&one, one_from(3, RAFT_HEARTBEAT, 1));
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    assert_int_equal(one_state(&one).leader, 3);
    assert_int_equal(one_state(&one).hard_state.vote, 1);
    one_free(&one);
}

/* "If the term in the RPC is smaller than the candidate's current term, then the candidate rejects
 * the RPC and continues in candidate state." */
static void a_candidate_continues_against_a_leader_of_the_past(void **state)
{
    struct one one = one_start(3, "", 4, 0, bare);

    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    one_receive_append(&one, 2, 4, (struct raft_position){0, 0}, "4", 0);
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    assert_true(one_sent(&one, RAFT_APPEND_ANSWER, 2)->refused);
    assert_int_equal(one_state(&one).last.index, 0);
    one_free(&one);
}

/* "When this happens, each candidate will time out and start a new election by incrementing its
 * term." */
static void a_candidate_that_times_out_starts_a_new_election(void **state)
{
    struct one one = one_start(3, "", 0, 0, bare);

    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    one_persist(&one);
    one_tick(&one, 2 * ONE_ELECTION_MS);
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    assert_int_equal(one_state(&one).hard_state.term, 2);
    assert_int_equal(one_sent_count(&one, RAFT_VOTE), 2);
    one_free(&one);
}

/* "Election timeouts are chosen randomly from a fixed interval" and "each candidate restarts its
 * randomized election timeout at the start of an election". */
static void election_timeouts_are_drawn_anew_from_the_interval(void **state)
{
    struct one one = one_start(3, "", 0, 0, bare);
    uint64_t least_ms = UINT64_MAX;
    uint64_t most_ms = 0;

    for (int i = 0; i < 200; i++) {
        uint64_t timeout_ms;

        one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
        timeout_ms = one.effects.wake_at_ms - one.now_ms;
        least_ms = timeout_ms < least_ms ? timeout_ms : least_ms;
        most_ms = timeout_ms > most_ms ? timeout_ms : most_ms;
    }
    assert_in_range(least_ms, ONE_ELECTION_MS, ONE_ELECTION_MS + 50);
    assert_in_range(most_ms, 2 * ONE_ELECTION_MS - 50, 2 * ONE_ELECTION_MS);
    one_free(&one);
}

/* ---- §5.4.1: election restriction ---- */

/* "The voter denies its vote if its own log is more up-to-date than that of the candidate. If the
 * logs have last entries with different terms, then the log with the later term is more up-to-date.
 * If the logs end with the same term, then whichever log is longer is more up-to-date." */
static void a_vote_is_denied_to_a_log_less_up_to_date(void **state)
{
    static const struct {
        struct raft_position candidate;
        bool refused;
    } cases[] = {{{2, 3}, false}, {{2, 4}, false}, {{3, 1}, false}, {{2, 2}, true},
                 {{1, 3}, true},  {{1, 9}, true},  {{0, 0}, true}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int pre = 0; pre < 2; pre++) {
            struct one one = one_start(3, "122", 3, 0, NULL);
            struct raft_message request = vote_request(2, 4, cases[i].candidate);

            request.kind = pre ? RAFT_PRE_VOTE : RAFT_VOTE;
            one_receive(&one, request);
            assert_int_equal(
                one_sent(&one, pre ? RAFT_PRE_VOTE_ANSWER : RAFT_VOTE_ANSWER, 2)->refused,
                cases[i].refused);
            one_free(&one);
        }
    }
}

/* What is being written counts as well: the answer for it is on its way. */
static void a_vote_is_decided_on_entries_that_are_not_durable_yet(void **state)
{
    struct one one = one_start(3, "1", 1, 0, bare);

    one_receive_append(&one, 2, 1, (struct raft_position){1, 1}, "11", 0);
    assert_int_equal(one_state(&one).persisted_index, 1);
    one_receive(&one, vote_request(3, 2, (struct raft_position){1, 2}));
    assert_true(one_sent(&one, RAFT_VOTE_ANSWER, 3)->refused);
    one_free(&one);
}

/* ---- §3.8: persisted state ---- */

/* "Each server persists its current term and vote": before it answers. */
static void a_vote_waits_until_term_and_vote_are_durable(void **state)
{
    struct one one = one_start(3, "", 0, 0, bare);
    const struct raft_message *answer;

    one_receive(&one, vote_request(2, 1, (struct raft_position){0, 0}));
    answer = one_sent(&one, RAFT_VOTE_ANSWER, 2);
    assert_true(one_is_durable(&one, answer));
    assert_int_equal(one.effects.hard_state->term, 1);
    assert_int_equal(one.effects.hard_state->vote, 2);
    one_free(&one);
}

/* A candidate's own vote too: neither is it told nor does it count before. */
static void a_candidates_own_vote_counts_when_it_is_durable(void **state)
{
    struct one one = one_start(3, "", 0, 0, bare);
    struct raft_mark mark;

    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    assert_true(one_is_durable(&one, one_sent(&one, RAFT_VOTE, 2)));
    mark = one.effects.mark;
    one_receive(&one, one_from(2, RAFT_VOTE_ANSWER, 1));
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    one_step(&one, (struct raft_event){.kind = RAFT_PERSISTED, .persisted = mark});
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    one_free(&one);
}

/* "The commit index is reinitialized": to what the state has applied. */
static void the_commit_index_begins_with_the_applied_index(void **state)
{
    struct one one = one_start(3, "111", 1, 0, NULL);

    assert_int_equal(one_state(&one).commit_index, 0);
    assert_int_equal(one_state(&one).persisted_index, 3);
    one_free(&one);
}

/* ---- §3.10: leadership transfer ---- */

/* "1. The prior leader stops accepting new client requests." */
static void a_leader_that_hands_over_takes_no_proposals(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    one_step(&one, (struct raft_event){.kind = RAFT_TRANSFER, .peer = 2});
    assert_int_equal(one.status, STATUS_OK);
    assert_int_equal(one_propose(&one, 1), STATUS_BUSY);
    assert_int_equal(one_change(&one, "12"), STATUS_BUSY);
    one_free(&one);
}

/* "2. The prior leader fully updates the target server's log to match its own. 3. The prior leader
 * sends a TimeoutNow request to the target server." */
static void the_target_is_told_when_it_has_the_whole_log(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    one_propose(&one, 1);
    one_step(&one, (struct raft_event){.kind = RAFT_TRANSFER, .peer = 2});
    assert_null(one_sent(&one, RAFT_TIMEOUT_NOW, 0));
    one_matched(&one, 3, 2);
    assert_null(one_sent(&one, RAFT_TIMEOUT_NOW, 0));
    one_matched(&one, 2, 2);
    assert_non_null(one_sent(&one, RAFT_TIMEOUT_NOW, 2));
    one_free(&one);
}

/* "This request has the same effect as the target server's election timer firing: the target server
 * starts a new election (incrementing its term and becoming a candidate)": and past any lease. */
static void the_target_campaigns_at_once_and_by_force(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);

    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
    one_receive(&one, one_from(2, RAFT_TIMEOUT_NOW, 1));
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    assert_int_equal(one_state(&one).hard_state.term, 2);
    assert_true(one_sent(&one, RAFT_VOTE, 2)->forced);
    one_free(&one);
}

/* "If leadership transfer does not complete after about an election timeout, the prior leader
 * aborts the transfer and resumes accepting client requests." */
static void a_transfer_that_fails_is_aborted_after_an_election_timeout(void **state)
{
    struct one one = one_start(3, "", 0, 0, bare);

    one_lead_committed(&one);
    one_step(&one, (struct raft_event){.kind = RAFT_TRANSFER, .peer = 2});
    one_tick(&one, ONE_ELECTION_MS - 1);
    assert_int_equal(one_propose(&one, 1), STATUS_BUSY);
    one_tick(&one, 1);
    assert_int_equal(one_propose(&one, 1), STATUS_OK);
    one_free(&one);
}

/* ---- §9.6: pre-vote ---- */

/* "A candidate only increments its term if it first learns from a majority of the cluster that they
 * would be willing to grant the candidate their votes." */
static void the_term_rises_only_after_a_majority_would_vote(void **state)
{
    struct one one = one_start(5, "1", 3, 2, NULL);
    struct raft_message refusal = one_from(2, RAFT_PRE_VOTE_ANSWER, 3);

    refusal.refused = true;
    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    assert_int_equal(one_sent(&one, RAFT_PRE_VOTE, 2)->term, 4);
    assert_null(one.effects.hard_state);
    one_receive(&one, refusal);
    one_receive(&one, one_from(3, RAFT_PRE_VOTE_ANSWER, 4));
    assert_int_equal(one_state(&one).hard_state.term, 3);
    assert_int_equal(one_state(&one).hard_state.vote, 2);
    one_receive(&one, one_from(4, RAFT_PRE_VOTE_ANSWER, 4));
    assert_int_equal(one_state(&one).hard_state.term, 4);
    assert_int_equal(one_state(&one).role, RAFT_CANDIDATE);
    one_free(&one);
}

/* A pre-vote binds nobody: neither term nor vote of the one that is asked change. */
static void a_pre_vote_changes_nothing(void **state)
{
    struct one one = one_start(3, "1", 3, 2, NULL);
    struct raft_message request = one_from(3, RAFT_PRE_VOTE, 4);

    request.position = (struct raft_position){1, 1};
    one_receive(&one, request);
    assert_false(one_sent(&one, RAFT_PRE_VOTE_ANSWER, 3)->refused);
    assert_int_equal(one_sent(&one, RAFT_PRE_VOTE_ANSWER, 3)->term, 4);
    assert_false(one.effects.writes);
    assert_int_equal(one_state(&one).hard_state.term, 3);
    assert_int_equal(one_state(&one).hard_state.vote, 2);
    request.term = 3; /* asks for a term that is there already */
    one_receive(&one, request);
    assert_true(one_sent(&one, RAFT_PRE_VOTE_ANSWER, 3)->refused);
    one_free(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_smaller_term_is_updated_to_the_larger),
        cmocka_unit_test(a_candidate_or_leader_out_of_date_reverts_to_follower),
        cmocka_unit_test(a_request_with_a_stale_term_is_rejected),
        cmocka_unit_test(the_term_never_goes_back),
        cmocka_unit_test(a_server_starts_as_follower),
        cmocka_unit_test(a_follower_stays_while_it_hears_the_leader),
        cmocka_unit_test(a_leader_sends_heartbeats_periodically),
        cmocka_unit_test(a_follower_that_hears_nothing_begins_an_election),
        cmocka_unit_test(a_candidate_increments_its_term_votes_for_itself_and_asks_all),
        cmocka_unit_test(a_candidate_wins_with_a_majority_of_the_same_term),
        cmocka_unit_test(a_candidate_loses_with_a_majority_against_it),
        cmocka_unit_test(a_server_votes_for_one_candidate_a_term),
        cmocka_unit_test(a_forced_candidate_gets_no_second_vote),
        cmocka_unit_test(a_new_leader_tells_all_others_at_once),
        cmocka_unit_test(a_candidate_follows_a_leader_of_its_term),
        cmocka_unit_test(a_candidate_continues_against_a_leader_of_the_past),
        cmocka_unit_test(a_candidate_that_times_out_starts_a_new_election),
        cmocka_unit_test(election_timeouts_are_drawn_anew_from_the_interval),
        cmocka_unit_test(a_vote_is_denied_to_a_log_less_up_to_date),
        cmocka_unit_test(a_vote_is_decided_on_entries_that_are_not_durable_yet),
        cmocka_unit_test(a_vote_waits_until_term_and_vote_are_durable),
        cmocka_unit_test(a_candidates_own_vote_counts_when_it_is_durable),
        cmocka_unit_test(the_commit_index_begins_with_the_applied_index),
        cmocka_unit_test(a_leader_that_hands_over_takes_no_proposals),
        cmocka_unit_test(the_target_is_told_when_it_has_the_whole_log),
        cmocka_unit_test(the_target_campaigns_at_once_and_by_force),
        cmocka_unit_test(a_transfer_that_fails_is_aborted_after_an_election_timeout),
        cmocka_unit_test(the_term_rises_only_after_a_majority_would_vote),
        cmocka_unit_test(a_pre_vote_changes_nothing),
    };

    return cmocka_run_group_tests_name("raft_paper_election", tests, NULL, NULL);
}
