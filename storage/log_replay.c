#include "storage/log_replay.h"

#include <string.h>

#include "core/log.h"
#include "core/memory.h"

/* ---- Damage ---- */

static struct log_shard *find_or_add(struct log_replay *replay, uint32_t number)
{
    struct log_shard *shard = log_find_shard(replay->log, number);

    if (shard == NULL && replay->log->shard_count < LOG_SHARDS_MAX) {
        shard = log_add_shard(replay->log, number);
    }
    return shard;
}

static void quarantine(struct log_shard *shard, const char *reason)
{
    if (shard->status == STATUS_OK) {
        log_error("log.shard_corrupt", log_number("shard", shard->number),
                  log_text("reason", slice_of(reason)));
        log_quarantine(shard);
    }
}

void log_replay_damage(struct log_replay *replay, uint32_t shard)
{
    struct log_shard *damaged = shard == LOG_NO_SHARD ? NULL : find_or_add(replay, shard);

    replay->batch_count = 0;
    if (damaged != NULL) {
        quarantine(damaged, "a record is damaged");
    }
}

void log_replay_damage_all(struct log_replay *replay)
{
    replay->batch_count = 0;
    for (size_t i = 0; i < replay->log->shard_count; i++) {
        quarantine(replay->log->shards[i], "records are damaged, and whose they were is unknown");
    }
}

void log_replay_break_batch(struct log_replay *replay)
{
    if (replay->batch_count > 0) {
        log_replay_damage(replay, replay->batch[0].shard);
    }
}

/* ---- States ---- */

static bool is_same_state(const struct log_state *one, const struct log_state *other)
{
    return one->hard_state.term == other->hard_state.term &&
           one->hard_state.vote == other->hard_state.vote &&
           one->compacted.term == other->compacted.term &&
           one->compacted.index == other->compacted.index && one->last.term == other->last.term &&
           one->last.index == other->last.index && one->changes == other->changes;
}

static void see(struct log_replay *replay, uint32_t shard)
{
    if (replay->seen_count == replay->seen_capacity) {
        replay->seen_capacity = replay->seen_capacity * 2 + 16;
        replay->seen = memory_resized(replay->seen, replay->seen_capacity * sizeof(*replay->seen));
    }
    replay->seen[replay->seen_count++] = shard;
}

static void apply_state(struct log_replay *replay, const struct log_record *record)
{
    bool is_known = log_find_shard(replay->log, record->shard) != NULL;
    struct log_shard *shard = find_or_add(replay, record->shard);

    see(replay, record->shard);
    if (shard == NULL || shard->status != STATUS_OK) {
        return;
    }
    if (shard->count == 0 && shard->state.last.index > shard->state.compacted.index) {
        /* Cut back to an entry whose place, and with it whose term, is not known yet. */
        shard->state.last.term = replay->state.last.term;
    }
    if (!replay->is_based && !is_known) {
        shard->generation = record->generation;
        shard->state = replay->state;
        shard->first = replay->state.last.index + 1;
    } else if (!is_known || shard->generation != record->generation ||
               !is_same_state(&shard->state, &replay->state)) {
        quarantine(shard, "the next segment begins with another state");
    }
    if (replay->state.is_corrupt) {
        quarantine(shard, "found corrupt before, and not forgotten since");
    }
}

/* States come by ascending number, once each. */
static bool was_seen(const struct log_replay *replay, uint32_t shard)
{
    size_t low = 0;
    size_t high = replay->seen_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (replay->seen[middle] < shard) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < replay->seen_count && replay->seen[low] == shard;
}

/* All states are read: a shard without one is not what it seems. */
static void check_unseen(struct log_replay *replay)
{
    if (replay->saw_records) {
        return;
    }
    replay->saw_records = true;
    for (size_t i = 0; i < replay->log->shard_count; i++) {
        if (!was_seen(replay, replay->log->shards[i]->number)) {
            quarantine(replay->log->shards[i], "the next segment does not know it");
        }
    }
}

void log_replay_begin_segment(struct log_replay *replay, uint32_t segment)
{
    replay->segment = segment;
    replay->is_based |= replay->saw_states || replay->saw_records;
    replay->saw_records = false;
    replay->saw_states = false;
    replay->seen_count = 0;
    replay->batch_count = 0;
}

void log_replay_end_segment(struct log_replay *replay)
{
    log_replay_break_batch(replay);
    if (replay->saw_states) {
        check_unseen(replay);
    }
}

/* ---- Batches ---- */

static void add_carried(struct log_replay *replay, const struct log_record *record,
                        struct log_location location)
{
    if (replay->carried_count == replay->carried_capacity) {
        replay->carried_capacity = replay->carried_capacity * 2 + 16;
        replay->carried =
            memory_resized(replay->carried, replay->carried_capacity * sizeof(*replay->carried));
    }
    replay->carried[replay->carried_count++] = (struct log_carried){
        .shard = record->shard, .index = record->index, .term = record->term, .location = location};
}

static bool apply_carry(struct log_replay *replay, struct log_shard *shard,
                        const struct log_record *record, struct log_location location)
{
    struct log_location *known = log_shard_find(shard, record->index);
    uint64_t term = 0;

    if (record->index <= shard->state.compacted.index || record->index > shard->state.last.index) {
        return false;
    }
    shard->has_carried = true;
    if (known == NULL) {
        add_carried(replay, record, location);
        return true;
    }
    if (log_shard_term(shard, record->index, &term) != STATUS_OK || term != record->term) {
        return false;
    }
    *known = location;
    return true;
}

/* What was carried forward before is void from `index` on. */
static void drop_carried(struct log_replay *replay, uint32_t shard, uint64_t index)
{
    size_t left = 0;

    for (size_t i = 0; i < replay->carried_count; i++) {
        if (replay->carried[i].shard != shard || replay->carried[i].index < index) {
            replay->carried[left++] = replay->carried[i];
        }
    }
    replay->carried_count = left;
}

static bool apply_tail(struct log_replay *replay, struct log_shard *shard,
                       const struct log_record *record)
{
    struct raft_position position = {.term = record->term, .index = record->index};

    switch (record->kind) {
    case LOG_RECORD_TRUNCATE:
        if (record->index <= shard->state.compacted.index ||
            record->index > shard->state.last.index + 1) {
            return false;
        }
        if (record->index < shard->first) {
            drop_carried(replay, shard->number, record->index);
        }
        log_shard_truncate(shard, record->index);
        return true;
    case LOG_RECORD_COMPACT:
        if (record->index <= shard->state.compacted.index ||
            record->index > shard->state.last.index) {
            return false;
        }
        log_shard_compact(shard, position);
        log_shard_trim(shard, record->index);
        if (record->index == shard->state.last.index) {
            shard->state.last = position; /* whose term may not have been known */
        }
        return true;
    default: /* BEGIN */
        if (record->index < shard->state.compacted.index || record->index >= UINT64_MAX / 2) {
            return false;
        }
        drop_carried(replay, shard->number, 0);
        log_shard_begin(shard, position);
        return true;
    }
}

/* False: the record does not fit what was before. */
static bool apply_record(struct log_replay *replay, struct log_shard *shard,
                         const struct log_record *record)
{
    struct log_location location = {.segment = replay->segment,
                                    .offset = record->offset,
                                    .size = record->size,
                                    .kind = record->entry_kind};

    switch (record->kind) {
    case LOG_RECORD_ENTRY:
        if (record->index != shard->state.last.index + 1 || record->term < shard->state.last.term) {
            return false;
        }
        log_shard_append(shard, record->term, location);
        return true;
    case LOG_RECORD_HARD_STATE:
        if (record->term < shard->state.hard_state.term) {
            return false;
        }
        shard->state.hard_state =
            (struct raft_hard_state){.term = record->term, .vote = record->index};
        return true;
    case LOG_RECORD_CARRY:
        return apply_carry(replay, shard, record, location);
    default:
        return apply_tail(replay, shard, record);
    }
}

static void apply_batch(struct log_replay *replay)
{
    const struct log_record *first = &replay->batch[0];

    check_unseen(replay);

    struct log_shard *shard = find_or_add(replay, first->shard);

    if (shard == NULL) {
        return;
    }
    if (first->kind == LOG_RECORD_FORGET) {
        drop_carried(replay, shard->number, 0);
        log_remove_shard(replay->log, shard);
        return;
    }

    bool is_sound = shard->status == STATUS_OK && first->generation >= shard->generation;

    for (size_t i = 0; i < replay->batch_count && is_sound; i++) {
        is_sound = replay->batch[i].shard == shard->number &&
                   apply_record(replay, shard, &replay->batch[i]);
    }
    if (!is_sound) {
        quarantine(shard, "a record does not follow from those before");
        return;
    }
    shard->generation = first->generation;
    shard->state.changes++;
}

static void read_state(struct log_replay *replay, const struct log_record *record,
                       struct slice payload)
{
    if (replay->saw_records || log_state_decode(payload, &replay->state) != STATUS_OK) {
        log_replay_damage(replay, record->shard);
        return;
    }
    apply_state(replay, record);
    replay->saw_states |= record->ends_batch;
}

bool log_replay_record(struct log_replay *replay, const struct log_record *record,
                       struct slice payload)
{
    if (replay->batch_count > 0 && replay->batch[0].shard != record->shard) {
        log_replay_break_batch(replay);
    }
    if (record->kind == LOG_RECORD_STATE) {
        log_replay_break_batch(replay);
        read_state(replay, record, payload);
        return record->ends_batch;
    }
    if (replay->batch_count == replay->batch_capacity) {
        replay->batch_capacity = replay->batch_capacity * 2 + 64;
        replay->batch =
            memory_resized(replay->batch, replay->batch_capacity * sizeof(*replay->batch));
    }
    replay->batch[replay->batch_count++] = *record;
    if (record->ends_batch) {
        apply_batch(replay);
        replay->batch_count = 0;
    }
    return record->ends_batch;
}

/* ---- The end ---- */

/* Finds the entries that lie before those in the shard's table among what was carried. */
static bool fill_front(struct log_replay *replay, struct log_shard *shard)
{
    uint64_t low = shard->state.compacted.index + 1;
    uint64_t count = shard->first - low;
    size_t found = 0;

    if (count > replay->carried_count) {
        return false;
    }

    struct log_location *items = memory_zeroed((size_t)count * sizeof(*items));
    uint64_t *terms = memory_zeroed((size_t)count * sizeof(*terms));

    for (size_t i = 0; i < replay->carried_count; i++) {
        const struct log_carried *carried = &replay->carried[i];
        uint64_t slot = carried->index - low;

        if (carried->shard == shard->number && carried->index >= low && slot < count) {
            found += items[slot].segment == 0;
            items[slot] = carried->location;
            terms[slot] = carried->term;
        }
    }

    bool is_whole = found == count;

    for (size_t i = 0; i < count && is_whole; i++) {
        is_whole = terms[i] >= (i > 0 ? terms[i - 1] : shard->state.compacted.term);
    }
    if (is_whole) {
        is_whole = shard->run_count == 0 || terms[count - 1] <= shard->runs[0].term;
    }
    if (is_whole) {
        log_shard_prepend(shard, low, items, terms, (size_t)count);
    }
    memory_free(items);
    memory_free(terms);
    return is_whole;
}

void log_replay_finish(struct log_replay *replay)
{
    for (size_t i = 0; i < replay->log->shard_count; i++) {
        struct log_shard *shard = replay->log->shards[i];

        if (shard->status != STATUS_OK) {
            continue;
        }
        if (shard->first > shard->state.compacted.index + 1 && !fill_front(replay, shard)) {
            quarantine(shard, "entries are missing");
        }
        if (shard->run_count > 0) {
            shard->state.last.term = shard->runs[shard->run_count - 1].term;
        }
    }
}

void log_replay_done(struct log_replay *replay)
{
    memory_free(replay->batch);
    memory_free(replay->carried);
    memory_free(replay->seen);
}
