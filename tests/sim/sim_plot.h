/* Plots: adversaries who look at the cluster after every event, and strike when it hurts. A fault
 * of sim_nemesis.h hits by chance; a plot has a cast and steps, as an attacker who can see
 * everything and cut, delay, slow and crash anything. Whatever it does can happen to a real
 * cluster, and a core without a bug has to bear it: the checkers are the same.
 *
 * A plot is a table of steps. Each waits for something to have happened, then acts; while it waits
 * it may poke every now and then. When its patience is over, or after the last step, all that the
 * plot took (links, disks) is given back. One goes on at a time. */
#ifndef AVISO_TESTS_SIM_SIM_PLOT_H
#define AVISO_TESTS_SIM_SIM_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/raft/raft.h"

struct sim;
struct shard;
struct plot;

enum { PLOT_CAST_MAX = 8 };

struct plot_step {
    bool (*happened)(struct sim *sim, struct plot *plot); /* NULL: patience over is what happens */
    void (*act)(struct sim *sim, struct plot *plot);      /* NULL: nothing to do */
    void (*poke)(struct sim *sim, struct plot *plot);     /* or NULL */
    uint64_t patience_us;
};

struct plot_kind {
    const char *text;
    bool (*begin)(struct sim *sim, struct plot *plot); /* false: this is not the moment */
    const struct plot_step *steps;
    size_t step_count;
    bool is_of_leases; /* only where reads go by leases */
};

/* The one that goes on, in struct sim. */
struct plot {
    const struct plot_kind *kind; /* NULL: none */
    size_t step;
    uint64_t number; /* of the plot: its events of an earlier one are void */
    uint64_t patient_until_us;
    uint64_t fault; /* what its links are marked with */
    unsigned group;
    struct shard *leader;                /* when it began */
    struct shard *others[PLOT_CAST_MAX]; /* the other voters, in an order by chance */
    size_t other_count;
    struct shard *next; /* a later leader, or whoever else it is about */
    struct shard *learner;
    struct raft_position mark;
    uint64_t term, index;
};

/* ---- The engine (sim_plot.c) ---- */

/* After every event, when a plot goes on. */
void plot_look(struct sim *sim);
void plot_end(struct sim *sim);
size_t plot_count(void);

/* ---- For plots ---- */

/* The leader of the group and its other voters, an odd number of at least three in all, each of
 * them working. False: not now. */
bool plot_cast(struct sim *sim, struct plot *plot);

bool plot_runs(const struct shard *shard);
unsigned plot_bit(const struct shard *shard); /* its slot */

/* Gives the plot's links back, then parts the slots of `side` from all others; what is on its way
 * between them is lost too. 0: whole again. */
void plot_partition(struct sim *sim, struct plot *plot, unsigned side);
/* Nothing from these slots arrives at those any more. */
void plot_silence(struct sim *sim, struct plot *plot, unsigned from, unsigned to);
/* Messages from one to the other wait until then. */
void plot_hold(struct sim *sim, struct plot *plot, const struct shard *from, const struct shard *to,
               uint64_t until_us);

/* Messages from one to the other take so much longer, half or three halves of it. */
void plot_slow(struct sim *sim, struct plot *plot, const struct shard *from, const struct shard *to,
               uint64_t by_us);

/* Steps an event; OK also when the replica refuses. */
void plot_step_event(struct shard *shard, enum raft_event_kind kind, uint64_t peer);
/* Unless it is a candidate already, or leads. */
void plot_campaign(struct shard *shard);
/* Some writes that no client waits for. */
void plot_write(struct shard *shard, unsigned count);
/* A replica of the group that leads a term over `term`, apart from `but`; or NULL. */
struct shard *plot_leader_after(struct sim *sim, const struct plot *plot, uint64_t term,
                                const struct shard *but);

/* ---- The plots (sim_plot_*.c) ---- */

extern const struct plot_kind plot_old_entries, plot_late_completion, plot_wished_alone,
    plot_called_upon;
extern const struct plot_kind plot_votes_while_writing, plot_two_heirs;
extern const struct plot_kind plot_behind, plot_restless, plot_no_room;
extern const struct plot_kind plot_late_answers, plot_forgotten_lease, plot_own_lease;

#endif
