/* The shards that a node holds, found by number: from any thread, without a lock.
 *
 * A holding is never taken out, since others may be looking at it: a shard that is given up leaves
 * an empty one behind, and a new replica of it goes there. */
#ifndef AVISO_STORAGE_HOLDINGS_H
#define AVISO_STORAGE_HOLDINGS_H

#include <stdatomic.h>

#include "storage/shard.h"

struct holdings;

struct holding {
    uint32_t id;
    struct loop *loop; /* that it lives on, for ever */

    /* Of its loop, once that runs. */
    struct shard *shard; /* NULL: it is not served */
    enum status status;  /* why not */

    /* Of the opening. */
    bool is_logged; /* the log knows it */
    bool is_booked; /* the book does */
};

/* free accepts NULL. Shards are the caller's. */
struct holdings *holdings_new(void);
void holdings_free(struct holdings *holdings);

/* The holding of `shard`, or NULL. Any thread. */
struct holding *holdings_find(const struct holdings *holdings, uint32_t shard);

/* How many there are, and the one at `index`, in no order. Any thread. */
size_t holdings_count(const struct holdings *holdings);
struct holding *holdings_at(const struct holdings *holdings, size_t index);

/* The holding of `shard`, made when there is none. One thread at a time. NULL: LOG_SHARDS_MAX are
 * there. */
struct holding *holdings_add(struct holdings *holdings, uint32_t shard, struct loop *loop);

#endif
