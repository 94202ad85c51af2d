/* Mail for a shard that is away: another one takes charge, and brings it there, once. With a real
 * node, whose shards a test sends away. */
#include <ftw.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/random.h"
#include "proto/handover.pb-c.h"
#include "router/attempt.h"
#include "router/delivery.h"
#include "router/handover.h"
#include "router/mailbox_client.h"
#include "storage/node.h"
#include "tests/unit/unit.h"

enum { SHARDS = 3, SERVICES_MAX = 8, LARGE = 3 << 20, PATIENCE_MS = 60000 };

static char folder[64];
static struct node *node;
static struct loop *loop;
static struct router *router;
static struct shard_map *map;
static struct handover_worker *worker;
static struct handover_worker *other_worker;
static atomic_bool is_away[SHARDS + 1];

static struct delivery delivery;
static struct delivery_order order;
static struct delivery_outcome outcomes[2];
static struct account_call account;
static struct mailbox_call mailbox;
static struct attempt attempt;
static struct account_place place;
static struct account_update update;
static uint32_t shard;
static uint32_t message_count;
static uint64_t email;
static struct buffer body;
static enum status result;
static sem_t over;

/* ---- A node that some of whose shards do not answer ---- */

struct gate {
    ProtobufCService service; /* the first */
    ProtobufCService *behind;
};

static struct gate gates[SERVICES_MAX];
static ProtobufCService *gate_list[SERVICES_MAX];
static struct rpc_services gated;

static void pass_gate(ProtobufCService *service, unsigned method, const ProtobufCMessage *request,
                      ProtobufCClosure closure, void *call)
{
    ProtobufCService *behind = CONTAINER_OF(service, struct gate, service)->behind;

    if (is_away[rpc_request_shard(call)]) {
        rpc_fail(call, STATUS_UNAVAILABLE);
    } else {
        behind->invoke(behind, method, request, closure, call);
    }
}

static void build_gates(void)
{
    const struct rpc_services *services = node_services(node);

    CHECK(services->service_count <= SERVICES_MAX);
    gated = *services;
    gated.services = gate_list;
    for (size_t i = 0; i < services->service_count; i++) {
        gates[i].behind = services->services[i];
        gates[i].service.descriptor = services->services[i]->descriptor;
        gates[i].service.invoke = pass_gate;
        gate_list[i] = &gates[i].service;
    }
}

/* ---- To the loop and back ---- */

struct turn {
    struct loop_message message;
    void (*run)(void);
};

static void on_turn(struct loop_message *message)
{
    CONTAINER_OF(message, struct turn, message)->run();
}

static void end_turn(enum status status)
{
    result = status;
    CHECK(sem_post(&over) == 0);
}

static enum status ask(void (*run)(void))
{
    struct turn turn = {{on_turn, NULL}, run};

    loop_post(loop, &turn.message);
    while (sem_wait(&over) != 0) {
        continue;
    }
    return result;
}

static void open_router(void)
{
    router = router_new(&(struct router_options){
        .loop = loop,
        .local = &gated,
        .map = map,
        .call_timeout_ms = 400,
        .directory_cache_ms = 5000,
        .directory_cache_count_max = 100,
    });
    end_turn(STATUS_OK);
}

static void stop_workers(void)
{
    handover_worker_free(worker);
    handover_worker_free(other_worker);
    worker = NULL;
    other_worker = NULL;
    end_turn(STATUS_OK);
}

static void start_worker(void)
{
    worker = handover_worker_new(router);
    end_turn(STATUS_OK);
}

static void start_other_worker(void)
{
    other_worker = handover_worker_new(router);
    end_turn(STATUS_OK);
}

static int open_node(void **state)
{
    static const uint32_t shards[SHARDS] = {1, 2, 3};
    struct node_options options = {
        .folder = folder,
        .shards = shards,
        .shard_count = SHARDS,
        .loop_count = 2,
        .worker_count = 1,
        .block_cache_size = 8 << 20,
        .write_buffer_size = 4 << 20,
        .log_segment_size = 4 << 20,
    };

    for (size_t i = 0; i <= SHARDS; i++) {
        is_away[i] = false;
    }
    if (node_open(&options, &node) != STATUS_OK) {
        return -1;
    }
    build_gates();
    loop = loop_new("router");
    loop_start(loop);
    return ask(open_router) == STATUS_OK ? 0 : -1;
}

static void close_node(void)
{
    ask(stop_workers);
    loop_stop(loop);
    loop_join(loop);
    node_stop(node);
    router_free(router);
    loop_free(loop);
    node_close(node);
}

static int setup(void **state)
{
    memcpy(folder, "/tmp/aviso-handover-XXXXXX", sizeof("/tmp/aviso-handover-XXXXXX"));
    if (mkdtemp(folder) == NULL || sem_init(&over, 0, 0) != 0) {
        return -1;
    }
    map = shard_map_new(SHARDS);
    buffer_init(&body, LARGE + 1024);
    return open_node(state);
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    return remove(path);
}

static int teardown(void **state)
{
    close_node();
    shard_map_unref(map);
    buffer_done(&body);
    sem_destroy(&over);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- Accounts and mail ---- */

static void on_created(struct account_call *call, enum status status, uint64_t id)
{
    place.account = id;
    end_turn(status);
}

static void create(void)
{
    account_create(router, &account, shard, SLICE("x@example.org"), SLICE("secret"), 1 << 20, 0,
                   on_created);
}

static struct account_place make_account(uint32_t where)
{
    shard = where;
    assert_int_equal(ask(create), STATUS_OK);
    place.shard = where;
    return place;
}

static void on_account_done(struct account_call *call, enum status status)
{
    end_turn(status);
}

static void change_account(void)
{
    account_update(router, &account, place, &update, on_account_done);
}

static void remove_account(void)
{
    account_remove(router, &account, place, on_account_done);
}

static void on_delivered(struct delivery *sent, const struct delivery_outcome *given)
{
    memcpy(outcomes, given, order.recipient_count * sizeof(*given));
    end_turn(STATUS_OK);
}

static void send(void)
{
    delivery_send(router, &delivery, &order, on_delivered);
}

static const char greeting[] = "Subject: Ahoy\r\n\r\nHello";

/* One message, to one or two accounts; under `again`, or an id of its own. */
static struct request_id deliver(struct slice message, const struct account_place *places,
                                 size_t count, const struct request_id *again)
{
    struct delivery_recipient recipients[2];

    for (size_t i = 0; i < count; i++) {
        recipients[i] =
            (struct delivery_recipient){.place = places[i], .header_prefix = SLICE("To: you\r\n")};
    }
    order = (struct delivery_order){
        .received_ms = clock_wall_ms(),
        .recipients = recipients,
        .recipient_count = count,
        .may_hand_over = true,
    };
    request_id_make(&order.id);
    if (again != NULL) {
        order.id = *again;
    }
    assert_int_equal(ingest_message(message, &order.ingested), STATUS_OK);
    ask(send);
    ingested_unref(order.ingested);
    return order.id;
}

static void on_opened(struct mailbox_call *call, enum status status,
                      const struct mailbox_opening *opening)
{
    message_count = status == STATUS_OK ? opening->record.message_count : 0;
    end_turn(status);
}

static void open_inbox(void)
{
    mailbox_open(router, &mailbox, place, SLICE("INBOX"), on_opened);
}

static uint32_t count_messages(struct account_place where)
{
    place = where;
    assert_int_equal(ask(open_inbox), STATUS_OK);
    return message_count;
}

static void on_rows(struct mailbox_call *call, enum status status, const struct mailbox_rows *rows)
{
    if (status == STATUS_OK && rows->count > 0) {
        email = rows->rows[0].email;
    }
    end_turn(status);
}

static void get_rows(void)
{
    struct uid_set *uids = uid_set_new();

    uid_set_add_range(uids, 1, 1);
    struct rows_query query = {.uids = uids};

    mailbox_get_rows(router, &mailbox, place, 1, &query, on_rows);
    uid_set_free(uids);
}

static void on_body(struct mailbox_call *call, enum status status, struct slice octets)
{
    buffer_clear(&body);
    buffer_append(&body, octets);
    end_turn(status);
}

static void get_body(void)
{
    mailbox_get_body(router, &mailbox, place, email, 0, LARGE * 2, on_body);
}

/* ---- What is kept ---- */

static void on_next(struct attempt *ended, enum status status, const ProtobufCMessage *reply,
                    struct rpc_octets *octets)
{
    attempt_done(ended);
    end_turn(status);
}

static void ask_next(void)
{
    Aviso__NextHandoverRequest request = AVISO__NEXT_HANDOVER_REQUEST__INIT;

    attempt_init(&attempt, router);
    attempt_start(&attempt, shard, &aviso__handovers__descriptor, "NextHandover", &request.base,
                  NULL, on_next);
}

static bool keeps_nothing(void)
{
    for (shard = 1; shard <= SHARDS; shard++) {
        if (ask(ask_next) != STATUS_NOT_FOUND) {
            return false;
        }
    }
    return true;
}

/* Until all is brought, or for ever longer than that takes. */
static void wait_until_brought(void)
{
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;

    while (!keeps_nothing()) {
        assert_true(clock_monotonic_ms() < end_ms);
        sched_yield();
    }
}

/* ---- Tests ---- */

static void mail_for_a_shard_that_is_away_is_kept_and_brought(void **state)
{
    struct account_place places[2] = {make_account(1), make_account(2)};

    is_away[2] = true;
    deliver(SLICE(greeting), places, 2, NULL);
    assert_int_equal(outcomes[0].status, STATUS_OK);
    assert_int_equal(outcomes[0].uid, 1);
    assert_false(outcomes[0].is_handed_over);
    assert_int_equal(outcomes[1].status, STATUS_OK);
    assert_true(outcomes[1].is_handed_over);
    is_away[2] = false;
    assert_int_equal(count_messages(places[1]), 0);
    ask(start_worker);
    wait_until_brought();
    assert_int_equal(count_messages(places[0]), 1);
    assert_int_equal(count_messages(places[1]), 1);
    assert_int_equal(ask(get_rows), STATUS_OK);
    assert_int_equal(ask(get_body), STATUS_OK);
    assert_true(slice_equals(buffer_view(&body), SLICE("Hello")));
}

static void worker_brings_what_comes_later_and_waits_for_who_is_away(void **state)
{
    struct account_place here = make_account(1);
    struct account_place there = make_account(2);

    ask(start_worker);
    is_away[2] = true;
    for (size_t i = 0; i < 5; i++) {
        struct account_place places[2] = {here, there};

        deliver(SLICE(greeting), places, 2, NULL);
        assert_true(outcomes[1].is_handed_over);
    }
    is_away[2] = false;
    wait_until_brought();
    assert_int_equal(count_messages(here), 5);
    assert_int_equal(count_messages(there), 5);
}

static void what_had_arrived_after_all_is_not_doubled(void **state)
{
    struct account_place there = make_account(2);
    struct request_id id = deliver(SLICE(greeting), &there, 1, NULL);

    assert_int_equal(outcomes[0].uid, 1);
    is_away[2] = true;
    deliver(SLICE(greeting), &there, 1, &id);
    assert_true(outcomes[0].is_handed_over);
    is_away[2] = false;
    ask(start_worker);
    wait_until_brought();
    assert_int_equal(count_messages(there), 1);
}

static void large_body_goes_in_frames(void **state)
{
    char *text = memory_zeroed(LARGE);
    struct account_place there = make_account(2);

    random_octets(text, LARGE);
    memcpy(text, "\r\n", 2);
    is_away[2] = true;
    deliver((struct slice){text, LARGE}, &there, 1, NULL);
    assert_true(outcomes[0].is_handed_over);
    is_away[2] = false;
    ask(start_worker);
    wait_until_brought();
    assert_int_equal(count_messages(there), 1);
    assert_int_equal(ask(get_rows), STATUS_OK);
    assert_int_equal(ask(get_body), STATUS_OK);
    assert_true(
        slice_equals(slice_prefix(buffer_view(&body), 1024), (struct slice){text + 2, 1024}));
    memory_free(text);
}

static void restart_of_the_keeper_loses_nothing(void **state)
{
    struct account_place there = make_account(2);

    is_away[2] = true;
    deliver(SLICE(greeting), &there, 1, NULL);
    assert_true(outcomes[0].is_handed_over);
    close_node();
    assert_int_equal(open_node(state), 0);
    ask(start_worker);
    wait_until_brought();
    assert_int_equal(count_messages(there), 1);
}

static void two_who_bring_the_same_bring_it_once(void **state)
{
    struct account_place there = make_account(2);

    is_away[2] = true;
    for (size_t i = 0; i < 5; i++) {
        deliver(SLICE(greeting), &there, 1, NULL);
        assert_true(outcomes[0].is_handed_over);
    }
    is_away[2] = false;
    ask(start_worker);
    ask(start_other_worker);
    wait_until_brought();
    assert_int_equal(count_messages(there), 5);
}

static void nobody_is_told_yes_when_no_shard_answers(void **state)
{
    struct account_place there = make_account(2);

    for (size_t i = 1; i <= SHARDS; i++) {
        is_away[i] = true;
    }
    deliver(SLICE(greeting), &there, 1, NULL);
    assert_int_equal(outcomes[0].status, STATUS_UNAVAILABLE);
    for (size_t i = 1; i <= SHARDS; i++) {
        is_away[i] = false;
    }
    assert_true(keeps_nothing());
}

static void acknowledged_mail_is_not_turned_away_later(void **state)
{
    static const uint64_t octets = 1;
    static const uint64_t messages = 1;
    static const bool suspended = true;
    struct account_place there = make_account(2);

    is_away[2] = true;
    deliver(SLICE(greeting), &there, 1, NULL);
    is_away[2] = false;
    place = there;
    update = (struct account_update){
        .quota_octets = &octets, .quota_messages = &messages, .suspended = &suspended};
    assert_int_equal(ask(change_account), STATUS_OK);
    ask(start_worker);
    wait_until_brought();
    assert_int_equal(count_messages(there), 1);
}

static void mail_of_who_was_removed_meanwhile_is_let_go(void **state)
{
    struct account_place there = make_account(2);

    is_away[2] = true;
    deliver(SLICE(greeting), &there, 1, NULL);
    is_away[2] = false;
    place = there;
    assert_int_equal(ask(remove_account), STATUS_OK);
    ask(start_worker);
    wait_until_brought();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(mail_for_a_shard_that_is_away_is_kept_and_brought),
        TEST(worker_brings_what_comes_later_and_waits_for_who_is_away),
        TEST(what_had_arrived_after_all_is_not_doubled),
        TEST(large_body_goes_in_frames),
        TEST(restart_of_the_keeper_loses_nothing),
        TEST(two_who_bring_the_same_bring_it_once),
        TEST(nobody_is_told_yes_when_no_shard_answers),
        TEST(acknowledged_mail_is_not_turned_away_later),
        TEST(mail_of_who_was_removed_meanwhile_is_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
