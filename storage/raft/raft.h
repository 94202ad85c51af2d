/* Raft (Ongaro's dissertation; section numbers below are its own) as a pure function.
 *
 * No I/O, no clock, no threads: an event comes in, the effects to carry out come back. The core
 * sees index, term, kind and size of an entry and never its payload. storage/shard carries the
 * effects out on a node; tests/sim does in memory.
 *
 *     new -> ( step(event) ... step(event, &effects) -> carry the effects out )* -> free
 *
 * The duties of the caller, in their order:
 *
 *  1. Hand `truncate_from`, `entries` and `hard_state` to the log, as one write. Writes become
 *     durable in the order in which they were handed over, each whole or not at all. When one is
 *     durable, step RAFT_PERSISTED with the `mark` that came with it. (Never acknowledge by index
 *     alone: a late completion of a tail that was overwritten meanwhile must not count.)
 *     A write that fails stops the replica. It is never tried again and never acknowledged.
 *  2. Send `messages_eager` at once, before the write is durable: appends, heartbeats and what
 *     else promises nothing. (The leader's disk and its peers' then work at the same time, §10.2.1;
 *     the leader counts itself only when RAFT_PERSISTED says so.) Payloads of appended entries
 *     come from the log, which has to answer for entries that are not yet durable too.
 *  3. Send `messages_durable` once every write handed over so far is durable: that of this set and
 *     of all sets before, also when this set has none of its own. (A vote or an answer is a promise
 *     that has to survive a crash, §3.8; a repeated answer leans on a write of an earlier set.)
 *     Whether role or term changed meanwhile does not matter: they are sent as they are, or lost.
 *  4. Apply the entries up to `apply_through`, in order, then step RAFT_APPLIED. (All of them are
 *     committed and durable here, so the state never gets ahead of its own log.)
 *  5. Answer `reads` whose status is OK as soon as that index is applied, and fail the others.
 *  6. Carry `snapshots` out, see enum raft_snapshot_act.
 *  7. Step RAFT_TICK at `wake_at_ms` at the latest. Heartbeats fall due at multiples of
 *     heartbeat_ms, so that all the groups of a node wake together and share frames.
 *
 * Who has which id. An id of raft is one life of a replica and never a node: it begins with an
 * empty log and ends with it. Whoever has no log any more (its disk was lost, its replica removed
 * and forgotten, its log quarantined and rebuilt) comes back under an id that this group never had,
 * as a learner. An id is a voter in entries and messages of the past, and what it promised then, a
 * vote or an answer, others count on. Under its old id and without its log a replica would promise
 * the opposite; or be sent the beginning of the log, up to an old configuration where that id was
 * the only voter, and elect itself (tests/unit/test_raft_identity.c). What chooses ids is therefore
 * to number a node's replicas of a group, not to use the node's own number.
 *
 * Everything in the effects borrows from the raft and is valid until its next step. Messages may
 * be lost, doubled, delayed and reordered at will.
 *
 * After STATUS_CORRUPT an invariant of Raft is broken (or this code is wrong): every further step
 * answers CORRUPT with no effects, and the node quarantines and rebuilds this replica alone. */
#ifndef AVISO_STORAGE_RAFT_RAFT_H
#define AVISO_STORAGE_RAFT_RAFT_H

#include "storage/raft/message.h"

struct raft;

struct raft_hard_state {
    uint64_t term;
    uint64_t vote; /* the candidate voted for in `term`, 0 for none */
};

/* The entries from `first_index` to the next run, or to the end, have this term. */
struct raft_term_run {
    uint64_t first_index;
    uint64_t term;
};

/* The configuration whose entry is at `index`; 0 for that which a group began with. */
struct raft_configuration_at {
    uint64_t index;
    struct raft_configuration configuration;
};

/* What raft_new() borrows for the call. All of a group have the same generation, timeouts and
 * switches. Zero in a timeout or a limit means its default, in brackets. */
struct raft_options {
    uint64_t id;         /* of this life of the replica, see above; never 0 */
    uint64_t generation; /* of the shard in etcd: raised when a configuration was forced */
    uint64_t seed;       /* for timeouts and the numbers of reads; differs by replica and start */
    uint64_t now_ms;     /* monotonic; the time of every event goes on from here */

    uint32_t election_timeout_min_ms; /* also the leader's lease [2000] */
    uint32_t election_timeout_max_ms; /* [2 × the minimum] */
    uint32_t heartbeat_ms;            /* at most a third of the minimum [a tenth of it] */

    /* One append's entries, each counted with 32 octets more; one entry always goes [1 MiB]. */
    size_t message_bytes_max;
    size_t inflight_messages_max; /* appends on their way to one peer [64] */
    size_t inflight_bytes_max;    /* of their entries [8 MiB] */
    size_t uncommitted_bytes_max; /* over it, proposals are BUSY [16 MiB] */
    size_t reads_max;             /* waiting for a read index, then BUSY [10,000] */
    uint64_t promote_lag_max;     /* entries that a voter-to-be may lack [1,000] */

    bool pre_vote_off;     /* for tests: §9.6 */
    bool check_quorum_off; /* for tests: also the refusal of votes inside a lease, §6.2, §4.2.3 */
    /* Reads without a quorum round (§6.4.1). Only where the clocks that `now_ms` comes from do not
     * jump, and none runs faster than another by more than an eighth. */
    bool lease_reads;

    /* The log as it was recovered: entries after `compacted`, which is in the state already. */
    struct raft_hard_state hard_state;
    struct raft_position compacted;   /* {0, 0} for a whole log */
    const struct raft_term_run *runs; /* of the entries after it; empty for none */
    size_t run_count;
    const uint32_t *sizes; /* octets of payload, of each entry after it */
    size_t entry_count;

    /* Durably, of the state: all up to here is committed, so the commit index begins with it. */
    uint64_t applied_index;

    /* By ascending index: that in force at `applied_index`, then each one in the log after it. A
     * replica that has yet to be added to its group begins with one of no replicas, at index 0. */
    const struct raft_configuration_at *configurations;
    size_t configuration_count; /* 1 at least */
};

/* What is durable when a write is. Opaque: give back what came with the write. */
struct raft_mark {
    uint64_t term;             /* the replica's when it handed the write over */
    struct raft_position last; /* the last entry of the log then */
};

enum raft_event_kind {
    /* Time has passed. */
    RAFT_TICK,
    /* A message of a peer. */
    RAFT_RECEIVED,
    /* A write is durable, and with it all before. */
    RAFT_PERSISTED,
    /* The state has applied up to `index`. INVALID: more than may be applied. */
    RAFT_APPLIED,
    /* Commands. NOT_LEADER; BUSY: over a limit, or leadership is being given away. */
    RAFT_PROPOSED,
    /* The wished configuration, not joint: what lies between is made here. NOT_LEADER; BUSY: a
     * change is going on, nothing of this term is committed yet, or a voter-to-be is over
     * promote_lag_max behind; INVALID, TOO_LARGE: not allowed; EXISTS: it is so already. */
    RAFT_CONFIGURATION_PROPOSED,
    /* A linearizable read wants to begin, on any replica (§6.4). NOT_LEADER: none is known here;
     * BUSY: reads_max are waiting. */
    RAFT_READ,
    /* Give leadership to `peer`, 0 for the fittest. NOT_LEADER; BUSY: being given away already;
     * NOT_FOUND: no such voter; EXISTS: it leads. */
    RAFT_TRANSFER,
    /* Try to lead, now. DENIED: no voter (nor called upon by one who lacks what is in its log), or
     * a snapshot is being installed; EXISTS: it leads; BUSY: reads go by leases, and it has granted
     * one. */
    RAFT_CAMPAIGN,
    /* `peer` can be offered `snapshot`. NOT_LEADER; NOT_FOUND: nobody waits for it any more;
     * INVALID: not committed, or the log does not go on from it any more. */
    RAFT_SNAPSHOT_READY,
    /* What RAFT_SNAPSHOT_FETCH asked for is here, whole and verified. NOT_FOUND: nobody waits. */
    RAFT_SNAPSHOT_FETCHED,
    /* State and log begin with `snapshot`, durably. INVALID: not what was to be installed. */
    RAFT_SNAPSHOT_INSTALLED,
    /* For `peer`: could not be made or handed over; 0: could not be fetched. NOT_FOUND: nobody
     * waits. What is being installed cannot fail but by a stop of the replica. */
    RAFT_SNAPSHOT_FAILED,
    /* The log has let go of all up to `index`. INVALID: that is not applied. Costs as much as there
     * are entries left, so in large steps. */
    RAFT_COMPACTED,
    /* Something for `peer` was dropped: probe before sending more. */
    RAFT_PEER_UNREACHABLE,
    /* The connection to `peer` broke: if it leads, campaign soon, with jitter; where reads go by
     * leases, not before the one it was granted is over. */
    RAFT_PEER_LOST,
};

struct raft_snapshot {
    struct raft_position position; /* the last entry in it */
    struct raft_configuration configuration;
};

struct raft_event {
    enum raft_event_kind kind;
    uint64_t now_ms; /* a time before that of an earlier event counts as that */
    uint64_t peer;   /* TRANSFER, SNAPSHOT_READY, SNAPSHOT_FAILED, PEER_UNREACHABLE, PEER_LOST */
    union {
        const struct raft_message *received;
        struct raft_mark persisted;
        uint64_t index;        /* APPLIED, COMPACTED */
        uint64_t read_context; /* READ: comes back in raft_effects.reads */
        struct {
            const uint32_t *sizes; /* octets of payload of each */
            size_t count;          /* all or none become entries, in this order */
        } proposed;
        const struct raft_configuration *configuration; /* CONFIGURATION_PROPOSED */
        const struct raft_snapshot *snapshot;           /* SNAPSHOT_READY, _FETCHED, _INSTALLED */
    };
};

/* What became of a RAFT_READ: exactly one for each that was accepted. */
struct raft_read {
    uint64_t context;
    uint64_t index;     /* the read sees all that was acknowledged once this is applied */
    enum status status; /* OK, or NOT_LEADER: leadership was lost before it was confirmed */
};

enum raft_snapshot_act {
    /* For `peer`: make one (of the state as it is applied), then READY or FAILED. */
    RAFT_SNAPSHOT_MAKE,
    /* From `peer`: pull the files of this offer beside the state, then FETCHED or FAILED. Replaces
     * a fetch that goes on. */
    RAFT_SNAPSHOT_FETCH,
    /* Put what was fetched in place of state and log, then INSTALLED; after the writes that were
     * handed over before. From here on it must happen, also across a crash: record the intention
     * durably first, and finish it before raft_new().
     * The log then is empty after the snapshot's position; what was in it is gone. Appends are
     * dropped meanwhile. */
    RAFT_SNAPSHOT_INSTALL,
    /* The fetch is not needed any more. */
    RAFT_SNAPSHOT_ABANDON,
};

struct raft_snapshot_effect {
    enum raft_snapshot_act act;
    uint64_t peer;
    struct raft_snapshot snapshot; /* FETCH and INSTALL */
};

struct raft_effects {
    /* 1. The write; `writes` is false when there is none. */
    bool writes;
    struct raft_mark mark;
    const struct raft_hard_state *hard_state; /* NULL when it did not change */
    uint64_t truncate_from;                   /* drop this entry and all after it first; 0: none */
    const struct raft_entry *entries;
    size_t entry_count;
    /* 2. and 3. */
    const struct raft_message *messages_eager;
    size_t eager_count;
    const struct raft_message *messages_durable;
    size_t durable_count;
    /* 4. */
    uint64_t apply_through; /* never goes back */
    /* 5. */
    const struct raft_read *reads;
    size_t read_count;
    /* 6. */
    const struct raft_snapshot_effect *snapshots;
    size_t snapshot_count;
    /* 7. */
    uint64_t wake_at_ms;
};

/* A replica as it was recovered, a follower. INVALID: the options contradict each other (a
 * configuration that is not allowed, terms that go back, an applied index outside the log, a term
 * behind the log's, timeouts out of order). */
NODISCARD enum status raft_new(const struct raft_options *options, struct raft **out_raft);
void raft_free(struct raft *raft);

/* One event; NULL only collects effects. With `out_effects` NULL its effects wait, and come merged
 * with those of later events when a step asks for them: so one iteration of a loop makes one write
 * and one append a peer.
 *
 * On a failure the event changed nothing, apart from the clock; `out_effects` is filled all the
 * same. DENIED for a message: of another generation (a higher one is kept in raft_state). INVALID
 * for a message: broken or not for this replica; drop it. CORRUPT: see above. The others stand at
 * the events. */
NODISCARD enum status raft_step(struct raft *raft, const struct raft_event *event,
                                struct raft_effects *out_effects);

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

/* What can be seen of a replica. */
struct raft_state {
    uint64_t id;
    enum raft_role role;
    struct raft_hard_state hard_state;
    uint64_t leader;           /* 0: not known */
    uint64_t first_index;      /* of the entries in the log; last.index + 1 when it has none */
    struct raft_position last; /* of the log, durable or not */
    uint64_t persisted_index;  /* durable up to here */
    uint64_t commit_index;
    uint64_t applied_index;

    /* In force; its index is over commit_index while it may still be undone. */
    const struct raft_configuration *configuration; /* borrows until the next step */
    uint64_t configuration_index;

    uint64_t transferring_to; /* 0: nobody */

    /* Compacting the log of this index cuts off a peer that is being served; UINT64_MAX: none. */
    uint64_t keep_from;

    /* The highest in any message: over its own, this replica belongs to the past. */
    uint64_t generation_seen;

    bool installing; /* a snapshot */
    size_t memory;   /* octets on the heap */
};

/* Borrows from `raft`, valid until its next step. */
struct raft_state raft_state(const struct raft *raft);

enum raft_peer_mode { RAFT_PROBE, RAFT_REPLICATE, RAFT_SNAPSHOT };

/* How far a peer is, as its leader knows. */
struct raft_peer {
    enum raft_peer_mode mode;
    uint64_t match; /* it has all of the leader's entries up to here, durably */
    uint64_t next;  /* the next to send */
    size_t inflight_messages;
    size_t inflight_bytes;
    bool active; /* answered within the last election timeout */
};

/* NOT_LEADER; NOT_FOUND: not in the configuration. */
NODISCARD enum status raft_peer(const struct raft *raft, uint64_t id, struct raft_peer *out_peer);

/* Offline, after a quorum is lost for good: the one survivor `id`, which has the greatest last
 * position of all that survive, becomes the only voter of a new generation. Gives what to append
 * durably to its log (at last.index + 1), and its hard state. Every other replica must be refused
 * by generation from then on, and be rebuilt from a snapshot: two forced survivors could disagree
 * for ever. What the survivor has not, is lost; what it has, counts as committed. */
void raft_force(uint64_t id, struct raft_hard_state before, struct raft_position last,
                struct raft_hard_state *out_hard_state,
                struct raft_configuration *out_configuration, struct raft_position *out_position);

#endif
