/* The router's clients against storage that fails, is late, or has to be asked again. */
#include <stdlib.h>

#include "core/memory.h"
#include "router/delivery.h"
#include "router/directory.h"
#include "router/mailbox_client.h"
#include "router/watch_client.h"
#include "tests/fakes/fake_storage.h"
#include "tests/unit/unit.h"

static struct fake_storage storage;

/* What the calls of a test came to. */
static struct outcome {
    struct directory_call directory;
    struct account_call account;
    struct mailbox_call mailbox;
    struct delivery delivery;
    unsigned done_count;
    enum status status;
    enum resolution_outcome resolution;
    size_t account_count;
    uint64_t accounts[8];
    char detail[64];
    bool has_returned;
} got;

/* ---- Entries that Look finds ---- */

static const struct known {
    const char *name;
    Aviso__EntryKind kind;
    uint64_t account;
    const char *targets[4];
} entries[] = {
    {"@example.org", AVISO__ENTRY_KIND__ENTRY_DOMAIN, 0, {NULL}},
    {"ann@example.org", AVISO__ENTRY_KIND__ENTRY_ACCOUNT, 1, {NULL}},
    {"bob@example.org", AVISO__ENTRY_KIND__ENTRY_ACCOUNT, 2, {NULL}},
    {"a+b@example.org", AVISO__ENTRY_KIND__ENTRY_ACCOUNT, 3, {NULL}},
    {"post@example.org", AVISO__ENTRY_KIND__ENTRY_ALIAS, 0, {"ann@example.org"}},
    {"both@example.org",
     AVISO__ENTRY_KIND__ENTRY_GROUP,
     0,
     {"post@example.org", "bob@example.org", "ann@example.org"}},
    {"all@example.org",
     AVISO__ENTRY_KIND__ENTRY_GROUP,
     0,
     {"both@example.org", "a+b@example.org", "x@foreign.example"}},
    {"ring@example.org", AVISO__ENTRY_KIND__ENTRY_ALIAS, 0, {"gnir@example.org"}},
    {"gnir@example.org", AVISO__ENTRY_KIND__ENTRY_ALIAS, 0, {"ring@example.org"}},
    {"@catch.example", AVISO__ENTRY_KIND__ENTRY_DOMAIN, 0, {"bob@example.org"}},
    {"away@example.org", AVISO__ENTRY_KIND__ENTRY_ALIAS, 0, {"x@foreign.example"}},
};

static void serve_look(const struct fake_request *request)
{
    const Aviso__LookRequest *look = (const Aviso__LookRequest *)request->message;
    Aviso__DirectoryEntry entry = AVISO__DIRECTORY_ENTRY__INIT;
    ProtobufCBinaryData targets[4];

    assert_int_equal(look->slot, slot_of(slice_from_wire(look->name)));
    assert_int_equal(request->shard, shard_map_shard_of_slot(storage.map, look->slot));
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        if (slice_is(slice_from_wire(look->name), entries[i].name)) {
            while (entry.n_targets < 4 && entries[i].targets[entry.n_targets] != NULL) {
                targets[entry.n_targets] =
                    wire_from_slice(slice_of(entries[i].targets[entry.n_targets]));
                entry.n_targets++;
            }
            entry.targets = targets;
            entry.name = look->name;
            entry.kind = entries[i].kind;
            entry.account = entries[i].account;
            entry.shard = 1 + (uint32_t)entry.account;
            fake_reply(request, &entry.base);
            return;
        }
    }
    fake_fail(request, STATUS_NOT_FOUND);
}

static void serve_get_account(const struct fake_request *request)
{
    const Aviso__GetAccountRequest *get = (const Aviso__GetAccountRequest *)request->message;
    Aviso__Account account = AVISO__ACCOUNT__INIT;

    assert_int_equal(request->shard, 1 + get->account);
    account.account = get->account;
    fake_reply(request, &account.base);
}

static void serve_deliver(const struct fake_request *request)
{
    const Aviso__DeliverRequest *deliver = (const Aviso__DeliverRequest *)request->message;
    Aviso__DeliverReply reply = AVISO__DELIVER_REPLY__INIT;
    Aviso__DeliverOutcome outcomes[500];
    Aviso__DeliverOutcome *pointers[500];

    for (size_t i = 0; i < deliver->n_recipients; i++) {
        outcomes[i] = (Aviso__DeliverOutcome)AVISO__DELIVER_OUTCOME__INIT;
        outcomes[i].uid = (uint32_t)deliver->recipients[i]->account;
        pointers[i] = &outcomes[i];
    }
    reply.n_outcomes = deliver->n_recipients;
    reply.outcomes = pointers;
    fake_reply(request, &reply.base);
}

/* Does what it is asked for, and says so. */
static void serve_store(const struct fake_request *request)
{
    Aviso__StoreFlagsReply reply = AVISO__STORE_FLAGS_REPLY__INIT;

    reply.modified = ((const Aviso__StoreFlagsRequest *)request->message)->uids;
    reply.modseq = storage.seen_count;
    fake_reply(request, &reply.base);
}

static void serve_copy(const struct fake_request *request)
{
    Aviso__CopyMessagesReply reply = AVISO__COPY_MESSAGES_REPLY__INIT;

    reply.source_uids = ((const Aviso__CopyMessagesRequest *)request->message)->uids;
    reply.target_uids = reply.source_uids;
    fake_reply(request, &reply.base);
}

static void serve_expunge(const struct fake_request *request)
{
    const Aviso__ExpungeRequest *expunge = (const Aviso__ExpungeRequest *)request->message;
    Aviso__ExpungeReply reply = AVISO__EXPUNGE_REPLY__INIT;
    struct uid_set *uids = uid_set_new();

    assert_true(expunge->undeleted);
    assert_int_equal(uid_set_decode(slice_from_wire(expunge->uids), uids), STATUS_OK);
    got.account_count += uid_set_count(uids);
    got.accounts[0] = expunge->mailbox;
    uid_set_free(uids);
    reply.vanished = expunge->uids;
    fake_reply(request, &reply.base);
}

static void serve(struct fake_storage *fake, const struct fake_request *request)
{
    Aviso__PutFrameReply put = AVISO__PUT_FRAME_REPLY__INIT;
    Aviso__PutEntryReply entry = AVISO__PUT_ENTRY_REPLY__INIT;

    if (strcmp(request->method, "Look") == 0) {
        serve_look(request);
    } else if (strcmp(request->method, "GetAccount") == 0) {
        serve_get_account(request);
    } else if (strcmp(request->method, "Deliver") == 0) {
        serve_deliver(request);
    } else if (strcmp(request->method, "PutFrame") == 0) {
        fake_reply(request, &put.base);
    } else if (strcmp(request->method, "PutEntry") == 0) {
        fake_reply(request, &entry.base);
    } else if (strcmp(request->method, "StoreFlags") == 0) {
        serve_store(request);
    } else if (strcmp(request->method, "CopyMessages") == 0) {
        serve_copy(request);
    } else if (strcmp(request->method, "Expunge") == 0) {
        serve_expunge(request);
    } else {
        fake_fail(request, STATUS_UNSUPPORTED);
    }
}

static void hold(struct fake_storage *fake, const struct fake_request *request)
{
    fake_hold(fake, request);
}

static int open_all(void **state)
{
    got = (struct outcome){0};
    fake_storage_open(&storage, serve);
    return 0;
}

static int close_all(void **state)
{
    fake_storage_close(&storage);
    return 0;
}

static void stop(struct fake_storage *fake)
{
    fake_storage_stop(fake);
}

/* ---- Retries ---- */

static void on_changed(struct directory_call *call, enum status status)
{
    assert_true(got.has_returned);
    assert_null(call->work);
    got.done_count++;
    got.status = status;
    fake_storage_stop(&storage);
}

static void put_entry(struct fake_storage *fake)
{
    struct directory_entry entry = {.name = SLICE("new@example.org"), .kind = DIRECTORY_ACCOUNT};

    directory_put(fake->router, &got.directory, &entry, true, on_changed);
    got.has_returned = true;
}

static void script(const enum status *statuses, size_t count)
{
    memcpy(storage.script, statuses, count * sizeof(*statuses));
    storage.script_count = count;
}

static void write_is_tried_again_under_its_id(void **state)
{
    static const enum status failures[] = {STATUS_NOT_LEADER, STATUS_BUSY, STATUS_UNAVAILABLE};

    script(failures, COUNT_OF(failures));
    fake_storage_play(&storage, put_entry);
    assert_int_equal(got.status, STATUS_OK);
    assert_int_equal(got.done_count, 1);
    assert_int_equal(storage.seen_count, 4);
    for (size_t i = 1; i < 4; i++) {
        assert_memory_equal(storage.seen[i].id, storage.seen[0].id, 16);
        assert_int_equal(storage.seen[i].message_size, storage.seen[0].message_size);
    }
    got.has_returned = false;
    fake_storage_play(&storage, put_entry);
    assert_true(memcmp(storage.seen[4].id, storage.seen[0].id, 16) != 0);
}

static void refusal_is_not_tried_again(void **state)
{
    static const enum status refusals[] = {STATUS_EXISTS,  STATUS_CONFLICT, STATUS_NO_SPACE,
                                           STATUS_CORRUPT, STATUS_EXPIRED,  STATUS_UNSUPPORTED};

    script(refusals, COUNT_OF(refusals));
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        fake_storage_play(&storage, put_entry);
        assert_int_equal(got.status, refusals[i]);
        assert_int_equal(storage.seen_count, i + 1);
        got.has_returned = false;
    }
}

static void cancel_and_answer(struct fake_storage *fake)
{
    directory_call_cancel(&got.directory);
    for (size_t i = 0; i < fake->held_count; i++) {
        fake_fail(&fake->held[i], STATUS_CONFLICT);
    }
    fake->held_count = 0;
    fake_storage_settle(fake, stop);
}

static void lost_reply_times_out(void **state)
{
    storage.serve = hold;
    storage.call_timeout_ms = 30;
    fake_storage_play(&storage, put_entry);
    assert_int_equal(got.status, STATUS_TIMED_OUT);
    assert_int_equal(got.done_count, 1);
    fake_storage_play(&storage, cancel_and_answer); /* which is dropped */
    assert_int_equal(got.done_count, 1);
}

static void serve_not(struct fake_storage *fake, const struct fake_request *request)
{
    rpc_fail_not_leader(request->call, 0);
}

static void shard_without_a_leader_ends_the_call_by_its_deadline(void **state)
{
    storage.serve = serve_not;
    storage.call_timeout_ms = 300;
    fake_storage_play(&storage, put_entry);
    /* TIMED_OUT: the deadline came while the last try was under way. */
    assert_true(got.status == STATUS_UNAVAILABLE || got.status == STATUS_TIMED_OUT);
    assert_int_equal(got.done_count, 1);
    assert_true(storage.seen_count >= 2 && storage.seen_count < 30);
}

/* ---- Cancel ---- */

static void put_and_cancel(struct fake_storage *fake)
{
    put_entry(fake);
    directory_call_cancel(&got.directory);
    directory_call_cancel(&got.directory);
    assert_null(got.directory.work);
    fake_storage_settle(fake, stop);
}

static void call_cancelled_at_once_is_never_done(void **state)
{
    fake_storage_play(&storage, put_and_cancel);
    assert_int_equal(got.done_count, 0);
}

static void put_and_cancel_later(struct fake_storage *fake)
{
    put_entry(fake);
    fake_storage_settle(fake, cancel_and_answer);
}

static void call_cancelled_while_it_is_served_is_never_done(void **state)
{
    storage.serve = hold;
    fake_storage_play(&storage, put_and_cancel_later);
    assert_int_equal(storage.seen_count, 1);
    assert_int_equal(got.done_count, 0);
}

static void call_cancelled_between_two_tries_is_never_done(void **state)
{
    storage.serve = serve_not;
    fake_storage_play(&storage, put_and_cancel_later);
    assert_int_equal(got.done_count, 0);
}

/* ---- Resolution ---- */

static const char *wanted;

static void on_resolved(struct directory_call *call, enum status status,
                        const struct resolution *resolution)
{
    assert_true(got.has_returned);
    assert_null(call->work);
    got.done_count++;
    got.status = status;
    assert_true((status == STATUS_OK) == (resolution != NULL));
    if (resolution != NULL) {
        got.resolution = resolution->outcome;
        got.account_count = resolution->account_count;
        for (size_t i = 0; i < resolution->account_count; i++) {
            got.accounts[i] = resolution->accounts[i].account;
            assert_int_equal(resolution->accounts[i].shard, 1 + got.accounts[i]);
        }
        snprintf(got.detail, sizeof(got.detail), "%.*s", (int)resolution->detail.size,
                 resolution->detail.data != NULL ? resolution->detail.data : "");
    }
    fake_storage_stop(&storage);
}

static void resolve_wanted(struct fake_storage *fake)
{
    got.has_returned = false;
    directory_resolve(fake->router, &got.directory, slice_of(wanted), on_resolved);
    got.has_returned = true;
}

static void resolve(const char *address)
{
    wanted = address;
    fake_storage_play(&storage, resolve_wanted);
}

static void addresses_resolve(void **state)
{
    static const struct {
        const char *address;
        enum resolution_outcome outcome;
        size_t account_count;
        uint64_t accounts[4];
        const char *detail;
    } cases[] = {
        {"ann@example.org", RESOLUTION_ACCOUNTS, 1, {1}, ""},
        {"ann+x@example.org", RESOLUTION_ACCOUNTS, 1, {1}, "x"},
        {"ann+x+y@example.org", RESOLUTION_ACCOUNTS, 1, {1}, "x+y"},
        {"a+b@example.org", RESOLUTION_ACCOUNTS, 1, {3}, ""},
        {"post@example.org", RESOLUTION_ACCOUNTS, 1, {1}, ""},
        {"post+x@example.org", RESOLUTION_ACCOUNTS, 1, {1}, "x"},
        {"both@example.org", RESOLUTION_ACCOUNTS, 2, {2, 1}, ""},
        {"all@example.org", RESOLUTION_ACCOUNTS, 3, {3, 2, 1}, ""},
        {"nobody@example.org", RESOLUTION_UNKNOWN_USER, 0, {0}, ""},
        {"nobody+x@example.org", RESOLUTION_UNKNOWN_USER, 0, {0}, ""},
        {"ring@example.org", RESOLUTION_LOOP, 0, {0}, ""},
        {"anybody@catch.example", RESOLUTION_ACCOUNTS, 1, {2}, ""},
        {"x@foreign.example", RESOLUTION_FOREIGN_DOMAIN, 0, {0}, ""},
        {"away@example.org", RESOLUTION_FOREIGN_DOMAIN, 0, {0}, ""},
    };

    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            resolve(cases[i].address);
            assert_int_equal(got.status, STATUS_OK);
            assert_int_equal(got.resolution, cases[i].outcome);
            assert_int_equal(got.account_count, cases[i].account_count);
            for (size_t k = 0; k < cases[i].account_count; k++) {
                assert_int_equal(got.accounts[k], cases[i].accounts[k]);
            }
            assert_string_equal(got.detail, cases[i].detail);
        }
        assert_int_equal(got.done_count, (round + 1) * COUNT_OF(cases));
    }
}

/* An address longer than any: nobody has it, and the others are found. */
static void serve_long_target(struct fake_storage *fake, const struct fake_request *request)
{
    Aviso__DirectoryEntry entry = AVISO__DIRECTORY_ENTRY__INIT;
    char octets[5000];
    ProtobufCBinaryData targets[] = {wire_from_slice((struct slice){octets, sizeof(octets)}),
                                     wire_from_slice(SLICE("ann@example.org"))};

    memset(octets, '+', sizeof(octets));
    entry.kind = AVISO__ENTRY_KIND__ENTRY_GROUP;
    entry.n_targets = 2;
    entry.targets = targets;
    fake->serve = serve;
    fake_reply(request, &entry.base);
}

static void target_that_is_no_address_is_nobody(void **state)
{
    storage.serve = serve_long_target;
    resolve("group@example.org");
    assert_int_equal(got.resolution, RESOLUTION_ACCOUNTS);
    assert_int_equal(got.account_count, 1);
}

static const char *sender;

static void ask_may_send(struct fake_storage *fake)
{
    got.has_returned = false;
    directory_may_send_as(fake->router, &got.directory, SLICE("ann@example.org"), slice_of(sender),
                          on_changed);
    got.has_returned = true;
}

static void account_may_send_as_itself_and_its_aliases(void **state)
{
    static const struct {
        const char *sender;
        enum status status;
    } cases[] = {
        {"ann@example.org", STATUS_OK},       {"ann+x@example.org", STATUS_OK},
        {"post@example.org", STATUS_OK},      {"both@example.org", STATUS_DENIED},
        {"bob@example.org", STATUS_DENIED},   {"nobody@example.org", STATUS_DENIED},
        {"ann@catch.example", STATUS_DENIED}, {"@example.org", STATUS_DENIED},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        sender = cases[i].sender;
        fake_storage_play(&storage, ask_may_send);
        assert_int_equal(got.status, cases[i].status);
        assert_int_equal(got.done_count, i + 1);
    }
}

static void known_answers_are_not_asked_for_again(void **state)
{
    storage.cache_ms = 1000 * 1000;
    resolve("all@example.org");
    size_t asked = storage.seen_count;

    resolve("all@example.org");
    assert_int_equal(got.account_count, 3);
    assert_int_equal(storage.seen_count, asked);
}

static void refusals_are_never_said_from_the_cache(void **state)
{
    storage.cache_ms = 1000 * 1000;
    resolve("nobody+x@example.org");
    size_t asked = storage.seen_count;

    resolve("nobody+x@example.org");
    assert_int_equal(got.resolution, RESOLUTION_UNKNOWN_USER);
    assert_int_equal(storage.seen_count, asked + 3); /* the address, the user, the domain */
}

static void failed_lookup_fails_the_resolution_and_is_not_remembered(void **state)
{
    static const enum status failure = STATUS_CORRUPT;

    storage.cache_ms = 1000 * 1000;
    script(&failure, 1);
    resolve("ann@example.org");
    assert_int_equal(got.status, STATUS_CORRUPT);
    resolve("ann@example.org");
    assert_int_equal(got.status, STATUS_OK);
    assert_int_equal(got.account_count, 1);
}

static void resolve_and_cancel(struct fake_storage *fake)
{
    resolve_wanted(fake);
    directory_call_cancel(&got.directory);
    fake_storage_settle(fake, stop);
}

static void resolution_cancelled_before_its_first_turn_is_never_done(void **state)
{
    wanted = "ann@example.org";
    storage.cache_ms = 1000 * 1000;
    fake_storage_play(&storage, resolve_and_cancel);
    assert_int_equal(got.done_count, 0);
    resolve("ann@example.org");
    fake_storage_play(&storage, resolve_and_cancel);
    assert_int_equal(got.done_count, 1);
}

/* A look-up is on its way while the entry is written: it brings the old one, late. */
static struct directory_call late;

static void hold_looks(struct fake_storage *fake, const struct fake_request *request)
{
    (strcmp(request->method, "Look") == 0 ? hold : serve)(fake, request);
}

static void look_late_and_put(struct fake_storage *fake)
{
    directory_resolve(fake->router, &late, SLICE("new@example.org"), on_resolved);
    put_entry(fake);
}

static void answer_late(struct fake_storage *fake)
{
    fake->serve = serve;
    fake_fail(&fake->held[0], STATUS_NOT_FOUND);
    fake->held_count = 0;
}

static void late_answer_does_not_hide_what_was_written(void **state)
{
    storage.cache_ms = 1000 * 1000;
    storage.serve = hold_looks;
    fake_storage_play(&storage, look_late_and_put);
    assert_int_equal(got.done_count, 1);
    assert_int_equal(storage.held_count, 1);
    fake_storage_play(&storage, answer_late);
    assert_int_equal(got.resolution, RESOLUTION_UNKNOWN_USER);
    size_t asked = fake_seen_count(&storage, "Look");

    /* The address, and when that is not there, all without the cache: it and its domain. */
    resolve("new@example.org");
    assert_int_equal(fake_seen_count(&storage, "Look"), asked + 3);
}

/* ---- Delivery ---- */

static struct delivery_order order;
static struct delivery_recipient recipients[1200];
static struct delivery_outcome outcomes[1200];

static void on_delivered(struct delivery *delivery, const struct delivery_outcome *result)
{
    assert_true(got.has_returned);
    assert_null(delivery->work);
    got.done_count++;
    memcpy(outcomes, result, order.recipient_count * sizeof(*result));
    fake_storage_stop(&storage);
}

static void send_order(struct fake_storage *fake)
{
    got.has_returned = false;
    delivery_send(fake->router, &got.delivery, &order, on_delivered);
    got.has_returned = true;
}

/* `count` recipients, over 8 shards; the body holds `body_size` octets that do not get smaller. */
static void make_order(size_t count, size_t body_size)
{
    char *message = memory_zeroed(body_size + 2);
    uint32_t number = 1;

    memcpy(message, "\r\n", 2);
    for (size_t i = 2; i < body_size + 2; i++) {
        number = number * 1664525 + 1013904223;
        message[i] = (char)(number >> 24);
    }
    order = (struct delivery_order){.recipients = recipients, .recipient_count = count};
    for (size_t i = 0; i < count; i++) {
        recipients[i] = (struct delivery_recipient){.place = {1 + (uint32_t)i % 8, i + 1}};
    }
    request_id_make(&order.id);
    assert_int_equal(ingest_message((struct slice){message, body_size + 2}, &order.ingested),
                     STATUS_OK);
    memory_free(message);
}

static void serve_all_but_5(struct fake_storage *fake, const struct fake_request *request)
{
    if (request->shard == 5) {
        fake_fail(request, STATUS_NO_SPACE);
    } else {
        serve(fake, request);
    }
}

static void shard_that_fails_fails_its_recipients_alone(void **state)
{
    make_order(100, 100);
    storage.serve = serve_all_but_5;
    fake_storage_play(&storage, send_order);
    assert_int_equal(got.done_count, 1);
    assert_int_equal(storage.seen_count, 8);
    for (size_t i = 0; i < 100; i++) {
        bool failed = recipients[i].place.shard == 5;

        assert_int_equal(outcomes[i].status, failed ? STATUS_NO_SPACE : STATUS_OK);
        assert_int_equal(outcomes[i].uid, failed ? 0 : i + 1);
    }
    ingested_unref(order.ingested);
}

static const struct fake_seen *seen_of_shard(size_t from, uint32_t shard)
{
    while (from < storage.seen_count && storage.seen[from].shard != shard) {
        from++;
    }
    assert_true(from < storage.seen_count);
    return &storage.seen[from];
}

/* Repeated as it was, or for those alone that failed: a shard sees the id of before. */
static void repeated_delivery_has_the_ids_of_before(void **state)
{
    make_order(16, 100);
    fake_storage_play(&storage, send_order);
    fake_storage_play(&storage, send_order);
    for (uint32_t shard = 1; shard <= 8; shard++) {
        assert_memory_equal(seen_of_shard(0, shard)->id, seen_of_shard(8, shard)->id, 16);
        assert_memory_equal(seen_of_shard(0, shard)->id, order.id.octets, 6);
        for (uint32_t other = 1; other < shard; other++) {
            assert_true(memcmp(seen_of_shard(0, shard)->id, seen_of_shard(0, other)->id, 16) != 0);
        }
    }
    recipients[0] = recipients[4];
    recipients[1] = recipients[12];
    order.recipient_count = 2;
    fake_storage_play(&storage, send_order);
    assert_int_equal(storage.seen_count, 17);
    assert_memory_equal(storage.seen[16].id, seen_of_shard(0, 5)->id, 16);
    order.recipient_count = 1;
    fake_storage_play(&storage, send_order);
    assert_true(memcmp(storage.seen[17].id, storage.seen[16].id, 16) != 0);
    ingested_unref(order.ingested);
}

static void many_recipients_of_one_shard_go_in_several_requests(void **state)
{
    make_order(1200, 100);
    for (size_t i = 0; i < 1200; i++) {
        recipients[i].place.shard = 3;
    }
    fake_storage_play(&storage, send_order);
    assert_int_equal(got.done_count, 1);
    assert_int_equal(storage.seen_count, 3);
    assert_true(memcmp(storage.seen[0].id, storage.seen[1].id, 16) != 0);
    for (size_t i = 0; i < 1200; i++) {
        assert_int_equal(outcomes[i].uid, i + 1);
    }
    ingested_unref(order.ingested);
}

static void large_body_goes_before_in_frames(void **state)
{
    make_order(2, 25 << 20);
    fake_storage_play(&storage, send_order);
    assert_int_equal(fake_seen_count(&storage, "PutFrame"), 2 * 100);
    assert_int_equal(fake_seen_count(&storage, "Deliver"), 2);
    assert_true(storage.seen[storage.seen_count - 1].octets_size < 1000);
    assert_int_equal(outcomes[0].status, STATUS_OK);
    assert_int_equal(outcomes[1].status, STATUS_OK);
    ingested_unref(order.ingested);
}

static void body_that_is_there_is_not_sent(void **state)
{
    static const enum status there = STATUS_EXISTS;

    make_order(1, 1 << 20);
    script(&there, 1);
    fake_storage_play(&storage, send_order);
    assert_int_equal(fake_seen_count(&storage, "PutFrame"), 1);
    assert_int_equal(fake_seen_count(&storage, "Deliver"), 1);
    assert_int_equal(outcomes[0].status, STATUS_OK);
    ingested_unref(order.ingested);
}

/* It was there, and was gone when the message came: no account is missing. */
static void body_that_went_is_put_again(void **state)
{
    static const enum status statuses[] = {STATUS_EXISTS, STATUS_NOT_FOUND};

    make_order(1, 1 << 20);
    script(statuses, 2);
    fake_storage_play(&storage, send_order);
    assert_int_equal(fake_seen_count(&storage, "PutFrame"), 1 + 4);
    assert_int_equal(fake_seen_count(&storage, "Deliver"), 2);
    assert_true(memcmp(storage.seen[1].id, storage.seen[6].id, 16) != 0);
    assert_int_equal(outcomes[0].status, STATUS_OK);
    ingested_unref(order.ingested);
}

static void serve_no_body(struct fake_storage *fake, const struct fake_request *request)
{
    fake_fail(request, strcmp(request->method, "PutFrame") == 0 ? STATUS_EXISTS : STATUS_NOT_FOUND);
}

static void body_that_always_goes_is_no_missing_account(void **state)
{
    make_order(1, 1 << 20);
    storage.serve = serve_no_body;
    fake_storage_play(&storage, send_order);
    assert_int_equal(outcomes[0].status, STATUS_UNAVAILABLE);
    assert_int_equal(storage.seen_count, 6);
    ingested_unref(order.ingested);
}

static void cancel_delivery(struct fake_storage *fake)
{
    delivery_cancel(&got.delivery);
    delivery_cancel(&got.delivery);
    for (size_t i = 0; i < fake->held_count; i++) {
        serve(fake, &fake->held[i]);
    }
    fake->held_count = 0;
    fake_storage_settle(fake, stop);
}

static void send_and_cancel_later(struct fake_storage *fake)
{
    send_order(fake);
    fake_storage_settle(fake, cancel_delivery);
}

static void cancelled_delivery_is_never_done(void **state)
{
    make_order(20, 100);
    storage.serve = hold;
    fake_storage_play(&storage, send_and_cancel_later);
    assert_int_equal(storage.seen_count, 8);
    assert_int_equal(got.done_count, 0);
    ingested_unref(order.ingested);
}

/* ---- Large sets ---- */

static void on_stored(struct mailbox_call *call, enum status status,
                      const struct store_result *result)
{
    assert_null(call->work);
    got.done_count++;
    got.status = status;
    got.account_count = result != NULL ? uid_set_count(result->modified) : 0;
    fake_storage_stop(&storage);
}

static void store_many(struct fake_storage *fake)
{
    struct uid_set *uids = uid_set_new();
    struct store_order store = {.uids = uids, .mode = STORE_ADD, .flags = FLAG_SEEN};

    for (uint32_t uid = 1; uid <= 40000; uid++) {
        uid_set_add(uids, uid * 2);
    }
    mailbox_store(fake->router, &got.mailbox, (struct account_place){2, 1}, 1, &store, on_stored);
    uid_set_free(uids);
}

static void large_set_goes_in_several_requests(void **state)
{
    fake_storage_play(&storage, store_many);
    assert_int_equal(got.done_count, 1);
    assert_int_equal(got.status, STATUS_OK);
    assert_int_equal(storage.seen_count, 3);
    assert_int_equal(got.account_count, 40000);
    assert_true(memcmp(storage.seen[0].id, storage.seen[1].id, 16) != 0);
}

static void part_that_fails_ends_a_large_change(void **state)
{
    static const enum status statuses[] = {STATUS_OK, STATUS_OVER_QUOTA};

    script(statuses, 2);
    fake_storage_play(&storage, store_many);
    assert_int_equal(got.done_count, 1);
    assert_int_equal(got.status, STATUS_OVER_QUOTA);
    assert_int_equal(storage.seen_count, 2);
}

static void on_copied(struct mailbox_call *call, enum status status,
                      const struct copy_result *result)
{
    got.done_count++;
    got.status = status;
    assert_true((result != NULL) == (status == STATUS_OK));
    fake_storage_stop(&storage);
}

static void copy_or_move(struct fake_storage *fake, bool moves)
{
    struct uid_set *uids = uid_set_new();

    for (uint32_t uid = 1; uid <= 60000; uid++) {
        uid_set_add(uids, uid * 2);
    }
    mailbox_copy(fake->router, &got.mailbox, (struct account_place){2, 1}, 1, uids, 7, moves,
                 on_copied);
    uid_set_free(uids);
}

static void copy_many(struct fake_storage *fake)
{
    copy_or_move(fake, false);
}

static void move_many(struct fake_storage *fake)
{
    copy_or_move(fake, true);
}

static void copy_that_fails_in_the_middle_is_taken_back(void **state)
{
    static const enum status statuses[] = {STATUS_OK, STATUS_OK, STATUS_OVER_QUOTA};

    script(statuses, 3);
    fake_storage_play(&storage, copy_many);
    assert_int_equal(got.status, STATUS_OVER_QUOTA);
    assert_int_equal(fake_seen_count(&storage, "CopyMessages"), 3);
    assert_int_equal(fake_seen_count(&storage, "Expunge"), 2);
    assert_int_equal(got.account_count, 2 * 16384);
    assert_int_equal(got.accounts[0], 7);
    assert_memory_not_equal(storage.seen[2].id, storage.seen[3].id, 16);
}

static void copy_whose_taking_back_fails_says_why_it_failed_first(void **state)
{
    static const enum status statuses[] = {STATUS_OK, STATUS_OVER_QUOTA, STATUS_NOT_FOUND};

    script(statuses, 3);
    fake_storage_play(&storage, copy_many);
    assert_int_equal(got.done_count, 1);
    assert_int_equal(got.status, STATUS_OVER_QUOTA);
}

static void move_that_fails_in_the_middle_leaves_what_has_moved(void **state)
{
    static const enum status statuses[] = {STATUS_OK, STATUS_TOO_LARGE};

    script(statuses, 2);
    fake_storage_play(&storage, move_many);
    assert_int_equal(got.status, STATUS_TOO_LARGE);
    assert_int_equal(storage.seen_count, 2);
}

static void serve_rows(struct fake_storage *fake, const struct fake_request *request)
{
    const Aviso__GetRowsRequest *get = (const Aviso__GetRowsRequest *)request->message;
    Aviso__GetRowsReply reply = AVISO__GET_ROWS_REPLY__INIT;
    struct uid_set *uids = uid_set_new();

    assert_int_equal(uid_set_decode(slice_from_wire(get->uids), uids), STATUS_OK);
    got.accounts[got.done_count] = uid_set_count(uids);
    uid_set_free(uids);
    fake_reply(request, &reply.base);
}

static void on_rows(struct mailbox_call *call, enum status status, const struct mailbox_rows *rows)
{
    got.status = status;
    got.accounts[4 + got.done_count++] = rows->more_from;
    fake_storage_stop(&storage);
}

/* Every other UID from `got.account_count` on, up to 600,000. */
static void get_many_rows(struct fake_storage *fake)
{
    struct uid_set *uids = uid_set_new();
    struct rows_query query = {.uids = uids};

    for (uint32_t uid = (uint32_t)got.account_count; uid <= 600000; uid += 2) {
        uid_set_add(uids, uid);
    }
    mailbox_get_rows(fake->router, &got.mailbox, (struct account_place){2, 1}, 1, &query, on_rows);
    uid_set_free(uids);
}

static void rows_of_a_large_set_are_asked_for_in_parts(void **state)
{
    storage.serve = serve_rows;
    got.account_count = 2;
    fake_storage_play(&storage, get_many_rows);
    assert_int_equal(got.accounts[0], 256 * 1024);
    assert_int_equal(got.accounts[4], 2 * (256 * 1024 + 1));
    got.account_count = got.accounts[4];
    fake_storage_play(&storage, get_many_rows);
    assert_int_equal(got.accounts[1], 300000 - 256 * 1024);
    assert_int_equal(got.accounts[5], 0);
}

/* ---- Watches ---- */

static struct account_watch watches[2];
static unsigned told[2];
static bool told_everything;
static bool told_closed;
static bool stops_itself;

static void on_change(struct account_watch *watch, const struct watch_change *change)
{
    told[watch - watches]++;
    told_everything = change->everything;
    told_closed = change->is_closed;
    if (stops_itself) {
        watch_stop(watch);
    }
}

static void tell_held(struct fake_storage *fake)
{
    Aviso__WatchEvent event = AVISO__WATCH_EVENT__INIT;

    event.modseq = 1;
    fake_reply(&fake->held[0], &event.base);
}

static void on_stream_end(struct rpc_request *request, void *context)
{
    storage.held_count = 0;
}

static void serve_stream(struct fake_storage *fake, const struct fake_request *request)
{
    rpc_stream_begin(request->call, on_stream_end, NULL, NULL);
    fake_hold(fake, request);
    tell_held(fake);
    if (fake->seen_count > 1) {
        fake_storage_stop(fake);
    }
}

static void start_watches(struct fake_storage *fake)
{
    watch_start(fake->router, &watches[0], (struct account_place){2, 1}, on_change);
    watch_start(fake->router, &watches[1], (struct account_place){2, 1}, on_change);
    fake_storage_settle(fake, stop);
}

static void tell_and_stop(struct fake_storage *fake)
{
    tell_held(fake);
    fake_storage_settle(fake, stop);
}

static void stop_watches(struct fake_storage *fake)
{
    watch_stop(&watches[0]);
    watch_stop(&watches[0]);
    watch_stop(&watches[1]);
    fake_storage_settle(fake, stop);
}

static void open_watches(void)
{
    memset(told, 0, sizeof(told));
    told_everything = false;
    told_closed = false;
    stops_itself = false;
    storage.serve = serve_stream;
    fake_storage_play(&storage, start_watches);
}

static void watches_of_an_account_share_a_stream(void **state)
{
    open_watches();
    assert_int_equal(storage.seen_count, 1);
    assert_int_equal(told[0], 1);
    assert_int_equal(told[1], 1);
    assert_true(told_everything);
    fake_storage_play(&storage, tell_and_stop);
    assert_int_equal(told[0], 2);
    assert_int_equal(told[1], 2);
    assert_false(told_everything);
    fake_storage_play(&storage, stop_watches);
    assert_int_equal(storage.held_count, 0);
}

static void break_stream(struct fake_storage *fake)
{
    fake_fail(&fake->held[0], STATUS_UNAVAILABLE);
    fake->held_count = 0;
}

static void settle_and_stop(struct fake_storage *fake)
{
    fake_storage_settle(fake, stop);
}

static void stream_that_broke_is_opened_again_and_tells_everything(void **state)
{
    open_watches();
    fake_storage_play(&storage, break_stream);
    fake_storage_play(&storage, settle_and_stop);
    assert_int_equal(storage.seen_count, 2);
    assert_int_equal(told[0], 2);
    assert_true(told_everything);
    fake_storage_play(&storage, tell_and_stop);
    assert_int_equal(told[0], 3);
    assert_false(told_everything);
    fake_storage_play(&storage, stop_watches);
}

static void watch_may_stop_while_it_is_told(void **state)
{
    open_watches();
    stops_itself = true;
    fake_storage_play(&storage, tell_and_stop);
    assert_int_equal(told[0], 2);
    assert_int_equal(told[1], 2);
    assert_null(watches[0].stream);
    assert_int_equal(storage.held_count, 0);
}

static void break_and_stop_watches(struct fake_storage *fake)
{
    break_stream(fake);
    stop_watches(fake);
}

static void close_account(struct fake_storage *fake)
{
    Aviso__WatchEvent event = AVISO__WATCH_EVENT__INIT;

    event.modseq = 2;
    event.closed = true;
    fake_reply(&fake->held[0], &event.base);
    fake_storage_settle(fake, stop);
}

static void watch_again(struct fake_storage *fake)
{
    watch_stop(&watches[1]);
    watch_start(fake->router, &watches[1], (struct account_place){2, 1}, on_change);
    assert_int_equal(told[1], 2);
    fake_storage_settle(fake, stop);
}

static void who_comes_to_a_closed_account_hears_of_that(void **state)
{
    open_watches();
    assert_false(told_closed);
    fake_storage_play(&storage, close_account);
    assert_int_equal(told[1], 2);
    assert_true(told_closed);
    fake_storage_play(&storage, watch_again);
    assert_int_equal(storage.seen_count, 1);
    assert_int_equal(told[1], 3);
    assert_true(told_closed);
    fake_storage_play(&storage, stop_watches);
}

static void end_for_ever(struct fake_storage *fake)
{
    fake_fail(&fake->held[0], STATUS_NOT_FOUND);
    fake->held_count = 0;
    fake_storage_settle(fake, stop);
}

static void account_that_is_not_there_is_closed(void **state)
{
    open_watches();
    stops_itself = true;
    fake_storage_play(&storage, end_for_ever);
    assert_true(told_closed);
    assert_int_equal(storage.seen_count, 1);
    assert_null(watches[0].stream);
    assert_null(watches[1].stream);
}

static void stopped_watch_opens_no_stream_again(void **state)
{
    open_watches();
    fake_storage_play(&storage, break_and_stop_watches);
    assert_int_equal(storage.seen_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(write_is_tried_again_under_its_id),
        TEST(refusal_is_not_tried_again),
        TEST(lost_reply_times_out),
        TEST(shard_without_a_leader_ends_the_call_by_its_deadline),
        TEST(call_cancelled_at_once_is_never_done),
        TEST(call_cancelled_while_it_is_served_is_never_done),
        TEST(call_cancelled_between_two_tries_is_never_done),
        TEST(addresses_resolve),
        TEST(target_that_is_no_address_is_nobody),
        TEST(account_may_send_as_itself_and_its_aliases),
        TEST(known_answers_are_not_asked_for_again),
        TEST(refusals_are_never_said_from_the_cache),
        TEST(failed_lookup_fails_the_resolution_and_is_not_remembered),
        TEST(resolution_cancelled_before_its_first_turn_is_never_done),
        TEST(late_answer_does_not_hide_what_was_written),
        TEST(shard_that_fails_fails_its_recipients_alone),
        TEST(repeated_delivery_has_the_ids_of_before),
        TEST(many_recipients_of_one_shard_go_in_several_requests),
        TEST(large_body_goes_before_in_frames),
        TEST(body_that_is_there_is_not_sent),
        TEST(body_that_went_is_put_again),
        TEST(body_that_always_goes_is_no_missing_account),
        TEST(cancelled_delivery_is_never_done),
        TEST(large_set_goes_in_several_requests),
        TEST(part_that_fails_ends_a_large_change),
        TEST(copy_that_fails_in_the_middle_is_taken_back),
        TEST(copy_whose_taking_back_fails_says_why_it_failed_first),
        TEST(move_that_fails_in_the_middle_leaves_what_has_moved),
        TEST(rows_of_a_large_set_are_asked_for_in_parts),
        TEST(watches_of_an_account_share_a_stream),
        TEST(stream_that_broke_is_opened_again_and_tells_everything),
        TEST(watch_may_stop_while_it_is_told),
        TEST(who_comes_to_a_closed_account_hears_of_that),
        TEST(account_that_is_not_there_is_closed),
        TEST(stopped_watch_opens_no_stream_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
