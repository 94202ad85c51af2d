#include "tests/fakes/fake_accounts.h"

#include "core/memory.h"

struct directory_work {
    struct loop_timer timer;
    struct router *router;
    struct directory_call *call;
    enum status status;
    struct directory_entry entry;
};

struct account_work {
    struct loop_timer timer;
    struct router *router;
    struct account_call *call;
};

struct loop *router_loop(const struct router *router)
{
    return router->loop;
}

static void answer_look(struct loop_timer *timer)
{
    struct directory_work *work = CONTAINER_OF(timer, struct directory_work, timer);
    struct directory_work done = *work;

    memory_free(work);
    done.call->work = NULL;
    done.call->done.entry(done.call, done.status, done.status == STATUS_OK ? &done.entry : NULL);
}

void directory_look(struct router *router, struct directory_call *call, struct slice name,
                    directory_entry_fn *done)
{
    struct directory_work *work = NEW(struct directory_work);
    bool account = slice_is(name, "ann@example.org");

    work->call = call;
    work->status = router->directory_status;
    work->entry = (struct directory_entry){
        .kind = account ? DIRECTORY_ACCOUNT : DIRECTORY_ALIAS, .shard = 3, .account = 7};
    if (work->status == STATUS_OK && !account && !slice_is(name, "info@example.org")) {
        work->status = STATUS_NOT_FOUND;
    }
    call->done.entry = done;
    call->work = work;
    loop_timer_init(&work->timer, router->loop, answer_look);
    loop_timer_start(&work->timer, 0);
}

void directory_call_cancel(struct directory_call *call)
{
    if (call->work != NULL) {
        loop_timer_stop(&call->work->timer);
        memory_free(call->work);
        call->work = NULL;
    }
}

static void answer_get(struct loop_timer *timer)
{
    struct account_work *work = CONTAINER_OF(timer, struct account_work, timer);
    struct account_call *call = work->call;
    struct router *router = work->router;
    struct account_record record = {.credential = router->credential,
                                    .suspended = router->suspended};

    memory_free(work);
    call->work = NULL;
    call->done.get(call, router->account_status,
                   router->account_status == STATUS_OK ? &record : NULL);
}

void account_get(struct router *router, struct account_call *call, struct account_place place,
                 account_get_fn *done)
{
    struct account_work *work = NEW(struct account_work);

    work->router = router;
    work->call = call;
    call->done.get = done;
    call->work = work;
    loop_timer_init(&work->timer, router->loop, answer_get);
    loop_timer_start(&work->timer, 0);
}

void account_call_cancel(struct account_call *call)
{
    if (call->work != NULL) {
        loop_timer_stop(&call->work->timer);
        memory_free(call->work);
        call->work = NULL;
    }
}
