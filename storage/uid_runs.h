/* A small set of UIDs as ascending runs, in an arena: what one step of apply works on. */
#ifndef AVISO_STORAGE_UID_RUNS_H
#define AVISO_STORAGE_UID_RUNS_H

#include "core/arena.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "storage/rows.h"

struct uid_runs {
    struct arena *arena;
    struct uid_run *runs;
    size_t count;
    size_t capacity;
    uint64_t uid_count;
};

/* Empty. */
void uid_runs_init(struct uid_runs *runs, struct arena *arena);

/* Adds a UID above all that are in. */
void uid_runs_add(struct uid_runs *runs, uint32_t uid);

/* From and to the wire's encoding (mail/uid_set.h). INVALID: none; TOO_LARGE: over `uid_count_max`
 * UIDs. */
NODISCARD enum status uid_runs_decode(struct slice octets, uint64_t uid_count_max,
                                      struct arena *arena, struct uid_runs *out_runs);
struct slice uid_runs_encode(const struct uid_runs *runs, struct arena *arena);

#endif
