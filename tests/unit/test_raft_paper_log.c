/* What the Raft paper (§5.3, §5.4.2, Figure 2) and the dissertation (§3.5, §3.6.2, §3.8) ask of log
 * replication: a test for each sentence, in their order, named after it. */
#include "tests/unit/raft_one.h"
#include "tests/unit/unit.h"

static void bare(struct raft_options *options)
{
    options->pre_vote_off = true;
    options->check_quorum_off = true;
}

static struct raft_position at(uint64_t term, uint64_t index)
{
    return (struct raft_position){.term = term, .index = index};
}

/* The terms of its log, as digits. */
static void assert_log(const struct one *one, uint64_t last_term, uint64_t last_index)
{
    assert_int_equal(one_state(one).last.term, last_term);
    assert_int_equal(one_state(one).last.index, last_index);
}

/* ---- the leader ---- */

/* "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs in
 * parallel to each of the other servers to replicate the entry": not waiting for its own disk. */
static void a_leader_appends_and_sends_to_all_at_once(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    assert_int_equal(one_propose(&one, 2), STATUS_OK);
    assert_int_equal(one.effects.entry_count, 2);
    assert_int_equal(one.effects.entries[0].index, 2);
    assert_int_equal(one.effects.entries[1].index, 3);
    assert_int_equal(one.effects.entries[1].term, 1);
    assert_int_equal(one.effects.entries[1].kind, RAFT_ENTRY_COMMAND);
    assert_int_equal(one_sent_count(&one, RAFT_APPEND), 2);
    assert_int_equal(one_sent(&one, RAFT_APPEND, 3)->entry_count, 2);
    assert_false(one_is_durable(&one, one_sent(&one, RAFT_APPEND, 3)));
    one_free(&one);
}

/* Only the leader takes commands. */
static void a_follower_takes_no_commands(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
    assert_int_equal(one_propose(&one, 1), STATUS_NOT_LEADER);
    assert_int_equal(one_state(&one).leader, 2); /* §6.2: whom to ask */
    one_free(&one);
}

/* "If followers crash or run slowly, or if network packets are lost, the leader retries
 * AppendEntries RPCs indefinitely until all followers eventually store all log entries." */
static void a_leader_retries_until_the_follower_has_all(void **state)
{
    struct one one = one_start(3, "", 0, 0, bare);

    one_lead_committed(&one);
    one_propose(&one, 1); /* and its append to 3 is lost, again and again */
    for (int i = 0; i < 20; i++) {
        struct raft_message answer = one_from(3, RAFT_HEARTBEAT_ANSWER, 1);

        one_tick(&one, ONE_HEARTBEAT_MS);
        answer.sent_at_ms = one_sent(&one, RAFT_HEARTBEAT, 3)->sent_at_ms;
        answer.round = one_sent(&one, RAFT_HEARTBEAT, 3)->round;
        answer.index = 1;
        one_receive(&one, answer);
        assert_int_equal(one_sent_count(&one, RAFT_APPEND), 1); /* one, and not all over */
        assert_int_equal(one_sent(&one, RAFT_APPEND, 3)->position.index, 1);
        assert_int_equal(one_sent(&one, RAFT_APPEND, 3)->entry_count, 1);
    }
    one_free(&one);
}

/* "A log entry is committed once the leader that created the entry has replicated it on a majority
 * of the servers": durably, the leader's own log counting as any other (§10.2.1). */
static void an_entry_is_committed_when_a_majority_has_it_durably(void **state)
{
    struct one one = one_start(5, "", 0, 0, NULL);

    one_lead_committed(&one);
    one_propose(&one, 1);
    one_matched(&one, 2, 2);
    one_matched(&one, 3, 2);
    assert_int_equal(one_state(&one).commit_index, 1); /* its own is not durable */
    one_matched(&one, 4, 2);
    assert_int_equal(one_state(&one).commit_index, 2); /* and is not needed */
    assert_int_equal(one.effects.apply_through, 1);    /* but for applying it */
    one_persist(&one);
    assert_int_equal(one.effects.apply_through, 2);
    one_free(&one);
}

static void the_leaders_own_entry_counts_when_it_is_durable(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);
    struct raft_mark mark;

    one_lead_committed(&one);
    one_propose(&one, 1);
    mark = one.effects.mark;
    one_propose(&one, 1); /* and it goes on */
    one_matched(&one, 2, 3);
    assert_int_equal(one_state(&one).commit_index, 1);
    one_step(&one, (struct raft_event){.kind = RAFT_PERSISTED, .persisted = mark});
    assert_int_equal(one_state(&one).commit_index, 2);
    one_free(&one);
}

/* "The leader keeps track of the highest index it knows to be committed, and it includes that index
 * in future AppendEntries RPCs (including heartbeats) so that the other servers eventually find
 * out." */
static void followers_are_told_the_commit_index(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    one_propose(&one, 1);
    one_persist(&one);
    one_matched(&one, 2, 2);
    assert_int_equal(one_sent(&one, RAFT_APPEND, 2)->commit, 2);
    assert_int_equal(one_sent(&one, RAFT_APPEND, 2)->entry_count, 0);
    one_tick(&one, ONE_HEARTBEAT_MS);
    assert_int_equal(one_sent(&one, RAFT_HEARTBEAT, 2)->commit, 2);
    assert_int_equal(one_sent(&one, RAFT_HEARTBEAT, 3)->commit, 1); /* all that it surely has */
    one_free(&one);
}

/* "Once a follower learns that a log entry is committed, it applies the entry to its local state
 * machine (in log order)." */
static void a_follower_applies_what_it_learns_is_committed(void **state)
{
    struct one one = one_start(3, "111", 1, 0, NULL);
    struct raft_message heartbeat = one_from(2, RAFT_HEARTBEAT, 1);

    one_receive_append(&one, 2, 1, at(1, 3), "", 2);
    assert_int_equal(one.effects.apply_through, 2);
    heartbeat.commit = 3;
    one_receive(&one, heartbeat);
    assert_int_equal(one.effects.apply_through, 3);
    one_free(&one);
}

/* "When sending an AppendEntries RPC, the leader includes the index and term of the entry in its
 * log that immediately precedes the new entries." */
static void an_append_names_the_entry_before(void **state)
{
    struct one one = one_start(3, "1123", 3, 0, NULL);

    one_lead(&one);
    for (uint64_t id = 2; id <= 3; id++) {
        one_matched(&one, id, 4);
    }
    one_propose(&one, 1);
    assert_int_equal(one_sent(&one, RAFT_APPEND, 2)->position.index, 5);
    assert_int_equal(one_sent(&one, RAFT_APPEND, 2)->position.term, 4);
    one_free(&one);
}

/* "Leader Append-Only: a leader never overwrites or deletes entries in its log": one that would
 * have to meets a second leader of its term, which cannot be. */
static void a_leader_never_overwrites_its_own_log(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);

    one_lead_committed(&one);
    one_receive_append(&one, 2, 1, at(0, 0), "1", 0);
    assert_int_equal(one.status, STATUS_CORRUPT);
    assert_int_equal(one.effects.entry_count + one.effects.eager_count, 0);
    assert_int_equal(one.effects.wake_at_ms, UINT64_MAX);
    one_tick(&one, 10000); /* and nothing more comes of it */
    assert_int_equal(one.status, STATUS_CORRUPT);
    assert_int_equal(one.effects.eager_count, 0);
    one_free(&one);
}

/* "When a leader first comes to power, it initializes all nextIndex values to the index just after
 * the last one in its log." */
static void next_indexes_begin_after_the_leaders_log(void **state)
{
    struct one one = one_start(3, "11", 1, 0, NULL);
    struct raft_peer peer;

    one_lead(&one);
    assert_int_equal(raft_peer(one.raft, 2, &peer), STATUS_OK);
    assert_int_equal(peer.next, 3);
    assert_int_equal(peer.match, 0);
    assert_int_equal(peer.mode, RAFT_PROBE);
    assert_int_equal(raft_peer(one.raft, 9, &peer), STATUS_NOT_FOUND);
    one_free(&one);
}

/* "After a rejection, the leader decrements nextIndex and retries the AppendEntries RPC. Eventually
 * nextIndex will reach a point where the leader and follower logs match." */
static void after_a_refusal_the_leader_steps_back_and_retries(void **state)
{
    struct one one = one_start(3, "111333", 3, 0, NULL);
    struct raft_message refusal = one_from(2, RAFT_APPEND_ANSWER, 4);
    struct raft_peer peer;

    one_lead(&one);
    refusal.refused = true;
    refusal.index = 6;
    refusal.position = at(2, 5); /* its entry 5 is of term 2: before our term 3 at best */
    one_receive(&one, refusal);
    assert_int_equal(one_sent(&one, RAFT_APPEND, 2)->position.index, 3);
    one_receive(&one, refusal); /* the same again says nothing new */
    assert_null(one_sent(&one, RAFT_APPEND, 2));
    refusal.index = 3;
    refusal.position = at(0, 0);
    one_receive(&one, refusal);
    assert_int_equal(one_sent(&one, RAFT_APPEND, 2)->position.index, 0);
    assert_int_equal(one_sent(&one, RAFT_APPEND, 2)->entry_count, 7);
    one_matched(&one, 2, 7);
    assert_int_equal(raft_peer(one.raft, 2, &peer), STATUS_OK);
    assert_int_equal(peer.mode, RAFT_REPLICATE);
    assert_int_equal(peer.match, 7);
    one_free(&one);
}

/* A refusal in the middle of a stream: back to what is known to match. */
static void a_refusal_of_a_stream_begins_a_probe(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);
    struct raft_message refusal = one_from(2, RAFT_APPEND_ANSWER, 1);
    struct raft_peer peer;

    one_lead_committed(&one);
    one_propose(&one, 1);
    one_propose(&one, 1);
    refusal.refused = true;
    refusal.index = 1; /* of before: it matches there since */
    one_receive(&one, refusal);
    assert_int_equal(raft_peer(one.raft, 2, &peer), STATUS_OK);
    assert_int_equal(peer.mode, RAFT_REPLICATE);
    refusal.index = 2;
    refusal.position = at(1, 1);
    one_receive(&one, refusal);
    assert_int_equal(raft_peer(one.raft, 2, &peer), STATUS_OK);
    assert_int_equal(peer.mode, RAFT_PROBE);
    assert_int_equal(one_sent(&one, RAFT_APPEND, 2)->position.index, 1);
    assert_int_equal(one_sent(&one, RAFT_APPEND, 2)->entry_count, 2);
    one_free(&one);
}

/* ---- the follower ---- */

/* "If the follower does not find an entry in its log with the same index and term, then it refuses
 * the new entries." */
static void a_follower_without_the_entry_before_refuses(void **state)
{
    struct one one = one_start(3, "122", 3, 0, NULL);
    const struct raft_message *answer;

    one_receive_append(&one, 2, 3, at(3, 5), "3", 0); /* not there */
    answer = one_sent(&one, RAFT_APPEND_ANSWER, 2);
    assert_true(answer->refused);
    assert_int_equal(answer->index, 5);
    assert_int_equal(answer->position.index, 3);
    one_receive_append(&one, 2, 3, at(1, 3), "3", 0); /* of another term */
    answer = one_sent(&one, RAFT_APPEND_ANSWER, 2);
    assert_true(answer->refused);
    assert_int_equal(answer->index, 3);
    assert_int_equal(answer->position.index, 1); /* where term 1 may still agree */
    assert_log(&one, 2, 3);
    one_free(&one);
}

/* "If an existing entry conflicts with a new one (same index but different terms), delete the
 * existing entry and all that follow it." */
static void a_conflicting_entry_and_all_after_it_are_deleted(void **state)
{
    struct one one = one_start(3, "12222", 3, 0, NULL);

    one_receive_append(&one, 2, 3, at(2, 2), "33", 0);
    assert_int_equal(one.effects.truncate_from, 3);
    assert_int_equal(one.effects.entry_count, 2);
    assert_int_equal(one.effects.entries[0].index, 3);
    assert_log(&one, 3, 4);
    assert_int_equal(one_state(&one).persisted_index, 2);
    one_free(&one);
}

/* "Append any new entries not already in the log": and a late append does not cut off what a later
 * one brought. */
static void entries_that_are_there_are_left_alone(void **state)
{
    struct one one = one_start(3, "1222", 2, 0, NULL);

    one_receive_append(&one, 2, 2, at(1, 1), "22", 0);
    assert_false(one.effects.writes);
    assert_log(&one, 2, 4);
    assert_int_equal(one_sent(&one, RAFT_APPEND_ANSWER, 2)->index, 3); /* of what it was asked */
    one_receive_append(&one, 2, 2, at(2, 3), "222", 0);
    assert_int_equal(one.effects.truncate_from, 0);
    assert_int_equal(one.effects.entry_count, 2);
    assert_int_equal(one.effects.entries[0].index, 5);
    one_free(&one);
}

/* "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry)." */
static void commits_reach_to_the_last_new_entry_at_most(void **state)
{
    struct one one = one_start(3, "11222", 3, 0, NULL);

    one_receive_append(&one, 2, 3, at(1, 1), "1", 9);
    assert_int_equal(one_state(&one).commit_index, 2);
    one_receive_append(&one, 2, 3, at(1, 2), "333", 4);
    assert_int_equal(one_state(&one).commit_index, 4);
    one_free(&one);
}

/* The commit index never goes back, whatever comes late. */
static void the_commit_index_never_goes_back(void **state)
{
    struct one one = one_start(3, "1111", 1, 0, NULL);
    struct raft_message heartbeat = one_from(2, RAFT_HEARTBEAT, 1);

    one_receive_append(&one, 2, 1, at(1, 4), "", 4);
    one_receive_append(&one, 2, 1, at(1, 1), "1", 1);
    assert_int_equal(one_state(&one).commit_index, 4);
    assert_int_equal(one_sent(&one, RAFT_APPEND_ANSWER, 2)->index, 4);
    one_receive_append(&one, 2, 1, at(1, 4), "", 2);
    assert_int_equal(one_state(&one).commit_index, 4);
    heartbeat.commit = 3;
    one_receive(&one, heartbeat);
    assert_int_equal(one_state(&one).commit_index, 4);
    assert_int_equal(one.effects.apply_through, 4);
    one_free(&one);
}

/* "State machine safety": what is committed is never replaced, whoever asks for it. */
static void a_committed_entry_is_never_overwritten(void **state)
{
    struct one one = one_start(3, "1111", 1, 0, NULL);

    one_receive_append(&one, 2, 1, at(1, 4), "", 3);
    one_receive_append(&one, 3, 2, at(1, 1), "222", 4);
    assert_false(one.effects.truncate_from != 0);
    assert_int_equal(one.effects.entry_count, 0);
    assert_log(&one, 1, 4);
    one_receive_append(&one, 3, 2, at(1, 3), "2", 3); /* after it all is open */
    assert_int_equal(one.effects.truncate_from, 4);
    one_free(&one);
}

/* A heartbeat that speaks of commits that the log does not have: it lost what it had promised. */
static void a_log_that_lost_what_it_promised_is_broken(void **state)
{
    struct one one = one_start(3, "11", 1, 0, NULL);
    struct raft_message heartbeat = one_from(2, RAFT_HEARTBEAT, 1);

    heartbeat.commit = 3;
    one_receive(&one, heartbeat);
    assert_int_equal(one.status, STATUS_CORRUPT);
    one_free(&one);
}

/* Two leaders of one term cannot be: whoever sees them is not to be trusted any more. */
static void two_leaders_of_a_term_break_a_follower(void **state)
{
    struct one one = one_start(3, "", 1, 0, NULL);

    one_receive(&one, one_from(2, RAFT_HEARTBEAT, 1));
    one_receive(&one, one_from(3, RAFT_HEARTBEAT, 1));
    assert_int_equal(one.status, STATUS_CORRUPT);
    one_free(&one);
}

/* ---- §5.4.2: commits of older terms ---- */

/* "Raft never commits log entries from previous terms by counting replicas. Only log entries from
 * the leader's current term are committed by counting replicas; once an entry from the current term
 * has been committed in this way, then all prior entries are committed indirectly." */
static void entries_of_older_terms_commit_beneath_one_of_this(void **state)
{
    struct one one = one_start(3, "12", 3, 0, NULL);

    one_lead(&one);
    one_matched(&one, 2, 2);
    one_matched(&one, 3, 2);
    assert_int_equal(one_state(&one).commit_index, 0);
    one_matched(&one, 2, 3);
    assert_int_equal(one_state(&one).commit_index, 3);
    assert_int_equal(one.effects.apply_through, 3);
    one_free(&one);
}

/* ---- §3.8: persisted state ---- */

/* "Each server also persists new log entries before they are counted towards the entries'
 * commitment": the answer waits for the write, also one that only repeats an answer. */
static void an_answer_waits_until_the_entries_are_durable(void **state)
{
    struct one one = one_start(3, "", 1, 0, NULL);

    one_receive_append(&one, 2, 1, at(0, 0), "1", 0);
    assert_true(one_is_durable(&one, one_sent(&one, RAFT_APPEND_ANSWER, 2)));
    one_receive_append(&one, 2, 1, at(0, 0), "1", 0);
    assert_false(one.effects.writes);
    assert_true(one_is_durable(&one, one_sent(&one, RAFT_APPEND_ANSWER, 2)));
    one_free(&one);
}

/* What is committed but not durable here yet is not applied here. */
static void what_is_not_durable_is_not_applied(void **state)
{
    struct one one = one_start(3, "", 1, 0, NULL);

    one_receive_append(&one, 2, 1, at(0, 0), "11", 2);
    assert_int_equal(one_state(&one).commit_index, 2);
    assert_int_equal(one.effects.apply_through, 0);
    one_step(&one, (struct raft_event){.kind = RAFT_APPLIED, .index = 1});
    assert_int_equal(one.status, STATUS_INVALID);
    one_receive_append(&one, 2, 1, at(1, 2), "1", 2);
    one_persist(&one);
    assert_int_equal(one.effects.apply_through, 2);
    one_step(&one, (struct raft_event){.kind = RAFT_APPLIED, .index = 2});
    assert_int_equal(one.status, STATUS_OK);
    assert_int_equal(one_state(&one).applied_index, 2);
    one_free(&one);
}

/* A completion of a write whose tail was overwritten since says nothing of what took its place. */
static void a_late_completion_of_an_overwritten_tail_is_void(void **state)
{
    struct one one = one_start(3, "1", 1, 0, bare);
    struct raft_mark old;

    one_receive_append(&one, 2, 1, at(1, 1), "111", 0);
    old = one.effects.mark;
    one_receive_append(&one, 3, 2, at(1, 1), "222", 0);
    assert_int_equal(one.effects.truncate_from, 2);
    one_step(&one, (struct raft_event){.kind = RAFT_PERSISTED, .persisted = old});
    assert_int_equal(one_state(&one).persisted_index, 1);
    one_free(&one);
}

/* The same within one term, where what follows the mark was cut off by this term's leader. */
static void a_late_completion_within_a_term_is_void(void **state)
{
    struct one one = one_start(3, "1", 1, 0, bare);
    struct raft_mark old;

    one_receive_append(&one, 2, 1, at(1, 1), "111", 0);
    one_receive(&one, one_from(3, RAFT_HEARTBEAT, 2)); /* the term is written, with that tail */
    old = one.effects.mark;
    assert_int_equal(old.term, 2);
    one_receive_append(&one, 3, 2, at(1, 1), "2222", 0);
    one_step(&one, (struct raft_event){.kind = RAFT_PERSISTED, .persisted = old});
    assert_int_equal(one_state(&one).persisted_index, 1);
    one_free(&one);
}

/* A completion says nothing to a leader of a later term, and nothing is answered for it. */
static void a_completion_after_a_change_of_term_answers_nobody(void **state)
{
    struct one one = one_start(3, "1", 1, 0, bare);
    struct raft_mark old;

    one_receive_append(&one, 2, 1, at(1, 1), "111", 0);
    old = one.effects.mark;
    one_receive(&one, one_from(3, RAFT_HEARTBEAT, 2));
    one_step(&one, (struct raft_event){.kind = RAFT_PERSISTED, .persisted = old});
    assert_int_equal(one.effects.eager_count + one.effects.durable_count, 0);
    one_free(&one);
}

/* "AppendEntries is idempotent": an answer of more than was sent, or by a stranger, counts nothing.
 */
static void impossible_answers_count_nothing(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);
    struct raft_peer peer;

    one_lead(&one);
    one_matched(&one, 2, 99);
    one_matched(&one, 9, 1);
    assert_int_equal(one_state(&one).commit_index, 0);
    assert_int_equal(raft_peer(one.raft, 2, &peer), STATUS_OK);
    assert_int_equal(peer.match, 0);
    one_free(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_appends_and_sends_to_all_at_once),
        cmocka_unit_test(a_follower_takes_no_commands),
        cmocka_unit_test(a_leader_retries_until_the_follower_has_all),
        cmocka_unit_test(an_entry_is_committed_when_a_majority_has_it_durably),
        cmocka_unit_test(the_leaders_own_entry_counts_when_it_is_durable),
        cmocka_unit_test(followers_are_told_the_commit_index),
        cmocka_unit_test(a_follower_applies_what_it_learns_is_committed),
        cmocka_unit_test(an_append_names_the_entry_before),
        cmocka_unit_test(a_leader_never_overwrites_its_own_log),
        cmocka_unit_test(next_indexes_begin_after_the_leaders_log),
        cmocka_unit_test(after_a_refusal_the_leader_steps_back_and_retries),
        cmocka_unit_test(a_refusal_of_a_stream_begins_a_probe),
        cmocka_unit_test(a_follower_without_the_entry_before_refuses),
        cmocka_unit_test(a_conflicting_entry_and_all_after_it_are_deleted),
        cmocka_unit_test(entries_that_are_there_are_left_alone),
        cmocka_unit_test(commits_reach_to_the_last_new_entry_at_most),
        cmocka_unit_test(the_commit_index_never_goes_back),
        cmocka_unit_test(a_committed_entry_is_never_overwritten),
        cmocka_unit_test(a_log_that_lost_what_it_promised_is_broken),
        cmocka_unit_test(two_leaders_of_a_term_break_a_follower),
        cmocka_unit_test(entries_of_older_terms_commit_beneath_one_of_this),
        cmocka_unit_test(an_answer_waits_until_the_entries_are_durable),
        cmocka_unit_test(what_is_not_durable_is_not_applied),
        cmocka_unit_test(a_late_completion_of_an_overwritten_tail_is_void),
        cmocka_unit_test(a_late_completion_within_a_term_is_void),
        cmocka_unit_test(a_completion_after_a_change_of_term_answers_nobody),
        cmocka_unit_test(impossible_answers_count_nothing),
    };

    return cmocka_run_group_tests_name("raft_paper_log", tests, NULL, NULL);
}
