#include "mail/header_write.h"

#include "core/base64.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/utf8.h"

enum {
    COLUMNS = 78,         /* RFC 5322 §2.1.1: should */
    LINE_SIZE_MAX = 990,  /* must: 998 */
    WORD_TEXT_SIZE = 63,  /* RFC 2047 §2: 75 with "=?utf-8?B?" and "?=" */
    PIECE_TEXT_SIZE = 60, /* of a parameter */
};

/* ---- Values made harmless ---- */

static bool is_control(char octet)
{
    return (unsigned char)octet < ' ' || octet == 0x7f;
}

/* Appends `value` with blanks for controls. */
static void neutralise(struct slice value, struct buffer *output)
{
    value = slice_trim(value);
    for (size_t i = 0; i < value.size; i++) {
        buffer_append_octet(output, is_control(value.data[i]) ? ' ' : value.data[i]);
    }
}

/* The same, as UTF-8 in any case. */
static void neutralise_text(struct slice text, struct buffer *output)
{
    struct buffer clean;

    if (utf8_is_valid(text)) {
        neutralise(text, output);
        return;
    }
    buffer_init(&clean, CHARSET_GROWTH * text.size);
    if (charset_to_utf8(SLICE("utf-8"), text, &clean) == STATUS_OK) {
        neutralise(buffer_view(&clean), output);
    }
    buffer_done(&clean);
}

static enum status check_room(const char *name, size_t value_size, size_t more_size,
                              const struct buffer *output)
{
    size_t most = HEADER_WRITE_GROWTH * value_size + slice_of(name).size + more_size;

    return value_size > HEADER_WRITE_SIZE_MAX || most + HEADER_WRITE_OVERHEAD > buffer_room(output)
               ? STATUS_TOO_LARGE
               : STATUS_OK;
}

/* ---- Folding ---- */

/* A field in the making. */
struct field {
    struct buffer *output;
    size_t column; /* octets in the line so far */
};

static struct field begin(const char *name, struct buffer *output)
{
    struct slice text = slice_of(name);

    buffer_append(output, text);
    buffer_append_octet(output, ':');
    return (struct field){output, text.size + 1};
}

static void end(struct field *field)
{
    buffer_append(field->output, SLICE("\r\n"));
}

/* A blank and `word`, on the next line where this one has no room. */
static void put_word(struct field *field, struct slice word)
{
    bool folds = field->column + 1 + word.size > COLUMNS && field->column > 1;

    do {
        struct slice piece = slice_prefix(word, LINE_SIZE_MAX);

        buffer_append(field->output, folds ? SLICE("\r\n ") : SLICE(" "));
        buffer_append(field->output, piece);
        field->column = (folds ? 0 : field->column) + 1 + piece.size;
        word = slice_skip(word, piece.size);
        folds = true;
    } while (word.size > 0);
}

/* All words of what is harmless already. Blanks that follow each other count as one. */
static void put_words(struct field *field, struct slice value)
{
    while (value.size > 0) {
        struct slice word = slice_cut(&value, ' ');

        if (word.size > 0) {
            put_word(field, word);
        }
    }
}

enum status header_write(const char *name, struct slice value, struct buffer *output)
{
    enum status status = check_room(name, value.size, 0, output);
    struct buffer clean;

    if (status == STATUS_OK) {
        struct field field = begin(name, output);

        buffer_init(&clean, value.size);
        neutralise(value, &clean);
        put_words(&field, buffer_view(&clean));
        end(&field);
        buffer_done(&clean);
    }
    return status;
}

/* ---- Encoded words (RFC 2047) ---- */

/* The size of the character at the front of `text`, which is UTF-8. */
static size_t character_size(struct slice text)
{
    size_t size = 1;

    while (size < text.size && ((unsigned char)text.data[size] & 0xc0) == 0x80) {
        size++;
    }
    return size;
}

/* What stands for itself in "Q", also within a phrase (RFC 2047 §5 (3)). */
static bool is_plain_in_word(char octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
           (octet >= '0' && octet <= '9') || octet == '-' || octet == '!' || octet == '*' ||
           octet == '+' || octet == '/';
}

static size_t q_size(struct slice text)
{
    size_t size = 0;

    for (size_t i = 0; i < text.size; i++) {
        size += is_plain_in_word(text.data[i]) || text.data[i] == ' ' ? 1 : 3;
    }
    return size;
}

static size_t b_size(struct slice text)
{
    return (text.size + 2) / 3 * 4;
}

static void put_q(struct slice text, struct buffer *word)
{
    for (size_t i = 0; i < text.size; i++) {
        if (is_plain_in_word(text.data[i])) {
            buffer_append_octet(word, text.data[i]);
        } else if (text.data[i] == ' ') {
            buffer_append_octet(word, '_');
        } else {
            buffer_printf(word, "=%02X", (unsigned char)text.data[i]);
        }
    }
}

/* Characters stay whole (§5): as many as one word has room for. */
static struct slice cut_word(struct slice *text, size_t (*size_of)(struct slice text))
{
    size_t size = character_size(*text);

    while (size < text->size) {
        size_t next = size + character_size(slice_skip(*text, size));

        if (size_of(slice_prefix(*text, next)) > WORD_TEXT_SIZE) {
            break;
        }
        size = next;
    }
    struct slice piece = slice_prefix(*text, size);

    *text = slice_skip(*text, size);
    return piece;
}

static void put_encoded_words(struct field *field, struct slice text)
{
    bool is_q = q_size(text) <= b_size(text);
    struct buffer word;

    buffer_init(&word, 2 * COLUMNS);
    while (text.size > 0) {
        struct slice piece = cut_word(&text, is_q ? q_size : b_size);

        buffer_clear(&word);
        buffer_append(&word, is_q ? SLICE("=?utf-8?Q?") : SLICE("=?utf-8?B?"));
        if (is_q) {
            put_q(piece, &word);
        } else {
            base64_encode(piece, &word);
        }
        buffer_append(&word, SLICE("?="));
        put_word(field, buffer_view(&word));
    }
    buffer_done(&word);
}

/* What is read differently than it is written, or has a line of its own that is too long. */
static bool needs_encoding(struct slice text)
{
    size_t word = 0;

    for (size_t i = 0; i < text.size; i++) {
        word = text.data[i] == ' ' ? 0 : word + 1;
        if (word >= COLUMNS || (text.data[i] == ' ' && i > 0 && text.data[i - 1] == ' ')) {
            return true;
        }
    }
    return utf8_is_beyond_ascii(text) || slice_search(text, SLICE("=?")) < text.size;
}

enum status header_write_text(const char *name, struct slice text, struct buffer *output)
{
    enum status status = check_room(name, text.size, 0, output);
    struct buffer clean;

    if (status == STATUS_OK) {
        struct field field = begin(name, output);

        buffer_init(&clean, CHARSET_GROWTH * text.size);
        neutralise_text(text, &clean);
        if (needs_encoding(buffer_view(&clean))) {
            put_encoded_words(&field, buffer_view(&clean));
        } else {
            put_words(&field, buffer_view(&clean));
        }
        end(&field);
        buffer_done(&clean);
    }
    return status;
}

/* ---- Mailboxes ---- */

static void put_quoted(struct slice text, struct buffer *output)
{
    buffer_append_octet(output, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\') {
            buffer_append_octet(output, '\\');
        }
        buffer_append_octet(output, text.data[i]);
    }
    buffer_append_octet(output, '"');
}

static void put_display_name(struct field *field, struct slice name)
{
    struct buffer quoted;

    if (needs_encoding(name)) {
        put_encoded_words(field, name);
        return;
    }
    buffer_init(&quoted, 2 * name.size + 2);
    put_quoted(name, &quoted);
    put_words(field, buffer_view(&quoted));
    buffer_done(&quoted);
}

/* "<address>", when that is one. */
static enum status bracket(struct slice address, struct buffer *output)
{
    struct address_path path;

    if (address.size > ADDRESS_SIZE_MAX) {
        return STATUS_INVALID;
    }
    buffer_append_octet(output, '<');
    buffer_append(output, address);
    buffer_append_octet(output, '>');
    struct slice rest = buffer_view(output);
    enum status status = address_parse_path(&rest, ADDRESS_PATH_FORWARD, &path);

    return status == STATUS_OK && rest.size == 0 && path.mailbox.size == address.size
               ? STATUS_OK
               : STATUS_INVALID;
}

enum status header_write_mailbox(const char *name, struct slice display_name, struct slice address,
                                 struct buffer *output)
{
    struct buffer clean;
    struct buffer bracketed;

    buffer_init(&clean, CHARSET_GROWTH * HEADER_WRITE_SIZE_MAX);
    buffer_init(&bracketed, ADDRESS_SIZE_MAX + 2);
    enum status status = bracket(address, &bracketed);

    if (status == STATUS_OK) {
        status = check_room(name, display_name.size, bracketed.size, output);
    }
    if (status == STATUS_OK) {
        struct field field = begin(name, output);

        neutralise_text(display_name, &clean);
        if (clean.size > 0) {
            put_display_name(&field, buffer_view(&clean));
            put_word(&field, buffer_view(&bracketed));
        } else {
            put_word(&field, slice_prefix(slice_skip(buffer_view(&bracketed), 1), address.size));
        }
        end(&field);
    }
    buffer_done(&clean);
    buffer_done(&bracketed);
    return status;
}

/* ---- Parameters (RFC 2231) ---- */

/* attribute-char, but for what clients get wrong. */
static bool is_plain_in_parameter(char octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
           (octet >= '0' && octet <= '9') || octet == '-' || octet == '.' || octet == '_';
}

static size_t percent_size(struct slice text)
{
    size_t size = 0;

    for (size_t i = 0; i < text.size; i++) {
        size += is_plain_in_parameter(text.data[i]) ? 1 : 3;
    }
    return size;
}

static void put_percent(struct slice text, struct buffer *output)
{
    for (size_t i = 0; i < text.size; i++) {
        if (is_plain_in_parameter(text.data[i])) {
            buffer_append_octet(output, text.data[i]);
        } else {
            buffer_printf(output, "%%%02X", (unsigned char)text.data[i]);
        }
    }
}

/* name*=utf-8''text, or in sections: name*0*=utf-8''te; name*1*=xt. */
static void put_extended(struct field *field, const char *name, struct slice text)
{
    bool is_whole = percent_size(text) <= PIECE_TEXT_SIZE;
    struct buffer word;

    buffer_init(&word, 4 * COLUMNS);
    for (unsigned section = 0; text.size > 0 || section == 0; section++) {
        struct slice piece = is_whole ? text : cut_word(&text, percent_size);

        text = is_whole ? SLICE("") : text;
        buffer_clear(&word);
        buffer_append(&word, slice_of(name));
        if (!is_whole) {
            buffer_printf(&word, "*%u", section);
        }
        buffer_append(&word, section == 0 ? SLICE("*=utf-8''") : SLICE("*="));
        put_percent(piece, &word);
        buffer_append(&word, text.size > 0 ? SLICE(";") : SLICE(""));
        put_word(field, buffer_view(&word));
    }
    buffer_done(&word);
}

static void put_parameter(struct field *field, const char *name, struct slice text)
{
    struct buffer word;

    if (utf8_is_beyond_ascii(text) || text.size > PIECE_TEXT_SIZE) {
        put_extended(field, name, text);
        return;
    }
    buffer_init(&word, 4 * COLUMNS);
    buffer_append(&word, slice_of(name));
    buffer_append_octet(&word, '=');
    put_quoted(text, &word);
    put_word(field, buffer_view(&word));
    buffer_done(&word);
}

enum status header_write_parameter(const char *name, struct slice value, const char *parameter,
                                   struct slice text, struct buffer *output)
{
    struct buffer clean;
    struct buffer front;

    /* A section holds at least some octets of the text, and has the parameter's name in front. */
    size_t sections = text.size / (PIECE_TEXT_SIZE / 12) + 1;
    size_t more = value.size + sections * (slice_of(parameter).size + 16);

    if (value.size > COLUMNS || text.size > HEADER_WRITE_SIZE_MAX ||
        check_room(name, 2 * text.size, more, output) != STATUS_OK) {
        return STATUS_TOO_LARGE;
    }
    buffer_init(&clean, CHARSET_GROWTH * text.size);
    buffer_init(&front, value.size + 1);
    struct field field = begin(name, output);

    neutralise(value, &front);
    buffer_append_octet(&front, ';');
    put_words(&field, buffer_view(&front));
    neutralise_text(text, &clean);
    put_parameter(&field, parameter, buffer_view(&clean));
    end(&field);
    buffer_done(&clean);
    buffer_done(&front);
    return STATUS_OK;
}
