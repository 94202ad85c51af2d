/* The published values of FIPS 180-4's examples and RFC 4231. */
#include "net/sha256.h"

#include "tests/unit/unit.h"

static void assert_hex(const char *digest, const char *expected)
{
    char text[2 * SHA256_SIZE + 1];

    for (size_t i = 0; i < SHA256_SIZE; i++) {
        snprintf(text + 2 * i, 3, "%02x", (unsigned char)digest[i]);
    }
    assert_string_equal(text, expected);
}

static void sha256_gives_the_published_values(void **state)
{
    char digest[SHA256_SIZE];
    struct sha256 pieces;

    sha256_of(SLICE(""), digest);
    assert_hex(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_init(&pieces);
    sha256_update(&pieces, SLICE("a"));
    sha256_update(&pieces, SLICE("bc"));
    sha256_final(&pieces, digest);
    assert_hex(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231 §4.3 and §4.7. */
static void hmac_gives_the_published_values(void **state)
{
    char digest[SHA256_SIZE];
    char long_key[131];
    struct sha256_hmac hmac;

    sha256_hmac_init(&hmac, SLICE("Jefe"));
    sha256_hmac_update(&hmac, SLICE("what do ya want "));
    sha256_hmac_update(&hmac, SLICE("for nothing?"));
    sha256_hmac_final(&hmac, digest);
    assert_hex(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");

    memset(long_key, 0xaa, sizeof(long_key));
    sha256_hmac_init(&hmac, (struct slice){long_key, sizeof(long_key)});
    sha256_hmac_update(&hmac, SLICE("Test Using Larger Than Block-Size Key - Hash Key First"));
    sha256_hmac_final(&hmac, digest);
    assert_hex(digest, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_values),
        cmocka_unit_test(hmac_gives_the_published_values),
    };

    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
