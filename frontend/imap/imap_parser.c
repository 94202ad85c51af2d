#include "frontend/imap/imap_parser.h"

#include <string.h>

#include "core/number.h"
#include "frontend/imap/imap_name.h"
#include "router/mailbox_client.h"

/* RFC 3501 §9: where an octet may stand. */
enum octet_class {
    IN_ATOM = 1,
    IN_ASTRING = 2,
    IN_PATTERN = 4,
    IN_TAG = 8,
};

static unsigned classes_of(char octet)
{
    unsigned char value = (unsigned char)octet;

    if (value <= ' ' || value >= 0x7f || strchr("(){\"\\", octet) != NULL) {
        return 0;
    }
    switch (octet) {
    case '%':
    case '*':
        return IN_PATTERN;
    case ']':
        return IN_ASTRING | IN_PATTERN | IN_TAG;
    case '+':
        return IN_ATOM | IN_ASTRING | IN_PATTERN;
    default:
        return IN_ATOM | IN_ASTRING | IN_PATTERN | IN_TAG;
    }
}

static struct slice take_run(struct imap_parser *parser, enum octet_class octet_class)
{
    size_t size = 0;

    while (size < parser->rest.size &&
           (classes_of(parser->rest.data[size]) & (unsigned)octet_class) != 0) {
        size++;
    }
    struct slice run = slice_prefix(parser->rest, size);

    parser->rest = slice_skip(parser->rest, size);
    return run;
}

bool imap_is_next(const struct imap_parser *parser, char octet)
{
    return parser->rest.size > 0 && parser->rest.data[0] == octet;
}

bool imap_take_octet(struct imap_parser *parser, char octet)
{
    if (!imap_is_next(parser, octet)) {
        return false;
    }
    parser->rest = slice_skip(parser->rest, 1);
    return true;
}

bool imap_take_keyword(struct imap_parser *parser, const char *keyword)
{
    struct slice wanted = slice_of(keyword);

    if (!slice_starts_with_ignoring_case(parser->rest, wanted)) {
        return false;
    }
    parser->rest = slice_skip(parser->rest, wanted.size);
    return true;
}

bool imap_take_space(struct imap_parser *parser)
{
    return imap_take_octet(parser, ' ');
}

bool imap_take_end(const struct imap_parser *parser)
{
    return parser->rest.size == 0;
}

bool imap_take_tag(struct imap_parser *parser, struct slice *out_tag)
{
    *out_tag = take_run(parser, IN_TAG);
    return out_tag->size > 0 && out_tag->size <= IMAP_TAG_SIZE_MAX;
}

bool imap_take_atom(struct imap_parser *parser, struct slice *out_atom)
{
    *out_atom = take_run(parser, IN_ATOM);
    return out_atom->size > 0;
}

static bool take_literal(struct imap_parser *parser, struct slice *out_text)
{
    uint64_t size = 0;

    parser->rest = slice_skip(parser->rest, 1);
    if (number_take(&parser->rest, UINT32_MAX, &size) != STATUS_OK) {
        return false;
    }
    (void)imap_take_octet(parser, '+');
    if (!imap_take_keyword(parser, "}\r\n") || size > parser->rest.size) {
        return false;
    }
    *out_text = slice_prefix(parser->rest, size);
    parser->rest = slice_skip(parser->rest, size);
    if (slice_find(*out_text, '\0') < out_text->size) {
        parser->fault = "NUL in a literal";
        return false;
    }
    return true;
}

/* Only a quoted string with escapes is copied. */
static struct slice unescape(struct arena *arena, struct slice quoted)
{
    char *copy = arena_zeroed(arena, quoted.size);
    size_t size = 0;

    for (size_t i = 0; i < quoted.size; i++) {
        i += quoted.data[i] == '\\' ? 1 : 0;
        copy[size++] = quoted.data[i];
    }
    return (struct slice){copy, size};
}

static bool take_quoted(struct imap_parser *parser, struct slice *out_text)
{
    struct slice text = slice_skip(parser->rest, 1);
    bool escaped = false;

    for (size_t i = 0; i < text.size; i++) {
        char octet = text.data[i];

        if (octet == '"') {
            parser->rest = slice_skip(text, i + 1);
            text = slice_prefix(text, i);
            *out_text = escaped ? unescape(parser->arena, text) : text;
            return true;
        }
        if (octet == '\\') {
            escaped = true;
            i++;
            if (i == text.size || (text.data[i] != '"' && text.data[i] != '\\')) {
                break;
            }
        } else if (octet == '\0' || octet == '\r' || octet == '\n') {
            break;
        }
    }
    parser->fault = "quoted string is broken";
    return false;
}

bool imap_take_string(struct imap_parser *parser, struct slice *out_text)
{
    if (imap_is_next(parser, '"')) {
        return take_quoted(parser, out_text);
    }
    return imap_is_next(parser, '{') && take_literal(parser, out_text);
}

static bool take_string_or(struct imap_parser *parser, enum octet_class octet_class,
                           struct slice *out_text)
{
    if (imap_is_next(parser, '"') || imap_is_next(parser, '{')) {
        return imap_take_string(parser, out_text);
    }
    *out_text = take_run(parser, octet_class);
    return out_text->size > 0;
}

bool imap_take_astring(struct imap_parser *parser, struct slice *out_text)
{
    return take_string_or(parser, IN_ASTRING, out_text);
}

bool imap_take_list_mailbox(struct imap_parser *parser, struct slice *out_pattern)
{
    return take_string_or(parser, IN_PATTERN, out_pattern);
}

bool imap_take_nstring(struct imap_parser *parser, struct slice *out_text)
{
    if (imap_take_keyword(parser, "NIL")) {
        *out_text = (struct slice){NULL, 0};
        return true;
    }
    return imap_take_string(parser, out_text);
}

bool imap_take_number(struct imap_parser *parser, uint32_t *out_number)
{
    uint64_t number = 0;

    if (number_take(&parser->rest, UINT32_MAX, &number) != STATUS_OK) {
        return false;
    }
    *out_number = (uint32_t)number;
    return true;
}

bool imap_take_positive(struct imap_parser *parser, uint32_t *out_number)
{
    return imap_take_number(parser, out_number) && *out_number > 0;
}

bool imap_take_number64(struct imap_parser *parser, uint64_t *out_number)
{
    return number_take(&parser->rest, INT64_MAX, out_number) == STATUS_OK;
}

/* ---- Mailbox names ---- */

static bool take_name(struct imap_parser *parser, bool is_new, struct slice *out_name)
{
    struct slice wire;
    struct slice name;

    if (!imap_take_astring(parser, &wire)) {
        return false;
    }
    parser->is_name_fault = true;
    if (imap_name_decode(parser->arena, wire, &name) != STATUS_OK) {
        return false;
    }
    if (is_new && name.size > 0 && name.data[name.size - 1] == '/') {
        name.size--;
    }
    if (imap_name_check(parser->arena, name, out_name) != STATUS_OK) {
        return false;
    }
    parser->is_name_fault = false;
    return true;
}

bool imap_take_mailbox(struct imap_parser *parser, struct slice *out_name)
{
    return take_name(parser, false, out_name);
}

bool imap_take_new_mailbox(struct imap_parser *parser, struct slice *out_name)
{
    return take_name(parser, true, out_name);
}

/* ---- Flags ---- */

static const struct system_flag_name {
    const char *name;
    enum system_flag flag;
} system_flags[] = {
    {"Seen", FLAG_SEEN},       {"Answered", FLAG_ANSWERED}, {"Flagged", FLAG_FLAGGED},
    {"Deleted", FLAG_DELETED}, {"Draft", FLAG_DRAFT},
};

static bool take_system_flag(struct imap_parser *parser, uint32_t *flags)
{
    struct slice name;

    if (!imap_take_atom(parser, &name)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(system_flags); i++) {
        if (slice_is(name, system_flags[i].name)) {
            *flags |= system_flags[i].flag;
            return true;
        }
    }
    parser->fault = "no such system flag";
    return false;
}

static bool take_flag(struct imap_parser *parser, struct imap_flags *flags, struct slice *keywords)
{
    if (imap_take_octet(parser, '\\')) {
        return take_system_flag(parser, &flags->system);
    }
    struct slice *keyword = &keywords[flags->keyword_count];

    if (!imap_take_atom(parser, keyword)) {
        return false;
    }
    if (keyword->size > KEYWORD_SIZE_MAX) {
        parser->fault = "keyword is too long";
        return false;
    }
    for (size_t i = 0; i < flags->keyword_count; i++) {
        if (slice_equals_ignoring_case(keywords[i], *keyword)) {
            return true;
        }
    }
    flags->keyword_count++;
    return true;
}

bool imap_take_flags(struct imap_parser *parser, struct imap_flags *out_flags)
{
    struct imap_flags flags = {0};
    struct slice *keywords = arena_array(parser->arena, IMAP_FLAGS_MAX, sizeof(*keywords));
    size_t count = 0;

    do {
        if (count++ == IMAP_FLAGS_MAX) {
            parser->fault = "too many flags";
            return false;
        }
        if (!take_flag(parser, &flags, keywords)) {
            return false;
        }
    } while (imap_take_space(parser));
    flags.keywords = keywords;
    *out_flags = flags;
    return true;
}

bool imap_take_flag_list(struct imap_parser *parser, struct imap_flags *out_flags)
{
    if (!imap_take_octet(parser, '(')) {
        return false;
    }
    if (imap_take_octet(parser, ')')) {
        *out_flags = (struct imap_flags){0};
        return true;
    }
    return imap_take_flags(parser, out_flags) && imap_take_octet(parser, ')');
}

/* ---- Output's side of the same classes ---- */

static bool is_all(struct slice text, enum octet_class octet_class)
{
    for (size_t i = 0; i < text.size; i++) {
        if ((classes_of(text.data[i]) & (unsigned)octet_class) == 0) {
            return false;
        }
    }
    return text.size > 0;
}

bool imap_is_atom(struct slice text)
{
    return is_all(text, IN_ATOM);
}

bool imap_is_astring(struct slice text)
{
    return is_all(text, IN_ASTRING);
}
