#include "net/tls_stream.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <openssl/err.h>

#include "core/check.h"
#include "core/memory.h"
#include "net/tls_internal.h"

enum { KEPT_SIZE_MAX = 1024 * 1024 };

struct tls_stream {
    SSL *ssl;
    struct slice lent;  /* from the peer, not used yet, while lent */
    struct buffer kept; /* the same between callbacks, of which the first octets were used */
    size_t kept_used;
    struct buffer output;
};

/* ---- OpenSSL reads and writes through these ---- */

static int take_sealed(BIO *bio, char *out_octets, int size)
{
    struct tls_stream *stream = BIO_get_data(bio);
    struct slice kept = slice_skip(buffer_view(&stream->kept), stream->kept_used);
    struct slice source = kept.size > 0 ? kept : stream->lent;
    struct slice taken = slice_prefix(source, (size_t)size);

    BIO_clear_retry_flags(bio);
    if (taken.size == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out_octets, taken.data, taken.size);
    if (kept.size > 0) {
        stream->kept_used += taken.size;
    } else {
        stream->lent = slice_skip(stream->lent, taken.size);
    }
    return (int)taken.size;
}

static int put_sealed(BIO *bio, const char *octets, int size)
{
    struct tls_stream *stream = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buffer_append(&stream->output, (struct slice){octets, (size_t)size});
    return size;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "aviso");
    CHECK(method != NULL);
    CHECK(BIO_meth_set_read(method, take_sealed) == 1);
    CHECK(BIO_meth_set_write(method, put_sealed) == 1);
    CHECK(BIO_meth_set_ctrl(method, control) == 1);
}

/* ---- Beginning and end ---- */

static struct tls_stream *stream_new(struct tls_context *context)
{
    struct tls_stream *stream = NEW(struct tls_stream);
    SSL_CTX *current = tls_context_get(context);

    CHECK(pthread_once(&method_once, make_method) == 0);
    buffer_init(&stream->kept, KEPT_SIZE_MAX);
    buffer_init(&stream->output, SIZE_MAX / 2);
    stream->ssl = SSL_new(current);
    SSL_CTX_free(current);

    BIO *bio = BIO_new(method);

    CHECK(stream->ssl != NULL && bio != NULL);
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(stream->ssl, bio, bio);
    return stream;
}

struct tls_stream *tls_stream_accept(struct tls_context *context)
{
    struct tls_stream *stream = stream_new(context);

    SSL_set_accept_state(stream->ssl);
    return stream;
}

struct tls_stream *tls_stream_connect(struct tls_context *context, const char *name)
{
    struct tls_stream *stream = stream_new(context);
    char octets[sizeof(struct in6_addr)];

    SSL_set_connect_state(stream->ssl);
    if (name == NULL) {
        return stream;
    }
    if (inet_pton(AF_INET, name, octets) == 1 || inet_pton(AF_INET6, name, octets) == 1) {
        CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream->ssl), name) == 1);
    } else {
        CHECK(SSL_set_tlsext_host_name(stream->ssl, name) == 1);
        CHECK(SSL_set1_host(stream->ssl, name) == 1);
    }
    return stream;
}

void tls_stream_free(struct tls_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    SSL_free(stream->ssl);
    buffer_done(&stream->kept);
    buffer_done(&stream->output);
    memory_free(stream);
}

/* ---- Octets ---- */

void tls_stream_give(struct tls_stream *stream, struct slice sealed)
{
    CHECK(stream->lent.size == 0);
    stream->lent = sealed;
}

void tls_stream_keep(struct tls_stream *stream)
{
    if (stream->kept_used == stream->kept.size) {
        buffer_release(&stream->kept);
        stream->kept_used = 0;
    }
    if (stream->lent.size > 0) {
        buffer_consume(&stream->kept, stream->kept_used);
        stream->kept_used = 0;
        buffer_append(&stream->kept, stream->lent);
        stream->lent = (struct slice){0};
    }
}

enum status tls_stream_handshake(struct tls_stream *stream)
{
    ERR_clear_error();
    int result = SSL_do_handshake(stream->ssl);

    if (result == 1) {
        return STATUS_OK;
    }
    bool waits = SSL_get_error(stream->ssl, result) == SSL_ERROR_WANT_READ;

    ERR_clear_error();
    return waits ? STATUS_AGAIN : STATUS_DENIED;
}

enum status tls_stream_read(struct tls_stream *stream, char *out_clear, size_t size,
                            size_t *out_size)
{
    ERR_clear_error();
    if (SSL_read_ex(stream->ssl, out_clear, size, out_size) == 1) {
        return STATUS_OK;
    }
    int error = SSL_get_error(stream->ssl, 0);

    ERR_clear_error();
    switch (error) {
    case SSL_ERROR_WANT_READ:
        return STATUS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return STATUS_NOT_FOUND;
    default:
        return STATUS_CORRUPT;
    }
}

enum status tls_stream_write(struct tls_stream *stream, struct slice clear)
{
    while (clear.size > 0) {
        size_t written = 0;

        ERR_clear_error();
        if (SSL_write_ex(stream->ssl, clear.data, clear.size, &written) != 1) {
            ERR_clear_error();
            return STATUS_CORRUPT;
        }
        clear = slice_skip(clear, written);
    }
    return STATUS_OK;
}

void tls_stream_end(struct tls_stream *stream)
{
    ERR_clear_error();
    if (SSL_is_init_finished(stream->ssl)) {
        SSL_shutdown(stream->ssl);
        ERR_clear_error();
    }
}

struct buffer *tls_stream_output(struct tls_stream *stream)
{
    return &stream->output;
}

const char *tls_stream_version(const struct tls_stream *stream)
{
    return SSL_get_version(stream->ssl);
}

const char *tls_stream_cipher(const struct tls_stream *stream)
{
    return SSL_get_cipher_name(stream->ssl);
}
