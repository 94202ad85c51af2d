#include "storage/log_shard.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"

enum { CAPACITY_LEAST = 16 };

struct log_shard *log_shard_new(uint32_t number)
{
    struct log_shard *shard = NEW(struct log_shard);

    shard->number = number;
    shard->first = 1;
    return shard;
}

void log_shard_free(struct log_shard *shard)
{
    if (shard != NULL) {
        memory_free(shard->items);
        memory_free(shard->runs);
        memory_free(shard);
    }
}

bool log_shard_is_blank(const struct log_shard *shard)
{
    return shard->state.changes == 0 && !shard->state.is_corrupt;
}

struct log_location *log_shard_find(const struct log_shard *shard, uint64_t index)
{
    if (index <= shard->state.compacted.index || index < shard->first ||
        index - shard->first >= shard->count) {
        return NULL;
    }
    return &shard->items[shard->begin + (index - shard->first)];
}

/* The last run that begins at `index` or before; run_count when none does. */
static size_t find_run(const struct log_shard *shard, uint64_t index)
{
    size_t low = 0;
    size_t high = shard->run_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (shard->runs[middle].first_index <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? shard->run_count : low - 1;
}

enum status log_shard_term(const struct log_shard *shard, uint64_t index, uint64_t *out_term)
{
    if (index == shard->state.compacted.index) {
        *out_term = shard->state.compacted.term;
        return STATUS_OK;
    }
    if (log_shard_find(shard, index) == NULL) {
        return STATUS_NOT_FOUND;
    }

    size_t run = find_run(shard, index);

    CHECK(run < shard->run_count);
    *out_term = shard->runs[run].term;
    return STATUS_OK;
}

/* ---- Changes ---- */

/* Room for `count` more items at the end. */
static void reserve_items(struct log_shard *shard, size_t count)
{
    if (shard->begin + shard->count + count <= shard->capacity) {
        return;
    }
    if (shard->begin > 0 && shard->begin >= shard->count) {
        memmove(shard->items, shard->items + shard->begin, shard->count * sizeof(*shard->items));
        shard->begin = 0;
    }

    size_t needed = shard->begin + shard->count + count;

    if (needed > shard->capacity) {
        size_t doubled = shard->capacity * 2;

        shard->capacity = doubled > needed ? doubled : needed;
        if (shard->capacity < CAPACITY_LEAST) {
            shard->capacity = CAPACITY_LEAST;
        }
        shard->items = memory_resized(shard->items, shard->capacity * sizeof(*shard->items));
    }
}

static void add_run(struct log_shard *shard, uint64_t first_index, uint64_t term)
{
    if (shard->run_count > 0 && shard->runs[shard->run_count - 1].term == term) {
        return;
    }
    if (shard->run_count == shard->run_capacity) {
        shard->run_capacity = shard->run_capacity == 0 ? 2 : shard->run_capacity * 2;
        shard->runs = memory_resized(shard->runs, shard->run_capacity * sizeof(*shard->runs));
    }
    shard->runs[shard->run_count++] = (struct raft_term_run){first_index, term};
}

void log_shard_append(struct log_shard *shard, uint64_t term, struct log_location location)
{
    uint64_t index = shard->state.last.index + 1;

    reserve_items(shard, 1);
    shard->items[shard->begin + shard->count++] = location;
    add_run(shard, index, term);
    shard->state.last = (struct raft_position){.term = term, .index = index};
}

static void drop_runs_from(struct log_shard *shard, uint64_t index)
{
    while (shard->run_count > 0 && shard->runs[shard->run_count - 1].first_index >= index) {
        shard->run_count--;
    }
}

void log_shard_truncate(struct log_shard *shard, uint64_t from)
{
    struct raft_position last = {.index = from - 1};

    CHECK(from > shard->state.compacted.index);
    if (from > shard->state.last.index) {
        return;
    }
    if (from < shard->first) {
        shard->first = from;
        shard->count = 0;
        shard->run_count = 0;
    }
    shard->count = (size_t)(from - shard->first);
    drop_runs_from(shard, from);
    last.term =
        shard->run_count > 0 ? shard->runs[shard->run_count - 1].term : shard->state.compacted.term;
    shard->state.last = last;
}

/* The run that `first` is in begins there, and is the first. */
static void drop_runs_before(struct log_shard *shard, uint64_t first)
{
    size_t run = find_run(shard, first);

    if (first > shard->state.last.index) {
        shard->run_count = 0;
        return;
    }
    if (run == shard->run_count) {
        return;
    }
    memmove(shard->runs, shard->runs + run, (shard->run_count - run) * sizeof(*shard->runs));
    shard->run_count -= run;
    shard->runs[0].first_index = first;
}

static void give_memory_back(struct log_shard *shard)
{
    if (shard->count == 0) {
        memory_free(shard->items);
        shard->items = NULL;
        shard->begin = 0;
        shard->capacity = 0;
    } else if (shard->capacity > 4 * CAPACITY_LEAST && shard->count < shard->capacity / 4) {
        memmove(shard->items, shard->items + shard->begin, shard->count * sizeof(*shard->items));
        shard->begin = 0;
        shard->capacity = shard->count * 2;
        shard->items = memory_resized(shard->items, shard->capacity * sizeof(*shard->items));
    }
}

void log_shard_compact(struct log_shard *shard, struct raft_position position)
{
    CHECK(position.index <= shard->state.last.index);
    if (position.index > shard->state.compacted.index) {
        shard->state.compacted = position;
    }
}

void log_shard_trim(struct log_shard *shard, uint64_t index)
{
    if (index < shard->first) {
        return;
    }

    uint64_t beyond = index + 1 - shard->first;
    size_t gone = beyond < shard->count ? (size_t)beyond : shard->count;

    shard->begin += gone;
    shard->count -= gone;
    shard->first += gone;
    drop_runs_before(shard, shard->first);
    give_memory_back(shard);
}

void log_shard_begin(struct log_shard *shard, struct raft_position position)
{
    shard->count = 0;
    shard->run_count = 0;
    shard->first = position.index + 1;
    shard->state.compacted = position;
    shard->state.last = position;
    shard->has_carried = false;
    give_memory_back(shard);
}

void log_shard_prepend(struct log_shard *shard, uint64_t first, const struct log_location *items,
                       const uint64_t *terms, size_t count)
{
    struct log_location *old_items = shard->items;
    struct raft_term_run *old_runs = shard->runs;
    struct log_location *rest = shard->count > 0 ? shard->items + shard->begin : NULL;
    size_t rest_count = shard->count;
    size_t old_run_count = shard->run_count;
    struct raft_position last = shard->state.last;

    shard->items = NULL;
    shard->runs = NULL;
    shard->begin = shard->count = shard->capacity = 0;
    shard->run_count = shard->run_capacity = 0;
    shard->first = first;
    for (size_t i = 0; i < count; i++) {
        shard->state.last.index = first + i - 1;
        log_shard_append(shard, terms[i], items[i]);
    }
    reserve_items(shard, rest_count);
    if (rest_count > 0) {
        memcpy(shard->items + shard->count, rest, rest_count * sizeof(*rest));
        shard->count += rest_count;
    }
    for (size_t i = 0; i < old_run_count; i++) {
        add_run(shard, old_runs[i].first_index, old_runs[i].term);
    }
    shard->state.last = last;
    memory_free(old_items);
    memory_free(old_runs);
}

uint32_t log_location_oldest(const struct log_location *items, size_t count, bool in_order)
{
    uint32_t oldest = count == 0 ? 0 : items[0].segment;

    for (size_t i = 1; !in_order && i < count; i++) {
        oldest = items[i].segment < oldest ? items[i].segment : oldest;
    }
    return oldest;
}

uint32_t log_shard_oldest_segment(const struct log_shard *shard)
{
    return shard->count == 0 ? 0
                             : log_location_oldest(shard->items + shard->begin, shard->count,
                                                   !shard->has_carried);
}

size_t log_shard_memory(const struct log_shard *shard)
{
    return sizeof(*shard) + shard->capacity * sizeof(*shard->items) +
           shard->run_capacity * sizeof(*shard->runs);
}

/* ---- Undo ---- */

void log_before_init(struct log_before *before, const struct log_shard *shard,
                     uint64_t removed_from)
{
    size_t first_run = shard->run_count;

    *before = (struct log_before){
        .generation = shard->generation,
        .state = shard->state,
        .has_carried = shard->has_carried,
    };
    if (removed_from == 0 || removed_from < shard->first ||
        removed_from >= shard->first + shard->count) {
        return;
    }

    size_t kept = (size_t)(removed_from - shard->first);

    before->removed_from = removed_from;
    before->removed_count = shard->count - kept;
    before->removed = memory_resized(NULL, before->removed_count * sizeof(*before->removed));
    memcpy(before->removed, shard->items + shard->begin + kept,
           before->removed_count * sizeof(*before->removed));
    while (first_run > 0 && shard->runs[first_run - 1].first_index >= removed_from) {
        first_run--;
    }
    before->run_count = shard->run_count - first_run;
    if (before->run_count > 0) {
        before->runs = memory_resized(NULL, before->run_count * sizeof(*before->runs));
        memcpy(before->runs, shard->runs + first_run, before->run_count * sizeof(*before->runs));
    }
}

void log_before_done(struct log_before *before)
{
    memory_free(before->removed);
    memory_free(before->runs);
}

/* Without what was appended: ends before `index`. */
static void cut_items(struct log_shard *shard, uint64_t index)
{
    uint64_t kept = index > shard->first ? index - shard->first : 0;

    if (kept < shard->count) {
        shard->count = (size_t)kept;
    }
    drop_runs_from(shard, index);
}

void log_before_restore(const struct log_before *before, struct log_shard *shard)
{
    shard->generation = before->generation;
    shard->state = before->state;
    shard->has_carried = before->has_carried;

    uint64_t end = before->removed != NULL ? before->removed_from : before->state.last.index + 1;

    cut_items(shard, end);
    if (shard->count == 0) {
        shard->first = end;
    }
    if (before->removed == NULL) {
        return;
    }
    CHECK(shard->first + shard->count == before->removed_from);
    reserve_items(shard, before->removed_count);
    memcpy(shard->items + shard->begin + shard->count, before->removed,
           before->removed_count * sizeof(*before->removed));
    shard->count += before->removed_count;
    for (size_t i = 0; i < before->run_count; i++) {
        add_run(shard, before->runs[i].first_index, before->runs[i].term);
    }
}
