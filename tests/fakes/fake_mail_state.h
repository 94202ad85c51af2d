/* What tests/fakes/fake_mail_store.h keeps; for its own files. */
#ifndef AVISO_TESTS_FAKES_FAKE_MAIL_STATE_H
#define AVISO_TESTS_FAKES_FAKE_MAIL_STATE_H

#include "core/arena.h"
#include "tests/fakes/fake_mail_store.h"

enum { FAKE_ACCOUNTS = 2, FAKE_KEYWORDS_MAX = 16 };

struct fake_email {
    uint64_t id;
    unsigned references;
    struct slice raw;
    size_t header_size;
    struct slice digest;
    uint64_t received_ms;
    int32_t received_zone;
};

struct fake_message {
    uint32_t uid;
    uint32_t flags;
    struct slice keywords[FAKE_KEYWORDS_MAX];
    size_t keyword_count;
    uint64_t modseq;
    uint64_t created_modseq;
    struct fake_email *email;
};

struct fake_vanishing {
    uint32_t uid;
    uint64_t modseq;
};

struct fake_mailbox {
    uint32_t id;
    char *name;
    char *special_use;
    bool subscribed;
    bool no_mailbox;
    uint32_t uid_validity;
    uint32_t uid_next;
    uint32_t recent_from;
    uint64_t modseq;
    struct fake_message *messages;
    size_t message_count;
    size_t message_capacity;
    struct fake_vanishing *vanished;
    size_t vanished_count;
    struct slice keywords[MAILBOX_KEYWORDS_MAX];
    size_t keyword_count;
};

struct fake_account {
    uint64_t id;
    uint64_t modseq;
    struct fake_mailbox *mailboxes;
    size_t mailbox_count;
    uint32_t mailbox_id_next;
    uint64_t quota_messages;
    uint64_t changes_known_from; /* older ones are EXPIRED */
};

struct router {
    struct arena arena; /* texts that live as long as the store */
    struct fake_account accounts[FAKE_ACCOUNTS];
    struct account_watch *watches;
    uint64_t email_id_next;
    uint32_t uid_validity_next;
    size_t rows_max;
    struct {
        const char *kind;
        enum status status;
        size_t count;
    } failure;
    struct fake_calls {
        const char *kind;
        size_t count;
    } calls[32];
};

/* Counts a call and says how it ends, OK unless a failure is due. */
enum status fake_begin(struct router *store, const char *kind);

struct fake_account *fake_account_of(struct router *store, uint64_t account);
struct fake_mailbox *fake_mailbox_named(struct fake_account *account, struct slice name);
struct fake_mailbox *fake_mailbox_of(struct fake_account *account, uint32_t id);
struct fake_mailbox *fake_mailbox_make(struct router *store, struct fake_account *account,
                                       struct slice name, struct slice special_use);

/* Adds a row for `email`, of which the row takes a reference. */
struct fake_message *fake_mailbox_add(struct router *store, struct fake_account *account,
                                      struct fake_mailbox *mailbox, struct fake_email *email);
void fake_mailbox_remove(struct fake_account *account, struct fake_mailbox *mailbox, size_t index,
                         uint64_t modseq);
void fake_mailbox_set_keyword(struct router *store, struct fake_mailbox *mailbox,
                              struct fake_message *message, struct slice keyword);
size_t fake_account_count(const struct fake_account *account);

struct fake_email *fake_email_new(struct router *store, struct slice raw, uint64_t received_ms,
                                  int32_t received_zone);
void fake_email_unref(struct fake_email *email);

/* Tells the account's watches, later. `mailbox` NULL: the list changed. */
void fake_announce(struct router *store, const struct fake_account *account,
                   const struct fake_mailbox *mailbox);

#endif
