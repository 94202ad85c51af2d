#include "core/crc32c.h"

#include <string.h>

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

static uint32_t by_table(uint32_t crc, struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= (unsigned char)bytes.data[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0x82f63b78 & (0 - (crc & 1)));
        }
    }
    return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, struct slice bytes)
{
    uint64_t wide = crc;

    while (bytes.size >= sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, bytes.data, sizeof(word));
        wide = _mm_crc32_u64(wide, word);
        bytes = slice_skip(bytes, sizeof(word));
    }
    return by_table((uint32_t)wide, bytes);
}
#endif

uint32_t crc32c(uint32_t crc, struct slice bytes)
{
    crc = ~crc;
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2")) {
        return ~by_instruction(crc, bytes);
    }
#endif
    return ~by_table(crc, bytes);
}
