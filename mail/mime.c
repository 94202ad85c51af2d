#include "mail/mime.h"

#include <stdbool.h>

#include "mail/header.h"
#include "mail/mime_fields.h"
#include "mail/mime_text.h"

/* Texts and addresses get half of the octets that a digest may have; the rest bounds the structure.
 */
enum { BUDGET_OCTETS = DIGEST_SIZE_MAX / 2, BOUNDARY_SIZE_MAX = 256, NONE = -1 };

/* The message is looked at line by line, once. The boundaries of all multiparts around the place
 * looked at are on a stack: any of them ends the part in hand. */
struct parser {
    struct slice message;
    struct arena *arena;
    struct mime_budget budget;
    size_t place;   /* the start of the next line */
    uint32_t lines; /* line ends before it */
    size_t part_count;
    struct slice boundaries[DIGEST_DEPTH_MAX + 1];
    int depth; /* boundaries on the stack */
};

/* Where a scan ended: at a delimiter line, or at the end of the message. */
struct ending {
    int level;     /* of the boundary met; NONE: the end of the message */
    bool is_close; /* "--boundary--" */
    size_t offset; /* of what belongs to the part, without the line end before the delimiter */
    uint32_t lines;
};

static struct slice next_line(const struct parser *parser)
{
    struct slice rest = slice_skip(parser->message, parser->place);

    return slice_prefix(rest, slice_find(rest, '\n') + 1);
}

static void pass_line(struct parser *parser, struct slice line)
{
    parser->place += line.size;
    parser->lines += line.data[line.size - 1] == '\n';
}

/* The innermost boundary that `line` delimits (RFC 2046 §5.1.1: blanks may follow). */
static int level_of(const struct parser *parser, struct slice line, bool *out_is_close)
{
    struct slice text = line;

    if (!slice_starts_with(line, SLICE("--"))) {
        return NONE;
    }
    while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r' ||
                             text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
        text.size--;
    }
    text = slice_skip(text, 2);
    for (int level = parser->depth - 1; level >= 0; level--) {
        struct slice boundary = parser->boundaries[level];

        if (!slice_starts_with(text, boundary)) {
            continue;
        }
        struct slice behind = slice_skip(text, boundary.size);

        if (behind.size == 0 || slice_equals(behind, SLICE("--"))) {
            *out_is_close = behind.size > 0;
            return level;
        }
    }
    return NONE;
}

/* The line end in front of a delimiter belongs to it. */
static void cut_line_end(const struct parser *parser, size_t start, struct ending *ending)
{
    if (ending->offset > start && parser->message.data[ending->offset - 1] == '\n') {
        ending->offset--;
        ending->lines--;
        if (ending->offset > start && parser->message.data[ending->offset - 1] == '\r') {
            ending->offset--;
        }
    }
}

/* Passes lines up to a delimiter and over it. */
static struct ending scan_body(struct parser *parser)
{
    size_t start = parser->place;

    while (parser->place < parser->message.size) {
        struct slice line = next_line(parser);
        struct ending ending = {.offset = parser->place, .lines = parser->lines};

        ending.level = level_of(parser, line, &ending.is_close);
        if (ending.level != NONE) {
            cut_line_end(parser, start, &ending);
            pass_line(parser, line);
            return ending;
        }
        pass_line(parser, line);
    }
    return (struct ending){.level = NONE, .offset = parser->place, .lines = parser->lines};
}

/* Passes a header block with its empty line. True: a delimiter came first, which is passed, too. */
static bool scan_header(struct parser *parser, struct ending *out_ending)
{
    size_t start = parser->place;

    while (parser->place < parser->message.size) {
        struct slice line = next_line(parser);
        struct ending ending = {.offset = parser->place, .lines = parser->lines};

        ending.level = level_of(parser, line, &ending.is_close);
        if (ending.level != NONE) {
            cut_line_end(parser, start, &ending);
            pass_line(parser, line);
            *out_ending = ending;
            return true;
        }
        pass_line(parser, line);
        if (line.data[line.size - 1] == '\n' &&
            (line.size == 1 || slice_equals(line, SLICE("\r\n")))) {
            return false;
        }
    }
    return false;
}

static struct ending parse_part(struct parser *parser, bool in_digest, unsigned nesting,
                                struct digest_part *part);

/* ---- multipart (RFC 2046 §5.1) ---- */

struct children {
    struct digest_part *items;
    size_t count;
    size_t capacity;
};

static struct digest_part *add_child(struct parser *parser, struct children *children)
{
    if (children->count == children->capacity) {
        size_t capacity = children->capacity * 2 + 2;
        struct digest_part *items = arena_array(parser->arena, capacity, sizeof(*items));

        for (size_t i = 0; i < children->count; i++) {
            items[i] = children->items[i];
        }
        children->items = items;
        children->capacity = capacity;
    }
    children->items[children->count] = (struct digest_part){0};
    return &children->items[children->count++];
}

/* From the multipart's first line to a delimiter of somebody around it. */
static struct ending parse_multipart(struct parser *parser, struct slice boundary, unsigned nesting,
                                     struct digest_part *part)
{
    bool in_digest = slice_is(part->subtype, "digest");
    struct children children = {0};
    int level = parser->depth;

    parser->boundaries[parser->depth++] = boundary;
    struct ending ending = scan_body(parser); /* the preamble */

    while (ending.level == level && !ending.is_close && parser->part_count < DIGEST_PARTS_MAX) {
        ending = parse_part(parser, in_digest, nesting + 1, add_child(parser, &children));
    }
    parser->depth--;
    if (ending.level == level) {
        ending = scan_body(parser); /* the epilogue, and what is over the limit */
    }
    part->children = children.items;
    part->child_count = children.count;
    return ending;
}

/* ---- message/rfc822 (RFC 2046 §5.2.1) ---- */

static struct ending parse_message(struct parser *parser, unsigned nesting,
                                   struct digest_part *part)
{
    struct digest_envelope *envelope = ARENA_NEW(parser->arena, struct digest_envelope);
    struct digest_part *message = ARENA_NEW(parser->arena, struct digest_part);
    struct ending ending = parse_part(parser, false, nesting + 1, message);
    struct slice block = {parser->message.data + message->header_offset,
                          (size_t)message->header_size};

    mime_read_envelope(block, parser->arena, &parser->budget, envelope);
    part->envelope = envelope;
    part->children = message;
    part->child_count = 1;
    return ending;
}

static bool is_identity(struct slice encoding)
{
    return encoding.data == NULL || slice_is(encoding, "7bit") || slice_is(encoding, "8bit") ||
           slice_is(encoding, "binary");
}

static struct ending parse_body(struct parser *parser, unsigned nesting, struct digest_part *part)
{
    bool fits = nesting < DIGEST_DEPTH_MAX && parser->part_count < DIGEST_PARTS_MAX;

    if (fits && slice_is(part->type, "multipart")) {
        struct slice boundary = mime_parameter(&part->parameters, "boundary");

        if (boundary.size > 0 && boundary.size <= BOUNDARY_SIZE_MAX &&
            parser->depth < DIGEST_DEPTH_MAX) {
            return parse_multipart(parser, boundary, nesting, part);
        }
    }
    if (fits && slice_is(part->type, "message") && slice_is(part->subtype, "rfc822") &&
        is_identity(part->encoding)) {
        return parse_message(parser, nesting, part);
    }
    return scan_body(parser);
}

static struct ending parse_part(struct parser *parser, bool in_digest, unsigned nesting,
                                struct digest_part *part)
{
    struct ending ending = {0};

    parser->part_count++;
    part->header_offset = parser->place;
    bool is_cut = scan_header(parser, &ending);

    part->header_size = (is_cut ? ending.offset : parser->place) - part->header_offset;
    part->body_offset = part->header_offset + part->header_size;
    struct slice block = {parser->message.data + part->header_offset, (size_t)part->header_size};
    uint32_t lines_before = parser->lines;

    mime_read_part_fields(block, in_digest, parser->arena, &parser->budget, part);
    if (is_cut) {
        return ending;
    }
    ending = parse_body(parser, nesting, part);
    part->body_size = ending.offset - part->body_offset;
    part->lines = ending.lines - lines_before;
    return ending;
}

/* A multipart without parts is none: clients expect one at least. */
static void make_opaque(struct digest_part *part)
{
    if (slice_is(part->type, "multipart") && part->child_count == 0) {
        part->type = SLICE("text");
        part->subtype = SLICE("plain");
        part->parameters.count = 0;
    }
    for (size_t i = 0; i < part->child_count; i++) {
        /* The children are ours until the digest is given away. */
        make_opaque((struct digest_part *)&part->children[i]);
    }
}

void mime_envelope(struct slice block, struct arena *arena, struct digest_envelope *out_envelope)
{
    struct mime_budget budget = {BUDGET_OCTETS, DIGEST_ADDRESSES_MAX};

    mime_read_envelope(block, arena, &budget, out_envelope);
}

void mime_parse(struct slice message, struct arena *arena, struct digest *out_digest)
{
    struct parser parser = {
        .message = message,
        .arena = arena,
        .budget = {BUDGET_OCTETS, DIGEST_ADDRESSES_MAX},
    };
    struct slice block = header_block(message);

    *out_digest = (struct digest){.size = message.size, .header_size = block.size};
    mime_read_envelope(block, arena, &parser.budget, &out_digest->envelope);
    (void)parse_part(&parser, false, 0, &out_digest->root);
    make_opaque(&out_digest->root);
    mime_read_references(block, arena, &parser.budget, out_digest);
    out_digest->base_subject = mime_base_subject(out_digest->envelope.subject, arena);
    out_digest->preview = mime_preview(message, &out_digest->root, arena);
}
