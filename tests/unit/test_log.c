/* The log against a model of it, on a disk that fails. */
#include "storage/log.h"

#include <stdlib.h>

#include "core/memory.h"
#include "tests/fakes/log_model.h"
#include "tests/unit/unit.h"

enum { SEEDS = 100, STEPS = 1500 };

static void whatever_happens_it_is_what_the_model_says(void **state)
{
    const char *only = getenv("LOG_SEED");
    uint64_t crashes = 0;
    uint64_t failed = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct log_model model;

        if (only != NULL) {
            seed = strtoull(only, NULL, 10);
        }
        log_model_init(&model, seed);
        for (size_t i = 0; i < STEPS; i++) {
            log_model_step(&model);
        }
        crashes += model.crashes;
        failed += model.failed;
        log_model_done(&model);
        if (only != NULL) {
            return;
        }
    }
    assert_true(crashes > SEEDS);
    assert_true(failed > SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_it_is_what_the_model_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
