#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/check.h"
#include "core/memory.h"
#include "net/loop_uv.h"
#include "net/timer_heap.h"

enum {
    SPARE_COUNT_MAX = 8,
    SPARE_CAPACITY_LEAST = 4 * 1024,
    SPARE_CAPACITY_MAX = 128 * 1024,
    CLOSING_TURNS_MAX = 100,
};

struct loop {
    uv_loop_t uv;
    int wake_file;      /* an eventfd: another thread posted or stops the loop */
    uv_poll_t wake_up;  /* watches it; uv_async_t would spin for as long as the waker takes */
    uv_idle_t again;    /* the loop posted to itself: turn without waiting */
    uv_timer_t alarm;   /* set for the first timer of the heap */
    uv_prepare_t pause; /* about to wait: runs what was put off */
    const char *name;
    pthread_t thread;
    bool closing;

    /* Others push here, newest first; the loop takes all at once and turns them round. */
    _Atomic(struct loop_message *) inbox;
    atomic_bool stop_asked;
    /* Threads within loop_post() or loop_stop(): their last touch is to leave here. */
    atomic_uint visitors;

    struct loop_deferral *deferrals;

    struct timer_heap timers;
    uint64_t alarm_ms; /* when `alarm` is set for; UINT64_MAX: not at all */

    char *read_chunk;
    char *clear_chunk;
    struct buffer spares[SPARE_COUNT_MAX];
    size_t spare_count;
};

static _Thread_local struct loop *current;

static void on_wake_up(uv_poll_t *wake_up, int error, int events);
static void on_again(uv_idle_t *again);
static void on_alarm(uv_timer_t *alarm);
static void on_pause(uv_prepare_t *pause);

struct loop *loop_new(const char *name)
{
    struct loop *loop = NEW(struct loop);

    /* A peer that went away is an error of the write, not the end of the process. */
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    loop->name = name;
    loop->alarm_ms = UINT64_MAX;
    CHECK(uv_loop_init(&loop->uv) == 0);
    loop->wake_file = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(loop->wake_file >= 0);
    CHECK(uv_poll_init(&loop->uv, &loop->wake_up, loop->wake_file) == 0);
    CHECK(uv_poll_start(&loop->wake_up, UV_READABLE, on_wake_up) == 0);
    CHECK(uv_idle_init(&loop->uv, &loop->again) == 0);
    CHECK(uv_timer_init(&loop->uv, &loop->alarm) == 0);
    CHECK(uv_prepare_init(&loop->uv, &loop->pause) == 0);
    loop->read_chunk = memory_resized(NULL, LOOP_CHUNK_SIZE);
    loop->clear_chunk = memory_resized(NULL, LOOP_CHUNK_SIZE);
    return loop;
}

/* ---- Messages ---- */

/* From any thread. A counter that is full wakes as well. */
static void wake(struct loop *loop)
{
    CHECK(eventfd_write(loop->wake_file, 1) == 0 || errno == EAGAIN);
}

/* Whoever finds the inbox empty wakes the loop, which then takes all that has come by then. */
void loop_post(struct loop *loop, struct loop_message *message)
{
    struct loop_message *newest = NULL;

    atomic_fetch_add_explicit(&loop->visitors, 1, memory_order_relaxed);
    newest = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do {
        message->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&loop->inbox, &newest, message,
                                                    memory_order_release, memory_order_relaxed));
    if (newest == NULL && current != loop) {
        wake(loop);
    } else if (newest == NULL && !loop->closing) {
        uv_idle_start(&loop->again, on_again);
    }
    atomic_fetch_sub_explicit(&loop->visitors, 1, memory_order_release);
}

void loop_stop(struct loop *loop)
{
    atomic_fetch_add_explicit(&loop->visitors, 1, memory_order_relaxed);
    atomic_store_explicit(&loop->stop_asked, true, memory_order_release);
    wake(loop);
    atomic_fetch_sub_explicit(&loop->visitors, 1, memory_order_release);
}

/* Oldest first: the order in which each thread posted. */
static struct loop_message *take_inbox(struct loop *loop)
{
    struct loop_message *newest =
        atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire);
    struct loop_message *oldest = NULL;

    while (newest != NULL) {
        struct loop_message *older = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    return oldest;
}

/* What the messages post themselves waits for the next turn, so that sockets have theirs. */
static bool run_inbox(struct loop *loop)
{
    struct loop_message *message = take_inbox(loop);
    bool had_any = message != NULL;

    while (message != NULL) {
        struct loop_message *next = message->next;

        message->run(message);
        message = next;
    }
    return had_any;
}

static void on_wake_up(uv_poll_t *wake_up, int error, int events)
{
    struct loop *loop = CONTAINER_OF(wake_up, struct loop, wake_up);
    eventfd_t count = 0;

    /* Empty before the inbox is: who posts later wakes again. */
    CHECK(error == 0 && (eventfd_read(loop->wake_file, &count) == 0 || errno == EAGAIN));
    /* Read before the inbox is taken: what was posted before the stop is in it. */
    bool stops = atomic_load_explicit(&loop->stop_asked, memory_order_acquire);

    run_inbox(loop);
    if (stops) {
        uv_stop(&loop->uv);
    }
}

static void on_again(uv_idle_t *again)
{
    struct loop *loop = CONTAINER_OF(again, struct loop, again);

    uv_idle_stop(again);
    run_inbox(loop);
}

/* ---- What is put off ---- */

void loop_defer(struct loop *loop, struct loop_deferral *deferral)
{
    if (deferral->link != NULL || loop->closing) {
        return;
    }
    if (loop->deferrals == NULL) {
        uv_prepare_start(&loop->pause, on_pause);
    } else {
        loop->deferrals->link = &deferral->next;
    }
    deferral->next = loop->deferrals;
    deferral->link = &loop->deferrals;
    loop->deferrals = deferral;
}

void loop_deferral_cancel(struct loop_deferral *deferral)
{
    if (deferral->link == NULL) {
        return;
    }
    *deferral->link = deferral->next;
    if (deferral->next != NULL) {
        deferral->next->link = deferral->link;
    }
    deferral->link = NULL;
}

static void on_pause(uv_prepare_t *pause)
{
    struct loop *loop = CONTAINER_OF(pause, struct loop, pause);
    struct loop_deferral *deferral = NULL;

    while ((deferral = loop->deferrals) != NULL) {
        loop_deferral_cancel(deferral);
        deferral->run(deferral);
    }
    uv_prepare_stop(pause);
}

/* ---- Running ---- */

void loop_run(struct loop *loop)
{
    CHECK(current == NULL);
    current = loop;
    while (!atomic_load_explicit(&loop->stop_asked, memory_order_acquire)) {
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    }
    run_inbox(loop); /* the stop may have come before the loop ran at all */
    current = NULL;
}

/* Signals are for the main thread: a loop's thread takes none of those that end the process. */
static void *run_thread(void *argument)
{
    struct loop *loop = argument;
    sigset_t signals;

    sigfillset(&signals);
    sigdelset(&signals, SIGSEGV);
    sigdelset(&signals, SIGBUS);
    sigdelset(&signals, SIGFPE);
    sigdelset(&signals, SIGILL);
    sigdelset(&signals, SIGABRT);
    CHECK(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
    pthread_setname_np(pthread_self(), loop->name);
    loop_run(loop);
    return NULL;
}

void loop_start(struct loop *loop)
{
    CHECK(pthread_create(&loop->thread, NULL, run_thread, loop) == 0);
}

void loop_join(struct loop *loop)
{
    CHECK(pthread_join(loop->thread, NULL) == 0);
}

bool loop_is_current(const struct loop *loop)
{
    return current == loop;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

/* ---- Timers: a heap of ours and one of libuv's, set for the first ---- */

static void set_alarm(struct loop *loop)
{
    const struct loop_timer *first = timer_heap_first(&loop->timers);

    if (first == NULL || first->due_ms >= loop->alarm_ms || loop->closing) {
        return;
    }
    uint64_t now_ms = uv_now(&loop->uv);

    loop->alarm_ms = first->due_ms;
    uv_timer_start(&loop->alarm, on_alarm, first->due_ms > now_ms ? first->due_ms - now_ms : 0, 0);
}

/* Timers that are started meanwhile wait for the next alarm, even with a delay of 0. */
static void on_alarm(uv_timer_t *alarm)
{
    struct loop *loop = CONTAINER_OF(alarm, struct loop, alarm);
    uint64_t now_ms = uv_now(&loop->uv);
    uint64_t order_end = loop->timers.order_next;
    struct loop_timer *first = NULL;

    loop->alarm_ms = 0; /* no other alarm while these run */
    while ((first = timer_heap_first(&loop->timers)) != NULL && first->due_ms <= now_ms &&
           first->order < order_end) {
        timer_heap_remove(&loop->timers, first);
        first->expired(first);
    }
    loop->alarm_ms = UINT64_MAX;
    set_alarm(loop);
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
                     void (*expired)(struct loop_timer *timer))
{
    *timer = (struct loop_timer){.expired = expired, .loop = loop};
}

void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms)
{
    struct loop *loop = timer->loop;

    if (current != loop) {
        uv_update_time(&loop->uv); /* before the loop runs, its clock stands */
    }
    uint64_t now_ms = uv_now(&loop->uv);

    loop_timer_stop(timer);
    timer->due_ms = delay_ms < UINT64_MAX - now_ms ? now_ms + delay_ms : UINT64_MAX;
    timer_heap_add(&loop->timers, timer);
    set_alarm(loop);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (timer->running) {
        timer_heap_remove(&timer->loop->timers, timer);
    }
}

/* ---- What connections share ---- */

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

char *loop_read_chunk(struct loop *loop)
{
    return loop->read_chunk;
}

char *loop_clear_chunk(struct loop *loop)
{
    return loop->clear_chunk;
}

void loop_lend(struct loop *loop, struct buffer *buffer)
{
    if (buffer->capacity > 0) {
        return;
    }
    if (loop->spare_count > 0) {
        const struct buffer *spare = &loop->spares[--loop->spare_count];

        buffer->data = spare->data;
        buffer->capacity = spare->capacity;
        return;
    }
    buffer_reserve(buffer, buffer->size_max < SPARE_CAPACITY_LEAST ? buffer->size_max
                                                                   : SPARE_CAPACITY_LEAST);
}

void loop_take_back(struct loop *loop, struct buffer *buffer)
{
    CHECK(buffer->size == 0);
    if (buffer->capacity < SPARE_CAPACITY_LEAST || buffer->capacity > SPARE_CAPACITY_MAX ||
        loop->spare_count == SPARE_COUNT_MAX) {
        buffer_release(buffer);
        return;
    }
    loop->spares[loop->spare_count++] = *buffer;
    buffer_init(buffer, buffer->size_max);
}

/* ---- The end ---- */

static bool drain(struct loop *loop)
{
    struct loop *before = current;

    current = loop;
    bool had_any = run_inbox(loop);
    current = before;
    return had_any;
}

/* Handles that close need a turn or two; one that never closes is a fault of who opened it. */
static void close_uv(struct loop *loop)
{
    struct loop *before = current;

    current = loop;
    loop->closing = true;
    uv_close((uv_handle_t *)&loop->wake_up, NULL);
    uv_close((uv_handle_t *)&loop->again, NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    uv_close((uv_handle_t *)&loop->pause, NULL);
    for (int turn = 0; uv_loop_close(&loop->uv) != 0; turn++) {
        CHECK(turn < CLOSING_TURNS_MAX);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        run_inbox(loop);
    }
    current = before;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    while (drain(loop)) {
    }
    while (atomic_load_explicit(&loop->visitors, memory_order_acquire) > 0) {
    }
    close_uv(loop);
    CHECK(close(loop->wake_file) == 0);
    timer_heap_done(&loop->timers);
    for (size_t i = 0; i < loop->spare_count; i++) {
        buffer_done(&loop->spares[i]);
    }
    memory_free(loop->read_chunk);
    memory_free(loop->clear_chunk);
    memory_free(loop);
}

void loops_free(struct loop *const *loops, size_t count)
{
    bool had_any = true;

    while (had_any) {
        had_any = false;
        for (size_t i = 0; i < count; i++) {
            had_any = drain(loops[i]) || had_any;
        }
    }
    for (size_t i = 0; i < count; i++) {
        loop_free(loops[i]);
    }
}
