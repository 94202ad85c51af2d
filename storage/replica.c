#include "core/check.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/raft/mutant.h"
#include "storage/replica_core.h"
#include "storage/replica_recovery.h"

/* ---- Beginning and end ---- */

static enum status new_raft(struct replica *replica, const struct replica_options *options)
{
    struct replica_recovery recovery;
    struct raft_options raft = options->raft;

    enum status status = log_resume(options->log, options->shard);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        status = replica_recovery_read(&recovery, options);
    } else {
        recovery = (struct replica_recovery){0};
    }
    if (status == STATUS_OK) {
        raft.hard_state = recovery.bounds.hard_state;
        raft.compacted = recovery.bounds.compacted;
        raft.runs = recovery.runs;
        raft.run_count = recovery.run_count;
        raft.sizes = recovery.sizes;
        raft.entry_count = recovery.entry_count;
        raft.applied_index = options->applied.index;
        raft.configurations = recovery.configurations;
        raft.configuration_count = recovery.configuration_count;
        status = raft_new(&raft, &replica->raft);
    }
    replica_recovery_done(&recovery);
    return status;
}

enum status replica_open(const struct replica_options *options, struct replica **out_replica)
{
    struct replica *replica = NEW(struct replica);

    replica->port = options->port;
    replica->log = options->log;
    replica->shard = options->shard;
    replica->generation = options->raft.generation;
    replica->applied = replica->apply_through = options->applied.index;
    replica->writes_end = &replica->writes;
    replica->is_stirred = true;
    arena_init(&replica->payloads);
    CRASH_POINT("replica.open");
    enum status status = new_raft(replica, options);
    if (status != STATUS_OK) {
        replica_free(replica);
        return status;
    }
    *out_replica = replica;
    return STATUS_OK;
}

void replica_free(struct replica *replica)
{
    if (replica == NULL) {
        return;
    }
    CHECK(replica->writing == 0);
    while (replica->reads != NULL) {
        struct waiting_read *read = replica->reads;

        replica->reads = read->next;
        memory_free(read);
    }
    raft_free(replica->raft);
    arena_done(&replica->payloads);
    memory_free(replica->staged);
    memory_free(replica);
}

/* ---- What happens ---- */

enum status replica_step(struct replica *replica, const struct raft_event *event)
{
    if (replica->status != STATUS_OK) {
        return replica->status;
    }
    enum status status = raft_step(replica->raft, event, NULL);
    if (status == STATUS_CORRUPT) {
        replica->status = STATUS_CORRUPT;
    }
    replica->is_stirred = true;
    return status;
}

static void stage(struct replica *replica, struct raft_position position, struct slice payload)
{
    if (replica->staged_count == replica->staged_capacity) {
        replica->staged_capacity = replica->staged_capacity * 2 + 8;
        replica->staged =
            memory_resized(replica->staged, replica->staged_capacity * sizeof(*replica->staged));
    }
    replica->staged[replica->staged_count++] =
        (struct staged){.position = position, .payload = payload};
}

enum status replica_propose(struct replica *replica, uint64_t now_ms, const struct slice *payloads,
                            size_t count, struct raft_position *out_first)
{
    struct slice *copies = arena_array(&replica->payloads, count + 1, sizeof(*copies));

    for (size_t i = 0; i < count; i++) {
        copies[i] = arena_copy(&replica->payloads, payloads[i]);
    }
    return replica_propose_lent(replica, now_ms, copies, count, out_first);
}

enum status replica_propose_lent(struct replica *replica, uint64_t now_ms,
                                 const struct slice *payloads, size_t count,
                                 struct raft_position *out_first)
{
    uint32_t *sizes = memory_zeroed((count + 1) * sizeof(*sizes));
    struct raft_event event = {.kind = RAFT_PROPOSED, .now_ms = now_ms};

    for (size_t i = 0; i < count; i++) {
        sizes[i] = (uint32_t)payloads[i].size;
    }
    event.proposed.sizes = sizes;
    event.proposed.count = count;
    enum status status = replica_step(replica, &event);
    memory_free(sizes);
    if (status != STATUS_OK) {
        return status;
    }
    struct raft_position last = raft_state(replica->raft).last;
    for (size_t i = 0; i < count; i++) {
        stage(replica, (struct raft_position){last.term, last.index - count + 1 + i}, payloads[i]);
    }
    *out_first = (struct raft_position){last.term, last.index - count + 1};
    CRASH_POINT("replica.proposed");
    return STATUS_OK;
}

enum status replica_receive(struct replica *replica, uint64_t now_ms,
                            const struct raft_message *message, const struct slice *payloads)
{
    struct raft_event event = {.kind = RAFT_RECEIVED, .now_ms = now_ms, .received = message};

    enum status status = replica_step(replica, &event);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < message->entry_count; i++) {
        const struct raft_entry *entry = &message->entries[i];

        stage(replica, (struct raft_position){entry->term, entry->index},
              arena_copy(&replica->payloads, payloads[i]));
    }
    CRASH_POINT("replica.received");
    return STATUS_OK;
}

void replica_applied(struct replica *replica, uint64_t now_ms, uint64_t index)
{
    struct raft_event event = {.kind = RAFT_APPLIED, .now_ms = now_ms, .index = index};

    CHECK(replica->is_applying && index <= replica->apply_through);
    replica->applied = index;
    replica->is_applying = false;
    CRASH_POINT("replica.applied");
    enum status status = replica_step(replica, &event);
    CHECK(status != STATUS_INVALID);
}

enum status replica_compact(struct replica *replica, uint64_t now_ms, uint64_t index,
                            uint64_t durable_index)
{
    struct raft_event event = {.kind = RAFT_COMPACTED, .now_ms = now_ms, .index = index};

    CRASH_POINT("replica.before_compact");
    enum status status = log_compact(replica->log, replica->shard, index, durable_index);
    if (status == STATUS_OK) {
        CRASH_POINT("replica.compacted");
        status = replica_step(replica, &event);
    }
    return status;
}

/* ---- Duties 4 to 6: state, reads, snapshots ---- */

static void answer_reads(struct replica *replica)
{
    struct waiting_read **place = &replica->reads;

    while (*place != NULL) {
        struct waiting_read *read = *place;

        if (read->index > replica->applied) {
            place = &read->next;
            continue;
        }
        *place = read->next;
        CRASH_POINT("replica.read_released");
        replica->port.read(replica->port.context, read->context, STATUS_OK);
        memory_free(read);
    }
}

static void take_reads(struct replica *replica, const struct raft_effects *effects)
{
    struct waiting_read **end = &replica->reads;

    while (*end != NULL) {
        end = &(*end)->next;
    }
    for (size_t i = 0; i < effects->read_count; i++) {
        const struct raft_read *read = &effects->reads[i];

        if (read->status != STATUS_OK) {
            replica->port.read(replica->port.context, read->context, read->status);
            continue;
        }
        struct waiting_read *waiting = NEW(struct waiting_read);
        *waiting = (struct waiting_read){.index = read->index, .context = read->context};
        *end = waiting;
        end = &waiting->next;
    }
}

static void take_snapshots(struct replica *replica, const struct raft_effects *effects)
{
    for (size_t i = 0; i < effects->snapshot_count; i++) {
        const struct raft_snapshot_effect *effect = &effects->snapshots[i];

        if (effect->act == RAFT_SNAPSHOT_INSTALL) {
            replica->wants_install = true;
            replica->install = *effect;
        } else {
            CRASH_POINT("replica.snapshot_act");
            replica->port.snapshot(replica->port.context, effect);
        }
    }
}

/* What is being installed replaces what would be applied. It waits for the writes before it: the
 * log that begins after the snapshot needs a term that is not behind it, also after a crash. */
static void advance_state(struct replica *replica)
{
    if (replica->is_applying || replica->status != STATUS_OK) {
        return;
    }
    if (replica->wants_install) {
        if (replica->writes != NULL && !MUTANT(25)) {
            return;
        }
        replica->wants_install = false;
        replica->is_installing = true;
        CRASH_POINT("replica.before_install");
        replica->port.snapshot(replica->port.context, &replica->install);
    } else if (replica->applied < replica->apply_through && !replica->is_installing) {
        replica->is_applying = true;
        CRASH_POINT("replica.before_apply");
        replica->port.apply(replica->port.context, replica->applied + 1, replica->apply_through);
    }
}

/* ---- The round ---- */

static void carry_out(struct replica *replica, const struct raft_effects *effects)
{
    if (effects->writes) {
        replica_write_effects(replica, effects);
    }
    replica->staged_count = 0;
    arena_clear(&replica->payloads);
    if (replica->status != STATUS_OK) {
        return;
    }
    for (size_t i = 0; i < effects->eager_count; i++) {
        replica->port.send(replica->port.context, &effects->messages_eager[i]);
        CRASH_POINT("replica.eager_sent");
    }
    replica_send_durable(replica, effects);
    if (effects->apply_through > replica->apply_through) {
        replica->apply_through = effects->apply_through;
    }
    take_reads(replica, effects);
    take_snapshots(replica, effects);
    replica->wake_at_ms = effects->wake_at_ms;
}

void replica_run(struct replica *replica)
{
    if (replica->status != STATUS_OK) {
        return;
    }
    if (replica->is_stirred) {
        struct raft_effects effects;

        replica->is_stirred = false;
        CRASH_POINT("replica.run");
        enum status status = raft_step(replica->raft, NULL, &effects);
        if (status != STATUS_OK) {
            replica->status = STATUS_CORRUPT;
            return;
        }
        carry_out(replica, &effects);
    }
    if (replica->status == STATUS_OK) {
        answer_reads(replica);
        advance_state(replica);
    }
}

/* ---- What can be seen ---- */

enum status replica_status(const struct replica *replica)
{
    return replica->status;
}

size_t replica_writing(const struct replica *replica)
{
    return replica->writing;
}

uint64_t replica_wake_at_ms(const struct replica *replica)
{
    return replica->wake_at_ms;
}

struct raft_state replica_state(const struct replica *replica)
{
    return raft_state(replica->raft);
}

enum status replica_peer(const struct replica *replica, uint64_t id, struct raft_peer *out_peer)
{
    return raft_peer(replica->raft, id, out_peer);
}

/* ---- After a quorum is lost ---- */

enum status replica_force(struct log *log, uint32_t shard, uint64_t id, uint64_t generation,
                          struct log_append *append)
{
    struct log_bounds bounds;
    struct raft_hard_state hard_state;
    struct raft_configuration configuration;
    struct log_entry entry = {.kind = RAFT_ENTRY_CONFIGURATION};
    struct arena arena;

    enum status status = log_resume(log, shard);
    if (status == STATUS_OK) {
        status = log_bounds(log, shard, &bounds);
    }
    if (status != STATUS_OK) {
        return status;
    }
    raft_force(id, bounds.hard_state, bounds.last, &hard_state, &configuration, &entry.position);
    arena_init(&arena);
    entry.payload = replica_encode_configuration(&arena, &configuration);
    append->shard = shard;
    append->generation = generation;
    append->hard_state = &hard_state;
    append->entries = &entry;
    append->entry_count = 1;
    CRASH_POINT("replica.force");
    status = log_submit(log, append);
    arena_done(&arena);
    return status;
}
