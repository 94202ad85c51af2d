/* The small machine: each box gives UIDs from 1 and has a modseq; an operation that comes twice
 * gives its first outcome again. What is durable is a second copy, brought up by applying the same
 * batches again: a flush is that, and a crash is a part of it. */
#include "tests/sim/sim_state_kind.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"
#include "tests/sim/sim.h"

struct mail_item {
    uint64_t operation;
    uint64_t modseq;
    uint32_t uid;
    uint32_t flags;
};

struct box {
    uint64_t uid_next;
    uint64_t modseq;
    struct mail_item *items;
    size_t count, capacity;
};

struct once {
    uint64_t modseq;
    uint32_t uid;
    uint8_t box;
    uint8_t kind;
    uint8_t status;
    bool is_there;
};

struct machine {
    struct state_meta meta;
    struct box boxes[STATE_BOXES];
    struct once *once; /* by operation */
    size_t once_count;
};

/* A batch that was applied and is not durable yet. */
struct batch {
    struct log_entry *entries;
    size_t count;
    struct batch *next;
};

struct small_blob {
    struct state_blob blob;
    struct machine machine;
};

struct small {
    struct state state;
    struct machine now, durable;
    struct raft_configuration_at began;
    struct batch *batches, **batches_end;
    size_t batch_count;
    bool rotten;
};

static struct small *small_of(struct state *state)
{
    return CONTAINER_OF(state, struct small, state);
}

static const struct small_blob *blob_of(const struct state_blob *blob)
{
    return CONTAINER_OF(blob, struct small_blob, blob);
}

enum { COMMAND_OCTETS = 1 + 1 + 4 + 8 };

static void small_encode(const struct state *base, const struct state_command *command,
                         struct buffer *output)
{
    char *octets = buffer_reserve(output, COMMAND_OCTETS + command->filler);

    octets[0] = (char)command->kind;
    octets[1] = (char)command->box;
    number_put_u32(octets + 2, command->uid);
    number_put_u64(octets + 6, command->operation);
    memset(octets + COMMAND_OCTETS, (int)(command->operation & 0xff), command->filler);
    buffer_grew(output, COMMAND_OCTETS + command->filler);
}

/* ---- Applying ---- */

static struct once *once_of(struct machine *machine, uint64_t operation)
{
    if (operation >= machine->once_count) {
        size_t count = operation * 2 + 64;

        machine->once = memory_resized(machine->once, count * sizeof(*machine->once));
        memset(machine->once + machine->once_count, 0,
               (count - machine->once_count) * sizeof(*machine->once));
        machine->once_count = count;
    }
    return &machine->once[operation];
}

static void deliver(struct box *box, uint64_t operation, struct once *once)
{
    if (box->count == box->capacity) {
        box->capacity = box->capacity * 2 + 16;
        box->items = memory_resized(box->items, box->capacity * sizeof(*box->items));
    }
    once->uid = (uint32_t)++box->uid_next;
    once->modseq = ++box->modseq;
    box->items[box->count++] =
        (struct mail_item){.operation = operation, .modseq = once->modseq, .uid = once->uid};
}

static void flag(struct box *box, uint32_t uid, struct once *once)
{
    for (size_t i = box->count; i > 0; i--) {
        if (box->items[i - 1].uid == uid) {
            box->items[i - 1].flags ^= 1;
            box->items[i - 1].modseq = once->modseq = ++box->modseq;
            once->uid = uid;
            return;
        }
    }
    once->status = STATUS_NOT_FOUND;
    once->modseq = box->modseq;
}

static void run_command(struct machine *machine, struct slice payload,
                        struct state_outcome *out_outcome)
{
    CHECK(payload.size >= COMMAND_OCTETS);
    uint8_t kind = (uint8_t)payload.data[0];
    uint8_t box = (uint8_t)payload.data[1];
    uint64_t operation = number_get_u64(payload.data + 6);
    struct once *once = once_of(machine, operation);

    CHECK(box < STATE_BOXES);
    out_outcome->repeated = once->is_there;
    if (!once->is_there) {
        *once = (struct once){.is_there = true, .box = box, .kind = kind};
        if (kind == OPERATION_DELIVER) {
            deliver(&machine->boxes[box], operation, once);
        } else {
            flag(&machine->boxes[box], number_get_u32(payload.data + 2), once);
        }
    }
    out_outcome->is_command = true;
    out_outcome->status = (enum status)once->status;
    out_outcome->operation = operation;
    out_outcome->kind = kind;
    out_outcome->box = once->box;
    out_outcome->uid = once->uid;
    out_outcome->modseq = once->modseq;
}

static void run_entry(struct machine *machine, const struct log_entry *entry,
                      struct state_outcome *out_outcome)
{
    *out_outcome = (struct state_outcome){0};
    CHECK(entry->position.index == machine->meta.applied.index + 1);
    if (entry->kind == RAFT_ENTRY_COMMAND) {
        run_command(machine, entry->payload, out_outcome);
    } else if (entry->kind == RAFT_ENTRY_CONFIGURATION) {
        machine->meta.configuration.index = entry->position.index;
        CHECK(raft_configuration_decode(entry->payload,
                                        &machine->meta.configuration.configuration) == STATUS_OK);
    }
    machine->meta.applied = entry->position;
    uint64_t digest = hash_mix(machine->meta.digest, entry->position.term);
    digest = hash_mix(digest, out_outcome->uid);
    machine->meta.digest = hash_mix(digest, out_outcome->modseq ^ out_outcome->operation << 20);
}

static struct batch *batch_of(const struct log_entry *entries, size_t count)
{
    struct batch *batch = NEW(struct batch);
    size_t octets = 0;

    for (size_t i = 0; i < count; i++) {
        octets += entries[i].payload.size;
    }
    batch->entries = memory_zeroed(count * sizeof(*entries) + octets);
    batch->count = count;
    char *room = (char *)(batch->entries + count);
    for (size_t i = 0; i < count; i++) {
        batch->entries[i] = entries[i];
        memcpy(room, entries[i].payload.data, entries[i].payload.size);
        batch->entries[i].payload.data = room;
        room += entries[i].payload.size;
    }
    return batch;
}

static enum status small_apply(struct state *base, const struct log_entry *entries, size_t count,
                               struct state_outcome *out_outcomes, uint64_t *out_digests)
{
    struct small *state = small_of(base);

    if (state->rotten) {
        return STATUS_CORRUPT;
    }
    for (size_t i = 0; i < count; i++) {
        run_entry(&state->now, &entries[i], &out_outcomes[i]);
        out_digests[i] = state->now.meta.digest;
    }
    struct batch *batch = batch_of(entries, count);
    *state->batches_end = batch;
    state->batches_end = &batch->next;
    state->batch_count++;
    return STATUS_OK;
}

/* ---- Durability ---- */

static void machine_done(struct machine *machine)
{
    for (size_t i = 0; i < STATE_BOXES; i++) {
        memory_free(machine->boxes[i].items);
    }
    memory_free(machine->once);
}

static void *copy_of(const void *octets, size_t size)
{
    void *copy = memory_zeroed(size + 1);

    if (size > 0) {
        memcpy(copy, octets, size);
    }
    return copy;
}

static void machine_copy(struct machine *machine, const struct machine *from)
{
    machine_done(machine);
    *machine = *from;
    for (size_t i = 0; i < STATE_BOXES; i++) {
        machine->boxes[i].capacity = from->boxes[i].count;
        machine->boxes[i].items =
            copy_of(from->boxes[i].items, from->boxes[i].count * sizeof(struct mail_item));
    }
    machine->once = copy_of(from->once, from->once_count * sizeof(struct once));
}

static void drop_batch(struct small *state, bool applies)
{
    struct batch *batch = state->batches;
    struct state_outcome outcome;

    for (size_t i = 0; applies && i < batch->count; i++) {
        run_entry(&state->durable, &batch->entries[i], &outcome);
    }
    state->batches = batch->next;
    if (state->batches == NULL) {
        state->batches_end = &state->batches;
    }
    state->batch_count--;
    memory_free(batch->entries);
    memory_free(batch);
}

static void small_flush(struct state *base)
{
    struct small *state = small_of(base);

    while (state->batches != NULL) {
        drop_batch(state, true);
    }
}

static void small_crash(struct state *base, struct random *random)
{
    struct small *state = small_of(base);

    size_t kept = state->batch_count > 0 ? random_below(random, state->batch_count + 1) : 0;
    bool changes = kept < state->batch_count;

    while (state->batches != NULL) {
        drop_batch(state, kept > 0);
        kept -= kept > 0;
    }
    if (changes) {
        machine_copy(&state->now, &state->durable);
    }
}

static uint64_t small_durable_index(struct state *base)
{
    return small_of(base)->durable.meta.applied.index;
}

static const struct state_meta *small_meta(struct state *base)
{
    return &small_of(base)->now.meta;
}

static void small_rot(struct state *base)
{
    struct small *state = small_of(base);

    state->rotten = true;
}

/* ---- Beginning, end, and moving ---- */

static void machine_begin(struct machine *machine, const struct raft_configuration_at *began)
{
    machine_done(machine);
    *machine = (struct machine){.meta.configuration = *began};
}

static struct state *small_new(unsigned group, const struct raft_configuration_at *began)
{
    struct small *state = NEW(struct small);

    state->began = *began;
    state->batches_end = &state->batches;
    machine_begin(&state->now, began);
    machine_begin(&state->durable, began);
    return &state->state;
}

static void small_free(struct state *base)
{
    struct small *state = small_of(base);

    while (state->batches != NULL) {
        drop_batch(state, false);
    }
    machine_done(&state->now);
    machine_done(&state->durable);
    memory_free(state);
}

static struct state_blob *small_export(struct state *base)
{
    struct small *state = small_of(base);

    struct small_blob *blob = NEW(struct small_blob);

    machine_copy(&blob->machine, &state->now);
    return &blob->blob;
}

static void small_blob_free(struct state_blob *blob)
{
    struct small_blob *small = CONTAINER_OF(blob, struct small_blob, blob);

    machine_done(&small->machine);
    memory_free(small);
}

static void small_clear(struct state *base)
{
    struct small *state = small_of(base);

    state->rotten = false;
    while (state->batches != NULL) {
        drop_batch(state, false);
    }
    machine_begin(&state->now, &state->began);
    machine_begin(&state->durable, &state->began);
}

static void ingest_box(struct box *box, const struct box *from, unsigned piece, unsigned pieces)
{
    size_t low = from->count * piece / pieces;
    size_t high = from->count * (piece + 1) / pieces;

    box->capacity = box->count + (high - low);
    box->items = memory_resized(box->items, (box->capacity + 1) * sizeof(*box->items));
    if (high > low) {
        memcpy(box->items + box->count, from->items + low, (high - low) * sizeof(*box->items));
    }
    box->count = box->capacity;
}

static void small_ingest(struct state *base, const struct state_blob *blob, unsigned piece,
                         unsigned pieces)
{
    struct small *state = small_of(base);

    struct machine *machine = &state->durable;

    for (size_t i = 0; i < STATE_BOXES; i++) {
        ingest_box(&machine->boxes[i], &blob_of(blob)->machine.boxes[i], piece, pieces);
    }
    if (piece + 1 == pieces) {
        for (size_t i = 0; i < STATE_BOXES; i++) {
            machine->boxes[i].uid_next = blob_of(blob)->machine.boxes[i].uid_next;
            machine->boxes[i].modseq = blob_of(blob)->machine.boxes[i].modseq;
        }
        memory_free(machine->once);
        machine->once_count = blob_of(blob)->machine.once_count;
        machine->once = copy_of(blob_of(blob)->machine.once,
                                blob_of(blob)->machine.once_count * sizeof(*machine->once));
        machine->meta = blob_of(blob)->machine.meta;
    }
    machine_copy(&state->now, machine);
}

/* ---- Looking ---- */

static enum status small_read(struct state *base, unsigned box, struct state_view *out_view)
{
    struct small *state = small_of(base);

    if (state->rotten) {
        return STATUS_CORRUPT;
    }
    out_view->uid_next = state->now.boxes[box].uid_next + 1;
    out_view->modseq = state->now.boxes[box].modseq;
    out_view->count = state->now.boxes[box].count;
    return STATUS_OK;
}

static unsigned small_find(struct state *base, unsigned box, uint64_t operation, uint32_t *out_uid)
{
    struct small *state = small_of(base);

    const struct box *found = &state->now.boxes[box];
    unsigned count = 0;

    for (size_t i = 0; i < found->count; i++) {
        if (found->items[i].operation == operation) {
            *out_uid = found->items[i].uid;
            count++;
        }
    }
    return count;
}

static bool small_is_sound(struct state *base)
{
    struct small *state = small_of(base);

    for (size_t i = 0; i < STATE_BOXES; i++) {
        const struct box *box = &state->now.boxes[i];

        for (size_t item = 0; item < box->count; item++) {
            if (box->items[item].uid > box->uid_next ||
                (item > 0 && box->items[item].uid <= box->items[item - 1].uid)) {
                return false;
            }
        }
    }
    return true;
}

const struct state_kind state_small = {
    .new = small_new,
    .free = small_free,
    .encode = small_encode,
    .apply = small_apply,
    .meta = small_meta,
    .durable_index = small_durable_index,
    .flush = small_flush,
    .crash = small_crash,
    .rot = small_rot,
    .export = small_export,
    .blob_free = small_blob_free,
    .clear = small_clear,
    .ingest = small_ingest,
    .read = small_read,
    .find = small_find,
    .is_sound = small_is_sound,
};
