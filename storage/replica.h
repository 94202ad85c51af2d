/* One replica of a shard: its raft and its part of the log, joined in the order of the duties that
 * storage/raft/raft.h numbers.
 *
 * What a replica decides is the same on a node (storage/shard) and in a test (tests/sim): which
 * payload belongs to which entry, which message waits for which write, when to apply, when a read
 * may be answered, and how raft begins again from what log and state have kept. It takes what
 * happens as calls, and asks its owner through a port. It never blocks: of the log it calls only
 * what answers from memory.
 *
 *     open -> ( step, propose, receive, written, applied ... run )* -> free
 *
 * Belongs to one loop. The functions of the port must not call the replica back. After every group
 * of calls the owner calls replica_run(), which carries out all their effects as one write and one
 * append a peer, and then looks at replica_status(). */
#ifndef AVISO_STORAGE_REPLICA_H
#define AVISO_STORAGE_REPLICA_H

#include "storage/log.h"
#include "storage/raft/raft.h"

struct replica;

/* What a replica asks of its owner; each takes the port's context first. */
struct replica_port {
    /* A write of this replica was submitted to the log: wake the writer. */
    void (*submitted)(void *context);
    /* Send it, or lose it. An append names entry_count entries after its position: read them from
     * the log when it is sent. Borrows for the call. */
    void (*send)(void *context, const struct raft_message *message);
    /* Apply entries from `low` on, up to `through` or fewer, from the log; then call
     * replica_applied(). One at a time. */
    void (*apply)(void *context, uint64_t low, uint64_t through);
    /* A RAFT_READ ended. OK: what is applied now may be read. */
    void (*read)(void *context, uint64_t read_context, enum status status);
    /* As raft.h says. An INSTALL comes only while nothing is being applied. */
    void (*snapshot)(void *context, const struct raft_snapshot_effect *effect);
    void *context;
};

/* What replica_open() borrows for the call; the log and the port's context stay the owner's. */
struct replica_options {
    struct log *log;
    uint32_t shard;
    struct replica_port port;

    /* Its id, generation, seed, time, timeouts, limits and switches. What is known of log and state
     * is filled in here. */
    struct raft_options raft;

    /* Of the state, durably: how far it has applied, and the configuration in force there. */
    struct raft_position applied;
    struct raft_configuration_at configuration;

    /* Nothing was ever promised by this replica: the log need not know it. */
    bool fresh;
};

/* CORRUPT: log and state do not fit together, or the log is damaged, or it is gone though the
 * replica is not fresh. IO_ERROR: the log has failed. INVALID: options. */
NODISCARD enum status replica_open(const struct replica_options *options,
                                   struct replica **out_replica);

/* Every write must have come back through replica_written(). Accepts NULL. */
void replica_free(struct replica *replica);

/* Any event but those that have a function of their own below. As raft_step(). */
NODISCARD enum status replica_step(struct replica *replica, const struct raft_event *event);

/* Proposes commands; payloads are copied. The position of the first on OK. */
NODISCARD enum status replica_propose(struct replica *replica, uint64_t now_ms,
                                      const struct slice *payloads, size_t count,
                                      struct raft_position *out_first);

/* The same without a copy: the payloads stay valid until the next replica_run() has returned. */
NODISCARD enum status replica_propose_lent(struct replica *replica, uint64_t now_ms,
                                           const struct slice *payloads, size_t count,
                                           struct raft_position *out_first);

/* A message of a peer, with the payload of each of its entries, copied. */
NODISCARD enum status replica_receive(struct replica *replica, uint64_t now_ms,
                                      const struct raft_message *message,
                                      const struct slice *payloads);

/* A submission of this replica (append->owner is its, append->context the port's) ended. After a
 * failure the replica has stopped: its status is that of the write. */
void replica_written(struct log_append *append, uint64_t now_ms);

/* The state holds all up to `index`, durably or not. */
void replica_applied(struct replica *replica, uint64_t now_ms, uint64_t index);

/* The state durably holds `snapshot` and nothing else: the log begins after it. The replica goes on
 * when that is durable too, and says so to raft. */
void replica_installed(struct replica *replica, const struct raft_snapshot *snapshot);

/* Lets the log go of what is applied up to `index`, durably up to `durable_index`. INVALID as
 * log_compact(). */
NODISCARD enum status replica_compact(struct replica *replica, uint64_t now_ms, uint64_t index,
                                      uint64_t durable_index);

/* Carries out everything that is due. */
void replica_run(struct replica *replica);

/* OK while it works. CORRUPT: quarantine and rebuild it. NO_SPACE: free it when nothing is being
 * written any more, and open it again when there is room. IO_ERROR: the log has failed, and with it
 * the node. */
enum status replica_status(const struct replica *replica);

/* Writes that have not come back. */
size_t replica_writing(const struct replica *replica);

/* When replica_run() wants a RAFT_TICK at the latest. */
uint64_t replica_wake_at_ms(const struct replica *replica);

/* Borrows until the next call. */
struct raft_state replica_state(const struct replica *replica);

/* As raft_peer(). */
NODISCARD enum status replica_peer(const struct replica *replica, uint64_t id,
                                   struct raft_peer *out_peer);

/* After a failed replica_open(): nothing. Offline forced configuration (raft_force()): makes `id`
 * the only voter of `generation`, in the log. The submission comes back as `append`, whose owner is
 * the caller's; only then open the replica again. NOT_FOUND, CORRUPT, IO_ERROR. */
NODISCARD enum status replica_force(struct log *log, uint32_t shard, uint64_t id,
                                    uint64_t generation, struct log_append *append);

#endif
