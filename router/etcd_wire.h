/* etcd's messages as its JSON gateway has them: what is asked and what is answered. Pure.
 *
 * Keys and values are octets, in base64 on the wire; 64-bit numbers are texts there, and a field
 * that is zero or false is left out. */
#ifndef AVISO_ROUTER_ETCD_WIRE_H
#define AVISO_ROUTER_ETCD_WIRE_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

enum {
    ETCD_KEY_SIZE_MAX = 1024,
    ETCD_VALUE_SIZE_MAX = 1024 * 1024, /* etcd takes 1.5 MiB a request */
    ETCD_OPERATION_COUNT_MAX = 128,    /* etcd's own limit for a transaction */
};

/* ---- What is asked ---- */

struct etcd_range {
    struct slice key;
    struct slice end;  /* the first key beyond; empty: the one key */
    uint64_t revision; /* as of when; 0: now */
    uint64_t limit;    /* entries; 0: all */
};

enum etcd_target { ETCD_CREATE_REVISION, ETCD_MOD_REVISION };

/* Whether the revision of a key is `revision`; that of no such key is 0. */
struct etcd_compare {
    struct slice key;
    enum etcd_target target;
    uint64_t revision;
};

/* A put of `value`, or a delete. */
struct etcd_operation {
    bool is_delete;
    struct slice key;
    struct slice value;
    uint64_t lease; /* with which the key goes; 0: it stays */
};

/* All the operations, if all the compares hold. */
struct etcd_transaction {
    const struct etcd_compare *compares;
    size_t compare_count;
    const struct etcd_operation *operations;
    size_t operation_count;
};

/* Each appends the JSON text of one request. */
void etcd_wire_range(const struct etcd_range *range, struct buffer *output);
void etcd_wire_transaction(const struct etcd_transaction *transaction, struct buffer *output);
void etcd_wire_lease(uint64_t lease, uint64_t ttl_s, struct buffer *output);
/* Of what happens to the keys from `range->revision` on, with a word about progress now and then.
 */
void etcd_wire_watch(const struct etcd_range *range, struct buffer *output);
/* INVALID: not UTF-8. */
NODISCARD enum status etcd_wire_login(struct slice user, struct slice password,
                                      struct buffer *output);

/* The first key that does not begin with `prefix`, which is not empty and does not end in 0xff. */
void etcd_wire_prefix_end(struct slice prefix, struct buffer *output);

/* ---- What is answered ---- */

struct etcd_entry {
    struct slice key;
    struct slice value;
    uint64_t create_revision;
    uint64_t mod_revision;
    uint64_t lease;
};

/* The answer to any request; what a request does not ask is zero. */
struct etcd_result {
    uint64_t cluster;  /* whose answer it is */
    uint64_t revision; /* of the whole store */
    const struct etcd_entry *entries;
    size_t entry_count;
    bool has_more;  /* entries beyond the limit */
    bool succeeded; /* the compares held */
    uint64_t lease;
    uint64_t ttl_s; /* 0: there is no such lease any more */
    struct slice token;
};

/* Reads the answer of code 200 into `arena`. CORRUPT: it is none. */
NODISCARD enum status etcd_wire_result(struct slice text, struct arena *arena,
                                       struct etcd_result *out_result);

struct etcd_event {
    bool is_delete; /* then the entry has a key and a revision */
    struct etcd_entry entry;
};

/* One line of a watch. */
struct etcd_news {
    uint64_t cluster;
    uint64_t revision;
    const struct etcd_event *events; /* in the order in which they happened */
    size_t event_count;
    bool is_created;
    bool is_fragment;          /* more of the same revision follows */
    bool is_cancelled;         /* nothing comes any more */
    uint64_t compact_revision; /* cancelled since what was asked for is forgotten up to here */
    enum status fault;         /* why it was cancelled, as etcd_wire_fault() says; else OK */
};
NODISCARD enum status etcd_wire_news(struct slice line, struct arena *arena,
                                     struct etcd_news *out_news);

/* What the text of an answer that is not code 200 means. SUSPENDED: the token is not, or no longer,
 * good. DENIED: wrong password, or no permission. EXPIRED: the revision is compacted. NOT_FOUND: no
 * such lease. UNAVAILABLE: no leader, or no quorum in time: a write may still come about.
 * INVALID: anything else. */
enum status etcd_wire_fault(struct slice text);

#endif
