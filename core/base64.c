#include "core/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct slice bytes, struct buffer *output)
{
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t count = bytes.size - i < 3 ? bytes.size - i : 3;
        uint32_t group = (uint32_t)(unsigned char)bytes.data[i] << 16;

        group |= count > 1 ? (uint32_t)(unsigned char)bytes.data[i + 1] << 8 : 0;
        group |= count > 2 ? (uint32_t)(unsigned char)bytes.data[i + 2] : 0;
        char text[] = {digits[group >> 18], digits[(group >> 12) & 63],
                       count > 1 ? digits[(group >> 6) & 63] : '=',
                       count > 2 ? digits[group & 63] : '='};

        buffer_append(output, (struct slice){text, sizeof(text)});
    }
}

/* 0 to 63, or 64 for what is no digit. */
static uint32_t digit_value(char octet)
{
    if (octet >= 'A' && octet <= 'Z') {
        return (uint32_t)(octet - 'A');
    }
    if (octet >= 'a' && octet <= 'z') {
        return (uint32_t)(octet - 'a') + 26;
    }
    if (octet >= '0' && octet <= '9') {
        return (uint32_t)(octet - '0') + 52;
    }
    return octet == '+' ? 62 : octet == '/' ? 63 : 64;
}

enum status base64_decode(struct slice text, struct buffer *output)
{
    size_t padding = slice_ends_with(text, SLICE("==")) ? 2 : slice_ends_with(text, SLICE("="));
    size_t size_before = output->size;

    if (text.size % 4 != 0) {
        return STATUS_INVALID;
    }
    if (text.size / 4 * 3 > buffer_room(output)) {
        return STATUS_TOO_LARGE;
    }
    for (size_t i = 0; i < text.size; i += 4) {
        size_t count = i + 4 == text.size ? 4 - padding : 4;
        uint32_t group = 0;

        for (size_t k = 0; k < 4; k++) {
            uint32_t value = k < count ? digit_value(text.data[i + k]) : 0;

            if (value == 64) {
                output->size = size_before;
                return STATUS_INVALID;
            }
            group = group << 6 | value;
        }
        char octets[] = {(char)(group >> 16), (char)(group >> 8), (char)group};

        if ((count == 2 && (group & 0xffff) != 0) || (count == 3 && (group & 0xff) != 0)) {
            output->size = size_before;
            return STATUS_INVALID;
        }
        buffer_append(output, (struct slice){octets, count - 1});
    }
    return STATUS_OK;
}
