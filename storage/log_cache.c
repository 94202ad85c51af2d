#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "storage/log_core.h"

struct log_block *log_block_new(size_t size)
{
    struct log_block *block = memory_resized(NULL, sizeof(*block) + size);

    atomic_init(&block->reference_count, 1);
    block->size = (uint32_t)size;
    return block;
}

void log_block_unref(struct log_block *block)
{
    if (block != NULL && atomic_fetch_sub(&block->reference_count, 1) == 1) {
        memory_free(block);
    }
}

static void reserve(struct log *log)
{
    if (log->cache_begin + log->cache_count < log->cache_capacity) {
        return;
    }
    if (log->cache_begin > log->cache_count) {
        memmove(log->cache, log->cache + log->cache_begin, log->cache_count * sizeof(*log->cache));
        log->cache_begin = 0;
        return;
    }
    log->cache_capacity = log->cache_capacity * 2 + 16;
    log->cache = memory_resized(log->cache, log->cache_capacity * sizeof(*log->cache));
}

void log_cache_push(struct log *log, struct log_block *block)
{
    reserve(log);
    atomic_fetch_add(&block->reference_count, 1);
    log->cache[log->cache_begin + log->cache_count++] = block;
    log->cache_octets += block->size;
}

void log_cache_pop(struct log *log)
{
    CHECK(log->cache_count > 0);

    struct log_block *block = log->cache[log->cache_begin + --log->cache_count];

    log->cache_octets -= block->size;
    log_block_unref(block);
}

/* Whether all of `block` is before `location`. */
static bool is_before(const struct log_block *block, struct log_location location)
{
    return block->segment != location.segment ? block->segment < location.segment
                                              : block->offset + block->size <= location.offset;
}

struct log_block *log_find_block(struct log *log, struct log_location location)
{
    size_t low = 0;
    size_t high = log->cache_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (is_before(log->cache[log->cache_begin + middle], location)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == log->cache_count) {
        return NULL;
    }

    struct log_block *block = log->cache[log->cache_begin + low];

    if (block->segment != location.segment || block->offset > location.offset) {
        return NULL;
    }
    atomic_fetch_add(&block->reference_count, 1);
    return block;
}

void log_evict(struct log *log)
{
    while (log->cache_octets > log->cache_size_max && log->cache_count > 0 &&
           is_before(log->cache[log->cache_begin], log->durable)) {
        struct log_block *block = log->cache[log->cache_begin];

        log->cache_begin++;
        log->cache_count--;
        log->cache_octets -= block->size;
        log_block_unref(block);
    }
}
