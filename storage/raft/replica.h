/* The inside of a replica, for the files of the core alone. Everyone else includes raft.h.
 *
 * One file a concept; each speaks to the others through the functions below. Nothing here fails
 * but by raft_break(): input was checked before it came here. */
#ifndef AVISO_STORAGE_RAFT_REPLICA_H
#define AVISO_STORAGE_RAFT_REPLICA_H

#include "core/random.h"
#include "storage/raft/log_tail.h"
#include "storage/raft/mutant.h"
#include "storage/raft/outbox.h"
#include "storage/raft/progress.h"
#include "storage/raft/raft.h"

struct raft_waiting_read {
    uint64_t context;
    uint64_t from; /* a follower, or 0: a read of this replica's caller */
};

struct raft_read_list {
    struct raft_waiting_read *reads;
    size_t count;
    size_t capacity;
};

/* See read.c. */
struct raft_reads {
    struct raft_read_list waiting; /* for the round after the one that goes on */
    struct raft_read_list asked;   /* in the round that goes on */
    uint64_t round;                /* its number: of heartbeats, or of READ_INDEX on a follower */
    uint64_t index;                /* the leader's commit index when it began */
    uint64_t asked_at_ms;
};

struct raft {
    struct raft_options options; /* with the defaults filled in, and nothing borrowed */
    struct random random;
    uint64_t now_ms;
    bool broken;
    uint64_t generation_seen;
    struct raft_outbox outbox;
    bool shown; /* the outbox was handed over: it is cleared by the next step */

    /* What survives a crash. */
    struct raft_hard_state hard_state;
    struct raft_log_tail log;

    uint64_t persisted_index;
    uint64_t commit_index;
    uint64_t applied_index;

    /* By ascending index; the last is in force, the first is committed. */
    struct raft_configuration_at *configurations;
    size_t configuration_count;
    size_t configuration_capacity;

    enum raft_role role;
    uint64_t leader;
    uint64_t election_at_ms;        /* campaign then, unless a leader is heard from */
    uint64_t refuse_votes_until_ms; /* a leader was heard from: its lease (§4.2.3, §6.4.1) */

    /* Of a candidate: sets of places in the configuration in force. */
    uint32_t granted;
    uint32_t refused;
    bool campaign_forced; /* by a transfer */
    bool called_upon;     /* no voter by its own log, and yet the only one who may win */

    /* Of a leader. */
    struct raft_progress *peers; /* by place in the configuration; NULL when it does not lead */
    size_t peer_count;
    uint64_t term_first_index; /* of the no-op: reads and changes wait for its commit */
    size_t uncommitted_cost;
    uint64_t heartbeat_at_ms;
    uint64_t transfer_to;
    uint64_t transfer_until_ms;
    uint8_t prefer_tries;  /* transfers to one, in this term */
    uint64_t prefer_at_ms; /* look for a peer of higher priority then */
    bool lease_given_up;   /* TIMEOUT_NOW went out: a vote may pass the lease */

    struct raft_reads reads;

    /* Of a follower that is too far behind. */
    uint64_t fetch_from; /* 0: nothing is fetched */
    struct raft_snapshot *fetch;
    bool installing;
};

/* ---- raft.c ---- */

/* An invariant does not hold: nothing more comes out of this replica. */
void raft_break(struct raft *raft);

/* A message of this replica's, with its head filled in. */
struct raft_message raft_letter(const struct raft *raft, enum raft_message_kind kind, uint64_t to);

static inline const struct raft_configuration *raft_members(const struct raft *raft)
{
    return &raft->configurations[raft->configuration_count - 1].configuration;
}

/* The place of `id` in the configuration in force, or its count. */
size_t raft_place(const struct raft *raft, uint64_t id);

/* The progress of `id`, or NULL: not leading, or not a peer of this configuration. */
struct raft_progress *raft_find_peer(const struct raft *raft, uint64_t id);

/* The greatest value that a quorum has reached, of one that each progress has at `offset`; `own` is
 * this replica's. */
uint64_t raft_reached(const struct raft *raft, size_t offset, uint64_t own);

/* ---- election.c ---- */

/* Follows `leader` (0: not known) in `term`, which is not below its own. */
void raft_follow(struct raft *raft, uint64_t term, uint64_t leader);

/* A leader is alive: puts the election off. */
void raft_heard_leader(struct raft *raft, uint64_t leader);

/* Draws the moment of the next campaign. */
void raft_reset_election(struct raft *raft);

enum raft_campaign { RAFT_CAMPAIGN_ASKED, RAFT_CAMPAIGN_REAL, RAFT_CAMPAIGN_FORCED };

/* Begins to campaign: with a pre-vote, without, or without and past any lease. */
void raft_campaign(struct raft *raft, enum raft_campaign how);

/* May campaign: a voter or called upon, and its log is whole. */
bool raft_is_promotable(const struct raft *raft);

/* Would not help to depose the leader now (§4.2.3). */
bool raft_in_lease(const struct raft *raft);

/* The hard state is durable: a candidate's vote for itself counts from here on. */
void raft_vote_persisted(struct raft *raft);

/* A request for a vote or a pre-vote, and what was answered to one. */
void raft_receive_vote(struct raft *raft, const struct raft_message *message);
void raft_receive_vote_answer(struct raft *raft, const struct raft_message *message);

/* The leader's connection broke: campaigns soon. */
void raft_leader_lost(struct raft *raft);

/* ---- replication.c ---- */

/* Appends one entry of the leader's own term. */
void raft_append_own(struct raft *raft, enum raft_entry_kind kind, uint32_t size,
                     const struct raft_configuration *configuration);

/* Sends every peer what it may get now. */
void raft_replicate(struct raft *raft);

/* Commits what a quorum has (§5.4.2 of the paper). */
void raft_advance_commit(struct raft *raft);

/* Commits up to `index`, which is in the log. */
void raft_commit_to(struct raft *raft, uint64_t index);

/* The follower's side, and the leader's of what it answered. */
void raft_receive_append(struct raft *raft, const struct raft_message *message);
void raft_receive_append_answer(struct raft *raft, const struct raft_message *message);

/* This replica has all of the leader's entries up to `index`: goes out when they are durable. */
void raft_answer_append(struct raft *raft, uint64_t to, uint64_t index);

/* An append went missing: finds out what the peer has. */
void raft_peer_unreachable(struct raft *raft, uint64_t id);

/* ---- heartbeat.c ---- */

/* One heartbeat to each peer, with the current round of reads. */
void raft_send_heartbeats(struct raft *raft);

/* The next ones are due at the next multiple of the interval. */
void raft_schedule_heartbeat(struct raft *raft);

/* The follower's side, and the leader's of what it answered. */
void raft_receive_heartbeat(struct raft *raft, const struct raft_message *message);
void raft_receive_heartbeat_answer(struct raft *raft, const struct raft_message *message);

/* What falls due for a leader: heartbeats, check-quorum, ends of transfers. */
void raft_tick_leader(struct raft *raft);

/* No other replica can have become leader yet (§6.4.1). */
bool raft_lease_holds(const struct raft *raft);

/* ---- membership.c ---- */

/* Takes the configuration of the entry at `index` into force. */
void raft_members_append(struct raft *raft, uint64_t index,
                         const struct raft_configuration *configuration);

/* Undoes those of entries from `index` on. */
void raft_members_truncate(struct raft *raft, uint64_t index);

/* Something was committed: a joint configuration is left, a removed leader steps down. */
void raft_members_committed(struct raft *raft);

/* Gives every peer of the configuration in force its page. */
void raft_members_track(struct raft *raft);

/* RAFT_CONFIGURATION_PROPOSED. */
enum status raft_members_propose(struct raft *raft, const struct raft_configuration *wished);

/* ---- snapshot.c ---- */

/* The log does not have what the peer needs. */
void raft_snapshot_needed(struct raft *raft, struct raft_progress *peer);

/* Offers again what was not answered for long. */
void raft_snapshot_remind(struct raft *raft, struct raft_progress *peer);

/* The follower's side, and the leader's of what it answered. */
void raft_receive_offer(struct raft *raft, const struct raft_message *message);
void raft_receive_offer_answer(struct raft *raft, const struct raft_message *message);

/* The events of these names. */
enum status raft_snapshot_ready(struct raft *raft, uint64_t peer,
                                const struct raft_snapshot *snapshot);
enum status raft_snapshot_fetched(struct raft *raft, const struct raft_snapshot *snapshot);
enum status raft_snapshot_installed(struct raft *raft, const struct raft_snapshot *snapshot);
enum status raft_snapshot_failed(struct raft *raft, uint64_t peer);

/* ---- read.c ---- */

/* RAFT_READ. */
enum status raft_read_begin(struct raft *raft, uint64_t context);

/* What waits may have become answerable: the term's first commit, or a heartbeat's answer. */
void raft_reads_advance(struct raft *raft);

/* Leadership changed: nothing that waits can be answered any more. */
void raft_reads_fail(struct raft *raft);

/* A follower's question that nobody answered is over. */
void raft_reads_tick(struct raft *raft);

/* When raft_reads_tick() has to be called. */
uint64_t raft_reads_wake_at_ms(const struct raft *raft);

/* The leader's side, and the follower's of what it answered. */
void raft_receive_read_index(struct raft *raft, const struct raft_message *message);
void raft_receive_read_index_answer(struct raft *raft, const struct raft_message *message);
void raft_reads_done(struct raft *raft);

/* ---- transfer.c ---- */

/* RAFT_TRANSFER; `to` 0 for the fittest. */
enum status raft_transfer_begin(struct raft *raft, uint64_t to);

/* Hands over as soon as the peer has the whole log. */
void raft_transfer_advance(struct raft *raft, const struct raft_progress *peer);

/* Gives up at the deadline; begins one to a peer that should lead instead. */
void raft_transfer_tick(struct raft *raft);
void raft_receive_timeout_now(struct raft *raft, const struct raft_message *message);

/* The voter to hand leadership to, or NULL. */
const struct raft_progress *raft_transfer_fittest(const struct raft *raft);

/* ---- message.c ---- */

/* OK, or INVALID: fields that no replica sends. */
enum status raft_message_check(const struct raft_message *message);

#endif
