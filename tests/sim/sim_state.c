/* Each box gives UIDs from 1 and has a modseq; an operation that comes twice
 * gives its first outcome again. What is durable is a second copy, brought up by applying the same
 * batches again: a flush is that, and a crash is a part of it. */
#include "tests/sim/sim_state.h"

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

struct state_blob {
    unsigned references;
    struct machine machine;
};

struct state {
    struct machine now, durable;
    struct raft_configuration_at began;
    struct batch *batches, **batches_end;
    size_t batch_count;
    bool rotten;
};

enum { COMMAND_OCTETS = 1 + 1 + 4 + 8 };

void state_encode(const struct state_command *command, struct buffer *output)
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

enum status state_apply(struct state *state, const struct log_entry *entries, size_t count,
                        struct state_outcome *out_outcomes, uint64_t *out_digests)
{
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

static void drop_batch(struct state *state, bool applies)
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

void state_flush(struct state *state)
{
    while (state->batches != NULL) {
        drop_batch(state, true);
    }
}

void state_crash(struct state *state, struct random *random)
{
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

uint64_t state_durable_index(const struct state *state)
{
    return state->durable.meta.applied.index;
}

const struct state_meta *state_meta(const struct state *state)
{
    return &state->now.meta;
}

void state_rot(struct state *state)
{
    state->rotten = true;
}

/* ---- Beginning, end, and moving ---- */

static void machine_begin(struct machine *machine, const struct raft_configuration_at *began)
{
    machine_done(machine);
    *machine = (struct machine){.meta.configuration = *began};
}

struct state *state_new(const struct raft_configuration_at *began)
{
    struct state *state = NEW(struct state);

    state->began = *began;
    state->batches_end = &state->batches;
    machine_begin(&state->now, began);
    machine_begin(&state->durable, began);
    return state;
}

void state_free(struct state *state)
{
    if (state == NULL) {
        return;
    }
    while (state->batches != NULL) {
        drop_batch(state, false);
    }
    machine_done(&state->now);
    machine_done(&state->durable);
    memory_free(state);
}

struct state_blob *state_export(struct state *state)
{
    struct state_blob *blob = NEW(struct state_blob);

    blob->references = 1;
    machine_copy(&blob->machine, &state->now);
    return blob;
}

struct state_blob *state_blob_ref(struct state_blob *blob)
{
    blob->references++;
    return blob;
}

void state_blob_unref(struct state_blob *blob)
{
    if (blob != NULL && --blob->references == 0) {
        machine_done(&blob->machine);
        memory_free(blob);
    }
}

void state_clear(struct state *state)
{
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

void state_ingest(struct state *state, const struct state_blob *blob, unsigned piece,
                  unsigned pieces)
{
    struct machine *machine = &state->durable;

    for (size_t i = 0; i < STATE_BOXES; i++) {
        ingest_box(&machine->boxes[i], &blob->machine.boxes[i], piece, pieces);
    }
    if (piece + 1 == pieces) {
        for (size_t i = 0; i < STATE_BOXES; i++) {
            machine->boxes[i].uid_next = blob->machine.boxes[i].uid_next;
            machine->boxes[i].modseq = blob->machine.boxes[i].modseq;
        }
        memory_free(machine->once);
        machine->once_count = blob->machine.once_count;
        machine->once =
            copy_of(blob->machine.once, blob->machine.once_count * sizeof(*machine->once));
        machine->meta = blob->machine.meta;
    }
    machine_copy(&state->now, machine);
}

/* ---- Looking ---- */

enum status state_read(struct state *state, unsigned box, struct state_view *out_view)
{
    if (state->rotten) {
        return STATUS_CORRUPT;
    }
    out_view->uid_next = state->now.boxes[box].uid_next + 1;
    out_view->modseq = state->now.boxes[box].modseq;
    out_view->count = state->now.boxes[box].count;
    return STATUS_OK;
}

unsigned state_find(struct state *state, unsigned box, uint64_t operation, uint32_t *out_uid)
{
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

bool state_is_sound(struct state *state)
{
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
