/* Randomness of two kinds: unpredictable octets for secrets and ids, and a seeded sequence that
 * replays for everything that only has to be spread. */
#ifndef AVISO_CORE_RANDOM_H
#define AVISO_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills `octets` from the kernel's generator. */
void random_octets(void *octets, size_t size);

/* A replayable generator (splitmix64): the same seed gives the same sequence on every machine. */
struct random {
    uint64_t state;
};

/* The next 64 bits. */
uint64_t random_next(struct random *random);

/* Below `bound`, which is at least 1. */
uint64_t random_below(struct random *random, uint64_t bound);

#endif
