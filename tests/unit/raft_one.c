#include "tests/unit/raft_one.h"

#include <string.h>

#include "core/check.h"
#include "tests/unit/unit.h"

enum { LOG_MAX = 64 };

struct raft_configuration one_configuration(const char *text)
{
    struct raft_configuration configuration = {0};

    for (unsigned parts = RAFT_VOTER; *text != '\0'; text++) {
        switch (*text) {
        case 'L':
            parts = RAFT_LEARNER;
            break;
        case '-':
            parts = RAFT_OUTGOING;
            break;
        case '=':
            parts = RAFT_VOTER | RAFT_OUTGOING;
            break;
        case '~':
            parts = RAFT_LEARNER | RAFT_OUTGOING;
            break;
        case ' ':
            break;
        default:
            configuration.replicas[configuration.count++] =
                (struct raft_replica){.id = (uint64_t)(*text - '0'), .parts = (uint8_t)parts};
            parts = RAFT_VOTER;
            break;
        }
    }
    return configuration;
}

struct one one_start(size_t voters, const char *log, uint64_t term, uint64_t vote,
                     void (*adjust)(struct raft_options *options))
{
    struct raft_configuration_at first = {.configuration = {.count = voters}};
    struct raft_term_run runs[LOG_MAX];
    uint32_t sizes[LOG_MAX] = {0};
    struct raft_options options = {.id = 1,
                                   .generation = 1,
                                   .seed = 1,
                                   .now_ms = ONE_NOW_MS,
                                   .election_timeout_min_ms = ONE_ELECTION_MS,
                                   .heartbeat_ms = ONE_HEARTBEAT_MS,
                                   .hard_state = {.term = term, .vote = vote},
                                   .runs = runs,
                                   .sizes = sizes,
                                   .entry_count = strlen(log),
                                   .configurations = &first,
                                   .configuration_count = 1};
    struct one one = {.now_ms = ONE_NOW_MS};

    for (size_t i = 0; i < voters; i++) {
        first.configuration.replicas[i] = (struct raft_replica){.id = i + 1, .parts = RAFT_VOTER};
    }
    for (size_t i = 0; log[i] != '\0'; i++) {
        if (i == 0 || log[i] != log[i - 1]) {
            runs[options.run_count++] = (struct raft_term_run){i + 1, (uint64_t)(log[i] - '0')};
        }
    }
    if (adjust != NULL) {
        adjust(&options);
    }
    CHECK(raft_new(&options, &one.raft) == STATUS_OK);
    return one;
}

void one_free(struct one *one)
{
    raft_free(one->raft);
}

void one_step(struct one *one, struct raft_event event)
{
    event.now_ms = one->now_ms;
    one->status = raft_step(one->raft, &event, &one->effects);
}

struct raft_message one_from(uint64_t from, enum raft_message_kind kind, uint64_t term)
{
    return (struct raft_message){
        .kind = (uint8_t)kind, .from = from, .to = 1, .generation = 1, .term = term};
}

void one_receive(struct one *one, struct raft_message message)
{
    one_step(one, (struct raft_event){.kind = RAFT_RECEIVED, .received = &message});
}

void one_receive_append(struct one *one, uint64_t from, uint64_t term,
                        struct raft_position position, const char *terms, uint64_t commit)
{
    struct raft_entry entries[LOG_MAX];
    struct raft_message append = one_from(from, RAFT_APPEND, term);

    append.position = position;
    append.commit = commit;
    append.entry_count = strlen(terms);
    append.entries = entries;
    for (size_t i = 0; i < append.entry_count; i++) {
        entries[i] = (struct raft_entry){.index = position.index + 1 + i,
                                         .term = (uint64_t)(terms[i] - '0'),
                                         .kind = RAFT_ENTRY_COMMAND};
    }
    one_receive(one, append);
}

void one_matched(struct one *one, uint64_t from, uint64_t index)
{
    struct raft_message answer = one_from(from, RAFT_APPEND_ANSWER, one_state(one).hard_state.term);

    answer.index = index;
    one_receive(one, answer);
}

void one_tick(struct one *one, uint64_t ms)
{
    one->now_ms += ms;
    one_step(one, (struct raft_event){.kind = RAFT_TICK});
}

void one_persist(struct one *one)
{
    one_step(one, (struct raft_event){.kind = RAFT_PERSISTED, .persisted = one->effects.mark});
}

void one_lead(struct one *one)
{
    uint64_t term = one_state(one).hard_state.term + 1;
    size_t count = one_state(one).configuration->count;

    one->now_ms += ONE_ELECTION_MS; /* a lease that it may have granted before it started is over */
    one_step(one, (struct raft_event){.kind = RAFT_CAMPAIGN});
    for (uint64_t id = 2; id <= count; id++) {
        if (one_state(one).role == RAFT_PRE_CANDIDATE) {
            one_receive(one, one_from(id, RAFT_PRE_VOTE_ANSWER, term));
        }
    }
    assert_int_equal(one_state(one).role, RAFT_CANDIDATE);
    one_persist(one);
    for (uint64_t id = 2; id <= count; id++) {
        if (one_state(one).role == RAFT_CANDIDATE) {
            one_receive(one, one_from(id, RAFT_VOTE_ANSWER, term));
        }
    }
    assert_int_equal(one_state(one).role, RAFT_LEADER);
    assert_int_equal(one_state(one).hard_state.term, term);
    one_persist(one);
}

void one_lead_committed(struct one *one)
{
    size_t count;

    one_lead(one);
    count = one_state(one).configuration->count;
    for (uint64_t id = 2; id <= count; id++) {
        one_matched(one, id, one_state(one).last.index);
    }
    assert_int_equal(one_state(one).commit_index, one_state(one).last.index);
}

enum status one_propose(struct one *one, size_t count)
{
    static const uint32_t sizes[LOG_MAX] = {8, 8, 8, 8};
    struct raft_event event = {.kind = RAFT_PROPOSED};

    event.proposed.sizes = sizes;
    event.proposed.count = count;
    one_step(one, event);
    return one->status;
}

static const struct raft_message *find(const struct raft_message *messages, size_t count,
                                       enum raft_message_kind kind, uint64_t to)
{
    for (size_t i = 0; i < count; i++) {
        if (messages[i].kind == kind && (to == 0 || messages[i].to == to)) {
            return &messages[i];
        }
    }
    return NULL;
}

const struct raft_message *one_sent(const struct one *one, enum raft_message_kind kind, uint64_t to)
{
    const struct raft_effects *effects = &one->effects;
    const struct raft_message *eager =
        find(effects->messages_eager, effects->eager_count, kind, to);

    return eager != NULL ? eager
                         : find(effects->messages_durable, effects->durable_count, kind, to);
}

size_t one_sent_count(const struct one *one, enum raft_message_kind kind)
{
    const struct raft_effects *effects = &one->effects;
    size_t count = 0;

    for (size_t i = 0; i < effects->eager_count; i++) {
        count += effects->messages_eager[i].kind == kind;
    }
    for (size_t i = 0; i < effects->durable_count; i++) {
        count += effects->messages_durable[i].kind == kind;
    }
    return count;
}

bool one_is_durable(const struct one *one, const struct raft_message *message)
{
    const struct raft_effects *effects = &one->effects;

    return message >= effects->messages_durable &&
           message < effects->messages_durable + effects->durable_count;
}

struct raft_state one_state(const struct one *one)
{
    return raft_state(one->raft);
}

enum status one_change(struct one *one, const char *text)
{
    struct raft_configuration wished = one_configuration(text);

    one_step(one,
             (struct raft_event){.kind = RAFT_CONFIGURATION_PROPOSED, .configuration = &wished});
    return one->status;
}
