/* storage/raft against its callers and peers: options that contradict each other, messages that no
 * replica sends, events at the wrong time, and the bounds of what it keeps. */
#include "core/memory.h"
#include "core/random.h"
#include "storage/raft/log_tail.h"
#include "storage/raft/outbox.h"
#include "tests/unit/raft_one.h"
#include "tests/unit/unit.h"

/* ---- options ---- */

static struct raft_configuration_at three[3];
static struct raft_term_run runs[3];
static uint32_t sizes[8];

static struct raft_options allowed_options(void)
{
    three[0] = (struct raft_configuration_at){.configuration = one_configuration("1 2 3")};
    three[1] = (struct raft_configuration_at){5, one_configuration("1 2 3 L4")};
    three[2] = (struct raft_configuration_at){7, one_configuration("1 2 3")};
    runs[0] = (struct raft_term_run){4, 2};
    runs[1] = (struct raft_term_run){6, 3};
    runs[2] = (struct raft_term_run){8, 5};
    return (struct raft_options){.id = 1,
                                 .hard_state = {.term = 5},
                                 .compacted = {.term = 1, .index = 3},
                                 .runs = runs,
                                 .run_count = 3,
                                 .sizes = sizes,
                                 .entry_count = 5,
                                 .applied_index = 4,
                                 .configurations = three,
                                 .configuration_count = 3};
}

static void assert_new(const struct raft_options *options, enum status expected)
{
    struct raft *raft = NULL;

    assert_int_equal(raft_new(options, &raft), expected);
    assert_int_equal(raft != NULL, expected == STATUS_OK);
    raft_free(raft);
}

#define assert_refused(change)                                                                     \
    do {                                                                                           \
        struct raft_options options = allowed_options();                                           \
        change;                                                                                    \
        assert_new(&options, STATUS_INVALID);                                                      \
    } while (0)

static void options_that_contradict_each_other_are_refused(void **state)
{
    struct raft_options allowed = allowed_options();

    assert_new(&allowed, STATUS_OK);
    assert_refused(options.id = 0);
    assert_refused(options.heartbeat_ms = 1000);
    assert_refused(options.election_timeout_min_ms = 2);
    assert_refused(options.election_timeout_max_ms = 100);
    assert_refused(options.hard_state.term = 4);
    assert_refused(options.applied_index = 2);
    assert_refused(options.applied_index = 9);
    assert_refused(options.compacted.term = 0);
    assert_refused(options.compacted.term = 3);
    assert_refused(options.compacted.index = 4);
    assert_refused(options.run_count = 0);
    assert_refused(options.entry_count = 0);
    assert_refused(options.entry_count = 4);
    assert_refused(runs[1].first_index = 4);
    assert_refused(runs[1].term = 2);
    assert_refused(runs[2].term = 1);
    assert_refused(options.configuration_count = 0);
    assert_refused(options.applied_index = 5);
    assert_refused(three[1].index = 7);
    assert_refused(three[2].index = 9);
    assert_refused(three[0].index = 5);
    assert_refused(three[0].configuration.count = 0; three[0].index = 1);
    assert_refused(three[1].configuration = one_configuration("L1"));
    raft_free(NULL);
}

static void a_vote_without_a_term_is_refused(void **state)
{
    struct raft_configuration_at first = {.configuration = one_configuration("1")};
    struct raft_term_run nothing = {1, 0};
    struct raft_options options = {
        .id = 1, .hard_state = {.vote = 1}, .configurations = &first, .configuration_count = 1};

    assert_new(&options, STATUS_INVALID);
    options.hard_state.vote = 0;
    assert_new(&options, STATUS_OK);
    options.runs = &nothing;
    options.run_count = 1;
    options.sizes = sizes;
    options.entry_count = 1;
    assert_new(&options, STATUS_INVALID);
}

/* ---- messages ---- */

static void assert_message(const struct raft_message *message, enum status expected)
{
    struct one one = one_start(3, "1", 1, 0, NULL);

    one_receive(&one, *message);
    assert_int_equal(one.status, expected);
    if (expected != STATUS_OK) {
        assert_int_equal(one_state(&one).hard_state.term, 1);
        assert_int_equal(one.effects.eager_count + one.effects.durable_count, 0);
    }
    one_free(&one);
}

static struct raft_configuration configuration;
static struct raft_entry entries[2];

static struct raft_message allowed_append(void)
{
    struct raft_message append = one_from(2, RAFT_APPEND, 3);

    configuration = one_configuration("1 2");
    entries[0] = (struct raft_entry){.index = 2, .term = 2, .kind = RAFT_ENTRY_COMMAND};
    entries[1] = (struct raft_entry){
        .index = 3, .term = 3, .kind = RAFT_ENTRY_CONFIGURATION, .configuration = &configuration};
    append.position = (struct raft_position){1, 1};
    append.entries = entries;
    append.entry_count = 2;
    return append;
}

#define assert_append_refused(change)                                                              \
    do {                                                                                           \
        struct raft_message append = allowed_append();                                             \
        change;                                                                                    \
        assert_message(&append, STATUS_INVALID);                                                   \
    } while (0)

static void messages_that_no_replica_sends_are_dropped(void **state)
{
    struct raft_message allowed = allowed_append();

    assert_message(&allowed, STATUS_OK);
    assert_append_refused(append.kind = 0);
    assert_append_refused(append.kind = 14);
    assert_append_refused(append.kind = 255);
    assert_append_refused(append.from = 0);
    assert_append_refused(append.from = 1);
    assert_append_refused(append.to = 2);
    assert_append_refused(append.term = 0);
    assert_append_refused(append.term = UINT64_MAX);
    assert_append_refused(append.index = UINT64_MAX);
    assert_append_refused(append.commit = UINT64_MAX);
    assert_append_refused(append.position.index = UINT64_MAX);
    assert_append_refused(append.position.term = 0);
    assert_append_refused(append.position.index = 0);
    assert_append_refused(append.position.term = 4);
    assert_append_refused(append.entries = NULL);
    assert_append_refused(append.kind = RAFT_HEARTBEAT);
    assert_append_refused(entries[0].index = 3);
    assert_append_refused(entries[1].index = 2);
    assert_append_refused(entries[0].term = 4);
    assert_append_refused(entries[1].term = 1);
    assert_append_refused(entries[0].kind = 3);
    assert_append_refused(entries[0].configuration = &configuration);
    assert_append_refused(entries[1].configuration = NULL);
    assert_append_refused(configuration = one_configuration("L1"));
    assert_append_refused(append.position = (struct raft_position){0}; entries[0].index = 1;
                          entries[0].term = 0; entries[1].index = 2);
}

static void offers_that_no_replica_sends_are_dropped(void **state)
{
    struct raft_message offer = one_from(2, RAFT_SNAPSHOT_OFFER, 3);

    configuration = one_configuration("1 2");
    assert_message(&offer, STATUS_INVALID);
    offer.configuration = &configuration;
    assert_message(&offer, STATUS_INVALID);
    offer.position = (struct raft_position){3, 9};
    assert_message(&offer, STATUS_OK);
    configuration.count = 0;
    assert_message(&offer, STATUS_INVALID);
    assert_string_equal(raft_message_kind_text(RAFT_TIMEOUT_NOW), "timeout-now");
    assert_string_equal(raft_message_kind_text(0), "unknown");
    assert_string_equal(raft_message_kind_text(99), "unknown");
}

static void other_generations_are_denied(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);
    struct raft_message heartbeat = one_from(2, RAFT_HEARTBEAT, 9);

    heartbeat.generation = 0;
    one_receive(&one, heartbeat);
    assert_int_equal(one.status, STATUS_DENIED);
    assert_int_equal(one_state(&one).generation_seen, 1);
    heartbeat.generation = 7;
    one_receive(&one, heartbeat);
    assert_int_equal(one.status, STATUS_DENIED);
    assert_int_equal(one_state(&one).generation_seen, 7);
    assert_int_equal(one_state(&one).hard_state.term, 1);
    one_free(&one);
}

/* An answer that agrees nowhere near what is known, or that comes from the future. */
static void answers_that_cannot_be_do_not_lead_astray(void **state)
{
    struct one one = one_start(3, "1111", 1, 0, NULL);
    struct raft_message answer = one_from(2, RAFT_APPEND_ANSWER, 2);
    struct raft_peer peer;

    one_lead_committed(&one);
    one_propose(&one, 1);
    answer.refused = true;
    answer.index = 5;
    answer.position = (struct raft_position){0, 0};
    one_receive(&one, answer); /* is older than what it has said before */
    assert_int_equal(raft_peer(one.raft, 2, &peer), STATUS_OK);
    assert_int_equal(peer.mode, RAFT_REPLICATE);
    answer = one_from(2, RAFT_HEARTBEAT_ANSWER, 2);
    answer.round = UINT64_MAX;
    one_receive(&one, answer);
    answer.round = 0;
    answer.sent_at_ms = one.now_ms + 1;
    one_receive(&one, answer);
    answer.from = 9;
    one_receive(&one, answer);
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    answer = one_from(9, RAFT_SNAPSHOT_ANSWER, 2);
    answer.refused = true;
    one_receive(&one, answer);
    answer.from = 2;
    one_receive(&one, answer);
    assert_int_equal(raft_peer(one.raft, 2, &peer), STATUS_OK);
    assert_int_equal(peer.mode, RAFT_REPLICATE);
    one_free(&one);
}

/* ---- events at the wrong time ---- */

static void event_of(struct one *one, enum raft_event_kind kind, uint64_t peer, uint64_t term,
                     uint64_t index)
{
    struct raft_snapshot snapshot = {.position = {.term = term, .index = index},
                                     .configuration = one_configuration("1 2 3")};

    one_step(one, (struct raft_event){.kind = kind, .peer = peer, .snapshot = &snapshot});
}

static void snapshots_that_nobody_waits_for_are_refused(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);
    struct raft_peer peer;

    assert_int_equal(raft_peer(one.raft, 2, &peer), STATUS_NOT_LEADER);
    event_of(&one, RAFT_SNAPSHOT_READY, 2, 1, 1);
    assert_int_equal(one.status, STATUS_NOT_LEADER);
    event_of(&one, RAFT_SNAPSHOT_FETCHED, 0, 1, 1);
    assert_int_equal(one.status, STATUS_NOT_FOUND);
    event_of(&one, RAFT_SNAPSHOT_INSTALLED, 0, 1, 1);
    assert_int_equal(one.status, STATUS_INVALID);
    one_step(&one, (struct raft_event){.kind = RAFT_SNAPSHOT_FAILED});
    assert_int_equal(one.status, STATUS_NOT_FOUND);
    one_step(&one, (struct raft_event){.kind = RAFT_SNAPSHOT_FAILED, .peer = 9});
    assert_int_equal(one.status, STATUS_NOT_FOUND);
    one_lead_committed(&one);
    event_of(&one, RAFT_SNAPSHOT_READY, 2, 1, 1);
    assert_int_equal(one.status, STATUS_NOT_FOUND);
    event_of(&one, RAFT_SNAPSHOT_READY, 9, 1, 1);
    assert_int_equal(one.status, STATUS_NOT_FOUND);
    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    assert_int_equal(one.status, STATUS_EXISTS);
    one_step(&one, (struct raft_event){.kind = (enum raft_event_kind)99});
    assert_int_equal(one.status, STATUS_INVALID);
    one_free(&one);
}

static void a_snapshot_must_fit_the_log(void **state)
{
    struct one one = one_start(3, "", 0, 0, NULL);
    struct raft_message answer = one_from(2, RAFT_APPEND_ANSWER, 1);
    struct raft_peer peer;

    one_lead(&one);
    one_propose(&one, 3);
    one_persist(&one);
    one_matched(&one, 3, 4);
    one_step(&one, (struct raft_event){.kind = RAFT_APPLIED, .index = 3});
    one_step(&one, (struct raft_event){.kind = RAFT_COMPACTED, .index = 3});
    one_step(&one, (struct raft_event){.kind = RAFT_COMPACTED, .index = 2}); /* is so already */
    assert_int_equal(one.status, STATUS_OK);
    one_step(&one, (struct raft_event){.kind = RAFT_COMPACTED, .index = 4});
    assert_int_equal(one.status, STATUS_INVALID);
    answer.refused = true; /* of the probe of entry 1 that is on its way: it was after entry 0 */
    answer.index = 0;
    one_receive(&one, answer);
    one_matched(&one, 2, 1); /* it has the no-op and lacks entry 2 */
    assert_int_equal(one.effects.snapshot_count, 1);
    assert_int_equal(one.effects.snapshots[0].act, RAFT_SNAPSHOT_MAKE);
    assert_int_equal(one_state(&one).keep_from, 4);
    event_of(&one, RAFT_SNAPSHOT_READY, 2, 1, 2);
    assert_int_equal(one.status, STATUS_INVALID);
    event_of(&one, RAFT_SNAPSHOT_READY, 2, 1, 5);
    assert_int_equal(one.status, STATUS_INVALID);
    event_of(&one, RAFT_SNAPSHOT_READY, 2, 1, 4);
    assert_int_equal(one.status, STATUS_OK);
    assert_int_equal(one_sent(&one, RAFT_SNAPSHOT_OFFER, 2)->position.index, 4);
    assert_int_equal(one_state(&one).keep_from, 5);
    event_of(&one, RAFT_SNAPSHOT_READY, 2, 1, 3); /* another one in its place */
    assert_int_equal(one.status, STATUS_OK);
    answer = one_from(2, RAFT_SNAPSHOT_ANSWER, 1);
    answer.position = (struct raft_position){1, 4};
    answer.refused = true;
    one_receive(&one, answer); /* refuses the one before */
    assert_int_equal(raft_peer(one.raft, 2, &peer), STATUS_OK);
    assert_int_equal(peer.mode, RAFT_SNAPSHOT);
    answer.refused = false;
    one_receive(&one, answer);
    answer.refused = true;
    answer.position.index = 3;
    one_receive(&one, answer);
    assert_int_equal(raft_peer(one.raft, 2, &peer), STATUS_OK);
    assert_int_equal(peer.mode, RAFT_PROBE);
    one_step(&one, (struct raft_event){.kind = RAFT_SNAPSHOT_FAILED, .peer = 2});
    assert_int_equal(one.status, STATUS_NOT_FOUND);
    one_free(&one);
}

static void offer_snapshot(struct one *one, uint64_t from, uint64_t term, uint64_t index)
{
    struct raft_message offer = one_from(from, RAFT_SNAPSHOT_OFFER, term);

    configuration = one_configuration("1 2 3");
    offer.position = (struct raft_position){1, index};
    offer.configuration = &configuration;
    one_receive(one, offer);
}

/* The follower's way through a snapshot, with all that may go wrong on it. */
static void a_snapshot_is_installed_step_by_step(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);

    offer_snapshot(&one, 2, 1, 1); /* is in its log */
    assert_int_equal(one_sent(&one, RAFT_APPEND_ANSWER, 2)->index, 1);
    assert_int_equal(one_state(&one).commit_index, 1);
    offer_snapshot(&one, 2, 1, 8);
    assert_int_equal(one.effects.snapshots[0].act, RAFT_SNAPSHOT_FETCH);
    offer_snapshot(&one, 2, 1, 8); /* again */
    assert_int_equal(one.effects.snapshot_count, 0);
    assert_false(one_sent(&one, RAFT_SNAPSHOT_ANSWER, 2)->refused);
    offer_snapshot(&one, 3, 2, 9); /* of another leader: in its place */
    assert_int_equal(one.effects.snapshots[0].snapshot.position.index, 9);
    event_of(&one, RAFT_SNAPSHOT_FETCHED, 0, 1, 8);
    assert_int_equal(one.status, STATUS_NOT_FOUND);
    event_of(&one, RAFT_SNAPSHOT_FETCHED, 0, 2, 9);
    assert_int_equal(one.status, STATUS_NOT_FOUND);
    event_of(&one, RAFT_SNAPSHOT_INSTALLED, 0, 1, 9);
    assert_int_equal(one.status, STATUS_INVALID);
    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    event_of(&one, RAFT_SNAPSHOT_FETCHED, 0, 1, 9);
    assert_int_equal(one.effects.snapshots[0].act, RAFT_SNAPSHOT_INSTALL);
    assert_int_equal(one_state(&one).role, RAFT_FOLLOWER);
    assert_true(one_state(&one).installing);
    one_step(&one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    assert_int_equal(one.status, STATUS_DENIED);
    event_of(&one, RAFT_SNAPSHOT_FETCHED, 0, 1, 9);
    assert_int_equal(one.status, STATUS_NOT_FOUND);
    one_step(&one, (struct raft_event){.kind = RAFT_SNAPSHOT_FAILED});
    assert_int_equal(one.status, STATUS_NOT_FOUND);
    one_receive_append(&one, 3, 2, (struct raft_position){1, 1}, "2", 1);
    assert_int_equal(one.effects.durable_count + one.effects.entry_count, 0);
    offer_snapshot(&one, 3, 2, 12);
    assert_int_equal(one.effects.snapshot_count, 0);
    event_of(&one, RAFT_SNAPSHOT_INSTALLED, 0, 1, 8);
    assert_int_equal(one.status, STATUS_INVALID);
    event_of(&one, RAFT_SNAPSHOT_INSTALLED, 0, 2, 9);
    assert_int_equal(one.status, STATUS_INVALID);
    event_of(&one, RAFT_SNAPSHOT_INSTALLED, 0, 1, 9);
    assert_int_equal(one.status, STATUS_OK);
    assert_int_equal(one_sent(&one, RAFT_APPEND_ANSWER, 3)->index, 9);
    assert_int_equal(one_state(&one).commit_index, 9);
    assert_int_equal(one_state(&one).first_index, 10);
    assert_int_equal(one_state(&one).configuration_index, 9);
    one_free(&one);
}

static void a_fetch_that_fails_is_told_to_who_still_leads(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);

    offer_snapshot(&one, 2, 1, 8);
    one_step(&one, (struct raft_event){.kind = RAFT_SNAPSHOT_FAILED});
    assert_true(one_sent(&one, RAFT_SNAPSHOT_ANSWER, 2)->refused);
    offer_snapshot(&one, 2, 1, 8);
    assert_int_equal(one.effects.snapshot_count, 1);
    one_receive(&one, one_from(3, RAFT_HEARTBEAT, 2));
    one_step(&one, (struct raft_event){.kind = RAFT_SNAPSHOT_FAILED});
    assert_int_equal(one.status, STATUS_OK);
    assert_int_equal(one.effects.eager_count, 0);
    one_free(&one);
}

/* Who was elected in the meantime needs no snapshot; and an install that nobody leads any more is
 * told to nobody. */
static void a_snapshot_outlives_its_leader(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);

    offer_snapshot(&one, 2, 1, 8);
    one_lead(&one);
    event_of(&one, RAFT_SNAPSHOT_FETCHED, 0, 1, 8);
    assert_int_equal(one.effects.snapshots[0].act, RAFT_SNAPSHOT_ABANDON);
    one_free(&one);
    one = one_start(3, "1", 1, 0, NULL);
    offer_snapshot(&one, 2, 1, 8);
    event_of(&one, RAFT_SNAPSHOT_FETCHED, 0, 1, 8);
    one_step(&one, (struct raft_event){.kind = RAFT_PEER_LOST, .peer = 2});
    event_of(&one, RAFT_SNAPSHOT_INSTALLED, 0, 1, 8);
    assert_int_equal(one.status, STATUS_OK);
    assert_int_equal(one.effects.durable_count, 0);
    one_free(&one);
}

/* Steps without a look at the effects come out as one set: one write, what was cut off left out. */
static void effects_merge_until_they_are_asked_for(void **state)
{
    struct one one = one_start(3, "1", 1, 0, NULL);
    struct raft_entry entry = {.index = 2, .term = 1, .kind = RAFT_ENTRY_COMMAND};
    struct raft_message append = one_from(2, RAFT_APPEND, 1);
    struct raft_event event = {.kind = RAFT_RECEIVED, .received = &append, .now_ms = one.now_ms};

    append.position = (struct raft_position){1, 1};
    append.entries = &entry;
    append.entry_count = 1;
    assert_int_equal(raft_step(one.raft, &event, NULL), STATUS_OK);
    append.from = 3;
    append.term = 2;
    entry.term = 2;
    assert_int_equal(raft_step(one.raft, &event, NULL), STATUS_OK);
    assert_int_equal(raft_step(one.raft, NULL, &one.effects), STATUS_OK);
    assert_int_equal(one.effects.truncate_from, 0); /* the log never saw it */
    assert_int_equal(one.effects.entry_count, 1);
    assert_int_equal(one.effects.entries[0].term, 2);
    assert_int_equal(one.effects.hard_state->term, 2);
    assert_int_equal(one.effects.durable_count, 2);
    assert_int_equal(raft_step(one.raft, NULL, &one.effects), STATUS_OK);
    assert_false(one.effects.writes);
    assert_int_equal(one.effects.durable_count, 0);
    one_free(&one);
}

/* ---- priorities ---- */

static struct raft_configuration_at preferring_two;

static void prefer_two(struct raft_options *options)
{
    preferring_two = options->configurations[0];
    preferring_two.configuration.replicas[1].priority = 2;
    options->configurations = &preferring_two;
    options->check_quorum_off = true;
}

/* A preferred replica that does not take over is asked ever more seldom: each time costs the
 * group's clients an election timeout. */
static void a_preferred_replica_that_fails_is_asked_ever_more_seldom(void **state)
{
    struct one one = one_start(3, "", 0, 0, prefer_two);
    uint64_t asked_at_ms[8] = {0};
    size_t count = 0;

    one_lead_committed(&one);
    for (int i = 0; i < 4000 && count < COUNT_OF(asked_at_ms); i++) {
        one_tick(&one, ONE_HEARTBEAT_MS);
        if (one_sent(&one, RAFT_TIMEOUT_NOW, 2) != NULL) {
            asked_at_ms[count++] = one.now_ms;
        }
        one_matched(&one, 2, 1);
    }
    assert_true(count >= 4);
    for (size_t i = 2; i < count; i++) {
        assert_true(asked_at_ms[i] - asked_at_ms[i - 1] > asked_at_ms[i - 1] - asked_at_ms[i - 2]);
    }
    one_free(&one);
}

/* ---- bounds ---- */

/* A burst leaves no memory behind; and neither do many terms. */
static void an_idle_replica_is_small(void **state)
{
    static const uint32_t many[5000] = {0};
    struct one one = one_start(5, "", 0, 0, NULL);
    struct raft_event event = {.kind = RAFT_PROPOSED};
    struct raft_message answer;

    event.proposed.sizes = many;
    event.proposed.count = COUNT_OF(many);
    one_lead_committed(&one);
    one_step(&one, event);
    one_persist(&one);
    for (uint64_t context = 0; context < 5000; context++) {
        one_step(&one, (struct raft_event){.kind = RAFT_READ, .read_context = context});
    }
    for (uint64_t id = 2; id <= 5; id++) {
        one_matched(&one, id, 5001);
    }
    one_step(&one, (struct raft_event){.kind = RAFT_APPLIED, .index = 5001});
    one_step(&one, (struct raft_event){.kind = RAFT_COMPACTED, .index = 4990});
    for (int round = 0; round < 3; round++) {
        one_tick(&one, ONE_HEARTBEAT_MS);
        for (uint64_t id = 2; id <= 3; id++) {
            const struct raft_message *heartbeat = one_sent(&one, RAFT_HEARTBEAT, id);

            answer = one_from(id, RAFT_HEARTBEAT_ANSWER, 1);
            answer.index = 5001;
            if (heartbeat != NULL) {
                answer.round = heartbeat->round;
                answer.sent_at_ms = heartbeat->sent_at_ms;
                one_receive(&one, answer);
                one_step(&one, (struct raft_event){.kind = RAFT_TICK});
                one_tick(&one, ONE_HEARTBEAT_MS);
            }
        }
    }
    assert_int_equal(one_state(&one).role, RAFT_LEADER);
    assert_true(one_state(&one).memory <= 16384);
    one_free(&one);
}

/* storage/raft/log_tail.h against a plain array, under random changes. */
static void a_log_tail_is_like_a_plain_array(void **state)
{
    struct random random = {.state = 42};
    uint64_t terms[4096] = {0};
    struct raft_log_tail log;
    uint64_t first = 1;
    uint64_t last = 0;

    raft_log_tail_init(&log, (struct raft_position){0});
    for (int step = 0; step < 20000; step++) {
        uint64_t index = first + random_below(&random, last - first + 2);
        struct raft_position position;

        switch (random_below(&random, 8)) {
        case 0:
            if (last - first > 20 && index <= last) {
                raft_log_tail_truncate(&log, index);
                last = index - 1;
            }
            break;
        case 1:
            if (last - first > 30 && index <= last) {
                raft_log_tail_compact(&log, index);
                first = index + 1;
            }
            break;
        default:
            if (last + 1 < COUNT_OF(terms)) {
                uint64_t term = terms[last] + (random_below(&random, 4) == 0) + (last == 0);

                terms[++last] = term;
                raft_log_tail_append(&log, term, (uint32_t)last);
            }
            break;
        }
        assert_int_equal(raft_log_tail_last_index(&log), last);
        assert_int_equal(raft_log_tail_last(&log).term, terms[last]);
        if (index <= last) {
            uint64_t term = random_below(&random, terms[last] + 1);
            uint64_t expected = index;
            struct raft_position agreed = raft_log_tail_agreement(&log, index, term);

            assert_true(raft_log_tail_at(&log, index, &position));
            assert_int_equal(position.term, terms[index]);
            while (expected > first - 1 && terms[expected] > term) {
                expected--;
            }
            assert_int_equal(agreed.index, expected);
            assert_int_equal(agreed.term, terms[expected]);
        }
    }
    assert_true(last > 1000);
    assert_false(raft_log_tail_at(&log, last + 1, &(struct raft_position){0}));
    assert_false(first > 1 && raft_log_tail_at(&log, first - 2, &(struct raft_position){0}));
    raft_log_tail_compact(&log, last);
    assert_int_equal(raft_log_tail_last(&log).index, last);
    assert_true(raft_log_tail_memory(&log) < 4096);
    raft_log_tail_done(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_vote_without_a_term_is_refused),
        cmocka_unit_test(messages_that_no_replica_sends_are_dropped),
        cmocka_unit_test(offers_that_no_replica_sends_are_dropped),
        cmocka_unit_test(other_generations_are_denied),
        cmocka_unit_test(answers_that_cannot_be_do_not_lead_astray),
        cmocka_unit_test(snapshots_that_nobody_waits_for_are_refused),
        cmocka_unit_test(a_snapshot_must_fit_the_log),
        cmocka_unit_test(a_snapshot_is_installed_step_by_step),
        cmocka_unit_test(a_fetch_that_fails_is_told_to_who_still_leads),
        cmocka_unit_test(a_snapshot_outlives_its_leader),
        cmocka_unit_test(effects_merge_until_they_are_asked_for),
        cmocka_unit_test(a_preferred_replica_that_fails_is_asked_ever_more_seldom),
        cmocka_unit_test(an_idle_replica_is_small),
        cmocka_unit_test(a_log_tail_is_like_a_plain_array),
    };

    return cmocka_run_group_tests_name("raft_limits", tests, NULL, NULL);
}
