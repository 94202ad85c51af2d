#include "net/tls.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <openssl/err.h>

#include "core/check.h"
#include "core/memory.h"
#include "net/tls_internal.h"

struct tls_context {
    char *certificate_path;
    char *key_path;
    char *authorities_path;
    pthread_mutex_t lock; /* over the next */
    SSL_CTX *current;
};

static char *copy_path(const char *path)
{
    if (path == NULL) {
        return NULL;
    }
    size_t size = strlen(path) + 1;

    return memcpy(memory_resized(NULL, size), path, size);
}

static enum status refuse(const char *fault, const char **out_fault)
{
    ERR_clear_error();
    *out_fault = fault;
    return STATUS_INVALID;
}

/* What every handshake of ours insists on. Sessions are in tickets, not in memory. */
static SSL_CTX *make_strict(void)
{
    static const unsigned char id[] = "aviso";
    SSL_CTX *made = SSL_CTX_new(TLS_method());

    CHECK(made != NULL);
    CHECK(SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION) == 1);
    SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_SINGLE_ECDH_USE);
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    CHECK(SSL_CTX_set_session_id_context(made, id, sizeof(id) - 1) == 1);
    CHECK(SSL_CTX_set_num_tickets(made, 1) == 1);
    return made;
}

static bool is_readable(const char *path)
{
    BIO *file = BIO_new_file(path, "r");
    bool readable = file != NULL;

    BIO_free(file);
    ERR_clear_error();
    return readable;
}

static enum status load_certificate(const struct tls_context *context, SSL_CTX *into,
                                    const char **out_fault)
{
    if (context->certificate_path == NULL) {
        return STATUS_OK;
    }
    if (!is_readable(context->certificate_path) || !is_readable(context->key_path)) {
        *out_fault = "the certificate or its key cannot be read";
        return STATUS_NOT_FOUND;
    }
    if (SSL_CTX_use_certificate_chain_file(into, context->certificate_path) != 1) {
        return refuse("the certificate is not valid PEM", out_fault);
    }
    if (SSL_CTX_use_PrivateKey_file(into, context->key_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(into) != 1) {
        return refuse("the key is not valid PEM, or not the certificate's", out_fault);
    }
    return STATUS_OK;
}

static enum status load_authorities(const struct tls_context *context, SSL_CTX *into,
                                    const char **out_fault)
{
    if (context->authorities_path == NULL) {
        return STATUS_OK;
    }
    if (!is_readable(context->authorities_path)) {
        *out_fault = "the certificates of the authorities cannot be read";
        return STATUS_NOT_FOUND;
    }
    if (SSL_CTX_load_verify_locations(into, context->authorities_path, NULL) != 1) {
        return refuse("the certificates of the authorities are not valid PEM", out_fault);
    }
    SSL_CTX_set_verify(into, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return STATUS_OK;
}

enum status tls_context_reload(struct tls_context *context, const char **out_fault)
{
    SSL_CTX *made = make_strict();
    enum status status = load_certificate(context, made, out_fault);

    if (status == STATUS_OK) {
        status = load_authorities(context, made, out_fault);
    }
    if (status != STATUS_OK) {
        SSL_CTX_free(made);
        return status;
    }
    CHECK(pthread_mutex_lock(&context->lock) == 0);
    SSL_CTX *before = context->current;

    context->current = made;
    CHECK(pthread_mutex_unlock(&context->lock) == 0);
    SSL_CTX_free(before);
    return STATUS_OK;
}

enum status tls_context_new(const struct tls_options *options, struct tls_context **out_context,
                            const char **out_fault)
{
    struct tls_context *context = NEW(struct tls_context);

    context->certificate_path = copy_path(options->certificate_path);
    context->key_path = copy_path(options->key_path);
    context->authorities_path = copy_path(options->authorities_path);
    CHECK(pthread_mutex_init(&context->lock, NULL) == 0);

    enum status status = tls_context_reload(context, out_fault);

    if (status != STATUS_OK) {
        tls_context_free(context);
        return status;
    }
    *out_context = context;
    return STATUS_OK;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL) {
        return;
    }
    SSL_CTX_free(context->current);
    CHECK(pthread_mutex_destroy(&context->lock) == 0);
    memory_free(context->certificate_path);
    memory_free(context->key_path);
    memory_free(context->authorities_path);
    memory_free(context);
}

SSL_CTX *tls_context_get(struct tls_context *context)
{
    CHECK(pthread_mutex_lock(&context->lock) == 0);
    SSL_CTX *current = context->current;

    CHECK(SSL_CTX_up_ref(current) == 1);
    CHECK(pthread_mutex_unlock(&context->lock) == 0);
    return current;
}
