/* An HTTP/1.1 server as a protocol of connections: whole requests in, whole responses out, at once
 * or later, on the connection's loop. */
#ifndef AVISO_NET_HTTP_SERVER_H
#define AVISO_NET_HTTP_SERVER_H

#include "core/macros.h"
#include "core/status.h"
#include "net/session.h"

struct http_exchange;

struct http_header {
    struct slice name;
    struct slice value;
};

/* Valid until the response. */
struct http_request {
    struct slice method; /* "GET" */
    struct slice path;   /* "/admin/accounts", still escaped */
    struct slice query;  /* what follows the '?' */
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
};

struct http_handler {
    /* Answers by http_respond(), now or later. */
    void (*serve)(struct http_exchange *exchange, const struct http_request *request,
                  void *context);
    void *context;
    size_t body_size_max; /* octets; over it a request is refused with 413 */
};

/* A protocol that serves `handler`, which must outlive it. */
struct protocol http_protocol(const struct http_handler *handler);

/* The loop that the exchange belongs to, and who asks. */
struct loop *http_exchange_loop(const struct http_exchange *exchange);
const struct session_peer *http_exchange_peer(const struct http_exchange *exchange);

/* For a response that comes later: `on_gone` runs once if the connection is gone before, after
 * which the exchange is gone, too. */
void http_exchange_hold(struct http_exchange *exchange, void (*on_gone)(void *context),
                        void *context);

/* A header of the response; a value with a CR, LF or NUL is left out. */
void http_respond_header(struct http_exchange *exchange, const char *name, struct slice value);

/* The response, once. `content_type` NULL: no body. Copies. It may free the exchange: the last
 * statement of a continuation. */
void http_respond(struct http_exchange *exchange, unsigned code, const char *content_type,
                  struct slice body);

/* The value of the header `name`, whatever its case. NOT_FOUND. */
NODISCARD enum status http_request_header(const struct http_request *request, const char *name,
                                          struct slice *out_value);

/* Appends the value of `name` in the query, unescaped. NOT_FOUND. INVALID: not well escaped, or
 * over the room in `out_value`. */
NODISCARD enum status http_request_query(const struct http_request *request, const char *name,
                                         struct buffer *out_value);

/* Appends `text` without its percent escapes; "+" is a blank in queries. INVALID: as above. */
NODISCARD enum status http_unescape(struct slice text, bool is_query, struct buffer *out_text);

#endif
