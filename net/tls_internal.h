/* OpenSSL's side of a context, for the streams that begin with it. */
#ifndef AVISO_NET_TLS_INTERNAL_H
#define AVISO_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* What the context holds now, with a reference of its own (SSL_CTX_free). */
SSL_CTX *tls_context_get(struct tls_context *context);

#endif
