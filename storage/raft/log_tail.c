#include "storage/raft/log_tail.h"

#include <string.h>

#include "storage/raft/grown.h"

void raft_log_tail_init(struct raft_log_tail *log, struct raft_position compacted)
{
    *log = (struct raft_log_tail){.compacted = compacted};
}

void raft_log_tail_done(struct raft_log_tail *log)
{
    memory_free(log->runs);
    memory_free(log->sizes);
}

static void push_run(struct raft_log_tail *log, struct raft_term_run run)
{
    log->runs = raft_grown(log->runs, &log->run_capacity, log->run_count + 1, sizeof(*log->runs));
    log->runs[log->run_count++] = run;
}

static bool runs_in_order(const struct raft_options *options)
{
    uint64_t index = options->compacted.index + 1;
    uint64_t term = options->compacted.term;

    for (size_t i = 0; i < options->run_count; i++) {
        const struct raft_term_run *run = &options->runs[i];
        bool follows = i == 0 ? run->first_index == index && run->term >= term
                              : run->first_index > index && run->term > term;

        if (!follows || run->term == 0) {
            return false;
        }
        index = run->first_index;
        term = run->term;
    }
    return options->run_count == 0 || index <= options->compacted.index + options->entry_count;
}

enum status raft_log_tail_recover(struct raft_log_tail *log, const struct raft_options *options)
{
    struct raft_position compacted = options->compacted;

    if ((compacted.index == 0) != (compacted.term == 0) ||
        (options->run_count == 0) != (options->entry_count == 0) || !runs_in_order(options)) {
        return STATUS_INVALID;
    }
    raft_log_tail_init(log, compacted);
    for (size_t i = 0; i < options->run_count; i++) {
        push_run(log, options->runs[i]);
    }
    log->count = options->entry_count;
    log->sizes = raft_grown(NULL, &log->capacity, log->count, sizeof(*log->sizes));
    for (size_t i = 0; i < log->count; i++) {
        log->sizes[i] = options->sizes[i];
    }
    return STATUS_OK;
}

uint64_t raft_log_tail_last_index(const struct raft_log_tail *log)
{
    return log->compacted.index + log->count;
}

struct raft_position raft_log_tail_last(const struct raft_log_tail *log)
{
    if (log->count == 0) {
        return log->compacted;
    }
    return (struct raft_position){.term = log->runs[log->run_count - 1].term,
                                  .index = raft_log_tail_last_index(log)};
}

/* The run that the entry at `index` belongs to; most questions are about the end of the log. */
static size_t find_run(const struct raft_log_tail *log, uint64_t index)
{
    size_t low = 0;
    size_t high = log->run_count - 1;

    while (low < high) {
        size_t middle = high - (high - low) / 2;

        if (high - low > 2 && log->runs[high].first_index <= index) {
            return high;
        }
        if (log->runs[middle].first_index <= index) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

bool raft_log_tail_at(const struct raft_log_tail *log, uint64_t index,
                      struct raft_position *out_position)
{
    if (index < log->compacted.index || index > raft_log_tail_last_index(log)) {
        return false;
    }
    *out_position = log->compacted;
    if (index > log->compacted.index) {
        out_position->term = log->runs[find_run(log, index)].term;
        out_position->index = index;
    }
    return true;
}

bool raft_log_tail_has(const struct raft_log_tail *log, struct raft_position position)
{
    struct raft_position found;

    return raft_log_tail_at(log, position.index, &found) && found.term == position.term;
}

void raft_log_tail_append(struct raft_log_tail *log, uint64_t term, uint32_t size)
{
    if (log->count == 0 || log->runs[log->run_count - 1].term != term) {
        push_run(log, (struct raft_term_run){raft_log_tail_last_index(log) + 1, term});
    }
    log->sizes = raft_grown(log->sizes, &log->capacity, log->count + 1, sizeof(*log->sizes));
    log->sizes[log->count++] = size;
}

void raft_log_tail_truncate(struct raft_log_tail *log, uint64_t index)
{
    log->count = (size_t)(index - log->compacted.index - 1);
    while (log->run_count > 0 && log->runs[log->run_count - 1].first_index >= index) {
        log->run_count--;
    }
}

/* Gives most of an array back that is mostly empty. */
static void shrink(struct raft_log_tail *log)
{
    if (log->capacity > 64 && log->capacity > log->count * 4) {
        log->capacity = log->count < 4 ? 4 : log->count * 2;
        log->sizes = memory_resized(log->sizes, log->capacity * sizeof(*log->sizes));
    }
}

void raft_log_tail_compact(struct raft_log_tail *log, uint64_t index)
{
    size_t gone = (size_t)(index - log->compacted.index);
    size_t run = find_run(log, index);

    log->compacted = (struct raft_position){.term = log->runs[run].term, .index = index};
    log->count -= gone;
    memmove(log->sizes, log->sizes + gone, log->count * sizeof(*log->sizes));
    shrink(log);
    if (run + 1 == log->run_count || log->runs[run + 1].first_index > index + 1) {
        log->runs[run].first_index = index + 1;
    } else {
        run++;
    }
    log->run_count = log->count == 0 ? 0 : log->run_count - run;
    memmove(log->runs, log->runs + run, log->run_count * sizeof(*log->runs));
}

struct raft_position raft_log_tail_agreement(const struct raft_log_tail *log, uint64_t index,
                                             uint64_t term)
{
    uint64_t last_index = raft_log_tail_last_index(log);
    uint64_t at = index < last_index ? index : last_index;

    for (size_t i = log->run_count; i-- > 0 && at > log->compacted.index;) {
        const struct raft_term_run *run = &log->runs[i];

        if (run->first_index > at) {
            continue;
        }
        if (run->term <= term) {
            return (struct raft_position){.term = run->term, .index = at};
        }
        at = run->first_index - 1;
    }
    return log->compacted;
}

size_t raft_log_tail_cost(const struct raft_log_tail *log, uint64_t from, uint64_t to)
{
    size_t cost = 0;

    for (uint64_t index = from + 1; index <= to; index++) {
        cost += log->sizes[index - log->compacted.index - 1] + (size_t)RAFT_ENTRY_OVERHEAD;
    }
    return cost;
}

size_t raft_log_tail_fit(const struct raft_log_tail *log, uint64_t index, size_t cost_max,
                         size_t *out_cost)
{
    size_t first = (size_t)(index - log->compacted.index - 1);
    size_t fitting = 0;
    size_t cost = 0;

    while (first + fitting < log->count) {
        size_t next = log->sizes[first + fitting] + (size_t)RAFT_ENTRY_OVERHEAD;

        if (fitting > 0 && cost + next > cost_max) {
            break;
        }
        cost += next;
        fitting++;
    }
    *out_cost = cost;
    return fitting;
}

size_t raft_log_tail_memory(const struct raft_log_tail *log)
{
    return log->capacity * sizeof(*log->sizes) + log->run_capacity * sizeof(*log->runs);
}
