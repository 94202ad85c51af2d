/* Snapshots: made, fetched, installed. What is installed is on the disk, with the intention to
 * install it, before the first row of the old state goes; so whatever happens it can be done again
 * from the beginning, until the log begins after it durably. */
#include <inttypes.h>

#include "core/check.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "tests/sim/sim.h"

enum { PIECES = 4 };

/* ---- Making ---- */

struct making {
    struct shard *shard;
    uint64_t life, peer;
};

static void keep(struct shard *shard, const struct blob_at *made)
{
    state_blob_unref(shard->made[BLOBS_KEPT - 1].blob);
    for (size_t i = BLOBS_KEPT - 1; i > 0; i--) {
        shard->made[i] = shard->made[i - 1];
    }
    shard->made[0] = *made;
}

static void run_make(struct sim *sim, void *context, uint64_t argument)
{
    struct making making = *(struct making *)context;
    struct shard *shard = making.shard;
    struct raft_event event = {.kind = RAFT_SNAPSHOT_READY, .peer = making.peer};

    memory_free(context);
    if (shard->node->life != making.life || shard->phase != SHARD_RUNS || shard->installing) {
        return;
    }
    sim->running = shard->node;
    if (!sim->healed && sim_happens(sim, STREAM_NODE, 50000)) {
        event.kind = RAFT_SNAPSHOT_FAILED;
    } else {
        const struct state_meta *meta = state_meta(shard->state);
        struct blob_at made = {
            .snapshot = {meta->applied, meta->configuration.configuration},
            .blob = state_export(shard->state),
        };

        keep(shard, &made);
        event.snapshot = &shard->made[0].snapshot;
        CRASH_POINT("install.made");
    }
    enum status status = shard_step(shard, event);
    SIM_TRACE(sim, "node %" PRIu64 " group %u made a snapshot for %" PRIu64 ": %s", shard_id(shard),
              shard->group, making.peer, status_text(status));
    node_end_event(shard->node);
}

static void make(struct shard *shard, uint64_t peer)
{
    struct sim *sim = shard->node->sim;
    struct making *making = NEW(struct making);

    *making = (struct making){shard, shard->node->life, peer};
    sim_at_owned(sim, sim->now_us + sim_between(sim, STREAM_NODE, MS, SECOND), run_make, making);
}

/* ---- Fetching: over a connection of its own, which may break ---- */

static struct state_blob *look_for(struct shard *from, struct raft_position position)
{
    for (size_t i = 0; i < BLOBS_KEPT; i++) {
        if (from->made[i].blob != NULL && from->made[i].snapshot.position.index == position.index &&
            from->made[i].snapshot.position.term == position.term) {
            return from->made[i].blob;
        }
    }
    return NULL;
}

static void run_fetch(struct sim *sim, void *context, uint64_t argument)
{
    struct shard *shard = context;
    struct raft_event event = {.kind = RAFT_SNAPSHOT_FAILED};
    struct shard *from = shard_by_id(sim, shard->group, shard->fetch_peer);
    struct node *peer = from == NULL ? NULL : from->node;

    if (!shard->fetching || shard->fetch_number != argument || shard->phase != SHARD_RUNS) {
        return;
    }
    shard->fetching = false;
    sim->running = shard->node;
    if (peer != NULL && peer->up && network_reaches(sim, peer->slot, shard->node->slot) &&
        network_reaches(sim, shard->node->slot, peer->slot)) {
        struct state_blob *blob = look_for(from, shard->fetch.snapshot.position);

        if (blob != NULL) {
            shard->fetch.blob = state_blob_ref(blob);
            shard->fetched = true;
            event.kind = RAFT_SNAPSHOT_FETCHED;
            event.snapshot = &shard->fetch.snapshot;
            CRASH_POINT("install.fetched");
        }
    }
    enum status status = shard_step(shard, event);
    SIM_TRACE(sim, "node %" PRIu64 " group %u fetched a snapshot at %" PRIu64 ": %s, %s",
              shard_id(shard), shard->group, shard->fetch.snapshot.position.index,
              shard->fetched ? "there" : "failed", status_text(status));
    node_end_event(shard->node);
}

static void abandon(struct shard *shard)
{
    shard->fetching = shard->fetched = false;
    state_blob_unref(shard->fetch.blob);
    shard->fetch = (struct blob_at){0};
}

static void fetch(struct shard *shard, const struct raft_snapshot_effect *effect)
{
    struct sim *sim = shard->node->sim;

    abandon(shard);
    shard->fetching = true;
    shard->fetch.snapshot = effect->snapshot;
    shard->fetch_peer = effect->peer;
    shard->fetch_number = ++sim->fetch_number_last;
    sim_at(sim, sim->now_us + sim_between(sim, STREAM_NODE, 5 * MS, 2 * SECOND), run_fetch, shard,
           shard->fetch_number);
}

/* ---- Installing ---- */

static void run_install(struct sim *sim, void *context, uint64_t argument);

static void next_piece(struct shard *shard)
{
    struct sim *sim = shard->node->sim;

    sim_at(sim, sim->now_us + sim_between(sim, STREAM_NODE, 1, 300 * MS), run_install, shard,
           shard->node->life);
}

static void intend(struct shard *shard, const struct raft_snapshot_effect *effect)
{
    struct node *node = shard->node;

    CHECK(shard->fetched);
    if (node->dying) {
        return;
    }
    shard->installing = true;
    shard->install = shard->fetch;
    shard->fetch = (struct blob_at){0};
    shard->fetched = false;
    shard->install_piece = 0;
    CRASH_POINT("install.intended");
    sim_tell(node->sim, "node %" PRIu64 " group %u installs a snapshot at %" PRIu64, node->id,
             shard->group, effect->snapshot.position.index);
    next_piece(shard);
}

static void submit_beginning(struct shard *shard)
{
    enum status resumed = log_resume(shard->node->log, shard->group);

    (void)resumed;
    shard->append = (struct log_append){
        .shard = shard->group,
        .generation = shard->generation,
        .begin_after = &shard->install.snapshot.position,
    };
    enum status status = log_submit(shard->node->log, &shard->append);
    if (status == STATUS_OK) {
        shard->append_is_out = true;
        node_writer_wake(shard->node);
    } else if (status == STATUS_IO_ERROR) {
        node_die(shard->node);
    } else if (status == STATUS_CORRUPT) {
        shard_quarantine(shard, "its log is damaged");
    } else {
        sim_fail(shard->node->sim, "node %" PRIu64 " group %u: the log will not begin anew: %s",
                 shard_id(shard), shard->group, status_text(status));
    }
}

static void run_install(struct sim *sim, void *context, uint64_t argument)
{
    struct shard *shard = context;

    if (shard->node->life != argument || !shard->installing ||
        (shard->phase != SHARD_RUNS && shard->phase != SHARD_FINISHING)) {
        return;
    }
    sim->running = shard->node;
    unsigned piece = shard->install_piece++;
    CRASH_POINT("install.before_piece");
    if (shard->node->dying) {
        node_end_event(shard->node);
        return;
    }
    if (piece == 0) {
        state_clear(shard->state);
        CRASH_POINT("install.cleared");
        next_piece(shard);
    } else if (piece <= PIECES) {
        state_ingest(shard->state, shard->install.blob, piece - 1, PIECES);
        CRASH_POINT("install.ingested");
        next_piece(shard);
    } else if (shard->phase == SHARD_RUNS) {
        CRASH_POINT("install.before_begin");
        replica_installed(shard->replica, &shard->install.snapshot);
        shard->is_dirty = true;
    } else {
        CRASH_POINT("install.before_resumed_begin");
        submit_beginning(shard);
    }
    node_end_event(shard->node);
}

void install_resume(struct shard *shard)
{
    sim_tell(shard->node->sim, "node %" PRIu64 " group %u goes on installing", shard_id(shard),
             shard->group);
    shard->phase = SHARD_FINISHING;
    shard->install_piece = 0;
    CRASH_POINT("install.resumed");
    next_piece(shard);
}

void install_forget(struct shard *shard)
{
    shard->installing = false;
    state_blob_unref(shard->install.blob);
    shard->install = (struct blob_at){0};
}

/* A write of this shard's log is durable: perhaps its new beginning. */
void install_logged(struct shard *shard)
{
    if (!shard->installing || shard->node->dying || shard->install_piece <= PIECES + 1) {
        return;
    }
    if (shard->phase == SHARD_RUNS && replica_state(shard->replica).installing) {
        return;
    }
    CRASH_POINT("install.begun");
    if (!shard->node->dying) {
        install_forget(shard);
        CRASH_POINT("install.done");
    }
}

void install_act(struct shard *shard, const struct raft_snapshot_effect *effect)
{
    SIM_TRACE(shard->node->sim, "node %" PRIu64 " group %u: snapshot act %d peer %" PRIu64,
              shard_id(shard), shard->group, (int)effect->act, effect->peer);
    switch (effect->act) {
    case RAFT_SNAPSHOT_MAKE:
        make(shard, effect->peer);
        break;
    case RAFT_SNAPSHOT_FETCH:
        fetch(shard, effect);
        break;
    case RAFT_SNAPSHOT_ABANDON:
        abandon(shard);
        break;
    case RAFT_SNAPSHOT_INSTALL:
        intend(shard, effect);
        break;
    }
}
