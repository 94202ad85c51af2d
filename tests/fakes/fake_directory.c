#include "tests/fakes/fake_directory.h"

#include "core/check.h"
#include "core/memory.h"
#include "tests/fakes/fake_mail_state.h"
#include "tests/fakes/fake_queue.h"

enum { ACCOUNTS_OF_NAME_MAX = 2, CROWD_COUNT = RESOLUTION_ACCOUNTS_MAX };

#define ANN                                                                                        \
    {                                                                                              \
        .shard = FAKE_SHARD, .account = FAKE_ANN, .address = { "ann@example.org", 15 }             \
    }
#define BOB                                                                                        \
    {                                                                                              \
        .shard = FAKE_SHARD, .account = FAKE_BOB, .address = { "bob@example.org", 15 }             \
    }
#define FULL                                                                                       \
    {                                                                                              \
        .shard = FAKE_SHARD, .account = FAKE_ANN, .address = {"full@example.org", 16},             \
        .over_quota = true, .quota_octets = 1000, .used_octets = 1000                              \
    }
#define SUSPENDED                                                                                  \
    {                                                                                              \
        .shard = FAKE_SHARD, .account = FAKE_BOB, .address = {"suspended@example.org", 21},        \
        .suspended = true                                                                          \
    }

static const struct name {
    const char *local;
    enum resolution_outcome outcome;
    size_t account_count;
    struct resolved_account accounts[ACCOUNTS_OF_NAME_MAX];
} names[] = {
    {"ann", RESOLUTION_ACCOUNTS, 1, {ANN}},
    {"bob", RESOLUTION_ACCOUNTS, 1, {BOB}},
    {"staff", RESOLUTION_ACCOUNTS, 2, {ANN, BOB}},
    {"half", RESOLUTION_ACCOUNTS, 2, {BOB, FULL}},
    {"full", RESOLUTION_ACCOUNTS, 1, {FULL}},
    {"suspended", RESOLUTION_ACCOUNTS, 1, {SUSPENDED}},
    {"circle", RESOLUTION_LOOP, 0, {{0}}},
};

struct directory_work {
    struct fake_promise promise;
    struct directory_call *call;
    enum status status;
    struct resolution resolution;
};

static void drop(struct fake_promise *promise)
{
    memory_free(CONTAINER_OF(promise, struct directory_work, promise));
}

/* The local part without its detail, of an address in example.org; empty of any other. */
static struct slice local_part(struct slice address)
{
    struct slice domain = address;
    struct slice local = slice_cut(&domain, '@');

    return slice_is(domain, "example.org") ? slice_cut(&local, '+') : (struct slice){0};
}

static struct resolution crowd(void)
{
    static struct resolved_account accounts[CROWD_COUNT];

    for (size_t i = 0; i < CROWD_COUNT; i++) {
        accounts[i] = (struct resolved_account){
            .shard = FAKE_SHARD, .account = 100 + i, .address = SLICE("x")};
    }
    return (struct resolution){
        .outcome = RESOLUTION_ACCOUNTS, .accounts = accounts, .account_count = CROWD_COUNT};
}

static struct resolution resolve(struct slice address)
{
    struct slice local = local_part(address);

    if (slice_is(local, "crowd")) {
        return crowd();
    }

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (slice_is(local, names[i].local)) {
            return (struct resolution){.outcome = names[i].outcome,
                                       .accounts = names[i].accounts,
                                       .account_count = names[i].account_count};
        }
    }
    return (struct resolution){.outcome = local.size > 0 ? RESOLUTION_UNKNOWN_USER
                                                         : RESOLUTION_FOREIGN_DOMAIN};
}

static struct directory_work *begin(struct router *router, struct directory_call *call,
                                    const char *kind, void (*run)(struct fake_promise *promise))
{
    struct directory_work *work = NEW(struct directory_work);

    CHECK(call->work == NULL);
    work->promise = (struct fake_promise){.run = run, .drop = drop};
    work->call = call;
    work->status = fake_begin(router, kind);
    call->work = work;
    fake_queue_add(&work->promise);
    return work;
}

static void run_resolve(struct fake_promise *promise)
{
    struct directory_work done = *CONTAINER_OF(promise, struct directory_work, promise);

    drop(promise);
    done.call->work = NULL;
    done.call->done.resolve(done.call, done.status,
                            done.status == STATUS_OK ? &done.resolution : NULL);
}

void directory_resolve(struct router *router, struct directory_call *call, struct slice address,
                       directory_resolve_fn *done)
{
    begin(router, call, "resolve", run_resolve)->resolution = resolve(address);
    call->done.resolve = done;
}

static void run_done(struct fake_promise *promise)
{
    struct directory_work done = *CONTAINER_OF(promise, struct directory_work, promise);

    drop(promise);
    done.call->work = NULL;
    done.call->done.done(done.call, done.status);
}

void directory_may_send_as(struct router *router, struct directory_call *call, struct slice address,
                           struct slice sender, directory_done_fn *done)
{
    struct directory_work *work = begin(router, call, "sender", run_done);
    struct slice mine = local_part(address);

    if (work->status == STATUS_OK && !slice_equals(mine, local_part(sender))) {
        work->status = STATUS_DENIED;
    }
    call->done.done = done;
}

void directory_call_cancel(struct directory_call *call)
{
    if (call->work != NULL) {
        fake_queue_cancel(&call->work->promise);
        call->work = NULL;
    }
}
