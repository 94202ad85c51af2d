#include "frontend/auth/password.h"

#include <argon2.h>
#include <crypt.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/random.h"

enum {
    MEMORY_KIB = 64 * 1024,
    PASSES = 3,
    LANES = 1,
    SALT_SIZE = 16,
    HASH_SIZE = 32,
    IMPORTED_MEMORY_KIB_MAX = 256 * 1024,
    IMPORTED_PASSES_MAX = 16,
};

/* Checked in place of a credential that is not there, so that it takes as long. */
static const char nobody[] = "$argon2id$v=19$m=65536,t=3,p=1$"
                             "bm9ib2R5IGlzIGhlcmUuLg$"
                             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

void password_hash(struct slice password, struct buffer *out_credential)
{
    char encoded[CREDENTIAL_SIZE_MAX];
    char salt[SALT_SIZE];

    CHECK(password.size <= PASSWORD_SIZE_MAX);
    random_octets(salt, sizeof(salt));
    int failed = argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password.data, password.size,
                                       salt, sizeof(salt), HASH_SIZE, encoded, sizeof(encoded));
    CHECK(failed == ARGON2_OK);
    buffer_append(out_credential, slice_of(encoded));
}

/* "{SHA512-CRYPT}$6$..." is "$6$...". */
static struct slice without_scheme(struct slice credential)
{
    size_t end = slice_find(credential, '}');

    return slice_starts_with(credential, SLICE("{")) && end < credential.size
               ? slice_skip(credential, end + 1)
               : credential;
}

static bool is_argon2(struct slice credential)
{
    return slice_starts_with(credential, SLICE("$argon2id$")) ||
           slice_starts_with(credential, SLICE("$argon2i$"));
}

static bool argon2_matches(const char *encoded, struct slice password)
{
    return slice_starts_with(slice_of(encoded), SLICE("$argon2id$"))
               ? argon2id_verify(encoded, password.data, password.size) == ARGON2_OK
               : argon2i_verify(encoded, password.data, password.size) == ARGON2_OK;
}

static bool crypt_matches(const char *setting, struct slice password)
{
    char text[PASSWORD_SIZE_MAX + 1];
    void *state = NULL;
    int state_size = 0;

    if (password.size > PASSWORD_SIZE_MAX || slice_find(password, '\0') < password.size) {
        return false;
    }
    memcpy(text, password.data, password.size);
    text[password.size] = '\0';
    const char *hashed = crypt_ra(text, setting, &state, &state_size);
    bool matches = hashed != NULL && hashed[0] != '*' &&
                   slice_equals_secret(slice_of(hashed), slice_of(setting));

    explicit_bzero(text, sizeof(text));
    if (state != NULL) {
        explicit_bzero(state, (size_t)state_size);
    }
    memory_free(state);
    return matches;
}

bool password_matches(struct slice password, struct slice credential)
{
    char text[CREDENTIAL_SIZE_MAX + 1];
    struct slice bare = without_scheme(credential);

    if (bare.size > CREDENTIAL_SIZE_MAX || password.size == 0 ||
        password.size > PASSWORD_SIZE_MAX) {
        return false;
    }
    if (bare.size == 0) {
        (void)argon2_matches(nobody, password);
        return false;
    }
    memcpy(text, bare.data, bare.size);
    text[bare.size] = '\0';
    bool matches = is_argon2(bare) ? argon2_matches(text, password) : crypt_matches(text, password);

    explicit_bzero(text, sizeof(text));
    return matches;
}

/* "m=65536,t=3,p=1" */
static bool is_affordable(struct slice parameters)
{
    uint64_t memory_kib = 0;
    uint64_t passes = 0;

    if (!slice_starts_with(parameters, SLICE("m="))) {
        return false;
    }
    parameters = slice_skip(parameters, 2);
    if (number_take(&parameters, IMPORTED_MEMORY_KIB_MAX, &memory_kib) != STATUS_OK ||
        !slice_starts_with(parameters, SLICE(",t="))) {
        return false;
    }
    parameters = slice_skip(parameters, 3);
    return number_take(&parameters, IMPORTED_PASSES_MAX, &passes) == STATUS_OK &&
           slice_starts_with(parameters, SLICE(",p="));
}

bool password_credential_is_known(struct slice credential)
{
    struct slice bare = without_scheme(credential);
    char text[CREDENTIAL_SIZE_MAX + 1];

    if (bare.size == 0 || bare.size > CREDENTIAL_SIZE_MAX || slice_find(bare, '\0') < bare.size) {
        return false;
    }
    if (is_argon2(bare)) {
        struct slice rest = slice_skip(bare, 1);

        (void)slice_cut(&rest, '$'); /* the variant */
        (void)slice_cut(&rest, '$'); /* the version */
        return is_affordable(slice_cut(&rest, '$')) && rest.size > 0;
    }
    memcpy(text, bare.data, bare.size);
    text[bare.size] = '\0';
    int salt = crypt_checksalt(text);

    /* Without "$" anything of two letters would pass for a hash of 1979. */
    return bare.data[0] == '$' && salt != CRYPT_SALT_INVALID && salt != CRYPT_SALT_METHOD_DISABLED;
}
