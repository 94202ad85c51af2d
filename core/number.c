#include "core/number.h"

enum status number_take(struct slice *rest, uint64_t most, uint64_t *out_number)
{
    uint64_t number = 0;
    size_t size = 0;

    for (; size < rest->size && rest->data[size] >= '0' && rest->data[size] <= '9'; size++) {
        uint64_t digit = (uint64_t)(rest->data[size] - '0');

        if (digit > most || number > (most - digit) / 10) {
            return STATUS_TOO_LARGE;
        }
        number = number * 10 + digit;
    }
    if (size == 0) {
        return STATUS_INVALID;
    }
    *rest = slice_skip(*rest, size);
    *out_number = number;
    return STATUS_OK;
}

enum status number_parse(struct slice text, uint64_t most, uint64_t *out_number)
{
    uint64_t number = 0;
    enum status status = number_take(&text, most, &number);

    if (status != STATUS_OK) {
        return status;
    }
    if (text.size > 0) {
        return STATUS_INVALID;
    }
    *out_number = number;
    return STATUS_OK;
}

void number_put_u16(char *octets, uint16_t number)
{
    octets[0] = (char)(number >> 8);
    octets[1] = (char)number;
}

void number_put_u32(char *octets, uint32_t number)
{
    number_put_u16(octets, (uint16_t)(number >> 16));
    number_put_u16(octets + 2, (uint16_t)number);
}

void number_put_u64(char *octets, uint64_t number)
{
    number_put_u32(octets, (uint32_t)(number >> 32));
    number_put_u32(octets + 4, (uint32_t)number);
}

uint16_t number_get_u16(const char *octets)
{
    return (uint16_t)(((unsigned)(unsigned char)octets[0] << 8) | (unsigned char)octets[1]);
}

uint32_t number_get_u32(const char *octets)
{
    return ((uint32_t)number_get_u16(octets) << 16) | number_get_u16(octets + 2);
}

uint64_t number_get_u64(const char *octets)
{
    return ((uint64_t)number_get_u32(octets) << 32) | number_get_u32(octets + 4);
}
