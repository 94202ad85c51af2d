#include "mail/parameter.h"

#include "core/number.h"
#include "mail/charset.h"
#include "mail/header.h"

enum { WHOLE = DIGEST_PARAMETERS_MAX }; /* in place of a section's number: there is none */

/* What a parameter's name says: name ["*" section] ["*"]. */
struct section {
    uint64_t number;
    bool is_extended; /* percent-encoded; the first has a charset */
};

static bool read_name(struct slice text, struct slice name, struct section *out_section)
{
    struct section section = {WHOLE, false};

    if (!slice_starts_with_ignoring_case(text, name)) {
        return false;
    }
    text = slice_skip(text, name.size);
    if (slice_ends_with(text, SLICE("*"))) {
        section.is_extended = true;
        text.size--;
    }
    if (text.size > 0) {
        /* RFC 2231 §3: decimal, without leading zeros. */
        if (text.data[0] != '*' || (text.size > 2 && text.data[1] == '0') ||
            number_parse(slice_skip(text, 1), WHOLE - 1, &section.number) != STATUS_OK) {
            return false;
        }
    }
    *out_section = section;
    return true;
}

/* The parameters of one name, each at the place of its number; the first of each counts. */
struct sections {
    const struct digest_parameter *items[WHOLE + 1];
    bool is_extended[WHOLE + 1];
};

static void collect(const struct digest_parameters *parameters, struct slice name,
                    struct sections *out_sections)
{
    *out_sections = (struct sections){0};
    for (size_t i = 0; i < parameters->count; i++) {
        struct section section;

        if (!read_name(parameters->items[i].name, name, &section)) {
            continue;
        }
        const struct digest_parameter **item = &out_sections->items[section.number];

        /* "name*" is better than "name": that is for readers who do not know it. */
        if (*item == NULL ||
            (section.number == WHOLE && section.is_extended && !out_sections->is_extended[WHOLE])) {
            *item = &parameters->items[i];
            out_sections->is_extended[section.number] = section.is_extended;
        }
    }
}

static int hexadecimal(char octet)
{
    char lower = ascii_lower(octet);

    return lower >= '0' && lower <= '9'   ? lower - '0'
           : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                          : -1;
}

static void append_percent(struct slice text, struct buffer *output)
{
    for (size_t i = 0; i < text.size; i++) {
        char octet = text.data[i];

        if (octet == '%' && i + 2 < text.size && hexadecimal(text.data[i + 1]) >= 0 &&
            hexadecimal(text.data[i + 2]) >= 0) {
            octet = (char)(hexadecimal(text.data[i + 1]) << 4 | hexadecimal(text.data[i + 2]));
            i += 2;
        }
        buffer_append_octet(output, octet);
    }
}

/* charset'language'text: returns the charset and leaves the text. */
static struct slice take_charset(struct slice *text)
{
    struct slice rest = *text;
    struct slice charset = slice_cut(&rest, '\'');
    size_t language = slice_find(rest, '\'');

    if (language == rest.size) {
        return SLICE("");
    }
    *text = slice_skip(rest, language + 1);
    return charset;
}

static struct slice join(const struct sections *sections, struct buffer *octets)
{
    size_t first = sections->items[0] != NULL ? 0 : WHOLE;
    struct slice charset = SLICE("");

    for (size_t i = first; i <= WHOLE && sections->items[i] != NULL; i++) {
        struct slice value = sections->items[i]->value;

        if (i == first && sections->is_extended[i]) {
            charset = take_charset(&value);
        }
        value = slice_prefix(value, buffer_room(octets));
        if (sections->is_extended[i]) {
            append_percent(value, octets);
        } else {
            buffer_append(octets, value);
        }
        if (first == WHOLE || i + 1 == WHOLE) {
            break;
        }
    }
    return charset;
}

enum status parameter_value(const struct digest_parameters *parameters, const char *name,
                            struct buffer *output)
{
    struct sections sections;
    struct buffer octets;

    if (buffer_room(output) < (size_t)CHARSET_GROWTH * PARAMETER_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    collect(parameters, slice_of(name), &sections);
    if (sections.items[0] == NULL && sections.items[WHOLE] == NULL) {
        return STATUS_NOT_FOUND;
    }
    buffer_init(&octets, PARAMETER_SIZE_MAX);
    struct slice charset = join(&sections, &octets);

    if (sections.items[0] == NULL && !sections.is_extended[WHOLE]) {
        header_decode(buffer_view(&octets), output);
    } else if (charset_to_utf8(charset, buffer_view(&octets), output) != STATUS_OK) {
        (void)!charset_to_utf8(SLICE(""), buffer_view(&octets), output);
    }
    buffer_done(&octets);
    return STATUS_OK;
}

/* Behind the last separator of any system, with blanks for controls. */
static void clean_file_name(struct buffer *output, size_t start)
{
    size_t kept = start;

    for (size_t i = start; i < output->size; i++) {
        char octet = output->data[i];
        bool is_control = (unsigned char)octet < ' ' || octet == 0x7f;

        if (octet == '/' || octet == '\\') {
            kept = start;
        } else {
            output->data[kept++] = is_control ? ' ' : octet;
        }
    }
    output->size = kept;
}

enum status parameter_file_name(const struct digest_part *part, struct buffer *output)
{
    size_t start = output->size;
    enum status status = parameter_value(&part->disposition_parameters, "filename", output);

    if (status == STATUS_NOT_FOUND) {
        status = parameter_value(&part->parameters, "name", output);
    }
    if (status == STATUS_OK) {
        clean_file_name(output, start);
    }
    return status;
}
