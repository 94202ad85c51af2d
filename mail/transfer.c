#include "mail/transfer.h"

#include <stdbool.h>

/* The longest line that RFC 2045 allows has 76 octets; blanks beyond this stand for themselves. */
enum { KEPT_SIZE_MAX = 1024 };

enum transfer_encoding transfer_encoding_of(struct slice name)
{
    struct slice trimmed = slice_trim(name);

    return slice_is(trimmed, "base64")             ? TRANSFER_BASE64
           : slice_is(trimmed, "quoted-printable") ? TRANSFER_QUOTED_PRINTABLE
                                                   : TRANSFER_IDENTITY;
}

void transfer_decoder_init(struct transfer_decoder *decoder, enum transfer_encoding encoding)
{
    *decoder = (struct transfer_decoder){.encoding = encoding};
    buffer_init(&decoder->kept, KEPT_SIZE_MAX);
}

void transfer_decoder_done(struct transfer_decoder *decoder)
{
    buffer_done(&decoder->kept);
}

/* ---- base64 (RFC 2045 §6.8) ---- */

/* The value of each digit, plus one; 0: no digit. */
static const unsigned char digit_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64};

static int digit_of(char octet)
{
    return digit_values[(unsigned char)octet] - 1;
}

static void end_group(struct transfer_decoder *decoder, struct buffer *output)
{
    uint32_t bits = decoder->group << (6 * (4 - decoder->held));

    for (unsigned i = 1; i < decoder->held; i++) {
        buffer_append_octet(output, (char)(bits >> (24 - 8 * i)));
    }
    decoder->held = 0;
    decoder->group = 0;
}

/* How many whole groups of digits, with nothing between, are at the front. */
static size_t count_groups(struct slice input)
{
    size_t count = 0;

    while (4 * count + 4 <= input.size) {
        const char *group = input.data + 4 * count;

        if (digit_of(group[0]) < 0 || digit_of(group[1]) < 0 || digit_of(group[2]) < 0 ||
            digit_of(group[3]) < 0) {
            break;
        }
        count++;
    }
    return count;
}

static void decode_groups(struct slice input, size_t count, struct buffer *output)
{
    char *octets = buffer_reserve(output, 3 * count);

    for (size_t i = 0; i < count; i++) {
        const char *group = input.data + 4 * i;
        int bits = digit_of(group[0]) << 18 | digit_of(group[1]) << 12 | digit_of(group[2]) << 6 |
                   digit_of(group[3]);

        octets[3 * i] = (char)(bits >> 16);
        octets[3 * i + 1] = (char)(bits >> 8);
        octets[3 * i + 2] = (char)bits;
    }
    buffer_grew(output, 3 * count);
}

static void decode_base64(struct transfer_decoder *decoder, struct slice input,
                          struct buffer *output)
{
    for (size_t i = 0; i < input.size; i++) {
        size_t groups = decoder->held == 0 ? count_groups(slice_skip(input, i)) : 0;

        if (groups > 0) {
            decode_groups(slice_skip(input, i), groups, output);
            i += 4 * groups - 1;
            continue;
        }
        int digit = digit_of(input.data[i]);

        if (input.data[i] == '=' && decoder->held > 1) {
            end_group(decoder, output);
        } else if (digit >= 0) {
            decoder->group = decoder->group << 6 | (uint32_t)digit;
            if (++decoder->held == 4) {
                end_group(decoder, output);
            }
        }
    }
}

/* ---- quoted-printable (RFC 2045 §6.7) ---- */

static int hexadecimal(char octet)
{
    char lower = ascii_lower(octet);

    return lower >= '0' && lower <= '9'   ? lower - '0'
           : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                          : -1;
}

static void give_kept(struct transfer_decoder *decoder, struct buffer *output)
{
    buffer_append(output, buffer_view(&decoder->kept));
    buffer_clear(&decoder->kept);
}

/* An octet behind "=": kept are "=", "=X" or "=\r". */
static void decode_escape(struct transfer_decoder *decoder, char octet, struct buffer *output)
{
    struct buffer *kept = &decoder->kept;

    if (octet == '\n' && (kept->size == 1 || kept->data[kept->size - 1] == '\r' ||
                          kept->data[kept->size - 1] == ' ')) {
        buffer_clear(kept); /* a soft line break */
        return;
    }
    if ((octet == ' ' || octet == '\t' || octet == '\r') &&
        (kept->size == 1 || hexadecimal(kept->data[1]) < 0) && buffer_room(kept) > 0) {
        buffer_append_octet(kept, octet == '\t' ? ' ' : octet);
        return;
    }
    if (kept->size == 1 && hexadecimal(octet) >= 0) {
        buffer_append_octet(kept, octet);
        return;
    }
    if (kept->size == 2 && hexadecimal(kept->data[1]) >= 0 && hexadecimal(octet) >= 0) {
        buffer_append_octet(output, (char)(hexadecimal(kept->data[1]) << 4 | hexadecimal(octet)));
        buffer_clear(kept);
        return;
    }
    give_kept(decoder, output);
    if (octet == '=') {
        buffer_append_octet(kept, octet);
    } else {
        buffer_append_octet(output, octet);
    }
}

/* Blanks at the end of a line are not part of it; kept until the line goes on. */
static void decode_quoted(struct transfer_decoder *decoder, char octet, struct buffer *output)
{
    struct buffer *kept = &decoder->kept;

    if (kept->size > 0 && kept->data[0] == '=') {
        decode_escape(decoder, octet, output);
        return;
    }
    if ((octet == ' ' || octet == '\t') && buffer_room(kept) > 0) {
        buffer_append_octet(kept, octet);
        return;
    }
    if (octet == '\r' || octet == '\n') {
        buffer_clear(kept);
    } else {
        give_kept(decoder, output);
    }
    if (octet == '=') {
        buffer_append_octet(kept, octet);
    } else {
        buffer_append_octet(output, octet);
    }
}

static bool is_blank(char octet)
{
    return octet == ' ' || octet == '\t';
}

/* Octets at the front that stand for themselves, with nothing kept before them: no escapes, and
 * blanks only where the line goes on. */
static size_t plain_size(struct slice input)
{
    size_t i = 0;

    for (; i < input.size && input.data[i] != '='; i++) {
        if (is_blank(input.data[i]) && (i + 1 == input.size || is_blank(input.data[i + 1]) ||
                                        input.data[i + 1] == '\r' || input.data[i + 1] == '\n')) {
            break;
        }
    }
    return i;
}

static void decode_quoted_printable(struct transfer_decoder *decoder, struct slice input,
                                    struct buffer *output)
{
    for (size_t i = 0; i < input.size; i++) {
        size_t plain = decoder->kept.size == 0 ? plain_size(slice_skip(input, i)) : 0;

        if (plain > 0) {
            buffer_append(output, slice_prefix(slice_skip(input, i), plain));
            i += plain - 1;
        } else {
            decode_quoted(decoder, input.data[i], output);
        }
    }
}

void transfer_decoder_decode(struct transfer_decoder *decoder, struct slice input,
                             struct buffer *output)
{
    switch (decoder->encoding) {
    case TRANSFER_BASE64:
        decode_base64(decoder, input, output);
        return;
    case TRANSFER_QUOTED_PRINTABLE:
        decode_quoted_printable(decoder, input, output);
        return;
    default:
        buffer_append(output, input);
    }
}

void transfer_decoder_finish(struct transfer_decoder *decoder, struct buffer *output)
{
    if (decoder->encoding == TRANSFER_BASE64 && decoder->held > 1) {
        end_group(decoder, output);
    }
    if (decoder->kept.size > 0 && decoder->kept.data[0] == '=' && decoder->kept.size > 1) {
        give_kept(decoder, output);
    }
    buffer_clear(&decoder->kept);
}

void transfer_decode_word(struct slice input, struct buffer *output)
{
    for (size_t i = 0; i < input.size; i++) {
        char octet = input.data[i];

        if (octet == '=' && i + 2 < input.size && hexadecimal(input.data[i + 1]) >= 0 &&
            hexadecimal(input.data[i + 2]) >= 0) {
            octet = (char)(hexadecimal(input.data[i + 1]) << 4 | hexadecimal(input.data[i + 2]));
            i += 2;
        } else if (octet == '_') {
            octet = ' ';
        }
        buffer_append_octet(output, octet);
    }
}
