#include "router/router.h"

#include "core/check.h"
#include "core/clock.h"
#include "core/macros.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/random.h"
#include "proto/account.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/directory.pb-c.h"
#include "proto/handover.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "proto/watch.pb-c.h"
#include "router/channels.h"
#include "router/directory_cache.h"

enum { SERVICE_COUNT = 6, STREAM_BUCKETS = 4096 };

struct router {
    struct router_options options;
    ProtobufCService *local[SERVICE_COUNT]; /* in the order of service_of() */
    struct directory_cache *directory_cache;
    struct account_stream *streams[STREAM_BUCKETS]; /* by account: ten thousand may be watched */
};

static const ProtobufCServiceDescriptor *service_of(size_t index)
{
    const ProtobufCServiceDescriptor *const services[SERVICE_COUNT] = {
        &aviso__directory__descriptor, &aviso__accounts__descriptor, &aviso__mailboxes__descriptor,
        &aviso__delivery__descriptor,  &aviso__watches__descriptor,  &aviso__handovers__descriptor,
    };

    return services[index];
}

struct router *router_new(const struct router_options *options)
{
    struct router *router = NEW(struct router);

    CHECK(options->local != NULL);
    router->options = *options;
    router->options.map = shard_map_ref(options->map);
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        router->local[i] = rpc_local_channel_new(options->loop, service_of(i), options->local);
    }
    router->directory_cache = directory_cache_new(options->directory_cache_count_max);
    return router;
}

void router_free(struct router *router)
{
    if (router == NULL) {
        return;
    }
    for (size_t i = 0; i < STREAM_BUCKETS; i++) {
        CHECK(router->streams[i] == NULL);
    }
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        rpc_channel_free(router->local[i]);
    }
    directory_cache_free(router->directory_cache);
    shard_map_unref(router->options.map);
    memory_free(router);
}

struct loop *router_loop(const struct router *router)
{
    return router->options.loop;
}

const struct shard_map *router_map(const struct router *router)
{
    return router->options.map;
}

struct worker_pool *router_workers(const struct router *router)
{
    return router->options.workers;
}

uint64_t router_call_timeout_ms(const struct router *router)
{
    return router->options.call_timeout_ms;
}

uint64_t router_directory_cache_ms(const struct router *router)
{
    return router->options.directory_cache_ms;
}

struct directory_cache *router_directory_cache(struct router *router)
{
    return router->directory_cache;
}

struct account_stream **router_account_streams(struct router *router, uint64_t account)
{
    /* The low bits count, the high ones name the shard that made the account. */
    return &router->streams[(account ^ account >> 40) % STREAM_BUCKETS];
}

/* All shards are in this process; where they are on other nodes, the map will say which. */
ProtobufCService *router_channel(struct router *router, uint32_t shard,
                                 const ProtobufCServiceDescriptor *service)
{
    size_t index = 0;

    while (index < SERVICE_COUNT && service_of(index) != service) {
        index++;
    }
    CHECK(index < SERVICE_COUNT);
    return router->local[index];
}

/* With one node there is nobody else to ask; the pause before the next attempt does the rest. */
void router_learn_leader(struct router *router, uint32_t shard, uint32_t node)
{
}

void request_id_make(struct request_id *out_id)
{
    char time[8];

    random_octets(out_id->octets, REQUEST_ID_SIZE);
    number_put_u64(time, clock_wall_ms());
    for (size_t i = 0; i < 6; i++) {
        out_id->octets[i] = time[i + 2];
    }
}
