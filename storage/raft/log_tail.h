/* What the core remembers of its log: for each retained entry its size, for each run of entries
 * their term. Payloads are in storage/log. Four octets an entry and sixteen a term. */
#ifndef AVISO_STORAGE_RAFT_LOG_TAIL_H
#define AVISO_STORAGE_RAFT_LOG_TAIL_H

#include "storage/raft/raft.h"

struct raft_log_tail {
    struct raft_position compacted; /* the last entry that is gone */
    struct raft_term_run *runs;     /* of what is there, ascending */
    size_t run_count;
    size_t run_capacity;
    uint32_t *sizes; /* of the entry after `compacted`, and so on */
    size_t count;
    size_t capacity;
};

/* An empty log that begins after `compacted`. */
void raft_log_tail_init(struct raft_log_tail *log, struct raft_position compacted);
void raft_log_tail_done(struct raft_log_tail *log);

/* Takes a recovered log over. INVALID: indexes or terms out of order. */
NODISCARD enum status raft_log_tail_recover(struct raft_log_tail *log,
                                            const struct raft_options *options);

/* Where it ends; `compacted` when it is empty. */
uint64_t raft_log_tail_last_index(const struct raft_log_tail *log);
struct raft_position raft_log_tail_last(const struct raft_log_tail *log);

/* The position at `index`. False: compacted away, or not there yet. */
bool raft_log_tail_at(const struct raft_log_tail *log, uint64_t index,
                      struct raft_position *out_position);

/* This very entry (or what the log begins after) is in the log. */
bool raft_log_tail_has(const struct raft_log_tail *log, struct raft_position position);

/* Adds the entry after the last; its term is not below the last one's. */
void raft_log_tail_append(struct raft_log_tail *log, uint64_t term, uint32_t size);

/* Forgets the entry at `index`, which is there, and all after it. */
void raft_log_tail_truncate(struct raft_log_tail *log, uint64_t index);

/* Forgets all up to the entry at `index`, which is there. */
void raft_log_tail_compact(struct raft_log_tail *log, uint64_t index);

/* The last place up to `index` whose term is at most `term`: where another log, whose entry at
 * `index` has that term, can agree with this one at best (§5.3 of the paper, the quick way). When
 * all that would be is compacted, that which is before the log. */
struct raft_position raft_log_tail_agreement(const struct raft_log_tail *log, uint64_t index,
                                             uint64_t term);

/* What the entries after `from` up to `to` cost in a message or in a limit: their payloads and 32
 * octets each. */
size_t raft_log_tail_cost(const struct raft_log_tail *log, uint64_t from, uint64_t to);

/* How many entries from `index` on cost at most `cost_max`, at least one when there is one.
 * `out_cost` gets what they cost. */
size_t raft_log_tail_fit(const struct raft_log_tail *log, uint64_t index, size_t cost_max,
                         size_t *out_cost);

/* Octets on the heap. */
size_t raft_log_tail_memory(const struct raft_log_tail *log);

/* What one entry costs besides its payload, in octets. */
enum { RAFT_ENTRY_OVERHEAD = 32 };

#endif
