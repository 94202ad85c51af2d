/* What a seed varies. Times are virtual, in microseconds unless their name says else. */
#ifndef AVISO_TESTS_SIM_SIM_PLAN_H
#define AVISO_TESTS_SIM_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"

enum fault {
    FAULT_CRASH,          /* power or process, at any event */
    FAULT_CRASH_POINT,    /* at a named point inside a step */
    FAULT_CRASH_STORM,    /* many in a row */
    FAULT_CRASH_ALL,      /* all nodes at once */
    FAULT_PARTITION,      /* two sides */
    FAULT_ONE_WAY,        /* some links in one direction */
    FAULT_CONNECTION,     /* breaks, and is made again at once */
    FAULT_ISOLATE_LEADER, /* from its peers, not from its clients */
    FAULT_SLOW_LINKS,     /* delays of seconds */
    FAULT_LOSSY_LINKS,
    FAULT_CLOCK_JUMP,
    FAULT_CLOCK_RATE,
    FAULT_SYNC_FAILS, /* the node stops */
    FAULT_DISK_LOST,  /* and a new node takes its place */
    FAULT_DISK_FULL,  /* for a while */
    FAULT_DISK_SLOW,  /* for a while */
    FAULT_BIT_ROT,    /* in the log, on a stopped or a running node */
    FAULT_STATE_ROT,  /* in the state */
    FAULT_TRANSFER,   /* of leadership */
    FAULT_MEMBERSHIP, /* replicas wander */
    FAULT_CAMPAIGN,   /* a follower is told to lead */
    FAULT_PAUSE,      /* a node stands still */
    FAULT_LAG,        /* a follower is cut off until its log is compacted away */
    FAULT_FORCE,      /* a quorum is written off, and comes back later */
    FAULT_PLOT,       /* an adversary begins, see sim_plot.h */
    FAULT_COUNT
};

const char *fault_text(enum fault fault);

struct plan {
    uint64_t seed;
    unsigned nodes;  /* slots that start with a node */
    unsigned spares; /* more slots, for replicas to wander to */
    unsigned groups;
    unsigned voters; /* of each group at the beginning */
    unsigned clients;
    uint64_t duration_us; /* with faults; then everything heals */
    uint64_t heal_us;     /* then clients go on so long */
    uint64_t silence_us;  /* and are silent so long */
    uint64_t think_us;    /* of a client, at most */
    unsigned read_percent;
    unsigned payload_max; /* octets */

    uint64_t delay_min_us, delay_max_us; /* of a message */
    unsigned loss_ppm, double_ppm, spike_ppm;
    uint64_t spike_us;
    uint64_t sync_min_us, sync_max_us; /* of a disk */
    uint64_t apply_us;                 /* between commit and state, at most */
    uint64_t batch_us;                 /* events of so long make one round; 0: each its own */
    unsigned compact_entries;          /* the log keeps about so many */
    uint64_t flush_us;                 /* the state becomes durable about so often */
    bool clocks_differ;
    unsigned clock_rate_max_ppm; /* how far a clock may go wrong */
    bool leaves_removed;         /* replicas outside of the configuration go on running */
    bool reports_losses;         /* the transport tells raft of lost peers */

    uint32_t election_min_ms, election_max_ms, heartbeat_ms;
    size_t message_bytes_max, inflight_messages_max, inflight_bytes_max, uncommitted_bytes_max;
    bool lease_reads;
    bool real_apply; /* storage/apply, and not the small machine */

    uint64_t fault_interval_us; /* on average */
    unsigned weights[FAULT_COUNT];
    uint32_t plots; /* a set of places in the table of plots */
};

/* `swarm`: each seed has its own subset of faults, at its own rates; otherwise all at middle rates.
 */
void plan_from_seed(struct plan *plan, uint64_t seed, bool swarm);

/* One line for people. */
void plan_print(const struct plan *plan, struct buffer *output);

#endif
