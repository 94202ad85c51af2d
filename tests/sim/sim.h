/* A cluster of whole storage nodes in one process: virtual time, one seed for everything.
 *
 * A run is a function of its plan, and the plan of a seed: it replays bit for bit. Nodes are
 * storage/replica over storage/raft, storage/log on a disk in memory, and a state machine; between
 * them a network that delays, loses, doubles and reorders; around them clients that remember what
 * they were told, an operator who adds, moves and rebuilds replicas, and a nemesis. Checkers look
 * at every step and stop the run at the first violation.
 *
 *     sim_plan.h      what a seed varies                sim_world.c     time, events, randomness
 *     sim_network.c   messages between nodes            sim_node.c      a node's life
 *     sim_shard.c     one replica on a node             sim_install.c   snapshots
 *     sim_state.h     the state machines                sim_client.c    load, and what it was told
 *     sim_operator.c  membership and repair             sim_nemesis.h   faults, sim_fault_*.c
 *     sim_plot.h      adversaries with a plan           sim_carry.c     old segments of the log
 *     sim_check*.c    what must hold                    sim_main.c      the command
 */
#ifndef AVISO_TESTS_SIM_SIM_H
#define AVISO_TESTS_SIM_SIM_H

#include "core/buffer.h"
#include "core/random.h"
#include "storage/log.h"
#include "storage/raft/mutant.h"
#include "storage/replica.h"
#include "tests/fakes/fake_disk.h"
#include "tests/sim/sim_plan.h"
#include "tests/sim/sim_plot.h"
#include "tests/sim/sim_state.h"

enum {
    NODES_MAX = 7,
    GROUPS_MAX = 4,
    CLIENTS_MAX = 16,
    BLOBS_KEPT = 2,
    MS = 1000, /* in microseconds, the unit of virtual time */
    SECOND = 1000 * MS,
    MESSAGE_LIFE_MAX = 20 * SECOND, /* no message arrives later */
};

/* ---- Time and chance (sim_world.c) ---- */

enum stream {
    STREAM_NETWORK,
    STREAM_DISK,
    STREAM_NODE,
    STREAM_CLIENT,
    STREAM_OPERATOR,
    STREAM_NEMESIS,
    STREAM_COUNT
};

struct sim;
typedef void sim_event_fn(struct sim *sim, void *context, uint64_t argument);

struct sim_event {
    uint64_t at_us;
    uint64_t number; /* of two at one time, the earlier made goes first */
    sim_event_fn *run;
    void *context;
    uint64_t argument;
    bool owned; /* the context is on the heap, and the event's */
};

/* ---- Nodes ---- */

struct envelope;

/* A client's request that waits for its entry to be applied, or for its read index. */
struct waiter {
    struct raft_position position; /* of a write */
    uint64_t read_context;         /* of a read */
    unsigned box;
    unsigned client;
    uint64_t attempt;
    struct waiter *next;
};

/* A snapshot as it is offered to peers: immutable, counted. */
struct blob_at {
    struct raft_snapshot snapshot;
    struct state_blob *blob;
};

enum shard_phase {
    SHARD_NONE,       /* no replica here, nothing in log or state */
    SHARD_FINISHING,  /* found an installation that a crash interrupted */
    SHARD_RUNS,       /* the replica works */
    SHARD_STOPPED,    /* for want of space: opens again */
    SHARD_QUARANTINE, /* damaged: waits for the operator */
    SHARD_FORCING,    /* becomes the only voter of a new generation */
    SHARD_LEAVING,    /* told to go: waits for its writes */
    SHARD_FORGETTING, /* its log is being forgotten */
};

/* A replica of a group on a node. What a crash leaves is marked "durable". */
struct shard {
    struct node *node;
    unsigned group;
    enum shard_phase phase;
    uint64_t lives; /* durable: how often it was forgotten here */
    bool hosted;    /* durable, as all of etcd: the node is to have this replica */
    bool created;   /* durable: it has promised something, so log and state have to be there */
    bool lost;      /* durable: its log or state was damaged, until it has left the configuration */
    uint64_t generation; /* durable */
    struct replica *replica;
    struct state *state;                /* its durable part is */
    struct raft_configuration_at began; /* durable: the configuration that it was made with */
    bool installing;                    /* durable: the intention, and what is installed */
    struct blob_at install;
    unsigned install_piece;
    bool fetching, fetched;
    struct blob_at fetch;
    uint64_t fetch_peer, fetch_number;
    struct blob_at made[BLOBS_KEPT];
    uint64_t apply_through; /* being applied */
    bool apply_waits;
    struct waiter *waiters, **waiters_end;
    struct log_append append; /* of what the replica does not write itself */
    bool append_is_out;
    struct log_append carry; /* of entries that pin an old segment */
    bool carry_is_out;
    bool retries; /* what failed for want of space, later */
    uint64_t reopen_at_us;
    /* what the checkers saw last */
    struct raft_state seen;
    bool has_seen;
    struct raft_configuration configuration; /* in force, also while it is stopped */
    uint64_t configuration_index;
    unsigned rounds;
    bool is_dirty;
    uint64_t reports_peer; /* something for it was dropped; 0: nobody */
    bool found_rot;        /* its log could not be read */
    bool found_state_rot;
    bool state_rotten; /* by the nemesis */
    bool at_risk;      /* damaged perhaps, so not one that others may lean on; durable */
};

struct node {
    struct sim *sim;
    unsigned slot;
    uint64_t id;
    uint64_t life; /* raised by every start and end: events of an earlier life are void */
    bool up;
    bool dying; /* reached an armed crash point, or its disk failed: ends with this event */
    uint64_t restart_after_us;
    bool exists;
    bool rotten;  /* the nemesis flipped bits of its log */
    bool retired; /* never comes back: written off by a forced configuration */
    uint64_t paused_until_us;
    struct fake_disk *disk;
    struct log *log;
    char folder[16];
    bool writer_busy;
    bool writer_syncs;    /* a write waits for its sync */
    uint64_t disk_slow;   /* a factor */
    uint64_t disk_us;     /* each of its syncs takes so long; 0: as the plan says */
    uint64_t start_at_us; /* 0: nobody starts it */
    uint64_t timer_at_us; /* 0: none */
    bool round_is_due;
    int64_t clock_base_us; /* node time = base + (now - since) × (1 + rate) */
    uint64_t clock_since_us;
    int64_t clock_rate_ppm;
    int64_t wall_skew_ms;
    struct shard shards[GROUPS_MAX];
};

struct link {
    bool cut;
    bool severed;            /* cut, and what is on its way is lost too */
    uint64_t holds_until_us; /* what arrives waits until then */
    unsigned loss_ppm;
    uint64_t slow_us;
    uint64_t last_us; /* the latest arrival so far */
    uint64_t fault;   /* the latest that took it */
    /* appends with entries since the last answer */
    uint64_t unanswered[GROUPS_MAX], unanswered_since_us[GROUPS_MAX];
};

/* ---- Clients ---- */

enum operation_kind { OPERATION_DELIVER, OPERATION_FLAG, OPERATION_READ };

struct operation {
    uint64_t id; /* of its group, from 1; 0 for a read */
    enum operation_kind kind;
    unsigned box;
    uint32_t uid; /* FLAG: which */
    uint64_t began_us;
    unsigned attempts;
    /* what was acknowledged before it began */
    uint64_t acked_uid, acked_modseq, acked_index;
};

struct client {
    struct sim *sim;
    unsigned number;
    unsigned group;
    bool busy;
    uint64_t attempt;
    uint64_t thoughts; /* how often it began to think */
    unsigned target;   /* slot asked last */
    struct operation operation;
    struct random random;
};

/* What a node tells a client. */
struct answer {
    unsigned client;
    uint64_t attempt;
    enum status status;
    uint64_t generation;
    uint64_t hint; /* node id of the leader, 0: unknown */
    struct raft_position position;
    struct state_outcome outcome;
    struct state_view view;
    uint64_t applied;
};

/* ---- What must hold (sim_checker.c) ---- */

struct committed {
    uint64_t term;
    uint64_t known_in; /* the term in which a replica first knew that it is committed */
    uint64_t checksum; /* 0: not applied anywhere yet */
    uint64_t digest;   /* of the state after it; 0: as above */
};

struct known_entry { /* open addressing, by term and index */
    uint64_t term, index, checksum, before_term;
};

struct known_leader {
    uint64_t term, node;
};

struct known_vote {
    uint64_t term, voter, candidate;
};

struct acked {
    uint64_t index; /* 0: not acknowledged, or forgiven */
    uint32_t uid;
    uint8_t box;
    uint8_t kind;
    uint64_t modseq;
};

struct group {
    unsigned number;
    uint64_t generation;
    struct committed *committed; /* by index */
    uint64_t committed_last, committed_capacity;
    struct known_entry *entries;
    size_t entry_count, entry_capacity; /* a power of two */
    struct known_leader *leaders;
    size_t leader_count, leader_capacity;
    struct known_vote *votes;
    size_t vote_count, vote_capacity;
    struct acked *acked; /* by operation */
    uint64_t operation_last, acked_capacity;
    uint64_t box_uid[STATE_BOXES], box_modseq[STATE_BOXES]; /* highest acknowledged */
    uint64_t acked_index, acked_count, read_count;
    uint64_t removed_term; /* highest seen in replicas that left: they may be ahead */
    uint64_t calm_term, calm_acked, calm_count;
    bool disaster;     /* a quorum is written off: no repair until it is forced */
    unsigned survivor; /* the slot that is forced then */
};

/* ---- The world ---- */

struct sim {
    struct plan plan;
    uint64_t now_us;
    struct sim_event *events;
    size_t event_count, event_capacity;
    uint64_t event_number;
    uint64_t events_run;
    struct random random[STREAM_COUNT];
    struct node nodes[NODES_MAX];
    unsigned node_count;
    uint64_t node_id_last;
    struct link links[NODES_MAX][NODES_MAX];
    struct group groups[GROUPS_MAX];
    struct client clients[CLIENTS_MAX];
    struct node *running; /* whose code runs: a crash point is its */
    uint64_t read_context_last;
    uint64_t fetch_number_last;
    struct plot plot;
    bool healed; /* faults are over */
    bool quiet;  /* clients too */
    uint64_t healed_at_us;
    uint64_t fault_number;
    uint64_t fault_count[FAULT_COUNT];
    uint64_t digest; /* of everything that happened */
    bool failed;
    bool traces;                     /* every event on standard output */
    struct buffer story;             /* what a person wants to know first */
    struct buffer reason;            /* of the failure */
    void (*script)(struct sim *sim); /* a history instead of random faults, or NULL */
    /* crash points: the next one that fits, after so many, takes its node down */
    uint64_t crash_after;    /* 0: none */
    struct node *crash_node; /* NULL: any */
    const char *crash_prefix;
    uint64_t points_reached;
    void (*on_point)(struct sim *sim, const char *name); /* sees all of them */
    unsigned envelopes;                                  /* on their way */
};

/* Runs a plan to its end, or to the first violation. */
void sim_init(struct sim *sim, const struct plan *plan);
void sim_run(struct sim *sim);
void sim_done(struct sim *sim);
void sim_print_standing(struct sim *sim, struct buffer *output);
void sim_arm_crash(struct sim *sim, struct node *node, const char *prefix, uint64_t nth);

void sim_at(struct sim *sim, uint64_t at_us, sim_event_fn *run, void *context, uint64_t argument);
/* The same with a context on the heap, which `run` frees. */
void sim_at_owned(struct sim *sim, uint64_t at_us, sim_event_fn *run, void *context);
uint64_t sim_chance(struct sim *sim, enum stream stream, uint64_t bound); /* below bound, ≥ 1 */
bool sim_happens(struct sim *sim, enum stream stream, unsigned ppm);
uint64_t sim_between(struct sim *sim, enum stream stream, uint64_t low, uint64_t high);
void sim_mix(struct sim *sim, uint64_t value);
uint64_t hash_mix(uint64_t hash, uint64_t value);
uint64_t hash_octets(uint64_t hash, struct slice octets);

/* A line of the story that is told when a run fails. */
void sim_tell(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3);
/* A line when everything is told. */
#define SIM_TRACE(sim, ...)                                                                        \
    do {                                                                                           \
        if ((sim)->traces) {                                                                       \
            sim_trace((sim), __VA_ARGS__);                                                         \
        }                                                                                          \
    } while (0)
void sim_trace(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3);
/* The first violation ends the run. */
void sim_fail(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- Network ---- */

void network_send(struct shard *shard, const struct raft_message *message);
bool network_reaches(struct sim *sim, unsigned from, unsigned to);
/* The connection between them broke: the replicas on `node` hear of that, soon or never. */
void network_disconnect(struct node *node, const struct node *peer);
/* A replica's id in raft: the node's, and how often the group was forgotten there. An id is never
 * used again: a replica without the log that it had is another one, whatever its node. */
uint64_t shard_id(const struct shard *shard);
/* NULL: that replica has ended. */
struct shard *shard_by_id(struct sim *sim, unsigned group, uint64_t id);

/* ---- Nodes ---- */

void node_create(struct node *node); /* a new disk and a new id */
void node_destroy(struct node *node);
void node_start(struct node *node);
void node_die(struct node *node); /* at the end of the event that runs */
void node_crash(struct node *node, enum fake_disk_loss loss, uint64_t restart_after_us);
uint64_t node_clock_ms(const struct node *node);
uint64_t node_wall_ms(const struct node *node);
void node_clock_change(struct node *node, int64_t jump_us, int64_t rate_ppm);
void node_round_soon(struct node *node);
void node_writer_wake(struct node *node);
void node_end_event(struct node *node); /* after each event that touched it */

/* ---- Replicas ---- */

void shard_host(struct shard *shard, uint64_t generation,
                const struct raft_configuration *configuration);
void shard_dismiss(struct shard *shard);
void shard_open(struct shard *shard);
void shard_before_crash(struct shard *shard);
void shard_after_crash(struct shard *shard);
void shard_tick(struct shard *shard);
void shard_flush(struct shard *shard);
void shard_append_ended(struct shard *shard);
void shard_round(struct shard *shard);
void shard_receive(struct shard *shard, struct envelope *envelope);
void shard_written(struct shard *shard, enum status status);
void shard_quarantine(struct shard *shard, const char *why);
bool shard_leads(const struct shard *shard);
void shard_request(struct shard *shard, unsigned client, uint64_t attempt,
                   const struct operation *operation);
enum status shard_step(struct shard *shard, struct raft_event event);
void shard_retry_later(struct shard *shard);
void shard_drop_waiters(struct shard *shard);
void shard_forgotten(struct shard *shard);

/* Lets the log copy forward what pins its oldest segment (sim_carry.c). */
void carry_oldest(struct node *node);

void install_act(struct shard *shard, const struct raft_snapshot_effect *effect);
void install_resume(struct shard *shard);
void install_logged(struct shard *shard);
void install_forget(struct shard *shard);

/* ---- Clients, operator, nemesis ---- */

void client_start(struct client *client);
void client_flood(struct sim *sim, unsigned group, uint64_t until_us);
void client_press(struct shard *leader); /* a write that nobody waits for */
/* An idle client of the shard's group asks this one, now. */
void client_hurry(struct shard *shard, bool reads);
void client_answer(struct sim *sim, const struct answer *answer);
void client_reply(struct node *node, const struct answer *answer);

void operator_start(struct sim *sim);
struct shard *operator_leader(struct sim *sim, unsigned group); /* NULL: none in sight */
bool operator_add(struct sim *sim, unsigned group);
bool operator_swap(struct sim *sim, unsigned group);
void operator_wander(struct sim *sim, unsigned group);
void operator_finish_force(struct sim *sim, struct shard *shard);
void operator_force_now(struct shard *shard);
void operator_forced(struct shard *shard, bool is_good);
bool operator_can_lose(struct sim *sim, const struct node *node);
bool operator_can_lose_shard(struct sim *sim, const struct shard *shard);

void nemesis_start(struct sim *sim);
void nemesis_do(struct sim *sim, enum fault fault);
void nemesis_heal(struct sim *sim);

/* ---- Checkers: each fails the run ---- */

void check_opened(struct shard *shard);
void check_step(struct shard *shard);
void check_append(struct shard *shard, const struct raft_message *message,
                  const struct log_entries *entries);
void check_sent(struct shard *shard, const struct raft_message *message);
void check_entry(struct group *group, struct sim *sim, uint64_t before_term,
                 struct raft_position position, uint64_t checksum);
void check_applied(struct shard *shard, const struct log_entry *entry,
                   const struct state_outcome *outcome, uint64_t digest);
void check_acked(struct sim *sim, unsigned group, const struct operation *operation,
                 const struct answer *answer);
void check_read(struct sim *sim, unsigned group, const struct operation *operation,
                const struct answer *answer);
void check_forced(struct sim *sim, unsigned group, struct shard *survivor);
void check_calm(struct sim *sim);
void check_end(struct sim *sim);
void check_done(struct group *group);

#endif
