#include "mail/trace.h"

#include "mail/address.h"

enum { WORD_SIZE_MAX = 255 };

/* Appends `text` with "?" for what would end or begin something in a field: blanks, brackets,
 * comments, controls, and what is not ASCII. */
static void put_word(struct slice text, struct buffer *output)
{
    static const char special[] = "()<>;\\\",@";

    text = slice_prefix(text, WORD_SIZE_MAX);
    for (size_t i = 0; i < text.size; i++) {
        bool is_special = slice_find(SLICE(special), text.data[i]) < sizeof(special) - 1 ||
                          (unsigned char)text.data[i] <= ' ' || (unsigned char)text.data[i] >= 0x7f;

        buffer_append_octet(output, is_special ? '?' : text.data[i]);
    }
    if (text.size == 0) {
        buffer_append(output, SLICE("unknown"));
    }
}

/* Two words in a comment: what TLS has agreed on. */
static void put_comment(struct slice text, struct buffer *output)
{
    const char *before = "\r\n\t(";

    while (text.size > 0) {
        struct slice word = slice_cut(&text, ' ');

        if (word.size > 0) {
            buffer_append(output, slice_of(before));
            put_word(word, output);
            before = " ";
        }
    }
    buffer_append(output, *before == ' ' ? SLICE(")") : SLICE(""));
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 §4.1.3). */
static void put_address_literal(struct slice address, struct buffer *output)
{
    bool is_ipv6 = slice_find(address, ':') < address.size;

    buffer_append(output, is_ipv6 ? SLICE("[IPv6:") : SLICE("["));
    put_word(address, output);
    buffer_append(output, SLICE("]"));
}

/* From-domain: what the client said, and what is known of it. */
static void put_client(const struct trace_received *received, struct buffer *output)
{
    buffer_append(output, SLICE("from "));
    put_word(received->client_said, output);
    if (received->client_address.size == 0) {
        return;
    }
    buffer_append(output, SLICE(" ("));
    if (received->client_host.size > 0) {
        put_word(received->client_host, output);
        buffer_append(output, SLICE(" "));
    }
    put_address_literal(received->client_address, output);
    buffer_append(output, SLICE(")"));
}

/* Appends "<mailbox>" when it is one. */
static enum status put_path(struct slice mailbox, struct buffer *output)
{
    struct address_path path;
    struct buffer text;

    if (mailbox.size > ADDRESS_SIZE_MAX) {
        return STATUS_INVALID;
    }
    buffer_init(&text, ADDRESS_SIZE_MAX + 2);
    buffer_append_octet(&text, '<');
    buffer_append(&text, mailbox);
    buffer_append_octet(&text, '>');
    struct slice rest = buffer_view(&text);
    enum address_path_kind kind = mailbox.size > 0 ? ADDRESS_PATH_FORWARD : ADDRESS_PATH_REVERSE;
    enum status status = address_parse_path(&rest, kind, &path);

    status = rest.size > 0 || path.mailbox.size != mailbox.size ? STATUS_INVALID : status;
    if (status == STATUS_OK) {
        buffer_append(output, buffer_view(&text));
    }
    buffer_done(&text);
    return status;
}

enum status trace_write_received(const struct trace_received *received, struct buffer *output)
{
    if (buffer_room(output) < TRACE_FIELD_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    buffer_append(output, SLICE("Received: "));
    put_client(received, output);
    if (received->tls.size > 0) {
        put_comment(slice_prefix(received->tls, WORD_SIZE_MAX), output);
    }
    buffer_append(output, SLICE("\r\n\tby "));
    put_word(received->server_name, output);
    buffer_append(output, SLICE(" with "));
    put_word(received->protocol, output);
    if (received->id.size > 0) {
        buffer_append(output, SLICE("\r\n\tid "));
        put_word(received->id, output);
    }
    if (received->recipient.size > 0) {
        size_t size_before = output->size;

        buffer_append(output, SLICE("\r\n\tfor "));
        if (put_path(received->recipient, output) != STATUS_OK) {
            output->size = size_before;
        }
    }
    buffer_append(output, SLICE(";\r\n\t"));
    date_print(&received->date, output);
    buffer_append(output, SLICE("\r\n"));
    return STATUS_OK;
}

enum status trace_write_return_path(struct slice mailbox, struct buffer *output)
{
    size_t size_before = output->size;

    if (buffer_room(output) < TRACE_FIELD_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    buffer_append(output, SLICE("Return-Path: "));
    if (put_path(mailbox, output) != STATUS_OK) {
        output->size = size_before;
        return STATUS_INVALID;
    }
    buffer_append(output, SLICE("\r\n"));
    return STATUS_OK;
}
