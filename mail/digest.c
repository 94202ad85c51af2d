#include "mail/digest.h"

#include <stdbool.h>

/* One octet of version; then every number a varint, every text its size plus one (0: absent) and
 * its octets, every list its count and its items, in the order of the structures. */
enum { VERSION = 1, PART_SIZE_LEAST = 18 };

/* ---- Writing ---- */

struct writer {
    struct buffer *output;
    size_t end; /* of the output, at most */
    bool is_full;
};

static void put_octets(struct writer *writer, struct slice octets)
{
    writer->is_full |= octets.size > writer->end - writer->output->size;
    if (!writer->is_full) {
        buffer_append(writer->output, octets);
    }
}

static void put_number(struct writer *writer, uint64_t number)
{
    char octets[10];
    size_t size = 0;

    for (; number >= 0x80; number >>= 7) {
        octets[size++] = (char)(number | 0x80);
    }
    octets[size++] = (char)number;
    put_octets(writer, (struct slice){octets, size});
}

static void put_text(struct writer *writer, struct slice text)
{
    put_number(writer, text.data != NULL ? text.size + 1 : 0);
    put_octets(writer, text);
}

static void put_addresses(struct writer *writer, const struct digest_addresses *addresses)
{
    put_number(writer, addresses->count);
    for (size_t i = 0; i < addresses->count; i++) {
        put_text(writer, addresses->items[i].name);
        put_text(writer, addresses->items[i].mailbox);
        put_text(writer, addresses->items[i].host);
    }
}

static void put_envelope(struct writer *writer, const struct digest_envelope *envelope)
{
    put_text(writer, envelope->date);
    put_text(writer, envelope->subject);
    put_addresses(writer, &envelope->from);
    put_addresses(writer, &envelope->sender);
    put_addresses(writer, &envelope->reply_to);
    put_addresses(writer, &envelope->to);
    put_addresses(writer, &envelope->cc);
    put_addresses(writer, &envelope->bcc);
    put_text(writer, envelope->in_reply_to);
    put_text(writer, envelope->message_id);
}

static void put_parameters(struct writer *writer, const struct digest_parameters *parameters)
{
    put_number(writer, parameters->count);
    for (size_t i = 0; i < parameters->count; i++) {
        put_text(writer, parameters->items[i].name);
        put_text(writer, parameters->items[i].value);
    }
}

static void put_part(struct writer *writer, const struct digest_part *part)
{
    put_text(writer, part->type);
    put_text(writer, part->subtype);
    put_parameters(writer, &part->parameters);
    put_text(writer, part->id);
    put_text(writer, part->description);
    put_text(writer, part->encoding);
    put_text(writer, part->md5);
    put_text(writer, part->disposition);
    put_parameters(writer, &part->disposition_parameters);
    put_text(writer, part->language);
    put_text(writer, part->location);
    put_number(writer, part->header_offset);
    put_number(writer, part->header_size);
    put_number(writer, part->body_offset);
    put_number(writer, part->body_size);
    put_number(writer, part->lines);
    put_number(writer, part->envelope != NULL);
    if (part->envelope != NULL) {
        put_envelope(writer, part->envelope);
    }
    put_number(writer, part->child_count);
    for (size_t i = 0; i < part->child_count; i++) {
        put_part(writer, &part->children[i]);
    }
}

enum status digest_encode(const struct digest *digest, struct buffer *output)
{
    size_t start = output->size;
    size_t room = buffer_room(output) < DIGEST_SIZE_MAX ? buffer_room(output) : DIGEST_SIZE_MAX;
    struct writer writer = {.output = output, .end = start + room};
    char version = VERSION;

    put_octets(&writer, (struct slice){&version, 1});
    put_number(&writer, digest->size);
    put_number(&writer, digest->header_size);
    put_envelope(&writer, &digest->envelope);
    put_part(&writer, &digest->root);
    put_text(&writer, digest->preview);
    put_text(&writer, digest->base_subject);
    put_number(&writer, digest->reference_count);
    for (size_t i = 0; i < digest->reference_count; i++) {
        put_text(&writer, digest->references[i]);
    }
    if (writer.is_full) {
        output->size = start;
        return STATUS_TOO_LARGE;
    }
    return STATUS_OK;
}

/* ---- Reading: a fault makes all that follows empty, and is looked at once, at the end ---- */

struct reader {
    struct slice rest;
    struct arena *arena;
    size_t parts; /* announced so far, the root included */
    bool is_broken;
};

static uint64_t get_number(struct reader *reader)
{
    uint64_t number = 0;

    for (unsigned shift = 0; shift < 63 && reader->rest.size > 0; shift += 7) {
        unsigned char octet = (unsigned char)reader->rest.data[0];

        reader->rest = slice_skip(reader->rest, 1);
        number |= (uint64_t)(octet & 0x7f) << shift;
        if (octet < 0x80) {
            return number;
        }
    }
    reader->is_broken = true;
    reader->rest = (struct slice){0};
    return 0;
}

/* A number of items, each of which takes at least `size_least` octets: never more than there are.
 */
static size_t get_count(struct reader *reader, size_t size_least)
{
    uint64_t count = get_number(reader);

    if (count > reader->rest.size / size_least) {
        reader->is_broken = true;
        reader->rest = (struct slice){0};
        return 0;
    }
    return (size_t)count;
}

static struct slice get_text(struct reader *reader)
{
    uint64_t size = get_number(reader);

    if (size == 0) {
        return (struct slice){0};
    }
    if (size - 1 > reader->rest.size) {
        reader->is_broken = true;
        reader->rest = (struct slice){0};
        return (struct slice){0};
    }
    struct slice text = slice_prefix(reader->rest, (size_t)size - 1);

    reader->rest = slice_skip(reader->rest, text.size);
    return text.size > 0 ? text : SLICE("");
}

static struct digest_addresses get_addresses(struct reader *reader)
{
    size_t count = get_count(reader, 3);
    struct digest_address *items = arena_array(reader->arena, count, sizeof(*items));

    for (size_t i = 0; i < count; i++) {
        items[i].name = get_text(reader);
        items[i].mailbox = get_text(reader);
        items[i].host = get_text(reader);
    }
    return (struct digest_addresses){items, count};
}

static void get_envelope(struct reader *reader, struct digest_envelope *envelope)
{
    envelope->date = get_text(reader);
    envelope->subject = get_text(reader);
    envelope->from = get_addresses(reader);
    envelope->sender = get_addresses(reader);
    envelope->reply_to = get_addresses(reader);
    envelope->to = get_addresses(reader);
    envelope->cc = get_addresses(reader);
    envelope->bcc = get_addresses(reader);
    envelope->in_reply_to = get_text(reader);
    envelope->message_id = get_text(reader);
}

static struct digest_parameters get_parameters(struct reader *reader)
{
    size_t count = get_count(reader, 2);
    struct digest_parameter *items = arena_array(reader->arena, count, sizeof(*items));

    for (size_t i = 0; i < count; i++) {
        items[i].name = get_text(reader);
        items[i].value = get_text(reader);
    }
    return (struct digest_parameters){items, count};
}

static void get_part_fields(struct reader *reader, struct digest_part *part)
{
    part->type = get_text(reader);
    part->subtype = get_text(reader);
    part->parameters = get_parameters(reader);
    part->id = get_text(reader);
    part->description = get_text(reader);
    part->encoding = get_text(reader);
    part->md5 = get_text(reader);
    part->disposition = get_text(reader);
    part->disposition_parameters = get_parameters(reader);
    part->language = get_text(reader);
    part->location = get_text(reader);
    part->header_offset = get_number(reader);
    part->header_size = get_number(reader);
    part->body_offset = get_number(reader);
    part->body_size = get_number(reader);
    part->lines = (uint32_t)get_number(reader);
}

static void get_part(struct reader *reader, unsigned depth, struct digest_part *part)
{
    if (depth > DIGEST_DEPTH_MAX) {
        reader->is_broken = true;
        return;
    }
    get_part_fields(reader, part);
    if (get_number(reader) != 0) {
        struct digest_envelope *envelope = ARENA_NEW(reader->arena, struct digest_envelope);

        get_envelope(reader, envelope);
        part->envelope = envelope;
    }
    size_t count = get_count(reader, PART_SIZE_LEAST);

    /* Counted before they are there: else each level could announce all that is left. */
    reader->parts += count;
    if (reader->parts >= DIGEST_PARTS_MAX) {
        reader->is_broken = true;
        return;
    }
    struct digest_part *children = arena_array(reader->arena, count, sizeof(*children));

    for (size_t i = 0; i < count && !reader->is_broken; i++) {
        get_part(reader, depth + 1, &children[i]);
    }
    part->children = children;
    part->child_count = count;
}

/* Every part lies within the message, so that who cuts it out need not look again. */
static bool is_within(const struct digest_part *part, uint64_t size)
{
    if (part->header_offset > size || part->header_size > size - part->header_offset ||
        part->body_offset > size || part->body_size > size - part->body_offset) {
        return false;
    }
    for (size_t i = 0; i < part->child_count; i++) {
        if (!is_within(&part->children[i], size)) {
            return false;
        }
    }
    return true;
}

enum status digest_decode(struct slice octets, struct arena *arena, struct digest *out_digest)
{
    struct reader reader = {.rest = slice_skip(octets, 1), .arena = arena};
    struct digest digest = {0};

    if (octets.size == 0 || octets.size > DIGEST_SIZE_MAX) {
        return STATUS_INVALID;
    }
    if (octets.data[0] != VERSION) {
        return octets.data[0] > VERSION ? STATUS_UNSUPPORTED : STATUS_INVALID;
    }
    digest.size = get_number(&reader);
    digest.header_size = get_number(&reader);
    get_envelope(&reader, &digest.envelope);
    get_part(&reader, 0, &digest.root);
    digest.preview = get_text(&reader);
    digest.base_subject = get_text(&reader);
    digest.reference_count = get_count(&reader, 1);
    struct slice *references = arena_array(arena, digest.reference_count, sizeof(*references));

    for (size_t i = 0; i < digest.reference_count; i++) {
        references[i] = get_text(&reader);
    }
    digest.references = references;
    if (reader.is_broken || reader.rest.size > 0 || digest.header_size > digest.size ||
        !is_within(&digest.root, digest.size)) {
        return STATUS_INVALID;
    }
    *out_digest = digest;
    return STATUS_OK;
}
