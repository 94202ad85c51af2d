#include "storage/row_codec.h"

#include <string.h>

enum { LEB_SIZE_MAX = 10 };

void row_put_number(struct buffer *output, uint64_t number)
{
    char *octets = buffer_reserve(output, LEB_SIZE_MAX);
    size_t size = 0;

    while (number >= 0x80) {
        octets[size++] = (char)(number | 0x80);
        number >>= 7;
    }
    octets[size++] = (char)number;
    buffer_grew(output, size);
}

/* Zigzag: small magnitudes stay short whatever their sign. */
void row_put_signed(struct buffer *output, int64_t number)
{
    row_put_number(output, ((uint64_t)number << 1) ^ (uint64_t)(number >> 63));
}

void row_put_octets(struct buffer *output, struct slice octets)
{
    row_put_number(output, octets.size);
    buffer_append(output, octets);
}

void row_reader_fail(struct row_reader *reader)
{
    if (reader->status == STATUS_OK) {
        reader->status = STATUS_CORRUPT;
    }
    reader->rest = (struct slice){0};
}

struct row_reader row_reader_begin(struct slice octets, unsigned newest)
{
    struct row_reader reader = {.rest = octets, .status = STATUS_OK};

    if (octets.size == 0 || octets.data[0] == 0) {
        row_reader_fail(&reader);
        return reader;
    }
    if ((unsigned char)octets.data[0] > newest) {
        reader.status = STATUS_UNSUPPORTED;
        reader.rest = (struct slice){0};
        return reader;
    }
    reader.rest = slice_skip(octets, 1);
    return reader;
}

uint64_t row_get_number(struct row_reader *reader, uint64_t most)
{
    uint64_t number = 0;

    for (size_t index = 0; index < LEB_SIZE_MAX && index < reader->rest.size; index++) {
        uint64_t octet = (unsigned char)reader->rest.data[index];
        unsigned shift = (unsigned)index * 7;

        if (shift == 63 && octet > 1) {
            break;
        }
        number |= (octet & 0x7f) << shift;
        if ((octet & 0x80) != 0) {
            continue;
        }
        if (number > most || (octet == 0 && index > 0)) {
            break;
        }
        reader->rest = slice_skip(reader->rest, index + 1);
        return number;
    }
    row_reader_fail(reader);
    return 0;
}

uint32_t row_get_u32(struct row_reader *reader)
{
    return (uint32_t)row_get_number(reader, UINT32_MAX);
}

int64_t row_get_signed(struct row_reader *reader, int64_t least, int64_t most)
{
    uint64_t folded = row_get_number(reader, UINT64_MAX);
    int64_t number = (int64_t)(folded >> 1) ^ -(int64_t)(folded & 1);

    if (number < least || number > most) {
        row_reader_fail(reader);
        return 0;
    }
    return number;
}

bool row_get_bool(struct row_reader *reader)
{
    return row_get_number(reader, 1) == 1;
}

struct slice row_get_fixed(struct row_reader *reader, size_t size)
{
    struct slice octets = slice_prefix(reader->rest, size);

    if (octets.size < size) {
        row_reader_fail(reader);
        return (struct slice){0};
    }
    reader->rest = slice_skip(reader->rest, size);
    return octets;
}

struct slice row_get_octets(struct row_reader *reader, size_t size_max)
{
    return row_get_fixed(reader, (size_t)row_get_number(reader, size_max));
}

size_t row_get_count(struct row_reader *reader, size_t most)
{
    size_t count = (size_t)row_get_number(reader, most);

    if (count > reader->rest.size) {
        row_reader_fail(reader);
        return 0;
    }
    return count;
}

enum status row_reader_end(const struct row_reader *reader)
{
    if (reader->status != STATUS_OK) {
        return reader->status;
    }
    return reader->rest.size == 0 ? STATUS_OK : STATUS_CORRUPT;
}
