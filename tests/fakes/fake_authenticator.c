#include "tests/fakes/fake_authenticator.h"

#include "core/memory.h"
#include "tests/fakes/fake_queue.h"

struct auth_work {
    struct fake_promise promise;
    struct auth_call *call;
    enum status status;
    struct authenticated who;
};

static void drop(struct fake_promise *promise)
{
    memory_free(CONTAINER_OF(promise, struct auth_work, promise));
}

static void run(struct fake_promise *promise)
{
    struct auth_work *work = CONTAINER_OF(promise, struct auth_work, promise);
    struct auth_work done = *work;

    memory_free(work);
    done.call->work = NULL;
    done.call->done(done.call, done.status, done.status == STATUS_OK ? &done.who : NULL);
}

void authenticator_check(struct authenticator *authenticator, struct auth_call *call,
                         struct slice user, struct slice password, const struct session_peer *peer,
                         auth_done_fn *done)
{
    struct auth_work *work = NEW(struct auth_work);

    work->promise = (struct fake_promise){.run = run, .drop = drop};
    work->call = call;
    work->status = authenticator->fails != STATUS_OK ? authenticator->fails : STATUS_DENIED;
    for (size_t i = 0; i < authenticator->user_count; i++) {
        const struct fake_user *known = &authenticator->users[i];

        if (authenticator->fails == STATUS_OK && slice_is(user, known->address) &&
            slice_equals(password, slice_of(known->password))) {
            work->status = STATUS_OK;
            work->who = (struct authenticated){known->place, slice_of(known->address)};
        }
    }
    call->done = done;
    call->work = work;
    fake_queue_add(&work->promise);
}

void auth_call_cancel(struct auth_call *call)
{
    if (call->work != NULL) {
        fake_queue_cancel(&call->work->promise);
        call->work = NULL;
    }
}
