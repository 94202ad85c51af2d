/* Named places where a test may crash the node: between two steps whose order matters.
 *
 * CRASH_POINT("log.before_sync") is nothing at all where NDEBUG is defined or AVISO_CRASH_POINTS is
 * 0; elsewhere it costs one comparison until a test arms something. One armed point a process. */
#ifndef AVISO_STORAGE_CRASH_POINT_H
#define AVISO_STORAGE_CRASH_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef AVISO_CRASH_POINTS
#ifdef NDEBUG
#define AVISO_CRASH_POINTS 0
#else
#define AVISO_CRASH_POINTS 1
#endif
#endif

#if AVISO_CRASH_POINTS
#define CRASH_POINT(name)                                                                          \
    do {                                                                                           \
        if (crash_point_is_armed) {                                                                \
            crash_point_reached(name);                                                             \
        }                                                                                          \
    } while (0)
#else
#define CRASH_POINT(name) ((void)0)
#endif

/* What a crash is: a child process ends at once, a simulator jumps out of the node or lets its fake
 * disk ignore all that follows. When it returns, the node goes on. */
typedef void crash_point_fn(void *context, const char *name);

/* Calls `crash` the `nth` time (from 1) that `name` is reached; NULL for any point. Then, and by
 * crash_point_disarm(), nothing is armed. */
void crash_point_arm(const char *name, uint64_t nth, crash_point_fn *crash, void *context);
void crash_point_disarm(void);

/* Calls `seen` at every point that is reached until crash_point_disarm(): to learn their names. */
void crash_point_watch(crash_point_fn *seen, void *context);

/* For CRASH_POINT alone. */
extern bool crash_point_is_armed;
void crash_point_reached(const char *name);

#endif
