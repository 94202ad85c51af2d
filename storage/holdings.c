#include "storage/holdings.h"

#include "core/memory.h"

enum { PLACES = 2 * LOG_SHARDS_MAX }; /* a power of two, and half of them stay empty */

struct holdings {
    _Atomic(struct holding *) places[PLACES]; /* open addressing */
    struct holding *list[LOG_SHARDS_MAX];
    atomic_size_t count;
};

struct holdings *holdings_new(void)
{
    return NEW(struct holdings);
}

void holdings_free(struct holdings *holdings)
{
    for (size_t index = 0; holdings != NULL && index < holdings->count; index++) {
        memory_free(holdings->list[index]);
    }
    memory_free(holdings);
}

/* Multiplies by a number without a pattern (2^32 over the golden ratio): numbers in a row spread.
 */
static size_t place_of(uint32_t shard)
{
    return (shard * UINT32_C(2654435769)) % PLACES;
}

struct holding *holdings_find(const struct holdings *holdings, uint32_t shard)
{
    size_t place = place_of(shard);
    struct holding *holding;

    while ((holding = atomic_load_explicit(&holdings->places[place], memory_order_acquire)) !=
           NULL) {
        if (holding->id == shard) {
            return holding;
        }
        place = (place + 1) % PLACES;
    }
    return NULL;
}

size_t holdings_count(const struct holdings *holdings)
{
    return atomic_load_explicit(&holdings->count, memory_order_acquire);
}

struct holding *holdings_at(const struct holdings *holdings, size_t index)
{
    return holdings->list[index];
}

struct holding *holdings_add(struct holdings *holdings, uint32_t shard, struct loop *loop)
{
    struct holding *holding = holdings_find(holdings, shard);
    size_t count = holdings_count(holdings);
    size_t place = place_of(shard);

    if (holding != NULL || count == LOG_SHARDS_MAX) {
        return holding;
    }
    holding = NEW(struct holding);
    holding->id = shard;
    holding->loop = loop;
    while (holdings->places[place] != NULL) {
        place = (place + 1) % PLACES;
    }
    holdings->list[count] = holding;
    atomic_store_explicit(&holdings->places[place], holding, memory_order_release);
    atomic_store_explicit(&holdings->count, count + 1, memory_order_release);
    return holding;
}
