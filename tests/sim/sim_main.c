/* sim: runs seeds of the simulator.
 *
 *     sim --seed N              one seed; prints its digest, and the story when it fails
 *     sim --seeds A..B          all of them, on --jobs processes
 *     sim --minutes M           seeds from --first (else from the clock) until the time is over
 *     sim --systematic NAME     a scripted history (snapshot, membership, transfer), with a crash
 *                               at each point of it in turn, or at every --stride S-th
 *     sim --planted             errors, each of which its checker must find
 *     sim --points              one line for each crash point that the seeds reached
 *
 *     --swarm       each seed has its own faults and rates      --trace       every event
 *     --story       what happened, also when nothing failed
 *     --drift PPM   how far clocks go wrong where reads go by leases (60,000): over 66,000 two of
 *                   them differ by more than a lease allows for, and stale reads must be found:
 *                   sim --seeds 1..500 --swarm --drift 150000 --keep-going
 *     --jobs J      processes                                    --keep-going  past a failure
 *
 * Exits 0 when nothing failed, 1 on a failure, 2 on a wrong command line. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/number.h"
#include "storage/crash_point.h"
#include "tests/sim/sim_main.h"

enum { JOBS_MAX = 64, SEED_SECONDS_MAX = 120, DRIFT_PPM_MAX = 500000 };

/* What a process tells of a seed: first that it begins, then how it ended. */
struct result {
    uint64_t seed;
    bool ended, failed;
    uint64_t digest, virtual_us, events, acked, reads, faults;
    char reason[200];
};

static void run_seed(const struct settings *settings, uint64_t seed, bool tells,
                     struct result *out_result)
{
    static struct sim sim;
    struct plan plan;

    plan_from_seed(&plan, seed, settings->swarm);
    if (settings->duration_s > 0) {
        plan.duration_us = settings->duration_s * SECOND;
    }
    if (settings->drift_ppm > 0 && plan.lease_reads) {
        plan.clock_rate_max_ppm = (unsigned)settings->drift_ppm;
    }
    sim_init(&sim, &plan);
    sim.traces = tells && settings->traces;
    if (settings->points) {
        sim_watch_points(&sim);
    }
    alarm(SEED_SECONDS_MAX); /* what hangs has failed too */
    sim_run(&sim);
    alarm(0);
    *out_result = (struct result){.seed = seed,
                                  .ended = true,
                                  .failed = sim.failed,
                                  .digest = sim.digest,
                                  .virtual_us = sim.now_us,
                                  .events = sim.events_run};
    snprintf(out_result->reason, sizeof(out_result->reason), "%.*s", (int)sim.reason.size,
             sim.reason.data);
    for (unsigned i = 0; i < plan.groups; i++) {
        out_result->acked += sim.groups[i].acked_count;
        out_result->reads += sim.groups[i].read_count;
    }
    for (int i = 0; i < FAULT_COUNT; i++) {
        out_result->faults += sim.fault_count[i];
    }
    if (tells && (sim.failed || settings->story)) {
        struct buffer head;

        buffer_init(&head, 4096);
        plan_print(&plan, &head);
        fwrite(head.data, 1, head.size, stdout);
        buffer_done(&head);
        fwrite(sim.story.data, 1, sim.story.size, stdout);
        if (sim.failed) {
            struct buffer standing;

            buffer_init(&standing, 1 << 16);
            sim_print_standing(&sim, &standing);
            fwrite(standing.data, 1, standing.size, stdout);
            buffer_done(&standing);
            printf("VIOLATION %.*s", (int)sim.reason.size, sim.reason.data);
        }
    }
    sim_done(&sim);
}

static void print_replay(const struct settings *settings, uint64_t seed)
{
    printf("replay: %s --seed %" PRIu64 "%s", settings->program, seed,
           settings->swarm ? " --swarm" : "");
    if (settings->duration_s > 0) {
        printf(" --duration %" PRIu64, settings->duration_s);
    }
    if (settings->drift_ppm > 0) {
        printf(" --drift %" PRIu64, settings->drift_ppm);
    }
    printf("\n");
}

static int run_one(const struct settings *settings)
{
    struct result result;

    run_seed(settings, settings->first, true, &result);
    if (result.failed) {
        print_replay(settings, result.seed);
    }
    printf("seed %" PRIu64 ": %s, digest %016" PRIx64 ", %.0f virtual seconds, %" PRIu64
           " events, %" PRIu64 " writes acknowledged, %" PRIu64 " reads, %" PRIu64 " faults\n",
           result.seed, result.failed ? "FAILED" : "passed", result.digest,
           (double)result.virtual_us / SECOND, result.events, result.acked, result.reads,
           result.faults);
    return result.failed;
}

/* ---- Many seeds on several processes ---- */

struct worker {
    pid_t process;
    int pipe;
    struct result last;
};

struct totals {
    uint64_t passed, failed, virtual_us, events, acked, reads, faults, digest;
};

static void work(const struct settings *settings, uint64_t first, uint64_t until_ms, int output)
{
    for (uint64_t seed = first; seed <= settings->last; seed += settings->jobs) {
        struct result result = {.seed = seed};

        if (clock_monotonic_ms() > until_ms) {
            break;
        }
        CHECK(write(output, &result, sizeof(result)) == sizeof(result));
        run_seed(settings, seed, false, &result);
        CHECK(write(output, &result, sizeof(result)) == sizeof(result));
    }
}

static void start_worker(const struct settings *settings, struct worker *worker, uint64_t first,
                         uint64_t until_ms)
{
    int ends[2];

    CHECK(pipe(ends) == 0);
    fflush(stdout);
    worker->process = fork();
    CHECK(worker->process >= 0);
    if (worker->process == 0) {
        close(ends[0]);
        work(settings, first, until_ms, ends[1]);
        fflush(stdout);
        _exit(0);
    }
    close(ends[1]);
    worker->pipe = ends[0];
    worker->last = (struct result){0};
}

static void tell_failure(const struct settings *settings, uint64_t seed)
{
    pid_t process;
    struct result result;

    print_replay(settings, seed);
    fflush(stdout);
    process = fork();
    CHECK(process >= 0);
    if (process == 0) {
        if (!settings->brief) {
            run_seed(settings, seed, true, &result);
        }
        fflush(stdout);
        _exit(0);
    }
    waitpid(process, NULL, 0);
}

static void count(struct totals *totals, const struct result *result)
{
    totals->passed += !result->failed;
    totals->failed += result->failed;
    totals->virtual_us += result->virtual_us;
    totals->events += result->events;
    totals->acked += result->acked;
    totals->reads += result->reads;
    totals->faults += result->faults;
    totals->digest ^= hash_mix(result->seed, result->digest);
}

/* False when the worker has ended. */
static bool hear(const struct settings *settings, struct worker *worker, struct totals *totals,
                 uint64_t until_ms)
{
    struct result result;
    ssize_t size = read(worker->pipe, &result, sizeof(result));

    if (size == sizeof(result)) {
        worker->last = result;
        if (result.ended) {
            count(totals, &result);
            if (result.failed) {
                printf("seed %" PRIu64 " FAILED after %" PRIu64 " seeds: %s\n", result.seed,
                       totals->passed + totals->failed, result.reason);
                tell_failure(settings, result.seed);
            }
        }
        return true;
    }
    if (worker->last.seed != 0 && !worker->last.ended) {
        totals->failed++;
        printf("seed %" PRIu64 " FAILED: the process ended, after %" PRIu64 " seeds\n",
               worker->last.seed, totals->passed + totals->failed);
        tell_failure(settings, worker->last.seed);
    }
    close(worker->pipe);
    waitpid(worker->process, NULL, 0);
    worker->pipe = -1;
    if (worker->last.seed != 0 && !worker->last.ended && settings->keeps_going) {
        start_worker(settings, worker, worker->last.seed + settings->jobs, until_ms);
        return true;
    }
    return false;
}

static void stop_workers(struct worker *workers, unsigned jobs)
{
    for (unsigned i = 0; i < jobs; i++) {
        if (workers[i].pipe >= 0) {
            kill(workers[i].process, SIGTERM);
            waitpid(workers[i].process, NULL, 0);
            close(workers[i].pipe);
        }
    }
}

static int run_many(const struct settings *settings)
{
    struct worker workers[JOBS_MAX] = {0};
    struct pollfd waits[JOBS_MAX];
    struct totals totals = {0};
    uint64_t began_ms = clock_monotonic_ms();
    uint64_t until_ms = settings->minutes == 0 ? UINT64_MAX : began_ms + settings->minutes * 60000;
    unsigned running = settings->jobs;

    for (unsigned i = 0; i < settings->jobs; i++) {
        start_worker(settings, &workers[i], settings->first + i, until_ms);
    }
    while (running > 0 && (totals.failed == 0 || settings->keeps_going)) {
        for (unsigned i = 0; i < settings->jobs; i++) {
            waits[i] = (struct pollfd){.fd = workers[i].pipe, .events = POLLIN};
        }
        CHECK(poll(waits, settings->jobs, -1) > 0);
        for (unsigned i = 0; i < settings->jobs; i++) {
            if (workers[i].pipe >= 0 && waits[i].revents != 0 &&
                !hear(settings, &workers[i], &totals, until_ms)) {
                running--;
            }
        }
    }
    stop_workers(workers, settings->jobs);
    printf("%" PRIu64 " events, %" PRIu64 " writes acknowledged, %" PRIu64 " reads, %" PRIu64
           " faults, %.1f virtual hours in %.0f s, digest %016" PRIx64 "\n",
           totals.events, totals.acked, totals.reads, totals.faults,
           (double)totals.virtual_us / SECOND / 3600,
           (double)(clock_monotonic_ms() - began_ms) / 1000, totals.digest);
    printf("seeds from %" PRIu64 ": %" PRIu64 " passed, %" PRIu64 " failed\n", settings->first,
           totals.passed, totals.failed);
    return totals.failed > 0;
}

/* ---- The command line ---- */

static bool take_number(char **arguments, int *place, uint64_t *out_number)
{
    const char *text = arguments[++*place];

    return text != NULL && number_parse(slice_of(text), UINT64_MAX, out_number) == STATUS_OK;
}

static bool take_range(const char *text, struct settings *settings)
{
    struct slice rest = slice_of(text == NULL ? "" : text);

    return number_take(&rest, UINT64_MAX, &settings->first) == STATUS_OK &&
           slice_starts_with(rest, SLICE("..")) &&
           number_parse(slice_skip(rest, 2), UINT64_MAX, &settings->last) == STATUS_OK &&
           settings->first <= settings->last;
}

static bool take_argument(char **arguments, int *place, struct settings *settings)
{
    static const struct {
        const char *name;
        size_t offset;
    } switches[] = {
        {"--swarm", offsetof(struct settings, swarm)},
        {"--trace", offsetof(struct settings, traces)},
        {"--story", offsetof(struct settings, story)},
        {"--points", offsetof(struct settings, points)},
        {"--brief", offsetof(struct settings, brief)},
        {"--keep-going", offsetof(struct settings, keeps_going)},
        {"--planted", offsetof(struct settings, planted)},
    };
    const char *name = arguments[*place];
    uint64_t jobs;

    for (size_t i = 0; i < COUNT_OF(switches); i++) {
        if (strcmp(name, switches[i].name) == 0) {
            *(bool *)((char *)settings + switches[i].offset) = true;
            return true;
        }
    }
    if (strcmp(name, "--seed") == 0) {
        settings->one = true;
        return take_number(arguments, place, &settings->first);
    }
    if (strcmp(name, "--seeds") == 0) {
        return take_range(arguments[++*place], settings);
    }
    if (strcmp(name, "--first") == 0) {
        return take_number(arguments, place, &settings->first);
    }
    if (strcmp(name, "--minutes") == 0) {
        return take_number(arguments, place, &settings->minutes);
    }
    if (strcmp(name, "--duration") == 0) {
        return take_number(arguments, place, &settings->duration_s);
    }
    if (strcmp(name, "--drift") == 0) {
        return take_number(arguments, place, &settings->drift_ppm) &&
               settings->drift_ppm <= DRIFT_PPM_MAX;
    }
    if (strcmp(name, "--stride") == 0) {
        return take_number(arguments, place, &settings->stride) && settings->stride > 0;
    }
    if (strcmp(name, "--systematic") == 0) {
        settings->systematic = arguments[++*place];
        return settings->systematic != NULL;
    }
    if (strcmp(name, "--jobs") == 0 && take_number(arguments, place, &jobs)) {
        settings->jobs = (unsigned)jobs;
        return jobs >= 1 && jobs <= JOBS_MAX;
    }
    return false;
}

int main(int count, char **arguments)
{
    struct settings settings = {
        .program = arguments[0], .jobs = 1, .stride = 1, .last = UINT64_MAX};

    for (int i = 1; i < count; i++) {
        if (!take_argument(arguments, &i, &settings)) {
            fprintf(stderr, "sim: what is '%s'? See the head of tests/sim/sim_main.c\n",
                    arguments[i] == NULL ? "" : arguments[i]);
            return 2;
        }
    }
    if (!settings.traces) {
        log_configure((enum log_level)(LOG_ERROR + 1), LOG_LOGFMT);
    }
    if (settings.planted) {
        return run_planted();
    }
    if (settings.systematic != NULL) {
        return run_systematic(&settings);
    }
    if (settings.first == 0) {
        settings.first = clock_wall_ms() / 1000;
    }
    return settings.one ? run_one(&settings) : run_many(&settings);
}
