/* The two clocks, behind functions that a test or the simulator may take over.
 *
 * Deadlines and intervals are monotonic; dates in mail are wall time. */
#ifndef AVISO_CORE_CLOCK_H
#define AVISO_CORE_CLOCK_H

#include <stdint.h>

/* Milliseconds since some moment before the process began; never goes back. */
uint64_t clock_monotonic_ms(void);

/* The same in microseconds: for measuring, not for deciding. */
uint64_t clock_monotonic_us(void);

/* Milliseconds since 1970-01-01T00:00:00Z, as this machine believes. */
uint64_t clock_wall_ms(void);

/* From now on both clocks stand at what `now_ms` returns; NULL gives the machine's back. */
void clock_replace(uint64_t (*now_ms)(void));

#endif
