/* A message made ready to be stored, on the loop and by a worker. */
#include "core/memory.h"
#include "mail/digest.h"
#include "net/sha256.h"
#include "router/frames.h"
#include "router/ingest.h"
#include "router/mailbox_client.h"
#include "tests/unit/unit.h"

static const char small[] = "Message-ID: <one@example.org>\r\n"
                            "References: <a@example.org> <b@example.org>\r\n"
                            "Subject: hello\r\n"
                            "\r\n"
                            "body\r\n";

static void assert_frame_holds(struct slice frame, struct slice octets)
{
    struct buffer opened;

    buffer_init(&opened, octets.size + 1);
    assert_int_equal(frame_decompress(frame, octets.size, &opened), STATUS_OK);
    assert_int_equal(opened.size, octets.size);
    assert_memory_equal(opened.data, octets.data, octets.size);
    buffer_done(&opened);
}

/* Header and body of `ingested` are those of `message`. */
static void assert_is(const struct ingested *ingested, struct slice message)
{
    struct slice body = slice_skip(message, ingested->header_size);
    char body_id[SHA256_SIZE];

    assert_int_equal(ingested->header_size + ingested->body_size, message.size);
    assert_frame_holds(ingested->header_frame, slice_prefix(message, ingested->header_size));
    assert_int_equal(ingested->body_frame_count,
                     (body.size + BODY_FRAME_SIZE - 1) / BODY_FRAME_SIZE);
    for (size_t i = 0; i < ingested->body_frame_count; i++) {
        assert_frame_holds(ingested->body_frames[i],
                           slice_prefix(slice_skip(body, i * BODY_FRAME_SIZE), BODY_FRAME_SIZE));
    }
    sha256_of(body, body_id);
    assert_memory_equal(ingested->body_id, body_id, SHA256_SIZE);
}

static struct ingested *ingest(struct slice message)
{
    struct ingested *ingested = NULL;

    assert_int_equal(ingest_message(message, &ingested), STATUS_OK);
    assert_int_equal(ingested->references, 1);
    assert_is(ingested, message);
    return ingested;
}

static void message_is_cut_behind_its_header(void **state)
{
    struct ingested *ingested = ingest(SLICE(small));
    struct arena arena;
    struct digest digest;

    assert_int_equal(ingested->body_size, 6);
    arena_init(&arena);
    assert_int_equal(digest_decode(ingested->digest, &arena, &digest), STATUS_OK);
    assert_slice_equals(digest.envelope.subject, "hello");
    arena_done(&arena);
    ingested_unref(ingested);
}

static void odd_messages_are_ingested(void **state)
{
    static const char *const messages[] = {"",
                                           "\r\n",
                                           "\r\n\r\n",
                                           "no header at all",
                                           "Subject: only\r\n",
                                           "A: b\r\n\r\n",
                                           "\r\nbody",
                                           "\n",
                                           "A: b\nC: d\n\nbody"};

    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        ingested_unref(ingest(slice_of(messages[i])));
    }
    ingested_unref(NULL);
}

/* A body that fills its frames exactly has no empty one behind them. */
static void body_is_cut_into_frames(void **state)
{
    static const size_t sizes[] = {BODY_FRAME_SIZE - 1, BODY_FRAME_SIZE, BODY_FRAME_SIZE + 1,
                                   3 * BODY_FRAME_SIZE};

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *octets = memory_zeroed(sizes[i] + 2);

        memset(octets, 'x', sizes[i] + 2);
        memcpy(octets, "\r\n", 2);
        struct ingested *ingested = ingest((struct slice){octets, sizes[i] + 2});

        assert_int_equal(ingested->body_size, sizes[i]);
        ingested_unref(ingested);
        memory_free(octets);
    }
}

static bool share_a_key(const struct ingested *one, const struct ingested *other)
{
    for (size_t i = 0; i < one->thread_key_count; i++) {
        for (size_t k = 0; k < other->thread_key_count; k++) {
            if (one->thread_keys[i] == other->thread_keys[k]) {
                return true;
            }
        }
    }
    return false;
}

static void answer_shares_a_key_with_what_it_answers(void **state)
{
    struct ingested *one = ingest(SLICE("Message-ID: <a@example.org>\r\n\r\nfirst\r\n"));
    struct ingested *answer = ingest(SLICE(small));
    struct ingested *other = ingest(SLICE("Message-ID: <z@example.org>\r\n\r\nother\r\n"));
    struct ingested *nameless = ingest(SLICE("Subject: x\r\n\r\nnameless\r\n"));

    assert_int_equal(answer->thread_key_count, 3);
    assert_true(share_a_key(one, answer));
    assert_false(share_a_key(one, other));
    assert_int_equal(nameless->thread_key_count, 0);
    ingested_unref(one);
    ingested_unref(answer);
    ingested_unref(other);
    ingested_unref(nameless);
}

static void thread_keys_are_bounded(void **state)
{
    struct buffer message;

    buffer_init(&message, 1 << 20);
    buffer_printf(&message, "Message-ID: <m@example.org>\r\nReferences:");
    for (unsigned i = 0; i < 2000; i++) {
        buffer_printf(&message, " <%u@example.org>\r\n", i);
    }
    buffer_printf(&message, "\r\n");
    struct ingested *ingested = ingest(buffer_view(&message));

    assert_in_range(ingested->thread_key_count, 2, THREAD_KEYS_MAX);
    ingested_unref(ingested);
    buffer_done(&message);
}

/* A header block of exactly `size` octets, and a body. */
static void make_message(size_t size, struct buffer *output)
{
    buffer_init(output, size + 10);
    buffer_printf(output, "A: %*s\r\n\r\nbody", (int)size - 7, "a");
}

static void large_header_is_refused(void **state)
{
    struct ingested *ingested = NULL;
    struct buffer message;

    make_message(HEADER_SIZE_MAX, &message);
    ingested = ingest(buffer_view(&message));
    assert_int_equal(ingested->header_size, HEADER_SIZE_MAX);
    assert_int_equal(ingested->body_size, 4);
    ingested_unref(ingested);
    buffer_done(&message);
    ingested = NULL;
    make_message(HEADER_SIZE_MAX + 1, &message);
    assert_int_equal(ingest_message(buffer_view(&message), &ingested), STATUS_TOO_LARGE);
    assert_null(ingested);
    buffer_done(&message);
}

/* ---- On a loop ---- */

struct run {
    struct loop_message begin;
    struct loop *loop;
    struct router *router;
    struct worker_pool *workers;
    struct shard_map *map;
    struct rpc_services services;
    struct ingest ingest;
    struct slice message;
    unsigned done_count;
    bool has_returned; /* ingest_start() */
    enum status status;
    struct loop_message later;
};

static void open_run(struct run *run, struct slice message, bool with_workers)
{
    *run = (struct run){.loop = loop_new("ingest"), .message = message};
    run->map = shard_map_new(1);
    run->workers = with_workers ? worker_pool_new("ingest", 1, 4) : NULL;
    run->router = router_new(&(struct router_options){
        .loop = run->loop,
        .local = &run->services,
        .map = run->map,
        .workers = run->workers,
        .directory_cache_count_max = 1,
    });
}

static void close_run(struct run *run)
{
    if (run->workers != NULL) {
        worker_pool_free(run->workers);
    }
    router_free(run->router);
    loop_free(run->loop);
    shard_map_unref(run->map);
}

static void on_ingested(struct ingest *ingest, enum status status, struct ingested *ingested)
{
    struct run *run = CONTAINER_OF(ingest, struct run, ingest);

    assert_true(run->has_returned);
    assert_null(ingest->work);
    run->done_count++;
    run->status = status;
    if (status == STATUS_OK) {
        assert_is(ingested, run->message);
        ingested_unref(ingested);
    } else {
        assert_null(ingested);
    }
    loop_stop(run->loop);
}

static void start(struct loop_message *begin)
{
    struct run *run = CONTAINER_OF(begin, struct run, begin);

    ingest_start(run->router, &run->ingest, run->message, on_ingested);
    run->has_returned = true;
}

static struct slice make_large(void)
{
    size_t size = 25 << 20;
    char *octets = memory_zeroed(size);

    memset(octets, 'x', size);
    memcpy(octets, "A: b\r\n\r\n", 8);
    return (struct slice){octets, size};
}

static void done_comes_once_and_later(void **state)
{
    struct slice large = make_large();
    struct slice messages[] = {SLICE(small), large, large};

    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        struct run run;

        open_run(&run, messages[i], i < 2);
        run.begin.run = start;
        loop_post(run.loop, &run.begin);
        loop_run(run.loop);
        assert_int_equal(run.done_count, 1);
        assert_int_equal(run.status, STATUS_OK);
        close_run(&run);
    }
    memory_free((void *)large.data);
}

static void on_later(struct loop_message *later)
{
    loop_stop(CONTAINER_OF(later, struct run, later)->loop);
}

/* The message goes as soon as the cancel has returned, whatever the worker does. */
static void cancel_at_once(struct loop_message *begin)
{
    struct run *run = CONTAINER_OF(begin, struct run, begin);

    start(begin);
    ingest_cancel(&run->ingest);
    ingest_cancel(&run->ingest);
    assert_null(run->ingest.work);
    memory_free((void *)run->message.data);
    run->message = (struct slice){0};
    run->later.run = on_later;
    loop_post(run->loop, &run->later);
}

static void cancelled_ingest_is_never_done(void **state)
{
    for (unsigned round = 0; round < 6; round++) {
        struct slice message = make_large();
        struct run run;

        open_run(&run, slice_prefix(message, round % 2 == 0 ? 100 : message.size), true);
        run.begin.run = cancel_at_once;
        loop_post(run.loop, &run.begin);
        loop_run(run.loop);
        close_run(&run);
        assert_int_equal(run.done_count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_is_cut_behind_its_header),
        cmocka_unit_test(odd_messages_are_ingested),
        cmocka_unit_test(body_is_cut_into_frames),
        cmocka_unit_test(answer_shares_a_key_with_what_it_answers),
        cmocka_unit_test(thread_keys_are_bounded),
        cmocka_unit_test(large_header_is_refused),
        cmocka_unit_test(done_comes_once_and_later),
        cmocka_unit_test(cancelled_ingest_is_never_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
