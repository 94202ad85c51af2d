/* Plots around elections: who may vote, and for whom. */
#include "tests/sim/sim_nemesis.h"

static struct raft_state state_of(const struct shard *shard)
{
    return replica_state(shard->replica);
}

static unsigned bits_of(const struct plot *plot, size_t first, size_t end)
{
    unsigned bits = 0;

    for (size_t i = first; i < end; i++) {
        bits |= plot_bit(plot->others[i]);
    }
    return bits;
}

/* ---- Votes while writing: others[0] writes slowly what its leader sent, and its answer is due,
 * when a candidate that lacks it asks for its vote. The leader still hears the answers that its
 * follower gave before, on a slow link; the follower has not heard of it for so long that its lease
 * is over. Half of the others stay with the leader, half are on the candidate's side. ---- */

enum { WRITE_TAKES = 2600 * MS, ANSWER_TAKES = 1600 * MS };

static unsigned candidates(const struct plot *plot)
{
    return bits_of(plot, 1, 1 + plot->other_count / 2);
}

static bool begin_votes(struct sim *sim, struct plot *plot)
{
    struct shard *voter = plot->others[0];
    unsigned apart = candidates(plot);
    unsigned rest = ~(apart | plot_bit(voter));

    plot->mark = state_of(plot->leader).last;
    plot_silence(sim, plot, apart, rest);
    plot_silence(sim, plot, rest, apart);
    voter->node->disk_us = WRITE_TAKES;
    plot_slow(sim, plot, voter, plot->leader, ANSWER_TAKES);
    plot_write(plot->leader, 1);
    return true;
}

static bool voter_writes(struct sim *sim, struct plot *plot)
{
    const struct shard *voter = plot->others[0];

    return plot_runs(voter) && state_of(voter).last.index > plot->mark.index &&
           state_of(voter).persisted_index < state_of(voter).last.index;
}

static void hide_leader(struct sim *sim, struct plot *plot)
{
    unsigned voter = plot_bit(plot->others[0]);

    plot_slow(sim, plot, plot->others[0], plot->leader, 0);
    plot_silence(sim, plot, ~(candidates(plot) | voter), voter);
}

static bool candidate_leads(struct sim *sim, struct plot *plot)
{
    return plot_leader_after(sim, plot, plot->term, plot->leader) != NULL;
}

static void ask_for_votes(struct sim *sim, struct plot *plot)
{
    plot_campaign(plot->others[1]);
}

static const struct plot_step votes_steps[] = {
    {voter_writes, hide_leader, NULL, 2 * SECOND},
    {candidate_leads, NULL, ask_for_votes, 5 * SECOND},
    {NULL, NULL, NULL, 3 * SECOND},
};

const struct plot_kind plot_votes_while_writing = {"votes-while-writing", begin_votes, votes_steps,
                                                   COUNT_OF(votes_steps), false};

/* ---- Two heirs: what told others[0] to lead is late, so that it is given up and others[1] is
 * told; then both hear of it at once, and campaign by force in one term. ---- */

static bool begin_heirs(struct sim *sim, struct plot *plot)
{
    plot_hold(sim, plot, plot->leader, plot->others[0], sim->now_us + 10 * SECOND);
    plot_step_event(plot->leader, RAFT_TRANSFER, shard_id(plot->others[0]));
    return plot_runs(plot->leader) &&
           state_of(plot->leader).transferring_to == shard_id(plot->others[0]);
}

static bool gave_up(struct sim *sim, struct plot *plot)
{
    return plot_runs(plot->leader) && shard_leads(plot->leader) &&
           state_of(plot->leader).hard_state.term == plot->term &&
           state_of(plot->leader).transferring_to == 0;
}

static void tell_the_other(struct sim *sim, struct plot *plot)
{
    uint64_t soon_us = sim->now_us + 2 * sim->plan.delay_max_us;

    plot_hold(sim, plot, plot->leader, plot->others[0], soon_us);
    plot_hold(sim, plot, plot->leader, plot->others[1], soon_us);
    plot_step_event(plot->leader, RAFT_TRANSFER, shard_id(plot->others[1]));
}

static const struct plot_step heirs_steps[] = {
    {gave_up, tell_the_other, NULL, 5 * SECOND},
    {NULL, NULL, NULL, 3 * SECOND},
};

const struct plot_kind plot_two_heirs = {"two-heirs", begin_heirs, heirs_steps,
                                         COUNT_OF(heirs_steps), false};
