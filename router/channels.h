/* The router's inside, for its clients: who is asked, and what all clients of a loop share. */
#ifndef AVISO_ROUTER_CHANNELS_H
#define AVISO_ROUTER_CHANNELS_H

#include "router/router.h"

struct directory_cache;
struct account_stream;

/* The channel to the leader of `shard`, as far as is known. Never NULL. Nobody else knows where a
 * shard is. */
ProtobufCService *router_channel(struct router *router, uint32_t shard,
                                 const ProtobufCServiceDescriptor *service);

/* How a call by the channel `asked` to `shard` ended: whoever gave it up may have to ask another
 * node next time. `hint`: who leads, as it was told with NOT_LEADER. */
void router_learn(struct router *router, uint32_t shard, const ProtobufCService *asked,
                  enum status status, uint32_t hint);

/* Of the options. */
uint64_t router_call_timeout_ms(const struct router *router);
uint64_t router_directory_cache_ms(const struct router *router);

/* What the modules keep for each router. */
struct directory_cache *router_directory_cache(struct router *router);

/* The list of streams in which an account's is, if there is one. */
struct account_stream **router_account_streams(struct router *router, uint64_t account);

#endif
