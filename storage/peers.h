/* The other nodes, as one loop of this node sees them: what all shards of the loop have to say to a
 * node in one turn travels as one frame.
 *
 * While frames are on their way the next one fills, so the busier the way, the larger the frames.
 * Nothing waits without bound: what is over it, or for a node without a connection, is dropped, and
 * the shards are told. Raft repeats what it needs.
 *
 * All functions run on the loop, but new and free, which run before and after it. */
#ifndef AVISO_STORAGE_PEERS_H
#define AVISO_STORAGE_PEERS_H

#include "net/loop.h"
#include "net/rpc_node.h"
#include "net/tls.h"
#include "storage/log.h"
#include "storage/raft/raft.h"

struct peers;

enum {
    PEERS_PARTS_MAX = 10,                 /* reads of the log that one append is made of */
    PEERS_WAITING_MAX = 32 * 1024 * 1024, /* octets that wait for one node */
};

/* The entries of an append, as they were read from the log; in order, without a gap. */
struct peers_entries {
    struct log_entries parts[PEERS_PARTS_MAX];
    size_t part_count;
};
void peers_entries_done(struct peers_entries *entries);

struct peers_options {
    struct loop *loop;
    uint32_t node; /* ours */
    uint64_t cluster;
    struct tls_context *tls;
    bool is_plain_allowed;
    uint64_t silence_max_ms;
    /* Something for `node` was dropped; `is_lost`: because the connection to it broke. Not within
     * peers_send(). */
    void (*failed)(void *context, uint32_t node, bool is_lost);
    void *context;
};

/* Copies the options. */
struct peers *peers_new(const struct peers_options *options);

/* Whether peers_set() would take this address. Any thread. */
NODISCARD enum status peers_check(const struct peers *peers, const char *address);

/* Closes all connections. */
void peers_stop(struct peers *peers);

/* Accepts NULL. */
void peers_free(struct peers *peers);

/* As node_set_peer(). */
NODISCARD enum status peers_set(struct peers *peers, uint32_t node, const char *address,
                                uint16_t port);

/* A connection of its own to a node, for what is large; the caller's, for rpc_node_free().
 * NOT_FOUND: nobody said where it is. */
NODISCARD enum status peers_connect(const struct peers *peers, uint32_t node,
                                    struct rpc_node **out_connection);

/* Sends at the end of this turn, or drops. Takes what `entries` holds; NULL for a message without
 * any. */
void peers_send(struct peers *peers, uint32_t shard, const struct raft_message *message,
                struct peers_entries *entries);

#endif
