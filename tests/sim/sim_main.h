/* What the command line of sim says. */
#ifndef AVISO_TESTS_SIM_SIM_MAIN_H
#define AVISO_TESTS_SIM_SIM_MAIN_H

#include <signal.h>

#include "tests/sim/sim.h"

struct settings {
    const char *program;
    bool one, swarm, traces, story, points, brief, keeps_going;
    uint64_t first, last, minutes, duration_s, stride, drift_ppm;
    unsigned jobs;
    const char *systematic;
};

int run_systematic(const struct settings *settings);

/* Prints the name of each crash point once, when it is reached. */
void sim_watch_points(struct sim *sim);

#endif
