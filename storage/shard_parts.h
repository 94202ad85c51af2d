/* A shard's inside, for the files that it consists of:
 *
 *     shard.c          life, and what goes wrong
 *     shard_turn.c     the turn: completions, reads, proposals, the replica, applying
 *     shard_propose.c  proposals, from the request to the answer
 *     shard_apply.c    committed entries to the store
 *     shard_read.c     reads
 *     shard_peer.c     between replicas
 *     shard_lead.c     what only a leader does
 *     shard_export.c   snapshots for others
 *     shard_fetch.c    snapshots of others
 *     shard_install.c  a snapshot in place of state and log
 *     shard_room.c     a log that is full
 *     shard_care.c     removal, trimming, compaction, what can be seen
 *
 * All that happens to a shard in one turn of its loop is collected, and one message behind it
 * carries it out: so there is one proposal, one write to the log and one append a peer for it. */
#ifndef AVISO_STORAGE_SHARD_PARTS_H
#define AVISO_STORAGE_SHARD_PARTS_H

#include <pthread.h>

#include "core/buffer.h"
#include "storage/replica.h"
#include "storage/replica_id.h"
#include "storage/shard.h"
#include "storage/watches.h"

enum {
    SHARD_RETRY_MS = 250,       /* between two tries to write to a full disk */
    SHARD_BATCH_SIZE = 1 << 20, /* octets of entries in one write to the store, about */
};

/* One command on its way; in one list at a time. */
struct proposal {
    struct proposal *next;
    shard_done_fn *done;
    void *context;
    uint64_t index; /* once it is an entry */
    uint64_t term;
    struct buffer payload;
    struct apply_outcome outcome; /* once it is applied, until its batch is settled */
};

struct proposal_list {
    struct proposal *first;
    struct proposal **end;
};

/* A read that waits until it is sure that this replica leads. */
struct waiting_read {
    struct waiting_read *next;
    enum read_kind kind;
    const ProtobufCMessage *request;
    struct rpc_request *call;
};

struct read_list {
    struct waiting_read *first;
    struct waiting_read **end;
};

/* What the leader was asked to do, until it is done. */
struct shard_wish {
    shard_ended_fn *done; /* NULL: nothing */
    void *context;
};

/* Reads that share one RAFT_READ. */
struct read_batch {
    struct read_batch *next; /* that wait as well */
    uint64_t context;
    struct read_list reads;
};

/* Completions of writes, handed over by the writer's thread. */
struct shard_mailbox {
    pthread_mutex_t lock;
    struct log_append *first, **end;
    bool is_posted;
    struct loop_message message;
};

/* The snapshot that is kept for others. */
struct shard_exports {
    bool is_made;
    struct snapshot_manifest manifest;
    char folder[FILE_PATH_SIZE_MAX];
    uint64_t used_ms;
    bool is_making;
    bool has_failed;
    uint64_t pinned_index;             /* of the log, while it is being made; 0: nothing */
    uint64_t peers[RAFT_REPLICAS_MAX]; /* who wait to be offered it */
    size_t peer_count;
};

struct fetch;

struct shard {
    struct shard_options options;
    struct replica_record record;
    enum status status; /* as in shard_state */
    struct apply *apply;
    struct store_batch *batch;
    struct uid_cache *uid_cache;
    struct watches *watches;

    struct replica *replica; /* NULL: closed until its log has room */
    struct loop_message turn;
    bool turn_is_posted;
    struct loop_timer tick;
    uint64_t tick_at_ms;
    struct shard_mailbox mailbox;

    /* What the replica was after the last round. */
    bool leads;
    bool is_alone; /* the only voter: nobody else can commit anything */
    uint64_t term;
    uint64_t leader; /* replica id, or 0 */
    /* A read was confirmed in this term, so while it is alone all that is acknowledged is applied.
     */
    bool reads_at_once;

    struct proposal_list collected; /* not proposed yet */
    struct proposal_list proposed;  /* entries of our log, by index */
    size_t waiting_size;

    struct read_list reads;     /* not asked for yet */
    struct read_batch *batches; /* asked for */
    struct read_list ready;     /* to be answered now */
    uint64_t read_context;

    /* Applying, as the replica asked for it. */
    bool is_applying;
    bool is_loading; /* a worker reads entries for it */
    uint64_t apply_through;

    /* The log is full (shard_room.c). */
    bool is_full;
    bool is_probing;
    struct raft_hard_state probe_hard_state;
    struct log_append probe;

    size_t received_size; /* octets of entries since the last round */
    size_t job_count;     /* what workers have of this shard */
    size_t late_count;    /* of them, appends whose entries are read */

    struct shard_wish change;
    struct raft_configuration changes_to;
    struct shard_wish transfer;
    bool has_tried_to_hand_over;

    struct shard_exports exports;
    uint64_t snapshot_number;         /* of the last folder */
    struct fetch *fetch;              /* NULL: nothing is being fetched */
    struct snapshot_manifest fetched; /* and not installed yet; without files: nothing */
    char fetched_folder[FILE_PATH_SIZE_MAX];
    bool is_finishing; /* installing, until the log begins after the snapshot */
    struct raft_position begins_after;

    bool is_stopping;
    bool is_sealed; /* the log and the replica are not touched any more */
    uint64_t stop_at_ms;
    struct loop_message *stopped;

    uint64_t led_since_ms;  /* of the loop's clock */
    struct loop_timer care; /* removal, trimming, compaction, another try when the disk was full */
    bool step_in_flight;
    uint64_t applied_count;
    uint64_t batch_count;
};

/* ---- shard.c ---- */

/* The shard stops for good; all that waits is answered with `status`. */
void shard_fail(struct shard *shard, enum status status, const char *act);

/* Opens the replica over what log and state have. */
NODISCARD enum status shard_open_replica(struct shard *shard);

/* What it knows of its state. */
NODISCARD enum status shard_open_state(struct shard *shard);

/* Ends the stop if it may end. */
void shard_stop_if_quiet(struct shard *shard);

/* ---- shard_turn.c ---- */

/* Sees to it that the turn comes. */
void shard_turn_soon(struct shard *shard);
void shard_on_turn(struct loop_message *message);
void shard_on_tick(struct loop_timer *timer);
void shard_on_completed(struct loop_message *message);

/* Neither failed nor at its end. */
bool shard_is_running(const struct shard *shard);

/* Carries out what is due in the replica, and looks at what became of it. */
void shard_run(struct shard *shard);

/* The port of its replica. */
struct replica_port shard_port(struct shard *shard);

/* ---- shard_propose.c ---- */

/* Lists keep their order. */
void proposal_list_init(struct proposal_list *list);
void proposal_list_add(struct proposal_list *list, struct proposal *proposal);
struct proposal *proposal_list_take(struct proposal_list *list);

/* Answers and frees. */
void proposal_end(struct shard *shard, struct proposal *proposal, enum status status,
                  struct slice reply);
void proposal_list_end(struct shard *shard, struct proposal_list *list, enum status status);

/* Proposes as much of what is collected as one write takes. False: there is nothing more, or it has
 * to wait. */
bool shard_propose_some(struct shard *shard);

/* ---- shard_apply.c ---- */

/* Applies a part of what is due. */
void shard_apply_some(struct shard *shard);

/* ---- shard_read.c ---- */

/* An empty one. */
void read_list_init(struct read_list *list);

/* Asks for all collected reads at once. */
void shard_ask_to_read(struct shard *shard);

/* What became of a RAFT_READ. */
void shard_read_ended(struct shard *shard, uint64_t context, enum status status);

/* Answers the reads that may be answered. */
void shard_answer_ready(struct shard *shard);

/* Answers all reads that wait with a failure. */
void shard_end_reads(struct shard *shard, enum status status);

/* ---- shard_room.c ---- */

/* The replica has stopped because the log is full. */
void shard_became_full(struct shard *shard);

/* The turn of a shard whose log is full. */
void shard_full_turn(struct shard *shard);

/* The probe came back. */
void shard_probed(struct shard *shard, enum status status);

/* ---- shard_peer.c ---- */

/* Sends a message, or loses it. */
void shard_send(struct shard *shard, const struct raft_message *message);

/* ---- shard_lead.c ---- */

/* Ends what is done, or what is over since leadership was lost. */
void shard_look_at_wishes(struct shard *shard, const struct raft_state *raft, bool lost);
void shard_end_wishes(struct shard *shard, enum status status);

/* Whether it is giving leadership away, or begins to. */
bool shard_hands_over(struct shard *shard);

/* ---- shard_export.c ---- */

/* A name for a folder; `out_path` has FILE_PATH_SIZE_MAX octets. */
void shard_snapshot_path(const struct shard *shard, const char *kind, uint64_t number,
                         char *out_path);

/* A peer is to be offered a snapshot; what is to be done for that in a turn; and what now and then.
 */
void shard_want_export(struct shard *shard, uint64_t peer);
void shard_offer_exports(struct shard *shard);
void shard_care_for_exports(struct shard *shard);
void shard_close_exports(struct shard *shard);

/* ---- shard_fetch.c ---- */

/* Fetches what was offered, in place of what is being fetched; it ends with shard_fetched(), unless
 * it is stopped. */
void shard_start_fetch(struct shard *shard, const struct raft_snapshot_effect *effect);
void shard_stop_fetch(struct shard *shard);

/* ---- shard_install.c ---- */

/* As replica_port.snapshot. */
void shard_snapshot_act(struct shard *shard, const struct raft_snapshot_effect *effect);

/* A fetch ended; with OK `manifest` is taken. */
void shard_fetched(struct shard *shard, enum status status,
                   const struct snapshot_manifest *manifest, const char *folder);
void shard_drop_fetched(struct shard *shard);

/* Installs what was fetched. */
void shard_install(struct shard *shard);

/* A write to the log came back: perhaps the one that ends an installation. */
void shard_look_at_install(struct shard *shard);

/* The log begins after the snapshot, before the replica was opened. */
void shard_began_after(struct shard *shard);

/* Goes on with what a crash interrupted, before the state is opened; blocks. Then is_finishing may
 * be set: the log is still to begin anew. */
NODISCARD enum status shard_resume_install(struct shard *shard);

/* ---- shard_care.c ---- */

/* Its timer. */
void shard_on_care(struct loop_timer *timer);

/* Proposes the next step of removal if there is something to remove. */
void shard_remove_more(struct shard *shard);

#endif
