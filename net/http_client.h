/* One HTTP request, for tools: it blocks until the answer is there. */
#ifndef AVISO_NET_HTTP_CLIENT_H
#define AVISO_NET_HTTP_CLIENT_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

struct http_call {
    const char *method; /* "GET", "POST", "DELETE", ... */
    const char *url;    /* http or https; redirects are not followed */
    const char *token;  /* for "Authorization: Bearer"; NULL: none */
    const char *content_type;
    struct slice body;            /* none when empty */
    const char *authorities_path; /* PEM, who vouches for an https server; NULL: the system's */
    uint64_t timeout_ms;          /* of all of it */
};

/* Sends the request; the answer's status code and body come back whatever the code is. `out_body`
 * is appended to.
 * INVALID: not a URL, or a token that cannot be sent. UNAVAILABLE: nobody answers there.
 * DENIED: the server could not prove who it is. TIMED_OUT. TOO_LARGE: over the room in `out_body`.
 * CORRUPT: not HTTP, or cut. */
NODISCARD enum status http_client_call(const struct http_call *call, unsigned *out_code,
                                       struct buffer *out_body);

#endif
