/* The UIDs of mailboxes that were opened lately, in memory: a mailbox of 200,000 messages is not
 * read row by row each time it is opened. Kept current by what apply tells; bounded in octets, the
 * longest unused go first. Of one loop.
 *
 * A mailbox that is being read by a worker is noted first (uid_cache_begin), so that what changes
 * meanwhile is known when the worker's sets arrive. */
#ifndef AVISO_STORAGE_UID_CACHE_H
#define AVISO_STORAGE_UID_CACHE_H

#include "mail/uid_set.h"
#include "storage/apply.h"

struct uid_cache;

/* What is known of a mailbox. */
struct mailbox_uids {
    struct uid_set *uids;
    struct uid_set *unseen;
};

/* `memory_max` octets of sets. free accepts NULL. */
struct uid_cache *uid_cache_new(size_t memory_max);
void uid_cache_free(struct uid_cache *cache);

/* Borrowed until the cache changes; NULL: not known. */
const struct mailbox_uids *uid_cache_find(struct uid_cache *cache, uint64_t account,
                                          uint32_t mailbox);

/* The state that is read from now on is that of this moment. False: it is being read already. */
bool uid_cache_begin(struct uid_cache *cache, uint64_t account, uint32_t mailbox);

/* What was read, brought up to date by what was noted since; takes the sets. Both NULL: reading
 * failed. */
void uid_cache_end(struct uid_cache *cache, uint64_t account, uint32_t mailbox,
                   struct mailbox_uids uids);

/* An apply_uid_fn; `context` is the cache. */
void uid_cache_changed(void *context, uint64_t account, uint32_t mailbox, uint32_t uid,
                       enum apply_uid_act act, uint32_t flags);

/* Octets of sets. */
size_t uid_cache_memory(const struct uid_cache *cache);

#endif
