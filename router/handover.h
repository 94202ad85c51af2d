/* Mail for a shard that does not answer is taken charge of by another one (router/delivery), and
 * brought there when it does: so one shard that is away costs its accounts time, and nobody a 451
 * for a message that others already have.
 *
 * A delivery that waits is replicated state of the shard that keeps it. It is sent on under the
 * request id of the Deliver that was not answered, which the other shard remembers: it arrives
 * once, whether that Deliver had arrived or not, and whatever fails or runs twice in between. */
#ifndef AVISO_ROUTER_HANDOVER_H
#define AVISO_ROUTER_HANDOVER_H

#include "router/router.h"

enum {
    /* Octets beside a Deliver or HandOver; with more, the body's frames go before it. */
    DELIVER_OCTETS_MAX = 224 * 1024,

    /* The account under which a shard's watchers hear of new handovers; no account has it. */
    WATCH_HANDOVERS = 0,
};

struct handover_worker;

/* Brings what any shard keeps to where it belongs, from now on. Several may run at a time, in any
 * process: what two bring at once still arrives once. On the router's loop, as the rest. */
struct handover_worker *handover_worker_new(struct router *router);

/* What is on its way may still arrive. Accepts NULL. */
void handover_worker_free(struct handover_worker *worker);

#endif
