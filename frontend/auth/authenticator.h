/* Who is it? Checks a user name and a password against the account that the directory names.
 *
 * Hashes are computed by workers, few at a time, since each takes 64 MiB. A pair that was right is
 * remembered for a short while as a keyed digest that also covers the stored credential, so that a
 * changed password counts at once. Guessing is slowed down by address and by account
 * (guess_limiter.h); names that do not exist take as long as those that do. */
#ifndef AVISO_FRONTEND_AUTH_AUTHENTICATOR_H
#define AVISO_FRONTEND_AUTH_AUTHENTICATOR_H

#include "frontend/auth/sasl.h"
#include "net/session.h"
#include "router/account_client.h"

/* One for each loop, over what all loops of the process share. */
struct authenticator;
struct auth_shared;

struct auth_options {
    size_t hash_threads;         /* passwords checked at once; each takes 64 MiB: 2 */
    size_t hash_queue_max;       /* more waiting than this: UNAVAILABLE: 1000 */
    uint64_t cache_ms;           /* how long a right pair is remembered: 60 s; 0: never */
    size_t cache_count_max;      /* pairs: 10,000 */
    struct slice default_domain; /* for user names without one; empty: they are refused */
};

/* Copies the options. */
struct auth_shared *auth_shared_new(const struct auth_options *options);

/* After all its authenticators. */
void auth_shared_free(struct auth_shared *shared);

/* The workers that compute hashes, for who sets passwords. */
struct worker_pool *auth_shared_hashers(struct auth_shared *shared);

/* For sessions on the loop of `router`. */
struct authenticator *authenticator_new(struct auth_shared *shared, struct router *router);
void authenticator_free(struct authenticator *authenticator);

struct authenticated {
    struct account_place place;
    struct slice address; /* the account's own, canonical */
};

/* DENIED: no such pair. SUSPENDED: the pair is right and the account is not in use. UNAVAILABLE,
 * BUSY, TIMED_OUT: not known, try again. `who` is NULL unless OK, and borrowed. */
struct auth_call;
typedef void auth_done_fn(struct auth_call *call, enum status status,
                          const struct authenticated *who);

struct auth_call {
    auth_done_fn *done;
    struct auth_work *work; /* the module's; NULL: nothing in flight */
};

/* `user` and `password` are copied (and the copies wiped). `done` runs once, later, on the loop. */
void authenticator_check(struct authenticator *authenticator, struct auth_call *call,
                         struct slice user, struct slice password, const struct session_peer *peer,
                         auth_done_fn *done);

/* `done` will not run. Harmless when nothing is in flight. */
void auth_call_cancel(struct auth_call *call);

#endif
