#include "router/numbered.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"

void numbered_init(struct numbered *list, size_t record_size)
{
    *list = (struct numbered){.record_size = record_size};
}

void numbered_done(struct numbered *list)
{
    memory_free(list->numbers);
    memory_free(list->records);
}

/* The first that is not below `number`. */
static size_t place_of(const struct numbered *list, uint32_t number)
{
    size_t low = 0;
    size_t high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->numbers[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void *numbered_at(const struct numbered *list, size_t index)
{
    CHECK(index < list->count);
    return list->records + index * list->record_size;
}

void *numbered_find(const struct numbered *list, uint32_t number)
{
    size_t place = place_of(list, number);

    return place < list->count && list->numbers[place] == number ? numbered_at(list, place) : NULL;
}

static void grow(struct numbered *list)
{
    list->capacity = list->capacity * 2 + 16;
    list->numbers = memory_resized(list->numbers, list->capacity * sizeof(*list->numbers));
    list->records = memory_resized(list->records, list->capacity * list->record_size);
}

void *numbered_put(struct numbered *list, uint32_t number)
{
    size_t place = place_of(list, number);
    size_t size = list->record_size;

    if (place < list->count && list->numbers[place] == number) {
        return numbered_at(list, place);
    }
    if (list->count == list->capacity) {
        grow(list);
    }
    memmove(list->numbers + place + 1, list->numbers + place,
            (list->count - place) * sizeof(*list->numbers));
    memmove(list->records + (place + 1) * size, list->records + place * size,
            (list->count - place) * size);
    list->count++;
    list->numbers[place] = number;
    return memset(numbered_at(list, place), 0, size);
}

void numbered_remove(struct numbered *list, uint32_t number)
{
    size_t place = place_of(list, number);
    size_t size = list->record_size;

    if (place == list->count || list->numbers[place] != number) {
        return;
    }
    list->count--;
    memmove(list->numbers + place, list->numbers + place + 1,
            (list->count - place) * sizeof(*list->numbers));
    memmove(list->records + place * size, list->records + (place + 1) * size,
            (list->count - place) * size);
}
