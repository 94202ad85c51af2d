/* Answers of the directory that are not too old to be used again: entries, names that are not
 * there, and the state of accounts. Bounded; the one unused for longest makes room. Of one loop. */
#ifndef AVISO_ROUTER_DIRECTORY_CACHE_H
#define AVISO_ROUTER_DIRECTORY_CACHE_H

#include "router/account_client.h"
#include "router/directory.h"

struct directory_cache;

/* For `count_max` answers. */
struct directory_cache *directory_cache_new(size_t count_max);
void directory_cache_free(struct directory_cache *cache);

/* What is known of a name. */
struct directory_known {
    bool is_there;                /* else nobody has the name */
    struct directory_entry entry; /* borrowed until the cache changes */
};

/* False: nothing is known, or since before `now_ms` - `age_ms`. */
bool directory_cache_find(struct directory_cache *cache, struct slice name, uint64_t now_ms,
                          uint64_t age_ms, struct directory_known *out_known);

/* `entry` NULL: nobody has the name. Copies it. `as_of_ms`: when it was asked for. */
void directory_cache_put(struct directory_cache *cache, struct slice name,
                         const struct directory_entry *entry, uint64_t as_of_ms);

/* Names forgotten so far. What was asked for before a name was forgotten may be older than what
 * made it so, and must not be put. */
uint64_t directory_cache_forgotten(const struct directory_cache *cache);
void directory_cache_forget(struct directory_cache *cache, struct slice name);

/* The same for the state of accounts, of which only quota, usage and suspension are kept. */
bool directory_cache_find_account(struct directory_cache *cache, struct account_place place,
                                  uint64_t now_ms, uint64_t age_ms,
                                  struct resolved_account *out_state);
void directory_cache_put_account(struct directory_cache *cache, struct account_place place,
                                 const struct resolved_account *state, uint64_t now_ms);

#endif
