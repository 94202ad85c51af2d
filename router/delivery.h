/* One message to many accounts: one request to each shard concerned, all at once, and an outcome
 * for each recipient. A repetition under the same delivery id has one effect. */
#ifndef AVISO_ROUTER_DELIVERY_H
#define AVISO_ROUTER_DELIVERY_H

#include "router/account_client.h"
#include "router/ingest.h"

struct delivery_recipient {
    struct account_place place;
    struct slice mailbox; /* its name; empty: INBOX */
    bool must_exist;      /* else the mailbox is made when it is not there */
    uint32_t flags;       /* of enum system_flag */
    const struct slice *keywords;
    size_t keyword_count;
    bool over_quota_too;
    struct slice
        header_prefix; /* whole header lines for this recipient alone, before the header block */
};

/* `status` OK: committed. NOT_FOUND: no such account, or no such mailbox with `must_exist`.
 * OVER_QUOTA, SUSPENDED. UNAVAILABLE, BUSY, TIMED_OUT, NO_SPACE: try again later, under the same
 * delivery id. */
struct delivery_outcome {
    enum status status;
    uint32_t uid;
    uint32_t uid_validity;
    uint64_t email;
    uint64_t modseq;
    bool is_handed_over; /* committed, in the charge of another shard: no UID yet */
};

struct delivery_order {
    struct request_id id;
    struct ingested *ingested; /* the delivery takes a reference of its own */
    uint64_t received_ms;
    int32_t received_zone; /* minutes east of UTC */
    const struct delivery_recipient *recipients;
    size_t recipient_count;
    bool may_hand_over; /* to a shard that answers, when the recipient's does not (handover.h) */
};

/* `outcomes` are in the order of the recipients. */
struct delivery;
typedef void delivery_done_fn(struct delivery *delivery, const struct delivery_outcome *outcomes);

/* Embedded in who waits. */
struct delivery {
    delivery_done_fn *done;
    struct delivery_work *work; /* the module's; NULL: nothing in flight */
};

/* A place that two recipients share gets two messages: the caller joins them if it wants one. */
void delivery_send(struct router *router, struct delivery *delivery,
                   const struct delivery_order *order, delivery_done_fn *done);

/* `done` will not run; what is on its way may still happen. */
void delivery_cancel(struct delivery *delivery);

#endif
