/* The state as the batch in hand will leave it: pending writes over a store.
 *
 * A hash table answers single keys, from the pending writes or from what was read before. Keys of
 * one kind and account hang together, so that an iteration merges and sorts only those. Each entry
 * is a step: its writes join the others when it succeeds, or are forgotten when it fails.
 *
 *     init -> ( get, put, ... -> commit or revert )* -> write(batch) -> settle or clear
 *
 * Keys and values given are copied unless said otherwise; slices that come back are valid until
 * settle or clear. The digest runs over the operations in their order, so it does not depend on how
 * steps are gathered into batches. */
#ifndef AVISO_STORAGE_OVERLAY_H
#define AVISO_STORAGE_OVERLAY_H

#include "core/arena.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "storage/store.h"

struct overlay_row;

/* Keys that were deleted by a range, in the order of the deletions. */
struct overlay_range {
    struct overlay_range *older;
    struct slice low;
    struct slice high;
};

/* How a row was before the step in hand. */
struct overlay_undo {
    struct overlay_undo *older;
    struct overlay_row *row;
    struct slice value;
    unsigned state;
};

struct overlay {
    struct store_view view;
    struct arena arena;         /* rows, keys, values */
    size_t memory_max;          /* octets of it that settle may keep */
    struct overlay_row **slots; /* by key */
    size_t slot_count;          /* a power of two */
    size_t row_count;
    struct overlay_row **groups;  /* by kind and account */
    struct overlay_row *dirty;    /* rows with a write, the newest first */
    struct overlay_range *ranges; /* the newest first */
    struct overlay_range *ranges_committed;
    struct overlay_undo *undos;
    uint64_t digest;      /* over all operations of all steps */
    uint64_t step_digest; /* with those of the step in hand */
};

/* Goes on from `digest`. Between batches it keeps up to about `memory_max` octets of what it knows;
 * so nobody else may write the keys that are read here. */
void overlay_init(struct overlay *overlay, struct store *store, uint64_t digest, size_t memory_max);
void overlay_done(struct overlay *overlay);

/* NOT_FOUND; CORRUPT, IO_ERROR of the store. */
NODISCARD enum status overlay_get(struct overlay *overlay, struct slice key,
                                  struct slice *out_value);

/* What put_borrowed is given as the value must live until settle or clear. */
void overlay_put(struct overlay *overlay, struct slice key, struct slice value);
void overlay_put_borrowed(struct overlay *overlay, struct slice key, struct slice value);
void overlay_delete(struct overlay *overlay, struct slice key);

/* For ranges too large to delete key by key; costs readers of the range for a while. */
void overlay_delete_range(struct overlay *overlay, struct slice low, struct slice high);

/* Keys from `low` up to, not including, `high`, as they are now: writes made meanwhile are not
 * seen, but do no harm. */
struct overlay_iterator {
    struct overlay *overlay;
    struct store_iterator *base;
    struct slice base_key; /* the store's next; NULL data: to be read */
    struct slice base_value;
    bool base_ended;
    struct overlay_pending *pending; /* writes in bounds, sorted; of the overlay's arena */
    size_t pending_count;
    size_t pending_next;
    const struct overlay_range *ranges;
};
void overlay_iterate(struct overlay *overlay, struct slice low, struct slice high,
                     struct overlay_iterator *out_iterator);

/* Slices are valid until the next step of the iterator. NOT_FOUND: the end; CORRUPT, IO_ERROR. */
NODISCARD enum status overlay_next(struct overlay_iterator *iterator, struct slice *out_key,
                                   struct slice *out_value);
void overlay_iterator_done(struct overlay_iterator *iterator);

/* Ends a step. */
void overlay_commit(struct overlay *overlay);
void overlay_revert(struct overlay *overlay);

/* A moment of the step in hand, to which it can be taken back. */
struct overlay_mark {
    struct overlay_undo *undos;
    struct overlay_range *ranges;
    uint64_t step_digest;
};
struct overlay_mark overlay_mark(const struct overlay *overlay);
void overlay_revert_to(struct overlay *overlay, struct overlay_mark mark);

/* Appends all committed writes to `batch`, each key once, in an order that replays. */
void overlay_write(const struct overlay *overlay, struct store_batch *batch);

/* The writes are in the store now. */
void overlay_settle(struct overlay *overlay);

/* The writes are not wanted: forgets all, and goes on from `digest`. */
void overlay_clear(struct overlay *overlay, uint64_t digest);

#endif
