#include "mail/dot_stuffing.h"

#include <string.h>

/* What came last; a dot or a CR is kept back until what follows says what it was. */
enum state {
    LINE_START,
    TEXT,
    TEXT_CR, /* a CR within a line */
    DOT,     /* a dot at the start of a line, dropped */
    DOT_CR,  /* and a CR behind it */
    FINISHED,
};

void dot_decoder_init(struct dot_decoder *decoder)
{
    *decoder = (struct dot_decoder){.state = LINE_START};
}

bool dot_decoder_is_finished(const struct dot_decoder *decoder)
{
    return decoder->state == FINISHED;
}

bool dot_decoder_has_violation(const struct dot_decoder *decoder)
{
    return decoder->has_violation;
}

/* Octets at the front of `input` that mean nothing but themselves within a line. */
static size_t plain_size(struct slice input)
{
    size_t size = 0;

    while (size < input.size && input.data[size] != '\r' && input.data[size] != '\n') {
        size++;
    }
    return size;
}

/* Octets at the front of `input`, which begins a line, that make whole lines with nothing special
 * in them: most of a text, so it goes as a block. */
static size_t plain_lines_size(struct slice input)
{
    size_t size = 0;

    while (size < input.size && input.data[size] != '.') {
        struct slice line = slice_skip(input, size);
        size_t end = slice_find(line, '\n');

        if (end == line.size || slice_find(slice_prefix(line, end), '\r') + 1 != end) {
            break;
        }
        size += end + 1;
    }
    return size;
}

/* An octet of the text that is neither kept back nor an end; a LF here is bare. */
static enum state emit(struct dot_decoder *decoder, char octet, char *output, size_t *size)
{
    if (octet == '\r') {
        return TEXT_CR;
    }
    decoder->has_violation |= octet == '\n';
    output[(*size)++] = octet;
    return TEXT;
}

/* The CR kept back was bare unless a LF follows. */
static enum state after_cr(struct dot_decoder *decoder, char octet, char *output, size_t *size)
{
    output[(*size)++] = '\r';
    if (octet == '\n') {
        output[(*size)++] = '\n';
        return LINE_START;
    }
    decoder->has_violation = true;
    return emit(decoder, octet, output, size);
}

static enum state step(struct dot_decoder *decoder, char octet, char *output, size_t *size)
{
    switch ((enum state)decoder->state) {
    case LINE_START:
        return octet == '.' ? DOT : emit(decoder, octet, output, size);
    case TEXT_CR:
        return after_cr(decoder, octet, output, size);
    case DOT:
        return octet == '\r' ? DOT_CR : emit(decoder, octet, output, size);
    case DOT_CR:
        return octet == '\n' ? FINISHED : after_cr(decoder, octet, output, size);
    default:
        return emit(decoder, octet, output, size);
    }
}

size_t dot_decoder_decode(struct dot_decoder *decoder, struct slice input, char *output,
                          size_t *out_size)
{
    size_t taken = 0;
    size_t size = 0;

    while (taken < input.size && decoder->state != FINISHED) {
        if (decoder->state == TEXT || decoder->state == LINE_START) {
            struct slice rest = slice_skip(input, taken);
            size_t plain = decoder->state == TEXT ? plain_size(rest) : plain_lines_size(rest);

            memcpy(output + size, rest.data, plain);
            size += plain;
            taken += plain;
        }
        if (taken < input.size) {
            decoder->state = step(decoder, input.data[taken++], output, &size);
        }
    }
    *out_size = size;
    return taken;
}

void dot_encoder_init(struct dot_encoder *encoder)
{
    *encoder = (struct dot_encoder){.at_line_start = true, .at_crlf = true};
}

void dot_encoder_append(struct dot_encoder *encoder, struct slice text, struct buffer *output)
{
    while (text.size > 0) {
        size_t end = slice_find(text, '\n');
        struct slice line = slice_prefix(text, end + 1);

        if (encoder->at_line_start && line.data[0] == '.') {
            buffer_append_octet(output, '.');
        }
        buffer_append(output, line);
        char before = line.size > 1 ? line.data[line.size - 2] : encoder->last;

        encoder->at_line_start = end < text.size;
        encoder->last = line.data[line.size - 1];
        encoder->at_crlf = encoder->at_line_start && before == '\r';
        text = slice_skip(text, line.size);
    }
}

void dot_encoder_finish(struct dot_encoder *encoder, struct buffer *output)
{
    if (!encoder->at_crlf) {
        buffer_append(output, SLICE("\r\n"));
    }
    buffer_append(output, SLICE(".\r\n"));
}
