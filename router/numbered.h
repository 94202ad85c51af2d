/* Records by a number, in its order: a sorted array for things that change seldom. */
#ifndef AVISO_ROUTER_NUMBERED_H
#define AVISO_ROUTER_NUMBERED_H

#include <stddef.h>
#include <stdint.h>

struct numbered {
    size_t record_size;
    size_t count;
    size_t capacity;
    uint32_t *numbers;
    char *records;
};

/* Empty, and without its memory. */
void numbered_init(struct numbered *list, size_t record_size);
void numbered_done(struct numbered *list);

/* The record of `number`; NULL: there is none. Records move when others are put or removed. */
void *numbered_find(const struct numbered *list, uint32_t number);

/* The same, made of zeros if there is none. */
void *numbered_put(struct numbered *list, uint32_t number);

/* Harmless when there is none. */
void numbered_remove(struct numbered *list, uint32_t number);

/* The one at `index`, which is below `count`. */
void *numbered_at(const struct numbered *list, size_t index);

#endif
