#include "core/clock.h"

#include <time.h>

static uint64_t (*replacement)(void);

static uint64_t read_us(clockid_t which)
{
    struct timespec now;

    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_monotonic_us(void)
{
    return replacement != NULL ? replacement() * 1000 : read_us(CLOCK_MONOTONIC);
}

uint64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

uint64_t clock_wall_ms(void)
{
    return replacement != NULL ? replacement() : read_us(CLOCK_REALTIME) / 1000;
}

void clock_replace(uint64_t (*now_ms)(void))
{
    replacement = now_ms;
}
