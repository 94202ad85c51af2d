/* A crash at every step of a history: it runs once to count the crash points between its beginning
 * and its end, and then once for each of them, with the node that reaches it going down there. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/crash_point.h"
#include "tests/sim/sim_main.h"

enum { NAMES_MAX = 256, BEGIN = 20 * SECOND, END = 32 * SECOND };

/* ---- Which points there are ---- */

static const char *seen_names[NAMES_MAX];
static size_t seen_count;

static void on_point(struct sim *sim, const char *name)
{
    for (size_t i = 0; i < seen_count; i++) {
        if (strcmp(seen_names[i], name) == 0) {
            return;
        }
    }
    if (seen_count < NAMES_MAX) {
        seen_names[seen_count++] = name;
        printf("point %s\n", name);
        fflush(stdout);
    }
}

void sim_watch_points(struct sim *sim)
{
    sim->on_point = on_point;
    sim_arm_crash(sim, NULL, "", 0);
}

/* ---- The histories ---- */

static uint64_t crash_at; /* the point, from 1; 0: none, only count */
static uint64_t points;   /* that the history has */

static void ignore_point(struct sim *sim, const char *name)
{
    points++;
}

static void run_begin(struct sim *sim, void *context, uint64_t argument)
{
    points = 0;
    sim->on_point = ignore_point;
    sim_arm_crash(sim, NULL, "", crash_at);
}

static void run_end(struct sim *sim, void *context, uint64_t argument)
{
    sim->on_point = NULL;
    sim->crash_after = 0;
    crash_point_disarm();
}

static void begin(struct sim *sim)
{
    sim_at(sim, BEGIN, run_begin, NULL, 0);
    sim_at(sim, END, run_end, NULL, 0);
}

static void run_links(struct sim *sim, void *context, uint64_t argument)
{
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        sim->links[2][slot].cut = sim->links[slot][2].cut = argument != 0;
    }
}

/* A follower misses what the log lets go of, and comes back. */
static void snapshot(struct sim *sim)
{
    begin(sim);
    sim_at(sim, 4 * SECOND, run_links, NULL, 1);
    sim_at(sim, BEGIN, run_links, NULL, 0);
}

static void run_add(struct sim *sim, void *context, uint64_t argument)
{
    if (!operator_add(sim, 0)) {
        sim_at(sim, sim->now_us + 300 * MS, run_add, NULL, 0);
    }
}

static void run_swap(struct sim *sim, void *context, uint64_t argument)
{
    if (!operator_swap(sim, 0)) {
        sim_at(sim, sim->now_us + 300 * MS, run_swap, NULL, 0);
    }
}

/* A learner comes, and takes the leader's place by way of a joint configuration. */
static void membership(struct sim *sim)
{
    begin(sim);
    sim_at(sim, BEGIN, run_add, NULL, 0);
    sim_at(sim, BEGIN + 2 * SECOND, run_swap, NULL, 0);
}

static void run_transfer(struct sim *sim, void *context, uint64_t argument)
{
    nemesis_do(sim, FAULT_TRANSFER);
}

static void transfer(struct sim *sim)
{
    begin(sim);
    for (uint64_t i = 0; i < 4; i++) {
        sim_at(sim, BEGIN + i * 2 * SECOND, run_transfer, NULL, 0);
    }
}

static const struct {
    const char *name;
    void (*script)(struct sim *sim);
} histories[] = {{"snapshot", snapshot}, {"membership", membership}, {"transfer", transfer}};

/* ---- Running them ---- */

void sim_quiet_plan(struct plan *plan)
{
    plan_from_seed(plan, 1, false);
    plan->nodes = 3;
    plan->spares = 1;
    plan->groups = 1;
    plan->voters = 3;
    plan->clients = 2;
    plan->think_us = SECOND;
    plan->loss_ppm = plan->double_ppm = plan->spike_ppm = 0;
    plan->clocks_differ = false;
    plan->compact_entries = 5;
    plan->flush_us = SECOND;
    plan->duration_us = END;
    plan->heal_us = 25 * SECOND;
    plan->silence_us = 5 * SECOND;
}

static bool run_history(void (*script)(struct sim *sim), uint64_t nth, const char *name)
{
    static struct sim sim;
    struct plan plan;

    sim_quiet_plan(&plan);
    crash_at = nth;
    sim_init(&sim, &plan);
    sim.script = script;
    sim_run(&sim);
    if (nth > 0 && sim.crash_after > 0) {
        sim_fail(&sim, "point %" PRIu64 " was not reached", nth);
    }
    bool passed = !sim.failed;
    if (!passed) {
        fwrite(sim.story.data, 1, sim.story.size, stdout);
        printf("VIOLATION %.*s%s, crash at point %" PRIu64 "\n", (int)sim.reason.size,
               sim.reason.data, name, nth);
    }
    sim_done(&sim);
    return passed;
}

int run_systematic(const struct settings *settings)
{
    uint64_t passed = 0;
    uint64_t failed = 0;

    for (size_t i = 0; i < COUNT_OF(histories); i++) {
        const char *name = histories[i].name;

        if (strcmp(settings->systematic, "all") != 0 && strcmp(settings->systematic, name) != 0) {
            continue;
        }
        failed += !run_history(histories[i].script, 0, name);
        uint64_t total = points;
        uint64_t before = passed;
        for (uint64_t nth = 1; nth <= total && failed == 0; nth += settings->stride) {
            bool good = run_history(histories[i].script, nth, name);

            passed += good;
            failed += !good;
        }
        printf("%s: %" PRIu64 " points, crashed at %" PRIu64 " of them\n", name, total,
               passed - before);
    }
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
