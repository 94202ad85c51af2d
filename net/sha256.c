#include "net/sha256.h"

#include <pthread.h>
#include <string.h>

#include <openssl/evp.h>

#include "core/check.h"

enum { BLOCK_SIZE = 64 };

static EVP_MD *algorithm;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Once for the process: to look the algorithm up costs as much as to hash a small message. */
static void fetch_algorithm(void)
{
    algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    CHECK(algorithm != NULL);
}

void sha256_init(struct sha256 *sha256)
{
    CHECK(pthread_once(&once, fetch_algorithm) == 0);
    sha256->context = EVP_MD_CTX_new();
    CHECK(sha256->context != NULL);
    CHECK(EVP_DigestInit_ex2(sha256->context, algorithm, NULL) == 1);
}

void sha256_update(struct sha256 *sha256, struct slice bytes)
{
    CHECK(EVP_DigestUpdate(sha256->context, bytes.data, bytes.size) == 1);
}

void sha256_final(struct sha256 *sha256, char *out_digest)
{
    CHECK(EVP_DigestFinal_ex(sha256->context, (unsigned char *)out_digest, NULL) == 1);
    EVP_MD_CTX_free(sha256->context);
    sha256->context = NULL;
}

void sha256_of(struct slice bytes, char *out_digest)
{
    struct sha256 sha256;

    sha256_init(&sha256);
    sha256_update(&sha256, bytes);
    sha256_final(&sha256, out_digest);
}

void sha256_hmac_init(struct sha256_hmac *hmac, struct slice key)
{
    char block[BLOCK_SIZE] = {0};
    char inner_pad[BLOCK_SIZE];

    if (key.size > BLOCK_SIZE) {
        sha256_of(key, block);
    } else if (key.size > 0) {
        memcpy(block, key.data, key.size);
    }
    for (size_t i = 0; i < BLOCK_SIZE; i++) {
        inner_pad[i] = (char)(block[i] ^ 0x36);
        hmac->outer_pad[i] = (char)(block[i] ^ 0x5c);
    }
    sha256_init(&hmac->inner);
    sha256_update(&hmac->inner, (struct slice){inner_pad, BLOCK_SIZE});
    explicit_bzero(block, sizeof(block));
    explicit_bzero(inner_pad, sizeof(inner_pad));
}

void sha256_hmac_update(struct sha256_hmac *hmac, struct slice bytes)
{
    sha256_update(&hmac->inner, bytes);
}

void sha256_hmac_final(struct sha256_hmac *hmac, char *out_digest)
{
    char inner[SHA256_SIZE];
    struct sha256 outer;

    sha256_final(&hmac->inner, inner);
    sha256_init(&outer);
    sha256_update(&outer, (struct slice){hmac->outer_pad, BLOCK_SIZE});
    sha256_update(&outer, (struct slice){inner, SHA256_SIZE});
    sha256_final(&outer, out_digest);
    explicit_bzero(hmac->outer_pad, sizeof(hmac->outer_pad));
}
