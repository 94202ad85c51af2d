#include "storage/store.h"

enum status store_get(const struct store_view *view, struct slice key, struct arena *arena,
                      struct slice *out_value)
{
    return view->store->operations->get(view, key, arena, out_value);
}

struct store_iterator *store_iterate(const struct store_view *view, struct slice low,
                                     struct slice high)
{
    return view->store->operations->iterate(view, low, high);
}

enum status store_iterator_next(struct store_iterator *iterator, struct slice *out_key,
                                struct slice *out_value)
{
    return iterator->next(iterator, out_key, out_value);
}

void store_iterator_free(struct store_iterator *iterator)
{
    if (iterator != NULL) {
        iterator->free(iterator);
    }
}

struct store_snapshot *store_snapshot_take(struct store *store)
{
    return store->operations->snapshot_take(store);
}

void store_snapshot_release(struct store *store, struct store_snapshot *snapshot)
{
    store->operations->snapshot_release(store, snapshot);
}

struct store_batch *store_batch_new(struct store *store)
{
    return store->operations->batch_new(store);
}

void store_batch_free(struct store *store, struct store_batch *batch)
{
    if (batch != NULL) {
        store->operations->batch_free(batch);
    }
}

void store_batch_clear(struct store *store, struct store_batch *batch)
{
    store->operations->batch_clear(batch);
}

void store_batch_put(struct store *store, struct store_batch *batch, struct slice key,
                     struct slice value)
{
    store->operations->batch_put(batch, key, value);
}

void store_batch_delete(struct store *store, struct store_batch *batch, struct slice key)
{
    store->operations->batch_delete(batch, key);
}

void store_batch_delete_range(struct store *store, struct store_batch *batch, struct slice low,
                              struct slice high)
{
    store->operations->batch_delete_range(batch, low, high);
}

enum status store_write(struct store *store, struct store_batch *batch)
{
    return store->operations->write(store, batch);
}

enum status store_flush(struct store *store)
{
    return store->operations->flush(store);
}

void store_care(struct store *store)
{
    store->operations->care(store);
}

enum status store_ingest(struct store *store, const char *const *paths, size_t count)
{
    return store->operations->ingest != NULL ? store->operations->ingest(store, paths, count)
                                             : STATUS_UNSUPPORTED;
}

enum status store_property(struct store *store, const char *name, uint64_t *out_number)
{
    return store->operations->property(store, name, out_number);
}

void store_close(struct store *store)
{
    if (store != NULL) {
        store->operations->close(store);
    }
}
