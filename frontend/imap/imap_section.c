#include "frontend/imap/imap_section.h"

#include "mail/header.h"

unsigned imap_section_needs(const struct imap_section *section)
{
    if (section->part_depth > 0) {
        /* A part of a message that has no parts has the message's header for its own. */
        return section->text == SECTION_MIME ? ROW_DIGEST | ROW_HEADER
                                             : ROW_DIGEST | ROW_SMALL_BODY;
    }
    return section->text == SECTION_TEXT    ? ROW_SMALL_BODY
           : section->text == SECTION_WHOLE ? ROW_HEADER | ROW_SMALL_BODY
                                            : ROW_HEADER;
}

/* ---- Parts ---- */

static bool is_multipart(const struct digest_part *part)
{
    return slice_is(part->type, "multipart") && part->child_count > 0;
}

static bool is_message(const struct digest_part *part)
{
    return slice_is(part->type, "message") && slice_is(part->subtype, "rfc822") &&
           part->child_count > 0;
}

/* The part that `number` means inside of the content of a message: of a multipart one of its parts,
 * else the content itself is part 1. */
static const struct digest_part *part_of_content(const struct digest_part *content, uint32_t number)
{
    if (is_multipart(content)) {
        return number <= content->child_count ? &content->children[number - 1] : NULL;
    }
    return number == 1 ? content : NULL;
}

static const struct digest_part *part_below(const struct digest_part *part, uint32_t number)
{
    if (is_message(part)) {
        return part_of_content(part->children, number);
    }
    return is_multipart(part) ? part_of_content(part, number) : NULL;
}

static const struct digest_part *find_part(const struct imap_section *section,
                                           const struct digest *digest)
{
    const struct digest_part *part = part_of_content(&digest->root, section->part[0]);

    for (size_t i = 1; i < section->part_depth && part != NULL; i++) {
        part = part_below(part, section->part[i]);
    }
    return part;
}

/* ---- Octets ---- */

/* Digests count from the message's begin, where a delivery may have put lines of its own. */
static struct imap_octets in_body(const struct digest *digest, uint64_t offset, uint64_t size)
{
    if (offset < digest->header_size) {
        return (struct imap_octets){.exists = false};
    }
    return (struct imap_octets){
        .exists = true, .body_from = offset - digest->header_size, .body_size = size};
}

static struct imap_octets find_in_part(const struct imap_section *section,
                                       const struct message_row *row, const struct digest *digest)
{
    const struct digest_part *part = find_part(section, digest);
    const struct digest_part *inner = part != NULL && is_message(part) ? part->children : NULL;

    if (part == NULL) {
        return (struct imap_octets){.exists = false};
    }
    switch (section->text) {
    case SECTION_WHOLE:
        return in_body(digest, part->body_offset, part->body_size);
    case SECTION_MIME:
        if (part == &digest->root) {
            return (struct imap_octets){.exists = true, .header_size = row->header_size};
        }
        return in_body(digest, part->header_offset, part->header_size);
    case SECTION_TEXT:
        return inner != NULL ? in_body(digest, inner->body_offset, inner->body_size)
                             : (struct imap_octets){.exists = false};
    default:
        return inner != NULL ? in_body(digest, inner->header_offset, inner->header_size)
                             : (struct imap_octets){.exists = false};
    }
}

struct imap_octets imap_section_find(const struct imap_section *section,
                                     const struct message_row *row, const struct digest *digest)
{
    struct imap_octets octets = {.exists = true};
    uint64_t body_size =
        row->size_octets > row->header_size ? row->size_octets - row->header_size : 0;

    if (section->part_depth > 0) {
        octets = find_in_part(section, row, digest);
    } else if (section->text == SECTION_TEXT) {
        octets.body_size = body_size;
    } else {
        octets.header_size = row->header_size;
        octets.body_size = section->text == SECTION_WHOLE ? body_size : 0;
    }
    octets.filters =
        section->text == SECTION_HEADER_FIELDS || section->text == SECTION_HEADER_FIELDS_NOT;
    return octets;
}

static void cut(uint64_t *from, uint64_t *size, uint64_t *skip, uint64_t *room)
{
    uint64_t skipped = *skip < *size ? *skip : *size;

    *from += skipped;
    *size -= skipped;
    *skip -= skipped;
    *size = *size < *room ? *size : *room;
    *room -= *size;
}

void imap_octets_cut(struct imap_octets *octets, uint64_t offset, uint64_t size)
{
    cut(&octets->header_from, &octets->header_size, &offset, &size);
    cut(&octets->body_from, &octets->body_size, &offset, &size);
}

static bool is_named(const struct imap_section *section, struct slice name)
{
    for (size_t i = 0; i < section->name_count; i++) {
        if (slice_equals_ignoring_case(section->names[i], name)) {
            return true;
        }
    }
    return false;
}

void imap_section_filter(const struct imap_section *section, struct slice header,
                         struct buffer *output)
{
    bool wanted = section->text == SECTION_HEADER_FIELDS;
    struct slice rest = header;
    struct header_field field;

    while (header_next(&rest, &field)) {
        if (field.whole.size > 2 && is_named(section, slice_trim(field.name)) == wanted) {
            buffer_append(output, field.whole);
        }
    }
    buffer_append(output, SLICE("\r\n"));
}
