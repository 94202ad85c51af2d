/* The other nodes: each loop has its own connections to them. */
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "storage/node_parts.h"

enum { ADDRESS_SIZE_MAX = 64 };

struct failure {
    uint32_t number;
    bool is_lost;
};

static void tell(void *context, struct shard *shard)
{
    const struct failure *failure = context;

    shard_peer_failed(shard, failure->number, failure->is_lost);
}

static void on_failed(void *context, uint32_t number, bool is_lost)
{
    struct node_side *side = context;
    struct failure failure = {number, is_lost};

    node_each_shard_here(side->node, tell, &failure);
}

void node_make_peers(struct node *node, size_t index)
{
    struct node_side *side = &node->sides[index];
    struct peers_options options = {
        .loop = node->loops[index],
        .node = node->options.node,
        .cluster = node->options.cluster,
        .tls = node->options.tls,
        .is_plain_allowed = node->options.is_plain_allowed,
        .silence_max_ms = node->options.peer_silence_max_ms,
        .failed = on_failed,
        .context = side,
    };

    *side = (struct node_side){node, node->loops[index], peers_new(&options)};
}

/* ---- Where they are ---- */

struct peer_change {
    struct loop_message message;
    struct peers *peers;
    uint32_t number;
    uint16_t port;
    bool has_address;
    char address[ADDRESS_SIZE_MAX];
};

static void run_change(struct loop_message *message)
{
    struct peer_change *change = CONTAINER_OF(message, struct peer_change, message);
    enum status status = peers_set(change->peers, change->number,
                                   change->has_address ? change->address : NULL, change->port);

    CHECK(status == STATUS_OK || status == STATUS_UNAVAILABLE);
    memory_free(change);
}

enum status node_set_peer(struct node *node, uint32_t number, const char *address, uint16_t port)
{
    enum status status = STATUS_OK;

    if (number == node->options.node || number == 0 ||
        (address != NULL && strlen(address) >= ADDRESS_SIZE_MAX)) {
        return STATUS_INVALID;
    }
    if (address != NULL) {
        status = peers_check(node->sides[0].peers, address);
    }
    for (size_t index = 0; status == STATUS_OK && index < node->options.loop_count; index++) {
        struct peer_change *change = NEW(struct peer_change);

        change->message.run = run_change;
        change->peers = node->sides[index].peers;
        change->number = number;
        change->port = port;
        change->has_address = address != NULL;
        if (address != NULL) {
            memcpy(change->address, address, strlen(address) + 1);
        }
        loop_post(node->loops[index], &change->message);
    }
    return status;
}

/* ---- The end ---- */

struct farewell {
    struct loop_message message;
    struct peers *peers;
    sem_t *done;
};

static void run_farewell(struct loop_message *message)
{
    struct farewell *farewell = CONTAINER_OF(message, struct farewell, message);

    peers_stop(farewell->peers);
    CHECK(sem_post(farewell->done) == 0);
}

void node_stop_peers(struct node *node)
{
    struct farewell farewells[NODE_LOOPS_MAX];
    sem_t done;

    CHECK(sem_init(&done, 0, 0) == 0);
    for (size_t index = 0; index < node->options.loop_count; index++) {
        farewells[index] =
            (struct farewell){{.run = run_farewell}, node->sides[index].peers, &done};
        loop_post(node->loops[index], &farewells[index].message);
    }
    node_wait(&done, node->options.loop_count);
    sem_destroy(&done);
}
