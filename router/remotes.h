/* The storage nodes of a cluster, as one loop reaches them: a connection to each that is asked, a
 * channel to each of its services, and who of a shard's nodes was last known to lead it. */
#ifndef AVISO_ROUTER_REMOTES_H
#define AVISO_ROUTER_REMOTES_H

#include "net/rpc_node.h"
#include "router/shard_map.h"

struct remotes;

struct remotes_options {
    struct loop *loop;
    const ProtobufCServiceDescriptor *const *services; /* borrowed */
    size_t service_count;
    struct tls_context *tls; /* of nodes; NULL: plain */
    bool is_plain_allowed;   /* to what is not loopback */
    uint64_t silence_max_ms; /* as in struct rpc_node_options */
};

/* Copies the options. */
struct remotes *remotes_new(const struct remotes_options *options);

/* With no call in flight. Accepts NULL. */
void remotes_free(struct remotes *remotes);

/* The channel to who leads `shard`, as far as is known, or to another of its nodes. NULL: nobody is
 * known who could be asked. */
ProtobufCService *remotes_channel(struct remotes *remotes, const struct shard_map *map,
                                  uint32_t shard, size_t service_index);

/* Who was asked by the channel `asked` says that node `leader` leads `shard`. 0: it does not lead,
 * or does not answer, and the next one is asked from now on. No matter when somebody else has
 * learned as much already: of many calls that fail together, one counts. */
void remotes_learn(struct remotes *remotes, const struct shard_map *map, uint32_t shard,
                   const ProtobufCService *asked, uint32_t leader);

#endif
