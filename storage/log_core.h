/* The insides of struct log, for storage/log*.c alone.
 *
 * Where a record comes to be is decided when it is submitted, under the lock: the order of the
 * submissions is the order in the files, and memory knows every place at once. Writing is then
 * only moving octets. What cannot be written is taken back, last first, and its places are given
 * again, under other group numbers. */
#ifndef AVISO_STORAGE_LOG_CORE_H
#define AVISO_STORAGE_LOG_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/log.h"
#include "storage/log_segment.h"
#include "storage/log_shard.h"

/* The records of one batch, as they are in the file; also what the cache keeps. */
struct log_block {
    atomic_uint reference_count;
    uint32_t segment;
    uint32_t offset;
    uint32_t size;
    char octets[];
};

/* The next place to give to a record. */
struct log_head {
    uint32_t segment; /* 0: a new one has to begin */
    uint32_t offset;
    uint32_t previous_offset;
    uint32_t previous_shard;
    uint32_t next_sequence; /* of the segment that is not begun */
};

/* One write: what is pending, in one segment. */
struct log_group {
    struct log_group *next;
    struct log_head before;
    uint32_t segment;
    uint32_t offset; /* of its GROUP record */
    uint32_t end;
    uint64_t number;
    uint32_t previous_offset;
    uint32_t previous_shard;
    struct log_block **blocks;
    size_t block_count, block_capacity;
    struct log_append *first, *last; /* in order */
};

/* What the log keeps of a submission until it is completed. */
struct log_undo {
    struct log_append *append;
    struct log_shard *shard;
    struct log_undo *older, *newer;
    struct log_before before;
    uint64_t low;         /* the first index that it writes or removes; UINT64_MAX: none */
    uint64_t compacts_to; /* 0: does not */
    uint32_t octets;      /* of its records */
    bool forgets;
    bool is_internal; /* made here, and freed instead of completed */

    /* log_carry(): where the entries from carried_from on are, before and after. */
    struct log_location *carried_old, *carried_new;
    uint64_t carried_from;
    size_t carried_count;
    struct log_append internal; /* the append, when it is internal */
};

struct log {
    pthread_mutex_t lock; /* of all below but the files' content */
    const struct file_system *files;
    struct log_segments segments;
    uint32_t salt;
    uint32_t reserve; /* octets of a segment kept for compactions */
    size_t shards_max;
    bool is_dead;

    struct log_shard **shards; /* by ascending number */
    size_t shard_count, shard_capacity;

    struct log_head head;
    uint64_t next_group;

    struct log_group *pending, *pending_last;
    struct log_append *written, *written_last; /* not known to be durable */
    struct log_append *completed, *completed_last;

    /* The writer's alone: the segment that is written to, how far, and how far it is synced. One
     * that the open found is written to no more, and only its end is known (0: it is not). */
    struct file *file;
    uint32_t file_sequence;
    uint32_t written_end;
    uint32_t synced_end;
    uint32_t zeroed_end; /* all before it was written at some time */
    uint32_t zero_ahead;
    char *zeros; /* as many */
    bool is_unsynced;
    bool is_marked;
    bool is_recovered;

    /* What was written last, in order, from cache_begin on. */
    struct log_block **cache;
    size_t cache_begin, cache_count, cache_capacity;
    size_t cache_octets, cache_size_max;

    uint64_t pending_octets;
    uint64_t write_count, sync_count;
    struct log_location durable; /* all before it is */
    uint64_t spare_count;
    bool may_retire; /* something ended that may have needed a segment */
};

/* ---- log.c ---- */

/* NULL: not there. Under the lock, as the rest. */
struct log_shard *log_find_shard(struct log *log, uint32_t number);

/* A new one. The caller has checked that there is none and that one more is allowed. */
struct log_shard *log_add_shard(struct log *log, uint32_t number);
void log_remove_shard(struct log *log, struct log_shard *shard);

/* Marks the shard as damaged, for good. Under the lock. */
void log_quarantine(struct log_shard *shard);

/* ---- log_write.c ---- */

/* Lets go of its blocks, not of its submissions. */
void log_group_free(struct log_group *group);

/* ---- log_submit.c ---- */

/* A block of `size` octets, referred to once. */
struct log_block *log_block_new(size_t size);
void log_block_unref(struct log_block *block);

/* Writes a record's header, but its place, and its payload at `octets`; returns what follows. */
char *log_put_record(char *octets, struct log_record *record, struct slice payload);

/* Gives the block its place, where a segment begins if need be, and puts the submission behind all
 * that is pending. Takes `block`, NULL for none. Under the lock. */
void log_place(struct log *log, struct log_undo *undo, struct log_block *block,
               bool may_use_reserve);

/* A write of its own for a mark, which has no records. Under the lock. */
void log_place_mark(struct log *log);

/* Octets of records that a batch may have. */
size_t log_batch_size_max(const struct log *log);

/* ---- log_cache.c ---- */

/* Keeps what was placed last. Refers to it. Under the lock, as the rest. */
void log_cache_push(struct log *log, struct log_block *block);
void log_cache_pop(struct log *log);

/* The record at `location`, when it is in memory; the caller's to unref. */
struct log_block *log_find_block(struct log *log, struct log_location location);

/* Lets go of what is durable and over the limit. */
void log_evict(struct log *log);

/* Remembers the shard, and the entries from `removed_from` on (0: none), before a submission
 * changes it. Under the lock, as the next three. */
struct log_undo *log_undo_new(struct log_append *append, struct log_shard *shard,
                              uint64_t removed_from);

/* Memory is again what it was before; log_finish() follows. */
void log_take_back(struct log *log, struct log_undo *undo);

/* The submission ended with `append->status`: it is to be fetched by log_completed(). */
void log_finish(struct log *log, struct log_append *append);

/* Forgets about it: nobody will fetch it. */
void log_drop(struct log_append *append);

/* ---- log_compact.c ---- */

/* The oldest segment with an entry that the shard needs, also if what is not durable is lost; 0:
 * none. Under the lock. */
uint32_t log_shard_pin(const struct log_shard *shard);

/* The lowest of them all; UINT32_MAX: none. Under the lock. */
uint32_t log_oldest_needed(const struct log *log);

/* The shard's entries in the oldest segment have a new place. Under the lock. */
void log_move_carried(struct log_shard *shard, const struct log_undo *undo);

/* ---- log_recover.c ---- */

/* Reads all segments, fills the shards, and makes what it found durable. */
NODISCARD enum status log_recover(struct log *log);

#endif
