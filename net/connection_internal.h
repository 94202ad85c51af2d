/* What a connection is, for the two files that make it: connection.c has its life and its time,
 * connection_pump.c serves its session. */
#ifndef AVISO_NET_CONNECTION_INTERNAL_H
#define AVISO_NET_CONNECTION_INTERNAL_H

#include "core/line_reader.h"
#include "net/connection.h"
#include "net/connection_peer.h"
#include "net/transport.h"

enum connection_phase {
    CONNECTING,
    SHAKING_HANDS,
    SERVING,
    LINGERING, /* the session is gone, its last reply on its way */
    CLOSING,
};

struct connection {
    struct transport transport;
    struct connection_host *host;
    struct connection *next_connection;
    struct connection **link; /* what points to this one */
    uv_connect_t connect;
    void (*on_failed)(void *context);

    enum connection_phase phase;
    void *session; /* NULL: not open yet, or gone */
    enum session_next next;
    struct session_port port;
    struct connection_peer peer;
    struct line_reader reader;
    struct buffer output;
    bool is_pumping; /* in a function of the session's */
    bool is_stopping;
    bool is_admitted;

    struct loop_timer timer;  /* for what `due_of` says */
    struct loop_timer resume; /* goes on next turn */
    struct loop_deferral late_flush;
    uint64_t idle_timeout_ms;
    uint64_t phase_ms;      /* when the phase began */
    uint64_t heard_ms;      /* when the peer last said something whole */
    uint64_t sent_ms;       /* when it last took something */
    size_t unsent_size;     /* then */
    size_t heard_size;      /* octets since `heard_ms` */
    size_t turn_size;       /* octets sent in this turn */
    struct tls_stream *tls; /* for when it is connected; then the transport's */
};

/* The phase, and when it began. */
void connection_enter(struct connection *connection, enum connection_phase phase);

/* The peer said something whole: its silence begins anew. */
void connection_heard(struct connection *connection);

/* Sets the timer for the patience that is due next. */
void connection_set_timer(struct connection *connection);

/* Ends the session and closes the socket at once; or, when all replies are sent, the socket once
 * the peer has read them. */
void connection_close(struct connection *connection);
void connection_finish(struct connection *connection);

/* Opens the session. */
void connection_open_session(struct connection *connection);

/* Sends what is in the output, as far as the socket takes it. */
void connection_flush(struct connection *connection);

/* The same for replies ahead of one that is still waited for: when that comes at once, all go
 * together (RFC 2920 §3.2). */
void connection_flush_late(struct loop_deferral *late_flush);

/* Moves the session on as far as input and output allow. It may free the session, and closes a
 * broken connection. */
void connection_pump(struct connection *connection);

/* After the handshake. */
void connection_secured(struct connection *connection);

#endif
