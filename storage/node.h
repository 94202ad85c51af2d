/* A storage node: a data directory, its log and its store, and the shards in it, on threads of
 * their own.
 *
 *     open -> node_services (to a channel within the process, or a server) -> stop -> close
 *
 * kill -9 at any moment loses nothing that was answered; an orderly stop only makes the next start
 * faster.
 *
 * Memory, besides what requests in flight take: the block cache, two memtables, the log's cache,
 * and for each shard its waiting proposals and its UID sets at most. */
#ifndef AVISO_STORAGE_NODE_H
#define AVISO_STORAGE_NODE_H

#include "net/rpc.h"
#include "storage/shard.h"

struct node;

enum {
    NODE_FORMAT_VERSION = 1,
    NODE_ALONE = 1, /* the number of a node without a cluster */
};

/* A replica that a node is to hold. */
struct node_replica {
    uint32_t shard;
    uint64_t id; /* storage/replica_id.h; its node is this one */
    uint64_t generation;
    /* That its group begins with, the same for all of its replicas; or, for one that is added to a
     * group later, of no replicas: it learns from the leader. */
    struct raft_configuration configuration;
};

/* Zero in a number means its default, in brackets. */
struct node_options {
    const char *folder;     /* made when it is not there */
    uint32_t node;          /* its number in the cluster [NODE_ALONE] */
    const uint32_t *shards; /* that the node is to hold alone; those it has already stay */
    size_t shard_count;
    const struct node_replica *replicas; /* that it is to hold; those it has already stay */
    size_t replica_count;

    /* Towards other nodes; who is of another cluster is refused. */
    uint64_t cluster;
    struct tls_context *tls;      /* with our certificate, and the authorities of theirs */
    bool is_plain_allowed;        /* without `tls` to an address that is not loopback */
    uint32_t election_timeout_ms; /* the least; the most is twice that [2000] */
    uint32_t heartbeat_ms;        /* [a tenth of it] */
    uint64_t peer_silence_max_ms; /* without a word from a node, it counts as lost [3000] */

    size_t loop_count;         /* threads that shards live on [one a core, 64 at most] */
    size_t worker_count;       /* threads that read from disk [one a core, 16 at most] */
    size_t read_queue_max;     /* reads that may wait for one, then BUSY [10,000] */
    size_t block_cache_size;   /* octets [256 MiB] */
    size_t write_buffer_size;  /* octets of a memtable; two at most [64 MiB]; writes are refused
                                  (NO_SPACE) while less than four are free on the disk */
    size_t blob_size_min;      /* octets of a value that is kept outside of the tree [8 KiB] */
    size_t log_cache_size;     /* octets of the log in memory [64 MiB] */
    uint32_t log_segment_size; /* octets of a segment file, 4 MiB at least [64 MiB] */
    size_t log_segments_max;   /* segments over which the state is flushed, to give some back [8] */
    size_t waiting_size_max;   /* octets of waiting proposals of one shard [16 MiB] */
    size_t uid_cache_size_max; /* octets of UID sets of one shard [8 MiB] */

    /* The log could not be written or synced: nothing is acknowledged any more, and only a new
     * start finds out what is on the disk. Called once, on any thread; it must not block. May be
     * NULL. */
    void (*failed)(void *context);
    void *failed_context;
};

/* Opens or makes the folder, replays the log, and serves. Each refusal is logged in words for the
 * operator. BUSY: another process has the folder. UNSUPPORTED: a newer version wrote it. CORRUPT:
 * the folder, the log or the state is damaged (a shard alone does not keep the others from being
 * served: it answers CORRUPT). IO_ERROR, NO_SPACE, DENIED. */
NODISCARD enum status node_open(const struct node_options *options, struct node **out_node);

/* What it serves, valid until node_close(). */
const struct rpc_services *node_services(const struct node *node);

/* Its own id, made with the folder. */
uint64_t node_id(const struct node *node);

/* Its number in the cluster. */
uint32_t node_number(const struct node *node);

/* The loops that its shards live on, for a server of its services: then most requests are served
 * where they are read. Until node_close(). */
struct loop *const *node_loops(const struct node *node, size_t *out_count);

/* Where the node of this number listens (with rpc_server, for node_services()): a numeric address.
 * Replaces what was said before; NULL: nowhere any more. Any thread, until node_stop(). INVALID:
 * not an address, or this node's own number; DENIED: plain is not allowed to there. */
NODISCARD enum status node_set_peer(struct node *node, uint32_t number, const char *address,
                                    uint16_t port);

/* How an operation ended; on one of the node's loops, never before the call returned. */
typedef void node_done_fn(void *context, enum status status);

/* All of these from any thread, until node_hand_over() or node_stop().
 *
 * Holds a replica from now on. OK also when it is held already; EXISTS: one of that shard with
 * another id is; NO_SPACE, IO_ERROR, TOO_LARGE. */
void node_add_replica(struct node *node, const struct node_replica *replica, node_done_fn *done,
                      void *context);

/* Gives a replica up, and forgets all of it. OK also when it is not held. */
void node_remove_replica(struct node *node, uint32_t shard, uint64_t replica, node_done_fn *done,
                         void *context);

/* As shard_change() and shard_transfer(); NOT_LEADER also where the shard is not held. */
void node_change_shard(struct node *node, uint32_t shard, const struct raft_configuration *wished,
                       node_done_fn *done, void *context);
void node_transfer_shard(struct node *node, uint32_t shard, uint64_t replica, node_done_fn *done,
                         void *context);

/* Takes nothing new, answers what is in hand, and gives leadership away. Blocks. After it the
 * server of the services stops (until then the next leaders need it), and then the node. */
void node_hand_over(struct node *node);

/* Hands over, unless that is done, and ends the threads. From the thread that opened it. Afterwards
 * channels to it may be freed, and then it is closed. */
void node_stop(struct node *node);

/* Flushes the state and closes all files. Accepts NULL. */
void node_close(struct node *node);

/* For services: the shard of this number; NULL: not here. `out_status` then says why. */
struct shard *node_shard(const struct node *node, uint32_t shard, enum status *out_status);

/* The state of the shard at `index` of those that are held, for an operator or a test. Waits for
 * its loop: not from there. False: there are fewer. */
bool node_shard_state(struct node *node, size_t index, struct shard_state *out_state);

/* Makes all that was answered durable in the state, and gives the log back. Blocks; any thread. */
NODISCARD enum status node_flush(struct node *node);

/* A number of the store by RocksDB's name for it. NOT_FOUND. */
NODISCARD enum status node_property(const struct node *node, const char *name,
                                    uint64_t *out_number);

#endif
