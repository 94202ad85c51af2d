#include <stdio.h>
#include <string.h>

#include "storage/crash_point.h"
#include "tests/sim/sim_main.h"

enum { NAMES_MAX = 256 };

static const char *seen_names[NAMES_MAX];
static size_t seen_count;

static void on_point(struct sim *sim, const char *name)
{
    for (size_t i = 0; i < seen_count; i++) {
        if (seen_names[i] == name || strcmp(seen_names[i], name) == 0) {
            return;
        }
    }
    if (seen_count < NAMES_MAX) {
        seen_names[seen_count++] = name;
        printf("point %s\n", name);
    }
}

void sim_watch_points(struct sim *sim)
{
    sim->on_point = on_point;
    sim_arm_crash(sim, NULL, "", 0);
}

int run_systematic(const struct settings *settings)
{
    return 2;
}
