#include "router/etcd_keys.h"

#include <string.h>

#include "core/memory.h"

static struct slice view(const struct etcd_key *key)
{
    return (struct slice){key->octets, key->size};
}

void etcd_keys_done(struct etcd_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        memory_free(keys->keys[i].octets);
    }
    memory_free(keys->keys);
    *keys = (struct etcd_keys){0};
}

/* The first that is not before `key`. Lists come in order, so the end is looked at first. */
static size_t place_of(const struct etcd_keys *keys, struct slice key)
{
    size_t low = 0;
    size_t high = keys->count;

    if (high > 0 && slice_compare(view(&keys->keys[high - 1]), key) < 0) {
        return high;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_compare(view(&keys->keys[middle]), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct etcd_keys *keys, size_t place, struct slice key)
{
    return place < keys->count && slice_equals(view(&keys->keys[place]), key);
}

struct etcd_key *etcd_keys_take(struct etcd_keys *keys, struct slice key)
{
    size_t place = place_of(keys, key);

    if (is_at(keys, place, key)) {
        return &keys->keys[place];
    }
    if (keys->count == keys->capacity) {
        keys->capacity = keys->capacity * 2 + 64;
        keys->keys = memory_resized(keys->keys, keys->capacity * sizeof(*keys->keys));
    }
    memmove(&keys->keys[place + 1], &keys->keys[place],
            (keys->count - place) * sizeof(*keys->keys));
    keys->count++;
    keys->keys[place] = (struct etcd_key){.octets = memory_zeroed(key.size), .size = key.size};
    memcpy(keys->keys[place].octets, key.data, key.size);
    return &keys->keys[place];
}

const struct etcd_key *etcd_keys_find(const struct etcd_keys *keys, struct slice key)
{
    size_t place = place_of(keys, key);

    return is_at(keys, place, key) ? &keys->keys[place] : NULL;
}

void etcd_keys_remove(struct etcd_keys *keys, struct slice key)
{
    size_t place = place_of(keys, key);

    if (is_at(keys, place, key)) {
        memory_free(keys->keys[place].octets);
        keys->count--;
        memmove(&keys->keys[place], &keys->keys[place + 1],
                (keys->count - place) * sizeof(*keys->keys));
    }
}

void etcd_keys_forget_revisions(struct etcd_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        keys->keys[i].revision = 0;
    }
}

void etcd_keys_sweep(struct etcd_keys *keys, uint64_t seen,
                     void (*gone)(void *context, struct slice key), void *context)
{
    size_t kept = 0;

    for (size_t i = 0; i < keys->count; i++) {
        if (keys->keys[i].seen == seen) {
            keys->keys[kept++] = keys->keys[i];
        } else {
            gone(context, view(&keys->keys[i]));
            memory_free(keys->keys[i].octets);
        }
    }
    keys->count = kept;
}
