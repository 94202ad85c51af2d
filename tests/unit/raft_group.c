#include "tests/unit/raft_group.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"

/* ---- arrays ---- */

static void *grown(void *items, size_t *capacity, size_t count, size_t item_size)
{
    if (count > *capacity) {
        *capacity = count * 2;
        items = memory_resized(items, *capacity * item_size);
    }
    return items;
}

void group_log_append(struct group_log *log, const struct group_entry *entry)
{
    log->entries = grown(log->entries, &log->capacity, log->count + 1, sizeof(*entry));
    log->entries[log->count] = *entry;
    log->entries[log->count].entry.configuration = NULL; /* its own copy is beside it */
    log->count++;
}

static uint64_t log_last(const struct group_log *log)
{
    return log->compacted.index + log->count;
}

static struct group_entry *log_at(const struct group_log *log, uint64_t index)
{
    CHECK(index > log->compacted.index && index <= log_last(log));
    return &log->entries[index - log->compacted.index - 1];
}

static uint64_t log_term(const struct group_log *log, uint64_t index)
{
    return index == log->compacted.index ? log->compacted.term : log_at(log, index)->entry.term;
}

static void log_truncate(struct group_log *log, uint64_t from)
{
    CHECK(from > log->compacted.index);
    if (from <= log_last(log)) {
        log->count = (size_t)(from - log->compacted.index - 1);
    }
}

/* The configuration in force at `index`, by the log alone. */
static struct raft_configuration log_configuration(const struct group_log *log, uint64_t index)
{
    for (uint64_t at = index; at > log->compacted.index; at--) {
        if (log_at(log, at)->entry.kind == RAFT_ENTRY_CONFIGURATION) {
            return log_at(log, at)->configuration;
        }
    }
    return log->configuration;
}

static void log_compact(struct group_log *log, uint64_t index)
{
    size_t gone = (size_t)(index - log->compacted.index);

    if (index <= log->compacted.index) {
        return;
    }
    log->configuration = log_configuration(log, index);
    log->compacted = (struct raft_position){.term = log_term(log, index), .index = index};
    log->count -= gone;
    memmove(log->entries, log->entries + gone, log->count * sizeof(*log->entries));
}

static struct group_log log_copy(const struct group_log *log)
{
    struct group_log copy = {.compacted = log->compacted, .configuration = log->configuration};

    for (size_t i = 0; i < log->count; i++) {
        group_log_append(&copy, &log->entries[i]);
    }
    return copy;
}

static void log_done(struct group_log *log)
{
    memory_free(log->entries);
    *log = (struct group_log){.count = 0};
}

static void push_message(struct group_messages *messages, struct group_message *message)
{
    messages->items = grown(messages->items, &messages->capacity, messages->count + 1,
                            sizeof(struct group_message *));
    messages->items[messages->count++] = message;
}

static void message_free(struct group_message *message)
{
    memory_free(message->entries);
    memory_free(message);
}

static struct group_message *take_message(struct group *group, size_t index)
{
    struct group_message *message = group->messages.items[index];

    group->messages.count--;
    memmove(&group->messages.items[index], &group->messages.items[index + 1],
            (group->messages.count - index) * sizeof(struct group_message *));
    return message;
}

static void messages_done(struct group_messages *messages)
{
    for (size_t i = 0; i < messages->count; i++) {
        message_free(messages->items[i]);
    }
    memory_free(messages->items);
    *messages = (struct group_messages){.count = 0};
}

static void write_free(struct group_write *write)
{
    messages_done(&write->messages);
    memory_free(write->entries);
    memory_free(write);
}

/* ---- text ---- */

static const char *const role_texts[] = {"follower", "pre-candidate", "candidate", "leader"};

void group_print_configuration(struct buffer *output,
                               const struct raft_configuration *configuration)
{
    if (configuration->count == 0) {
        buffer_printf(output, "none");
    }
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_replica *replica = &configuration->replicas[i];

        buffer_printf(output, "%s%llu%s%s", i == 0 ? "" : ",", (unsigned long long)replica->id,
                      (replica->parts & RAFT_LEARNER) ? "L" : "",
                      (replica->parts & RAFT_OUTGOING) == 0 ? ""
                      : (replica->parts & RAFT_VOTER)       ? "*"
                                                            : "-");
        if (replica->priority != 0) {
            buffer_printf(output, "!%u", replica->priority);
        }
    }
}

static void print_position(struct buffer *output, const char *name, struct raft_position position)
{
    buffer_printf(output, " %s=%llu/%llu", name, (unsigned long long)position.index,
                  (unsigned long long)position.term);
}

static void print_append(struct buffer *output, const struct raft_message *message)
{
    print_position(output, "after", message->position);
    if (message->entry_count > 0) {
        buffer_printf(output, " entries=%llu..%llu",
                      (unsigned long long)message->position.index + 1,
                      (unsigned long long)(message->position.index + message->entry_count));
    }
    buffer_printf(output, " commit=%llu", (unsigned long long)message->commit);
}

static void print_fields(struct buffer *output, const struct raft_message *message)
{
    switch (message->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        print_position(output, "last", message->position);
        buffer_printf(output, "%s", message->forced ? " forced" : "");
        break;
    case RAFT_APPEND:
        print_append(output, message);
        break;
    case RAFT_APPEND_ANSWER:
        buffer_printf(output, " index=%llu", (unsigned long long)message->index);
        if (message->refused) {
            print_position(output, "try", message->position);
        }
        break;
    case RAFT_HEARTBEAT:
        buffer_printf(output, " commit=%llu", (unsigned long long)message->commit);
        break;
    case RAFT_SNAPSHOT_OFFER:
        print_position(output, "at", message->position);
        buffer_printf(output, " configuration=");
        group_print_configuration(output, message->configuration);
        break;
    case RAFT_SNAPSHOT_ANSWER:
        print_position(output, "at", message->position);
        break;
    case RAFT_READ_INDEX_ANSWER:
        buffer_printf(output, " index=%llu", (unsigned long long)message->index);
        break;
    default:
        break;
    }
}

void group_print_message(struct buffer *output, const struct raft_message *message)
{
    buffer_printf(output, "%llu>%llu %s term=%llu", (unsigned long long)message->from,
                  (unsigned long long)message->to, raft_message_kind_text(message->kind),
                  (unsigned long long)message->term);
    print_fields(output, message);
    buffer_printf(output, "%s\n", message->refused ? " refused" : "");
}

void group_print_state(struct group *group, struct group_node *node, struct buffer *output)
{
    struct raft_state state;

    if (node->raft == NULL) {
        buffer_printf(output, "%llu down\n", (unsigned long long)node->id);
        return;
    }
    state = raft_state(node->raft);
    buffer_printf(output, "%llu %s term=%llu vote=%llu leader=%llu first=%llu last=%llu/%llu",
                  (unsigned long long)node->id, role_texts[state.role],
                  (unsigned long long)state.hard_state.term,
                  (unsigned long long)state.hard_state.vote, (unsigned long long)state.leader,
                  (unsigned long long)state.first_index, (unsigned long long)state.last.index,
                  (unsigned long long)state.last.term);
    if (state.persisted_index != state.last.index) {
        buffer_printf(output, " persisted=%llu", (unsigned long long)state.persisted_index);
    }
    buffer_printf(output, " commit=%llu applied=%llu configuration=",
                  (unsigned long long)state.commit_index, (unsigned long long)state.applied_index);
    group_print_configuration(output, state.configuration);
    buffer_printf(output, "@%llu%s%s\n", (unsigned long long)state.configuration_index,
                  state.transferring_to != 0 ? " transferring" : "",
                  state.installing ? " installing" : "");
}

/* ---- promises ---- */

static void check_leader(struct group *group, uint64_t term, uint64_t leader)
{
    while (group->term_count <= term) {
        group->leader_of_term =
            memory_resized(group->leader_of_term, (group->term_count + 1) * sizeof(uint64_t));
        group->leader_of_term[group->term_count++] = 0;
    }
    if (group->leader_of_term[term] != 0 && group->leader_of_term[term] != leader) {
        group->broken = "two leaders in one term";
    }
    group->leader_of_term[term] = leader;
}

static void check_role(struct group *group, struct group_node *node)
{
    struct raft_state state = raft_state(node->raft);

    if (state.role == RAFT_LEADER) {
        check_leader(group, state.hard_state.term, node->id);
    }
    if (group->trace != NULL && (state.role != node->role || state.hard_state.term != node->term)) {
        buffer_printf(group->trace, "%llu is %s in term %llu\n", (unsigned long long)node->id,
                      role_texts[state.role], (unsigned long long)state.hard_state.term);
    }
    node->role = state.role;
    node->term = state.hard_state.term;
}

static void check_applied(struct group *group, const struct group_entry *entry)
{
    uint64_t index = entry->entry.index;
    struct group_entry *known;

    while (group->committed_count < index) {
        group->committed = grown(group->committed, &group->committed_capacity,
                                 group->committed_count + 1, sizeof(*group->committed));
        group->committed[group->committed_count++] = (struct group_entry){.text = ""};
    }
    known = &group->committed[index - 1];
    if (known->entry.term != 0 && (known->entry.term != entry->entry.term ||
                                   strncmp(known->text, entry->text, GROUP_TEXT_SIZE) != 0)) {
        group->broken = "two entries were committed at one index";
    }
    *known = *entry;
}

void group_check_logs(struct group *group)
{
    for (size_t i = 0; i < group->node_count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct group_log *one = &group->nodes[i].memory;
            const struct group_log *two = &group->nodes[j].memory;
            uint64_t last = log_last(one) < log_last(two) ? log_last(one) : log_last(two);
            uint64_t first = one->compacted.index > two->compacted.index ? one->compacted.index
                                                                         : two->compacted.index;
            bool agree = false;

            for (uint64_t index = last; index > first; index--) {
                const struct group_entry *mine = log_at(one, index);
                const struct group_entry *theirs = log_at(two, index);
                bool same = mine->entry.term == theirs->entry.term;

                if ((agree && !same) ||
                    (same && strncmp(mine->text, theirs->text, GROUP_TEXT_SIZE) != 0)) {
                    group->broken = "two logs agree at an index and differ before it";
                }
                agree = agree || same;
            }
        }
    }
}

/* ---- effects ---- */

/* A message as it leaves: an append takes its entries from the sender's log. */
static struct group_message *message_copy(const struct group_node *node,
                                          const struct raft_message *message)
{
    struct group_message *copy = NEW(struct group_message);

    copy->message = *message;
    if (message->configuration != NULL) {
        copy->configuration = *message->configuration;
        copy->message.configuration = &copy->configuration;
    }
    if (message->entry_count > 0) {
        copy->entries = memory_zeroed(message->entry_count * sizeof(*copy->entries));
        for (size_t i = 0; i < message->entry_count; i++) {
            copy->entries[i] = *log_at(&node->memory, message->position.index + 1 + i);
        }
    }
    return copy;
}

static void send(struct group *group, struct group_message *message)
{
    if (group->trace != NULL) {
        group_print_message(group->trace, &message->message);
    }
    push_message(&group->messages, message);
}

static void write_to_log(struct group_log *log, const struct group_write *write)
{
    if (write->truncate_from != 0) {
        log_truncate(log, write->truncate_from);
    }
    for (size_t i = 0; i < write->entry_count; i++) {
        if (write->entries[i].entry.index > log->compacted.index) {
            group_log_append(log, &write->entries[i]);
        }
    }
}

static void trace_write(struct group *group, const struct group_node *node,
                        const struct raft_effects *effects)
{
    if (group->trace == NULL || !effects->writes) {
        return;
    }
    buffer_printf(group->trace, "%llu writes", (unsigned long long)node->id);
    if (effects->hard_state != NULL) {
        buffer_printf(group->trace, " term=%llu vote=%llu",
                      (unsigned long long)effects->hard_state->term,
                      (unsigned long long)effects->hard_state->vote);
    }
    if (effects->truncate_from != 0) {
        buffer_printf(group->trace, " truncate=%llu", (unsigned long long)effects->truncate_from);
    }
    if (effects->entry_count > 0) {
        buffer_printf(group->trace, " entries=%llu..%llu",
                      (unsigned long long)effects->entries[0].index,
                      (unsigned long long)effects->entries[effects->entry_count - 1].index);
    }
    buffer_printf(group->trace, "\n");
}

/* The payload of an entry to be written: proposed here, or brought by the message in hand. */
static void fill_text(struct group_node *node, const struct group_message *received,
                      struct group_entry *entry)
{
    if (received != NULL && entry->entry.index > received->message.position.index &&
        entry->entry.index <= received->message.position.index + received->message.entry_count) {
        const struct group_entry *brought =
            &received->entries[entry->entry.index - received->message.position.index - 1];

        snprintf(entry->text, sizeof(entry->text), "%s", brought->text);
    } else if (entry->entry.kind == RAFT_ENTRY_COMMAND) {
        snprintf(entry->text, sizeof(entry->text), "%s", node->proposed);
    }
}

static struct group_write *write_new(struct group_node *node, const struct raft_effects *effects,
                                     const struct group_message *received)
{
    struct group_write *write = NEW(struct group_write);

    write->writes = effects->writes;
    write->mark = effects->mark;
    write->truncate_from = effects->truncate_from;
    if (effects->hard_state != NULL) {
        write->has_hard_state = true;
        write->hard_state = *effects->hard_state;
    }
    if (effects->entry_count > 0) {
        write->entries = memory_zeroed(effects->entry_count * sizeof(*write->entries));
        write->entry_count = effects->entry_count;
    }
    for (size_t i = 0; i < effects->entry_count; i++) {
        struct group_entry *entry = &write->entries[i];

        entry->entry = effects->entries[i];
        if (entry->entry.configuration != NULL) {
            entry->configuration = *entry->entry.configuration;
            entry->entry.configuration = NULL;
        }
        fill_text(node, received, entry);
    }
    write_to_log(&node->memory, write);
    return write;
}

static void apply(struct group *group, struct group_node *node, uint64_t through)
{
    uint64_t first = node->applied_index + 1;

    if (through < node->applied_index) {
        group->broken = "what was to be applied went back";
        return;
    }
    if (through == node->applied_index) {
        return;
    }
    while (node->applied_index < through) {
        node->applied_index++;
        check_applied(group, log_at(&node->memory, node->applied_index));
    }
    if (group->trace != NULL) {
        buffer_printf(group->trace, "%llu applies %llu..%llu\n", (unsigned long long)node->id,
                      (unsigned long long)first, (unsigned long long)through);
    }
    CHECK(group_step(group, node, (struct raft_event){.kind = RAFT_APPLIED, .index = through}) !=
          STATUS_INVALID);
}

static void note_reads(struct group *group, const struct group_node *node,
                       const struct raft_effects *effects)
{
    for (size_t i = 0; i < effects->read_count; i++) {
        const struct raft_read *read = &effects->reads[i];

        if (group->reads_name_indexes && read->status == STATUS_OK && read->index < read->context) {
            group->broken = "a read misses what was acknowledged before it began";
        }
        if (group->trace == NULL) {
            continue;
        }
        buffer_printf(group->trace, "%llu read %llu", (unsigned long long)node->id,
                      (unsigned long long)read->context);
        if (read->status == STATUS_OK) {
            buffer_printf(group->trace, " at index %llu\n", (unsigned long long)read->index);
        } else {
            buffer_printf(group->trace, " fails: %s\n", status_text(read->status));
        }
    }
}

static void note_snapshots(struct group *group, struct group_node *node,
                           const struct raft_effects *effects)
{
    static const char *const texts[] = {"makes a snapshot for", "fetches a snapshot from",
                                        "installs a snapshot from", "abandons a snapshot from"};

    for (size_t i = 0; i < effects->snapshot_count; i++) {
        const struct raft_snapshot_effect *effect = &effects->snapshots[i];

        if (effect->act == RAFT_SNAPSHOT_MAKE) {
            node->make_for |= 1U << effect->peer;
        } else {
            node->snapshot = *effect;
        }
        if (group->trace != NULL) {
            buffer_printf(group->trace, "%llu %s %llu\n", (unsigned long long)node->id,
                          texts[effect->act], (unsigned long long)effect->peer);
        }
    }
}

static void carry_out(struct group *group, struct group_node *node,
                      const struct raft_effects *effects, const struct group_message *received)
{
    struct group_write *write = NULL;
    uint64_t through = effects->apply_through;

    trace_write(group, node, effects);
    if (effects->writes || effects->durable_count > 0) {
        write = write_new(node, effects, received);
        for (size_t i = 0; i < effects->durable_count; i++) {
            push_message(&write->messages, message_copy(node, &effects->messages_durable[i]));
        }
    }
    for (size_t i = 0; i < effects->eager_count; i++) {
        send(group, message_copy(node, &effects->messages_eager[i]));
    }
    note_reads(group, node, effects);
    note_snapshots(group, node, effects);
    node->wake_at_ms = effects->wake_at_ms;
    check_role(group, node);
    if (write != NULL) {
        node->writes = grown(node->writes, &node->write_capacity, node->write_count + 1,
                             sizeof(struct group_write *));
        node->writes[node->write_count++] = write;
    }
    apply(group, node, through);
    while (!node->holds_writes && group_persist(group, node)) {
    }
}

static enum status step(struct group *group, struct group_node *node, struct raft_event event,
                        const struct group_message *received)
{
    struct raft_effects effects;
    enum status status;

    event.now_ms = group->now_ms;
    status = raft_step(node->raft, &event, &effects);
    if (status == STATUS_CORRUPT) {
        group->broken = "a replica found itself broken";
        return status;
    }
    carry_out(group, node, &effects, received);
    return status;
}

enum status group_step(struct group *group, struct group_node *node, struct raft_event event)
{
    return step(group, node, event, NULL);
}

enum status group_propose(struct group *group, struct group_node *node, const char *text,
                          size_t count, uint32_t size)
{
    uint32_t *sizes = memory_zeroed((count == 0 ? 1 : count) * sizeof(*sizes));
    struct raft_event event = {.kind = RAFT_PROPOSED};
    enum status status;

    for (size_t i = 0; i < count; i++) {
        sizes[i] = size;
    }
    event.proposed.sizes = sizes;
    event.proposed.count = count;
    snprintf(node->proposed, sizeof(node->proposed), "%s", text);
    status = group_step(group, node, event);
    memory_free(sizes);
    return status;
}

/* ---- messages ---- */

static void arrive(struct group *group, struct group_message *message)
{
    struct group_node *node = group_find(group, message->message.to);
    struct raft_entry *entries =
        memory_zeroed((message->message.entry_count + 1) * sizeof(*entries));
    struct raft_message received = message->message;

    for (size_t i = 0; i < received.entry_count; i++) {
        entries[i] = message->entries[i].entry;
        if (entries[i].kind == RAFT_ENTRY_CONFIGURATION) {
            entries[i].configuration = &message->entries[i].configuration;
        }
    }
    received.entries = entries;
    if (node != NULL && node->raft != NULL && !node->cut_off) {
        enum status status =
            step(group, node, (struct raft_event){.kind = RAFT_RECEIVED, .received = &received},
                 message);

        if (group->trace != NULL && status != STATUS_OK) {
            buffer_printf(group->trace, "%llu drops it: %s\n", (unsigned long long)node->id,
                          status_text(status));
        }
    }
    memory_free(entries);
}

static bool is_cut(struct group *group, const struct group_message *message)
{
    struct group_node *from = group_find(group, message->message.from);

    return from != NULL && from->cut_off;
}

void group_deliver(struct group *group, size_t index)
{
    struct group_message *message = take_message(group, index);

    if (!is_cut(group, message)) {
        arrive(group, message);
    }
    message_free(message);
}

void group_drop(struct group *group, size_t index)
{
    message_free(take_message(group, index));
}

void group_duplicate(struct group *group, size_t index)
{
    struct group_message *message = group->messages.items[index];
    struct group_message *copy = NEW(struct group_message);

    *copy = *message;
    if (message->entries != NULL) {
        size_t size = message->message.entry_count * sizeof(*copy->entries);

        copy->entries = memory_zeroed(size);
        memcpy(copy->entries, message->entries, size);
    }
    if (message->message.configuration != NULL) {
        copy->message.configuration = &copy->configuration;
    }
    push_message(&group->messages, copy);
}

/* ---- disks ---- */

bool group_persist(struct group *group, struct group_node *node)
{
    struct group_write *write;

    if (node->write_count == 0) {
        return false;
    }
    write = node->writes[0];
    node->write_count--;
    memmove(&node->writes[0], &node->writes[1], node->write_count * sizeof(struct group_write *));
    write_to_log(&node->disk, write);
    if (write->has_hard_state) {
        node->disk_hard_state = write->hard_state;
    }
    for (size_t i = 0; i < write->messages.count; i++) {
        send(group, write->messages.items[i]);
    }
    write->messages.count = 0;
    if (write->writes) {
        group_step(group, node,
                   (struct raft_event){.kind = RAFT_PERSISTED, .persisted = write->mark});
    }
    write_free(write);
    return true;
}

static void start(struct group *group, struct group_node *node)
{
    struct raft_options options = node->options;
    struct raft_configuration_at *configurations =
        memory_zeroed((node->disk.count + 1) * sizeof(*configurations));
    struct raft_term_run *runs = memory_zeroed((node->disk.count + 1) * sizeof(*runs));
    uint32_t *sizes = memory_zeroed((node->disk.count + 1) * sizeof(*sizes));
    size_t at = 1;

    configurations[0].configuration = log_configuration(&node->disk, node->flushed_index);
    for (size_t i = 0; i < node->disk.count; i++) {
        const struct group_entry *entry = &node->disk.entries[i];

        sizes[i] = entry->entry.size;
        if (options.run_count == 0 || runs[options.run_count - 1].term != entry->entry.term) {
            runs[options.run_count++] =
                (struct raft_term_run){entry->entry.index, entry->entry.term};
        }
        if (entry->entry.kind == RAFT_ENTRY_CONFIGURATION) {
            bool newer = entry->entry.index > node->flushed_index;
            struct raft_configuration_at *place = &configurations[newer ? at++ : 0];

            place->index = entry->entry.index;
            place->configuration = entry->configuration;
        }
    }
    options.now_ms = group->now_ms;
    options.hard_state = node->disk_hard_state;
    options.compacted = node->disk.compacted;
    options.runs = runs;
    options.sizes = sizes;
    options.entry_count = node->disk.count;
    options.applied_index = node->flushed_index;
    options.configurations = configurations;
    options.configuration_count = at;
    CHECK(raft_new(&options, &node->raft) == STATUS_OK);
    memory_free(configurations);
    memory_free(runs);
    memory_free(sizes);
    node->applied_index = node->flushed_index;
    node->role = RAFT_FOLLOWER;
    node->term = node->disk_hard_state.term;
    log_done(&node->memory);
    node->memory = log_copy(&node->disk);
    node->wake_at_ms = 0;
}

struct group_node *group_find(struct group *group, uint64_t id)
{
    for (size_t i = 0; i < group->node_count; i++) {
        if (group->nodes[i].id == id) {
            return &group->nodes[i];
        }
    }
    return NULL;
}

struct group_node *group_add(struct group *group, const struct raft_options *options,
                             struct raft_hard_state hard_state, struct group_log disk)
{
    struct group_node *node = &group->nodes[group->node_count++];

    CHECK(group->node_count <= GROUP_NODES_MAX);
    *node = (struct group_node){.id = options->id,
                                .options = *options,
                                .disk = disk,
                                .disk_hard_state = hard_state,
                                .snapshot = {.act = RAFT_SNAPSHOT_ABANDON},
                                .flushed_index = disk.compacted.index};
    start(group, node);
    return node;
}

void group_crash(struct group *group, struct group_node *node, uint64_t flushed_index)
{
    raft_free(node->raft);
    node->raft = NULL;
    for (size_t i = 0; i < node->write_count; i++) {
        write_free(node->writes[i]);
    }
    node->write_count = 0;
    if (flushed_index > node->flushed_index) {
        node->flushed_index = flushed_index;
    }
    node->snapshot.act = RAFT_SNAPSHOT_ABANDON;
    node->make_for = 0;
    log_done(&node->memory);
    node->memory = log_copy(&node->disk);
}

void group_restart(struct group *group, struct group_node *node)
{
    node->options.seed += 1000;
    start(group, node);
}

enum status group_compact(struct group *group, struct group_node *node, uint64_t index)
{
    enum status status =
        group_step(group, node, (struct raft_event){.kind = RAFT_COMPACTED, .index = index});

    if (status == STATUS_OK) {
        if (node->flushed_index < index) {
            node->flushed_index = index;
        }
        log_compact(&node->memory, index);
        log_compact(&node->disk, index);
    }
    return status;
}

/* ---- snapshots ---- */

enum status group_snapshot_ready(struct group *group, struct group_node *node, uint64_t peer)
{
    uint64_t index = node->applied_index;
    struct raft_snapshot snapshot = {
        .position = {.term = log_term(&node->memory, index), .index = index},
        .configuration = log_configuration(&node->memory, index)};

    node->make_for &= ~(1U << peer);
    return group_step(
        group, node,
        (struct raft_event){.kind = RAFT_SNAPSHOT_READY, .peer = peer, .snapshot = &snapshot});
}

enum status group_snapshot_fetched(struct group *group, struct group_node *node)
{
    struct raft_snapshot snapshot = node->snapshot.snapshot;

    node->snapshot.act = RAFT_SNAPSHOT_ABANDON;
    return group_step(group, node,
                      (struct raft_event){.kind = RAFT_SNAPSHOT_FETCHED, .snapshot = &snapshot});
}

/* Durable in one go: the log begins anew after it, and what was being written is void. */
enum status group_snapshot_installed(struct group *group, struct group_node *node)
{
    struct raft_snapshot snapshot = node->snapshot.snapshot;
    struct group_log log = {.compacted = snapshot.position,
                            .configuration = snapshot.configuration};

    struct raft_event installed = {.kind = RAFT_SNAPSHOT_INSTALLED, .snapshot = &snapshot};

    if (node->snapshot.act != RAFT_SNAPSHOT_INSTALL) {
        return group_step(group, node, installed);
    }
    while (group_persist(group, node)) {
    }
    node->snapshot.act = RAFT_SNAPSHOT_ABANDON;
    log_done(&node->disk);
    log_done(&node->memory);
    node->disk = log;
    node->memory = log;
    node->applied_index = snapshot.position.index;
    node->flushed_index = snapshot.position.index;
    return group_step(group, node, installed);
}

static bool serve_snapshot(struct group *group, struct group_node *node)
{
    if (node->raft == NULL) {
        return false;
    }
    if (node->make_for != 0) {
        group_snapshot_ready(group, node, (uint64_t)__builtin_ctz(node->make_for));
        return true;
    }
    switch (node->snapshot.act) {
    case RAFT_SNAPSHOT_FETCH:
        group_snapshot_fetched(group, node);
        return true;
    case RAFT_SNAPSHOT_INSTALL:
        group_snapshot_installed(group, node);
        return true;
    default:
        return false;
    }
}

/* ---- whole groups ---- */

void group_init(struct group *group, struct buffer *trace)
{
    *group = (struct group){.trace = trace, .now_ms = 100000};
}

void group_done(struct group *group)
{
    for (size_t i = 0; i < group->node_count; i++) {
        struct group_node *node = &group->nodes[i];

        if (node->raft != NULL) {
            group_crash(group, node, 0);
        }
        log_done(&node->disk);
        log_done(&node->memory);
        memory_free(node->writes);
    }
    messages_done(&group->messages);
    memory_free(group->committed);
    memory_free(group->leader_of_term);
}

void group_stabilize(struct group *group)
{
    bool busy = true;

    while (busy && group->broken == NULL) {
        busy = false;
        while (group->messages.count > 0 && group->broken == NULL) {
            group_deliver(group, 0);
            busy = true;
        }
        for (size_t i = 0; i < group->node_count; i++) {
            struct group_node *node = &group->nodes[i];

            while (node->raft != NULL && group_persist(group, node)) {
                busy = true;
            }
            busy = serve_snapshot(group, node) || busy;
        }
    }
}

/* The node that wants to be woken first, not after `until_ms`. */
static struct group_node *next_to_wake(struct group *group, uint64_t until_ms)
{
    struct group_node *next = NULL;

    for (size_t i = 0; i < group->node_count; i++) {
        struct group_node *node = &group->nodes[i];

        if (node->raft != NULL && node->wake_at_ms <= until_ms &&
            (next == NULL || node->wake_at_ms < next->wake_at_ms)) {
            next = node;
        }
    }
    return next;
}

void group_advance(struct group *group, uint64_t ms)
{
    uint64_t until_ms = group->now_ms + ms;
    struct group_node *node;

    while ((node = next_to_wake(group, until_ms)) != NULL && group->broken == NULL) {
        if (node->wake_at_ms > group->now_ms) {
            group->now_ms = node->wake_at_ms;
        }
        group_step(group, node, (struct raft_event){.kind = RAFT_TICK});
        if (node->wake_at_ms <= group->now_ms && group->broken == NULL) {
            group->broken = "a tick leaves a replica wanting another one at once";
        }
    }
    group->now_ms = until_ms;
}

struct group_node *group_leader(struct group *group)
{
    struct group_node *leader = NULL;

    for (size_t i = 0; i < group->node_count; i++) {
        struct group_node *node = &group->nodes[i];

        if (node->raft != NULL && raft_state(node->raft).role == RAFT_LEADER &&
            (leader == NULL ||
             raft_state(node->raft).hard_state.term > raft_state(leader->raft).hard_state.term)) {
            leader = node;
        }
    }
    return leader;
}
