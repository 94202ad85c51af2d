#include "net/accept_limiter.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/random.h"

/* Loops that accept at the same time seldom meet in one of many small tables. */
enum { TABLES = 64, BUCKETS = 256 };

struct address_count {
    uint64_t key;
    size_t count;
    struct address_count *next;
};

struct table {
    pthread_mutex_t lock;
    struct address_count *buckets[BUCKETS];
};

struct accept_limiter {
    size_t total_max;
    size_t per_address_max;
    uint64_t seed; /* so that nobody can choose addresses that collide */
    atomic_size_t total;
    struct table tables[TABLES];
};

struct accept_limiter *accept_limiter_new(size_t total_max, size_t per_address_max)
{
    struct accept_limiter *limiter = NEW(struct accept_limiter);

    limiter->total_max = total_max;
    limiter->per_address_max = per_address_max;
    random_octets(&limiter->seed, sizeof(limiter->seed));
    for (size_t i = 0; i < TABLES; i++) {
        CHECK(pthread_mutex_init(&limiter->tables[i].lock, NULL) == 0);
    }
    return limiter;
}

void accept_limiter_free(struct accept_limiter *limiter)
{
    if (limiter == NULL) {
        return;
    }
    CHECK(atomic_load(&limiter->total) == 0);
    for (size_t i = 0; i < TABLES; i++) {
        CHECK(pthread_mutex_destroy(&limiter->tables[i].lock) == 0);
    }
    memory_free(limiter);
}

/* 32 bits of an IPv4 address, with a bit that no network of IPv6 has set in practice; or the first
 * 64 of an IPv6 one. */
static uint64_t key_of(const struct sockaddr *peer)
{
    uint64_t key = 0;

    if (peer->sa_family == AF_INET6) {
        memcpy(&key, &((const struct sockaddr_in6 *)peer)->sin6_addr, sizeof(key));
        return key;
    }
    return ((const struct sockaddr_in *)peer)->sin_addr.s_addr | UINT64_C(1) << 63;
}

/* The place in the table where `key` is, or where it would be. */
static struct address_count **find(struct accept_limiter *limiter, uint64_t key,
                                   struct table **out_table)
{
    struct random mixer = {key ^ limiter->seed};
    uint64_t hash = random_next(&mixer);

    *out_table = &limiter->tables[hash % TABLES];
    CHECK(pthread_mutex_lock(&(*out_table)->lock) == 0);
    struct address_count **place = &(*out_table)->buckets[hash / TABLES % BUCKETS];

    while (*place != NULL && (*place)->key != key) {
        place = &(*place)->next;
    }
    return place;
}

static bool enter_address(struct accept_limiter *limiter, uint64_t key)
{
    struct table *table = NULL;
    struct address_count **place = find(limiter, key, &table);
    bool enters = (*place != NULL ? (*place)->count : 0) < limiter->per_address_max;

    if (enters && *place == NULL) {
        *place = NEW(struct address_count);
        (*place)->key = key;
    }
    if (enters) {
        (*place)->count++;
    }
    CHECK(pthread_mutex_unlock(&table->lock) == 0);
    return enters;
}

bool accept_limiter_enter(struct accept_limiter *limiter, const struct sockaddr *peer)
{
    if (atomic_fetch_add(&limiter->total, 1) < limiter->total_max &&
        enter_address(limiter, key_of(peer))) {
        return true;
    }
    atomic_fetch_sub(&limiter->total, 1);
    return false;
}

void accept_limiter_leave(struct accept_limiter *limiter, const struct sockaddr *peer)
{
    struct table *table = NULL;
    struct address_count **place = find(limiter, key_of(peer), &table);
    struct address_count *found = *place;

    CHECK(found != NULL && found->count > 0);
    if (--found->count == 0) {
        *place = found->next;
        memory_free(found);
    }
    CHECK(pthread_mutex_unlock(&table->lock) == 0);
    atomic_fetch_sub(&limiter->total, 1);
}
