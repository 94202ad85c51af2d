/* An event loop on a thread of its own: timers, and messages from other threads.
 *
 * State belongs to one loop, and only that loop touches it. Other threads reach it by posting a
 * whole message (loop_post), never through a pointer to its state. */
#ifndef AVISO_NET_LOOP_H
#define AVISO_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

/* A message to a loop, embedded in what it carries. It is the loop's from the post until `run`,
 * which runs exactly once, on the loop; `run` may free or post it again. */
struct loop_message {
    void (*run)(struct loop_message *message);
    struct loop_message *next;
};

/* Calls `expired` on its loop, embedded in its owner. */
struct loop_timer {
    void (*expired)(struct loop_timer *timer);
    struct loop *loop; /* this and the rest are the loop's */
    uint64_t due_ms;
    uint64_t order; /* among timers that are due at the same moment */
    size_t heap_index;
    bool running;
};

/* `name` shows in logs and thread names, 15 octets at most; borrowed. */
struct loop *loop_new(const char *name);

/* Only after loop_run() returned or when it never ran. Messages not run yet are run; nobody may
 * post to it any more, so loops that post to each other go together (loops_free). */
void loop_free(struct loop *loop);

/* Frees loops of which none runs any more: what waits in any of them is run first, until nothing
 * waits in all of them. */
void loops_free(struct loop *const *loops, size_t count);

/* Runs on this thread until loop_stop(). */
void loop_run(struct loop *loop);

/* The same on a new thread; loop_join() waits for its end. */
void loop_start(struct loop *loop);
void loop_join(struct loop *loop);

/* From any thread. What the same thread posted before is run before the loop stops. */
void loop_stop(struct loop *loop);

/* From any thread. Messages of one thread arrive in their order. */
void loop_post(struct loop *loop, struct loop_message *message);

/* Whether this thread runs `loop` now. */
bool loop_is_current(const struct loop *loop);

/* Monotonic, as of the start of this turn of the loop. */
uint64_t loop_now_ms(const struct loop *loop);

/* Timers are cheap: ten thousand idle connections have one each. Starting a running timer moves
 * it; stopping one that does not run is harmless. The owner stops it before going away. */
void loop_timer_init(struct loop_timer *timer, struct loop *loop,
                     void (*expired)(struct loop_timer *timer));
void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_stop(struct loop_timer *timer);

#endif
