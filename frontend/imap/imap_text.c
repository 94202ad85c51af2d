#include "frontend/imap/imap_text.h"

#include <string.h>

#include "core/macros.h"
#include "frontend/imap/imap_name.h"
#include "frontend/imap/imap_parser.h"
#include "router/mailbox_client.h"

enum { QUOTED_SIZE_MAX = 1000, NUMBER_SIZE_MAX = 20 };

void imap_append_number(struct buffer *output, uint64_t number)
{
    char digits[NUMBER_SIZE_MAX];
    size_t start = sizeof(digits);

    do {
        digits[--start] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_append(output, (struct slice){digits + start, sizeof(digits) - start});
}

static bool may_be_quoted(struct slice text)
{
    if (text.size > QUOTED_SIZE_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        unsigned char octet = (unsigned char)text.data[i];

        if (octet == 0 || octet == '\r' || octet == '\n' || octet > 0x7f) {
            return false;
        }
    }
    return true;
}

static void append_quoted(struct buffer *output, struct slice text)
{
    char *start = buffer_reserve(output, text.size * 2 + 2);
    char *to = start;

    *to++ = '"';
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\') {
            *to++ = '\\';
        }
        *to++ = text.data[i];
    }
    *to++ = '"';
    buffer_grew(output, (size_t)(to - start));
}

static void append_literal(struct buffer *output, struct slice text)
{
    buffer_append_octet(output, '{');
    imap_append_number(output, text.size);
    buffer_append(output, SLICE("}\r\n"));
    char *room = buffer_reserve(output, text.size);

    for (size_t i = 0; i < text.size; i++) {
        room[i] = text.data[i] == '\0' ? '?' : text.data[i];
    }
    buffer_grew(output, text.size);
}

void imap_append_string(struct buffer *output, struct slice text)
{
    if (may_be_quoted(text)) {
        append_quoted(output, text);
    } else {
        append_literal(output, text);
    }
}

void imap_append_nstring(struct buffer *output, struct slice text)
{
    if (text.data == NULL) {
        buffer_append(output, SLICE("NIL"));
    } else {
        imap_append_string(output, text);
    }
}

void imap_append_astring(struct buffer *output, struct slice text)
{
    if (imap_is_astring(text) && !slice_is(text, "NIL")) {
        buffer_append(output, text);
    } else {
        imap_append_string(output, text);
    }
}

void imap_append_mailbox(struct buffer *output, struct slice name)
{
    struct buffer wire;

    buffer_init(&wire, SIZE_MAX / 2);
    imap_name_encode(name, &wire);
    imap_append_astring(output, buffer_view(&wire));
    buffer_done(&wire);
}

void imap_append_flags(struct buffer *output, uint32_t system_flags, bool recent,
                       const struct slice *keywords, size_t keyword_count)
{
    static const struct {
        uint32_t flag;
        struct slice name;
    } names[] = {
        {FLAG_ANSWERED, {"\\Answered", 9}}, {FLAG_FLAGGED, {"\\Flagged", 8}},
        {FLAG_DELETED, {"\\Deleted", 8}},   {FLAG_SEEN, {"\\Seen", 5}},
        {FLAG_DRAFT, {"\\Draft", 6}},
    };
    size_t start = output->size;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if ((system_flags & names[i].flag) != 0) {
            buffer_append(output, names[i].name);
            buffer_append_octet(output, ' ');
        }
    }
    for (size_t i = 0; i < keyword_count; i++) {
        if (imap_is_atom(keywords[i])) {
            buffer_append(output, keywords[i]);
            buffer_append_octet(output, ' ');
        }
    }
    if (recent) {
        buffer_append(output, SLICE("\\Recent "));
    }
    output->size -= output->size > start ? 1 : 0;
}
