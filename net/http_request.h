/* HTTP/1.1 requests (RFC 9112), read strictly: what two servers could understand differently is
 * refused. Pure: lines and octets in, a request out.
 *
 *     init -> ( line, line, ... -> octets, ... -> complete -> clear )* -> done
 */
#ifndef AVISO_NET_HTTP_REQUEST_H
#define AVISO_NET_HTTP_REQUEST_H

#include <llhttp.h>

#include "core/arena.h"
#include "core/buffer.h"
#include "net/http_server.h"

enum {
    HTTP_LINE_SIZE_MAX = 8 * 1024,  /* octets of a line of the head, CRLF included */
    HTTP_HEAD_SIZE_MAX = 32 * 1024, /* octets of a head */
    HTTP_HEADERS_MAX = 100,
};

enum http_progress {
    HTTP_WANTS_LINE,
    HTTP_WANTS_OCTETS,
    HTTP_COMPLETE,
    HTTP_REFUSED, /* with `refusal`; nothing more is understood on this connection */
};

struct http_reader {
    llhttp_t parser;
    struct arena arena; /* the head */
    struct buffer piece;
    struct buffer body;
    struct http_header headers[HTTP_HEADERS_MAX];
    struct http_request request;
    struct slice name; /* of the header whose value comes next */
    size_t head_size;
    unsigned refusal; /* a status code */
    bool has_head;
    bool is_complete;
    bool expects_continue; /* the client wants to hear 100 before it sends the body */
    bool keeps_alive;
};

/* `body_size_max` in octets. */
void http_reader_init(struct http_reader *reader, size_t body_size_max);
void http_reader_done(struct http_reader *reader);

/* Forgets the request, for the next one. */
void http_reader_clear(struct http_reader *reader);

/* A line of the head, without its CRLF. */
enum http_progress http_reader_line(struct http_reader *reader, struct slice line);

/* Octets of the body, of which `out_taken` belong to it. */
enum http_progress http_reader_octets(struct http_reader *reader, struct slice octets,
                                      size_t *out_taken);

#endif
