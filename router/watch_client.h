/* Hearing of changes in an account. Watches of one account on one loop share one stream; a stream
 * that breaks is opened again, and then every watcher hears of a change, whether there was one or
 * not. */
#ifndef AVISO_ROUTER_WATCH_CLIENT_H
#define AVISO_ROUTER_WATCH_CLIENT_H

#include "router/account_client.h"

struct watch_change {
    uint64_t modseq;
    const uint32_t *mailboxes; /* in which messages changed */
    size_t mailbox_count;
    bool everything;   /* assume that anything may have changed */
    bool mailbox_list; /* mailboxes were made, renamed, deleted or subscribed */
    bool account;      /* the account was changed, suspended or removed */
};

struct account_watch {
    void (*changed)(struct account_watch *watch, const struct watch_change *change);
    struct account_watch *next; /* the module's, as the rest */
    struct account_stream *stream;
};

/* `changed` runs on the router's loop until watch_stop(); it may stop its own watch, no other. */
void watch_start(struct router *router, struct account_watch *watch, struct account_place place,
                 void (*changed)(struct account_watch *watch, const struct watch_change *change));

/* Harmless when it does not run. */
void watch_stop(struct account_watch *watch);

#endif
