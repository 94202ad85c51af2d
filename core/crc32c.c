#include "core/crc32c.h"

#include <string.h>

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

enum { POLYNOMIAL_SLICES = 8, OCTET_VALUES = 256 };

static const uint32_t polynomial = 0x82f63b78; /* reflected */

/* tables[i][octet]: what the octet adds when i more follow it. */
static uint32_t tables[POLYNOMIAL_SLICES][OCTET_VALUES];

__attribute__((constructor)) static void fill_tables(void)
{
    for (uint32_t octet = 0; octet < OCTET_VALUES; octet++) {
        uint32_t crc = octet;

        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (polynomial & (0 - (crc & 1)));
        }
        tables[0][octet] = crc;
    }
    for (unsigned i = 1; i < POLYNOMIAL_SLICES; i++) {
        for (uint32_t octet = 0; octet < OCTET_VALUES; octet++) {
            uint32_t before = tables[i - 1][octet];

            tables[i][octet] = (before >> 8) ^ tables[0][before & 0xff];
        }
    }
}

static uint32_t word_at(const char *octets)
{
    const unsigned char *octet = (const unsigned char *)octets;

    return (uint32_t)octet[0] | (uint32_t)octet[1] << 8 | (uint32_t)octet[2] << 16 |
           (uint32_t)octet[3] << 24;
}

/* Eight octets at a time: their tables are looked up side by side. */
static uint32_t by_tables(uint32_t crc, struct slice bytes)
{
    while (bytes.size >= POLYNOMIAL_SLICES) {
        uint32_t low = crc ^ word_at(bytes.data);
        uint32_t high = word_at(bytes.data + 4);

        crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
              tables[4][low >> 24] ^ tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
              tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
        bytes = slice_skip(bytes, POLYNOMIAL_SLICES);
    }
    for (size_t i = 0; i < bytes.size; i++) {
        crc = (crc >> 8) ^ tables[0][(crc ^ (unsigned char)bytes.data[i]) & 0xff];
    }
    return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, struct slice bytes)
{
    uint64_t wide = crc;
    const char *data = bytes.data;
    size_t size = bytes.size;

    for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t), data += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, data, sizeof(word));
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    for (; size > 0; size--, data++) {
        crc = _mm_crc32_u8(crc, (unsigned char)*data);
    }
    return crc;
}
#endif

uint32_t crc32c_portable(uint32_t crc, struct slice bytes)
{
    return ~by_tables(~crc, bytes);
}

uint32_t crc32c(uint32_t crc, struct slice bytes)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2")) {
        return ~by_instruction(~crc, bytes);
    }
#endif
    return crc32c_portable(crc, bytes);
}
