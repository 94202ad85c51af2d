/* The contract between a protocol session and the connection that carries it.
 *
 * A session knows no sockets: it takes lines or octets, appends replies to its port, and says what
 * it wants next. So the same session runs on a connection, in a unit test and in the simulator. */
#ifndef AVISO_NET_SESSION_H
#define AVISO_NET_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"

struct loop;

/* What a session wants after each of its functions, and after a wake. */
enum session_next {
    SESSION_READS,        /* the next line, for on_line */
    SESSION_READS_OCTETS, /* whatever comes, for on_octets: literals, message data */
    SESSION_WAITS,  /* nothing, until a request in flight ends and the session wakes its port */
    SESSION_WRITES, /* room in the output, for on_drained: it has more to say than the port holds */
    SESSION_STARTS_TLS, /* replies sent, then the handshake; the end, when clear text came ahead of
                           it, which is dropped */
    SESSION_ENDS,       /* its replies flushed, then the end */
};

/* Who is on the other side. */
struct session_peer {
    struct slice address; /* numeric text, without port: "192.0.2.1", "2001:db8::1" */
    uint16_t port;
    uint16_t local_port;
    bool is_loopback;
    bool is_tls;              /* from the first octet or since STARTTLS */
    struct slice tls_version; /* "TLSv1.3"; empty in the clear */
    struct slice tls_cipher;  /* "TLS_AES_256_GCM_SHA384" */
};

enum {
    SESSION_OUTPUT_ENOUGH =
        64 * 1024, /* octets: over it no more lines are served until it drained */
    SESSION_OUTPUT_MAX =
        1024 * 1024, /* octets: a session that may write more uses SESSION_WRITES */
};

/* The session's side of its connection; it lives as long as the session. */
struct session_port {
    struct buffer
        *output; /* replies; the connection sends them when the session's function returns */
    const struct session_peer *peer;
    struct loop *loop; /* on which the session runs; NULL in unit tests that need none */
    void *connection;
    /* Ends SESSION_WAITS, or any other wait: an idle session may so end by itself. Not from within
     * the session's functions. It may free the session: the last statement of a continuation. */
    void (*wake)(void *connection, enum session_next next);
    /* Sends what was appended outside of the session's functions, as an idling IMAP session does.
     * It never frees the session. Who writes unasked looks at buffer_room() first: a peer that
     * does not read makes no room. */
    void (*flush)(void *connection);
    /* How long the peer may stay silent from now on, in the phase that begins. */
    void (*set_idle_timeout)(void *connection, uint64_t timeout_ms);
    /* Whether the peer sent more than this line before it could hear the reply to it. */
    bool (*has_more)(const void *connection);
};

/* How to run the sessions of one protocol. Functions that a protocol does not need are NULL. */
struct protocol {
    const char *name;         /* "imap": for logs and metrics */
    size_t line_size_max;     /* octets, CRLF included */
    uint64_t idle_timeout_ms; /* until the session sets another; a peer is silent while it ends no
                                 line, or sends less than a KiB of octets */
    size_t output_size_max;   /* octets; 0: SESSION_OUTPUT_MAX */
    /* Greets. The session may end at once: then it sets `*out_next` to SESSION_ENDS. */
    void *(*open)(const struct session_port *port, void *context, enum session_next *out_next);
    /* A line without its CRLF, borrowed until the function returns. */
    enum session_next (*on_line)(void *session, struct slice line);
    /* Once for a line over the limit; the rest of it is dropped up to its CRLF. */
    enum session_next (*on_overlong_line)(void *session);
    /* At least one octet. Takes a prefix and says how much; the rest is kept for what it wants
     * next. */
    enum session_next (*on_octets)(void *session, struct slice octets, size_t *out_taken);
    enum session_next (*on_drained)(void *session);
    /* The handshake after SESSION_STARTS_TLS is over; peer->is_tls is true. */
    enum session_next (*on_tls)(void *session);
    /* The peer was silent for too long: a last reply, then the end. */
    void (*on_timeout)(void *session);
    /* The server stops: a last reply, then the end. A session that waits is told when it wakes. */
    void (*on_stop)(void *session);
    /* The connection is gone or going. Cancels what is in flight. */
    void (*free)(void *session);
    void *context;
};

#endif
