/* One side of a TLS connection that knows no socket: sealed octets are given and taken, clear ones
 * read and written. An idle stream keeps no buffers. */
#ifndef AVISO_NET_TLS_STREAM_H
#define AVISO_NET_TLS_STREAM_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/status.h"
#include "net/tls.h"

struct tls_stream;

/* The side that listens. */
struct tls_stream *tls_stream_accept(struct tls_context *context);

/* The side that connects. `name` is the peer's, checked when the context has authorities; NULL:
 * any that they signed. */
struct tls_stream *tls_stream_connect(struct tls_context *context, const char *name);
void tls_stream_free(struct tls_stream *stream); /* accepts NULL */

/* Lends octets from the peer until tls_stream_keep(), which copies what is not used yet. All that
 * was given before is used, or kept. */
void tls_stream_give(struct tls_stream *stream, struct slice sealed);
void tls_stream_keep(struct tls_stream *stream);

/* AGAIN: more octets are needed. DENIED: it failed, and an alert is in the output. */
NODISCARD enum status tls_stream_handshake(struct tls_stream *stream);

/* Reads at most `size` octets, at least one. AGAIN: none yet. NOT_FOUND: the peer ended the stream
 * in order. CORRUPT: it broke the protocol. */
NODISCARD enum status tls_stream_read(struct tls_stream *stream, char *out_clear, size_t size,
                                      size_t *out_size);

/* Seals all of `clear` into the output. CORRUPT: the stream is broken. */
NODISCARD enum status tls_stream_write(struct tls_stream *stream, struct slice clear);

/* Says that nothing follows (close_notify). */
void tls_stream_end(struct tls_stream *stream);

/* Sealed octets for the peer: the caller takes them out, and bounds what it writes. */
struct buffer *tls_stream_output(struct tls_stream *stream);

/* Literals, after the handshake. */
const char *tls_stream_version(const struct tls_stream *stream);
const char *tls_stream_cipher(const struct tls_stream *stream);

#endif
