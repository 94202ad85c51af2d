#include "router/remotes.h"

#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "router/numbered.h"

struct remote {
    struct shard_map_node where;
    struct rpc_node *node;       /* NULL: its address is of no use */
    ProtobufCService **channels; /* by service */
    struct remote *next;         /* of those that moved */
};

/* Who is asked for a shard. */
struct place {
    uint32_t node; /* 0: who the map says */
};

struct remotes {
    struct remotes_options options;
    struct numbered remotes; /* struct remote *, by node */
    struct numbered places;  /* struct place, by shard */

    /* A node that has another address: calls may still be in flight to the old one. Nodes move
     * seldom, so these wait for the end. */
    struct remote *moved;
};

struct remotes *remotes_new(const struct remotes_options *options)
{
    struct remotes *remotes = NEW(struct remotes);

    remotes->options = *options;
    numbered_init(&remotes->remotes, sizeof(struct remote *));
    numbered_init(&remotes->places, sizeof(struct place));
    return remotes;
}

/* ---- Nodes ---- */

static struct remote *remote_new(struct remotes *remotes, const struct shard_map_node *where)
{
    const struct remotes_options *options = &remotes->options;
    struct remote *remote = NEW(struct remote);
    struct rpc_node_options node = {
        .loop = options->loop,
        .address = where->address,
        .port = where->port,
        .tls = options->tls,
        .is_plain_allowed = options->is_plain_allowed,
        .silence_max_ms = options->silence_max_ms,
        .cluster = where->cluster,
    };
    enum status status = rpc_node_new(&node, &remote->node);

    remote->where = *where;
    if (status != STATUS_OK) {
        log_error("router.bad_node_address", log_number("node", where->id),
                  log_text("address", slice_of(where->address)), log_status(status));
        return remote;
    }
    remote->channels = memory_zeroed(options->service_count * sizeof(*remote->channels));
    for (size_t i = 0; i < options->service_count; i++) {
        remote->channels[i] = rpc_node_channel_new(remote->node, options->services[i]);
    }
    return remote;
}

static void remote_free(struct remotes *remotes, struct remote *remote)
{
    for (size_t i = 0; remote->node != NULL && i < remotes->options.service_count; i++) {
        rpc_channel_free(remote->channels[i]);
    }
    rpc_node_free(remote->node);
    memory_free(remote->channels);
    memory_free(remote);
}

void remotes_free(struct remotes *remotes)
{
    if (remotes == NULL) {
        return;
    }
    for (size_t i = 0; i < remotes->remotes.count; i++) {
        remote_free(remotes, *(struct remote **)numbered_at(&remotes->remotes, i));
    }
    while (remotes->moved != NULL) {
        struct remote *next = remotes->moved->next;

        remote_free(remotes, remotes->moved);
        remotes->moved = next;
    }
    numbered_done(&remotes->remotes);
    numbered_done(&remotes->places);
    memory_free(remotes);
}

static bool is_there(const struct remote *remote, const struct shard_map_node *where)
{
    return remote->where.port == where->port && strcmp(remote->where.address, where->address) == 0;
}

static struct remote *reach(struct remotes *remotes, const struct shard_map_node *where)
{
    struct remote **place = numbered_put(&remotes->remotes, where->id);

    if (*place != NULL && !is_there(*place, where)) {
        (*place)->next = remotes->moved;
        remotes->moved = *place;
        *place = NULL;
    }
    if (*place == NULL) {
        *place = remote_new(remotes, where);
    }
    return *place;
}

/* ---- Shards ---- */

/* The one after `node` among those of the shard that are somewhere; 0: none is. */
static uint32_t next_after(const struct shard_map *map, const struct shard_map_shard *shard,
                           uint32_t node)
{
    uint32_t begin = 0;

    for (uint32_t i = 0; i < shard->node_count; i++) {
        begin = shard->nodes[i] == node ? i + 1 : begin;
    }
    for (uint32_t i = 0; i < shard->node_count; i++) {
        uint32_t candidate = shard->nodes[(begin + i) % shard->node_count];

        if (shard_map_node(map, candidate) != NULL) {
            return candidate;
        }
    }
    return 0;
}

static uint32_t asked_node(const struct remotes *remotes, const struct shard_map *map,
                           const struct shard_map_shard *shard)
{
    const struct place *place = numbered_find(&remotes->places, shard->id);
    uint32_t node = place != NULL && place->node != 0 ? place->node : shard->leader;

    return shard_map_node(map, node) != NULL ? node : next_after(map, shard, node);
}

ProtobufCService *remotes_channel(struct remotes *remotes, const struct shard_map *map,
                                  uint32_t shard, size_t service_index)
{
    const struct shard_map_shard *details = shard_map_shard(map, shard);

    CHECK(service_index < remotes->options.service_count);
    if (details == NULL) {
        return NULL;
    }
    const struct shard_map_node *where = shard_map_node(map, asked_node(remotes, map, details));

    if (where == NULL) {
        return NULL;
    }
    struct remote *remote = reach(remotes, where);

    return remote->node != NULL ? remote->channels[service_index] : NULL;
}

static bool has_channel(const struct remotes *remotes, uint32_t node,
                        const ProtobufCService *channel)
{
    struct remote *const *place = numbered_find(&remotes->remotes, node);
    bool has = false;

    for (size_t i = 0;
         place != NULL && (*place)->node != NULL && i < remotes->options.service_count; i++) {
        has = has || (*place)->channels[i] == channel;
    }
    return has;
}

void remotes_learn(struct remotes *remotes, const struct shard_map *map, uint32_t shard,
                   const ProtobufCService *asked, uint32_t leader)
{
    const struct shard_map_shard *details = shard_map_shard(map, shard);

    if (details == NULL) {
        return;
    }
    uint32_t node = asked_node(remotes, map, details);

    if (!has_channel(remotes, node, asked)) {
        return;
    }
    struct place *place = numbered_put(&remotes->places, shard);

    /* Who says that itself leads, and does not, leads nowhere. */
    place->node = leader != 0 && leader != node && shard_map_node(map, leader) != NULL
                      ? leader
                      : next_after(map, details, node);
}
