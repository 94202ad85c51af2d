/* SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104): names of bodies, keyed digests. */
#ifndef AVISO_NET_SHA256_H
#define AVISO_NET_SHA256_H

#include "core/slice.h"

enum { SHA256_SIZE = 32 };

/* One digest in the making. */
struct sha256 {
    void *context;
};

/* `out_digest` has SHA256_SIZE octets. final ends what init began; both take every digest once. */
void sha256_init(struct sha256 *sha256);
void sha256_update(struct sha256 *sha256, struct slice bytes);
void sha256_final(struct sha256 *sha256, char *out_digest);

/* The digest of `bytes` at once. */
void sha256_of(struct slice bytes, char *out_digest);

/* One keyed digest in the making, as above. */
struct sha256_hmac {
    struct sha256 inner;
    char outer_pad[64];
};

/* The same three steps. */
void sha256_hmac_init(struct sha256_hmac *hmac, struct slice key);
void sha256_hmac_update(struct sha256_hmac *hmac, struct slice bytes);
void sha256_hmac_final(struct sha256_hmac *hmac, char *out_digest);

#endif
