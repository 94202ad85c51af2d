/* What the command line of sim says. */
#ifndef AVISO_TESTS_SIM_SIM_MAIN_H
#define AVISO_TESTS_SIM_SIM_MAIN_H

#include <signal.h>

#include "tests/sim/sim.h"

struct settings {
    const char *program;
    bool one, swarm, traces, story, points, brief, keeps_going, planted;
    uint64_t first, last, minutes, duration_s, stride, drift_ppm;
    unsigned jobs;
    const char *systematic;
};

int run_systematic(const struct settings *settings);
int run_planted(void);

/* Three nodes and a spare, where nothing fails by chance. */
void sim_quiet_plan(struct plan *plan);

/* Prints the name of each crash point once, when it is reached. */
void sim_watch_points(struct sim *sim);

#endif
