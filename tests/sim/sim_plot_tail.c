/* Plots around a leader who is alone with the end of its log, which others overwrite or which comes
 * back. */
#include "core/check.h"
#include "tests/sim/sim_nemesis.h"

static struct raft_state state_of(const struct shard *shard)
{
    return replica_state(shard->replica);
}

static bool has_heir(struct sim *sim, struct plot *plot)
{
    struct shard *heir = plot_leader_after(sim, plot, plot->term, plot->leader);

    plot->next = heir != NULL ? heir : plot->next;
    return heir != NULL;
}

static bool leads_again(struct sim *sim, struct plot *plot)
{
    return plot_runs(plot->leader) && shard_leads(plot->leader) &&
           state_of(plot->leader).hard_state.term > plot->term;
}

/* ---- Old entries (Figure 8 of the paper): the leader has entries that nobody else has; another
 * leads, and nobody hears of it; the first leads again, and when a majority has its old entries and
 * nothing of its new term, it is cut off again and the other comes back. ---- */

static bool begin_old_entries(struct sim *sim, struct plot *plot)
{
    plot_partition(sim, plot, plot_bit(plot->leader));
    plot->mark.term = plot->term;
    plot->mark.index = state_of(plot->leader).last.index + 1;
    plot_write(plot->leader, 3);
    return true;
}

static bool tail_is_durable(struct sim *sim, struct plot *plot)
{
    return plot_runs(plot->leader) &&
           state_of(plot->leader).persisted_index >= plot->mark.index + 2;
}

static void silence_heir(struct sim *sim, struct plot *plot)
{
    plot->term = state_of(plot->next).hard_state.term;
    plot_partition(sim, plot, plot_bit(plot->next));
    plot_write(plot->next, 1);
}

static void campaign_leader(struct sim *sim, struct plot *plot)
{
    plot_campaign(plot->leader);
}

static void note_term(struct sim *sim, struct plot *plot)
{
    plot->term = state_of(plot->leader).hard_state.term;
}

static bool majority_has_old_entries(struct sim *sim, struct plot *plot)
{
    size_t count = 0;

    for (size_t i = 0; i < plot->other_count; i++) {
        const struct shard *other = plot->others[i];

        count += plot_runs(other) && state_of(other).last.index >= plot->mark.index &&
                 state_of(other).last.term == plot->mark.term;
    }
    return count >= plot->other_count / 2;
}

static void silence_leader(struct sim *sim, struct plot *plot)
{
    plot_silence(sim, plot, plot_bit(plot->leader), ~plot_bit(plot->leader));
}

static void isolate_leader(struct sim *sim, struct plot *plot)
{
    plot_partition(sim, plot, plot_bit(plot->leader));
}

static void campaign_heir(struct sim *sim, struct plot *plot)
{
    plot_campaign(plot->next);
}

static void write_to_heir(struct sim *sim, struct plot *plot)
{
    plot_write(plot->next, 1);
}

static const struct plot_step old_entries_steps[] = {
    {tail_is_durable, NULL, NULL, 4 * SECOND},
    {has_heir, silence_heir, NULL, 8 * SECOND},
    {leads_again, note_term, campaign_leader, 12 * SECOND},
    {majority_has_old_entries, silence_leader, NULL, 4 * SECOND},
    {NULL, isolate_leader, NULL, 1200 * MS},
    {has_heir, write_to_heir, campaign_heir, 12 * SECOND},
    {NULL, NULL, NULL, 3 * SECOND},
};

const struct plot_kind plot_old_entries = {"old-entries", begin_old_entries, old_entries_steps,
                                           COUNT_OF(old_entries_steps), false};

/* ---- Late completion: the leader's disk takes seconds for entries that nobody else has; they are
 * overwritten by those of another leader before they are durable. When the first write ends, and
 * those of the other leader are not durable here, the state is flushed and the node falls. ---- */

static bool begin_late_completion(struct sim *sim, struct plot *plot)
{
    plot->leader->node->disk_us = nemesis_between(sim, 4 * SECOND, 8 * SECOND);
    plot_partition(sim, plot, plot_bit(plot->leader));
    plot_write(plot->leader, 3);
    if (plot_runs(plot->leader)) {
        plot->mark = state_of(plot->leader).last;
    }
    return true;
}

static void write_more(struct sim *sim, struct plot *plot)
{
    plot->term = state_of(plot->next).hard_state.term;
    plot_write(plot->next, 5);
}

static bool heir_committed(struct sim *sim, struct plot *plot)
{
    return plot_runs(plot->next) && state_of(plot->next).commit_index > plot->mark.index;
}

static void join(struct sim *sim, struct plot *plot)
{
    plot_partition(sim, plot, 0);
}

static bool is_overwritten(struct sim *sim, struct plot *plot)
{
    return plot_runs(plot->leader) && state_of(plot->leader).last.term >= plot->term &&
           state_of(plot->leader).commit_index >= plot->mark.index;
}

static void note_applied(struct sim *sim, struct plot *plot)
{
    plot->index = state_of(plot->leader).applied_index;
}

static bool has_applied(struct sim *sim, struct plot *plot)
{
    return plot_runs(plot->leader) && state_of(plot->leader).applied_index > plot->index;
}

static void flush_and_fall(struct sim *sim, struct plot *plot)
{
    struct node *node = plot->leader->node;

    sim->running = node;
    shard_flush(plot->leader);
    node_end_event(node);
    node_crash(node, FAKE_DISK_LOSES, SECOND);
}

static const struct plot_step late_completion_steps[] = {
    {has_heir, write_more, NULL, 7 * SECOND},
    {heir_committed, join, NULL, 4 * SECOND},
    {is_overwritten, note_applied, NULL, 4 * SECOND},
    {has_applied, flush_and_fall, NULL, 17 * SECOND},
    {NULL, NULL, NULL, 3 * SECOND},
};

const struct plot_kind plot_late_completion = {"late-completion", begin_late_completion,
                                               late_completion_steps,
                                               COUNT_OF(late_completion_steps), false};

/* ---- Wished alone: the leader is cut off with the wish to put a learner in a voter's place, which
 * is undone when it comes back; then it leads again, and is cut off together with that learner as
 * soon as it changes anything. ---- */

static struct shard *find_learner(struct sim *sim, const struct plot *plot)
{
    const struct raft_configuration *members = state_of(plot->leader).configuration;
    struct raft_peer peer;

    for (size_t i = 0; i < members->count; i++) {
        uint64_t id = members->replicas[i].id;

        if (members->replicas[i].parts == RAFT_LEARNER &&
            replica_peer(plot->leader->replica, id, &peer) == STATUS_OK &&
            peer.mode == RAFT_REPLICATE) {
            return shard_by_id(sim, plot->group, id);
        }
    }
    return NULL;
}

static bool wish(struct sim *sim, struct plot *plot)
{
    struct raft_configuration wished = {0};
    struct raft_configuration members = *state_of(plot->leader).configuration;

    for (size_t i = 0; i < members.count; i++) {
        struct raft_replica replica = members.replicas[i];

        if (replica.id == shard_id(plot->learner)) {
            replica.parts = RAFT_VOTER;
        }
        if (replica.id != shard_id(plot->others[0])) {
            CHECK(raft_configuration_put(&wished, replica) == STATUS_OK);
        }
    }
    sim->running = plot->leader->node;
    enum status status =
        shard_step(plot->leader, (struct raft_event){.kind = RAFT_CONFIGURATION_PROPOSED,
                                                     .configuration = &wished});
    node_end_event(plot->leader->node);
    return status == STATUS_OK;
}

static bool begin_wish(struct sim *sim, struct plot *plot)
{
    plot->learner = find_learner(sim, plot);
    if (plot->learner == NULL) {
        bool added = operator_add(sim, plot->group);

        (void)added; /* for the next time */
        return false;
    }
    plot_partition(sim, plot, plot_bit(plot->leader));
    return wish(sim, plot);
}

static void note_heir(struct sim *sim, struct plot *plot)
{
    plot->term = state_of(plot->next).hard_state.term;
    join(sim, plot);
}

static bool is_undone(struct sim *sim, struct plot *plot)
{
    return plot_runs(plot->leader) && state_of(plot->leader).last.term >= plot->term;
}

static void give_back(struct sim *sim, struct plot *plot)
{
    struct shard *now = operator_leader(sim, plot->group);

    if (now != NULL && now != plot->leader) {
        plot_step_event(now, RAFT_TRANSFER, shard_id(plot->leader));
    }
}

static bool changes_members(struct sim *sim, struct plot *plot)
{
    return plot_runs(plot->leader) && shard_leads(plot->leader) &&
           state_of(plot->leader).configuration_index > state_of(plot->leader).commit_index;
}

static void part_with_learner(struct sim *sim, struct plot *plot)
{
    plot_partition(sim, plot, plot_bit(plot->leader) | plot_bit(plot->learner));
    plot_write(plot->leader, 2);
}

static const struct plot_step wish_steps[] = {
    {has_heir, note_heir, NULL, 8 * SECOND},
    {is_undone, give_back, NULL, 6 * SECOND},
    {leads_again, NULL, give_back, 8 * SECOND},
    {changes_members, part_with_learner, NULL, 2 * SECOND},
    {NULL, NULL, NULL, 8 * SECOND},
};

const struct plot_kind plot_wished_alone = {"wished-alone", begin_wish, wish_steps,
                                            COUNT_OF(wish_steps), false};

/* ---- Called upon: again a leader is alone with its wish; the next one's first entry reaches
 * nobody but the learner, and then that leader is lost for ever. The newest log is now with one
 * that is no voter by it, and without its vote the wish has no majority (raft_receive_vote()). ----
 */

static void campaign_other(struct sim *sim, struct plot *plot)
{
    plot_campaign(plot->others[1]);
}

static bool other_leads(struct sim *sim, struct plot *plot)
{
    return has_heir(sim, plot) && plot->next == plot->others[1];
}

static void tell_learner_alone(struct sim *sim, struct plot *plot)
{
    unsigned heard_by = plot_bit(plot->next) | plot_bit(plot->learner);

    plot->term = state_of(plot->next).hard_state.term;
    plot_silence(sim, plot, plot_bit(plot->next), ~heard_by);
}

static bool learner_has_it(struct sim *sim, struct plot *plot)
{
    return plot_runs(plot->learner) && state_of(plot->learner).last.term == plot->term &&
           state_of(plot->learner).persisted_index == state_of(plot->learner).last.index;
}

static void lose_next(struct sim *sim, struct plot *plot)
{
    bool lost = nemesis_lose_disk(sim, plot->next->node);

    (void)lost;
    join(sim, plot);
}

static const struct plot_step called_upon_steps[] = {
    {other_leads, tell_learner_alone, campaign_other, 8 * SECOND},
    {learner_has_it, lose_next, NULL, 3 * SECOND},
    {NULL, NULL, NULL, 20 * SECOND},
};

const struct plot_kind plot_called_upon = {"called-upon", begin_wish, called_upon_steps,
                                           COUNT_OF(called_upon_steps), false};
