/* Password hashes as accounts keep them. Slow on purpose: call from a worker. */
#ifndef AVISO_FRONTEND_AUTH_PASSWORD_H
#define AVISO_FRONTEND_AUTH_PASSWORD_H

#include <stdbool.h>

#include "core/buffer.h"

enum {
    CREDENTIAL_SIZE_MAX = 512, /* octets of a stored hash */
    PASSWORD_SIZE_MAX = 1024,  /* octets */
};

/* Appends a new Argon2id hash of `password` with a random salt (RFC 9106 §4: 64 MiB, 3 passes, 1
 * lane) in the encoded form "$argon2id$v=19$...". */
void password_hash(struct slice password, struct buffer *out_credential);

/* Whether `password` is the one of `credential`: Argon2id or Argon2i in encoded form, or any hash
 * of this system's crypt(5), also with Dovecot's "{SCHEME}" in front. An unknown or empty
 * credential is nobody's. The time does not tell a wrong password from no credential when
 * `credential` is empty. */
bool password_matches(struct slice password, struct slice credential);

/* Whether an administrator may import `credential`: a form that password_matches() knows, with
 * parameters that a login can afford (at most 256 MiB and 16 passes). */
bool password_credential_is_known(struct slice credential);

#endif
