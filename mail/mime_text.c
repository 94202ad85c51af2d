#include "mail/mime_text.h"

#include "mail/charset.h"
#include "mail/header.h"
#include "mail/mime_fields.h"
#include "mail/transfer.h"
#include "mail/utf8.h"

enum {
    /* Octets of a part looked at: styles come first in HTML, and have no end. */
    PREVIEW_PLAIN_SIZE = 2 * 1024,
    PREVIEW_HTML_SIZE = 32 * 1024,
    ID_SIZE_MAX = 998,
};

/* ---- The preview ---- */

static const struct digest_part *find_text(const struct digest_part *part)
{
    if (slice_is(part->type, "text") && !slice_is(part->disposition, "attachment")) {
        return part;
    }
    for (size_t i = 0; i < part->child_count; i++) {
        const struct digest_part *found = find_text(&part->children[i]);

        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

/* Appends one character of the text, blanks joined; what controls a terminal is a blank. */
static void put(struct buffer *output, struct slice octets)
{
    bool is_blank = octets.size == 1 && (unsigned char)octets.data[0] <= ' ';

    if (is_blank && (output->size == 0 || output->data[output->size - 1] == ' ')) {
        return;
    }
    if (buffer_room(output) >= octets.size) {
        buffer_append(output, is_blank ? SLICE(" ") : octets);
    }
}

/* "&amp;" and its like at the front of `text`: its size, 0 when it is none that is known. */
static size_t entity(struct slice text, struct slice *out_character)
{
    static const struct {
        struct slice name;
        struct slice character;
    } entities[] = {
        {{"&amp;", 5}, {"&", 1}},   {{"&lt;", 4}, {"<", 1}},   {{"&gt;", 4}, {">", 1}},
        {{"&quot;", 6}, {"\"", 1}}, {{"&apos;", 6}, {"'", 1}}, {{"&#39;", 5}, {"'", 1}},
        {{"&nbsp;", 6}, {" ", 1}},  {{"&#160;", 6}, {" ", 1}},
    };

    for (size_t i = 0; i < COUNT_OF(entities); i++) {
        if (slice_starts_with_ignoring_case(text, entities[i].name)) {
            *out_character = entities[i].character;
            return entities[i].name.size;
        }
    }
    return 0;
}

/* What is not shown stands in these. */
static struct slice hidden_end(struct slice tag)
{
    return slice_starts_with_ignoring_case(tag, SLICE("<style"))    ? SLICE("</style")
           : slice_starts_with_ignoring_case(tag, SLICE("<script")) ? SLICE("</script")
           : slice_starts_with_ignoring_case(tag, SLICE("<title"))  ? SLICE("</title")
           : slice_starts_with(tag, SLICE("<!--"))                  ? SLICE("-->")
                                                                    : SLICE("");
}

/* The size of what begins with "<": a tag, or all that it hides. */
static size_t tag_size(struct slice text)
{
    struct slice end = hidden_end(text);
    size_t size = 1;

    while (end.size > 0 && size < text.size &&
           !slice_starts_with_ignoring_case(slice_skip(text, size), end)) {
        size++;
    }
    return size + slice_find(slice_skip(text, size), '>') + 1;
}

static void put_html(struct slice text, struct buffer *output)
{
    while (text.size > 0 && buffer_room(output) > 0) {
        struct slice character = slice_prefix(text, 1);
        size_t size = 1;

        if (text.data[0] == '<') {
            size = tag_size(text);
            character = SLICE(" ");
        } else if (text.data[0] == '&') {
            size_t entity_size = entity(text, &character);

            size = entity_size > 0 ? entity_size : 1;
        }
        put(output, character);
        text = slice_skip(text, size);
    }
}

static void put_plain(struct slice text, struct buffer *output)
{
    for (size_t i = 0; i < text.size && buffer_room(output) > 0; i++) {
        put(output, slice_skip(slice_prefix(text, i + 1), i));
    }
}

/* A character that the limit cut is taken off. */
static void trim_cut(struct buffer *text)
{
    while (text->size > 0 && !utf8_is_valid(buffer_view(text))) {
        text->size--;
    }
    *text = (struct buffer){text->data, slice_trim(buffer_view(text)).size, text->capacity,
                            text->size_max};
}

struct slice mime_preview(struct slice message, const struct digest_part *root, struct arena *arena)
{
    const struct digest_part *part = find_text(root);
    struct transfer_decoder decoder;
    struct buffer octets;
    struct buffer text;
    struct buffer preview;

    if (part == NULL) {
        return SLICE("");
    }
    struct slice body = {message.data + part->body_offset, (size_t)part->body_size};
    struct slice charset = mime_parameter(&part->parameters, "charset");
    bool is_html = slice_is(part->subtype, "html");
    size_t source_size = is_html ? PREVIEW_HTML_SIZE : PREVIEW_PLAIN_SIZE;

    buffer_init(&octets, 2 * source_size);
    buffer_init(&text, 2 * CHARSET_GROWTH * source_size);
    buffer_init(&preview, DIGEST_PREVIEW_SIZE_MAX);
    transfer_decoder_init(&decoder, transfer_encoding_of(part->encoding));
    transfer_decoder_decode(&decoder, slice_prefix(body, source_size), &octets);
    transfer_decoder_done(&decoder);
    if (charset_to_utf8(charset, buffer_view(&octets), &text) != STATUS_OK) {
        (void)!charset_to_utf8(SLICE(""), buffer_view(&octets), &text);
    }
    (is_html ? put_html : put_plain)(buffer_view(&text), &preview);
    trim_cut(&preview);
    struct slice kept = arena_copy(arena, buffer_view(&preview));

    buffer_done(&octets);
    buffer_done(&text);
    buffer_done(&preview);
    return kept;
}

/* ---- The base subject ---- */

/* subj-blob = "[" *BLOBCHAR "]" *WSP, at the front. */
static size_t blob_size(struct slice text)
{
    size_t end = slice_find(text, ']');

    if (!slice_starts_with(text, SLICE("[")) || end == text.size ||
        slice_find(slice_skip(slice_prefix(text, end), 1), '[') < end - 1) {
        return 0;
    }
    for (end++; end < text.size && text.data[end] == ' '; end++) {
    }
    return end;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static size_t reply_size(struct slice text)
{
    size_t size = slice_starts_with(text, SLICE("re"))    ? 2
                  : slice_starts_with(text, SLICE("fwd")) ? 3
                  : slice_starts_with(text, SLICE("fw"))  ? 2
                                                          : 0;

    if (size == 0) {
        return 0;
    }
    while (size < text.size && text.data[size] == ' ') {
        size++;
    }
    size += blob_size(slice_skip(text, size));
    return size < text.size && text.data[size] == ':' ? size + 1 : 0;
}

/* Steps 3 to 5: prefixes go as long as there are some; a blob only when something is left. */
static struct slice without_prefixes(struct slice text)
{
    while (true) {
        size_t reply = reply_size(text);
        size_t blob = reply == 0 ? blob_size(text) : 0;

        if (reply == 0 && (blob == 0 || blob == text.size)) {
            return text;
        }
        text = slice_trim(slice_skip(text, reply + blob));
    }
}

static struct slice base_of(struct slice text)
{
    static const struct slice forwarded = {"[fwd:", 5};

    while (true) {
        text = slice_trim(text);
        while (slice_ends_with(text, SLICE("(fwd)"))) {
            text = slice_trim(slice_prefix(text, text.size - 5));
        }
        text = without_prefixes(text);
        if (!slice_starts_with(text, forwarded) || !slice_ends_with(text, SLICE("]"))) {
            return text;
        }
        text = slice_skip(slice_prefix(text, text.size - 1), forwarded.size);
    }
}

struct slice mime_base_subject(struct slice subject, struct arena *arena)
{
    struct buffer decoded;
    struct buffer line;
    struct buffer folded;

    buffer_init(&decoded, CHARSET_GROWTH * DIGEST_TEXT_SIZE_MAX);
    buffer_init(&line, CHARSET_GROWTH * DIGEST_TEXT_SIZE_MAX);
    buffer_init(&folded, 3 * CHARSET_GROWTH * DIGEST_TEXT_SIZE_MAX);
    header_decode(subject, &decoded);
    put_plain(buffer_view(&decoded), &line);
    struct slice base = {0};

    if (utf8_fold(buffer_view(&line), &folded) == STATUS_OK) {
        base = utf8_prefix(base_of(buffer_view(&folded)), DIGEST_PREVIEW_SIZE_MAX);
    }
    base = arena_copy(arena, base);
    buffer_done(&decoded);
    buffer_done(&line);
    buffer_done(&folded);
    return base;
}

/* ---- References ---- */

/* The next "<id>" of a value. */
static bool take_id(struct slice *rest, struct slice *out_id)
{
    while (true) {
        *rest = slice_skip(*rest, slice_find(*rest, '<') + 1);
        size_t end = slice_find(*rest, '>');

        if (end >= rest->size) {
            return false;
        }
        struct slice id = slice_prefix(*rest, end);

        *rest = slice_skip(*rest, end + 1);
        if (id.size > 0 && id.size <= ID_SIZE_MAX && slice_find(id, '<') == id.size) {
            *out_id = id;
            return true;
        }
    }
}

void mime_read_references(struct slice block, struct arena *arena, struct mime_budget *budget,
                          struct digest *digest)
{
    struct slice *references = arena_array(arena, DIGEST_REFERENCES_MAX, sizeof(*references));
    struct header_field field;
    struct slice id;
    size_t count = 0;

    if (!header_find(block, "References", &field) && !header_find(block, "In-Reply-To", &field)) {
        return;
    }
    /* The last ones count: those before them are dropped from the front. */
    struct slice rest = field.value;

    while (take_id(&rest, &id)) {
        references[count++ % DIGEST_REFERENCES_MAX] = id;
    }
    struct slice *ordered = arena_array(arena, DIGEST_REFERENCES_MAX, sizeof(*ordered));
    size_t first = count > DIGEST_REFERENCES_MAX ? count - DIGEST_REFERENCES_MAX : 0;

    for (size_t i = first; i < count; i++) {
        ordered[digest->reference_count++] =
            mime_keep_text(references[i % DIGEST_REFERENCES_MAX], arena, budget);
    }
    digest->references = ordered;
}
