/* Who wants to hear of changes in the accounts of a shard. Events that come faster than a client
 * takes them are joined into one. Of one loop. */
#ifndef AVISO_STORAGE_WATCHES_H
#define AVISO_STORAGE_WATCHES_H

#include "proto/watch.pb-c.h"
#include "storage/apply.h"
#include "storage/read.h"

struct watches;

enum { WATCHES_MAX = 100000 /* streams of one shard */ };

/* free accepts NULL. */
struct watches *watches_new(void);
void watches_free(struct watches *watches);

/* Begins the stream of `call`, whose first item says `modseq` and `closed`. BUSY: WATCHES_MAX are
 * there, and the call is not answered. */
NODISCARD enum status watches_add(struct watches *watches, uint64_t account, uint64_t modseq,
                                  bool closed, Aviso__WatchEvent_Closure send,
                                  struct rpc_request *call);

/* An apply_change_fn; `context` is the watches. */
void watches_changed(void *context, const struct apply_change *change);

/* Ends all streams with `status`. */
void watches_end(struct watches *watches, enum status status);

#endif
