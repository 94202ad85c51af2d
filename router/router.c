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
#include "router/remotes.h"

enum { SERVICE_COUNT = 6, STREAM_BUCKETS = 4096, NODE_SILENCE_MAX_MS = 5000 };

struct router {
    struct router_options options;
    ProtobufCService *local[SERVICE_COUNT]; /* in the order of `services` */
    struct remotes *remotes;
    struct directory_cache *directory_cache;
    struct account_stream *streams[STREAM_BUCKETS]; /* by account: ten thousand may be watched */
};

static const ProtobufCServiceDescriptor *const services[SERVICE_COUNT] = {
    &aviso__directory__descriptor, &aviso__accounts__descriptor, &aviso__mailboxes__descriptor,
    &aviso__delivery__descriptor,  &aviso__watches__descriptor,  &aviso__handovers__descriptor,
};

struct router *router_new(const struct router_options *options)
{
    struct router *router = NEW(struct router);

    struct remotes_options remotes = {
        .loop = options->loop,
        .services = services,
        .service_count = SERVICE_COUNT,
        .tls = options->tls,
        .is_plain_allowed = options->is_plain_allowed,
        .silence_max_ms = NODE_SILENCE_MAX_MS,
    };

    router->options = *options;
    router->options.map = shard_map_ref(options->map);
    router->remotes = remotes_new(&remotes);
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        router->local[i] = rpc_local_channel_new(options->loop, services[i], options->local);
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
    remotes_free(router->remotes);
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

void router_update_map(struct router *router, struct shard_map *map)
{
    struct shard_map *before = router->options.map;

    router->options.map = shard_map_ref(map);
    shard_map_unref(before);
}

static bool is_of_cluster(const struct router *router)
{
    return shard_map_cluster(router->options.map) != 0;
}

/* What nobody serves goes to the channels of this process: they refuse it if there is no storage.
 */
ProtobufCService *router_channel(struct router *router, uint32_t shard,
                                 const ProtobufCServiceDescriptor *service)
{
    size_t index = 0;
    ProtobufCService *remote = NULL;

    while (index < SERVICE_COUNT && services[index] != service) {
        index++;
    }
    CHECK(index < SERVICE_COUNT);
    if (is_of_cluster(router)) {
        remote = remotes_channel(router->remotes, router->options.map, shard, index);
    }
    return remote != NULL ? remote : router->local[index];
}

/* With one node there is nobody else to ask; the pause before the next attempt does the rest. */
void router_learn(struct router *router, uint32_t shard, const ProtobufCService *asked,
                  enum status status, uint32_t hint)
{
    bool is_elsewhere =
        status == STATUS_NOT_LEADER || status == STATUS_UNAVAILABLE || status == STATUS_TIMED_OUT;

    if (is_elsewhere && is_of_cluster(router)) {
        remotes_learn(router->remotes, router->options.map, shard, asked,
                      status == STATUS_NOT_LEADER ? hint : 0);
    }
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
