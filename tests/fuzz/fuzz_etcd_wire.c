/* What etcd's gateway, or what took its place, may answer. */
#include "core/check.h"
#include "router/etcd_wire.h"
#include "tests/fuzz/fuzz.h"

static void check_entry(const struct etcd_entry *entry)
{
    CHECK(entry->key.size > 0 && entry->key.size <= ETCD_KEY_SIZE_MAX + 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct etcd_result result;
    struct etcd_news news;
    struct arena arena;

    arena_init(&arena);
    if (etcd_wire_result(text, &arena, &result) == STATUS_OK) {
        for (size_t i = 0; i < result.entry_count; i++) {
            check_entry(&result.entries[i]);
        }
    }
    if (etcd_wire_news(text, &arena, &news) == STATUS_OK) {
        for (size_t i = 0; i < news.event_count; i++) {
            check_entry(&news.events[i].entry);
        }
        CHECK(news.is_cancelled || news.fault == STATUS_OK);
    }
    CHECK(etcd_wire_fault(text) != STATUS_OK);
    arena_done(&arena);
    return 0;
}
