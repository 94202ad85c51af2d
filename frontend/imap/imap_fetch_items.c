#include "frontend/imap/imap_fetch_items.h"

#include <inttypes.h>

#include "core/check.h"
#include "frontend/imap/imap_text.h"

static struct imap_fetch_item *add(struct imap_fetch_items *items, enum imap_fetch_kind kind)
{
    struct imap_fetch_item *item = &items->items[items->count++];

    CHECK(items->count <= IMAP_FETCH_ITEMS_MAX);
    *item = (struct imap_fetch_item){.kind = kind};
    return item;
}

static bool add_once(struct imap_fetch_items *items, enum imap_fetch_kind kind)
{
    if (!imap_fetch_items_have(items, kind)) {
        add(items, kind);
    }
    return true;
}

bool imap_fetch_items_have(const struct imap_fetch_items *items, enum imap_fetch_kind kind)
{
    for (size_t i = 0; i < items->count; i++) {
        if (items->items[i].kind == kind) {
            return true;
        }
    }
    return false;
}

/* ---- BODY[section]<partial> ---- */

static bool take_header_names(struct imap_parser *parser, struct imap_section *section)
{
    struct slice *names = arena_array(parser->arena, IMAP_LIST_COUNT_MAX, sizeof(*names));

    if (!imap_take_octet(parser, '(')) {
        return false;
    }
    do {
        if (section->name_count == IMAP_LIST_COUNT_MAX) {
            parser->fault = "too many header names";
            return false;
        }
        if (!imap_take_astring(parser, &names[section->name_count++])) {
            return false;
        }
    } while (imap_take_space(parser));
    section->names = names;
    return imap_take_octet(parser, ')');
}

/* "1.2." or "1.2" in front of what section-text there is. */
static bool take_part(struct imap_parser *parser, struct imap_section *section, bool *out_dot)
{
    uint32_t *part = arena_array(parser->arena, IMAP_SECTION_DEPTH_MAX, sizeof(*part));
    bool dot = false;

    section->part = part;
    while (parser->rest.size > 0 && parser->rest.data[0] >= '0' && parser->rest.data[0] <= '9') {
        if (section->part_depth == IMAP_SECTION_DEPTH_MAX) {
            parser->fault = "section is too deep";
            return false;
        }
        if (!imap_take_positive(parser, &part[section->part_depth++])) {
            return false;
        }
        dot = imap_take_octet(parser, '.');
        if (!dot) {
            break;
        }
    }
    *out_dot = dot;
    return true;
}

static bool take_section_text(struct imap_parser *parser, struct imap_section *section)
{
    if (imap_take_keyword(parser, "HEADER.FIELDS.NOT ")) {
        section->text = SECTION_HEADER_FIELDS_NOT;
        return take_header_names(parser, section);
    }
    if (imap_take_keyword(parser, "HEADER.FIELDS ")) {
        section->text = SECTION_HEADER_FIELDS;
        return take_header_names(parser, section);
    }
    if (imap_take_keyword(parser, "HEADER")) {
        section->text = SECTION_HEADER;
        return true;
    }
    if (imap_take_keyword(parser, "TEXT")) {
        section->text = SECTION_TEXT;
        return true;
    }
    section->text = SECTION_MIME;
    return section->part_depth > 0 && imap_take_keyword(parser, "MIME");
}

static bool take_partial(struct imap_parser *parser, struct imap_section *section)
{
    if (!imap_take_octet(parser, '<')) {
        return true;
    }
    section->partial = true;
    return imap_take_number(parser, &section->offset) && imap_take_octet(parser, '.') &&
           imap_take_positive(parser, &section->size) && imap_take_octet(parser, '>');
}

static bool take_section(struct imap_parser *parser, struct imap_section *section)
{
    bool dot = false;

    if (!take_part(parser, section, &dot)) {
        return false;
    }
    section->text = SECTION_WHOLE;
    if ((dot || (section->part_depth == 0 && !imap_is_next(parser, ']'))) &&
        !take_section_text(parser, section)) {
        return false;
    }
    return imap_take_octet(parser, ']') && take_partial(parser, section);
}

static bool take_body_section(struct imap_parser *parser, struct imap_fetch_items *items, bool sees)
{
    struct imap_fetch_item *item = add(items, FETCH_SECTION);

    item->sees = sees;
    return take_section(parser, &item->section);
}

/* ---- Items and macros ---- */

static bool add_rfc822(struct imap_fetch_items *items, const char *name,
                       enum imap_section_text text, bool sees)
{
    struct imap_fetch_item *item = add(items, FETCH_SECTION);

    item->rfc822 = name;
    item->section.text = text;
    item->sees = sees;
    return true;
}

static const struct simple_item {
    const char *name; /* one that begins with another comes first */
    enum imap_fetch_kind kind;
} simple_items[] = {
    {"FLAGS", FETCH_FLAGS},
    {"UID", FETCH_UID},
    {"INTERNALDATE", FETCH_INTERNALDATE},
    {"RFC822.SIZE", FETCH_RFC822_SIZE},
    {"ENVELOPE", FETCH_ENVELOPE},
    {"BODYSTRUCTURE", FETCH_BODYSTRUCTURE},
    {"MODSEQ", FETCH_MODSEQ},
};

static bool take_item(struct imap_parser *parser, struct imap_fetch_items *items)
{
    /* Half the room is for what a macro, UID or CHANGEDSINCE adds. */
    if (items->count >= IMAP_FETCH_ITEMS_MAX / 2) {
        parser->fault = "too many items";
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(simple_items); i++) {
        if (imap_take_keyword(parser, simple_items[i].name)) {
            return add_once(items, simple_items[i].kind);
        }
    }
    if (imap_take_keyword(parser, "RFC822.HEADER")) {
        return add_rfc822(items, "RFC822.HEADER", SECTION_HEADER, false);
    }
    if (imap_take_keyword(parser, "RFC822.TEXT")) {
        return add_rfc822(items, "RFC822.TEXT", SECTION_TEXT, true);
    }
    if (imap_take_keyword(parser, "RFC822")) {
        return add_rfc822(items, "RFC822", SECTION_WHOLE, true);
    }
    if (imap_take_keyword(parser, "BODY.PEEK[")) {
        return take_body_section(parser, items, false);
    }
    if (imap_take_keyword(parser, "BODY[")) {
        return take_body_section(parser, items, true);
    }
    return imap_take_keyword(parser, "BODY") && add_once(items, FETCH_BODY);
}

static bool add_macro(struct imap_fetch_items *items, unsigned most)
{
    static const enum imap_fetch_kind kinds[] = {
        FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_RFC822_SIZE, FETCH_ENVELOPE, FETCH_BODY,
    };

    for (unsigned i = 0; i < most; i++) {
        add(items, kinds[i]);
    }
    return true;
}

static bool take_item_list(struct imap_parser *parser, struct imap_fetch_items *items)
{
    if (imap_take_keyword(parser, "ALL")) {
        return add_macro(items, 4);
    }
    if (imap_take_keyword(parser, "FULL")) {
        return add_macro(items, 5);
    }
    if (imap_take_keyword(parser, "FAST")) {
        return add_macro(items, 3);
    }
    if (!imap_take_octet(parser, '(')) {
        return take_item(parser, items);
    }
    do {
        if (!take_item(parser, items)) {
            return false;
        }
    } while (imap_take_space(parser));
    return imap_take_octet(parser, ')');
}

/* RFC 4466 §2.4: fetch-modifiers; RFC 7162 §3.1.4.1. */
static bool take_modifiers(struct imap_parser *parser, struct imap_fetch_items *items)
{
    if (!imap_take_keyword(parser, " (")) {
        return true;
    }
    items->changed_since_given = true;
    return imap_take_keyword(parser, "CHANGEDSINCE ") &&
           imap_take_number64(parser, &items->changed_since) && items->changed_since > 0 &&
           imap_take_octet(parser, ')') && add_once(items, FETCH_MODSEQ);
}

bool imap_take_fetch_items(struct imap_parser *parser, bool by_uid,
                           struct imap_fetch_items *out_items)
{
    struct imap_fetch_items items = {
        .items = arena_array(parser->arena, IMAP_FETCH_ITEMS_MAX, sizeof(*items.items)),
    };

    if (by_uid) {
        add(&items, FETCH_UID);
    }
    if (!take_item_list(parser, &items) || !take_modifiers(parser, &items) ||
        !imap_take_end(parser)) {
        return false;
    }
    *out_items = items;
    return true;
}

/* ---- Names in responses ---- */

static void append_text_name(struct buffer *output, const struct imap_section *section)
{
    static const char *const names[] = {
        [SECTION_WHOLE] = "",
        [SECTION_HEADER] = "HEADER",
        [SECTION_HEADER_FIELDS] = "HEADER.FIELDS",
        [SECTION_HEADER_FIELDS_NOT] = "HEADER.FIELDS.NOT",
        [SECTION_TEXT] = "TEXT",
        [SECTION_MIME] = "MIME",
    };

    if (section->text != SECTION_WHOLE && section->part_depth > 0) {
        buffer_append_octet(output, '.');
    }
    buffer_append(output, slice_of(names[section->text]));
    if (section->name_count == 0) {
        return;
    }
    buffer_append(output, SLICE(" ("));
    for (size_t i = 0; i < section->name_count; i++) {
        if (i > 0) {
            buffer_append_octet(output, ' ');
        }
        imap_append_astring(output, section->names[i]);
    }
    buffer_append_octet(output, ')');
}

void imap_append_section_name(struct buffer *output, const struct imap_fetch_item *item)
{
    const struct imap_section *section = &item->section;

    if (item->rfc822 != NULL) {
        buffer_append(output, slice_of(item->rfc822));
        return;
    }
    buffer_append(output, SLICE("BODY["));
    for (size_t i = 0; i < section->part_depth; i++) {
        buffer_printf(output, "%s%" PRIu32, i > 0 ? "." : "", section->part[i]);
    }
    append_text_name(output, section);
    buffer_append_octet(output, ']');
    if (section->partial) {
        buffer_printf(output, "<%" PRIu32 ">", section->offset);
    }
}
