/* Numbers as text and as octets, with nothing assumed of the input. */
#ifndef AVISO_CORE_NUMBER_H
#define AVISO_CORE_NUMBER_H

#include <stdint.h>

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

/* Reads `text`, all of it, as decimal digits. INVALID: empty or another octet.
 * TOO_LARGE: over `most`. */
NODISCARD enum status number_parse(struct slice text, uint64_t most, uint64_t *out_number);

/* Takes the digits at the front of `rest`, at least one. The same failures; then `rest` is as it
 * was. */
NODISCARD enum status number_take(struct slice *rest, uint64_t most, uint64_t *out_number);

/* Octets in big-endian order, so that the order of the octets is that of the numbers. */
void number_put_u16(char *octets, uint16_t number);
void number_put_u32(char *octets, uint32_t number);
void number_put_u64(char *octets, uint64_t number);
uint16_t number_get_u16(const char *octets);
uint32_t number_get_u32(const char *octets);
uint64_t number_get_u64(const char *octets);

#endif
