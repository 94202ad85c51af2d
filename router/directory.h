/* Names: from an address to the accounts that get its mail, and the entries behind that.
 *
 * Answers may come from a cache that is never older than router_options.directory_cache_ms; an
 * entry written through this router is seen at once by its own loop. */
#ifndef AVISO_ROUTER_DIRECTORY_H
#define AVISO_ROUTER_DIRECTORY_H

#include "core/arena.h"
#include "router/router.h"

enum directory_kind {
    DIRECTORY_DOMAIN = 1,
    DIRECTORY_ACCOUNT = 2,
    DIRECTORY_ALIAS = 3,
    DIRECTORY_GROUP = 4,
};

struct directory_entry {
    struct slice name; /* canonical: "ann@example.org", of a domain "@example.org" */
    enum directory_kind kind;
    uint32_t shard;   /* of an account */
    uint64_t account; /* of an account */
    const struct slice *targets;
    size_t target_count;
    uint64_t revision;
    uint64_t created_ms;
};

enum {
    DIRECTORY_TARGETS_MAX = 1000, /* of one group */
    RESOLUTION_ACCOUNTS_MAX = 1000,
    RESOLUTION_DEPTH_MAX = 8, /* groups of aliases of groups... */
};

enum resolution_outcome {
    RESOLUTION_ACCOUNTS,       /* at least one account of ours */
    RESOLUTION_UNKNOWN_USER,   /* our domain, nobody has the address */
    RESOLUTION_FOREIGN_DOMAIN, /* not a domain of ours */
    RESOLUTION_LOOP,           /* aliases in a circle, or deeper or wider than the limits */
};

/* One account that gets the mail of an address. */
struct resolved_account {
    uint32_t shard;
    uint64_t account;
    struct slice address; /* the account's own */
    bool suspended;
    bool over_quota;       /* no message fits any more; as of the cache */
    uint64_t quota_octets; /* 0: none */
    uint64_t used_octets;
};

struct resolution {
    enum resolution_outcome outcome;
    const struct resolved_account *accounts; /* each once */
    size_t account_count;
    struct slice detail; /* what followed '+' in the local part; empty: none */
};

struct directory_call;
typedef void directory_resolve_fn(struct directory_call *call, enum status status,
                                  const struct resolution *resolution);
typedef void directory_entry_fn(struct directory_call *call, enum status status,
                                const struct directory_entry *entry);
typedef void directory_list_fn(struct directory_call *call, enum status status,
                               const struct directory_entry *entries, size_t count);
typedef void directory_done_fn(struct directory_call *call, enum status status);

struct directory_call {
    union {
        directory_resolve_fn *resolve;
        directory_entry_fn *entry;
        directory_list_fn *list;
        directory_done_fn *done;
    } done;
    struct directory_work *work; /* the module's; NULL: nothing in flight */
};

/* Harmless when nothing is in flight. */
void directory_call_cancel(struct directory_call *call);

/* Follows aliases, groups, +detail and the domain's catch-all for a canonical address
 * (mail/address.h). Answers may come from the cache, and be as old as `directory_cache_ms`, but not
 * one that leaves nobody to get the mail: unknown, foreign, all suspended or over their quota. */
void directory_resolve(struct router *router, struct directory_call *call, struct slice address,
                       directory_resolve_fn *done);

/* Whether `account` (at `address`, its own) may send as `sender`: its own address, with or without
 * +detail, or an alias of it. DENIED: no. */
void directory_may_send_as(struct router *router, struct directory_call *call, struct slice address,
                           struct slice sender, directory_done_fn *done);

/* One entry as it is now, not from the cache. NOT_FOUND. */
void directory_look(struct router *router, struct directory_call *call, struct slice name,
                    directory_entry_fn *done);

/* EXISTS: with `must_be_new`. CONFLICT: `entry->revision` is neither 0 nor the present one. */
void directory_put(struct router *router, struct directory_call *call,
                   const struct directory_entry *entry, bool must_be_new, directory_done_fn *done);

/* NOT_FOUND; CONFLICT: `revision` is neither 0 nor the present one. */
void directory_remove(struct router *router, struct directory_call *call, struct slice name,
                      uint64_t revision, directory_done_fn *done);

/* All entries, or those of one domain (without "@"), by name. `count_max` guards memory: TOO_LARGE
 * over it. */
void directory_list(struct router *router, struct directory_call *call, struct slice domain,
                    size_t count_max, directory_list_fn *done);

#endif
