#include "net/http_request.h"

#include <string.h>

#include "core/check.h"

/* ---- What llhttp finds ---- */

static struct http_reader *reader_of(llhttp_t *parser)
{
    return CONTAINER_OF(parser, struct http_reader, parser);
}

static int refuse(struct http_reader *reader, unsigned code)
{
    if (reader->refusal == 0) {
        reader->refusal = code;
    }
    return HPE_USER;
}

/* A piece of the target, a name or a value. The head's limit bounds it; trailers after a body are
 * counted and forgotten. */
static int on_piece(llhttp_t *parser, const char *octets, size_t size)
{
    struct http_reader *reader = reader_of(parser);

    if (!reader->has_head) {
        buffer_append(&reader->piece, (struct slice){octets, size});
        return 0;
    }
    reader->head_size += size;
    return reader->head_size > HTTP_HEAD_SIZE_MAX ? refuse(reader, 431) : 0;
}

static struct slice take_piece(struct http_reader *reader)
{
    struct slice piece = arena_copy(&reader->arena, buffer_view(&reader->piece));

    buffer_clear(&reader->piece);
    return piece;
}

static int on_url_complete(llhttp_t *parser)
{
    struct http_reader *reader = reader_of(parser);
    struct slice target = take_piece(reader);

    reader->request.query = target;
    reader->request.path = slice_cut(&reader->request.query, '?');
    return 0;
}

static int on_name_complete(llhttp_t *parser)
{
    struct http_reader *reader = reader_of(parser);

    if (!reader->has_head) {
        reader->name = take_piece(reader);
    }
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct http_reader *reader = reader_of(parser);

    if (reader->has_head) {
        return 0;
    }
    if (reader->request.header_count == HTTP_HEADERS_MAX) {
        return refuse(reader, 431);
    }
    reader->headers[reader->request.header_count++] =
        (struct http_header){reader->name, slice_trim(take_piece(reader))};
    return 0;
}

static size_t count_headers(const struct http_reader *reader, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < reader->request.header_count; i++) {
        count += slice_is(reader->headers[i].name, name);
    }
    return count;
}

/* RFC 9112 §3.2: exactly one Host. §6.1: a length and an encoding at once are an attack. */
static bool is_well_framed(const struct http_reader *reader)
{
    bool is_old = reader->parser.http_major == 1 && reader->parser.http_minor == 0;
    size_t hosts = count_headers(reader, "Host");

    return reader->parser.http_major == 1 && hosts <= 1 && (hosts == 1 || is_old) &&
           count_headers(reader, "Content-Length") + count_headers(reader, "Transfer-Encoding") <=
               1 &&
           (!is_old || count_headers(reader, "Transfer-Encoding") == 0);
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http_reader *reader = reader_of(parser);
    struct slice expectation;

    reader->has_head = true;
    reader->request.method = slice_of(llhttp_method_name((llhttp_method_t)parser->method));
    if (!is_well_framed(reader)) {
        return refuse(reader, 400);
    }
    if ((parser->flags & F_CONTENT_LENGTH) != 0 && parser->content_length > reader->body.size_max) {
        return refuse(reader, 413);
    }
    if (http_request_header(&reader->request, "Expect", &expectation) == STATUS_OK) {
        reader->expects_continue = slice_is(expectation, "100-continue");
        return reader->expects_continue ? 0 : refuse(reader, 417);
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *octets, size_t size)
{
    struct http_reader *reader = reader_of(parser);

    if (size > buffer_room(&reader->body)) {
        return refuse(reader, 413);
    }
    buffer_append(&reader->body, (struct slice){octets, size});
    return 0;
}

/* Nobody needs chunk extensions, and servers have disagreed about their ends. */
static int on_extension(llhttp_t *parser, const char *octets, size_t size)
{
    return refuse(reader_of(parser), 400);
}

static int on_message_complete(llhttp_t *parser)
{
    struct http_reader *reader = reader_of(parser);

    reader->is_complete = true;
    reader->keeps_alive = llhttp_should_keep_alive(parser) != 0 && parser->upgrade == 0;
    reader->request.body = buffer_view(&reader->body);
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_piece,
    .on_url_complete = on_url_complete,
    .on_header_field = on_piece,
    .on_header_field_complete = on_name_complete,
    .on_header_value = on_piece,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_message_complete = on_message_complete,
};

/* ---- The reader ---- */

void http_reader_init(struct http_reader *reader, size_t body_size_max)
{
    *reader = (struct http_reader){.request = {.header_count = 0}};
    arena_init(&reader->arena);
    buffer_init(&reader->piece, HTTP_HEAD_SIZE_MAX + HTTP_LINE_SIZE_MAX);
    buffer_init(&reader->body, body_size_max);
    http_reader_clear(reader);
}

void http_reader_done(struct http_reader *reader)
{
    arena_done(&reader->arena);
    buffer_done(&reader->piece);
    buffer_done(&reader->body);
}

void http_reader_clear(struct http_reader *reader)
{
    arena_done(&reader->arena);
    buffer_release(&reader->piece);
    buffer_release(&reader->body);
    reader->request = (struct http_request){.headers = reader->headers};
    reader->head_size = 0;
    reader->refusal = 0;
    reader->has_head = reader->is_complete = reader->expects_continue = false;
    llhttp_init(&reader->parser, HTTP_REQUEST, &settings);
}

static enum http_progress execute(struct http_reader *reader, struct slice octets,
                                  size_t *out_taken)
{
    llhttp_errno_t error = llhttp_execute(&reader->parser, octets.data, octets.size);

    *out_taken = octets.size;
    if (reader->refusal > 0) {
        return HTTP_REFUSED;
    }
    if (reader->is_complete) {
        const char *end = llhttp_get_error_pos(&reader->parser);

        if (error != HPE_OK && end != NULL) {
            *out_taken = (size_t)(end - octets.data);
        }
        return HTTP_COMPLETE;
    }
    if (error != HPE_OK) {
        reader->refusal = 400;
        return HTTP_REFUSED;
    }
    return reader->has_head ? HTTP_WANTS_OCTETS : HTTP_WANTS_LINE;
}

/* RFC 9112 §3: method, one blank, target, one blank, version. */
static bool is_request_line(struct slice line)
{
    struct slice method = slice_cut(&line, ' ');
    struct slice target = slice_cut(&line, ' ');

    return method.size > 0 && target.size > 0 && slice_starts_with(line, SLICE("HTTP/1.")) &&
           slice_find(line, ' ') == line.size;
}

/* RFC 9112 §5: no blank before the colon, and no folding, which some parsers do not know. */
static bool is_header_line(struct slice line)
{
    struct slice name = slice_prefix(line, slice_find(line, ':'));

    return line.size == 0 ||
           (name.size > 0 && name.size < line.size && slice_find(name, ' ') == name.size &&
            slice_find(name, '\t') == name.size);
}

/* Lines that another parser might cut or understand differently. */
static bool is_ambiguous(const struct http_reader *reader, struct slice line)
{
    return !(reader->head_size == 0 ? is_request_line(line) : is_header_line(line)) ||
           slice_find(line, '\r') < line.size || slice_find(line, '\n') < line.size ||
           slice_find(line, '\0') < line.size;
}

enum http_progress http_reader_line(struct http_reader *reader, struct slice line)
{
    size_t taken = 0;

    if (line.size == 0 && reader->head_size == 0) {
        return HTTP_WANTS_LINE; /* RFC 9112 §2.2: empty lines before a request */
    }
    if (is_ambiguous(reader, line)) {
        refuse(reader, 400);
        return HTTP_REFUSED;
    }
    reader->head_size += line.size + 2;
    if (reader->head_size > HTTP_HEAD_SIZE_MAX) {
        refuse(reader, 431);
        return HTTP_REFUSED;
    }
    enum http_progress progress = line.size > 0 ? execute(reader, line, &taken) : HTTP_WANTS_LINE;

    return progress == HTTP_WANTS_LINE ? execute(reader, SLICE("\r\n"), &taken) : progress;
}

enum http_progress http_reader_octets(struct http_reader *reader, struct slice octets,
                                      size_t *out_taken)
{
    return execute(reader, octets, out_taken);
}

/* ---- What handlers ask ---- */

enum status http_request_header(const struct http_request *request, const char *name,
                                struct slice *out_value)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_is(request->headers[i].name, name)) {
            *out_value = request->headers[i].value;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

static int hex_value(char octet)
{
    if (octet >= '0' && octet <= '9') {
        return octet - '0';
    }
    char lower = ascii_lower(octet);

    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

enum status http_unescape(struct slice text, bool is_query, struct buffer *out_text)
{
    if (text.size > buffer_room(out_text)) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < text.size; i++) {
        char octet = text.data[i];

        if (octet == '%') {
            int high = i + 2 < text.size ? hex_value(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text.data[i + 2]) : -1;

            if (low < 0) {
                return STATUS_INVALID;
            }
            octet = (char)(high * 16 + low);
            i += 2;
        } else if (octet == '+' && is_query) {
            octet = ' ';
        }
        buffer_append_octet(out_text, octet);
    }
    return STATUS_OK;
}

enum status http_request_query(const struct http_request *request, const char *name,
                               struct buffer *out_value)
{
    struct slice rest = request->query;

    while (rest.size > 0) {
        struct slice value = slice_cut(&rest, '&');
        struct slice key = slice_cut(&value, '=');

        if (slice_equals(key, slice_of(name))) {
            return http_unescape(value, true, out_value);
        }
    }
    return STATUS_NOT_FOUND;
}
