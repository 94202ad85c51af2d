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

struct slice utf8_prefix(struct slice text, size_t size)
{
    size_t cut = size;

    if (text.size <= size) {
        return text;
    }
    while (cut > 0 && ((unsigned char)text.data[cut] & 0xc0) == 0x80) {
        cut--;
    }
    return slice_prefix(text, cut);
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

static enum status append_wide(const UChar *wide, int32_t size, struct buffer *output)
{
    UErrorCode error = U_ZERO_ERROR;
    int32_t octets = 0;

    u_strToUTF8(NULL, 0, &octets, wide, size, &error);
    if ((size_t)octets > buffer_room(output)) {
        return STATUS_TOO_LARGE;
    }
    error = U_ZERO_ERROR;
    u_strToUTF8(buffer_reserve(output, (size_t)octets), octets, NULL, wide, size, &error);
    buffer_grew(output, (size_t)octets);
    return STATUS_OK;
}

/* Most text is composed already; what is not may grow nevertheless. */
static enum status append_composed(const UChar *wide, int32_t size, struct buffer *output)
{
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2 *normalizer = unorm2_getNFCInstance(&error);

    if (unorm2_isNormalized(normalizer, wide, size, &error)) {
        return append_wide(wide, size, output);
    }
    int32_t composed_size = unorm2_normalize(normalizer, wide, size, NULL, 0, &error);
    UChar *composed = memory_zeroed(((size_t)composed_size + 1) * sizeof(UChar));

    error = U_ZERO_ERROR;
    unorm2_normalize(normalizer, wide, size, composed, composed_size + 1, &error);
    enum status status =
        U_SUCCESS(error) ? append_wide(composed, composed_size, output) : STATUS_INVALID;

    memory_free(composed);
    return status;
}

/* Of `text`, which is UTF-8. Folding may triple the number of code units. */
static enum status compose(struct slice text, bool folds, struct buffer *output)
{
    UErrorCode error = U_ZERO_ERROR;
    int32_t capacity = (int32_t)text.size + 1;
    int32_t folded_capacity = folds ? capacity * 3 : 1;
    UChar *wide = memory_zeroed((size_t)capacity * sizeof(UChar));
    UChar *folded = memory_zeroed((size_t)folded_capacity * sizeof(UChar));
    int32_t size = 0;
    enum status status = STATUS_INVALID;

    u_strFromUTF8(wide, capacity, &size, text.data, (int32_t)text.size, &error);
    if (folds) {
        size = u_strFoldCase(folded, folded_capacity, wide, size, U_FOLD_CASE_DEFAULT, &error);
    }
    if (U_SUCCESS(error)) {
        status = append_composed(folds ? folded : wide, size, output);
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
    return utf8_is_valid(text) ? compose(text, true, output) : STATUS_INVALID;
}

enum status utf8_compose(struct slice text, struct buffer *output)
{
    if (text.size > FOLD_SIZE_MAX || text.size > buffer_room(output)) {
        return STATUS_TOO_LARGE;
    }
    if (!utf8_is_beyond_ascii(text)) {
        buffer_append(output, text);
        return STATUS_OK;
    }
    return utf8_is_valid(text) ? compose(text, false, output) : STATUS_INVALID;
}
