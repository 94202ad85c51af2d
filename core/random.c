#include "core/random.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "core/check.h"

enum { POOL_SIZE = 512 };

/* What a thread has fetched ahead: the system is asked once for many small numbers. An octet is
 * handed out once and leaves no copy. */
static _Thread_local struct {
    char octets[POOL_SIZE];
    size_t left; /* at the end */
} pool;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void *octets, size_t size)
{
    char *next = octets;

    while (size > 0) {
        ssize_t got = getrandom(next, size, 0);

        CHECK(got > 0 || errno == EINTR);
        if (got > 0) {
            next += got;
            size -= (size_t)got;
        }
    }
}

/* A child goes on without what its parent has. */
static void forget(void)
{
    pool.left = 0;
}

static void watch_forks(void)
{
    CHECK(pthread_atfork(NULL, NULL, forget) == 0);
}

static void fill_pool(void)
{
    CHECK(pthread_once(&once, watch_forks) == 0);
    fetch(pool.octets, POOL_SIZE);
    pool.left = POOL_SIZE;
}

void random_octets(void *octets, size_t size)
{
    if (size > POOL_SIZE / 4) {
        fetch(octets, size);
        return;
    }
    if (pool.left < size) {
        fill_pool();
    }
    char *next = pool.octets + POOL_SIZE - pool.left;

    memcpy(octets, next, size);
    explicit_bzero(next, size);
    pool.left -= size;
}

uint64_t random_next(struct random *random)
{
    uint64_t mixed = random->state += 0x9e3779b97f4a7c15;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

/* The high half of the product (Lemire): no division, and the bias is below 2^-32 for the bounds
 * in use. */
uint64_t random_below(struct random *random, uint64_t bound)
{
    CHECK(bound >= 1 && bound <= UINT32_MAX);
    return ((random_next(random) >> 32) * bound) >> 32;
}
