/* The log of all shards of a disk: shared segment files, one write and one fdatasync for all that
 * is pending, whoever it comes from.
 *
 *     open( recovered( shard )... ) -> submit ... -> write -> sync -> completed ... -> close
 *
 * Who does what. Shards submit and read, from any thread: the log has a lock of its own, which is
 * never held during I/O. One thread alone, the writer, calls log_write(), log_sync(),
 * log_completed() and log_mark(): storage/log_writer.h on a node, a simulator itself, which may
 * crash between any two of them.
 *
 *  - Order: submissions become durable in the order of log_submit(), over all shards, each whole
 *    or not at all. What was submitted can be read at once, durable or not.
 *  - NO_SPACE is a failure of what is pending: everything submitted and not yet written fails,
 *    the log in memory is again what is on disk, and it goes on as soon as there is room. Space is
 *    taken a segment at a time, in advance; a part of each is kept for log_compact(), so that a
 *    full disk can always be helped by compacting.
 *  - Any other failure of a write or a sync ends the log: every call from then on answers IO_ERROR.
 *    Nothing is tried again, since the kernel may have dropped what it could not write. The node
 *    has to stop; what is durable is found out by opening the log again.
 *
 * Opening reads and verifies everything. Where a segment was the last, what follows the last offset
 * known to be synced may be torn: the first octets that do not check end it, without a word,
 * because nobody was promised them. Damage anywhere else is CORRUPT, for the shards that lost
 * something (if that cannot be told, for all): such a shard answers CORRUPT to everything, also
 * after the next open, until log_forget(). Nothing is ever shortened silently.
 *     What was found behind that offset may exist in the kernel's memory alone (after kill -9, or
 * after an fdatasync that failed): log_open() writes those octets again and syncs them before it
 * answers, so all that is recovered is durable. It begins a new segment with the first write, and
 * never appends to one that it found.
 *     A segment that is missing is noticed by what refers to it; a folder that is wiped looks like
 * a new one, and a shard that only ever lived in the damaged part is not known any more. So the
 * owner compares the shards recovered with those that it knows: one that has state and no log is
 * not to be trusted. */
#ifndef AVISO_STORAGE_LOG_H
#define AVISO_STORAGE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "storage/file.h"
#include "storage/raft/raft.h"

enum {
    LOG_PAYLOAD_SIZE_MAX = 1 << 20,  /* octets of one entry; commands have a lower limit */
    LOG_SHARDS_MAX = 4096,           /* a node holds */
    LOG_SEGMENT_SIZE_MIN = 64 << 10, /* octets */
    LOG_SEGMENT_SIZE_MAX = 1 << 30,
};

struct log;

/* A shard as it was recovered. Borrows for the call. */
struct log_recovered {
    uint32_t shard;
    enum status status;  /* OK, or CORRUPT: the rest is then not to be used */
    uint64_t generation; /* the highest that was submitted */
    struct raft_hard_state hard_state;
    struct raft_position compacted; /* entries begin after it */
    struct raft_position last;      /* `compacted` when there are none */
    const struct raft_term_run *runs;
    size_t run_count;
};

/* Called in log_open(), once for each shard, by ascending number. It may call log_describe(), and
 * nothing else that takes the log. */
typedef void log_recovered_fn(void *context, struct log *log,
                              const struct log_recovered *recovered);

/* Zero in a size means its default, in brackets. */
struct log_options {
    const struct file_system *files;
    const char *folder;     /* there already, and nobody else's */
    uint32_t segment_size;  /* octets [64 MiB] */
    size_t cache_size_max;  /* octets of written records kept in memory [64 MiB] */
    size_t spare_count_max; /* unused segments kept for the next [2] */
    /* Octets of zeros written ahead of the end, a piece at a time, in a segment that was none
     * before. Where a file system notes which blocks were ever written, a sync has to write that
     * down too; in written ones it has not. [0: none] */
    uint32_t zero_ahead;
    uint64_t seed; /* makes a new log's identity replayable; 0: the kernel's randomness */
    log_recovered_fn *on_recovered; /* may be NULL */
    /* Asked before each new segment, on the writer's thread: false makes it NO_SPACE, so that who
     * shares the disk keeps some room. NULL: there always is. */
    bool (*has_room)(void *context);
    void *context; /* of both */
};

/* The log is the caller's, for log_close(). IO_ERROR, DENIED, NO_SPACE (what was found could not
 * be made durable), UNSUPPORTED (written by a newer version), INVALID (options). Corruption is not
 * a failure of the open, see above. */
NODISCARD enum status log_open(const struct log_options *options, struct log **out_log);

/* Writes the last mark, and syncs nothing. What is not completed is never touched again: its owner
 * frees it after this. Accepts NULL. */
void log_close(struct log *log);

struct log_entry {
    struct raft_position position;
    uint8_t kind;         /* enum raft_entry_kind */
    struct slice payload; /* LOG_PAYLOAD_SIZE_MAX at most */
};

/* One write of one shard, embedded in who wants it. The first part says what; it is copied, and
 * may change once log_submit() returned. The structure itself stays until it is completed. */
struct log_append {
    uint32_t shard;      /* a number not seen before begins a new log, with index 1 */
    uint64_t generation; /* of the shard; never lower than before */

    /* In this order: forget all entries and begin after this position, a snapshot's that the state
     * durably has; NULL: no. */
    const struct raft_position *begin_after;
    uint64_t truncate_from;          /* forget this entry and all after it; 0: none */
    const struct log_entry *entries; /* the next, without a gap */
    size_t entry_count;
    const struct raft_hard_state *hard_state; /* NULL: as it is */

    void *owner; /* the caller's, as the next: the log does not look at them */
    void *context;
    enum status status; /* once completed: OK, NO_SPACE or IO_ERROR */

    struct log_append *next; /* the log's, as the rest */
    struct log_undo *undo;
};

/* Takes a write in; log_completed() returns it, exactly once. Refused at once, and never
 * completed: INVALID (a gap, an index or a term that goes back, below what is compacted), DENIED
 * (an older generation), TOO_LARGE (a payload; or all together over half a segment), BUSY (over
 * LOG_SHARDS_MAX), NO_SPACE (an earlier one of this shard failed so; see log_resume()), CORRUPT,
 * IO_ERROR. */
NODISCARD enum status log_submit(struct log *log, struct log_append *append);

/* Takes submissions of a shard again, after one of them failed with NO_SPACE. Its owner calls it
 * once it knows of that and has begun anew from log_bounds(): what it submitted in between built on
 * what was taken back, and some of it would fit by chance. OK also when none has failed. BUSY: some
 * are not completed; NOT_FOUND: no such shard; IO_ERROR. */
NODISCARD enum status log_resume(struct log *log, uint32_t shard);

/* The writer's four. Hands everything pending to the files, by one write a segment. AGAIN: nothing
 * was pending. NO_SPACE, IO_ERROR: as above; what failed is completed by the next log_sync(). */
NODISCARD enum status log_write(struct log *log);

/* Makes everything written durable, by one fdatasync, and only then gives old segments back. OK
 * also when there was nothing; IO_ERROR. */
NODISCARD enum status log_sync(struct log *log);

/* The next submission that ended, in order, or NULL. */
struct log_append *log_completed(struct log *log);

/* Notes in the file how far it is synced, without a sync of its own, unless it is noted already or
 * something is pending (its write will say so). Call it when nothing follows: the last write then
 * is told apart from a torn one. */
void log_mark(struct log *log);

/* Whether log_write() has work. */
bool log_is_pending(struct log *log);

/* What log_read() found. Payloads borrow from it. */
struct log_entries {
    struct log_entry *items;
    size_t count;
    void *memory; /* the log's */
};

/* The entries from `low` on, before `high`, up to `bytes_max` octets of payload; the first always,
 * however large. With `only_cached`, stops before the first that is not in memory. Blocks for the
 * disk otherwise: call it from a worker. NOT_FOUND: `low` is compacted or after the last; AGAIN:
 * `low` is not in memory; CORRUPT (also found now: the shard is then quarantined); IO_ERROR. */
NODISCARD enum status log_read(struct log *log, uint32_t shard, uint64_t low, uint64_t high,
                               size_t bytes_max, bool only_cached, struct log_entries *out_entries);

/* Frees what a successful log_read() gave. */
void log_entries_done(struct log_entries *entries);

/* What is known of an entry without its payload. */
struct log_description {
    uint64_t term;
    uint32_t size; /* octets of payload */
    uint8_t kind;
};

/* From memory. NOT_FOUND: no such entry; CORRUPT; IO_ERROR. */
NODISCARD enum status log_describe(struct log *log, uint32_t shard, uint64_t index,
                                   struct log_description *out_description);

/* The term of an entry, also of the last compacted one. The same failures. */
NODISCARD enum status log_term(struct log *log, uint32_t shard, uint64_t index, uint64_t *out_term);

/* A shard's log as it was submitted, durable or not. */
struct log_bounds {
    uint64_t generation;
    struct raft_hard_state hard_state;
    struct raft_position compacted; /* the first index is the next one */
    struct raft_position last;
};

/* NOT_FOUND: no such shard; CORRUPT; IO_ERROR. */
NODISCARD enum status log_bounds(struct log *log, uint32_t shard, struct log_bounds *out_bounds);

/* The entries up to `index` are not needed any more; nothing waits for that to be durable. OK also
 * when they are gone already. INVALID: over `durable_applied_index`, the index that the state
 * durably has (asked for with the persisted read tier): after a crash the log has to be replayed
 * from there; or over what is durable here. NOT_FOUND: no such shard; CORRUPT; IO_ERROR. */
NODISCARD enum status log_compact(struct log *log, uint32_t shard, uint64_t index,
                                  uint64_t durable_applied_index);

/* The shard has no log any more, corrupt or not, once `append` is completed: of it only `shard`
 * and `owner` are used. NOT_FOUND: no such shard; BUSY: it has submissions that are not completed;
 * IO_ERROR. */
NODISCARD enum status log_forget(struct log *log, struct log_append *append);

struct log_statistics {
    uint64_t segment_count; /* with records; each takes segment_size on disk, or less */
    uint64_t spare_count;
    uint64_t pending_octets; /* submitted and not yet durable: what a shard bounds its peers by */
    uint64_t cache_octets;
    uint64_t write_count, sync_count; /* since the open */
    uint64_t memory;                  /* octets on the heap */
};

/* What an operator or a test looks at. */
struct log_statistics log_statistics(struct log *log);

/* A shard that keeps the oldest segment from being given back: compact it, after a flush of its
 * state, or let log_carry() copy what it needs. */
struct log_pin {
    uint32_t shard;
    uint64_t segment;           /* its oldest */
    uint64_t entries_in_oldest; /* how many it has there */
};

/* Up to `count` shards, those with the oldest segments first. Returns how many. */
size_t log_pins(struct log *log, struct log_pin *out_pins, size_t count);

/* Copies the entries that `shard` has in its oldest segment forward, durable ones only, so that it
 * does not pin that segment any more; completed as every submission, `append` as in log_forget().
 * Blocks for the disk. NOT_FOUND: no such shard or nothing to copy; TOO_LARGE: it is not a few,
 * over half a segment; BUSY: the shard has submissions that are not completed; CORRUPT; IO_ERROR.
 */
NODISCARD enum status log_carry(struct log *log, struct log_append *append);

#endif
