#include "frontend/imap/imap_render.h"

#include "frontend/imap/imap_text.h"

/* ---- ENVELOPE ---- */

/* (name route mailbox host), the route being long obsolete. */
static void render_address(struct buffer *output, const struct digest_address *address)
{
    buffer_append_octet(output, '(');
    imap_append_nstring(output, address->name);
    buffer_append(output, SLICE(" NIL "));
    imap_append_nstring(output, address->mailbox);
    buffer_append_octet(output, ' ');
    imap_append_nstring(output, address->host);
    buffer_append_octet(output, ')');
}

static void render_addresses(struct buffer *output, const struct digest_addresses *addresses)
{
    if (addresses->count == 0) {
        buffer_append(output, SLICE("NIL "));
        return;
    }
    buffer_append_octet(output, '(');
    for (size_t i = 0; i < addresses->count; i++) {
        render_address(output, &addresses->items[i]);
    }
    buffer_append(output, SLICE(") "));
}

static const struct digest_addresses *or_from(const struct digest_addresses *addresses,
                                              const struct digest_envelope *envelope)
{
    return addresses->count > 0 ? addresses : &envelope->from;
}

void imap_render_envelope(struct buffer *output, const struct digest_envelope *envelope)
{
    buffer_append_octet(output, '(');
    imap_append_nstring(output, envelope->date);
    buffer_append_octet(output, ' ');
    imap_append_nstring(output, envelope->subject);
    buffer_append_octet(output, ' ');
    render_addresses(output, &envelope->from);
    render_addresses(output, or_from(&envelope->sender, envelope));
    render_addresses(output, or_from(&envelope->reply_to, envelope));
    render_addresses(output, &envelope->to);
    render_addresses(output, &envelope->cc);
    render_addresses(output, &envelope->bcc);
    imap_append_nstring(output, envelope->in_reply_to);
    buffer_append_octet(output, ' ');
    imap_append_nstring(output, envelope->message_id);
    buffer_append_octet(output, ')');
}

/* ---- BODYSTRUCTURE ---- */

static void render_parameters(struct buffer *output, const struct digest_parameters *parameters)
{
    if (parameters->count == 0) {
        buffer_append(output, SLICE("NIL"));
        return;
    }
    for (size_t i = 0; i < parameters->count; i++) {
        buffer_append_octet(output, i == 0 ? '(' : ' ');
        imap_append_string(output, parameters->items[i].name);
        buffer_append_octet(output, ' ');
        imap_append_string(output, parameters->items[i].value);
    }
    buffer_append_octet(output, ')');
}

static void render_disposition(struct buffer *output, const struct digest_part *part)
{
    if (part->disposition.data == NULL) {
        buffer_append(output, SLICE("NIL"));
        return;
    }
    buffer_append_octet(output, '(');
    imap_append_string(output, part->disposition);
    buffer_append_octet(output, ' ');
    render_parameters(output, &part->disposition_parameters);
    buffer_append_octet(output, ')');
}

/* One language is a string, several are a list. */
static void render_language(struct buffer *output, struct slice value)
{
    bool is_list = slice_find(value, ',') < value.size;
    struct slice rest = value;
    const char *before = "(";

    if (!is_list) {
        imap_append_nstring(output, value);
        return;
    }
    while (rest.size > 0) {
        buffer_append(output, slice_of(before));
        imap_append_string(output, slice_trim(slice_cut(&rest, ',')));
        before = " ";
    }
    buffer_append_octet(output, ')');
}

static void render_extension(struct buffer *output, const struct digest_part *part)
{
    buffer_append_octet(output, ' ');
    render_disposition(output, part);
    buffer_append_octet(output, ' ');
    render_language(output, part->language);
    buffer_append_octet(output, ' ');
    imap_append_nstring(output, part->location);
}

static void render_multipart(struct buffer *output, const struct digest_part *part, bool extended)
{
    static const struct digest_part nothing = {
        .type = {"text", 4}, .subtype = {"plain", 5}, .encoding = {"7bit", 4}};

    for (size_t i = 0; i < part->child_count; i++) {
        imap_render_structure(output, &part->children[i], extended);
    }
    if (part->child_count == 0) {
        /* The grammar wants one. */
        imap_render_structure(output, &nothing, extended);
    }
    buffer_append_octet(output, ' ');
    imap_append_string(output, part->subtype);
    if (extended) {
        buffer_append_octet(output, ' ');
        render_parameters(output, &part->parameters);
        render_extension(output, part);
    }
}

/* Envelope and structure of the message inside. */
static void render_inner(struct buffer *output, const struct digest_part *part, bool extended)
{
    static const struct digest_envelope no_envelope = {0};
    static const struct digest_part no_body = {
        .type = {"text", 4}, .subtype = {"plain", 5}, .encoding = {"7bit", 4}};

    buffer_append_octet(output, ' ');
    imap_render_envelope(output, part->envelope != NULL ? part->envelope : &no_envelope);
    buffer_append_octet(output, ' ');
    imap_render_structure(output, part->child_count > 0 ? part->children : &no_body, extended);
}

static void render_single(struct buffer *output, const struct digest_part *part, bool extended)
{
    bool is_message = slice_is(part->type, "message") && slice_is(part->subtype, "rfc822");

    imap_append_string(output, part->type);
    buffer_append_octet(output, ' ');
    imap_append_string(output, part->subtype);
    buffer_append_octet(output, ' ');
    render_parameters(output, &part->parameters);
    buffer_append_octet(output, ' ');
    imap_append_nstring(output, part->id);
    buffer_append_octet(output, ' ');
    imap_append_nstring(output, part->description);
    buffer_append_octet(output, ' ');
    imap_append_string(output, part->encoding.size > 0 ? part->encoding : SLICE("7bit"));
    buffer_append_octet(output, ' ');
    imap_append_number(output, part->body_size);
    if (is_message) {
        render_inner(output, part, extended);
    }
    if (is_message || slice_is(part->type, "text")) {
        buffer_append_octet(output, ' ');
        imap_append_number(output, part->lines);
    }
    if (extended) {
        buffer_append_octet(output, ' ');
        imap_append_nstring(output, part->md5);
        render_extension(output, part);
    }
}

void imap_render_structure(struct buffer *output, const struct digest_part *part, bool extended)
{
    buffer_append_octet(output, '(');
    if (slice_is(part->type, "multipart")) {
        render_multipart(output, part, extended);
    } else {
        render_single(output, part, extended);
    }
    buffer_append_octet(output, ')');
}
