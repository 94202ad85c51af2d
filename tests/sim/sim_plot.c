#include "tests/sim/sim_plot.h"

#include <inttypes.h>

#include "core/check.h"
#include "tests/sim/sim_nemesis.h"

enum { POKE_EVERY = 120 * MS };

static const struct plot_kind *const kinds[] = {
    &plot_old_entries, &plot_late_completion, &plot_wished_alone,    &plot_votes_while_writing,
    &plot_two_heirs,   &plot_late_answers,    &plot_forgotten_lease, &plot_own_lease,
    &plot_called_upon, &plot_restless,        &plot_behind,          &plot_no_room,
};

size_t plot_count(void)
{
    return COUNT_OF(kinds);
}

/* ---- Its course ---- */

static void enter_step(struct sim *sim, size_t step)
{
    struct plot *plot = &sim->plot;

    plot->step = step;
    if (step == plot->kind->step_count) {
        sim_tell(sim, "plot %s of group %u: done", plot->kind->text, plot->group);
        plot_end(sim);
        return;
    }
    plot->patient_until_us = sim->now_us + plot->kind->steps[step].patience_us;
}

static void go_on(struct sim *sim)
{
    struct plot *plot = &sim->plot;
    const struct plot_step *step = &plot->kind->steps[plot->step];

    SIM_TRACE(sim, "plot %s of group %u: step %zu", plot->kind->text, plot->group, plot->step);
    if (step->act != NULL) {
        step->act(sim, plot);
    }
    if (plot->kind != NULL) {
        enter_step(sim, plot->step + 1);
    }
}

void plot_look(struct sim *sim)
{
    const struct plot *plot = &sim->plot;
    const struct plot_step *step = &plot->kind->steps[plot->step];

    if (step->happened != NULL && step->happened(sim, &sim->plot)) {
        go_on(sim);
    }
}

static void run_poke(struct sim *sim, void *context, uint64_t argument)
{
    struct plot *plot = &sim->plot;

    if (plot->kind == NULL || plot->number != argument) {
        return;
    }
    const struct plot_step *step = &plot->kind->steps[plot->step];
    if (sim->now_us >= plot->patient_until_us) {
        if (step->happened == NULL) {
            go_on(sim);
        } else {
            SIM_TRACE(sim, "plot %s of group %u: step %zu does not come", plot->kind->text,
                      plot->group, plot->step);
            plot_end(sim);
        }
    } else if (step->poke != NULL) {
        step->poke(sim, plot);
    }
    sim_at(sim, sim->now_us + POKE_EVERY, run_poke, NULL, argument);
}

static const struct plot_kind *choose(struct sim *sim)
{
    size_t first = nemesis_chance(sim, COUNT_OF(kinds));

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        size_t place = (first + i) % COUNT_OF(kinds);

        if ((sim->plan.plots >> place & 1) != 0 &&
            (sim->plan.lease_reads || !kinds[place]->is_of_leases)) {
            return kinds[place];
        }
    }
    return NULL;
}

void fault_plot(struct sim *sim)
{
    struct plot *plot = &sim->plot;
    const struct plot_kind *kind = choose(sim);

    if (plot->kind != NULL || kind == NULL) {
        return;
    }
    *plot = (struct plot){
        .number = plot->number + 1,
        .fault = sim->fault_number,
        .group = (unsigned)nemesis_chance(sim, sim->plan.groups),
    };
    if (!plot_cast(sim, plot) || !kind->begin(sim, plot)) {
        plot_partition(sim, plot, 0);
        return;
    }
    plot->kind = kind;
    sim_tell(sim, "plot %s of group %u begins, against node %" PRIu64, kind->text, plot->group,
             shard_id(plot->leader));
    enter_step(sim, 0);
    sim_at(sim, sim->now_us + POKE_EVERY, run_poke, NULL, plot->number);
}

void plot_end(struct sim *sim)
{
    plot_partition(sim, &sim->plot, 0);
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        sim->nodes[slot].disk_us = 0;
        fake_disk_limit(sim->nodes[slot].disk, UINT64_MAX);
    }
    sim->plot.kind = NULL;
}

/* ---- The cast ---- */

bool plot_runs(const struct shard *shard)
{
    return shard->node->up && !shard->node->dying && shard->phase == SHARD_RUNS &&
           shard->generation == shard->node->sim->groups[shard->group].generation;
}

unsigned plot_bit(const struct shard *shard)
{
    return 1U << shard->node->slot;
}

static void shuffle(struct sim *sim, struct plot *plot)
{
    for (size_t i = plot->other_count; i > 1; i--) {
        size_t place = nemesis_chance(sim, i);
        struct shard *moved = plot->others[i - 1];

        plot->others[i - 1] = plot->others[place];
        plot->others[place] = moved;
    }
}

bool plot_cast(struct sim *sim, struct plot *plot)
{
    struct shard *leader = operator_leader(sim, plot->group);

    if (leader == NULL || !plot_runs(leader) || sim->groups[plot->group].disaster) {
        return false;
    }
    struct raft_state state = replica_state(leader->replica);
    plot->leader = leader;
    plot->term = state.hard_state.term;
    for (size_t i = 0; i < state.configuration->count; i++) {
        const struct raft_replica *replica = &state.configuration->replicas[i];
        struct shard *shard = shard_by_id(sim, plot->group, replica->id);

        if ((replica->parts & RAFT_OUTGOING) != 0 || shard == NULL || !plot_runs(shard)) {
            return false;
        }
        if ((replica->parts & RAFT_VOTER) != 0 && shard != leader) {
            if (plot->other_count == PLOT_CAST_MAX) {
                return false;
            }
            plot->others[plot->other_count++] = shard;
        }
    }
    shuffle(sim, plot);
    return plot->other_count >= 2 && plot->other_count % 2 == 0;
}

struct shard *plot_leader_after(struct sim *sim, const struct plot *plot, uint64_t term,
                                const struct shard *but)
{
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        struct shard *shard = &sim->nodes[slot].shards[plot->group];

        if (shard != but && plot_runs(shard) && shard_leads(shard) &&
            replica_state(shard->replica).hard_state.term > term) {
            return shard;
        }
    }
    return NULL;
}

/* ---- What it does to them ---- */

static struct link *take(struct sim *sim, const struct plot *plot, unsigned from, unsigned to)
{
    struct link *link = &sim->links[from][to];

    link->fault = plot->fault;
    return link;
}

static void mend(struct sim *sim, const struct plot *plot)
{
    for (unsigned from = 0; from < sim->node_count; from++) {
        for (unsigned to = 0; to < sim->node_count; to++) {
            struct link *link = &sim->links[from][to];

            if (link->fault == plot->fault) {
                link->cut = link->severed = false;
                link->holds_until_us = link->slow_us = 0;
            }
        }
    }
}

void plot_silence(struct sim *sim, struct plot *plot, unsigned from, unsigned to)
{
    for (unsigned one = 0; one < sim->node_count; one++) {
        for (unsigned other = 0; other < sim->node_count; other++) {
            if (one != other && (from >> one & 1) != 0 && (to >> other & 1) != 0) {
                struct link *link = take(sim, plot, one, other);

                link->cut = link->severed = true;
            }
        }
    }
}

void plot_partition(struct sim *sim, struct plot *plot, unsigned side)
{
    mend(sim, plot);
    plot_silence(sim, plot, side, ~side);
    plot_silence(sim, plot, ~side, side);
}

void plot_hold(struct sim *sim, struct plot *plot, const struct shard *from, const struct shard *to,
               uint64_t until_us)
{
    take(sim, plot, from->node->slot, to->node->slot)->holds_until_us = until_us;
}

void plot_slow(struct sim *sim, struct plot *plot, const struct shard *from, const struct shard *to,
               uint64_t by_us)
{
    take(sim, plot, from->node->slot, to->node->slot)->slow_us = by_us;
}

void plot_step_event(struct shard *shard, enum raft_event_kind kind, uint64_t peer)
{
    if (plot_runs(shard)) {
        shard->node->sim->running = shard->node;
        enum status status = shard_step(shard, (struct raft_event){.kind = kind, .peer = peer});

        (void)status;
        node_end_event(shard->node);
    }
}

void plot_campaign(struct shard *shard)
{
    if (plot_runs(shard) && replica_state(shard->replica).role <= RAFT_PRE_CANDIDATE) {
        plot_step_event(shard, RAFT_CAMPAIGN, 0);
    }
}

void plot_write(struct shard *shard, unsigned count)
{
    for (unsigned i = 0; i < count && plot_runs(shard); i++) {
        client_press(shard);
    }
}
