#include "mail/header.h"

#include "core/memory.h"
#include "mail/charset.h"
#include "mail/transfer.h"
#include "mail/utf8.h"

enum { CHARSET_NAME_SIZE_MAX = 60 };

/* The size of the first line with its end. */
static size_t line_size(struct slice text)
{
    size_t end = slice_find(text, '\n');

    return end < text.size ? end + 1 : end;
}

static struct slice without_line_end(struct slice line)
{
    if (slice_ends_with(line, SLICE("\n"))) {
        line.size--;
    }
    if (slice_ends_with(line, SLICE("\r"))) {
        line.size--;
    }
    return line;
}

struct slice header_block(struct slice message)
{
    size_t size = 0;

    while (size < message.size) {
        struct slice line =
            slice_prefix(slice_skip(message, size), line_size(slice_skip(message, size)));

        size += line.size;
        if (line.data[line.size - 1] == '\n' && without_line_end(line).size == 0) {
            break;
        }
    }
    return slice_prefix(message, size);
}

bool header_next(struct slice *block, struct header_field *out_field)
{
    size_t size = line_size(*block);

    if (without_line_end(slice_prefix(*block, size)).size == 0) {
        return false;
    }
    while (size < block->size && (block->data[size] == ' ' || block->data[size] == '\t')) {
        size += line_size(slice_skip(*block, size));
    }
    struct slice whole = slice_prefix(*block, size);
    struct slice first = slice_prefix(whole, line_size(whole));
    size_t colon = slice_find(first, ':');
    bool has_name = colon < first.size && first.data[0] != ' ' && first.data[0] != '\t';

    *out_field = (struct header_field){
        .name = has_name ? slice_trim(slice_prefix(whole, colon)) : slice_prefix(whole, 0),
        .value = without_line_end(has_name ? slice_skip(whole, colon + 1) : whole),
        .whole = whole,
    };
    *block = slice_skip(*block, size);
    return true;
}

bool header_find(struct slice block, const char *name, struct header_field *out_field)
{
    struct header_field field;

    while (header_next(&block, &field)) {
        if (slice_is(field.name, name)) {
            *out_field = field;
            return true;
        }
    }
    return false;
}

size_t header_count(struct slice block, const char *name)
{
    struct header_field field;
    size_t count = 0;

    while (header_next(&block, &field)) {
        count += slice_is(field.name, name);
    }
    return count;
}

/* ---- Unfolding ---- */

void header_unfold(struct slice value, struct buffer *output)
{
    struct slice rest = slice_trim(value);
    size_t start = output->size;

    for (size_t i = 0; i < rest.size; i++) {
        char octet = rest.data[i];

        /* What leads a value may be a folding, too: then all blanks so far are at the front. */
        if (octet != '\r' && octet != '\n' && octet != '\0' &&
            (output->size > start || (octet != ' ' && octet != '\t'))) {
            if (buffer_room(output) == 0) {
                break;
            }
            buffer_append_octet(output, octet);
        }
    }
    while (output->size > start &&
           (output->data[output->size - 1] == ' ' || output->data[output->size - 1] == '\t')) {
        output->size--;
    }
}

/* ---- Encoded words (RFC 2047) ---- */

struct encoded_word {
    struct slice charset; /* without the language of RFC 2231 §5 */
    char encoding;        /* 'b' or 'q' */
    struct slice text;
};

/* encoded-word = "=?" charset "?" encoding "?" encoded-text "?=", at the front of `rest`. */
static bool take_encoded_word(struct slice *rest, struct encoded_word *out_word)
{
    if (!slice_starts_with(*rest, SLICE("=?"))) {
        return false;
    }
    struct slice left = slice_skip(*rest, 2);
    size_t charset_size = slice_find(slice_prefix(left, CHARSET_NAME_SIZE_MAX + 20), '?');
    struct slice charset = slice_prefix(left, charset_size);

    left = slice_skip(left, charset_size);
    if (left.size < 4 || left.data[0] != '?' || left.data[2] != '?' || charset.size == 0) {
        return false;
    }
    char encoding = ascii_lower(left.data[1]);

    left = slice_skip(left, 3);
    size_t text_size = slice_find(left, '?');

    if ((encoding != 'b' && encoding != 'q') || text_size + 1 >= left.size ||
        left.data[text_size + 1] != '=') {
        return false;
    }
    *out_word = (struct encoded_word){
        .charset = slice_prefix(charset, slice_find(charset, '*')),
        .encoding = encoding,
        .text = slice_prefix(left, text_size),
    };
    *rest = slice_skip(left, text_size + 2);
    return true;
}

static void decode_word(const struct encoded_word *word, struct buffer *octets)
{
    if (word->encoding == 'q') {
        transfer_decode_word(word->text, octets);
        return;
    }
    struct transfer_decoder decoder;

    transfer_decoder_init(&decoder, TRANSFER_BASE64);
    transfer_decoder_decode(&decoder, word->text, octets);
    transfer_decoder_finish(&decoder, octets);
    transfer_decoder_done(&decoder);
}

static void append_plain(struct slice text, struct buffer *output)
{
    if (utf8_is_valid(text)) {
        buffer_append(output, slice_prefix(text, buffer_room(output)));
    } else {
        (void)!charset_to_utf8(SLICE(""), text, output);
    }
}

/* Appends words of one charset that follow each other, whose characters may be cut between them
 * (against the RFC, but common). Returns how much of `text` they took; 0: none is here. Of a
 * charset that nobody knows they stay as they are, and are not read. */
static size_t append_words(struct slice text, struct buffer *output, bool *out_is_read)
{
    struct slice rest = text;
    struct slice after = text;
    struct encoded_word word;
    struct encoded_word first;
    struct buffer octets;

    if (!take_encoded_word(&rest, &first)) {
        return 0;
    }
    buffer_init(&octets, text.size);
    decode_word(&first, &octets);
    after = rest;
    while (true) {
        while (rest.size > 0 && (rest.data[0] == ' ' || rest.data[0] == '\t')) {
            rest = slice_skip(rest, 1);
        }
        if (!take_encoded_word(&rest, &word) ||
            !slice_equals_ignoring_case(word.charset, first.charset)) {
            break;
        }
        decode_word(&word, &octets);
        after = rest;
    }
    size_t taken = text.size - after.size;

    *out_is_read = charset_to_utf8(first.charset, buffer_view(&octets), output) == STATUS_OK;
    if (!*out_is_read) {
        append_plain(slice_prefix(text, taken), output);
    }
    buffer_done(&octets);
    return taken;
}

static bool is_blank(struct slice text)
{
    return slice_trim(text).size == 0;
}

void header_decode(struct slice value, struct buffer *output)
{
    struct buffer line;
    size_t plain_start = 0;
    size_t i = 0;
    bool after_word = false;

    buffer_init(&line, value.size);
    header_unfold(value, &line);
    struct slice text = buffer_view(&line);

    while (i < text.size) {
        struct slice here = slice_skip(text, i);
        size_t next = slice_search(here, SLICE("=?"));
        struct slice plain = slice_skip(slice_prefix(text, i + next), plain_start);
        struct buffer words;
        bool is_read = false;

        buffer_init(&words, CHARSET_GROWTH * text.size);
        size_t taken =
            next < here.size ? append_words(slice_skip(here, next), &words, &is_read) : 0;

        if (taken > 0) {
            /* Blanks between two encoded words only separate them (RFC 2047 §6.2). */
            if (!after_word || !is_read || !is_blank(plain)) {
                append_plain(plain, output);
            }
            buffer_append(output, slice_prefix(buffer_view(&words), buffer_room(output)));
            plain_start = i + next + taken;
            after_word = is_read;
        }
        i += next + (taken > 0 ? taken : 2);
        buffer_done(&words);
    }
    append_plain(slice_skip(text, plain_start), output);
    buffer_done(&line);
}
