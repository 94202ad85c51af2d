/* net/loop.h: messages between threads, timers, and the end of loops. */
#include <pthread.h>
#include <stdatomic.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/random.h"
#include "net/loop_uv.h"
#include "net/timer_heap.h"
#include "tests/unit/unit.h"

enum { POSTERS = 4, POSTS = 20000 };

/* ---- Messages ---- */

struct numbered {
    struct loop_message message;
    struct sink *sink;
    unsigned poster;
    unsigned number;
};

struct sink {
    struct loop *loop;
    unsigned next[POSTERS]; /* the number expected of each poster */
    unsigned count;
    bool disordered;
};

static void take_numbered(struct loop_message *message)
{
    struct numbered *numbered = CONTAINER_OF(message, struct numbered, message);
    struct sink *sink = numbered->sink;

    sink->disordered |= numbered->number != sink->next[numbered->poster]++;
    sink->disordered |= !loop_is_current(sink->loop);
    if (++sink->count == POSTERS * POSTS) {
        loop_stop(sink->loop);
    }
    memory_free(numbered);
}

struct poster {
    struct sink *sink;
    unsigned index;
};

static void *post_all(void *argument)
{
    const struct poster *poster = argument;

    for (unsigned i = 0; i < POSTS; i++) {
        struct numbered *numbered = NEW(struct numbered);

        *numbered = (struct numbered){{take_numbered, NULL}, poster->sink, poster->index, i};
        loop_post(poster->sink->loop, &numbered->message);
    }
    return NULL;
}

static void messages_of_each_thread_arrive_in_their_order(void **state)
{
    struct sink sink = {.loop = loop_new("sink")};
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];

    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){&sink, i};
        CHECK(pthread_create(&threads[i], NULL, post_all, &posters[i]) == 0);
    }
    loop_run(sink.loop);
    for (unsigned i = 0; i < POSTERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    assert_int_equal(sink.count, POSTERS * POSTS);
    assert_false(sink.disordered);
    loop_free(sink.loop);
}

/* A ball that goes to and fro: each loop must wake for every single message. */
struct ball {
    struct loop_message message;
    struct loop *sides[2];
    unsigned flights;
};

static void hit(struct loop_message *message)
{
    struct ball *ball = CONTAINER_OF(message, struct ball, message);

    if (++ball->flights == POSTS) {
        loop_stop(ball->sides[0]);
        loop_stop(ball->sides[1]);
        return;
    }
    loop_post(ball->sides[ball->flights % 2], message);
}

static void no_wake_up_is_lost_between_two_loops(void **state)
{
    struct ball ball = {{hit, NULL}, {loop_new("left"), loop_new("right")}, 0};

    loop_start(ball.sides[0]);
    loop_start(ball.sides[1]);
    loop_post(ball.sides[0], &ball.message);
    loop_join(ball.sides[0]);
    loop_join(ball.sides[1]);
    assert_int_equal(ball.flights, POSTS);
    loops_free(ball.sides, 2);
}

static void a_loop_may_post_to_itself(void **state)
{
    struct loop *loop = loop_new("self");
    struct ball ball = {{hit, NULL}, {loop, loop}, 0};

    loop_post(loop, &ball.message);
    loop_run(loop);
    assert_int_equal(ball.flights, POSTS);
    loop_free(loop);
}

static void what_waits_is_run_when_loops_are_freed(void **state)
{
    struct ball ball = {{hit, NULL}, {loop_new("left"), loop_new("right")}, 0};

    loop_post(ball.sides[0], &ball.message);
    loops_free(ball.sides, 2);
    assert_int_equal(ball.flights, POSTS);
}

static void what_was_posted_before_the_stop_is_run_before_it(void **state)
{
    struct sink sink = {.loop = loop_new("sink")};
    struct poster poster = {&sink, 0};

    loop_start(sink.loop);
    post_all(&poster);
    loop_stop(sink.loop);
    loop_join(sink.loop);
    assert_int_equal(sink.count, POSTS);
    loop_free(sink.loop);
}

/* ---- Timers ---- */

struct bell {
    struct loop_timer timer;
    struct bell **log; /* where those that rang are noted */
    size_t *rung;
    size_t rings_max;
};

static void ring(struct loop_timer *timer)
{
    struct bell *bell = CONTAINER_OF(timer, struct bell, timer);

    bell->log[(*bell->rung)++] = bell;
    if (*bell->rung == bell->rings_max) {
        loop_stop(timer->loop);
    }
}

static void timers_expire_in_the_order_of_their_dues(void **state)
{
    struct loop *loop = loop_new("timers");
    struct bell bells[4];
    struct bell *log[4];
    size_t rung = 0;
    const uint64_t delays[] = {20, 5, 10, 5};

    for (size_t i = 0; i < 4; i++) {
        bells[i] = (struct bell){.log = log, .rung = &rung, .rings_max = 3};
        loop_timer_init(&bells[i].timer, loop, ring);
        loop_timer_start(&bells[i].timer, delays[i]);
    }
    loop_timer_stop(&bells[2].timer);
    loop_timer_stop(&bells[2].timer);
    loop_run(loop);
    assert_ptr_equal(log[0], &bells[1]);
    assert_ptr_equal(log[1], &bells[3]);
    assert_ptr_equal(log[2], &bells[0]);
    assert_false(bells[0].timer.running);
    loop_free(loop);
}

static void ring_again(struct loop_timer *timer)
{
    struct bell *bell = CONTAINER_OF(timer, struct bell, timer);

    if (++*bell->rung == bell->rings_max) {
        loop_stop(timer->loop);
        return;
    }
    loop_timer_start(timer, 0);
}

static void a_timer_that_starts_itself_anew_lets_others_live(void **state)
{
    struct loop *loop = loop_new("timers");
    size_t rung = 0;
    struct bell bell = {.rung = &rung, .rings_max = 100};

    loop_timer_init(&bell.timer, loop, ring_again);
    loop_timer_start(&bell.timer, 0);
    loop_run(loop);
    assert_int_equal(rung, 100);
    loop_free(loop);
}

static void the_heap_gives_ten_thousand_timers_back_in_order(void **state)
{
    enum { COUNT = 10000 };
    struct timer_heap heap = {0};
    struct loop_timer *timers = memory_zeroed(COUNT * sizeof(*timers));
    struct random random = {7};
    size_t left = COUNT;
    uint64_t due_ms = 0;

    for (size_t i = 0; i < COUNT; i++) {
        timers[i].due_ms = random_below(&random, 1000);
        timer_heap_add(&heap, &timers[i]);
    }
    for (size_t i = 0; i < COUNT; i += 3) {
        timer_heap_remove(&heap, &timers[i]);
        left--;
    }
    for (struct loop_timer *first; (first = timer_heap_first(&heap)) != NULL; left--) {
        assert_true(first->due_ms >= due_ms);
        due_ms = first->due_ms;
        timer_heap_remove(&heap, first);
    }
    assert_int_equal(left, 0);
    timer_heap_done(&heap);
    memory_free(timers);
}

/* ---- What is put off ---- */

struct later {
    struct loop *loop;
    struct loop_message first;
    struct loop_message second;
    struct loop_deferral kept;
    struct loop_deferral cancelled;
    char seen[8];
    size_t seen_count;
};

static void see(struct later *later, char what)
{
    CHECK(later->seen_count < sizeof(later->seen) - 1);
    later->seen[later->seen_count++] = what;
}

static void run_kept(struct loop_deferral *deferral)
{
    struct later *later = CONTAINER_OF(deferral, struct later, kept);

    see(later, 'd');
    loop_stop(later->loop);
}

static void run_cancelled(struct loop_deferral *deferral)
{
    see(CONTAINER_OF(deferral, struct later, cancelled), 'x');
}

static void run_second(struct loop_message *message)
{
    see(CONTAINER_OF(message, struct later, second), '2');
}

static void run_first(struct loop_message *message)
{
    struct later *later = CONTAINER_OF(message, struct later, first);

    see(later, '1');
    loop_defer(later->loop, &later->kept);
    loop_defer(later->loop, &later->cancelled);
    loop_defer(later->loop, &later->kept);
    loop_deferral_cancel(&later->cancelled);
    loop_deferral_cancel(&later->cancelled);
    loop_post(later->loop, &later->second);
}

static void what_is_put_off_runs_once_and_after_the_messages_there_are(void **state)
{
    struct later later = {
        .loop = loop_new("later"),
        .first = {.run = run_first},
        .second = {.run = run_second},
        .kept = {.run = run_kept},
        .cancelled = {.run = run_cancelled},
    };

    loop_post(later.loop, &later.first);
    loop_run(later.loop);
    assert_string_equal(later.seen, "12d");
    loop_free(later.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_each_thread_arrive_in_their_order),
        cmocka_unit_test(no_wake_up_is_lost_between_two_loops),
        cmocka_unit_test(a_loop_may_post_to_itself),
        cmocka_unit_test(what_waits_is_run_when_loops_are_freed),
        cmocka_unit_test(what_was_posted_before_the_stop_is_run_before_it),
        cmocka_unit_test(timers_expire_in_the_order_of_their_dues),
        cmocka_unit_test(a_timer_that_starts_itself_anew_lets_others_live),
        cmocka_unit_test(what_is_put_off_runs_once_and_after_the_messages_there_are),
        cmocka_unit_test(the_heap_gives_ten_thousand_timers_back_in_order),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
