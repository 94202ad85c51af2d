/* cmocka, with the headers it needs before it and our own assertions. */
#ifndef AVISO_TESTS_UNIT_UNIT_H
#define AVISO_TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/macros.h"
#include "core/slice.h"

/* Fails the test unless `actual` holds exactly the bytes of `expected`, and shows both. */
#define assert_slice_equals(actual, expected)                                                      \
    assert_slice_equals_at((actual), slice_of(expected), __FILE__, __LINE__)

static inline void assert_slice_equals_at(struct slice actual, struct slice expected,
                                          const char *file, int line)
{
    if (actual.size == expected.size &&
        (actual.size == 0 || memcmp(actual.data, expected.data, actual.size) == 0)) {
        return;
    }
    print_error("expected '%.*s'\n  actual '%.*s'\n", (int)expected.size, expected.data,
                (int)actual.size, actual.data);
    _fail(file, line);
}

#endif
