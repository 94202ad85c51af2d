/* Arrays that grow, for the parts of the core. */
#ifndef AVISO_STORAGE_RAFT_GROWN_H
#define AVISO_STORAGE_RAFT_GROWN_H

#include <stddef.h>

#include "core/memory.h"

/* `items` with room for `count` of `item_size` octets; `capacity` follows. */
static inline void *raft_grown(void *items, size_t *capacity, size_t count, size_t item_size)
{
    if (count <= *capacity) {
        return items;
    }
    *capacity = count < 4 ? 4 : count + count / 2;
    return memory_resized(items, *capacity * item_size);
}

#endif
