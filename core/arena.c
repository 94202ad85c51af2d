#include "core/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"

enum { BLOCK_SIZE = 8 * 1024, ALIGNMENT = alignof(max_align_t) };

struct arena_block {
    struct arena_block *older;
    size_t size; /* of `octets` */
    size_t used;
    alignas(max_align_t) char octets[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

static void free_blocks(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *older = block->older;

        memory_free(block);
        block = older;
    }
}

void arena_done(struct arena *arena)
{
    free_blocks(arena->blocks);
    *arena = (struct arena){0};
}

void arena_clear(struct arena *arena)
{
    struct arena_block *kept = arena->blocks;

    arena->allocated = 0;
    if (kept == NULL) {
        return;
    }
    free_blocks(kept->older);
    kept->older = NULL;
    kept->used = 0;
    if (kept->size > BLOCK_SIZE) {
        memory_free(kept);
        arena->blocks = NULL;
    }
}

void *arena_room(struct arena *arena, size_t size)
{
    CHECK(size <= SIZE_MAX / 2);
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct arena_block *block = arena->blocks;

    if (block == NULL || block->size - block->used < rounded) {
        size_t block_size = rounded > BLOCK_SIZE ? rounded : BLOCK_SIZE;

        block = memory_resized(NULL, sizeof(*block) + block_size);
        *block = (struct arena_block){.older = arena->blocks, .size = block_size};
        arena->blocks = block;
    }
    void *octets = block->octets + block->used;

    block->used += rounded;
    arena->allocated += rounded;
    return octets;
}

void *arena_zeroed(struct arena *arena, size_t size)
{
    return memset(arena_room(arena, size), 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t element_size)
{
    size_t size = 0;

    CHECK(!__builtin_mul_overflow(count, element_size, &size));
    return arena_zeroed(arena, size);
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    char *copy = arena_room(arena, bytes.size);

    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return (struct slice){copy, bytes.size};
}
