/* The keys that a watch has told of, and their revisions: what a new list is compared with. */
#ifndef AVISO_ROUTER_ETCD_KEYS_H
#define AVISO_ROUTER_ETCD_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/slice.h"

struct etcd_key {
    char *octets;
    size_t size;
    uint64_t revision; /* of its value */
    uint64_t seen;     /* the last list that had it */
};

struct etcd_keys {
    struct etcd_key *keys; /* in order */
    size_t count;
    size_t capacity;
};

/* Frees the keys; empty is all zero. */
void etcd_keys_done(struct etcd_keys *keys);

/* Of `key`: its record, which is made if there is none, with revision 0. Valid until the next. */
struct etcd_key *etcd_keys_take(struct etcd_keys *keys, struct slice key);

/* NULL: there is none. */
const struct etcd_key *etcd_keys_find(const struct etcd_keys *keys, struct slice key);

/* Harmless when there is none. */
void etcd_keys_remove(struct etcd_keys *keys, struct slice key);

/* Whatever comes next is new: revisions of another store mean nothing. */
void etcd_keys_forget_revisions(struct etcd_keys *keys);

/* Removes all that list number `seen` did not have, telling `gone` of each before. */
void etcd_keys_sweep(struct etcd_keys *keys, uint64_t seen,
                     void (*gone)(void *context, struct slice key), void *context);

#endif
