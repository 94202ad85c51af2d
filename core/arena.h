/* Memory for one command: many small allocations, freed all at once. */
#ifndef AVISO_CORE_ARENA_H
#define AVISO_CORE_ARENA_H

#include <stddef.h>

#include "core/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* the newest first */
    size_t allocated;           /* octets handed out since the last clear */
};

/* Allocates nothing until it is used. */
void arena_init(struct arena *arena);
void arena_done(struct arena *arena);

/* Everything handed out is void from now on; one block is kept for the next command. */
void arena_clear(struct arena *arena);

/* `size` zeroed octets, aligned for any type. Never NULL. What a peer can make grow is checked
 * against its limit by the caller; `arena->allocated` helps. */
void *arena_zeroed(struct arena *arena, size_t size);

/* The same, not zeroed: for octets that are written before they are read. */
void *arena_room(struct arena *arena, size_t size);

/* `count` zeroed elements; stops the process when the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t element_size);

/* A zeroed `type` of the arena. */
#define ARENA_NEW(arena, type) ((type *)arena_zeroed((arena), sizeof(type)))

/* A copy of `bytes` that lives as long as the arena's content. */
struct slice arena_copy(struct arena *arena, struct slice bytes);

#endif
