#include "frontend/auth/credential_cache.h"

#include <pthread.h>
#include <string.h>

#include "core/memory.h"
#include "core/number.h"
#include "core/random.h"
#include "net/sha256.h"

struct pair {
    char digest[SHA256_SIZE];
    uint64_t until_ms; /* 0: free */
};

struct credential_cache {
    pthread_mutex_t mutex;
    char key[SHA256_SIZE]; /* of this process, known to nobody */
    uint64_t lifetime_ms;
    size_t count;
    struct pair pairs[]; /* each digest has one place */
};

struct credential_cache *credential_cache_new(size_t count_max, uint64_t lifetime_ms)
{
    size_t count = count_max > 0 ? count_max : 1;
    struct credential_cache *cache =
        memory_zeroed(sizeof(struct credential_cache) + count * sizeof(struct pair));

    pthread_mutex_init(&cache->mutex, NULL);
    random_octets(cache->key, sizeof(cache->key));
    cache->lifetime_ms = lifetime_ms;
    cache->count = count;
    return cache;
}

void credential_cache_free(struct credential_cache *cache)
{
    if (cache != NULL) {
        pthread_mutex_destroy(&cache->mutex);
        explicit_bzero(cache->key, sizeof(cache->key));
        memory_free(cache);
    }
}

/* Each part goes in with its size, so that no two triples are the same octets. */
static void digest_of(const struct credential_cache *cache, struct slice address,
                      struct slice password, struct slice credential, char *out_digest)
{
    const struct slice parts[] = {address, password, credential};
    struct sha256_hmac hmac;

    sha256_hmac_init(&hmac, (struct slice){cache->key, sizeof(cache->key)});
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        char size[8];

        number_put_u64(size, parts[i].size);
        sha256_hmac_update(&hmac, (struct slice){size, sizeof(size)});
        sha256_hmac_update(&hmac, parts[i]);
    }
    sha256_hmac_final(&hmac, out_digest);
}

static struct pair *place_of(struct credential_cache *cache, const char *digest)
{
    return &cache->pairs[number_get_u64(digest) % cache->count];
}

bool credential_cache_knows(struct credential_cache *cache, struct slice address,
                            struct slice password, struct slice credential, uint64_t now_ms)
{
    char digest[SHA256_SIZE];

    digest_of(cache, address, password, credential, digest);
    pthread_mutex_lock(&cache->mutex);
    const struct pair *pair = place_of(cache, digest);
    bool known = credential.size > 0 && pair->until_ms > now_ms &&
                 slice_equals_secret((struct slice){pair->digest, SHA256_SIZE},
                                     (struct slice){digest, SHA256_SIZE});
    pthread_mutex_unlock(&cache->mutex);
    return known;
}

void credential_cache_remember(struct credential_cache *cache, struct slice address,
                               struct slice password, struct slice credential, uint64_t now_ms)
{
    struct pair pair = {.until_ms = now_ms + cache->lifetime_ms};

    if (cache->lifetime_ms == 0) {
        return;
    }
    digest_of(cache, address, password, credential, pair.digest);
    pthread_mutex_lock(&cache->mutex);
    *place_of(cache, pair.digest) = pair;
    pthread_mutex_unlock(&cache->mutex);
}
