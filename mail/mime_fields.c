#include "mail/mime_fields.h"

#include "mail/header.h"

struct slice mime_keep_text(struct slice value, struct arena *arena, struct mime_budget *budget)
{
    struct buffer text;
    size_t room = budget->octets < DIGEST_TEXT_SIZE_MAX ? budget->octets : DIGEST_TEXT_SIZE_MAX;

    buffer_init(&text, room);
    header_unfold(value, &text);
    budget->octets -= text.size;
    struct slice kept = text.size > 0 ? arena_copy(arena, buffer_view(&text)) : SLICE("");

    buffer_done(&text);
    return kept;
}

struct slice mime_parameter(const struct digest_parameters *parameters, const char *name)
{
    for (size_t i = 0; i < parameters->count; i++) {
        if (slice_is(parameters->items[i].name, name)) {
            return parameters->items[i].value;
        }
    }
    return (struct slice){0};
}

/* ---- value; name=value; name="value" (RFC 2045 §5.1), with comments between ---- */

static void skip_blanks(struct slice *rest)
{
    size_t depth = 0;

    for (; rest->size > 0; *rest = slice_skip(*rest, 1)) {
        char octet = rest->data[0];

        depth += octet == '(';
        if (octet == ')' && depth > 0) {
            depth--;
        } else if (octet == '\\' && depth > 0) {
            *rest = slice_skip(*rest, 1);
        } else if (depth == 0 && octet != ' ' && octet != '\t') {
            return;
        }
    }
}

static bool is_token_octet(char octet)
{
    static const char others[] = "()<>@,;:\\\"/[]?=";

    for (size_t i = 0; others[i] != '\0'; i++) {
        if (octet == others[i]) {
            return false;
        }
    }
    return (unsigned char)octet > ' ' && octet != 0x7f;
}

static struct slice take_token(struct slice *rest)
{
    size_t size = 0;

    skip_blanks(rest);
    while (size < rest->size && is_token_octet(rest->data[size])) {
        size++;
    }
    struct slice token = slice_prefix(*rest, size);

    *rest = slice_skip(*rest, size);
    return token;
}

static struct slice take_quoted(struct slice *rest, struct arena *arena)
{
    char *text = arena_zeroed(arena, rest->size);
    size_t size = 0;
    size_t i = 1;

    for (; i < rest->size && rest->data[i] != '"'; i++) {
        i += rest->data[i] == '\\' && i + 1 < rest->size;
        text[size++] = rest->data[i];
    }
    *rest = slice_skip(*rest, i + 1);
    return size > 0 ? (struct slice){text, size} : SLICE("");
}

/* A token, a quoted string, or what else stands up to the next ";". */
static struct slice take_value(struct slice *rest, struct arena *arena)
{
    skip_blanks(rest);
    if (slice_starts_with(*rest, SLICE("\""))) {
        return take_quoted(rest, arena);
    }
    struct slice value = slice_trim(slice_prefix(*rest, slice_find(*rest, ';')));
    size_t blank = slice_find(value, ' ');

    value = slice_prefix(value, blank);
    *rest = slice_skip(*rest, value.size);
    return value.size > 0 ? value : SLICE("");
}

static struct digest_parameters take_parameters(struct slice *rest, struct arena *arena)
{
    struct digest_parameter *items = NULL;
    size_t count = 0;

    while (count < DIGEST_PARAMETERS_MAX) {
        *rest = slice_skip(*rest, slice_find(*rest, ';') + 1);
        if (rest->size == 0) {
            break;
        }
        struct slice name = take_token(rest);

        skip_blanks(rest);
        if (name.size == 0 || !slice_starts_with(*rest, SLICE("="))) {
            continue;
        }
        *rest = slice_skip(*rest, 1);
        if (items == NULL) {
            items = arena_array(arena, DIGEST_PARAMETERS_MAX, sizeof(*items));
        }
        items[count++] = (struct digest_parameter){name, take_value(rest, arena)};
    }
    return (struct digest_parameters){items, count};
}

static void read_content_type(struct slice value, struct arena *arena, struct mime_budget *budget,
                              struct digest_part *part)
{
    struct slice rest = mime_keep_text(value, arena, budget);
    struct slice type = take_token(&rest);

    skip_blanks(&rest);
    if (type.size == 0 || !slice_starts_with(rest, SLICE("/"))) {
        return;
    }
    rest = slice_skip(rest, 1);
    struct slice subtype = take_token(&rest);

    if (subtype.size > 0) {
        part->type = type;
        part->subtype = subtype;
        part->parameters = take_parameters(&rest, arena);
    }
}

static void read_disposition(struct slice value, struct arena *arena, struct mime_budget *budget,
                             struct digest_part *part)
{
    struct slice rest = mime_keep_text(value, arena, budget);
    struct slice disposition = take_token(&rest);

    if (disposition.size > 0) {
        part->disposition = disposition;
        part->disposition_parameters = take_parameters(&rest, arena);
    }
}

/* Content-Transfer-Encoding: a token, whatever stands behind it. */
static void read_encoding(struct slice value, struct arena *arena, struct mime_budget *budget,
                          struct digest_part *part)
{
    struct slice rest = mime_keep_text(value, arena, budget);
    struct slice encoding = take_token(&rest);

    if (encoding.size > 0) {
        part->encoding = encoding;
    }
}

/* The first field of each name counts. */
static void read_part_field(const struct header_field *field, struct arena *arena,
                            struct mime_budget *budget, struct digest_part *part)
{
    const struct {
        const char *name;
        struct slice *text;
    } plain[] = {
        {"Content-ID", &part->id},
        {"Content-Description", &part->description},
        {"Content-MD5", &part->md5},
        {"Content-Language", &part->language},
        {"Content-Location", &part->location},
    };

    for (size_t i = 0; i < COUNT_OF(plain); i++) {
        if (plain[i].text->data == NULL && slice_is(field->name, plain[i].name)) {
            *plain[i].text = mime_keep_text(field->value, arena, budget);
            return;
        }
    }
    if (slice_is(field->name, "Content-Type") && part->type.data == NULL) {
        read_content_type(field->value, arena, budget, part);
    } else if (slice_is(field->name, "Content-Transfer-Encoding") && part->encoding.data == NULL) {
        read_encoding(field->value, arena, budget, part);
    } else if (slice_is(field->name, "Content-Disposition") && part->disposition.data == NULL) {
        read_disposition(field->value, arena, budget, part);
    }
}

void mime_read_part_fields(struct slice block, bool in_digest, struct arena *arena,
                           struct mime_budget *budget, struct digest_part *part)
{
    static const struct slice prefix = {"Content-", 8};
    struct header_field field;

    while (header_next(&block, &field)) {
        if (slice_starts_with_ignoring_case(field.name, prefix)) {
            read_part_field(&field, arena, budget, part);
        }
    }
    if (part->type.data == NULL) {
        part->type = in_digest ? SLICE("message") : SLICE("text");
        part->subtype = in_digest ? SLICE("rfc822") : SLICE("plain");
    }
}

/* ---- ENVELOPE ---- */

void mime_read_envelope(struct slice block, struct arena *arena, struct mime_budget *budget,
                        struct digest_envelope *out_envelope)
{
    struct digest_envelope envelope = {0};
    const struct {
        const char *name;
        struct slice *text;
        struct digest_addresses *addresses;
    } fields[] = {
        {"Date", &envelope.date, NULL},
        {"Subject", &envelope.subject, NULL},
        {"Message-ID", &envelope.message_id, NULL},
        {"In-Reply-To", &envelope.in_reply_to, NULL},
        {"From", NULL, &envelope.from},
        {"Sender", NULL, &envelope.sender},
        {"Reply-To", NULL, &envelope.reply_to},
        {"To", NULL, &envelope.to},
        {"Cc", NULL, &envelope.cc},
        {"Bcc", NULL, &envelope.bcc},
    };
    unsigned seen = 0;
    struct header_field field;

    while (header_next(&block, &field)) {
        for (size_t i = 0; i < COUNT_OF(fields); i++) {
            if ((seen & 1U << i) != 0 || !slice_is(field.name, fields[i].name)) {
                continue;
            }
            seen |= 1U << i;
            if (fields[i].text != NULL) {
                *fields[i].text = mime_keep_text(field.value, arena, budget);
            } else {
                struct buffer line;

                buffer_init(&line, field.value.size);
                header_unfold(field.value, &line);
                *fields[i].addresses = address_list_parse(buffer_view(&line), arena, budget);
                buffer_done(&line);
            }
        }
    }
    *out_envelope = envelope;
}
