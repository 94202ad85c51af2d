#include "mail/charset.h"

#include <string.h>

#include <unicode/ucnv.h>
#include <unicode/utf16.h>

#include "core/memory.h"

enum { NAME_SIZE_MAX = 60, WIDE_COUNT = 512 };

struct charset_decoder {
    UConverter *from;
};

/* Names that mail uses and ICU reads otherwise, or not at all. */
static const char *name_for_icu(const char *name)
{
    static const struct {
        const char *in_mail;
        const char *for_icu;
    } names[] = {
        {"", "UTF-8"},
        {"us-ascii", "UTF-8"},
        {"ascii", "UTF-8"},
        {"unknown-8bit", "UTF-8"},
        {"x-unknown", "UTF-8"},
        {"utf8", "UTF-8"},
        {"iso-8859-1", "windows-1252"}, /* as every reader of mail does (WHATWG) */
        {"latin1", "windows-1252"},
        {"gb2312", "gb18030"},
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (slice_is(slice_of(name), names[i].in_mail)) {
            return names[i].for_icu;
        }
    }
    return name;
}

enum status charset_decoder_new(struct slice name, struct charset_decoder **out_decoder)
{
    char text[NAME_SIZE_MAX + 1];
    UErrorCode error = U_ZERO_ERROR;

    if (name.size > NAME_SIZE_MAX) {
        return STATUS_NOT_FOUND;
    }
    if (name.size > 0) {
        memcpy(text, name.data, name.size);
    }
    text[name.size] = '\0';
    UConverter *from = ucnv_open(name_for_icu(text), &error);

    if (U_FAILURE(error)) {
        return STATUS_NOT_FOUND;
    }
    *out_decoder = NEW(struct charset_decoder);
    (*out_decoder)->from = from;
    return STATUS_OK;
}

void charset_decoder_free(struct charset_decoder *decoder)
{
    if (decoder != NULL) {
        ucnv_close(decoder->from);
        memory_free(decoder);
    }
}

/* One code point as UTF-8; halves of surrogates have no form. */
static void put(uint32_t point, struct buffer *output)
{
    char octets[4];
    size_t size = 0;

    point = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
    if (point < 0x80) {
        octets[size++] = (char)point;
    } else if (point < 0x800) {
        octets[size++] = (char)(0xc0 | point >> 6);
    } else if (point < 0x10000) {
        octets[size++] = (char)(0xe0 | point >> 12);
        octets[size++] = (char)(0x80 | (point >> 6 & 0x3f));
    } else {
        octets[size++] = (char)(0xf0 | point >> 18);
        octets[size++] = (char)(0x80 | (point >> 12 & 0x3f));
        octets[size++] = (char)(0x80 | (point >> 6 & 0x3f));
    }
    if (point >= 0x80) {
        octets[size++] = (char)(0x80 | (point & 0x3f));
    }
    if (buffer_room(output) >= size) {
        buffer_append(output, (struct slice){octets, size});
    }
}

/* The ASCII at the front, at once: most text is nothing else. Returns how many there were. */
static size_t put_ascii(const UChar *wide, size_t count, struct buffer *output)
{
    size_t most = count < buffer_room(output) ? count : buffer_room(output);
    char *octets = buffer_reserve(output, most);
    size_t size = 0;

    for (; size < most && wide[size] < 0x80; size++) {
        octets[size] = (char)wide[size];
    }
    buffer_grew(output, size);
    return size;
}

static void put_wide(const UChar *wide, size_t count, struct buffer *output)
{
    for (size_t i = 0; i < count; i++) {
        i += put_ascii(wide + i, count - i, output);
        if (i == count) {
            break;
        }
        uint32_t point = wide[i];

        if (point >= 0xd800 && point < 0xdc00 && i + 1 < count && wide[i + 1] >= 0xdc00 &&
            wide[i + 1] < 0xe000) {
            point = 0x10000 + ((point - 0xd800) << 10) + ((uint32_t)wide[++i] - 0xdc00);
        }
        put(point, output);
    }
}

void charset_decoder_decode(struct charset_decoder *decoder, struct slice input, bool is_last,
                            struct buffer *output)
{
    const char *next = input.data != NULL ? input.data : "";
    const char *end = next + input.size;
    UErrorCode error = U_BUFFER_OVERFLOW_ERROR;
    UChar wide[WIDE_COUNT];
    size_t kept = 0; /* 1: half of a pair, whose other half had no room */

    while (error == U_BUFFER_OVERFLOW_ERROR) {
        UChar *target = wide + kept;

        error = U_ZERO_ERROR;
        ucnv_toUnicode(decoder->from, &target, wide + WIDE_COUNT, &next, end, NULL, is_last,
                       &error);
        size_t count = (size_t)(target - wide);

        kept = error == U_BUFFER_OVERFLOW_ERROR && U16_IS_LEAD(wide[count - 1]) ? 1 : 0;
        put_wide(wide, count - kept, output);
        if (kept > 0) {
            wide[0] = wide[count - 1];
        }
    }
}

enum status charset_to_utf8(struct slice name, struct slice input, struct buffer *output)
{
    struct charset_decoder *decoder = NULL;
    enum status status = charset_decoder_new(name, &decoder);

    if (status == STATUS_OK) {
        charset_decoder_decode(decoder, input, true, output);
        charset_decoder_free(decoder);
    }
    return status;
}
