/* A client of etcd by its JSON gateway, on one loop: several endpoints of which any will do, a user
 * if there is one, and deadlines. For a view of keys that stays true see router/etcd_watch.h, for
 * keys that live as long as we do router/etcd_lease.h. */
#ifndef AVISO_ROUTER_ETCD_H
#define AVISO_ROUTER_ETCD_H

#include "net/http_fetch.h"
#include "router/etcd_wire.h"

struct etcd;

struct etcd_options {
    struct loop *loop;
    const char *const *endpoints; /* "http://127.0.0.1:2379" or https; at least one */
    size_t endpoint_count;
    const char *user; /* NULL: no login */
    const char *password;
    const char *authorities_path; /* as in struct http_agent_options. With a user, etcd wants a */
    const char *certificate_path; /* certificate without a common name. */
    const char *key_path;
    uint64_t timeout_ms; /* of a call, all attempts together; 0: 5 s */
};

/* Copies the options. */
struct etcd *etcd_new(const struct etcd_options *options);

/* With no call in flight and no watch or lease left, not within a continuation. Accepts NULL. */
void etcd_free(struct etcd *etcd);

struct etcd_call;

enum etcd_kind {
    ETCD_RANGE,
    ETCD_TRANSACTION,
    ETCD_GRANT,
    ETCD_KEEP_ALIVE,
    ETCD_REVOKE,
    ETCD_LOGIN,
};

/* `result` is NULL unless `status` is OK, and valid until the function returns, which may start the
 * call again or end it.
 * CONFLICT: a compare of the transaction did not hold. NOT_FOUND: no such lease. DENIED: wrong
 * password, no permission, or a server that cannot prove who it is. EXPIRED: the revision is
 * compacted. UNAVAILABLE: etcd did nothing. TIMED_OUT: unknown what etcd did: read again.
 * CORRUPT, TOO_LARGE: not an answer of etcd, or too much of it. INVALID: etcd refused it. */
typedef void etcd_done_fn(struct etcd_call *call, enum status status,
                          const struct etcd_result *result);

/* One request in flight, embedded in who wants the answer. `done` runs exactly once, never before
 * the function that starts it returned, and never after the cancel. */
struct etcd_call {
    struct etcd *etcd;
    etcd_done_fn *done;
    enum etcd_kind kind; /* the client's, as the rest */
    bool has_new_token;  /* once is enough */
    bool waits;          /* for a token */
    unsigned tries;
    uint64_t deadline_ms;
    struct buffer body;
    struct http_fetch fetch;
    struct loop_timer pause;
    struct etcd_call *next; /* of those that wait for a token */
};

/* Nothing is in flight yet. */
void etcd_call_init(struct etcd_call *call, struct etcd *etcd);

/* Cancels, and frees. */
void etcd_call_done(struct etcd_call *call);

/* Harmless when nothing is in flight. */
void etcd_call_cancel(struct etcd_call *call);

/* The entries of a range, in the order of their keys. */
void etcd_get(struct etcd_call *call, const struct etcd_range *range, etcd_done_fn *done);

/* All the operations or, with CONFLICT, none. Should a connection break after the request was sent,
 * it may have been done and yet be answered with CONFLICT by a second attempt: read again. */
void etcd_commit(struct etcd_call *call, const struct etcd_transaction *transaction,
                 etcd_done_fn *done);

/* A transaction of one operation. `lease` 0: none. */
void etcd_put(struct etcd_call *call, struct slice key, struct slice value, uint64_t lease,
              etcd_done_fn *done);
void etcd_delete(struct etcd_call *call, struct slice key, etcd_done_fn *done);

/* A new lease for so many seconds; its id is in the result. */
void etcd_grant(struct etcd_call *call, uint64_t ttl_s, etcd_done_fn *done);
/* Its time begins again. NOT_FOUND: it is over. */
void etcd_keep_alive(struct etcd_call *call, uint64_t lease, etcd_done_fn *done);
/* Ends it, and what was put with it goes. */
void etcd_revoke(struct etcd_call *call, uint64_t lease, etcd_done_fn *done);

/* Where its continuations run. */
struct loop *etcd_loop(const struct etcd *etcd);

#endif
