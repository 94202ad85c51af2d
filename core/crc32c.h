/* CRC-32C (Castagnoli; RFC 3720 appendix B.4), with the processor's instruction where it has one.
 */
#ifndef AVISO_CORE_CRC32C_H
#define AVISO_CORE_CRC32C_H

#include <stdint.h>

#include "core/slice.h"

/* Goes on from `crc`, the result for the octets before; 0 begins. */
uint32_t crc32c(uint32_t crc, struct slice bytes);

/* The same on any processor, eight octets a step. */
uint32_t crc32c_portable(uint32_t crc, struct slice bytes);

#endif
