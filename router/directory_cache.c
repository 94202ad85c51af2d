#include "router/directory_cache.h"

#include "core/check.h"
#include "core/macros.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/random.h"
#include "router/slot.h"

/* One answer, in the chain of its bucket and in the order of use. */
struct answer {
    struct answer *chain;
    struct answer *newer;
    struct answer *older;
    uint64_t hash;
    uint64_t as_of_ms;
    bool is_there;
    struct directory_entry entry;
    struct resolved_account state;
    struct slice *targets;
    size_t key_size;
    char key[]; /* a name, or an account's place in octets; then the targets' octets */
};

struct directory_cache {
    size_t count;
    size_t count_max;
    uint64_t seed; /* so that nobody can choose names of one bucket */
    uint64_t forgotten;
    size_t bucket_count; /* a power of 2 */
    struct answer **buckets;
    struct answer *newest;
    struct answer *oldest;
};

struct directory_cache *directory_cache_new(size_t count_max)
{
    struct directory_cache *cache = NEW(struct directory_cache);

    cache->count_max = count_max > 0 ? count_max : 1;
    random_octets(&cache->seed, sizeof(cache->seed));
    cache->bucket_count = 16;
    while (cache->bucket_count < cache->count_max) {
        cache->bucket_count *= 2;
    }
    cache->buckets = memory_zeroed(cache->bucket_count * sizeof(*cache->buckets));
    return cache;
}

static void unlink_use(struct directory_cache *cache, struct answer *answer)
{
    *(answer->newer != NULL ? &answer->newer->older : &cache->newest) = answer->older;
    *(answer->older != NULL ? &answer->older->newer : &cache->oldest) = answer->newer;
}

static void link_newest(struct directory_cache *cache, struct answer *answer)
{
    answer->newer = NULL;
    answer->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = answer;
    cache->newest = answer;
}

static struct answer **bucket_of(struct directory_cache *cache, uint64_t hash)
{
    return &cache->buckets[hash & (cache->bucket_count - 1)];
}

static void remove_answer(struct directory_cache *cache, struct answer *answer)
{
    struct answer **place = bucket_of(cache, answer->hash);

    while (*place != answer) {
        place = &(*place)->chain;
    }
    *place = answer->chain;
    unlink_use(cache, answer);
    cache->count--;
    memory_free(answer->targets);
    memory_free(answer);
}

void directory_cache_free(struct directory_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    while (cache->oldest != NULL) {
        remove_answer(cache, cache->oldest);
    }
    memory_free(cache->buckets);
    memory_free(cache);
}

static uint64_t hash_of(const struct directory_cache *cache, struct slice key)
{
    uint64_t hash = 0xcbf29ce484222325 ^ cache->seed;

    for (size_t i = 0; i < key.size; i++) {
        hash = (hash ^ (unsigned char)key.data[i]) * 0x100000001b3;
    }
    return hash ^ hash >> 32;
}

static struct answer *find(struct directory_cache *cache, struct slice key)
{
    uint64_t hash = hash_of(cache, key);
    struct answer *answer = *bucket_of(cache, hash);

    while (answer != NULL && (answer->hash != hash ||
                              !slice_equals((struct slice){answer->key, answer->key_size}, key))) {
        answer = answer->chain;
    }
    return answer;
}

static struct answer *find_fresh(struct directory_cache *cache, struct slice key, uint64_t now_ms,
                                 uint64_t age_ms)
{
    struct answer *answer = find(cache, key);

    if (answer == NULL || now_ms - answer->as_of_ms >= age_ms) {
        return NULL;
    }
    unlink_use(cache, answer);
    link_newest(cache, answer);
    return answer;
}

/* A new answer in the place of an older one of the same key; `extra` octets follow the key. */
static struct answer *add(struct directory_cache *cache, struct slice key, size_t extra,
                          uint64_t now_ms)
{
    struct answer *answer = find(cache, key);

    if (answer != NULL) {
        remove_answer(cache, answer);
    } else if (cache->count == cache->count_max) {
        remove_answer(cache, cache->oldest);
    }
    answer = memory_zeroed(sizeof(*answer) + key.size + extra);
    answer->hash = hash_of(cache, key);
    answer->as_of_ms = now_ms;
    answer->key_size = key.size;
    for (size_t i = 0; i < key.size; i++) {
        answer->key[i] = key.data[i];
    }
    struct answer **bucket = bucket_of(cache, answer->hash);

    answer->chain = *bucket;
    *bucket = answer;
    link_newest(cache, answer);
    cache->count++;
    return answer;
}

/* ---- Names ---- */

bool directory_cache_find(struct directory_cache *cache, struct slice name, uint64_t now_ms,
                          uint64_t age_ms, struct directory_known *out_known)
{
    const struct answer *answer = find_fresh(cache, name, now_ms, age_ms);

    if (answer == NULL) {
        return false;
    }
    *out_known = (struct directory_known){answer->is_there, answer->entry};
    return true;
}

static void copy_targets(struct answer *answer, const struct directory_entry *entry)
{
    char *room = answer->key + answer->key_size;

    answer->targets = memory_zeroed((entry->target_count + 1) * sizeof(*answer->targets));
    for (size_t i = 0; i < entry->target_count; i++) {
        struct slice target = entry->targets[i];

        for (size_t k = 0; k < target.size; k++) {
            room[k] = target.data[k];
        }
        answer->targets[i] = (struct slice){room, target.size};
        room += target.size;
    }
    answer->entry.targets = answer->targets;
}

void directory_cache_put(struct directory_cache *cache, struct slice name,
                         const struct directory_entry *entry, uint64_t as_of_ms)
{
    size_t extra = 0;

    for (size_t i = 0; entry != NULL && i < entry->target_count; i++) {
        extra += entry->targets[i].size;
    }
    struct answer *answer = add(cache, name, extra, as_of_ms);

    if (entry != NULL) {
        answer->is_there = true;
        answer->entry = *entry;
        answer->entry.name = (struct slice){answer->key, answer->key_size};
        copy_targets(answer, entry);
    }
}

void directory_cache_forget(struct directory_cache *cache, struct slice name)
{
    struct answer *answer = find(cache, name);

    cache->forgotten++;
    if (answer != NULL) {
        remove_answer(cache, answer);
    }
}

uint64_t directory_cache_forgotten(const struct directory_cache *cache)
{
    return cache->forgotten;
}

/* ---- Accounts: a key that is no name, since it has a NUL in front ---- */

enum { ACCOUNT_KEY_SIZE = 13 };

static struct slice key_of(struct account_place place, char *octets)
{
    octets[0] = '\0';
    number_put_u32(octets + 1, place.shard);
    number_put_u64(octets + 5, place.account);
    return (struct slice){octets, ACCOUNT_KEY_SIZE};
}

bool directory_cache_find_account(struct directory_cache *cache, struct account_place place,
                                  uint64_t now_ms, uint64_t age_ms,
                                  struct resolved_account *out_state)
{
    char octets[ACCOUNT_KEY_SIZE];
    const struct answer *answer = find_fresh(cache, key_of(place, octets), now_ms, age_ms);

    if (answer == NULL) {
        return false;
    }
    *out_state = answer->state;
    return true;
}

void directory_cache_put_account(struct directory_cache *cache, struct account_place place,
                                 const struct resolved_account *state, uint64_t now_ms)
{
    char octets[ACCOUNT_KEY_SIZE];

    add(cache, key_of(place, octets), 0, now_ms)->state = *state;
}
