/* Pairs of user and password that were right a short while ago, as keyed digests: nothing of a
 * password is kept. The stored credential is part of the digest, so a changed one is not found.
 * Safe from any thread; bounded: a new pair takes the place of an old one. */
#ifndef AVISO_FRONTEND_AUTH_CREDENTIAL_CACHE_H
#define AVISO_FRONTEND_AUTH_CREDENTIAL_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/slice.h"

struct credential_cache;

/* `lifetime_ms` 0: nothing is ever remembered. */
struct credential_cache *credential_cache_new(size_t count_max, uint64_t lifetime_ms);
void credential_cache_free(struct credential_cache *cache);

/* Whether the pair was remembered less than the lifetime ago. */
bool credential_cache_knows(struct credential_cache *cache, struct slice address,
                            struct slice password, struct slice credential, uint64_t now_ms);
void credential_cache_remember(struct credential_cache *cache, struct slice address,
                               struct slice password, struct slice credential, uint64_t now_ms);

#endif
