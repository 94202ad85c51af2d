#include "tests/fakes/memory_store.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"

/* Shared by the map, its snapshots and the history; `octets` holds the key, then the value. */
struct row {
    unsigned references;
    size_t key_size;
    size_t value_size;
    char octets[];
};

struct row_array {
    struct row **rows;
    size_t count;
    size_t capacity;
};

/* What a key was before a write; `row` holds it when `was_there`, else the key alone. */
struct undo {
    size_t write; /* the number of the write */
    bool was_there;
    struct row *row;
};

struct memory_store {
    struct store store;
    struct row_array rows; /* by key */
    struct undo *undos;    /* since the last flush, the oldest first */
    size_t undo_count, undo_capacity;
    size_t write_count; /* since the last flush */
    enum status fail;
    bool cached;
};

struct store_snapshot {
    struct row_array rows;
};

enum act { PUT, DELETE, DELETE_RANGE };

struct operation {
    enum act act;
    struct row *row; /* of DELETE_RANGE: low is the key, high the value */
};

struct store_batch {
    struct operation *operations;
    size_t count, capacity;
};

struct memory_iterator {
    struct store_iterator iterator;
    struct row_array rows; /* a copy: writes do not disturb it */
    size_t at;
    bool again;
};

static const struct store_operations operations;

static struct memory_store *memory_of(const struct store *store)
{
    CHECK(store->operations == &operations);
    return CONTAINER_OF(store, struct memory_store, store);
}

static struct row *row_new(struct slice key, struct slice value)
{
    struct row *row = memory_zeroed(sizeof(*row) + key.size + value.size);

    row->references = 1;
    row->key_size = key.size;
    row->value_size = value.size;
    if (key.size > 0) {
        memcpy(row->octets, key.data, key.size);
    }
    if (value.size > 0) {
        memcpy(row->octets + key.size, value.data, value.size);
    }
    return row;
}

static struct row *row_ref(struct row *row)
{
    row->references++;
    return row;
}

static void row_unref(struct row *row)
{
    if (--row->references == 0) {
        memory_free(row);
    }
}

static struct slice row_key(const struct row *row)
{
    return (struct slice){row->octets, row->key_size};
}

static struct slice row_value(const struct row *row)
{
    return (struct slice){row->octets + row->key_size, row->value_size};
}

static void array_done(struct row_array *array)
{
    for (size_t index = 0; index < array->count; index++) {
        row_unref(array->rows[index]);
    }
    memory_free(array->rows);
    *array = (struct row_array){0};
}

static struct row_array array_copy(const struct row_array *array, size_t from, size_t to)
{
    struct row_array copy = {.count = to - from, .capacity = to - from};

    copy.rows = memory_zeroed(copy.count * sizeof(struct row *) + 1);
    for (size_t index = from; index < to; index++) {
        copy.rows[index - from] = row_ref(array->rows[index]);
    }
    return copy;
}

/* The place of the first key that is not below `key`. */
static size_t array_find(const struct row_array *array, struct slice key)
{
    size_t low = 0;
    size_t high = array->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_compare(row_key(array->rows[middle]), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool array_is_at(const struct row_array *array, size_t at, struct slice key)
{
    return at < array->count && slice_equals(row_key(array->rows[at]), key);
}

static void array_insert(struct row_array *array, size_t at, struct row *row)
{
    if (array->count == array->capacity) {
        array->capacity = array->capacity * 2 + 64;
        array->rows = memory_resized(array->rows, array->capacity * sizeof(struct row *));
    }
    memmove(array->rows + at + 1, array->rows + at, (array->count - at) * sizeof(struct row *));
    array->rows[at] = row;
    array->count++;
}

static void array_remove(struct row_array *array, size_t at)
{
    array->count--;
    memmove(array->rows + at, array->rows + at + 1, (array->count - at) * sizeof(struct row *));
}

/* ---- Writes and how they are undone ---- */

static void remember(struct memory_store *memory, bool was_there, struct row *row)
{
    if (memory->undo_count == memory->undo_capacity) {
        memory->undo_capacity = memory->undo_capacity * 2 + 64;
        memory->undos =
            memory_resized(memory->undos, memory->undo_capacity * sizeof(memory->undos[0]));
    }
    memory->undos[memory->undo_count++] = (struct undo){memory->write_count, was_there, row};
}

static void put_row(struct memory_store *memory, struct row *row)
{
    size_t at = array_find(&memory->rows, row_key(row));

    if (array_is_at(&memory->rows, at, row_key(row))) {
        remember(memory, true, memory->rows.rows[at]);
        memory->rows.rows[at] = row_ref(row);
        return;
    }
    remember(memory, false, row_new(row_key(row), (struct slice){0}));
    array_insert(&memory->rows, at, row_ref(row));
}

static void delete_at(struct memory_store *memory, size_t at)
{
    remember(memory, true, memory->rows.rows[at]);
    array_remove(&memory->rows, at);
}

static void carry_out(struct memory_store *memory, const struct operation *operation)
{
    size_t at = array_find(&memory->rows, row_key(operation->row));

    switch (operation->act) {
    case PUT:
        put_row(memory, operation->row);
        break;
    case DELETE:
        if (array_is_at(&memory->rows, at, row_key(operation->row))) {
            delete_at(memory, at);
        }
        break;
    case DELETE_RANGE:
        while (at < memory->rows.count &&
               slice_compare(row_key(memory->rows.rows[at]), row_value(operation->row)) < 0) {
            delete_at(memory, at);
        }
        break;
    }
}

static enum status write(struct store *store, struct store_batch *batch)
{
    struct memory_store *memory = memory_of(store);
    enum status status = memory->fail;

    memory->fail = STATUS_OK;
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t index = 0; index < batch->count; index++) {
        carry_out(memory, &batch->operations[index]);
    }
    memory->write_count++;
    return STATUS_OK;
}

static void forget_undos(struct memory_store *memory)
{
    for (size_t index = 0; index < memory->undo_count; index++) {
        row_unref(memory->undos[index].row);
    }
    memory->undo_count = 0;
    memory->write_count = 0;
}

static void undo_last(struct memory_store *memory)
{
    struct undo *undo = &memory->undos[--memory->undo_count];
    size_t at = array_find(&memory->rows, row_key(undo->row));
    bool is_there = array_is_at(&memory->rows, at, row_key(undo->row));

    if (undo->was_there && !is_there) {
        array_insert(&memory->rows, at, undo->row);
        return;
    }
    CHECK(is_there);
    row_unref(memory->rows.rows[at]);
    if (undo->was_there) {
        memory->rows.rows[at] = undo->row;
        return;
    }
    array_remove(&memory->rows, at);
    row_unref(undo->row);
}

void memory_store_crash(struct store *store, size_t kept)
{
    struct memory_store *memory = memory_of(store);

    while (memory->undo_count > 0 && memory->undos[memory->undo_count - 1].write >= kept) {
        undo_last(memory);
    }
    forget_undos(memory);
}

static enum status flush(struct store *store)
{
    forget_undos(memory_of(store));
    return STATUS_OK;
}

/* ---- Reads ---- */

static enum status give(struct slice value, struct arena *arena, struct slice *out_value)
{
    *out_value = arena_copy(arena, value);
    return STATUS_OK;
}

static enum status get_durable(struct memory_store *memory, struct slice key, struct arena *arena,
                               struct slice *out_value)
{
    for (size_t index = 0; index < memory->undo_count; index++) {
        const struct undo *undo = &memory->undos[index];

        if (slice_equals(row_key(undo->row), key)) {
            return undo->was_there ? give(row_value(undo->row), arena, out_value)
                                   : STATUS_NOT_FOUND;
        }
    }
    size_t at = array_find(&memory->rows, key);

    return array_is_at(&memory->rows, at, key)
               ? give(row_value(memory->rows.rows[at]), arena, out_value)
               : STATUS_NOT_FOUND;
}

static enum status get(const struct store_view *view, struct slice key, struct arena *arena,
                       struct slice *out_value)
{
    struct memory_store *memory = memory_of(view->store);
    const struct row_array *rows = view->snapshot != NULL ? &view->snapshot->rows : &memory->rows;

    if (view->tier == STORE_DURABLE) {
        return get_durable(memory, key, arena, out_value);
    }
    if (view->tier == STORE_CACHED && !memory->cached) {
        return STATUS_AGAIN;
    }
    size_t at = array_find(rows, key);

    return array_is_at(rows, at, key) ? give(row_value(rows->rows[at]), arena, out_value)
                                      : STATUS_NOT_FOUND;
}

static enum status iterator_next(struct store_iterator *iterator, struct slice *out_key,
                                 struct slice *out_value)
{
    struct memory_iterator *memory = CONTAINER_OF(iterator, struct memory_iterator, iterator);

    if (memory->again) {
        return STATUS_AGAIN;
    }
    if (memory->at == memory->rows.count) {
        return STATUS_NOT_FOUND;
    }
    const struct row *row = memory->rows.rows[memory->at++];

    *out_key = row_key(row);
    *out_value = row_value(row);
    return STATUS_OK;
}

static void iterator_free(struct store_iterator *iterator)
{
    struct memory_iterator *memory = CONTAINER_OF(iterator, struct memory_iterator, iterator);

    array_done(&memory->rows);
    memory_free(memory);
}

static struct store_iterator *iterate(const struct store_view *view, struct slice low,
                                      struct slice high)
{
    struct memory_store *memory = memory_of(view->store);
    const struct row_array *rows = view->snapshot != NULL ? &view->snapshot->rows : &memory->rows;
    struct memory_iterator *iterator = NEW(struct memory_iterator);
    size_t from = array_find(rows, low);
    size_t to = array_find(rows, high);

    iterator->iterator = (struct store_iterator){iterator_next, iterator_free};
    iterator->again = view->tier == STORE_CACHED && !memory->cached;
    iterator->rows = array_copy(rows, from, to > from ? to : from);
    return &iterator->iterator;
}

static struct store_snapshot *snapshot_take(struct store *store)
{
    struct store_snapshot *snapshot = NEW(struct store_snapshot);
    const struct row_array *rows = &memory_of(store)->rows;

    snapshot->rows = array_copy(rows, 0, rows->count);
    return snapshot;
}

static void snapshot_release(struct store *store, struct store_snapshot *snapshot)
{
    array_done(&snapshot->rows);
    memory_free(snapshot);
}

/* ---- Batches ---- */

static struct store_batch *batch_new(struct store *store)
{
    return NEW(struct store_batch);
}

static void batch_clear(struct store_batch *batch)
{
    for (size_t index = 0; index < batch->count; index++) {
        row_unref(batch->operations[index].row);
    }
    batch->count = 0;
}

static void batch_free(struct store_batch *batch)
{
    batch_clear(batch);
    memory_free(batch->operations);
    memory_free(batch);
}

static void batch_add(struct store_batch *batch, enum act act, struct slice key, struct slice value)
{
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity * 2 + 16;
        batch->operations =
            memory_resized(batch->operations, batch->capacity * sizeof(batch->operations[0]));
    }
    batch->operations[batch->count++] = (struct operation){act, row_new(key, value)};
}

static void batch_put(struct store_batch *batch, struct slice key, struct slice value)
{
    batch_add(batch, PUT, key, value);
}

static void batch_delete(struct store_batch *batch, struct slice key)
{
    batch_add(batch, DELETE, key, (struct slice){0});
}

static void batch_delete_range(struct store_batch *batch, struct slice low, struct slice high)
{
    batch_add(batch, DELETE_RANGE, low, high);
}

/* ---- The rest ---- */

static void care(struct store *store)
{
}

static enum status property(struct store *store, const char *name, uint64_t *out_number)
{
    if (strcmp(name, "rows") != 0) {
        return STATUS_NOT_FOUND;
    }
    *out_number = memory_of(store)->rows.count;
    return STATUS_OK;
}

static void close_store(struct store *store)
{
    struct memory_store *memory = memory_of(store);

    forget_undos(memory);
    memory_free(memory->undos);
    array_done(&memory->rows);
    memory_free(memory);
}

static const struct store_operations operations = {
    .get = get,
    .iterate = iterate,
    .snapshot_take = snapshot_take,
    .snapshot_release = snapshot_release,
    .batch_new = batch_new,
    .batch_free = batch_free,
    .batch_clear = batch_clear,
    .batch_put = batch_put,
    .batch_delete = batch_delete,
    .batch_delete_range = batch_delete_range,
    .write = write,
    .flush = flush,
    .care = care,
    .property = property,
    .close = close_store,
};

struct store *memory_store_new(void)
{
    struct memory_store *memory = NEW(struct memory_store);

    memory->store.operations = &operations;
    memory->cached = true;
    return &memory->store;
}

size_t memory_store_unflushed(const struct store *store)
{
    return memory_of(store)->write_count;
}

void memory_store_fail_write(struct store *store, enum status status)
{
    memory_of(store)->fail = status;
}

void memory_store_set_cached(struct store *store, bool cached)
{
    memory_of(store)->cached = cached;
}

void memory_store_corrupt(struct store *store, struct slice key)
{
    struct memory_store *memory = memory_of(store);
    size_t at = array_find(&memory->rows, key);

    CHECK(array_is_at(&memory->rows, at, key) && memory->rows.rows[at]->value_size > 0);
    struct row *row = memory->rows.rows[at];

    row->octets[row->key_size] ^= 0x40;
}

static uint64_t mix(uint64_t digest, struct slice octets)
{
    for (size_t index = 0; index < octets.size; index++) {
        digest = (digest ^ (unsigned char)octets.data[index]) * UINT64_C(1099511628211);
    }
    return (digest ^ octets.size) * UINT64_C(1099511628211);
}

uint64_t memory_store_digest(const struct store *store, struct slice prefix)
{
    const struct memory_store *memory = memory_of(store);
    uint64_t digest = UINT64_C(14695981039346656037);

    for (size_t at = array_find(&memory->rows, prefix); at < memory->rows.count; at++) {
        const struct row *row = memory->rows.rows[at];

        if (!slice_starts_with(row_key(row), prefix)) {
            break;
        }
        digest = mix(mix(digest, row_key(row)), row_value(row));
    }
    return digest;
}

size_t memory_store_count(const struct store *store, struct slice prefix)
{
    const struct memory_store *memory = memory_of(store);
    size_t from = array_find(&memory->rows, prefix);
    size_t at = from;

    while (at < memory->rows.count && slice_starts_with(row_key(memory->rows.rows[at]), prefix)) {
        at++;
    }
    return at - from;
}
