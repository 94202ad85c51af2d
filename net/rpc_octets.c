#include <stdatomic.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "net/rpc.h"

struct rpc_octets {
    atomic_uint references;
    size_t size;
    char bytes[];
};

struct rpc_octets *rpc_octets_reserve(size_t size, char **out_writable)
{
    struct rpc_octets *octets = memory_resized(NULL, sizeof(*octets) + size);

    atomic_init(&octets->references, 1);
    octets->size = size;
    *out_writable = octets->bytes;
    return octets;
}

struct rpc_octets *rpc_octets_new(struct slice bytes)
{
    char *copy = NULL;
    struct rpc_octets *octets = rpc_octets_reserve(bytes.size, &copy);

    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return octets;
}

struct rpc_octets *rpc_octets_ref(struct rpc_octets *octets)
{
    atomic_fetch_add_explicit(&octets->references, 1, memory_order_relaxed);
    return octets;
}

void rpc_octets_unref(struct rpc_octets *octets)
{
    if (octets == NULL) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&octets->references, 1, memory_order_acq_rel);

    CHECK(before > 0);
    if (before == 1) {
        memory_free(octets);
    }
}

struct slice rpc_octets_view(const struct rpc_octets *octets)
{
    return octets != NULL ? (struct slice){octets->bytes, octets->size} : (struct slice){0};
}
