#include <inttypes.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_network.h"

enum { APPLY_ENTRIES_MAX = 128, APPLY_OCTETS_MAX = 64 << 10 };

/* ---- The port of its replica ---- */

static void on_submitted(void *context)
{
    struct shard *shard = context;

    node_writer_wake(shard->node);
}

static void on_send(void *context, const struct raft_message *message)
{
    network_send(context, message);
}

static void run_apply(struct sim *sim, void *context, uint64_t argument);

static void on_apply(void *context, uint64_t low, uint64_t through)
{
    struct shard *shard = context;
    struct sim *sim = shard->node->sim;

    shard->apply_through = through;
    shard->apply_waits = true;
    shard->is_dirty = true;
    if (sim->plan.apply_us > 0) {
        sim_at(sim, sim->now_us + 1 + sim_chance(sim, STREAM_NODE, sim->plan.apply_us), run_apply,
               shard, shard->node->life);
    }
}

static struct waiter *take_waiter(struct waiter **place, struct shard *shard)
{
    struct waiter *waiter = *place;

    *place = waiter->next;
    if (shard->waiters_end == &waiter->next) {
        shard->waiters_end = place;
    }
    return waiter;
}

static void on_read(void *context, uint64_t read_context, enum status status)
{
    struct shard *shard = context;

    for (struct waiter **place = &shard->waiters; *place != NULL; place = &(*place)->next) {
        if ((*place)->read_context != read_context) {
            continue;
        }
        struct waiter *waiter = take_waiter(place, shard);
        struct answer answer = {
            .client = waiter->client,
            .attempt = waiter->attempt,
            .status = status,
            .generation = shard->generation,
            .hint = replica_state(shard->replica).leader,
            .applied = state_meta(shard->state)->applied.index,
        };

        if (status == STATUS_OK) {
            answer.status = state_read(shard->state, waiter->box, &answer.view);
            shard->found_state_rot |= answer.status == STATUS_CORRUPT;
        }
        client_reply(shard->node, &answer);
        memory_free(waiter);
        return;
    }
}

static void on_snapshot(void *context, const struct raft_snapshot_effect *effect)
{
    install_act(context, effect);
}

/* ---- Opening ---- */

static void fill_options(struct shard *shard, struct replica_options *options)
{
    struct node *node = shard->node;
    const struct plan *plan = &node->sim->plan;
    const struct state_meta *meta = state_meta(shard->state);

    *options = (struct replica_options){
        .log = node->log,
        .shard = shard->group,
        .port = {on_submitted, on_send, on_apply, on_read, on_snapshot, shard},
        .raft =
            {
                .id = shard_id(shard),
                .generation = shard->generation,
                .seed = random_next(&node->sim->random[STREAM_NODE]),
                .now_ms = node_clock_ms(node),
                .election_timeout_min_ms = plan->election_min_ms,
                .election_timeout_max_ms = plan->election_max_ms,
                .heartbeat_ms = plan->heartbeat_ms,
                .message_bytes_max = plan->message_bytes_max,
                .inflight_messages_max = plan->inflight_messages_max,
                .inflight_bytes_max = plan->inflight_bytes_max,
                .uncommitted_bytes_max = plan->uncommitted_bytes_max,
                .reads_max = 64,
                .promote_lag_max = 200,
                .lease_reads = plan->lease_reads,
            },
        .applied = meta->applied,
        .configuration = meta->configuration,
        .fresh = !shard->created,
    };
}

static void open_replica(struct shard *shard)
{
    struct replica_options options;

    fill_options(shard, &options);
    enum status status = replica_open(&options, &shard->replica);
    if (shard->node->dying) {
        if (status == STATUS_OK) {
            shard->phase = SHARD_RUNS;
        }
        return;
    }
    if (status == STATUS_CORRUPT || status == STATUS_INVALID) {
        shard_quarantine(shard, status == STATUS_CORRUPT ? "log and state do not fit"
                                                         : "raft refuses what was recovered");
    } else if (status == STATUS_IO_ERROR) {
        node_die(shard->node);
    } else if (status != STATUS_OK) {
        sim_fail(shard->node->sim, "node %" PRIu64 " group %u cannot open: %s", shard_id(shard),
                 shard->group, status_text(status));
    } else {
        shard->phase = SHARD_RUNS;
        shard->has_seen = false;
        shard->found_rot = shard->found_state_rot = false;
        shard->is_dirty = true;
        shard->apply_waits = false;
        CRASH_POINT("shard.opened");
        check_opened(shard);
    }
}

static void forget(struct shard *shard)
{
    struct node *node = shard->node;

    memset(&shard->append, 0, sizeof(shard->append));
    shard->append.shard = shard->group;
    enum status status = log_forget(node->log, &shard->append);
    if (status == STATUS_OK) {
        shard->phase = SHARD_FORGETTING;
        shard->append_is_out = true;
        CRASH_POINT("shard.forget_submitted");
        node_writer_wake(node);
    } else if (status == STATUS_NOT_FOUND) {
        shard_forgotten(shard);
    } else if (status == STATUS_BUSY) {
        shard->phase = SHARD_LEAVING;
    } else if (status == STATUS_IO_ERROR) {
        node_die(node);
    } else {
        sim_fail(node->sim, "node %" PRIu64 " cannot forget group %u: %s", node->id, shard->group,
                 status_text(status));
    }
}

void shard_open(struct shard *shard)
{
    struct log_bounds bounds;

    shard->phase = SHARD_NONE;
    if (!shard->hosted) {
        if (log_bounds(shard->node->log, shard->group, &bounds) != STATUS_NOT_FOUND) {
            forget(shard);
        } else {
            shard_forgotten(shard);
        }
    } else if (shard->lost) {
        shard->phase = SHARD_QUARANTINE;
    } else if (log_bounds(shard->node->log, shard->group, &bounds) == STATUS_OK &&
               bounds.generation > shard->generation) {
        operator_finish_force(shard->node->sim, shard);
        open_replica(shard);
    } else if (shard->installing && !MUTANT(16)) {
        install_resume(shard);
    } else {
        if (shard->installing) {
            install_forget(shard);
        }
        open_replica(shard);
    }
}

void shard_host(struct shard *shard, uint64_t generation,
                const struct raft_configuration *configuration)
{
    CHECK(!shard->hosted && shard->phase == SHARD_NONE);
    shard->hosted = true;
    shard->created = false;
    shard->generation = generation;
    shard->began = (struct raft_configuration_at){.configuration = *configuration};
    shard->configuration = *configuration;
    shard->configuration_index = 0;
    state_free(shard->state);
    shard->state = state_new(shard->node->sim->plan.real_apply ? &state_mail : &state_small,
                             shard->group, &shard->began);
    SIM_TRACE(shard->node->sim, "node %" PRIu64 " is to host group %u", shard_id(shard),
              shard->group);
    if (shard->node->up) {
        struct node *running = shard->node->sim->running;

        shard->node->sim->running = shard->node;
        shard_open(shard);
        node_end_event(shard->node);
        shard->node->sim->running = running;
    }
}

/* ---- Ending ---- */

void shard_drop_waiters(struct shard *shard)
{
    while (shard->waiters != NULL) {
        memory_free(take_waiter(&shard->waiters, shard));
    }
}

static void drop_snapshots(struct shard *shard)
{
    for (size_t i = 0; i < BLOBS_KEPT; i++) {
        state_blob_unref(shard->made[i].blob);
        shard->made[i] = (struct blob_at){0};
    }
    state_blob_unref(shard->fetch.blob);
    shard->fetch = (struct blob_at){0};
    shard->fetching = shard->fetched = false;
}

void shard_before_crash(struct shard *shard)
{
    shard_drop_waiters(shard);
    drop_snapshots(shard);
}

void shard_after_crash(struct shard *shard)
{
    if (shard->replica != NULL) {
        replica_free(shard->replica);
        shard->replica = NULL;
    }
    if (shard->state != NULL) {
        state_crash(shard->state, &shard->node->sim->random[STREAM_DISK]);
    }
    shard->phase = SHARD_NONE;
    shard->append_is_out = shard->carry_is_out = false;
    shard->retries = false;
    shard->apply_waits = false;
    shard->is_dirty = false;
    shard->found_rot = shard->found_state_rot = false;
    shard->reports_peer = 0;
}

static void run_retry(struct sim *sim, void *context, uint64_t argument)
{
    struct shard *shard = context;

    if (shard->node->life != argument) {
        return;
    }
    shard->retries = false;
    sim->running = shard->node;
    if (shard->phase == SHARD_LEAVING) {
        shard->is_dirty = true;
    } else if (shard->phase == SHARD_FORCING && !shard->append_is_out) {
        operator_force_now(shard);
    }
    node_end_event(shard->node);
}

void shard_retry_later(struct shard *shard)
{
    struct sim *sim = shard->node->sim;

    shard->retries = true;
    sim_at(sim, sim->now_us + 500 * MS, run_retry, shard, shard->node->life);
}

/* Nothing of it is left here. */
void shard_forgotten(struct shard *shard)
{
    CRASH_POINT("shard.forgotten");
    shard->phase = SHARD_NONE;
    shard->lives += shard->created;
    shard->created = shard->lost = shard->at_risk = shard->state_rotten = false;
    shard->configuration = (struct raft_configuration){0};
    install_forget(shard);
    if (shard->state != NULL) {
        state_free(shard->state);
        shard->state = NULL;
    }
}

void shard_dismiss(struct shard *shard)
{
    shard->hosted = false;
    SIM_TRACE(shard->node->sim, "node %" PRIu64 " is to leave group %u", shard_id(shard),
              shard->group);
    if (shard->node->up && shard->phase != SHARD_FORGETTING) {
        shard->phase = SHARD_LEAVING;
        shard->is_dirty = true;
        shard_drop_waiters(shard);
        drop_snapshots(shard);
        node_end_event(shard->node);
    }
}

void shard_quarantine(struct shard *shard, const char *why)
{
    struct node *node = shard->node;
    struct log_bounds bounds = {0};
    struct raft_position applied = state_meta(shard->state)->applied;

    enum status status = log_bounds(node->log, shard->group, &bounds);
    sim_tell(node->sim,
             "node %" PRIu64 " group %u: log %s, %" PRIu64 ":%" PRIu64 " to %" PRIu64 ":%" PRIu64
             ", state at %" PRIu64 ":%" PRIu64,
             node->id, shard->group, status_text(status), bounds.compacted.term,
             bounds.compacted.index, bounds.last.term, bounds.last.index, applied.term,
             applied.index);

    sim_tell(node->sim, "node %" PRIu64 " group %u is quarantined: %s", node->id, shard->group,
             why);
    CRASH_POINT("shard.quarantined");
    if (!node->rotten && !shard->state_rotten) {
        sim_fail(node->sim, "node %" PRIu64 " group %u found damage that nobody did: %s", node->id,
                 shard->group, why);
    }
    shard->lost = true;
    shard->phase = SHARD_QUARANTINE;
    shard->is_dirty = true;
    shard_drop_waiters(shard);
    drop_snapshots(shard);
}

/* ---- What its replica became ---- */

static void reopen(struct sim *sim, void *context, uint64_t argument)
{
    struct shard *shard = context;

    if (shard->node->life != argument || shard->phase != SHARD_STOPPED || shard->replica != NULL) {
        return;
    }
    if (shard->carry_is_out) {
        sim_at(sim, sim->now_us + 100 * MS, reopen, shard, argument);
        return;
    }
    sim->running = shard->node;
    shard_open(shard);
    node_end_event(shard->node);
}

static void release_replica(struct shard *shard)
{
    struct sim *sim = shard->node->sim;

    replica_free(shard->replica);
    shard->replica = NULL;
    shard->apply_waits = false;
    CRASH_POINT("shard.released");
    if (shard->phase == SHARD_STOPPED) {
        sim_at(sim, sim->now_us + sim_between(sim, STREAM_NODE, 100 * MS, 3 * SECOND), reopen,
               shard, shard->node->life);
    } else if (shard->phase == SHARD_FORCING) {
        operator_force_now(shard);
    }
}

static void close_if_it_can(struct shard *shard)
{
    if (shard->replica != NULL && replica_writing(shard->replica) == 0) {
        release_replica(shard);
    }
    if (shard->replica == NULL && shard->phase == SHARD_LEAVING && !shard->append_is_out &&
        !shard->retries) {
        forget(shard);
    }
}

static void look_at_status(struct shard *shard)
{
    struct node *node = shard->node;
    enum status status = replica_status(shard->replica);

    if (node->dying || status == STATUS_OK) {
        return;
    }
    if (status == STATUS_CORRUPT) {
        if (node->rotten) {
            shard_quarantine(shard, "its log is damaged");
        } else {
            sim_fail(node->sim, "node %" PRIu64 " group %u: an invariant of raft is broken",
                     node->id, shard->group);
        }
    } else if (status == STATUS_NO_SPACE) {
        sim_tell(node->sim, "node %" PRIu64 " group %u stops: no space", node->id, shard->group);
        shard->phase = SHARD_STOPPED;
        shard->is_dirty = true;
        shard_drop_waiters(shard);
        drop_snapshots(shard);
    } else if (!MUTANT(11)) {
        sim_tell(node->sim, "node %" PRIu64 ": its log has failed", node->id);
        node_die(node);
    }
}

void shard_written(struct shard *shard, enum status status)
{
    if (status == STATUS_OK) {
        shard->created = true;
        install_logged(shard);
    }
}

void shard_append_ended(struct shard *shard)
{
    bool is_good = shard->append.status == STATUS_OK;

    shard->append_is_out = false;
    CRASH_POINT("shard.append_ended");
    if (shard->node->dying) {
        return;
    }
    if (shard->phase == SHARD_FORGETTING) {
        if (is_good) {
            shard_forgotten(shard);
        } else {
            shard->phase = SHARD_LEAVING;
            shard_retry_later(shard);
        }
    } else if (shard->phase == SHARD_FINISHING) {
        if (is_good) {
            install_logged(shard);
            shard_open(shard);
        } else {
            install_resume(shard);
        }
    } else if (shard->phase == SHARD_FORCING) {
        operator_forced(shard, is_good);
    }
}

/* ---- Applying ---- */

static void answer_writes(struct shard *shard, const struct log_entry *entry,
                          const struct state_outcome *outcome)
{
    struct waiter **place = &shard->waiters;

    while (*place != NULL) {
        if ((*place)->position.index != entry->position.index) {
            place = &(*place)->next;
            continue;
        }
        struct waiter *waiter = take_waiter(place, shard);
        bool is_it = waiter->position.term == entry->position.term;
        struct answer answer = {
            .client = waiter->client,
            .attempt = waiter->attempt,
            .status = is_it ? STATUS_OK : STATUS_UNAVAILABLE,
            .generation = shard->generation,
            .position = entry->position,
            .outcome = *outcome,
        };

        CRASH_POINT("shard.before_answer");
        client_reply(shard->node, &answer);
        CRASH_POINT("shard.answered");
        memory_free(waiter);
    }
}

static void apply_entries(struct shard *shard, struct log_entries *entries)
{
    struct state_outcome outcomes[APPLY_ENTRIES_MAX];
    uint64_t digests[APPLY_ENTRIES_MAX];
    size_t count = entries->count < APPLY_ENTRIES_MAX ? entries->count : APPLY_ENTRIES_MAX;

    CRASH_POINT("shard.before_apply");
    if (state_apply(shard->state, entries->items, count, outcomes, digests) == STATUS_CORRUPT) {
        shard->found_state_rot = true;
        return;
    }
    CRASH_POINT("shard.applied");
    if (shard->node->dying) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        check_applied(shard, &entries->items[i], &outcomes[i], digests[i]);
        answer_writes(shard, &entries->items[i], &outcomes[i]);
    }
    replica_applied(shard->replica, node_clock_ms(shard->node),
                    entries->items[count - 1].position.index);
    shard->is_dirty = true;
}

static void apply_now(struct shard *shard)
{
    struct log_entries entries;
    uint64_t low = state_meta(shard->state)->applied.index + 1;

    shard->apply_waits = false;
    enum status status = log_read(shard->node->log, shard->group, low, shard->apply_through + 1,
                                  APPLY_OCTETS_MAX, false, &entries);
    if (status == STATUS_CORRUPT) {
        shard->found_rot = true;
    } else if (status == STATUS_OK) {
        apply_entries(shard, &entries);
        log_entries_done(&entries);
    } else if (status != STATUS_IO_ERROR) {
        sim_fail(shard->node->sim, "node %" PRIu64 " group %u cannot read entry %" PRIu64 ": %s",
                 shard_id(shard), shard->group, low, status_text(status));
    }
}

static void run_apply(struct sim *sim, void *context, uint64_t argument)
{
    struct shard *shard = context;

    if (shard->node->life == argument && shard->phase == SHARD_RUNS && shard->apply_waits) {
        sim->running = shard->node;
        apply_now(shard);
        node_end_event(shard->node);
    }
}

/* ---- One round of it ---- */

static void report_peer(struct shard *shard)
{
    struct raft_event event = {.kind = RAFT_PEER_UNREACHABLE, .peer = shard->reports_peer};

    shard->reports_peer = 0;
    enum status status = shard_step(shard, event);
    (void)status;
}

void shard_round(struct shard *shard)
{
    if (shard->phase != SHARD_RUNS) {
        close_if_it_can(shard);
        return;
    }
    if (shard->reports_peer != 0) {
        report_peer(shard);
    }
    replica_run(shard->replica);
    look_at_status(shard);
    if (shard->node->dying || shard->phase != SHARD_RUNS) {
        return;
    }
    check_step(shard);
    if (shard->apply_waits && shard->node->sim->plan.apply_us == 0) {
        apply_now(shard);
    }
    if (shard->node->dying) {
        return;
    }
    if (shard->found_rot || shard->found_state_rot) {
        shard_quarantine(shard,
                         shard->found_rot ? "its log cannot be read" : "its state is damaged");
        shard->found_rot = shard->found_state_rot = false;
    }
}

enum status shard_step(struct shard *shard, struct raft_event event)
{
    event.now_ms = node_clock_ms(shard->node);
    shard->is_dirty = true;
    return replica_step(shard->replica, &event);
}

void shard_tick(struct shard *shard)
{
    if (shard->phase == SHARD_RUNS &&
        replica_wake_at_ms(shard->replica) <= node_clock_ms(shard->node)) {
        enum status status = shard_step(shard, (struct raft_event){.kind = RAFT_TICK});

        (void)status;
    }
}

bool shard_leads(const struct shard *shard)
{
    return shard->phase == SHARD_RUNS && shard->node->up &&
           replica_state(shard->replica).role == RAFT_LEADER;
}

void shard_receive(struct shard *shard, struct envelope *envelope)
{
    struct sim *sim = shard->node->sim;
    struct link *link = &sim->links[envelope->to_slot][envelope->from_slot];

    if (envelope->message.kind == RAFT_APPEND_ANSWER ||
        envelope->message.kind == RAFT_HEARTBEAT_ANSWER) {
        link->unanswered[shard->group] = 0;
    }
    if (shard->phase != SHARD_RUNS) {
        return;
    }
    enum status status = replica_receive(shard->replica, node_clock_ms(shard->node),
                                         &envelope->message, envelope->payloads);
    if (status == STATUS_INVALID) {
        sim_fail(sim, "node %" PRIu64 " group %u was sent an invalid %s by %" PRIu64,
                 shard_id(shard), shard->group, raft_message_kind_text(envelope->message.kind),
                 envelope->message.from);
    }
    shard->is_dirty = true;
}

/* ---- Requests of clients ---- */

static void wait_for(struct shard *shard, unsigned client, uint64_t attempt,
                     struct raft_position position, uint64_t read_context, unsigned box)
{
    struct waiter *waiter = NEW(struct waiter);

    *waiter = (struct waiter){.position = position,
                              .read_context = read_context,
                              .client = client,
                              .attempt = attempt,
                              .box = box};
    *shard->waiters_end = waiter;
    shard->waiters_end = &waiter->next;
}

static enum status propose(struct shard *shard, const struct operation *operation, bool floods,
                           struct raft_position *out_position)
{
    struct sim *sim = shard->node->sim;
    struct buffer payload;
    struct state_command command = {
        .kind = (uint8_t)operation->kind,
        .box = (uint8_t)operation->box,
        .uid = operation->uid,
        .operation = operation->id,
        .wall_ms = node_wall_ms(shard->node),
        .filler = floods ? 0 : operation->id * 7919 % (sim->plan.payload_max + 1),
    };

    buffer_init(&payload, 1 << 20);
    state_encode(shard->state, &command, &payload);
    struct slice view = buffer_view(&payload);
    enum status status =
        replica_propose(shard->replica, node_clock_ms(shard->node), &view, 1, out_position);
    buffer_done(&payload);
    return status;
}

void shard_request(struct shard *shard, unsigned client, uint64_t attempt,
                   const struct operation *operation)
{
    struct sim *sim = shard->node->sim;
    struct answer answer = {.client = client,
                            .attempt = attempt,
                            .status = STATUS_UNAVAILABLE,
                            .generation = shard->generation};
    struct raft_position position = {0};
    uint64_t read_context = 0;

    if (shard->phase == SHARD_RUNS) {
        if (operation->kind == OPERATION_READ) {
            read_context = ++sim->read_context_last;
            answer.status = shard_step(
                shard, (struct raft_event){.kind = RAFT_READ, .read_context = read_context});
        } else {
            answer.status = propose(shard, operation, client == CLIENTS_MAX, &position);
        }
        answer.hint = replica_state(shard->replica).leader;
    }
    shard->is_dirty = true;
    if (answer.status == STATUS_OK) {
        wait_for(shard, client, attempt, position, read_context, operation->box);
    } else {
        client_reply(shard->node, &answer);
    }
}

/* ---- Durable state, and a shorter log ---- */

static uint64_t compact_to(struct shard *shard, const struct raft_state *raft, uint64_t durable)
{
    struct sim *sim = shard->node->sim;
    uint64_t kept = sim_chance(sim, STREAM_NODE, sim->plan.compact_entries + 1);
    uint64_t index = raft->applied_index > kept ? raft->applied_index - kept : 0;

    if (MUTANT(15)) {
        return raft->applied_index;
    }
    index = index < durable ? index : durable;
    if (raft->keep_from <= index && !sim_happens(sim, STREAM_NODE, 50000)) {
        index = raft->keep_from > 0 ? raft->keep_from - 1 : 0;
    }
    return index;
}

static void compact(struct shard *shard)
{
    struct raft_state raft = replica_state(shard->replica);
    uint64_t durable = state_durable_index(shard->state);
    uint64_t index = compact_to(shard, &raft, durable);

    if (raft.installing || index < raft.first_index ||
        raft.applied_index < raft.first_index + shard->node->sim->plan.compact_entries) {
        return;
    }
    CRASH_POINT("shard.before_compact");
    enum status status = replica_compact(shard->replica, node_clock_ms(shard->node), index,
                                         MUTANT(15) ? index : durable);
    shard->is_dirty = true;
    CRASH_POINT("shard.compacted");
    if (status == STATUS_INVALID) {
        sim_fail(shard->node->sim, "node %" PRIu64 " group %u may not compact to %" PRIu64,
                 shard_id(shard), shard->group, index);
    }
}

void shard_flush(struct shard *shard)
{
    struct sim *sim = shard->node->sim;

    if (shard->phase != SHARD_RUNS || shard->installing) {
        return;
    }
    if (sim_happens(sim, STREAM_NODE, 700000)) {
        CRASH_POINT("shard.before_flush");
        if (!shard->node->dying) {
            state_flush(shard->state);
            CRASH_POINT("shard.flushed");
        }
    }
    if (!shard->node->dying) {
        compact(shard);
    }
}
