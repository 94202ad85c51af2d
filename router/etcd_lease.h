/* A lease of etcd that is held as long as can be: what is put with it says that we are alive. */
#ifndef AVISO_ROUTER_ETCD_LEASE_H
#define AVISO_ROUTER_ETCD_LEASE_H

#include "router/etcd.h"

struct etcd_lease;

struct etcd_lease_listener {
    /* There is a new lease, with nothing put under it yet. */
    void (*on_held)(void *context, uint64_t lease);

    /* It is over, or may be: what was put with it may be gone and somebody else's. Another one is
     * asked for already. NULL: nobody cares. */
    void (*on_lost)(void *context);
    void *context;
};

/* Asks for one of `ttl_s` seconds, at least 2, until there is one. `listener` outlives it. */
struct etcd_lease *etcd_lease_new(struct etcd *etcd, uint64_t ttl_s,
                                  const struct etcd_lease_listener *listener);

/* Not within its continuations. What was put with it goes when its time is over. Accepts NULL. */
void etcd_lease_free(struct etcd_lease *lease);

/* 0: none is held. */
uint64_t etcd_lease_id(const struct etcd_lease *lease);

#endif
