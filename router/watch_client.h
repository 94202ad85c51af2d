/* Hearing of changes in an account. Watches of one account on one loop share one stream, whose
 * first event says how the account is: so every watcher hears of what happened since watch_start(),
 * be it only that something may have. A stream that breaks is opened again, and begins like the
 * first. */
#ifndef AVISO_ROUTER_WATCH_CLIENT_H
#define AVISO_ROUTER_WATCH_CLIENT_H

#include "router/account_client.h"

struct watch_change {
    uint64_t modseq;           /* of the account: who has seen it has missed nothing */
    const uint32_t *mailboxes; /* in which messages changed */
    size_t mailbox_count;
    bool everything;   /* a stream began: anything up to `modseq` may have changed */
    bool mailbox_list; /* mailboxes were made, renamed, deleted or subscribed */
    bool account;      /* the account was changed, suspended or removed */
    bool is_closed;    /* it is suspended or removed: nobody may use it any more */
};

struct account_watch {
    void (*changed)(struct account_watch *watch, const struct watch_change *change);
    struct account_watch *next; /* the module's, as the rest */
    struct account_stream *stream;
};

/* `changed` runs on the router's loop, never before this returned, until watch_stop(); it may stop
 * its own watch, no other. Who begins to watch an account that is known to be closed hears of that,
 * too. */
void watch_start(struct router *router, struct account_watch *watch, struct account_place place,
                 void (*changed)(struct account_watch *watch, const struct watch_change *change));

/* Harmless when it does not run. */
void watch_stop(struct account_watch *watch);

#endif
