#include "frontend/smtp/smtp_trace.h"

#include <inttypes.h>

#include "core/clock.h"
#include "core/random.h"
#include "mail/date.h"
#include "mail/header.h"

enum { ADDED_SIZE_MAX = 1024 };

size_t smtp_trace_hops(struct slice message)
{
    return header_count(header_block(message), "Received");
}

bool smtp_trace_has_bare_line_end(struct slice message)
{
    bool after_cr = false;

    for (size_t i = 0; i < message.size; i++) {
        if ((message.data[i] == '\n') != after_cr) {
            return true;
        }
        after_cr = message.data[i] == '\r';
    }
    return after_cr;
}

static void append_date(struct buffer *output)
{
    struct date now = {.unix_ms = (int64_t)clock_wall_ms()};

    date_print(&now, output);
}

/* An octet that cannot end a line, a comment or a word, whatever a client called itself. */
static void append_safely(struct buffer *output, struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char octet = (unsigned char)text.data[i];
        bool is_safe = octet > ' ' && octet != 0x7f && octet != '(' && octet != ')' &&
                       octet != ';' && octet != '\\' && octet != '"';

        buffer_append_octet(output, is_safe ? (char)octet : '?');
    }
}

/* "ESMTPSA" and its like (RFC 3848, RFC 6531 §4.3). */
static void append_protocol(const struct smtp_session *session, struct buffer *output)
{
    bool is_utf8 = session->envelope.parameters.is_utf8;

    if (session->options->service == SMTP_LMTP) {
        buffer_printf(output, is_utf8 ? "UTF8LMTP" : "LMTP");
    } else if (!session->is_extended) {
        buffer_printf(output, "SMTP");
    } else {
        buffer_printf(output, is_utf8 ? "UTF8SMTP" : "ESMTP");
    }
    if (session->is_extended) {
        buffer_printf(output, "%s%s", session->port.peer->is_tls ? "S" : "",
                      session->is_authenticated ? "A" : "");
    }
}

static void append_id(struct buffer *output)
{
    unsigned char octets[8];

    random_octets(octets, sizeof(octets));
    for (size_t i = 0; i < sizeof(octets); i++) {
        buffer_printf(output, "%02x", octets[i]);
    }
}

void smtp_append_received(const struct smtp_session *session, struct buffer *output)
{
    const struct session_peer *peer = session->port.peer;

    buffer_printf(output, "Received: from ");
    append_safely(output, buffer_view(&session->client_name));
    buffer_printf(output, " ([%s%.*s])\r\n\tby ",
                  slice_find(peer->address, ':') < peer->address.size ? "IPv6:" : "",
                  (int)peer->address.size, peer->address.data);
    buffer_append(output, session->options->host_name);
    buffer_printf(output, " (Aviso) with ");
    append_protocol(session, output);
    if (peer->is_tls) {
        buffer_printf(output, "\r\n\t(%.*s %.*s)", (int)peer->tls_version.size,
                      peer->tls_version.data, (int)peer->tls_cipher.size, peer->tls_cipher.data);
    }
    buffer_printf(output, "\r\n\tid ");
    append_id(output);
    /* Who else gets the message is nobody's business (RFC 5321 §7.6). */
    if (session->envelope.recipient_count == 1) {
        buffer_printf(output, "\r\n\tfor <");
        buffer_append(output, session->envelope.recipients->address);
        buffer_printf(output, ">");
    }
    buffer_printf(output, ";\r\n\t");
    append_date(output);
    buffer_printf(output, "\r\n");
}

/* ---- What a submitted message lacks ---- */

static void append_missing(const struct smtp_session *session, struct slice block,
                           struct buffer *output)
{
    struct header_field field;

    if (!header_find(block, "Date", &field)) {
        buffer_printf(output, "Date: ");
        append_date(output);
        buffer_printf(output, "\r\n");
    }
    if (!header_find(block, "Message-ID", &field)) {
        buffer_printf(output, "Message-ID: <");
        append_id(output);
        append_id(output);
        buffer_append_octet(output, '@');
        buffer_append(output, session->options->host_name);
        buffer_printf(output, ">\r\n");
    }
    if (!header_find(block, "From", &field)) {
        buffer_printf(output, "From: <");
        buffer_append(output, session->envelope.sender);
        buffer_printf(output, ">\r\n");
    }
}

enum status smtp_trace_complete(struct smtp_session *session, struct slice *message)
{
    const struct smtp_options *options = session->options;
    struct slice block = header_block(*message);
    struct header_field received;
    struct buffer missing;
    struct spool complete;
    enum status status = STATUS_OK;

    buffer_init(&missing, ADDED_SIZE_MAX);
    append_missing(session, block, &missing);
    if (missing.size == 0 || !header_next(&block, &received)) {
        buffer_done(&missing);
        return STATUS_OK;
    }
    spool_init(&complete, options->spool_folder, options->spool_memory_max,
               options->message_size_max + 2 * SMTP_RECEIVED_SIZE_MAX);
    status = spool_append(&complete, received.whole);
    if (status == STATUS_OK) {
        status = spool_append(&complete, buffer_view(&missing));
    }
    if (status == STATUS_OK) {
        status = spool_append(&complete, slice_skip(*message, received.whole.size));
    }
    buffer_done(&missing);
    spool_done(&session->spool);
    session->spool = complete;
    return status == STATUS_OK ? spool_view(&session->spool, message) : status;
}
