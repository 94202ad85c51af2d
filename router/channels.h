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

/* A node said that another leads; 0: it does not know who. */
void router_learn_leader(struct router *router, uint32_t shard, uint32_t node);

/* Of the options. */
uint64_t router_call_timeout_ms(const struct router *router);
uint64_t router_directory_cache_ms(const struct router *router);

/* What the modules keep for each router. */
struct directory_cache *router_directory_cache(struct router *router);

/* The list of streams in which an account's is, if there is one. */
struct account_stream **router_account_streams(struct router *router, uint64_t account);

#endif
