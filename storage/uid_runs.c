#include "storage/uid_runs.h"

#include <string.h>

#include "core/check.h"
#include "mail/uid_set.h"

enum { RUN_ENCODED_SIZE_MAX = 10, CAPACITY_LEAST = 4 };

void uid_runs_init(struct uid_runs *runs, struct arena *arena)
{
    *runs = (struct uid_runs){.arena = arena};
}

static void add_run(struct uid_runs *runs, struct uid_run run)
{
    if (runs->count == runs->capacity) {
        size_t capacity = runs->capacity > 0 ? runs->capacity * 2 : CAPACITY_LEAST;
        struct uid_run *larger = arena_array(runs->arena, capacity, sizeof(*larger));

        if (runs->count > 0) {
            memcpy(larger, runs->runs, runs->count * sizeof(*larger));
        }
        runs->runs = larger;
        runs->capacity = capacity;
    }
    runs->runs[runs->count++] = run;
    runs->uid_count += (uint64_t)run.last - run.first + 1;
}

void uid_runs_add(struct uid_runs *runs, uint32_t uid)
{
    struct uid_run *last = runs->count > 0 ? &runs->runs[runs->count - 1] : NULL;

    CHECK(last == NULL || uid > last->last);
    if (last != NULL && uid == last->last + 1) {
        last->last = uid;
        runs->uid_count++;
        return;
    }
    add_run(runs, (struct uid_run){uid, uid});
}

enum status uid_runs_decode(struct slice octets, uint64_t uid_count_max, struct arena *arena,
                            struct uid_runs *out_runs)
{
    struct uid_set *set = uid_set_new();
    struct uid_run run;
    enum status status = uid_set_decode(octets, set);

    uid_runs_init(out_runs, arena);
    if (status == STATUS_OK && uid_set_count(set) > uid_count_max) {
        status = STATUS_TOO_LARGE;
    }
    for (uint32_t from = 1; status == STATUS_OK && from != 0; from = run.last + 1) {
        if (!uid_set_run(set, from, &run.first, &run.last)) {
            break;
        }
        add_run(out_runs, run);
    }
    uid_set_free(set);
    return status;
}

struct slice uid_runs_encode(const struct uid_runs *runs, struct arena *arena)
{
    struct uid_set *set = uid_set_new();
    struct buffer octets;

    for (size_t index = 0; index < runs->count; index++) {
        uid_set_add_range(set, runs->runs[index].first, runs->runs[index].last);
    }
    buffer_init(&octets, RUN_ENCODED_SIZE_MAX * (runs->count + 1));
    uid_set_encode(set, &octets);
    uid_set_free(set);
    struct slice copy = arena_copy(arena, buffer_view(&octets));

    buffer_done(&octets);
    return copy;
}
