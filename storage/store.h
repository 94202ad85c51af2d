/* An ordered map of octets with atomic writes: what apply and reads see of the disk.
 *
 * storage/store_rocksdb.c keeps it on disk, tests/fakes/memory_store.c in memory. Neither is
 * durable before a flush: after a crash the map is what some prefix of the writes made. So whoever
 * writes puts into each batch how far it has come, and asks with STORE_DURABLE what a crash would
 * leave.
 *
 * CORRUPT: a checksum failed; IO_ERROR, NO_SPACE: the disk did. All functions may be called from
 * any thread; a batch and an iterator belong to one. */
#ifndef AVISO_STORAGE_STORE_H
#define AVISO_STORAGE_STORE_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

struct store_batch;
struct store_snapshot;
struct store_iterator;

struct store {
    const struct store_operations *operations;
};

enum store_tier {
    STORE_ALL,     /* from memory or from disk */
    STORE_CACHED,  /* from memory alone; AGAIN: the disk would have to be read */
    STORE_DURABLE, /* what a crash would leave; for store_get() alone */
};

/* What a read sees: the newest state, or that of a snapshot. */
struct store_view {
    struct store *store;
    const struct store_snapshot *snapshot; /* NULL: the newest */
    enum store_tier tier;
};

/* The value of `key`, copied into `arena`. NOT_FOUND, AGAIN, CORRUPT, IO_ERROR. */
NODISCARD enum status store_get(const struct store_view *view, struct slice key,
                                struct arena *arena, struct slice *out_value);

/* Keys from `low` up to, not including, `high`, ascending. Slices borrow until the next step.
 * NOT_FOUND: that was the last. AGAIN: the disk would have to be read: begin again elsewhere. */
struct store_iterator *store_iterate(const struct store_view *view, struct slice low,
                                     struct slice high);
NODISCARD enum status store_iterator_next(struct store_iterator *iterator, struct slice *out_key,
                                          struct slice *out_value);
void store_iterator_free(struct store_iterator *iterator);

/* The state as it is now, unchanged by writes that follow. */
struct store_snapshot *store_snapshot_take(struct store *store);
void store_snapshot_release(struct store *store, struct store_snapshot *snapshot);

/* Operations that happen together, in their order. A batch copies what it is given. */
struct store_batch *store_batch_new(struct store *store);
void store_batch_free(struct store *store, struct store_batch *batch);
void store_batch_clear(struct store *store, struct store_batch *batch);
void store_batch_put(struct store *store, struct store_batch *batch, struct slice key,
                     struct slice value);
void store_batch_delete(struct store *store, struct store_batch *batch, struct slice key);
void store_batch_delete_range(struct store *store, struct store_batch *batch, struct slice low,
                              struct slice high);

/* All of the batch, or on a failure nothing. Never durable when it returns. */
NODISCARD enum status store_write(struct store *store, struct store_batch *batch);

/* Makes all writes that returned before durable; blocks. */
NODISCARD enum status store_flush(struct store *store);

/* Looks after what the writes have left behind. Every few seconds, from one thread at a time;
 * cheap, and no harm is done when it fails. */
void store_care(struct store *store);

/* Takes files of its own kind, with keys in ascending order from file to file, in place of what
 * they were made of elsewhere: durable, over all writes before. It copies them.
 * UNSUPPORTED: it knows no files. NO_SPACE, CORRUPT, IO_ERROR. */
NODISCARD enum status store_ingest(struct store *store, const char *const *paths, size_t count);

/* A number that the implementation knows by this name. NOT_FOUND: it does not. */
NODISCARD enum status store_property(struct store *store, const char *name, uint64_t *out_number);

/* Does not flush. No view, snapshot or batch may be in use. */
void store_close(struct store *store);

/* What an implementation provides, one for each function above. */
struct store_operations {
    enum status (*get)(const struct store_view *view, struct slice key, struct arena *arena,
                       struct slice *out_value);
    struct store_iterator *(*iterate)(const struct store_view *view, struct slice low,
                                      struct slice high);
    struct store_snapshot *(*snapshot_take)(struct store *store);
    void (*snapshot_release)(struct store *store, struct store_snapshot *snapshot);
    struct store_batch *(*batch_new)(struct store *store);
    void (*batch_free)(struct store_batch *batch);
    void (*batch_clear)(struct store_batch *batch);
    void (*batch_put)(struct store_batch *batch, struct slice key, struct slice value);
    void (*batch_delete)(struct store_batch *batch, struct slice key);
    void (*batch_delete_range)(struct store_batch *batch, struct slice low, struct slice high);
    enum status (*write)(struct store *store, struct store_batch *batch);
    enum status (*flush)(struct store *store);
    void (*care)(struct store *store);
    enum status (*ingest)(struct store *store, const char *const *paths,
                          size_t count); /* or NULL */
    enum status (*property)(struct store *store, const char *name, uint64_t *out_number);
    void (*close)(struct store *store);
};

/* What an implementation's iterator begins with. */
struct store_iterator {
    enum status (*next)(struct store_iterator *iterator, struct slice *out_key,
                        struct slice *out_value);
    void (*free)(struct store_iterator *iterator);
};

#endif
