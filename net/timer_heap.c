#include "net/timer_heap.h"

#include "core/check.h"
#include "core/memory.h"

enum { CAPACITY_LEAST = 16, ARITY = 4 };

void timer_heap_done(struct timer_heap *heap)
{
    memory_free(heap->timers);
    *heap = (struct timer_heap){0};
}

struct loop_timer *timer_heap_first(const struct timer_heap *heap)
{
    return heap->count > 0 ? heap->timers[0] : NULL;
}

static bool comes_before(const struct loop_timer *one, const struct loop_timer *other)
{
    return one->due_ms != other->due_ms ? one->due_ms < other->due_ms : one->order < other->order;
}

static void place(struct timer_heap *heap, size_t index, struct loop_timer *timer)
{
    heap->timers[index] = timer;
    timer->heap_index = index;
}

static void sift_up(struct timer_heap *heap, size_t index, struct loop_timer *timer)
{
    while (index > 0) {
        size_t parent = (index - 1) / ARITY;

        if (!comes_before(timer, heap->timers[parent])) {
            break;
        }
        place(heap, index, heap->timers[parent]);
        index = parent;
    }
    place(heap, index, timer);
}

/* The child of `index` that is due first; the count of the heap when there is none. */
static size_t first_child(const struct timer_heap *heap, size_t index)
{
    size_t begin = index * ARITY + 1;
    size_t end = begin + ARITY < heap->count ? begin + ARITY : heap->count;
    size_t first = begin;

    if (begin >= heap->count) {
        return heap->count;
    }
    for (size_t i = begin + 1; i < end; i++) {
        if (comes_before(heap->timers[i], heap->timers[first])) {
            first = i;
        }
    }
    return first;
}

static void sift_down(struct timer_heap *heap, size_t index, struct loop_timer *timer)
{
    size_t child = 0;

    while ((child = first_child(heap, index)) < heap->count &&
           comes_before(heap->timers[child], timer)) {
        place(heap, index, heap->timers[child]);
        index = child;
    }
    place(heap, index, timer);
}

void timer_heap_add(struct timer_heap *heap, struct loop_timer *timer)
{
    CHECK(!timer->running);
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity > 0 ? heap->capacity * 2 : CAPACITY_LEAST;
        heap->timers = memory_resized(heap->timers, heap->capacity * sizeof(*heap->timers));
    }
    timer->order = heap->order_next++;
    timer->running = true;
    heap->count++;
    sift_up(heap, heap->count - 1, timer);
}

void timer_heap_remove(struct timer_heap *heap, struct loop_timer *timer)
{
    size_t index = timer->heap_index;

    CHECK(timer->running && index < heap->count && heap->timers[index] == timer);
    timer->running = false;
    struct loop_timer *last = heap->timers[--heap->count];

    if (last == timer) {
        return;
    }
    if (index > 0 && comes_before(last, heap->timers[(index - 1) / ARITY])) {
        sift_up(heap, index, last);
    } else {
        sift_down(heap, index, last);
    }
}
