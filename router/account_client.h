/* Accounts, at the shard that holds them. */
#ifndef AVISO_ROUTER_ACCOUNT_CLIENT_H
#define AVISO_ROUTER_ACCOUNT_CLIENT_H

#include "router/router.h"

/* Where an account lives: the directory's entry says so. */
struct account_place {
    uint32_t shard;
    uint64_t account;
};

struct account_record {
    uint64_t account;
    struct slice address;
    struct slice credential; /* a secret: copy it only to wipe it */
    bool suspended;
    uint64_t quota_octets; /* 0: none; as the next */
    uint64_t quota_messages;
    uint64_t used_octets;
    uint64_t used_messages;
    uint64_t modseq;
    uint64_t created_ms;
};

struct account_update {
    const struct slice *credential; /* NULL: as it is; the others likewise */
    const uint64_t *quota_octets;   /* both quotas, or neither */
    const uint64_t *quota_messages;
    const bool *suspended;
};

struct account_call;
typedef void account_created_fn(struct account_call *call, enum status status, uint64_t account);
typedef void account_get_fn(struct account_call *call, enum status status,
                            const struct account_record *record);
typedef void account_done_fn(struct account_call *call, enum status status);

struct account_call {
    union {
        account_created_fn *created;
        account_get_fn *get;
        account_done_fn *done;
    } done;
    struct account_work *work; /* the module's; NULL: nothing in flight */
};

/* Harmless when nothing is in flight. */
void account_call_cancel(struct account_call *call);

/* Makes an account in `shard` with INBOX, Drafts, Sent, Trash, Junk and Archive. Until the
 * directory has an entry for it nobody finds it. */
void account_create(struct router *router, struct account_call *call, uint32_t shard,
                    struct slice address, struct slice credential, uint64_t quota_octets,
                    uint64_t quota_messages, account_created_fn *done);

/* NOT_FOUND, as the next two. */
void account_get(struct router *router, struct account_call *call, struct account_place place,
                 account_get_fn *done);
void account_update(struct router *router, struct account_call *call, struct account_place place,
                    const struct account_update *update, account_done_fn *done);
void account_remove(struct router *router, struct account_call *call, struct account_place place,
                    account_done_fn *done);

#endif
