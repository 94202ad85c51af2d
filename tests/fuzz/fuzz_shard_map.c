/* The file of the shard map: a map that is read is whole. */
#include "core/check.h"
#include "router/shard_map.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shard_map *map = NULL;

    if (shard_map_parse((struct slice){(const char *)data, size}, &map) != STATUS_OK) {
        CHECK(map == NULL);
        return 0;
    }
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        CHECK(shard_map_has_shard(map, shard_map_shard_of_slot(map, slot)));
    }
    for (uint32_t i = 0; i < shard_map_shard_count(map); i++) {
        uint32_t shard = shard_map_shard_at(map, i);

        CHECK(shard > 0 && shard_map_has_shard(map, shard));
        CHECK(i == 0 || shard > shard_map_shard_at(map, i - 1));
    }
    shard_map_unref(map);
    return 0;
}
