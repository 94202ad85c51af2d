/* Threads for work that would block a loop: password hashes, large messages, reads from disk. */
#ifndef AVISO_NET_WORKER_H
#define AVISO_NET_WORKER_H

#include <stddef.h>

#include "core/macros.h"
#include "core/status.h"
#include "net/loop.h"

struct worker_pool;

/* One job, embedded in what it works on, which nobody else touches until `done`. */
struct worker_job {
    void (*work)(struct worker_job *job); /* on a worker */
    void (*done)(struct worker_job *job); /* then, on the loop that submitted it */
    struct loop_message message;          /* the pool's, as the rest */
    struct loop *loop;
    struct worker_job *next;
};

/* `queue_max` jobs may wait besides those that run. */
struct worker_pool *worker_pool_new(const char *name, size_t thread_count, size_t queue_max);

/* Waits for the jobs submitted so far to have worked; their `done` messages are posted. */
void worker_pool_free(struct worker_pool *pool);

/* BUSY: the queue is full, and nothing happens. A job cannot be cancelled: an owner that goes away
 * leaves the job's memory to `done`. */
NODISCARD enum status worker_submit(struct worker_pool *pool, struct loop *loop,
                                    struct worker_job *job);

#endif
