/* The running timers of a loop, the one that is due first on top. Pure. */
#ifndef AVISO_NET_TIMER_HEAP_H
#define AVISO_NET_TIMER_HEAP_H

#include "net/loop.h"

struct timer_heap {
    struct loop_timer **timers;
    size_t count;
    size_t capacity;
    uint64_t order_next; /* given to the next timer that is added */
};

/* Frees the heap's memory; the timers are their owners'. */
void timer_heap_done(struct timer_heap *heap);

/* NULL when there is none. Timers due at the same moment come in the order of being added. */
struct loop_timer *timer_heap_first(const struct timer_heap *heap);

/* `timer` does not run yet, and `due_ms` is set. */
void timer_heap_add(struct timer_heap *heap, struct loop_timer *timer);

/* `timer` is in the heap. */
void timer_heap_remove(struct timer_heap *heap, struct loop_timer *timer);

#endif
