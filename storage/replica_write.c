#include "core/check.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/raft/mutant.h"
#include "storage/replica_core.h"

/* ---- Duties 1 and 3: the write, and what waits for it ---- */

static struct slice payload_of(const struct replica *replica, const struct raft_entry *entry,
                               size_t *cursor)
{
    for (size_t seen = 0; seen < replica->staged_count; seen++) {
        const struct staged *staged = &replica->staged[(*cursor + seen) % replica->staged_count];

        if (staged->position.index == entry->index && staged->position.term == entry->term) {
            *cursor = (*cursor + seen + 1) % replica->staged_count;
            return staged->payload;
        }
    }
    CHECK(entry->size == 0);
    return (struct slice){0};
}

struct slice replica_encode_configuration(struct arena *arena,
                                          const struct raft_configuration *configuration)
{
    struct buffer encoded;

    buffer_init(&encoded, RAFT_CONFIGURATION_SIZE_MAX);
    raft_configuration_encode(configuration, &encoded);
    struct slice copy = arena_copy(arena, buffer_view(&encoded));
    buffer_done(&encoded);
    return copy;
}

static const struct log_entry *log_entries_of(struct replica *replica,
                                              const struct raft_effects *effects)
{
    struct log_entry *entries =
        arena_array(&replica->payloads, effects->entry_count + 1, sizeof(*entries));
    size_t cursor = 0;

    for (size_t i = 0; i < effects->entry_count; i++) {
        const struct raft_entry *entry = &effects->entries[i];

        entries[i].position = (struct raft_position){entry->term, entry->index};
        entries[i].kind = entry->kind;
        entries[i].payload =
            entry->kind == RAFT_ENTRY_CONFIGURATION
                ? replica_encode_configuration(&replica->payloads, entry->configuration)
                : payload_of(replica, entry, &cursor);
    }
    return entries;
}

static struct write *new_write(struct replica *replica)
{
    struct write *write = NEW(struct write);

    write->replica = replica;
    write->append.owner = write;
    write->append.context = replica->port.context;
    write->append.shard = replica->shard;
    write->append.generation = replica->generation;
    write->held_end = &write->held;
    return write;
}

/* What it means for the replica that the log refuses a write. NO_SPACE: an earlier one has failed,
 * and is on its way back. */
static enum status meaning(enum status refused)
{
    return refused == STATUS_IO_ERROR || refused == STATUS_NO_SPACE ? refused : STATUS_CORRUPT;
}

static void submit(struct replica *replica, struct write *write)
{
    CRASH_POINT("replica.before_submit");
    enum status status = log_submit(replica->log, &write->append);
    if (status != STATUS_OK) {
        replica->status = MUTANT(11) ? STATUS_OK : meaning(status);
        memory_free(write);
        return;
    }
    *replica->writes_end = write;
    replica->writes_end = &write->next;
    replica->writing++;
    CRASH_POINT("replica.submitted");
    replica->port.submitted(replica->port.context);
}

void replica_write_effects(struct replica *replica, const struct raft_effects *effects)
{
    struct write *write = new_write(replica);

    write->is_raft = true;
    write->mark = effects->mark;
    write->append.truncate_from = effects->truncate_from;
    write->append.hard_state = effects->hard_state;
    write->append.entries = log_entries_of(replica, effects);
    write->append.entry_count = effects->entry_count;
    submit(replica, write);
}

static struct write *last_write(struct replica *replica)
{
    return CONTAINER_OF(replica->writes_end, struct write, next);
}

static void hold(struct write *write, const struct raft_message *message)
{
    struct held *held = NEW(struct held);

    held->message = *message;
    if (message->configuration != NULL) {
        held->configuration = *message->configuration;
        held->message.configuration = &held->configuration;
    }
    *write->held_end = held;
    write->held_end = &held->next;
}

void replica_send_durable(struct replica *replica, const struct raft_effects *effects)
{
    for (size_t i = 0; i < effects->durable_count; i++) {
        if (replica->writes != NULL) {
            hold(last_write(replica), &effects->messages_durable[i]);
            CRASH_POINT("replica.held");
        } else {
            replica->port.send(replica->port.context, &effects->messages_durable[i]);
            CRASH_POINT("replica.durable_sent");
        }
    }
}

static void release(struct replica *replica, struct write *write, bool sends)
{
    while (write->held != NULL) {
        struct held *held = write->held;

        if (sends) {
            CRASH_POINT("replica.before_release");
            replica->port.send(replica->port.context, &held->message);
            CRASH_POINT("replica.released");
        }
        write->held = held->next;
        memory_free(held);
    }
}

static void persisted(struct replica *replica, const struct write *write, uint64_t now_ms)
{
    struct raft_event event = {.now_ms = now_ms};

    if (write->is_raft) {
        event.kind = RAFT_PERSISTED;
        event.persisted = write->mark;
    } else {
        event.kind = RAFT_SNAPSHOT_INSTALLED;
        event.snapshot = &write->snapshot;
        replica->applied = write->snapshot.position.index;
        replica->is_installing = false;
        CRASH_POINT("replica.installed");
    }
    enum status status = replica_step(replica, &event);
    if (status != STATUS_OK) {
        replica->status = status;
    }
    CRASH_POINT("replica.persisted");
}

void replica_written(struct log_append *append, uint64_t now_ms)
{
    struct write *write = append->owner;
    struct replica *replica = write->replica;

    CHECK(replica->writes == write);
    replica->writes = write->next;
    if (write->next == NULL) {
        replica->writes_end = &replica->writes;
    }
    replica->writing--;
    CRASH_POINT("replica.written");
    if (append->status != STATUS_OK && replica->status == STATUS_OK && !MUTANT(11)) {
        replica->status = append->status;
    }
    bool is_durable = replica->status == STATUS_OK && append->status == STATUS_OK;
    release(replica, write, is_durable);
    if (is_durable) {
        persisted(replica, write, now_ms);
    }
    memory_free(write);
}

void replica_installed(struct replica *replica, const struct raft_snapshot *snapshot)
{
    struct write *write = new_write(replica);

    write->snapshot = *snapshot;
    write->append.begin_after = &write->snapshot.position;
    CRASH_POINT("replica.before_begin");
    submit(replica, write);
}
