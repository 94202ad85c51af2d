/* What libFuzzer calls with each input; see tests/fuzz/CMakeLists.txt. */
#ifndef AVISO_TESTS_FUZZ_FUZZ_H
#define AVISO_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Runs the target over one input, and returns 0. A fault aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
