/* SASL exchanges, password hashes, the cache of right pairs and the limiter of guesses. */
#include "frontend/auth/credential_cache.h"
#include "frontend/auth/guess_limiter.h"
#include "frontend/auth/password.h"
#include "frontend/auth/sasl.h"
#include "tests/unit/unit.h"

static const struct slice none = {NULL, 0};

static void plain_and_login_end_in_credentials(void **state)
{
    static const struct {
        const char *mechanism;
        const char *lines[3]; /* the first is the initial response, or NULL */
        enum sasl_progress progress;
        const char *user;
        const char *password;
    } cases[] = {
        {"PLAIN", {"AGFubgBzZWNyZXQ="}, SASL_CREDENTIALS, "ann", "secret"},
        {"plain", {NULL, "AGFubgBzZWNyZXQ="}, SASL_CREDENTIALS, "ann", "secret"},
        {"PLAIN", {"YW5uAGFubgBzZWNyZXQ="}, SASL_CREDENTIALS, "ann", "secret"},
        {"PLAIN", {"Ym9iAGFubgBzZWNyZXQ="}, SASL_REFUSED, NULL, NULL},
        {"LOGIN", {NULL, "YW5u", "c2VjcmV0"}, SASL_CREDENTIALS, "ann", "secret"},
        {"LOGIN", {"YW5u", "c2VjcmV0"}, SASL_CREDENTIALS, "ann", "secret"},
        {"LOGIN", {NULL, "YW5u", "*"}, SASL_CANCELLED, NULL, NULL},
        {"PLAIN", {"="}, SASL_MALFORMED, NULL, NULL},
        {"PLAIN", {"AGFubgBzZWNyZXQ"}, SASL_MALFORMED, NULL, NULL},
        {"PLAIN", {"AGFubgBz"}, SASL_CREDENTIALS, "ann", "s"},
        {"PLAIN", {"AGFubgBzAHg="}, SASL_MALFORMED, NULL, NULL}, /* a NUL in the password */
        {"PLAIN", {"AABzZWNyZXQ="}, SASL_MALFORMED, NULL, NULL}, /* no user */
        {"PLAIN", {"YW5u"}, SASL_MALFORMED, NULL, NULL},         /* no NUL at all */
        {"PLAIN", {NULL, ""}, SASL_MALFORMED, NULL, NULL},
        {"LOGIN", {NULL, "", ""}, SASL_MALFORMED, NULL, NULL},
        {"CRAM-MD5", {NULL}, SASL_UNKNOWN, NULL, NULL},
        {"", {NULL}, SASL_UNKNOWN, NULL, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sasl sasl;
        const char *initial = cases[i].lines[0];

        sasl_init(&sasl);
        enum sasl_progress progress = sasl_begin(&sasl, slice_of(cases[i].mechanism),
                                                 initial != NULL ? slice_of(initial) : none);
        for (size_t k = 1; k < 3 && progress == SASL_CHALLENGE; k++) {
            progress = sasl_continue(&sasl, slice_of(cases[i].lines[k]));
        }
        assert_int_equal(progress, cases[i].progress);
        if (progress == SASL_CREDENTIALS) {
            assert_slice_equals(buffer_view(&sasl.user), cases[i].user);
            assert_slice_equals(buffer_view(&sasl.password), cases[i].password);
        }
        sasl_done(&sasl);
    }
}

static void an_overlong_response_is_malformed(void **state)
{
    static char line[SASL_LINE_SIZE_MAX + 1];
    struct sasl sasl;

    memset(line, 'A', sizeof(line));
    sasl_init(&sasl);
    assert_int_equal(sasl_begin(&sasl, SLICE("PLAIN"), (struct slice){line, sizeof(line)}),
                     SASL_MALFORMED);
    assert_int_equal(sasl_begin(&sasl, SLICE("LOGIN"), (struct slice){line, 4096}),
                     SASL_MALFORMED); /* the user name would have 3,072 octets */
    sasl_done(&sasl);
}

static void passwords_match_their_hashes_only(void **state)
{
    static const char *const others[] = {
        "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$AAAA", "$y$nonsense", "plain text", "*", "!", "",
    };
    struct buffer credential;

    buffer_init(&credential, CREDENTIAL_SIZE_MAX);
    password_hash(SLICE("secret"), &credential);
    assert_true(slice_starts_with(buffer_view(&credential), SLICE("$argon2id$v=19$m=65536,t=3,")));
    assert_true(password_matches(SLICE("secret"), buffer_view(&credential)));
    assert_false(password_matches(SLICE("Secret"), buffer_view(&credential)));
    assert_false(password_matches(SLICE(""), buffer_view(&credential)));
    buffer_done(&credential);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_false(password_matches(SLICE("other"), slice_of(others[i])));
    }
}

/* Made by crypt(3) of another system and by Dovecot's doveadm. */
static void imported_hashes_are_honoured(void **state)
{
    static const char *const hashes[] = {
        "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
        "{SHA512-CRYPT}$6$saltsalt$"
        "TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        "{MD5-CRYPT}$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
    };

    for (size_t i = 0; i < COUNT_OF(hashes); i++) {
        assert_true(password_credential_is_known(slice_of(hashes[i])));
        assert_true(password_matches(SLICE("secret"), slice_of(hashes[i])));
        assert_false(password_matches(SLICE("wrong"), slice_of(hashes[i])));
    }
}

static void unaffordable_and_unknown_imports_are_refused(void **state)
{
    static const char *const refused[] = {
        "",
        "secret",
        "{PLAIN}secret",
        "$argon2id$v=19$m=9999999,t=3,p=1$c2FsdHNhbHQ$AAAA",
        "$argon2id$v=19$m=1024,t=9999,p=1$c2FsdHNhbHQ$AAAA",
        "$argon2id$",
    };

    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        assert_false(password_credential_is_known(slice_of(refused[i])));
    }
}

static void the_cache_forgets_in_time_and_with_the_credential(void **state)
{
    struct credential_cache *cache = credential_cache_new(100, 1000);

    credential_cache_remember(cache, SLICE("ann@a"), SLICE("secret"), SLICE("$h1"), 5000);
    assert_true(credential_cache_knows(cache, SLICE("ann@a"), SLICE("secret"), SLICE("$h1"), 5999));
    assert_false(
        credential_cache_knows(cache, SLICE("ann@a"), SLICE("secret"), SLICE("$h1"), 6000));
    assert_false(
        credential_cache_knows(cache, SLICE("ann@a"), SLICE("secret"), SLICE("$h2"), 5001));
    assert_false(
        credential_cache_knows(cache, SLICE("ann@"), SLICE("asecret"), SLICE("$h1"), 5001));
    assert_false(
        credential_cache_knows(cache, SLICE("bob@a"), SLICE("secret"), SLICE("$h1"), 5001));
    credential_cache_free(cache);
}

static uint64_t attempt(struct guess_limiter *limiter, const char *address, const char *user,
                        enum guess_outcome outcome, uint64_t now_ms)
{
    uint64_t wait_ms = guess_limiter_begin(limiter, slice_of(address), slice_of(user), now_ms);

    guess_limiter_end(limiter, slice_of(address), slice_of(user), outcome, now_ms);
    return wait_ms;
}

static void guessing_becomes_slow_and_is_forgiven(void **state)
{
    struct guess_limiter *limiter = guess_limiter_new();
    uint64_t now_ms = 1000000;

    for (int i = 0; i < GUESSES_FREE; i++) {
        assert_int_equal(attempt(limiter, "192.0.2.1", "ann", GUESS_WRONG, now_ms), 0);
    }
    assert_int_equal(attempt(limiter, "192.0.2.1", "bob", GUESS_WRONG, now_ms), 500);
    assert_int_equal(attempt(limiter, "192.0.2.1", "cid", GUESS_WRONG, now_ms), 1000);
    assert_int_equal(attempt(limiter, "192.0.2.2", "dan", GUESS_WRONG, now_ms), 0);
    for (int i = 0; i < 20; i++) {
        (void)attempt(limiter, "192.0.2.1", "ann", GUESS_WRONG, now_ms);
    }
    assert_int_equal(attempt(limiter, "192.0.2.1", "eve", GUESS_UNKNOWN, now_ms),
                     GUESS_WAIT_MOST_ADDRESS_MS);
    assert_int_equal(attempt(limiter, "198.51.100.7", "ann", GUESS_UNKNOWN, now_ms),
                     GUESS_WAIT_MOST_ACCOUNT_MS);
    /* The owner comes in, and the account is free again. */
    (void)attempt(limiter, "198.51.100.7", "ann", GUESS_RIGHT, now_ms);
    assert_int_equal(attempt(limiter, "198.51.100.7", "ann", GUESS_UNKNOWN, now_ms), 0);
    now_ms += (uint64_t)30 * GUESS_FORGIVEN_MS;
    assert_int_equal(attempt(limiter, "192.0.2.1", "fay", GUESS_UNKNOWN, now_ms), 0);
    guess_limiter_free(limiter);
}

static void attempts_at_once_count_together(void **state)
{
    struct guess_limiter *limiter = guess_limiter_new();

    (void)attempt(limiter, "192.0.2.1", "ann", GUESS_WRONG, 1000);
    assert_int_equal(guess_limiter_begin(limiter, SLICE("192.0.2.1"), SLICE("a"), 1000), 0);
    assert_int_equal(guess_limiter_begin(limiter, SLICE("192.0.2.1"), SLICE("b"), 1000), 0);
    assert_int_equal(guess_limiter_begin(limiter, SLICE("192.0.2.1"), SLICE("c"), 1000), 500);
    assert_int_equal(guess_limiter_begin(limiter, SLICE("192.0.2.1"), SLICE("d"), 1000), 1000);
    guess_limiter_free(limiter);
}

static void right_passwords_wait_for_nobody(void **state)
{
    struct guess_limiter *limiter = guess_limiter_new();

    for (int i = 0; i < 1000; i++) {
        assert_int_equal(guess_limiter_begin(limiter, SLICE("192.0.2.1"), SLICE("a"), 1000), 0);
    }
    guess_limiter_free(limiter);
}

static void the_same_ipv6_network_counts_as_one(void **state)
{
    struct guess_limiter *limiter = guess_limiter_new();

    for (int i = 0; i < GUESSES_FREE; i++) {
        (void)attempt(limiter, "2001:db8:1:2:3:4:5:6", "ann", GUESS_WRONG, 1000);
    }
    assert_int_equal(attempt(limiter, "2001:db8:1:2:ffff:4:5:7", "bob", GUESS_WRONG, 1000), 500);
    assert_int_equal(attempt(limiter, "2001:db8:1:3:3:4:5:6", "cid", GUESS_WRONG, 1000), 0);
    guess_limiter_free(limiter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_login_end_in_credentials),
        cmocka_unit_test(an_overlong_response_is_malformed),
        cmocka_unit_test(passwords_match_their_hashes_only),
        cmocka_unit_test(imported_hashes_are_honoured),
        cmocka_unit_test(unaffordable_and_unknown_imports_are_refused),
        cmocka_unit_test(the_cache_forgets_in_time_and_with_the_credential),
        cmocka_unit_test(guessing_becomes_slow_and_is_forgiven),
        cmocka_unit_test(attempts_at_once_count_together),
        cmocka_unit_test(right_passwords_wait_for_nobody),
        cmocka_unit_test(the_same_ipv6_network_counts_as_one),
    };

    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
