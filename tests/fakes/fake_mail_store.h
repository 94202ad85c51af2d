/* Accounts and mailboxes in memory, behind the clients of router/: mailbox_client.h, delivery.h,
 * ingest.h and watch_client.h. Tests link this in their place.
 *
 * What is asked happens at once; the answer comes when the test turns tests/fakes/fake_queue.h. */
#ifndef AVISO_TESTS_FAKES_FAKE_MAIL_STORE_H
#define AVISO_TESTS_FAKES_FAKE_MAIL_STORE_H

#include "router/delivery.h"
#include "router/ingest.h"
#include "router/mailbox_client.h"
#include "router/watch_client.h"

enum { FAKE_SHARD = 1, FAKE_ANN = 1, FAKE_BOB = 2 };

/* Two accounts, FAKE_ANN and FAKE_BOB, with the usual mailboxes; a router to them. */
struct router *fake_mail_store_new(void);
void fake_mail_store_free(struct router *store);

/* The next `count` calls of a kind fail with `status` and change nothing: "list", "create",
 * "rename", "delete", "subscribe", "open", "recent", "rows", "changes", "body", "store", "expunge",
 * "copy", "deliver", "ingest". */
void fake_mail_store_fail(struct router *store, const char *kind, enum status status, size_t count);

/* How many rows one answer holds at most: 500 until set. */
void fake_mail_store_set_rows_max(struct router *store, size_t rows_max);

/* Messages that an account may hold from now on; 0: any number. */
void fake_mail_store_set_quota(struct router *store, uint64_t account, uint64_t message_count);

/* How many messages all mailboxes of an account hold. */
size_t fake_mail_store_count(const struct router *store, uint64_t account);

/* Puts a message into a mailbox, as if by LMTP: for tests that need many. */
void fake_mail_store_put(struct router *store, uint64_t account, const char *mailbox,
                         struct slice message, uint32_t flags);

/* What has changed until now is remembered no more: changes since earlier are EXPIRED. */
void fake_mail_store_expire_changes(struct router *store, uint64_t account);

/* Calls made so far, of a kind as above. */
size_t fake_mail_store_calls(const struct router *store, const char *kind);

#endif
