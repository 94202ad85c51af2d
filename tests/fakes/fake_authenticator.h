/* frontend/auth/authenticator.h without passwords' hashes: tests link this in its place. */
#ifndef AVISO_TESTS_FAKES_FAKE_AUTHENTICATOR_H
#define AVISO_TESTS_FAKES_FAKE_AUTHENTICATOR_H

#include "frontend/auth/authenticator.h"

struct fake_user {
    const char *address;
    const char *password;
    struct account_place place;
};

/* Who may log in; every other pair is DENIED. */
struct authenticator {
    const struct fake_user *users;
    size_t user_count;
    enum status fails; /* not OK: every check ends so */
};

#endif
