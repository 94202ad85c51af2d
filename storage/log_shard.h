/* The log of one shard as memory holds it: where each entry is, 16 octets each, and runs of terms.
 *
 * Pure. What is changed by a submission is remembered in a struct log_before, so that it can be
 * taken back when the disk does not take it. */
#ifndef AVISO_STORAGE_LOG_SHARD_H
#define AVISO_STORAGE_LOG_SHARD_H

#include "storage/log_record.h"

/* Where an entry is: orders as the log does. */
struct log_location {
    uint32_t segment; /* 0: not known */
    uint32_t offset;  /* of the record */
    uint32_t size;    /* octets of payload */
    uint8_t kind;     /* enum raft_entry_kind */
};

struct log_undo;

struct log_shard {
    uint32_t number;
    enum status status; /* OK or CORRUPT */
    uint64_t generation;
    struct log_state state;
    bool is_leaving; /* log_forget() is on its way */
    bool has_failed; /* a submission found no space, until log_resume() */

    /* Entries from `first` to state.last.index. `first` is before the first that is not compacted
     * until that compaction is durable, and after it while a recovery finds out where they are.
     * Allocated from `items` on, used from `begin` on. */
    uint64_t first;
    struct log_location *items;
    size_t begin, count, capacity;

    struct raft_term_run *runs;
    size_t run_count, run_capacity;

    bool has_carried; /* entries may lie behind those that follow them */

    /* Its submissions that are not completed. */
    struct log_undo *oldest, *newest;
};

/* An empty log. */
struct log_shard *log_shard_new(uint32_t number);
void log_shard_free(struct log_shard *shard);

/* Nothing was ever written of it: it only waits for a first submission to end. */
bool log_shard_is_blank(const struct log_shard *shard);

/* NULL: no such entry. Valid until the shard changes. */
struct log_location *log_shard_find(const struct log_shard *shard, uint64_t index);

/* NOT_FOUND: neither an entry nor the last compacted one. */
NODISCARD enum status log_shard_term(const struct log_shard *shard, uint64_t index,
                                     uint64_t *out_term);

/* The next entry. The caller has checked that its term does not go back. */
void log_shard_append(struct log_shard *shard, uint64_t term, struct log_location location);

/* Drops `from`, which is after the compacted ones, and all after it. */
void log_shard_truncate(struct log_shard *shard, uint64_t from);

/* All up to `position`, an entry, is not to be found any more; it is dropped by log_shard_trim(),
 * once that is durable. */
void log_shard_compact(struct log_shard *shard, struct raft_position position);
void log_shard_trim(struct log_shard *shard, uint64_t index);

/* Drops all, and goes on after `position`. */
void log_shard_begin(struct log_shard *shard, struct raft_position position);

/* Puts entries in front of those that are there; first becomes `first`. */
void log_shard_prepend(struct log_shard *shard, uint64_t first, const struct log_location *items,
                       const uint64_t *terms, size_t count);

/* The oldest segment of the items, also of compacted ones that are there; 0 without any. */
uint32_t log_location_oldest(const struct log_location *items, size_t count, bool in_order);
uint32_t log_shard_oldest_segment(const struct log_shard *shard);

/* Octets on the heap. */
size_t log_shard_memory(const struct log_shard *shard);

/* A shard as it was before a submission. */
struct log_before {
    uint64_t generation;
    struct log_state state;
    bool has_carried;

    /* What it removed: entries, NULL for none, and the runs that begin with them or later. */
    uint64_t removed_from;
    struct log_location *removed;
    size_t removed_count;
    struct raft_term_run *runs;
    size_t run_count;
};

/* Remembers the shard, and the entries from `removed_from` on; 0: none will be removed. */
void log_before_init(struct log_before *before, const struct log_shard *shard,
                     uint64_t removed_from);
void log_before_done(struct log_before *before);

/* Makes the shard what it was; what was submitted later is undone already. */
void log_before_restore(const struct log_before *before, struct log_shard *shard);

#endif
