#include "storage/overlay.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/check.h"
#include "core/memory.h"
#include "storage/keys.h"

enum { SLOT_COUNT_LEAST = 1024, GROUP_COUNT = 1024, VALUE_KEPT_SIZE_MAX = 4096 };

enum row_state {
    ROW_UNKNOWN, /* as the store has it */
    ROW_CLEAN,   /* read: `value` */
    ROW_ABSENT,  /* read: not there */
    ROW_RANGED,  /* deleted by a range, which says so to the store */
    ROW_PUT,     /* pending */
    ROW_DELETED, /* pending */
};

struct overlay_row {
    struct overlay_row *next_in_slot;
    struct overlay_row *next_in_group;
    struct overlay_row *next_dirty;
    uint64_t hash;
    struct slice key;
    struct slice value;
    enum row_state state;
    bool is_dirty;    /* in the list */
    bool is_borrowed; /* `value` is the caller's */
};

struct overlay_pending {
    struct slice key;
    struct slice value;
    bool is_deleted;
};

static uint64_t hash_of(struct slice octets, uint64_t seed)
{
    return XXH3_64bits_withSeed(octets.data, octets.size, seed);
}

void overlay_init(struct overlay *overlay, struct store *store, uint64_t digest, size_t memory_max)
{
    *overlay = (struct overlay){
        .view = {.store = store},
        .memory_max = memory_max,
        .slot_count = SLOT_COUNT_LEAST,
        .digest = digest,
        .step_digest = digest,
    };
    arena_init(&overlay->arena);
    overlay->slots = memory_zeroed(SLOT_COUNT_LEAST * sizeof(struct overlay_row *));
    overlay->groups = memory_zeroed(GROUP_COUNT * sizeof(struct overlay_row *));
}

void overlay_done(struct overlay *overlay)
{
    arena_done(&overlay->arena);
    memory_free(overlay->slots);
    memory_free(overlay->groups);
    *overlay = (struct overlay){0};
}

void overlay_clear(struct overlay *overlay, uint64_t digest)
{
    struct store *store = overlay->view.store;
    size_t memory_max = overlay->memory_max;

    overlay_done(overlay);
    overlay_init(overlay, store, digest, memory_max);
}

/* ---- The table ---- */

static void grow(struct overlay *overlay)
{
    size_t slot_count = overlay->slot_count * 2;
    struct overlay_row **slots = memory_zeroed(slot_count * sizeof(struct overlay_row *));

    for (size_t index = 0; index < overlay->slot_count; index++) {
        struct overlay_row *row = overlay->slots[index];

        while (row != NULL) {
            struct overlay_row *next = row->next_in_slot;
            struct overlay_row **slot = &slots[row->hash & (slot_count - 1)];

            row->next_in_slot = *slot;
            *slot = row;
            row = next;
        }
    }
    memory_free(overlay->slots);
    overlay->slots = slots;
    overlay->slot_count = slot_count;
}

static struct overlay_row **group_of(const struct overlay *overlay, struct slice key)
{
    uint64_t hash = hash_of(slice_prefix(key, KEY_ACCOUNT_PREFIX_SIZE), 0);

    return &overlay->groups[hash % GROUP_COUNT];
}

static struct overlay_row *find(const struct overlay *overlay, struct slice key, uint64_t hash)
{
    struct overlay_row *row = overlay->slots[hash & (overlay->slot_count - 1)];

    while (row != NULL && (row->hash != hash || !slice_equals(row->key, key))) {
        row = row->next_in_slot;
    }
    return row;
}

static struct overlay_row *find_or_add(struct overlay *overlay, struct slice key)
{
    uint64_t hash = hash_of(key, 0);
    struct overlay_row *row = find(overlay, key, hash);

    if (row != NULL) {
        return row;
    }
    if (overlay->row_count >= overlay->slot_count / 2) {
        grow(overlay);
    }
    struct overlay_row **slot = &overlay->slots[hash & (overlay->slot_count - 1)];
    struct overlay_row **group = group_of(overlay, key);

    row = ARENA_NEW(&overlay->arena, struct overlay_row);
    row->hash = hash;
    row->key = arena_copy(&overlay->arena, key);
    row->next_in_slot = *slot;
    row->next_in_group = *group;
    *slot = row;
    *group = row;
    overlay->row_count++;
    return row;
}

static bool is_ranged(const struct overlay_range *ranges, struct slice key)
{
    for (; ranges != NULL; ranges = ranges->older) {
        if (slice_compare(key, ranges->low) >= 0 && slice_compare(key, ranges->high) < 0) {
            return true;
        }
    }
    return false;
}

/* ---- Reads of one key ---- */

enum status overlay_get(struct overlay *overlay, struct slice key, struct slice *out_value)
{
    struct overlay_row *row = find_or_add(overlay, key);

    if (row->state == ROW_UNKNOWN && is_ranged(overlay->ranges, key)) {
        return STATUS_NOT_FOUND;
    }
    if (row->state == ROW_UNKNOWN) {
        enum status status = store_get(&overlay->view, key, &overlay->arena, &row->value);

        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        row->state = status == STATUS_OK ? ROW_CLEAN : ROW_ABSENT;
    }
    if (row->state != ROW_CLEAN && row->state != ROW_PUT) {
        return STATUS_NOT_FOUND;
    }
    *out_value = row->value;
    return STATUS_OK;
}

/* ---- Writes ---- */

static void change(struct overlay *overlay, struct overlay_row *row, enum row_state state,
                   struct slice value)
{
    struct overlay_undo *undo = ARENA_NEW(&overlay->arena, struct overlay_undo);

    *undo = (struct overlay_undo){overlay->undos, row, row->value, row->state};
    overlay->undos = undo;
    row->state = state;
    row->value = value;
    if (!row->is_dirty) {
        row->is_dirty = true;
        row->next_dirty = overlay->dirty;
        overlay->dirty = row;
    }
}

static void digest_operation(struct overlay *overlay, enum row_state act, struct slice key,
                             struct slice value)
{
    overlay->step_digest = hash_of(value, hash_of(key, overlay->step_digest + act));
}

static void put(struct overlay *overlay, struct slice key, struct slice value, bool is_borrowed)
{
    struct overlay_row *row = find_or_add(overlay, key);

    digest_operation(overlay, ROW_PUT, key, value);
    change(overlay, row, ROW_PUT, is_borrowed ? value : arena_copy(&overlay->arena, value));
    row->is_borrowed = row->is_borrowed || is_borrowed;
}

void overlay_put(struct overlay *overlay, struct slice key, struct slice value)
{
    put(overlay, key, value, false);
}

void overlay_put_borrowed(struct overlay *overlay, struct slice key, struct slice value)
{
    put(overlay, key, value, true);
}

void overlay_delete(struct overlay *overlay, struct slice key)
{
    digest_operation(overlay, ROW_DELETED, key, (struct slice){"", 0});
    change(overlay, find_or_add(overlay, key), ROW_DELETED, (struct slice){0});
}

void overlay_delete_range(struct overlay *overlay, struct slice low, struct slice high)
{
    struct overlay_range *range = ARENA_NEW(&overlay->arena, struct overlay_range);

    digest_operation(overlay, ROW_RANGED, low, high);
    for (size_t slot = 0; slot < overlay->slot_count; slot++) {
        for (struct overlay_row *row = overlay->slots[slot]; row != NULL; row = row->next_in_slot) {
            if (slice_compare(row->key, low) >= 0 && slice_compare(row->key, high) < 0) {
                change(overlay, row, ROW_RANGED, (struct slice){0});
            }
        }
    }
    *range = (struct overlay_range){
        overlay->ranges,
        arena_copy(&overlay->arena, low),
        arena_copy(&overlay->arena, high),
    };
    overlay->ranges = range;
}

void overlay_commit(struct overlay *overlay)
{
    overlay->undos = NULL;
    overlay->ranges_committed = overlay->ranges;
    overlay->digest = overlay->step_digest;
}

struct overlay_mark overlay_mark(const struct overlay *overlay)
{
    return (struct overlay_mark){overlay->undos, overlay->ranges, overlay->step_digest};
}

void overlay_revert_to(struct overlay *overlay, struct overlay_mark mark)
{
    struct overlay_undo *undo = overlay->undos;

    for (; undo != mark.undos; undo = undo->older) {
        undo->row->state = undo->state;
        undo->row->value = undo->value;
    }
    overlay->undos = undo;
    overlay->ranges = mark.ranges;
    overlay->step_digest = mark.step_digest;
}

void overlay_revert(struct overlay *overlay)
{
    overlay_revert_to(overlay,
                      (struct overlay_mark){NULL, overlay->ranges_committed, overlay->digest});
}

/* ---- Iteration ---- */

static bool is_pending(const struct overlay_row *row, struct slice low, struct slice high)
{
    bool is_write = row->state == ROW_PUT || row->state == ROW_DELETED || row->state == ROW_RANGED;

    return is_write && slice_compare(row->key, low) >= 0 && slice_compare(row->key, high) < 0;
}

static int compare_pending(const void *one, const void *other)
{
    const struct overlay_pending *first = one;
    const struct overlay_pending *second = other;

    return slice_compare(first->key, second->key);
}

/* All keys of the bounds are of one kind and account. */
static bool is_one_group(struct slice low, struct slice high)
{
    struct key after;

    return low.size >= KEY_ACCOUNT_PREFIX_SIZE &&
           slice_compare(high, key_after(&after, slice_prefix(low, KEY_ACCOUNT_PREFIX_SIZE))) <= 0;
}

/* Counts the writes in bounds, and with `out_pending` notes them. */
static size_t gather(const struct overlay *overlay, struct slice low, struct slice high,
                     struct overlay_pending *out_pending)
{
    bool is_group = is_one_group(low, high);
    const struct overlay_row *row = is_group ? *group_of(overlay, low) : overlay->dirty;
    size_t count = 0;

    for (; row != NULL; row = is_group ? row->next_in_group : row->next_dirty) {
        if (!is_pending(row, low, high)) {
            continue;
        }
        if (out_pending != NULL) {
            out_pending[count] =
                (struct overlay_pending){row->key, row->value, row->state != ROW_PUT};
        }
        count++;
    }
    return count;
}

void overlay_iterate(struct overlay *overlay, struct slice low, struct slice high,
                     struct overlay_iterator *out_iterator)
{
    size_t count = gather(overlay, low, high, NULL);

    *out_iterator = (struct overlay_iterator){
        .overlay = overlay,
        .base = store_iterate(&overlay->view, low, high),
        .pending_count = count,
        .ranges = overlay->ranges,
    };
    if (count > 0) {
        out_iterator->pending = arena_array(&overlay->arena, count, sizeof(struct overlay_pending));
        gather(overlay, low, high, out_iterator->pending);
        qsort(out_iterator->pending, count, sizeof(struct overlay_pending), compare_pending);
    }
}

/* Sees to it that base_key is the store's next key that no range has deleted, or base_ended. */
static enum status peek_base(struct overlay_iterator *iterator)
{
    while (!iterator->base_ended && iterator->base_key.data == NULL) {
        enum status status =
            store_iterator_next(iterator->base, &iterator->base_key, &iterator->base_value);

        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        iterator->base_ended = status == STATUS_NOT_FOUND;
        if (!iterator->base_ended && is_ranged(iterator->ranges, iterator->base_key)) {
            iterator->base_key = (struct slice){0};
        }
    }
    return STATUS_OK;
}

enum status overlay_next(struct overlay_iterator *iterator, struct slice *out_key,
                         struct slice *out_value)
{
    for (;;) {
        enum status status = peek_base(iterator);
        bool has_pending = iterator->pending_next < iterator->pending_count;

        if (status != STATUS_OK) {
            return status;
        }
        if (!has_pending && iterator->base_ended) {
            return STATUS_NOT_FOUND;
        }
        const struct overlay_pending *pending =
            has_pending ? &iterator->pending[iterator->pending_next] : NULL;
        int order = !has_pending           ? 1
                    : iterator->base_ended ? -1
                                           : slice_compare(pending->key, iterator->base_key);

        if (order > 0) {
            *out_key = iterator->base_key;
            *out_value = iterator->base_value;
            iterator->base_key = (struct slice){0};
            return STATUS_OK;
        }
        if (order == 0) {
            iterator->base_key = (struct slice){0};
        }
        iterator->pending_next++; /* order is below 1 only where there is one */
        if (!pending->is_deleted) {
            *out_key = pending->key;
            *out_value = pending->value;
            return STATUS_OK;
        }
    }
}

void overlay_iterator_done(struct overlay_iterator *iterator)
{
    store_iterator_free(iterator->base);
    *iterator = (struct overlay_iterator){0};
}

/* ---- The end of a batch ---- */

static void write_ranges(struct store *store, const struct overlay_range *range,
                         struct store_batch *batch)
{
    for (; range != NULL; range = range->older) {
        store_batch_delete_range(store, batch, range->low, range->high);
    }
}

void overlay_write(const struct overlay *overlay, struct store_batch *batch)
{
    struct store *store = overlay->view.store;

    /* Rows put after a range deleted them come after it; the order is free otherwise. */
    write_ranges(store, overlay->ranges_committed, batch);
    for (const struct overlay_row *row = overlay->dirty; row != NULL; row = row->next_dirty) {
        if (row->state == ROW_PUT) {
            store_batch_put(store, batch, row->key, row->value);
        } else if (row->state == ROW_DELETED) {
            store_batch_delete(store, batch, row->key);
        }
    }
}

static enum row_state settled_state(const struct overlay_row *row)
{
    switch (row->state) {
    case ROW_PUT:
        return row->is_borrowed || row->value.size > VALUE_KEPT_SIZE_MAX ? ROW_UNKNOWN : ROW_CLEAN;
    case ROW_DELETED:
    case ROW_RANGED:
        return ROW_ABSENT;
    default:
        return row->state;
    }
}

void overlay_settle(struct overlay *overlay)
{
    CHECK(overlay->undos == NULL);
    if (overlay->arena.allocated > overlay->memory_max) {
        overlay_clear(overlay, overlay->digest);
        return;
    }
    for (struct overlay_row *row = overlay->dirty; row != NULL; row = row->next_dirty) {
        row->state = settled_state(row);
        row->is_dirty = false;
        row->is_borrowed = false;
    }
    overlay->dirty = NULL;
    overlay->ranges = NULL;
    overlay->ranges_committed = NULL;
}
