/* What fakes have promised to do later, in the order of the promises: completions that, as real
 * ones, never run before the call that asked for them has returned. */
#ifndef AVISO_TESTS_FAKES_FAKE_QUEUE_H
#define AVISO_TESTS_FAKES_FAKE_QUEUE_H

#include <stdbool.h>

/* One promise, embedded in what it carries, on the heap. `run` frees it. */
struct fake_promise {
    void (*run)(struct fake_promise *promise);
    void (*drop)(struct fake_promise *promise); /* frees it without running */
    struct fake_promise *next;
};

void fake_queue_add(struct fake_promise *promise);

/* Drops a promise that has not run. */
void fake_queue_cancel(struct fake_promise *promise);

/* Keeps one promise; false when there was none. */
bool fake_queue_turn(void);

/* Drops all of them: between tests. */
void fake_queue_clear(void);

#endif
