#include "frontend/imap/imap_name.h"

#include <string.h>

#include "frontend/imap/imap_list_pattern.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

enum { REPLACEMENT = 0xfffd, INBOX_SIZE = 5 };

static bool is_printable(uint32_t point)
{
    return point >= 0x20 && point <= 0x7e;
}

/* ---- UTF-8 to modified UTF-7 ---- */

/* Takes one character off the front of `rest`. */
static uint32_t take_point(struct slice *rest)
{
    unsigned char first = (unsigned char)rest->data[0];
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t point = size == 1 ? first : first & (0xffU >> (size + 1));
    bool valid = first < 0x80 || (first >= 0xc2 && first <= 0xf4);

    if (!valid || size > rest->size) {
        *rest = slice_skip(*rest, 1);
        return REPLACEMENT;
    }
    for (size_t i = 1; i < size; i++) {
        unsigned char next = (unsigned char)rest->data[i];

        valid = valid && (next & 0xc0) == 0x80;
        point = point << 6 | (next & 0x3fU);
    }
    valid = valid && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    *rest = slice_skip(*rest, valid ? size : 1);
    return valid ? point : REPLACEMENT;
}

struct writer {
    struct buffer *output;
    uint32_t bits;
    unsigned bit_count;
};

static void write_unit(struct writer *writer, uint32_t unit)
{
    writer->bits = writer->bits << 16 | unit;
    writer->bit_count += 16;
    while (writer->bit_count >= 6) {
        writer->bit_count -= 6;
        buffer_append_octet(writer->output, digits[writer->bits >> writer->bit_count & 0x3f]);
    }
    writer->bits &= (1U << writer->bit_count) - 1;
}

static void write_point(struct writer *writer, uint32_t point)
{
    if (point >= 0x10000) {
        write_unit(writer, 0xd800 + ((point - 0x10000) >> 10));
        write_unit(writer, 0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
        write_unit(writer, point);
    }
}

static void write_end(struct writer *writer)
{
    if (writer->bit_count > 0) {
        buffer_append_octet(writer->output, digits[writer->bits << (6 - writer->bit_count) & 0x3f]);
    }
    buffer_append_octet(writer->output, '-');
    writer->bits = 0;
    writer->bit_count = 0;
}

void imap_name_encode(struct slice name, struct buffer *output)
{
    struct writer writer = {.output = output};
    struct slice rest = name;
    bool shifted = false;

    while (rest.size > 0) {
        uint32_t point = take_point(&rest);

        if (is_printable(point)) {
            if (shifted) {
                write_end(&writer);
            }
            shifted = false;
            buffer_append_octet(output, (char)point);
            if (point == '&') {
                buffer_append_octet(output, '-');
            }
            continue;
        }
        if (!shifted) {
            buffer_append_octet(output, '&');
        }
        shifted = true;
        write_point(&writer, point);
    }
    if (shifted) {
        write_end(&writer);
    }
}

/* ---- Modified UTF-7 to UTF-8 ---- */

struct reader {
    char *output;
    size_t size;
    uint32_t high; /* a surrogate that waits for its other half */
};

static void put_point(struct reader *reader, uint32_t point)
{
    char *to = reader->output + reader->size;

    if (point < 0x80) {
        to[0] = (char)point;
        reader->size += 1;
    } else if (point < 0x800) {
        to[0] = (char)(0xc0 | point >> 6);
        to[1] = (char)(0x80 | (point & 0x3f));
        reader->size += 2;
    } else if (point < 0x10000) {
        to[0] = (char)(0xe0 | point >> 12);
        to[1] = (char)(0x80 | (point >> 6 & 0x3f));
        to[2] = (char)(0x80 | (point & 0x3f));
        reader->size += 3;
    } else {
        to[0] = (char)(0xf0 | point >> 18);
        to[1] = (char)(0x80 | (point >> 12 & 0x3f));
        to[2] = (char)(0x80 | (point >> 6 & 0x3f));
        to[3] = (char)(0x80 | (point & 0x3f));
        reader->size += 4;
    }
}

static bool put_unit(struct reader *reader, uint32_t unit)
{
    if (reader->high != 0) {
        bool is_low = unit >= 0xdc00 && unit <= 0xdfff;

        if (is_low) {
            put_point(reader, 0x10000 + ((reader->high - 0xd800) << 10) + (unit - 0xdc00));
        }
        reader->high = 0;
        return is_low;
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        reader->high = unit;
        return true;
    }
    if (is_printable(unit) || (unit >= 0xdc00 && unit <= 0xdfff)) {
        return false;
    }
    put_point(reader, unit);
    return true;
}

/* Behind the '&', up to its '-'. */
static bool take_shifted(struct reader *reader, struct slice *rest)
{
    uint32_t bits = 0;
    unsigned bit_count = 0;

    while (rest->size > 0 && rest->data[0] != '-') {
        const char *digit = rest->data[0] != '\0' ? strchr(digits, rest->data[0]) : NULL;

        if (digit == NULL) {
            return false;
        }
        bits = (bits << 6 | (uint32_t)(digit - digits)) & 0x3fffff;
        bit_count += 6;
        *rest = slice_skip(*rest, 1);
        if (bit_count >= 16) {
            bit_count -= 16;
            if (!put_unit(reader, bits >> bit_count & 0xffff)) {
                return false;
            }
        }
    }
    bool ended = rest->size > 0 && reader->high == 0 && bit_count < 6 &&
                 (bits & ((1U << bit_count) - 1)) == 0;

    *rest = slice_skip(*rest, 1);
    /* "&AOk-&AOk-" is not the form that "&AOkA6Q-" is; "&AOk-&-" is. */
    bool shifts_again = rest->size > 1 && rest->data[0] == '&' && rest->data[1] != '-';

    return ended && !shifts_again;
}

enum status imap_name_decode(struct arena *arena, struct slice wire, struct slice *out_name)
{
    struct reader reader = {.output = arena_zeroed(arena, wire.size * 2 + 4)};
    struct slice rest = wire;

    while (rest.size > 0) {
        char octet = rest.data[0];

        rest = slice_skip(rest, 1);
        if (!is_printable((unsigned char)octet)) {
            return STATUS_INVALID;
        }
        if (octet != '&') {
            reader.output[reader.size++] = octet;
        } else if (rest.size > 0 && rest.data[0] == '-') {
            reader.output[reader.size++] = '&';
            rest = slice_skip(rest, 1);
        } else if (!take_shifted(&reader, &rest)) {
            return STATUS_INVALID;
        }
    }
    *out_name = (struct slice){reader.output, reader.size};
    return STATUS_OK;
}

/* ---- Names that may be ---- */

enum status imap_name_check(struct arena *arena, struct slice name, struct slice *out_name)
{
    struct slice rest = name;
    size_t levels = 0;

    if (name.size > IMAP_NAME_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    for (size_t i = 0; i < name.size; i++) {
        if ((unsigned char)name.data[i] < 0x20 || name.data[i] == 0x7f) {
            return STATUS_INVALID;
        }
    }
    if (name.size == 0 || name.data[name.size - 1] == IMAP_SEPARATOR) {
        return STATUS_INVALID;
    }
    while (rest.size > 0) {
        if (slice_cut(&rest, IMAP_SEPARATOR).size == 0 || ++levels > IMAP_NAME_LEVELS_MAX) {
            return levels > IMAP_NAME_LEVELS_MAX ? STATUS_TOO_LARGE : STATUS_INVALID;
        }
    }
    *out_name = name;
    if (slice_starts_with_ignoring_case(name, SLICE("INBOX")) &&
        (name.size == INBOX_SIZE || name.data[INBOX_SIZE] == IMAP_SEPARATOR)) {
        char *copy = arena_zeroed(arena, name.size);

        memcpy(copy, name.data, name.size);
        memcpy(copy, "INBOX", INBOX_SIZE);
        *out_name = (struct slice){copy, name.size};
    }
    return STATUS_OK;
}
