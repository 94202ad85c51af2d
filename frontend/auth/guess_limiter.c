#include "frontend/auth/guess_limiter.h"

#include <pthread.h>

#include "core/memory.h"
#include "core/random.h"

/* A set-associative table: an entry lives in one of the WAYS of the set that its key names. */
enum { SETS = 4096, WAYS = 4, FAILURES_MAX = 1000 };

struct entry {
    uint64_t key; /* 0: free */
    uint64_t as_of_ms;
    uint32_t failures;
    uint32_t in_flight;
};

struct guess_limiter {
    pthread_mutex_t mutex;
    uint64_t seed; /* nobody outside can aim at a set */
    struct entry entries[SETS][WAYS];
};

struct guess_limiter *guess_limiter_new(void)
{
    struct guess_limiter *limiter = NEW(struct guess_limiter);

    pthread_mutex_init(&limiter->mutex, NULL);
    random_octets(&limiter->seed, sizeof(limiter->seed));
    return limiter;
}

void guess_limiter_free(struct guess_limiter *limiter)
{
    if (limiter != NULL) {
        pthread_mutex_destroy(&limiter->mutex);
        memory_free(limiter);
    }
}

static uint64_t key_of(const struct guess_limiter *limiter, char kind, struct slice text)
{
    struct random mix = {.state = limiter->seed ^ (uint64_t)kind};
    uint64_t key = random_next(&mix);

    for (size_t i = 0; i < text.size; i++) {
        mix.state = key ^ (unsigned char)ascii_lower(text.data[i]);
        key = random_next(&mix);
    }
    return key | 1;
}

/* The first four groups of an IPv6 address that is written out; "::" ends them earlier, which only
 * joins neighbours. */
static struct slice network_of(struct slice address)
{
    size_t colons = 0;

    for (size_t i = 0; i < address.size; i++) {
        if (address.data[i] == ':' && ++colons == 4) {
            return slice_prefix(address, i);
        }
    }
    return address;
}

static void forgive(struct entry *entry, uint64_t now_ms)
{
    uint64_t minutes =
        now_ms > entry->as_of_ms ? (now_ms - entry->as_of_ms) / GUESS_FORGIVEN_MS : 0;

    entry->failures = minutes >= entry->failures ? 0 : entry->failures - (uint32_t)minutes;
    entry->as_of_ms += minutes * GUESS_FORGIVEN_MS;
}

/* The entry of `key`, or with `make` a new one in the place of the most innocent; NULL: none. */
static struct entry *entry_of(struct guess_limiter *limiter, uint64_t key, uint64_t now_ms,
                              bool make)
{
    struct entry *set = limiter->entries[key / 2 % SETS];
    struct entry *most_innocent = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        forgive(&set[i], now_ms);
        if (set[i].key == key) {
            return &set[i];
        }
        if (set[i].failures + set[i].in_flight <
            most_innocent->failures + most_innocent->in_flight) {
            most_innocent = &set[i];
        }
    }
    if (make) {
        *most_innocent = (struct entry){.key = key, .as_of_ms = now_ms};
        return most_innocent;
    }
    return NULL;
}

static uint64_t wait_of(const struct entry *entry, uint64_t most_ms)
{
    uint64_t mistakes = entry->failures > 0 ? entry->failures + entry->in_flight : 0;
    uint64_t wait_ms = GUESS_WAIT_LEAST_MS;

    if (mistakes < GUESSES_FREE) {
        return 0;
    }
    for (uint64_t i = GUESSES_FREE; i < mistakes && wait_ms < most_ms; i++) {
        wait_ms *= 2;
    }
    return wait_ms < most_ms ? wait_ms : most_ms;
}

static uint64_t begin(struct guess_limiter *limiter, uint64_t key, uint64_t most_ms,
                      uint64_t now_ms)
{
    struct entry *entry = entry_of(limiter, key, now_ms, true);
    uint64_t wait_ms = wait_of(entry, most_ms);

    entry->in_flight++;
    return wait_ms;
}

uint64_t guess_limiter_begin(struct guess_limiter *limiter, struct slice address, struct slice user,
                             uint64_t now_ms)
{
    pthread_mutex_lock(&limiter->mutex);
    uint64_t by_address = begin(limiter, key_of(limiter, 'a', network_of(address)),
                                GUESS_WAIT_MOST_ADDRESS_MS, now_ms);
    uint64_t by_user =
        begin(limiter, key_of(limiter, 'u', user), GUESS_WAIT_MOST_ACCOUNT_MS, now_ms);
    pthread_mutex_unlock(&limiter->mutex);
    return by_address > by_user ? by_address : by_user;
}

static void end(struct guess_limiter *limiter, uint64_t key, enum guess_outcome outcome,
                uint32_t forgiven, uint64_t now_ms)
{
    struct entry *entry = entry_of(limiter, key, now_ms, outcome == GUESS_WRONG);

    if (entry == NULL) {
        return;
    }
    entry->in_flight -= entry->in_flight > 0;
    if (outcome == GUESS_WRONG) {
        entry->failures += entry->failures < FAILURES_MAX;
        entry->as_of_ms = now_ms;
    }
    if (outcome == GUESS_RIGHT) {
        entry->failures -= entry->failures < forgiven ? entry->failures : forgiven;
    }
}

void guess_limiter_end(struct guess_limiter *limiter, struct slice address, struct slice user,
                       enum guess_outcome outcome, uint64_t now_ms)
{
    pthread_mutex_lock(&limiter->mutex);
    end(limiter, key_of(limiter, 'a', network_of(address)), outcome, 1, now_ms);
    end(limiter, key_of(limiter, 'u', user), outcome, FAILURES_MAX, now_ms);
    pthread_mutex_unlock(&limiter->mutex);
}
