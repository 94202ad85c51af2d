/* Certificates and keys for TLS, and a certificate for those who have none. */
#ifndef AVISO_NET_TLS_H
#define AVISO_NET_TLS_H

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

/* What handshakes need; shared by loops, and safe to reload while they use it. TLS 1.2 and later,
 * no renegotiation, no compression. */
struct tls_context;

struct tls_options {
    const char
        *certificate_path; /* PEM: the certificate, then its chain. NULL: a client has none */
    const char *key_path;  /* PEM */
    const char
        *authorities_path; /* PEM: peers need a certificate of one of these; NULL: no check */
};

/* Copies the options. `out_fault` describes a failure in a sentence without names of files, which
 * lives as long as the process.
 * NOT_FOUND: a file cannot be read. INVALID: not PEM, or the key is not the certificate's. */
NODISCARD enum status tls_context_new(const struct tls_options *options,
                                      struct tls_context **out_context, const char **out_fault);

/* Not while a connection may still begin a handshake with it. Accepts NULL. */
void tls_context_free(struct tls_context *context);

/* Reads the files again: handshakes from now on use what they hold; after a failure, which is as
 * above, what they held before. From any thread. */
NODISCARD enum status tls_context_reload(struct tls_context *context, const char **out_fault);

/* Writes a new ECDSA P-256 key, readable by its owner alone, and a certificate for `names` (DNS
 * names or addresses, the first is the subject), valid for ten years and signed by itself.
 * EXISTS: one of the files is there; nothing is written over. IO_ERROR. */
NODISCARD enum status tls_make_self_signed(const char *const *names, size_t name_count,
                                           const char *certificate_path, const char *key_path);

#endif
