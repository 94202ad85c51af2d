#include "mail/transfer.h"

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

static int digit_of(unsigned char octet)
{
    return octet >= 'A' && octet <= 'Z'   ? octet - 'A'
           : octet >= 'a' && octet <= 'z' ? octet - 'a' + 26
           : octet >= '0' && octet <= '9' ? octet - '0' + 52
           : octet == '+'                 ? 62
           : octet == '/'                 ? 63
                                          : -1;
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

static void decode_base64(struct transfer_decoder *decoder, struct slice input,
                          struct buffer *output)
{
    for (size_t i = 0; i < input.size; i++) {
        int digit = digit_of((unsigned char)input.data[i]);

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

void transfer_decoder_decode(struct transfer_decoder *decoder, struct slice input,
                             struct buffer *output)
{
    switch (decoder->encoding) {
    case TRANSFER_BASE64:
        decode_base64(decoder, input, output);
        return;
    case TRANSFER_QUOTED_PRINTABLE:
        for (size_t i = 0; i < input.size; i++) {
            decode_quoted(decoder, input.data[i], output);
        }
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
