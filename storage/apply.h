/* The state machine of a shard: from committed entries to rows, the same on every replica.
 *
 * Pure: no clock, no randomness, no floating point, no I/O but reads through a store view. Several
 * entries become one batch of writes, and see what those before them wrote; the digest and the rows
 * are the same however entries are gathered into batches.
 *
 *     new -> ( begin -> entry, entry, ... -> finish(batch) -> store_write -> settle )* -> free
 *
 * An entry that is refused changes nothing but its `once` row, which remembers the outcome. */
#ifndef AVISO_STORAGE_APPLY_H
#define AVISO_STORAGE_APPLY_H

#include "core/arena.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "storage/rows.h"
#include "storage/store.h"

struct apply;

enum {
    ONCE_REPLY_SIZE_MAX = 4096,        /* octets of a reply that is remembered */
    ONCE_AGE_MAX_MS = 60 * 60 * 1000,  /* how long request ids are remembered at least */
    FRAME_AGE_MAX_MS = 60 * 60 * 1000, /* how long frames wait for their Deliver at least */
    MAILBOXES_MAX = 10000,             /* of one account, subscriptions counted too */
    MAILBOX_NAME_SIZE_MAX = 1000,      /* octets */
    MAILBOX_DEPTH_MAX = 50,            /* levels of a name */
    UIDS_MAX = 16384,                  /* of one StoreFlags, Expunge or CopyMessages */
    RECIPIENTS_MAX = 1000,             /* of one Deliver */
    FRAMES_MAX = 4096,                 /* of one body: 1 GiB */
    CHANGES_KEPT = 16384,              /* change records of an account, at least */
    CHANGES_AGE_MAX_DAYS = 60,         /* and none older than about this is kept */
    REMOVE_STEP_ROWS_MAX = 2000,       /* rows that one REMOVE_STEP looks at */
    ACCOUNT_ID_SHIFT = 40,             /* id: the shard that made it, then a counter */
};

/* One entry of the log; `payload` stays valid until apply_settle(). */
struct apply_entry {
    uint64_t index;
    uint64_t term;
    uint8_t kind; /* enum raft_entry_kind; only COMMAND has anything to do here */
    struct slice payload;
};

/* What became of an entry, valid until apply_settle(). */
struct apply_outcome {
    enum status status; /* OK: `reply` is a packed message */
    struct slice reply;
};

/* What an entry changed that somebody watches, in the order of the changes. */
struct apply_change {
    uint64_t account;
    uint64_t modseq;
    uint32_t mailbox; /* messages changed in it; 0: none */
    bool mailbox_list;
    bool account_itself;
    bool closed; /* the account is suspended or removed now */
};
typedef void apply_change_fn(void *context, const struct apply_change *change);

/* A change of a mailbox's messages, for who keeps its UIDs in memory. */
enum apply_uid_act {
    APPLY_UID_ADDED,
    APPLY_UID_FLAGS, /* its flags are now `flags` */
    APPLY_UID_GONE,
    APPLY_MAILBOX_GONE, /* all of it; uid is 0 */
};
typedef void apply_uid_fn(void *context, uint64_t account, uint32_t mailbox, uint32_t uid,
                          enum apply_uid_act act, uint32_t flags);

struct apply_observer {
    apply_change_fn *changed; /* either may be NULL */
    apply_uid_fn *uid;
    void *context;
};

/* A machine for `shard` on `store`, whose own it is to write. CORRUPT: the meta row is;
 * UNSUPPORTED: of a newer format; IO_ERROR. */
NODISCARD enum status apply_new(struct store *store, uint32_t shard,
                                const struct apply_observer *observer, struct apply **out_apply);
void apply_free(struct apply *apply);

/* How far it has come: the meta row, with the entries of the batch in hand. */
const struct meta_row *apply_meta(const struct apply *apply);

/* Octets of the entries in the batch in hand: finish it at about 1 MiB. */
size_t apply_pending_size(const struct apply *apply);

/* Takes the next entry, whose index follows the one before; an index that is applied already is
 * CHECKed against. CORRUPT, IO_ERROR, UNSUPPORTED: the state or the entry cannot be read, the shard
 * must stop and the batch in hand must not be written. Everything that concerns only who asked is
 * in the outcome. */
NODISCARD enum status apply_entry(struct apply *apply, const struct apply_entry *entry,
                                  struct apply_outcome *out_outcome);

/* Puts the writes of the batch in hand, the meta row among them, into `batch`. */
void apply_finish(struct apply *apply, struct store_batch *batch);

/* The batch was written: forget it, and keep what is hot. */
void apply_settle(struct apply *apply);

/* The batch could not be written, for instance because the disk is full: forget its entries, which
 * have to be given again. */
void apply_abandon(struct apply *apply);

/* Whether a failure concerns the shard, not who asked. */
bool apply_is_fatal(enum status status);

/* Whether a TRIM at `now_ms` would do something worth an entry. */
bool apply_wants_trim(const struct apply *apply, uint64_t now_ms);

/* Whether something waits to be removed by REMOVE_STEP. */
bool apply_wants_removal(const struct apply *apply);

/* The durable applied index of `shard`: what a crash would leave. 0: nothing. CORRUPT, IO_ERROR. */
NODISCARD enum status apply_durable_index(struct store *store, uint32_t shard, uint64_t *out_index);

#endif
