#include "net/worker.h"

#include <pthread.h>
#include <stdbool.h>

#include "core/check.h"
#include "core/memory.h"

struct worker_pool {
    const char *name;
    pthread_t *threads;
    size_t thread_count;
    size_t queue_max;

    pthread_mutex_t lock; /* over the rest */
    pthread_cond_t has_work;
    struct worker_job *first; /* that waits, oldest first */
    struct worker_job *last;
    size_t waiting_count;
    size_t working_count;
    bool closing;
};

static void report(struct loop_message *message)
{
    struct worker_job *job = CONTAINER_OF(message, struct worker_job, message);

    job->done(job);
}

/* The oldest job, or NULL when the pool closes and nothing waits. */
static struct worker_job *take_job(struct worker_pool *pool)
{
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    while (pool->first == NULL && !pool->closing) {
        CHECK(pthread_cond_wait(&pool->has_work, &pool->lock) == 0);
    }
    struct worker_job *job = pool->first;

    if (job != NULL) {
        pool->first = job->next;
        pool->waiting_count--;
        pool->working_count++;
    }
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    return job;
}

static void count_worked(struct worker_pool *pool)
{
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    pool->working_count--;
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
}

static void *run_worker(void *argument)
{
    struct worker_pool *pool = argument;
    struct worker_job *job = NULL;

    pthread_setname_np(pthread_self(), pool->name);
    while ((job = take_job(pool)) != NULL) {
        job->work(job);
        count_worked(pool);
        job->message.run = report;
        loop_post(job->loop, &job->message);
    }
    return NULL;
}

struct worker_pool *worker_pool_new(const char *name, size_t thread_count, size_t queue_max)
{
    struct worker_pool *pool = NEW(struct worker_pool);

    CHECK(thread_count > 0);
    pool->name = name;
    pool->thread_count = thread_count;
    pool->queue_max = queue_max;
    CHECK(pthread_mutex_init(&pool->lock, NULL) == 0);
    CHECK(pthread_cond_init(&pool->has_work, NULL) == 0);
    pool->threads = memory_zeroed(thread_count * sizeof(*pool->threads));
    for (size_t i = 0; i < thread_count; i++) {
        CHECK(pthread_create(&pool->threads[i], NULL, run_worker, pool) == 0);
    }
    return pool;
}

void worker_pool_free(struct worker_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    pool->closing = true;
    CHECK(pthread_cond_broadcast(&pool->has_work) == 0);
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    for (size_t i = 0; i < pool->thread_count; i++) {
        CHECK(pthread_join(pool->threads[i], NULL) == 0);
    }
    CHECK(pthread_cond_destroy(&pool->has_work) == 0);
    CHECK(pthread_mutex_destroy(&pool->lock) == 0);
    memory_free(pool->threads);
    memory_free(pool);
}

/* Jobs that run, or for which a thread is free, are not those that wait. */
static bool is_full(const struct worker_pool *pool)
{
    return pool->waiting_count + pool->working_count >= pool->queue_max + pool->thread_count;
}

enum status worker_submit(struct worker_pool *pool, struct loop *loop, struct worker_job *job)
{
    enum status status = STATUS_BUSY;

    job->loop = loop;
    job->next = NULL;
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    if (!is_full(pool)) {
        if (pool->first == NULL) {
            pool->first = job;
        } else {
            pool->last->next = job;
        }
        pool->last = job;
        pool->waiting_count++;
        status = STATUS_OK;
        CHECK(pthread_cond_signal(&pool->has_work) == 0);
    }
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    return status;
}
