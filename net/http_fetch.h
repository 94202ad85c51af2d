/* HTTP requests on a loop: many at a time, none of them blocks, and answers need have no end.
 *
 *     http_agent_new -> http_fetch_init -> http_fetch_start -> on_octets, on_octets, ... -> on_end
 */
#ifndef AVISO_NET_HTTP_FETCH_H
#define AVISO_NET_HTTP_FETCH_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"
#include "net/loop.h"

/* A loop's side of libcurl: the connections, which requests share and which are kept open. */
struct http_agent;

struct http_agent_options {
    struct loop *loop;
    const char *authorities_path; /* PEM, who vouches for https servers; NULL: the system's */
    const char *certificate_path; /* PEM, our own, with its key; NULL: none */
    const char *key_path;
};

/* Copies the options. */
struct http_agent *http_agent_new(const struct http_agent_options *options);

/* With no request in flight, not within a continuation of one. On its loop, or when that does not
 * run. Accepts NULL. */
void http_agent_free(struct http_agent *agent);

struct http_fetch_header {
    struct slice name; /* with its colon: "Authorization:" */
    struct slice value;
};

/* What is asked; copied. */
struct http_fetch_request {
    const char *url; /* http or https; redirects are not followed */
    struct slice body;
    const struct http_fetch_header *headers;
    size_t header_count;
    uint64_t connect_timeout_ms; /* 0: what libcurl thinks right */
    uint64_t timeout_ms;         /* of all of it; 0: the answer may go on for ever */
};

/* One request in flight, embedded in who wants the answer. */
struct http_fetch {
    /* Something was appended to `answer`; the owner consumes what it has used. NULL: the answer is
     * wanted as a whole. It may cancel, start or free anything but the agent. */
    void (*on_octets)(struct http_fetch *fetch);

    /* The end, once, never before http_fetch_start() returned and not after a cancel. OK: `code` is
     * the HTTP code, whatever it is. UNAVAILABLE: nobody answers there, nothing was sent. DENIED:
     * the server could not prove who it is. TIMED_OUT. TOO_LARGE: over the room in `answer`.
     * INVALID: not a URL, or a header that cannot be sent. CORRUPT: not HTTP, or cut. */
    void (*on_end)(struct http_fetch *fetch, enum status status, unsigned code);

    struct buffer answer;           /* the body; its `size_max` is the limit */
    struct http_transfer *transfer; /* the agent's; NULL: nothing is in flight */
};

/* Nothing is in flight yet. `answer_size_max`: octets of the answer that may wait to be consumed.
 */
void http_fetch_init(struct http_fetch *fetch, size_t answer_size_max);

/* Cancels, and frees the answer. */
void http_fetch_done(struct http_fetch *fetch);

/* Sends a POST. Nothing may be in flight; the answer is emptied. */
void http_fetch_start(struct http_fetch *fetch, struct http_agent *agent,
                      const struct http_fetch_request *request);

/* Forgets the request; the server may have served it. Harmless when none is in flight. */
void http_fetch_cancel(struct http_fetch *fetch);

#endif
