#include "mail/utf8.h"

#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "core/memory.h"

enum { FOLD_SIZE_MAX = 16 * 1024 * 1024 };

/* The size of the sequence that `first` begins, with the range of its second octet (RFC 3629 §4);
 * 0: none. */
static size_t sequence_size(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return first < 0x80    ? 1
           : first < 0xc2  ? 0
           : first < 0xe0  ? 2
           : first < 0xf0  ? 3
           : first <= 0xf4 ? 4
                           : 0;
}

bool utf8_is_valid(struct slice text)
{
    size_t i = 0;

    while (i < text.size) {
        unsigned char low = 0;
        unsigned char high = 0;
        size_t size = sequence_size((unsigned char)text.data[i], &low, &high);

        if (size == 0 || size > text.size - i) {
            return false;
        }
        for (size_t k = 1; k < size; k++, low = 0x80, high = 0xbf) {
            unsigned char octet = (unsigned char)text.data[i + k];

            if (octet < low || octet > high) {
                return false;
            }
        }
        i += size;
    }
    return true;
}

bool utf8_is_beyond_ascii(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] >= 0x80) {
            return true;
        }
    }
    return false;
}

static enum status fold_ascii(struct slice text, struct buffer *output)
{
    char *room = buffer_reserve(output, text.size);

    for (size_t i = 0; i < text.size; i++) {
        room[i] = ascii_lower(text.data[i]);
    }
    buffer_grew(output, text.size);
    return STATUS_OK;
}

/* Folding may triple the number of code units, composing only shrinks it. */
static enum status fold_unicode(struct slice text, struct buffer *output)
{
    UErrorCode error = U_ZERO_ERROR;
    int32_t size = (int32_t)text.size;
    int32_t capacity = size * 3 + 1;
    UChar *wide = memory_zeroed((size_t)capacity * sizeof(UChar));
    UChar *folded = memory_zeroed((size_t)capacity * sizeof(UChar));
    enum status status = STATUS_INVALID;
    int32_t wide_size = 0;
    int32_t octets = 0;

    u_strFromUTF8(wide, capacity, &wide_size, text.data, size, &error);
    int32_t folded_size =
        u_strFoldCase(folded, capacity, wide, wide_size, U_FOLD_CASE_DEFAULT, &error);
    int32_t composed_size = unorm2_normalize(unorm2_getNFCInstance(&error), folded, folded_size,
                                             wide, capacity, &error);

    if (U_SUCCESS(error)) {
        u_strToUTF8(NULL, 0, &octets, wide, composed_size, &error);
        status = (size_t)octets > buffer_room(output) ? STATUS_TOO_LARGE : STATUS_OK;
    }
    if (status == STATUS_OK && octets > 0) {
        error = U_ZERO_ERROR;
        u_strToUTF8(buffer_reserve(output, (size_t)octets), octets, NULL, wide, composed_size,
                    &error);
        buffer_grew(output, (size_t)octets);
    }
    memory_free(wide);
    memory_free(folded);
    return status;
}

enum status utf8_fold(struct slice text, struct buffer *output)
{
    if (text.size > FOLD_SIZE_MAX || text.size > buffer_room(output)) {
        return STATUS_TOO_LARGE;
    }
    if (!utf8_is_beyond_ascii(text)) {
        return fold_ascii(text, output);
    }
    return utf8_is_valid(text) ? fold_unicode(text, output) : STATUS_INVALID;
}
