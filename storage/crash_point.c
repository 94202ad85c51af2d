#include "storage/crash_point.h"

#include <string.h>

bool crash_point_is_armed;

static struct {
    const char *name; /* NULL: any */
    uint64_t left;    /* 0: watching */
    crash_point_fn *crash;
    void *context;
} armed;

void crash_point_arm(const char *name, uint64_t nth, crash_point_fn *crash, void *context)
{
    armed.name = name;
    armed.left = nth;
    armed.crash = crash;
    armed.context = context;
    crash_point_is_armed = true;
}

void crash_point_watch(crash_point_fn *seen, void *context)
{
    crash_point_arm(NULL, 0, seen, context);
}

void crash_point_disarm(void)
{
    crash_point_is_armed = false;
}

void crash_point_reached(const char *name)
{
    if (armed.name != NULL && strcmp(armed.name, name) != 0) {
        return;
    }
    if (armed.left > 1) {
        armed.left--;
        return;
    }
    if (armed.left == 1) {
        crash_point_disarm();
    }
    armed.crash(armed.context, name);
}
