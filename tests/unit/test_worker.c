/* net/worker.h: jobs go to threads and come back to the loop that submitted them. */
#include <semaphore.h>

#include "core/check.h"
#include "net/worker.h"
#include "tests/unit/unit.h"

enum { JOBS = 200 };

struct sum {
    struct worker_job job;
    struct tally *tally;
    unsigned input;
    unsigned output;
    bool worked_on_loop;
};

struct tally {
    struct loop *loop;
    sem_t *gate; /* every job waits for it; or NULL */
    unsigned total;
    unsigned done_count;
    unsigned expected;
    bool done_elsewhere;
};

static void work(struct worker_job *job)
{
    struct sum *sum = CONTAINER_OF(job, struct sum, job);

    if (sum->tally->gate != NULL) {
        CHECK(sem_wait(sum->tally->gate) == 0);
    }
    sum->worked_on_loop = loop_is_current(sum->tally->loop);
    sum->output = sum->input * 2;
}

static void done(struct worker_job *job)
{
    struct sum *sum = CONTAINER_OF(job, struct sum, job);
    struct tally *tally = sum->tally;

    tally->done_elsewhere |= !loop_is_current(tally->loop) || sum->worked_on_loop;
    tally->total += sum->output;
    if (++tally->done_count == tally->expected) {
        loop_stop(tally->loop);
    }
}

static void jobs_work_on_threads_and_end_on_their_loop(void **state)
{
    struct worker_pool *pool = worker_pool_new("work", 3, JOBS);
    struct tally tally = {.loop = loop_new("main"), .expected = JOBS};
    struct sum sums[JOBS];

    for (unsigned i = 0; i < JOBS; i++) {
        sums[i] = (struct sum){.job = {.work = work, .done = done}, .tally = &tally, .input = i};
        assert_int_equal(worker_submit(pool, tally.loop, &sums[i].job), STATUS_OK);
    }
    loop_run(tally.loop);
    assert_int_equal(tally.total, JOBS * (JOBS - 1));
    assert_false(tally.done_elsewhere);
    worker_pool_free(pool);
    loop_free(tally.loop);
}

static void a_full_queue_refuses(void **state)
{
    enum { THREADS = 2, QUEUE = 3, ALL = THREADS + QUEUE };
    struct worker_pool *pool = worker_pool_new("work", THREADS, QUEUE);
    sem_t gate;
    struct tally tally = {.loop = loop_new("main"), .gate = &gate, .expected = ALL};
    struct sum sums[ALL + 1];

    CHECK(sem_init(&gate, 0, 0) == 0);
    for (unsigned i = 0; i <= ALL; i++) {
        sums[i] = (struct sum){.job = {.work = work, .done = done}, .tally = &tally};
        assert_int_equal(worker_submit(pool, tally.loop, &sums[i].job),
                         i < ALL ? STATUS_OK : STATUS_BUSY);
    }
    for (unsigned i = 0; i < ALL; i++) {
        CHECK(sem_post(&gate) == 0);
    }
    loop_run(tally.loop);
    worker_pool_free(pool);
    loop_free(tally.loop);
    CHECK(sem_destroy(&gate) == 0);
}

static void freeing_the_pool_works_what_was_submitted(void **state)
{
    struct worker_pool *pool = worker_pool_new("work", 1, JOBS);
    struct tally tally = {.loop = loop_new("main"), .expected = JOBS};
    struct sum sums[JOBS];

    for (unsigned i = 0; i < JOBS; i++) {
        sums[i] = (struct sum){.job = {.work = work, .done = done}, .tally = &tally, .input = i};
        assert_int_equal(worker_submit(pool, tally.loop, &sums[i].job), STATUS_OK);
    }
    worker_pool_free(pool);
    assert_int_equal(tally.done_count, 0);
    loop_free(tally.loop);
    assert_int_equal(tally.done_count, JOBS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_work_on_threads_and_end_on_their_loop),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(freeing_the_pool_works_what_was_submitted),
    };

    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
