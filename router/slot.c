#include "router/slot.h"

uint32_t slot_of(struct slice name)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < name.size; i++) {
        hash = (hash ^ (unsigned char)name.data[i]) * 0x100000001b3;
    }
    return (uint32_t)((hash ^ hash >> 32) % SLOT_COUNT);
}
