/* How far one peer is, and how much may be on its way to it: the leader's book, one page a peer.
 *
 *     PROBE      one append at a time, until the place where the logs agree is found
 *     REPLICATE  appends stream, bounded by a window in messages and in octets
 *     SNAPSHOT   what the peer needs is not in the log any more; nothing is appended */
#ifndef AVISO_STORAGE_RAFT_PROGRESS_H
#define AVISO_STORAGE_RAFT_PROGRESS_H

#include "storage/raft/raft.h"

/* An append that was not answered yet. */
struct raft_inflight {
    uint64_t last_index; /* of its entries */
    uint64_t sent_at_ms;
    size_t cost;
};

struct raft_progress {
    uint64_t id;
    enum raft_peer_mode mode;
    uint64_t match;
    uint64_t next;
    uint64_t commit_sent;           /* it was told of this commit index */
    uint64_t answered_at_ms;        /* heard from in this term; for check-quorum */
    uint64_t lease_at_ms;           /* sent_at_ms of the latest heartbeat it answered */
    uint64_t round;                 /* of the latest heartbeat it answered */
    bool probing;                   /* PROBE: the one append is on its way */
    uint64_t probed_at_ms;          /* since when */
    uint64_t offered_at_ms;         /* SNAPSHOT: when the offer was last sent */
    struct raft_snapshot *snapshot; /* SNAPSHOT: the offer, NULL while it is being made */
    struct raft_inflight *window;   /* a ring, the oldest first; NULL until it is used */
    size_t window_first;
    size_t window_count;
    size_t window_capacity;
    size_t window_cost;
};

/* A peer of whom nothing is known, in PROBE from `next` on. */
void raft_progress_init(struct raft_progress *progress, uint64_t id, uint64_t next,
                        uint64_t now_ms);
void raft_progress_done(struct raft_progress *progress);

/* Begins to look for the place of agreement, from what is known to match. */
void raft_progress_probe(struct raft_progress *progress);

/* Begins to stream after what is known to match. */
void raft_progress_replicate(struct raft_progress *progress);

/* Waits for a snapshot to be made. */
void raft_progress_await_snapshot(struct raft_progress *progress);

/* Takes a copy of what is offered. */
void raft_progress_offer(struct raft_progress *progress, const struct raft_snapshot *snapshot,
                         uint64_t now_ms);

/* The peer has all up to `index`, durably. False when that is no news. */
bool raft_progress_matched(struct raft_progress *progress, uint64_t index);

/* An append with entries up to `last_index` went out. */
void raft_progress_sent(struct raft_progress *progress, uint64_t last_index, size_t cost,
                        uint64_t now_ms);

/* No more may be sent for now. */
bool raft_progress_is_full(const struct raft_progress *progress,
                           const struct raft_options *options);

/* The append that waits longest for its answer; NULL when none does. */
const struct raft_inflight *raft_progress_oldest(const struct raft_progress *progress);

/* Octets on the heap. */
size_t raft_progress_memory(const struct raft_progress *progress);

#endif
