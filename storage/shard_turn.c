/* A shard's turn: all that came since the one before, carried out at once. */
#include "core/check.h"
#include "core/log.h"
#include "storage/crash_point.h"
#include "storage/shard_parts.h"

/* ---- The port of the replica ---- */

static void on_submitted(void *context)
{
    struct shard *shard = context;

    log_writer_wake(shard->options.writer);
    CRASH_POINT("shard.after_submit");
}

static void on_send(void *context, const struct raft_message *message)
{
    shard_send(context, message);
}

static void on_apply(void *context, uint64_t low, uint64_t through)
{
    struct shard *shard = context;

    shard->is_applying = true;
    shard->apply_through = through;
}

static void on_read(void *context, uint64_t read_context, enum status status)
{
    shard_read_ended(context, read_context, status);
}

static void on_snapshot(void *context, const struct raft_snapshot_effect *effect)
{
    shard_snapshot_act(context, effect);
}

struct replica_port shard_port(struct shard *shard)
{
    return (struct replica_port){on_submitted, on_send, on_apply, on_read, on_snapshot, shard};
}

/* ---- What the replica became ---- */

/* What was proposed may happen yet, and who waits for it asks the next leader, by its id. */
static void lost_leadership(struct shard *shard)
{
    log_info("shard.leads_no_more", log_number("shard", shard->record.shard),
             log_number("term", shard->term), log_number("leader", replica_id_node(shard->leader)));
    proposal_list_end(shard, &shard->proposed, STATUS_UNAVAILABLE);
    proposal_list_end(shard, &shard->collected, STATUS_NOT_LEADER);
    watches_end(shard->watches, STATUS_NOT_LEADER);
}

static bool is_only_voter(const struct raft_state *raft)
{
    const struct raft_configuration *members = raft->configuration;
    size_t votes = 0;

    for (size_t index = 0; index < members->count; index++) {
        votes += (members->replicas[index].parts & (RAFT_VOTER | RAFT_OUTGOING)) != 0;
    }
    return votes == 1 && raft_configuration_votes(members, raft->id);
}

static void observe(struct shard *shard)
{
    struct raft_state raft = replica_state(shard->replica);
    bool leads = raft.role == RAFT_LEADER;
    bool led = shard->leads && (!leads || raft.hard_state.term != shard->term);

    if (leads && !shard->leads) {
        shard->led_since_ms = loop_now_ms(shard->options.loop);
        log_info("shard.leads", log_number("shard", shard->record.shard),
                 log_number("term", raft.hard_state.term));
    }
    shard->leads = leads;
    shard->term = raft.hard_state.term;
    shard->leader = raft.leader;
    shard->is_alone = is_only_voter(&raft);
    shard->reads_at_once &= leads && !led && shard->is_alone;
    shard_look_at_wishes(shard, &raft, led);
    if (led) {
        lost_leadership(shard);
    }
}

static void set_tick(struct shard *shard)
{
    uint64_t now_ms = loop_now_ms(shard->options.loop);
    uint64_t wake_at_ms = replica_wake_at_ms(shard->replica);

    if (wake_at_ms == shard->tick_at_ms) {
        return;
    }
    shard->tick_at_ms = wake_at_ms;
    if (wake_at_ms == UINT64_MAX) {
        loop_timer_stop(&shard->tick);
    } else {
        loop_timer_start(&shard->tick, wake_at_ms > now_ms ? wake_at_ms - now_ms : 0);
    }
}

void shard_run(struct shard *shard)
{
    shard->received_size = 0;
    replica_run(shard->replica);

    enum status status = replica_status(shard->replica);

    if (status == STATUS_NO_SPACE) {
        shard_became_full(shard);
    } else if (status != STATUS_OK) {
        shard_fail(shard, status, "replica");
    } else {
        observe(shard);
        set_tick(shard);
    }
}

/* ---- The turn ---- */

void shard_turn_soon(struct shard *shard)
{
    if (!shard->turn_is_posted) {
        shard->turn_is_posted = true;
        loop_post(shard->options.loop, &shard->turn);
    }
}

bool shard_is_running(const struct shard *shard)
{
    return (shard->status == STATUS_OK || shard->status == STATUS_NO_SPACE) && !shard->is_sealed;
}

static void run_turn(struct shard *shard)
{
    bool goes_on = true;

    shard_offer_exports(shard);
    shard_ask_to_read(shard);
    while (goes_on && shard_is_running(shard) && !shard->is_full) {
        goes_on = shard_propose_some(shard);
        shard_run(shard);
    }
    if (shard_is_running(shard)) {
        shard_apply_some(shard);
    }
}

void shard_on_turn(struct loop_message *message)
{
    struct shard *shard = CONTAINER_OF(message, struct shard, turn);

    shard->turn_is_posted = false;
    if (shard_is_running(shard)) {
        if (shard->is_full) {
            shard_full_turn(shard);
        } else {
            run_turn(shard);
        }
    }
    shard_answer_ready(shard);
    shard_stop_if_quiet(shard);
}

void shard_on_tick(struct loop_timer *timer)
{
    struct shard *shard = CONTAINER_OF(timer, struct shard, tick);
    struct raft_event event = {.kind = RAFT_TICK, .now_ms = loop_now_ms(shard->options.loop)};

    shard->tick_at_ms = UINT64_MAX;
    if (shard_is_running(shard) && shard->replica != NULL && !shard->is_full) {
        enum status status = replica_step(shard->replica, &event);

        (void)status; /* replica_status() tells */
    }
    shard_turn_soon(shard);
}

/* ---- From the log ---- */

void shard_log_completed(void *context, struct log_append *append)
{
    struct shard *shard = append->context;
    struct shard_mailbox *mailbox = &shard->mailbox;

    pthread_mutex_lock(&mailbox->lock);

    bool posts = !mailbox->is_posted;

    append->next = NULL;
    *mailbox->end = append;
    mailbox->end = &append->next;
    mailbox->is_posted = true;
    pthread_mutex_unlock(&mailbox->lock);
    if (posts) {
        loop_post(shard->options.loop, &mailbox->message);
    }
}

static struct log_append *take_completed(struct shard_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);

    struct log_append *first = mailbox->first;

    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
    mailbox->is_posted = false;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

/* What became durable before a failure is carried out before it. */
static void written(struct shard *shard, struct log_append *append)
{
    if (append->status != STATUS_OK && shard_is_running(shard) && !shard->is_full) {
        shard_run(shard);
    }
    if (append->status == STATUS_OK) {
        CRASH_POINT("shard.durable");
    }
    replica_written(append, loop_now_ms(shard->options.loop));
}

void shard_on_completed(struct loop_message *message)
{
    struct shard_mailbox *mailbox = CONTAINER_OF(message, struct shard_mailbox, message);
    struct shard *shard = CONTAINER_OF(mailbox, struct shard, mailbox);
    struct log_append *append = take_completed(mailbox);

    while (append != NULL) {
        struct log_append *next = append->next;

        if (append == &shard->probe) {
            shard_probed(shard, append->status);
        } else {
            written(shard, append);
        }
        append = next;
    }
    shard_look_at_install(shard);
    shard_turn_soon(shard);
}
