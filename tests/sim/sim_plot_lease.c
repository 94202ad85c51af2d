/* Plots around leases: a leader answers reads by its own clock, and another one may lead already.
 * Clocks go as wrong as the plan allows, the old leader's slow and all others fast. */
#include "tests/sim/sim_nemesis.h"

enum { ANSWER_TAKES = 1600 * MS };

static void set_clocks(struct sim *sim, const struct plot *plot)
{
    int64_t most = sim->plan.clock_rate_max_ppm;

    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        bool is_slow = &sim->nodes[slot] == plot->leader->node;

        node_clock_change(&sim->nodes[slot], 0, is_slow ? -most : most);
    }
}

static void right_clocks(struct sim *sim, struct plot *plot)
{
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        node_clock_change(&sim->nodes[slot], 0, 0);
    }
}

/* The candidate is the last of the others, so that those who vote for it are the first. */
static void compete(struct sim *sim, struct plot *plot)
{
    if (plot_leader_after(sim, plot, plot->term, plot->leader) == NULL) {
        plot_campaign(plot->others[plot->other_count - 1]);
    }
    client_hurry(plot->leader, true);
}

static bool has_heir(struct sim *sim, struct plot *plot)
{
    plot->next = plot_leader_after(sim, plot, plot->term, plot->leader);
    return plot->next != NULL;
}

/* Somebody is told of a write of the new leader, and then asks the old one. */
static void write_and_read(struct sim *sim, struct plot *plot)
{
    client_hurry(plot->next, false);
    client_hurry(plot->leader, true);
}

/* ---- Late answers: they were given long ago, and are not news of who follows now ---- */

static bool begin_late_answers(struct sim *sim, struct plot *plot)
{
    set_clocks(sim, plot);
    for (size_t i = 0; i < plot->other_count; i++) {
        plot_slow(sim, plot, plot->others[i], plot->leader, ANSWER_TAKES);
    }
    return true;
}

static void silence_leader(struct sim *sim, struct plot *plot)
{
    plot_silence(sim, plot, plot_bit(plot->leader), ~plot_bit(plot->leader));
}

static const struct plot_step late_answers_steps[] = {
    {NULL, silence_leader, NULL, 3 * SECOND},
    {has_heir, write_and_read, compete, 6 * SECOND},
    {NULL, right_clocks, write_and_read, 3 * SECOND},
};

const struct plot_kind plot_late_answers = {"late-answers", begin_late_answers, late_answers_steps,
                                            COUNT_OF(late_answers_steps), true};

static void isolate_leader(struct sim *sim, struct plot *plot)
{
    plot_partition(sim, plot, plot_bit(plot->leader));
}

/* ---- Forgotten lease: the leader is cut off from all others, who fall and are there again at
 * once, without a memory of the leader that they heard just now ---- */

static bool begin_forgotten_lease(struct sim *sim, struct plot *plot)
{
    set_clocks(sim, plot);
    return true;
}

static void isolate_and_fall(struct sim *sim, struct plot *plot)
{
    isolate_leader(sim, plot);
    for (size_t i = 0; i < plot->other_count; i++) {
        node_crash(plot->others[i]->node, FAKE_DISK_KEEPS, 20 * MS);
    }
}

static const struct plot_step forgotten_lease_steps[] = {
    {NULL, isolate_and_fall, NULL, SECOND},
    {has_heir, write_and_read, compete, 6 * SECOND},
    {NULL, right_clocks, write_and_read, 3 * SECOND},
};

const struct plot_kind plot_forgotten_lease = {"forgotten-lease", begin_forgotten_lease,
                                               forgotten_lease_steps,
                                               COUNT_OF(forgotten_lease_steps), true};

/* ---- Own lease: half of the others have not heard of the leader for long when it is cut off from
 * all, and one of those who heard it just now is told to lead ---- */

static bool begin_own_lease(struct sim *sim, struct plot *plot)
{
    unsigned deaf = 0;

    set_clocks(sim, plot);
    for (size_t i = 0; i < plot->other_count / 2; i++) {
        deaf |= plot_bit(plot->others[i]);
    }
    plot_silence(sim, plot, plot_bit(plot->leader), deaf);
    return true;
}

static const struct plot_step own_lease_steps[] = {
    {NULL, isolate_leader, NULL, 3 * SECOND},
    {has_heir, write_and_read, compete, 6 * SECOND},
    {NULL, right_clocks, write_and_read, 3 * SECOND},
};

const struct plot_kind plot_own_lease = {"own-lease", begin_own_lease, own_lease_steps,
                                         COUNT_OF(own_lease_steps), true};
