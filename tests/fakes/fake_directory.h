/* What SMTP sessions ask of router/directory.h, over tests/fakes/fake_mail_store.h. Tests link this
 * in its place. example.org is ours:
 *
 *     ann, bob          accounts, with any +detail
 *     staff             a group of both
 *     full              ann's account with no room left
 *     half              a group of bob and full
 *     suspended         an account that is not in use
 *     crowd             a group as large as groups get, of accounts that do not exist
 *     circle            an alias of itself
 *
 * Failures come by fake_mail_store_fail(), of the kinds "resolve" and "sender". */
#ifndef AVISO_TESTS_FAKES_FAKE_DIRECTORY_H
#define AVISO_TESTS_FAKES_FAKE_DIRECTORY_H

#include "router/directory.h"

#endif
