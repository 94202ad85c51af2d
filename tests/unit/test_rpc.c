/* net/rpc.h between two loops of one process: who hears what, and who never hears anything. */
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "core/check.h"
#include "core/memory.h"
#include "tests/fakes/rpc_stage.h"
#include "tests/unit/unit.h"

/* A client that asks for one part at a time. */
struct asker {
    struct loop_message begin;
    struct stage *stage;
    const char *part;
    struct rpc_call call;
    struct loop_timer timer;
    struct slice octets;
    uint64_t timeout_ms;
    bool is_sending;

    unsigned answer_count;
    enum status status;
    uint32_t leader_hint;
    uint64_t account;
    size_t octets_size;
    bool answered_early;
};

static void on_entry(const Aviso__DirectoryEntry *entry, void *closure_data)
{
    struct asker *asker = CONTAINER_OF(closure_data, struct asker, call);

    asker->answered_early |= asker->is_sending;
    asker->answer_count++;
    asker->status = asker->call.status;
    asker->leader_hint = asker->call.leader_hint;
    if (entry != NULL) {
        assert_slice_equals(slice_from_wire(entry->name), asker->part);
        asker->account = entry->account;
        asker->octets_size = rpc_octets_view(asker->call.reply_octets).size;
    }
    loop_stop(asker->stage->client_loop);
}

static void ask_part(struct asker *asker, struct slice part)
{
    Aviso__LookRequest request = AVISO__LOOK_REQUEST__INIT;

    rpc_call_init(&asker->call, 3);
    if (asker->octets.size > 0) {
        asker->call.octets = rpc_octets_new(asker->octets);
    }
    if (asker->timeout_ms > 0) {
        asker->call.deadline_ms = loop_now_ms(asker->stage->client_loop) + asker->timeout_ms;
    }
    request.name = wire_from_slice(part);
    request.slot = 42;
    asker->is_sending = true;
    aviso__directory__look(asker->stage->directory, &request, on_entry, &asker->call);
    asker->is_sending = false;
}

static void ask(struct loop_message *begin)
{
    struct asker *asker = CONTAINER_OF(begin, struct asker, begin);

    ask_part(asker, slice_of(asker->part));
}

static void play(struct stage *stage, struct asker *asker)
{
    asker->stage = stage;
    if (asker->begin.run == NULL) {
        asker->begin.run = ask;
    }
    stage_play(stage, &asker->begin);
    assert_false(asker->answered_early);
    assert_null(asker->call.pending);
}

static void a_reply_brings_its_message_and_octets(void **state)
{
    struct stage stage;
    struct asker asker = {.part = "echo", .octets = SLICE("octets")};

    stage_open(&stage);
    play(&stage, &asker);
    assert_int_equal(asker.answer_count, 1);
    assert_int_equal(asker.status, STATUS_OK);
    assert_int_equal(asker.account, 42);
    assert_int_equal(asker.octets_size, 6);
    stage_close(&stage);
}

static void a_service_on_the_same_loop_answers_later_too(void **state)
{
    struct stage stage;
    struct asker asker = {.part = "echo"};

    stage_open(&stage);
    loop_stop(stage.server_loop);
    loop_join(stage.server_loop);
    struct loop *server_loop = stage.server_loop;

    stage.server_loop = stage.client_loop;
    play(&stage, &asker);
    assert_int_equal(asker.status, STATUS_OK);
    stage.server_loop = server_loop;
    rpc_channel_free(stage.directory);
    rpc_channel_free(stage.watches);
    loops_free((struct loop *[]){stage.client_loop, server_loop}, 2);
}

static void a_failure_brings_its_status(void **state)
{
    static const struct {
        const char *part;
        enum status status;
        uint32_t leader_hint;
    } examples[] = {
        {"deny", STATUS_DENIED, 0},
        {"follow", STATUS_NOT_LEADER, 7},
        {"huge", STATUS_TOO_LARGE, 0},
    };

    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct stage stage;
        struct asker asker = {.part = examples[i].part};

        stage_open(&stage);
        play(&stage, &asker);
        assert_int_equal(asker.answer_count, 1);
        assert_int_equal(asker.status, examples[i].status);
        assert_int_equal(asker.leader_hint, examples[i].leader_hint);
        stage_close(&stage);
    }
}

static void ask_too_much(struct loop_message *begin)
{
    struct asker *asker = CONTAINER_OF(begin, struct asker, begin);
    char *octets = memory_zeroed(RPC_MESSAGE_SIZE_MAX);

    ask_part(asker, (struct slice){octets, RPC_MESSAGE_SIZE_MAX});
    memory_free(octets);
}

static void a_request_over_the_limit_is_not_sent(void **state)
{
    struct stage stage;
    struct asker asker = {.begin = {.run = ask_too_much}, .octets = SLICE("octets")};

    stage_open(&stage);
    play(&stage, &asker);
    assert_int_equal(asker.status, STATUS_TOO_LARGE);
    stage_close(&stage);
    assert_int_equal(stage.served_count, 0);
}

static void a_service_that_nobody_serves_is_unsupported(void **state)
{
    struct stage stage;
    struct asker asker = {.part = "echo", .octets = SLICE("octets")};

    stage_open(&stage);
    rpc_channel_free(stage.directory);
    stage.services.service_count = 0;
    stage.directory =
        rpc_local_channel_new(stage.client_loop, &aviso__directory__descriptor, &stage.services);
    play(&stage, &asker);
    assert_int_equal(asker.status, STATUS_UNSUPPORTED);
    stage_close(&stage);
}

/* ---- Deadlines and cancels: the server holds the request meanwhile ---- */

static struct asker *holder; /* whose request is held */

static void nothing(struct loop_message *message)
{
}

static void on_held_then_let_go(struct loop_message *message)
{
    stage_let_go(CONTAINER_OF(message, struct stage, arrived));
}

static void on_held_then_cancel(struct loop_message *message)
{
    struct stage *stage = CONTAINER_OF(message, struct stage, arrived);

    rpc_call_cancel(&holder->call);
    rpc_call_cancel(&holder->call);
    rpc_channel_free(stage->directory);
    stage->directory = NULL;
    stage_let_go(stage);
    loop_stop(stage->client_loop);
}

static void an_answer_may_come_later(void **state)
{
    struct stage stage;
    struct asker asker = {.part = "hold"};

    stage_open(&stage);
    stage.arrived.run = on_held_then_let_go;
    play(&stage, &asker);
    assert_int_equal(asker.status, STATUS_CONFLICT);
    stage_close(&stage);
}

static void after_the_deadline_a_late_answer_is_dropped(void **state)
{
    struct stage stage;
    struct asker asker = {.part = "hold", .timeout_ms = 30};

    stage_open(&stage);
    stage.arrived.run = nothing;
    play(&stage, &asker);
    assert_int_equal(asker.status, STATUS_TIMED_OUT);
    stage_let_go(&stage);
    stage_close(&stage);
    assert_int_equal(asker.answer_count, 1);
}

static void a_deadline_that_passed_is_told_later_all_the_same(void **state)
{
    struct stage stage;
    struct asker asker = {.part = "echo", .timeout_ms = UINT64_MAX}; /* 1 ms ago */

    stage_open(&stage);
    play(&stage, &asker);
    assert_int_equal(asker.status, STATUS_TIMED_OUT);
    stage_close(&stage);
}

static void after_a_cancel_nothing_is_heard(void **state)
{
    struct stage stage;
    struct asker asker = {.part = "hold"};

    stage_open(&stage);
    holder = &asker;
    stage.arrived.run = on_held_then_cancel;
    play(&stage, &asker);
    stage_close(&stage);
    assert_int_equal(asker.answer_count, 0);
    assert_null(stage.held);
}

/* ---- Many at once ---- */

enum { CROWD = 5000 };

struct crowd {
    struct loop_message begin;
    struct stage *stage;
    struct rpc_call calls[CROWD];
    unsigned answered;
    unsigned cancelled;
};

static struct crowd crowd;

static void on_one_of_many(const Aviso__DirectoryEntry *entry, void *closure_data)
{
    struct rpc_call *call = closure_data;

    assert_int_equal(call->status, STATUS_OK);
    assert_int_equal(entry->account, (uint64_t)(call - crowd.calls));
    crowd.answered++;
    /* Each that is answered takes a later one away, in flight or answered meanwhile. */
    size_t victim = (entry->account * 7) % CROWD;

    if (victim > entry->account && crowd.calls[victim].pending != NULL) {
        rpc_call_cancel(&crowd.calls[victim]);
        crowd.cancelled++;
    }
    if (crowd.answered + crowd.cancelled == CROWD) {
        loop_stop(crowd.stage->client_loop);
    }
}

static void ask_for_crowd(struct loop_message *begin)
{
    for (unsigned i = 0; i < CROWD; i++) {
        Aviso__LookRequest request = AVISO__LOOK_REQUEST__INIT;

        rpc_call_init(&crowd.calls[i], i);
        request.slot = i;
        aviso__directory__look(crowd.stage->directory, &request, on_one_of_many, &crowd.calls[i]);
    }
}

static void each_of_many_gets_its_own_answer_or_none(void **state)
{
    struct stage stage;

    stage_open(&stage);
    crowd = (struct crowd){.begin = {.run = ask_for_crowd}, .stage = &stage};
    stage_play(&stage, &crowd.begin);
    stage_close(&stage);
    assert_int_equal(crowd.answered + crowd.cancelled, CROWD);
    assert_true(crowd.cancelled > 0);
}

/* ---- Streams ---- */

struct watcher {
    struct loop_message begin;
    struct stage *stage;
    struct rpc_call call;
    uint64_t item_count;
    uint64_t cancel_at; /* items; 0: never */
    unsigned end_count;
    enum status end_status;
};

static void on_item(const Aviso__WatchEvent *event, void *closure_data)
{
    struct watcher *watcher = CONTAINER_OF(closure_data, struct watcher, call);

    if (event == NULL) {
        watcher->end_count++;
        watcher->end_status = watcher->call.status;
        loop_stop(watcher->stage->client_loop);
        return;
    }
    assert_int_equal(event->modseq, ++watcher->item_count);
    if (watcher->item_count == watcher->cancel_at) {
        rpc_call_cancel(&watcher->call);
    }
}

static void watch(struct loop_message *begin)
{
    struct watcher *watcher = CONTAINER_OF(begin, struct watcher, begin);
    Aviso__WatchRequest request = AVISO__WATCH_REQUEST__INIT;

    rpc_call_init(&watcher->call, 1);
    aviso__watches__watch(watcher->stage->watches, &request, on_item, &watcher->call);
}

static void a_stream_brings_all_items_in_order_then_its_end(void **state)
{
    struct stage stage;
    struct watcher watcher = {.begin = {.run = watch}, .stage = &stage};

    stage_open(&stage);
    stage_play(&stage, &watcher.begin);
    stage_close(&stage);
    assert_int_equal(watcher.item_count, 1000);
    assert_int_equal(watcher.end_count, 1);
    assert_int_equal(watcher.end_status, STATUS_OK);
    assert_int_equal(stage.stream_ends, 0);
}

static void on_stream_end_at_server(struct loop_message *message)
{
    loop_stop(CONTAINER_OF(message, struct stage, arrived)->client_loop);
}

static void a_stream_cancelled_within_its_closure_ends_at_the_server(void **state)
{
    struct stage stage;
    struct watcher watcher = {.begin = {.run = watch}, .stage = &stage, .cancel_at = 3};

    stage_open(&stage);
    stage.arrived.run = on_stream_end_at_server;
    stage.stream_most = UINT64_MAX;
    stage_play(&stage, &watcher.begin);
    stage_close(&stage);
    assert_int_equal(watcher.item_count, 3);
    assert_int_equal(watcher.end_count, 0);
    assert_int_equal(stage.stream_ends, 1);
}

/* The client's loop is told of the held window by a message behind the items. */
static void on_window_full(struct loop_message *message)
{
    struct stage *stage = CONTAINER_OF(message, struct stage, let_go);

    assert_true(stage->stream_sent <= RPC_STREAM_WINDOW);
    loop_post(stage->client_loop, &stage->arrived);
}

static void watch_and_sit(struct loop_message *begin)
{
    struct watcher *watcher = CONTAINER_OF(begin, struct watcher, begin);

    watch(begin);
    loop_post(watcher->stage->server_loop, &watcher->stage->let_go);
}

static void a_stream_sends_no_more_than_its_window_unasked(void **state)
{
    struct stage stage;
    struct watcher watcher = {.begin = {.run = watch_and_sit}, .stage = &stage};

    stage_open(&stage);
    stage.arrived.run = nothing;
    stage.let_go.run = on_window_full;
    stage_play(&stage, &watcher.begin);
    stage_close(&stage);
    assert_int_equal(watcher.item_count, 1000);
}

/* ---- Connections that fail ---- */

static void on_held_then_server_stops(struct loop_message *message)
{
    stage_stop_server(CONTAINER_OF(message, struct stage, arrived));
}

static void a_server_that_goes_away_leaves_its_requests_unavailable(void **state)
{
    struct stage stage;
    struct asker asker = {.part = "hold"};

    stage_open(&stage);
    stage.arrived.run = on_held_then_server_stops;
    play(&stage, &asker);
    assert_int_equal(asker.status, STATUS_UNAVAILABLE);
    stage_let_go(&stage);
    stage_close(&stage);
    assert_int_equal(asker.answer_count, 1);
}

struct repeater {
    struct loop_message begin;
    struct stage *stage;
    struct rpc_call call;
    struct loop_timer pause;
    uint16_t port;
    unsigned failures;
};

/* Until it is served: the first calls fail, and so do those within the pause after a failure. */
static void on_repeated(const Aviso__DirectoryEntry *entry, void *closure_data)
{
    struct repeater *repeater = CONTAINER_OF(closure_data, struct repeater, call);

    if (repeater->call.status == STATUS_OK) {
        loop_stop(repeater->stage->client_loop);
        return;
    }
    assert_int_equal(repeater->call.status, STATUS_UNAVAILABLE);
    if (++repeater->failures == 3) {
        stage_open_server(repeater->stage, repeater->port);
    }
    loop_timer_start(&repeater->pause, 1);
}

static void ask_repeatedly(struct loop_timer *pause)
{
    struct repeater *repeater = CONTAINER_OF(pause, struct repeater, pause);
    Aviso__LookRequest request = AVISO__LOOK_REQUEST__INIT;

    rpc_call_init(&repeater->call, 1);
    aviso__directory__look(repeater->stage->directory, &request, on_repeated, &repeater->call);
}

static void begin_to_repeat(struct loop_message *begin)
{
    struct repeater *repeater = CONTAINER_OF(begin, struct repeater, begin);

    loop_timer_init(&repeater->pause, repeater->stage->client_loop, ask_repeatedly);
    loop_timer_start(&repeater->pause, 0);
}

static void a_server_that_comes_back_is_found_again(void **state)
{
    struct stage stage;
    struct repeater repeater = {.begin = {.run = begin_to_repeat}, .stage = &stage};

    stage_open(&stage);
    repeater.port = rpc_server_port(stage.server);
    stage_stop_server(&stage);
    stage_play(&stage, &repeater.begin);
    assert_true(repeater.failures >= 3);
    stage_close(&stage);
}

/* Asks `node` instead of the stage's own. */
static enum status ask_another(struct stage *stage, const struct rpc_node_options *options)
{
    struct asker asker = {.part = "echo"};
    struct rpc_node *node = NULL;

    assert_int_equal(rpc_node_new(options, &node), STATUS_OK);
    rpc_channel_free(stage->directory);
    stage->directory = rpc_node_channel_new(node, &aviso__directory__descriptor);
    play(stage, &asker);
    rpc_channel_free(stage->directory);
    stage->directory = NULL;
    rpc_node_free(node);
    return asker.status;
}

static void a_client_without_a_certificate_is_not_served(void **state)
{
    struct stage stage;
    struct tls_options nobody = {0};
    struct tls_context *tls = NULL;
    const char *fault = NULL;

    stage_open(&stage);
    assert_int_equal(tls_context_new(&nobody, &tls, &fault), STATUS_OK);
    struct rpc_node_options options = {.loop = stage.client_loop,
                                       .address = "127.0.0.1",
                                       .port = rpc_server_port(stage.server),
                                       .cluster = 4711,
                                       .tls = tls};

    assert_int_equal(ask_another(&stage, &options), STATUS_UNAVAILABLE);
    stage_close(&stage);
    tls_context_free(tls);
    assert_int_equal(stage.served_count, 0);
}

static void a_node_of_another_cluster_is_not_asked(void **state)
{
    struct stage stage;

    stage_open(&stage);
    struct rpc_node_options options = {.loop = stage.client_loop,
                                       .address = "127.0.0.1",
                                       .port = rpc_server_port(stage.server),
                                       .cluster = 1};

    assert_int_equal(ask_another(&stage, &options), STATUS_UNAVAILABLE);
    stage_close(&stage);
    assert_int_equal(stage.served_count, 0);
}

/* The system accepts connections for it, and nobody ever reads them. */
static void a_node_that_says_nothing_is_dead_before_the_deadline(void **state)
{
    struct stage stage;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int deaf = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(deaf >= 0 && bind(deaf, (struct sockaddr *)&address, size) == 0);
    CHECK(listen(deaf, 5) == 0 && getsockname(deaf, (struct sockaddr *)&address, &size) == 0);
    stage_open(&stage);
    struct rpc_node_options options = {.loop = stage.client_loop,
                                       .address = "127.0.0.1",
                                       .port = ntohs(address.sin_port),
                                       .cluster = 4711,
                                       .silence_max_ms = 60};

    assert_int_equal(ask_another(&stage, &options), STATUS_UNAVAILABLE);
    stage_close(&stage);
    close(deaf);
}

static void plain_is_refused_where_others_could_listen(void **state)
{
    struct rpc_services services = {0};
    struct rpc_server_options server = {.address = "0.0.0.0", .services = &services};
    struct rpc_node_options node = {.address = "192.0.2.1"};
    struct rpc_server *opened = NULL;
    struct rpc_node *made = NULL;

    assert_int_equal(rpc_server_open(&server, &opened), STATUS_DENIED);
    assert_int_equal(rpc_node_new(&node, &made), STATUS_DENIED);
    node.address = "node.example";
    assert_int_equal(rpc_node_new(&node, &made), STATUS_INVALID);
}

#define TESTS_OF_ALL                                                                               \
    cmocka_unit_test(a_reply_brings_its_message_and_octets),                                       \
        cmocka_unit_test(a_failure_brings_its_status),                                             \
        cmocka_unit_test(a_request_over_the_limit_is_not_sent),                                    \
        cmocka_unit_test(an_answer_may_come_later),                                                \
        cmocka_unit_test(after_the_deadline_a_late_answer_is_dropped),                             \
        cmocka_unit_test(a_deadline_that_passed_is_told_later_all_the_same),                       \
        cmocka_unit_test(after_a_cancel_nothing_is_heard),                                         \
        cmocka_unit_test(each_of_many_gets_its_own_answer_or_none),                                \
        cmocka_unit_test(a_stream_brings_all_items_in_order_then_its_end),                         \
        cmocka_unit_test(a_stream_cancelled_within_its_closure_ends_at_the_server),                \
        cmocka_unit_test(a_stream_sends_no_more_than_its_window_unasked)

#define TESTS_OF_CONNECTIONS                                                                       \
    cmocka_unit_test(a_server_that_goes_away_leaves_its_requests_unavailable),                     \
        cmocka_unit_test(a_server_that_comes_back_is_found_again)

int main(void)
{
    const struct CMUnitTest local[] = {
        TESTS_OF_ALL,
        cmocka_unit_test(a_service_on_the_same_loop_answers_later_too),
        cmocka_unit_test(a_service_that_nobody_serves_is_unsupported),
        cmocka_unit_test(plain_is_refused_where_others_could_listen),
    };
    const struct CMUnitTest tcp[] = {
        TESTS_OF_ALL,
        TESTS_OF_CONNECTIONS,
        cmocka_unit_test(a_node_of_another_cluster_is_not_asked),
        cmocka_unit_test(a_node_that_says_nothing_is_dead_before_the_deadline),
    };
    const struct CMUnitTest tls[] = {
        TESTS_OF_ALL,
        TESTS_OF_CONNECTIONS,
        cmocka_unit_test(a_client_without_a_certificate_is_not_served),
    };
    int failures = cmocka_run_group_tests_name("rpc, local", local, NULL, NULL);

    stage_carrier = STAGE_TCP;
    failures += cmocka_run_group_tests_name("rpc, TCP", tcp, NULL, NULL);
    stage_carrier = STAGE_TLS;
    failures += cmocka_run_group_tests_name("rpc, TLS", tls, NULL, NULL);
    return failures;
}
