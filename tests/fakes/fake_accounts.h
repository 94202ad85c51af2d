/* What the authenticator asks of router/: a directory with "ann@example.org" and an alias
 * "info@example.org" of hers, and her account. Answers come on the loop, one turn later. */
#ifndef AVISO_TESTS_FAKES_FAKE_ACCOUNTS_H
#define AVISO_TESTS_FAKES_FAKE_ACCOUNTS_H

#include "router/account_client.h"
#include "router/directory.h"

struct router {
    struct loop *loop;
    struct slice credential; /* of ann */
    bool suspended;
    enum status directory_status;
    enum status account_status;
};

#endif
