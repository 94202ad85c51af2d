/* Any events in any order, with messages that no replica would send: nothing crashes, and what must
 * never go back does not. */
#include <string.h>

#include "core/check.h"
#include "storage/raft/raft.h"
#include "tests/fuzz/fuzz.h"

enum { ENTRIES_MAX = 4, REPLICAS = 3, EVENTS_MAX = 500 };

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct input *input)
{
    if (input->size == 0) {
        return 0;
    }
    input->size--;
    return *input->data++;
}

/* Mostly small, and now and then of any size. */
static uint64_t take_number(struct input *input)
{
    uint64_t number = take(input);

    for (int i = 0; number >= 250 && i < 7; i++) {
        number = number << 8 | take(input);
    }
    return number;
}

static struct raft_configuration take_configuration(struct input *input)
{
    struct raft_configuration configuration = {.count = take(input) % (RAFT_REPLICAS_MAX + 1)};

    for (size_t i = 0; i < configuration.count; i++) {
        configuration.replicas[i] = (struct raft_replica){
            .id = i + take(input) % 2, .parts = take(input) % 8, .priority = take(input)};
    }
    return configuration;
}

static struct raft_position take_position(struct input *input)
{
    return (struct raft_position){.term = take_number(input), .index = take_number(input)};
}

struct material {
    struct raft_message message;
    struct raft_entry entries[ENTRIES_MAX];
    struct raft_configuration configuration;
    struct raft_snapshot snapshot;
    uint32_t sizes[ENTRIES_MAX];
};

static void take_message(struct input *input, struct material *material)
{
    struct raft_message *message = &material->message;
    uint8_t flags = take(input);

    *message = (struct raft_message){.kind = take(input) % 16,
                                     .refused = flags & 1,
                                     .forced = flags & 2,
                                     .from = 1 + take(input) % REPLICAS,
                                     .to = 1 + (flags & 4),
                                     .generation = 1 - ((flags & 8) != 0),
                                     .term = take_number(input),
                                     .index = take_number(input),
                                     .position = take_position(input),
                                     .commit = take_number(input),
                                     .round = take_number(input),
                                     .sent_at_ms = take_number(input),
                                     .context = take_number(input),
                                     .entry_count = take(input) % (ENTRIES_MAX + 1)};
    material->configuration = take_configuration(input);
    message->entries = (flags & 16) != 0 ? NULL : material->entries;
    message->configuration = (flags & 32) != 0 ? NULL : &material->configuration;
    for (size_t i = 0; i < message->entry_count; i++) {
        uint8_t kind = take(input);

        material->entries[i] = (struct raft_entry){
            .index = message->position.index + 1 + i + (kind >= 250),
            .term = message->position.term + take(input) % 4,
            .size = take(input),
            .kind = kind % 4,
            .configuration = (kind & 4) != 0 || kind % 4 == RAFT_ENTRY_CONFIGURATION
                                 ? &material->configuration
                                 : NULL};
    }
}

static struct raft_event take_event(struct input *input, struct material *material,
                                    const struct raft_mark *mark)
{
    struct raft_event event = {.kind = take(input) % (RAFT_PEER_LOST + 2),
                               .now_ms = take_number(input) * 16,
                               .peer = take(input) % (REPLICAS + 1)};

    switch (event.kind) {
    case RAFT_RECEIVED:
        take_message(input, material);
        event.received = &material->message;
        break;
    case RAFT_PERSISTED:
        event.persisted = *mark;
        break;
    case RAFT_PROPOSED:
        event.proposed.sizes = material->sizes;
        event.proposed.count = take(input) % (ENTRIES_MAX + 1);
        break;
    case RAFT_CONFIGURATION_PROPOSED:
        material->configuration = take_configuration(input);
        event.configuration = &material->configuration;
        break;
    case RAFT_SNAPSHOT_READY:
    case RAFT_SNAPSHOT_FETCHED:
    case RAFT_SNAPSHOT_INSTALLED:
        material->snapshot.position = take_position(input);
        material->snapshot.configuration = material->configuration;
        event.snapshot = &material->snapshot;
        break;
    default:
        event.index = take_number(input);
        break;
    }
    return event;
}

static void check_order(const struct raft_state *before, const struct raft_state *after)
{
    CHECK(after->hard_state.term >= before->hard_state.term);
    CHECK(after->commit_index >= before->commit_index);
    CHECK(after->applied_index >= before->applied_index);
    CHECK(after->applied_index <= after->commit_index && after->commit_index <= after->last.index);
    CHECK(after->persisted_index <= after->last.index);
    CHECK(after->first_index <= after->applied_index + 1);
    CHECK(after->configuration_index <= after->last.index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct raft_configuration_at first = {.configuration = {.count = REPLICAS}};
    struct raft_options options = {.id = 1,
                                   .generation = 1,
                                   .configurations = &first,
                                   .configuration_count = 1,
                                   .uncommitted_bytes_max = 4096};
    struct material material = {0};
    struct raft_mark mark = {0};
    struct raft_effects effects;
    struct raft *raft;

    for (size_t i = 0; i < REPLICAS; i++) {
        first.configuration.replicas[i] = (struct raft_replica){.id = i + 1, .parts = RAFT_VOTER};
    }
    CHECK(raft_new(&options, &raft) == STATUS_OK);
    for (int i = 0; i < EVENTS_MAX && input.size > 0; i++) {
        struct raft_event event = take_event(&input, &material, &mark);
        struct raft_state before = raft_state(raft);
        struct raft_state after;

        if (raft_step(raft, &event, (event.now_ms & 16) != 0 ? NULL : &effects) == STATUS_CORRUPT) {
            break;
        }
        after = raft_state(raft);
        check_order(&before, &after);
        if ((event.now_ms & 16) == 0 && effects.writes) {
            mark = effects.mark;
        }
    }
    raft_free(raft);
    return 0;
}
