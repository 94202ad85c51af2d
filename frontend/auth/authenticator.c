#include "frontend/auth/authenticator.h"

#include <pthread.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/random.h"
#include "frontend/auth/credential_cache.h"
#include "frontend/auth/guess_limiter.h"
#include "frontend/auth/password.h"
#include "mail/address.h"
#include "net/sha256.h"
#include "router/directory.h"

struct auth_shared {
    struct worker_pool *hashers;
    struct guess_limiter *guesses;
    struct credential_cache *cache;
    struct buffer default_domain;
};

struct authenticator {
    struct auth_shared *shared;
    struct router *router;
};

/* One check on its way: wait -> directory -> account -> cache or worker -> done. It outlives a
 * cancelled call, and then perhaps its authenticator, when a worker holds it. */
struct auth_work {
    struct authenticator *authenticator; /* may be gone when a cancelled work ends */
    struct auth_shared *shared;
    struct auth_call *call; /* NULL: cancelled */
    struct buffer user;     /* as given: what the limiter counts */
    struct buffer address;  /* canonical */
    struct buffer password;
    struct buffer credential;
    struct buffer peer;
    struct account_place place;
    bool suspended;
    struct loop_timer wait;
    struct directory_call directory;
    struct account_call account;
    struct worker_job job;
    bool in_worker;
    bool matches;
    bool is_counted;   /* the limiter knows the outcome */
    uint64_t asked_ms; /* when the worker got it */
};

static void look(struct loop_timer *timer);
static directory_entry_fn on_entry;
static account_get_fn on_account;
static void work_match(struct worker_job *job);
static void on_matched(struct worker_job *job);

struct auth_shared *auth_shared_new(const struct auth_options *options)
{
    struct auth_shared *shared = NEW(struct auth_shared);

    shared->hashers = worker_pool_new("password", options->hash_threads, options->hash_queue_max);
    shared->guesses = guess_limiter_new();
    shared->cache = credential_cache_new(options->cache_count_max, options->cache_ms);
    buffer_init(&shared->default_domain, ADDRESS_SIZE_MAX);
    buffer_append(&shared->default_domain, options->default_domain);
    return shared;
}

void auth_shared_free(struct auth_shared *shared)
{
    if (shared == NULL) {
        return;
    }
    worker_pool_free(shared->hashers);
    guess_limiter_free(shared->guesses);
    credential_cache_free(shared->cache);
    buffer_done(&shared->default_domain);
    memory_free(shared);
}

struct worker_pool *auth_shared_hashers(struct auth_shared *shared)
{
    return shared->hashers;
}

struct authenticator *authenticator_new(struct auth_shared *shared, struct router *router)
{
    struct authenticator *authenticator = NEW(struct authenticator);

    *authenticator = (struct authenticator){shared, router};
    return authenticator;
}

void authenticator_free(struct authenticator *authenticator)
{
    memory_free(authenticator);
}

/* ---- A work's life ---- */

static void work_free(struct auth_work *work)
{
    loop_timer_stop(&work->wait);
    directory_call_cancel(&work->directory);
    account_call_cancel(&work->account);
    buffer_wipe(&work->password);
    buffer_wipe(&work->credential);
    buffer_done(&work->user);
    buffer_done(&work->address);
    buffer_done(&work->peer);
    memory_free(work);
}

static void end_guess(struct auth_work *work, enum status status, uint64_t now_ms)
{
    enum guess_outcome outcome = status == STATUS_OK || status == STATUS_SUSPENDED ? GUESS_RIGHT
                                 : status == STATUS_DENIED                         ? GUESS_WRONG
                                                                                   : GUESS_UNKNOWN;

    guess_limiter_end(work->shared->guesses, buffer_view(&work->peer), buffer_view(&work->user),
                      outcome, now_ms);
    work->is_counted = true;
}

/* The end of every check: exactly one place that tells the caller. */
static void finish(struct auth_work *work, enum status status)
{
    struct auth_call *call = work->call;

    struct authenticated who = {work->place, buffer_view(&work->address)};

    if (!work->is_counted) {
        end_guess(work, status, loop_now_ms(router_loop(work->authenticator->router)));
    }
    call->work = NULL;
    call->done(call, status, status == STATUS_OK ? &who : NULL);
    work_free(work);
}

void auth_call_cancel(struct auth_call *call)
{
    struct auth_work *work = call->work;

    if (work == NULL) {
        return;
    }
    call->work = NULL;
    work->call = NULL;
    if (!work->in_worker) {
        end_guess(work, STATUS_UNAVAILABLE, loop_now_ms(router_loop(work->authenticator->router)));
        work_free(work);
    }
}

/* ---- The steps ---- */

/* "ann" is "ann@" and the default domain. False: no address at all, so nobody's. */
static bool canonical_address(struct authenticator *authenticator, struct slice user,
                              struct buffer *out_address)
{
    struct slice domain = buffer_view(&authenticator->shared->default_domain);
    struct buffer whole;
    bool valid = false;

    buffer_init(&whole, SASL_TEXT_SIZE_MAX + ADDRESS_SIZE_MAX + 1);
    buffer_append(&whole, user);
    if (slice_find(user, '@') == user.size && domain.size > 0) {
        buffer_append_octet(&whole, '@');
        buffer_append(&whole, domain);
    }
    valid = address_canonical(buffer_view(&whole), out_address) == STATUS_OK;
    buffer_done(&whole);
    return valid;
}

void authenticator_check(struct authenticator *authenticator, struct auth_call *call,
                         struct slice user, struct slice password, const struct session_peer *peer,
                         auth_done_fn *done)
{
    struct auth_work *work = NEW(struct auth_work);
    struct loop *loop = router_loop(authenticator->router);

    CHECK(user.size <= SASL_TEXT_SIZE_MAX && password.size <= PASSWORD_SIZE_MAX);
    work->authenticator = authenticator;
    work->shared = authenticator->shared;
    work->call = call;
    buffer_init(&work->user, SASL_TEXT_SIZE_MAX);
    buffer_init(&work->address, ADDRESS_SIZE_MAX);
    buffer_init(&work->password, PASSWORD_SIZE_MAX);
    buffer_init(&work->credential, CREDENTIAL_SIZE_MAX);
    buffer_init(&work->peer, 64);
    buffer_append(&work->user, user);
    buffer_append(&work->password, password);
    buffer_append(&work->peer, slice_prefix(peer->address, 64));
    call->done = done;
    call->work = work;

    loop_timer_init(&work->wait, loop, look);
    loop_timer_start(&work->wait, guess_limiter_begin(authenticator->shared->guesses, peer->address,
                                                      user, loop_now_ms(loop)));
}

static void match(struct auth_work *work)
{
    struct auth_shared *shared = work->authenticator->shared;
    struct loop *loop = router_loop(work->authenticator->router);

    if (credential_cache_knows(shared->cache, buffer_view(&work->address),
                               buffer_view(&work->password), buffer_view(&work->credential),
                               loop_now_ms(loop))) {
        finish(work, work->suspended ? STATUS_SUSPENDED : STATUS_OK);
        return;
    }
    work->asked_ms = loop_now_ms(loop);
    work->job = (struct worker_job){.work = work_match, .done = on_matched};
    if (worker_submit(shared->hashers, loop, &work->job) != STATUS_OK) {
        finish(work, STATUS_BUSY);
        return;
    }
    work->in_worker = true;
}

static void look(struct loop_timer *timer)
{
    struct auth_work *work = CONTAINER_OF(timer, struct auth_work, wait);

    if (!canonical_address(work->authenticator, buffer_view(&work->user), &work->address)) {
        match(work);
        return;
    }
    directory_look(work->authenticator->router, &work->directory, buffer_view(&work->address),
                   on_entry);
}

static void on_entry(struct directory_call *call, enum status status,
                     const struct directory_entry *entry)
{
    struct auth_work *work = CONTAINER_OF(call, struct auth_work, directory);

    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && entry->kind != DIRECTORY_ACCOUNT)) {
        match(work);
        return;
    }
    if (status != STATUS_OK) {
        finish(work, status);
        return;
    }
    work->place = (struct account_place){entry->shard, entry->account};
    account_get(work->authenticator->router, &work->account, work->place, on_account);
}

static void on_account(struct account_call *call, enum status status,
                       const struct account_record *record)
{
    struct auth_work *work = CONTAINER_OF(call, struct auth_work, account);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        finish(work, status);
        return;
    }
    if (status == STATUS_OK) {
        buffer_append(&work->credential, slice_prefix(record->credential, CREDENTIAL_SIZE_MAX));
        work->suspended = record->suspended;
    }
    match(work);
}

/* Counts here, too: who hangs up without waiting for the answer has guessed all the same, and when
 * the process ends the limiter may be gone before on_matched() runs. */
static void work_match(struct worker_job *job)
{
    struct auth_work *work = CONTAINER_OF(job, struct auth_work, job);

    work->matches = password_matches(buffer_view(&work->password), buffer_view(&work->credential));
    end_guess(work, work->matches ? STATUS_OK : STATUS_DENIED, work->asked_ms);
}

static void on_matched(struct worker_job *job)
{
    struct auth_work *work = CONTAINER_OF(job, struct auth_work, job);

    work->in_worker = false;
    if (work->call == NULL) {
        work_free(work);
        return;
    }
    if (!work->matches) {
        finish(work, STATUS_DENIED);
        return;
    }
    credential_cache_remember(work->authenticator->shared->cache, buffer_view(&work->address),
                              buffer_view(&work->password), buffer_view(&work->credential),
                              loop_now_ms(router_loop(work->authenticator->router)));
    finish(work, work->suspended ? STATUS_SUSPENDED : STATUS_OK);
}
