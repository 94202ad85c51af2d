/* A replica from inside: for storage/replica.c and storage/replica_write.c. */
#ifndef AVISO_STORAGE_REPLICA_CORE_H
#define AVISO_STORAGE_REPLICA_CORE_H

#include "core/arena.h"
#include "storage/replica.h"

/* A message that promises something, until what it promises is durable. */
struct held {
    struct raft_message message;
    struct raft_configuration configuration;
    struct held *next;
};

/* A write on its way to the disk, and the messages that wait for it. They come back in the order in
 * which they were handed over. */
struct write {
    struct log_append append;
    struct raft_mark mark;
    bool is_raft; /* else the beginning of a log after a snapshot */
    struct raft_snapshot snapshot;
    struct replica *replica;
    struct held *held, **held_end;
    struct write *next;
};

/* A payload that came with a proposal or a message, until its entry is written. */
struct staged {
    struct raft_position position;
    struct slice payload;
};

struct waiting_read {
    uint64_t index;
    uint64_t context;
    struct waiting_read *next;
};

struct replica {
    struct replica_port port;
    struct log *log;
    uint32_t shard;
    uint64_t generation;
    struct raft *raft;
    enum status status;

    struct arena payloads; /* of what is staged */
    struct staged *staged;
    size_t staged_count, staged_capacity;

    struct write *writes, **writes_end; /* not durable yet, the oldest first */
    size_t writing;

    uint64_t applied, apply_through;
    bool is_applying;
    bool wants_install, is_installing;
    struct raft_snapshot_effect install;
    struct waiting_read *reads;

    bool is_stirred; /* stepped since effects were collected */
    uint64_t wake_at_ms;
};

/* Duties 1 and 3 of raft.h: hands the write of `effects` to the log. */
void replica_write_effects(struct replica *replica, const struct raft_effects *effects);

/* Sends what promises something, or keeps it until the last write is durable. */
void replica_send_durable(struct replica *replica, const struct raft_effects *effects);

/* A configuration as the payload of its entry, in `arena`. */
struct slice replica_encode_configuration(struct arena *arena,
                                          const struct raft_configuration *configuration);

#endif
