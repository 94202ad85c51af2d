/* Slows down who guesses passwords: by the address that they come from, and by the account.
 *
 * A few mistakes cost nothing. Then each attempt waits, twice as long as the one before; attempts
 * at the same time count together, so that many connections are no way around. Mistakes are
 * forgiven one a minute. Accounts wait less than addresses, so that nobody locks an owner out for
 * long. Bounded memory: where it is full, the most innocent entry makes room. Safe from any thread.
 */
#ifndef AVISO_FRONTEND_AUTH_GUESS_LIMITER_H
#define AVISO_FRONTEND_AUTH_GUESS_LIMITER_H

#include <stdint.h>

#include "core/slice.h"

enum {
    GUESSES_FREE = 3,          /* mistakes without a wait */
    GUESS_WAIT_LEAST_MS = 500, /* then this, doubled with each */
    GUESS_WAIT_MOST_ADDRESS_MS = 30000,
    GUESS_WAIT_MOST_ACCOUNT_MS = 8000,
    GUESS_FORGIVEN_MS = 60000, /* a mistake is forgiven in this time */
};

struct guess_limiter;

/* Its memory, about 600 KiB, is all that it will ever take. */
struct guess_limiter *guess_limiter_new(void);
void guess_limiter_free(struct guess_limiter *limiter);

/* An attempt begins: how long it has to wait before its password is looked at. Every attempt ends
 * with guess_limiter_end(). `address` is numeric text (of IPv6 the first 64 bits count). */
uint64_t guess_limiter_begin(struct guess_limiter *limiter, struct slice address, struct slice user,
                             uint64_t now_ms);

enum guess_outcome {
    GUESS_RIGHT,   /* the account's mistakes are forgotten; one of the address's is */
    GUESS_WRONG,   /* a mistake of both */
    GUESS_UNKNOWN, /* it was never decided: nothing changes */
};
void guess_limiter_end(struct guess_limiter *limiter, struct slice address, struct slice user,
                       enum guess_outcome outcome, uint64_t now_ms);

#endif
