/* One replica of a shard on its loop: what is proposed at the leader becomes entries of the log,
 * committed ones are applied, and only then answered; reads are answered from the state, once it is
 * sure that nobody else leads.
 *
 *     open -> shard_propose, shard_read ... -> stop -> close
 *
 * All functions but open and close run on the shard's loop. A shard of one voter is the same thing:
 * it elects itself when it is opened, and what comes before it leads, waits. What goes wrong:
 *
 *  - Another replica leads, or none: NOT_LEADER, with the leader's node. What was proposed and is
 *    not applied when leadership is lost is answered UNAVAILABLE: it may happen yet. Requests have
 *    ids, so they are tried again without harm.
 *  - Disk full: writes answer NO_SPACE until there is room; a sole voter's reads go on. What is in
 *    the log already is applied as soon as there is room.
 *  - The log cannot be written or synced: the shard answers IO_ERROR from then on; the process has
 *    to start again.
 *  - A row or an entry is corrupt: the shard answers CORRUPT from then on (quarantine). */
#ifndef AVISO_STORAGE_SHARD_H
#define AVISO_STORAGE_SHARD_H

#include "net/rpc.h"
#include "net/worker.h"
#include "storage/apply.h"
#include "storage/command.h"
#include "storage/log_writer.h"
#include "storage/read.h"
#include "storage/replica_book.h"
#include "storage/snapshot.h"

struct peers;
struct shard;
struct watches;

/* How the name of a folder ends that is being installed, of `snapshot_folder`: "4-in-0". */
#define SHARD_INSTALLING "-in-0"

enum {
    SHARD_PROPOSAL_OVERHEAD = 512, /* octets that a waiting proposal counts for besides its own */
};

/* Zero in a number means its default, in brackets. Everything outlives the shard. */
struct shard_options {
    struct replica_record replica; /* its `shard` is the shard's number */
    struct loop *loop;
    struct store *store;
    struct log *log;
    struct log_writer *writer;
    struct worker_pool *workers;
    const char *snapshot_folder;  /* for the files of snapshots; NULL: there are none */
    struct peers *peers;          /* of its loop; NULL: there are no other nodes */
    uint32_t election_timeout_ms; /* the least; the most is twice that [2000] */
    uint32_t heartbeat_ms;        /* [a tenth of it] */
    size_t waiting_size_max;      /* octets of proposals not answered yet; over it BUSY [16 MiB] */
    size_t write_size_max;        /* octets of one submission to the log, which takes half a segment
                                     at most; one entry always goes [8 MiB] */
    size_t uid_cache_size_max;    /* octets of UID sets [8 MiB] */
};

/* Reads the state, and what the log has after it begins to be applied. Before the loop runs, or on
 * it. CORRUPT: state or log are, or do not fit each other; IO_ERROR, NO_SPACE, UNSUPPORTED. */
NODISCARD enum status shard_open(const struct shard_options *options, struct shard **out_shard);

/* Nothing new is taken, streams end, and what is not in the log yet is refused (UNAVAILABLE). Once
 * the rest is answered, or has had its time, and nothing is being written, `stopped` is posted to
 * the loop; from then on the log writer is not used any more. */
void shard_stop(struct shard *shard, struct loop_message *stopped);

/* After it has stopped, when all messages to the loop have run. Accepts NULL. */
void shard_close(struct shard *shard);

/* Passed to log_writer_new(): hands a completion to the loop of its shard. */
void shard_log_completed(void *context, struct log_append *append);

/* What became of a proposal. */
struct shard_answer {
    enum status status;
    struct slice reply;   /* with OK: a packed message, borrowed */
    uint32_t leader_hint; /* with NOT_LEADER: the node that leads, or 0 */
};
typedef void shard_done_fn(void *context, const struct shard_answer *answer);

/* Proposes a command with the present time. `done` runs once, on the loop, possibly at once when it
 * is refused: NOT_LEADER, TOO_LARGE, BUSY, NO_SPACE, IO_ERROR, CORRUPT, UNAVAILABLE; and otherwise
 * when it is applied. NULL: nobody wants to know. `request` may be NULL for commands without one.
 */
void shard_propose(struct shard *shard, enum command_kind kind, const ProtobufCMessage *request,
                   struct slice octets, shard_done_fn *done, void *context);

/* Runs a read that sees all that was acknowledged before, and answers `call`, whose message
 * `request` is; on a worker when the disk is needed. */
void shard_read(struct shard *shard, enum read_kind kind, const ProtobufCMessage *request,
                struct rpc_request *call);

/* A message of another replica, with the payload of each of its entries; borrows for the call. */
void shard_receive(struct shard *shard, const struct raft_message *message,
                   const struct slice *payloads);

/* Something for a node was dropped; `is_lost`: because the connection to it broke. */
void shard_peer_failed(struct shard *shard, uint32_t node, bool is_lost);

/* What the service of snapshots needs: the one at `position`, or NULL; and a part of its files, as
 * the answer to `call`. */
const struct snapshot_manifest *shard_manifest(struct shard *shard, struct raft_position position);
void shard_serve_part(struct shard *shard, struct raft_position position, size_t file,
                      uint64_t offset, size_t size, struct rpc_request *call);

/* What the service of watches needs. */
struct watches *shard_watches(struct shard *shard);
NODISCARD enum status shard_account_state(struct shard *shard, uint64_t account,
                                          uint64_t *out_modseq, bool *out_suspended);

/* How something that was asked of the leader ended. */
typedef void shard_ended_fn(void *context, enum status status);

/* Changes who belongs to the shard: `wished` is not joint. OK once that is committed, also when it
 * is so already. NOT_LEADER; BUSY: another change goes on, or a voter-to-be lacks too much;
 * INVALID, TOO_LARGE; UNAVAILABLE: leadership was lost meanwhile, it may happen yet. */
void shard_change(struct shard *shard, const struct raft_configuration *wished,
                  shard_ended_fn *done, void *context);

/* Gives leadership to `replica`, 0 for the fittest. OK: it leads no more. NOT_LEADER; BUSY;
 * NOT_FOUND: no such voter; TIMED_OUT: it leads on. */
void shard_transfer(struct shard *shard, uint64_t replica, shard_ended_fn *done, void *context);

/* Another replica. */
struct shard_peer_state {
    uint64_t id;
    uint64_t match; /* it has all up to here, as the leader knows; 0 elsewhere */
    bool is_active; /* the leader heard of it lately */
    enum raft_peer_mode mode;
};

/* What an operator or a test looks at. */
struct shard_state {
    uint32_t id;
    enum status status; /* OK: serving; NO_SPACE: reads only; else stopped, and why */
    uint64_t replica;
    uint64_t generation;
    enum raft_role role;
    uint64_t term;
    uint32_t leader;      /* node; 0: not known */
    uint64_t first_index; /* of the log */
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t applied_index;
    struct raft_configuration configuration; /* in force */
    uint64_t configuration_index;            /* over commit_index: it may still be undone */
    struct shard_peer_state peers[RAFT_REPLICAS_MAX];
    size_t peer_count;
    uint64_t digest;
    size_t waiting_size;
    size_t uid_cache_size;
    uint64_t applied_count; /* entries since the open */
    uint64_t batch_count;   /* writes to the store since the open */
};
struct shard_state shard_state(const struct shard *shard);

/* Gives the log back what the state has durably (apply_durable_index()), but for what peers are
 * being served with unless `even_if_needed`. */
void shard_compact(struct shard *shard, uint64_t durable_index, bool even_if_needed);

#endif
