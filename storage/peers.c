#include "storage/peers.h"

#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "proto/raft.pb-c.h"
#include "storage/raft_wire.h"
#include "storage/replica_id.h"

enum {
    CALLS_MAX = 8,                       /* frames on their way to one node */
    CALLS_SIZE_MAX = 8 * 1024 * 1024,    /* octets of them */
    FRAME_SIZE_ENOUGH = 2 * 1024 * 1024, /* octets */
    FRAME_MESSAGES_MAX = 4096,
    MESSAGE_OVERHEAD = 128, /* octets that a message counts for besides its entries */
    ENTRY_OVERHEAD = 16,    /* octets that an entry counts for besides its payload */
    STEP_TIMEOUT_MS = 10 * 1000,
    ADDRESS_SIZE_MAX = 64,
    RETRY_MS = 100, /* between two attempts to reach a node */
};

/* A message that waits for its frame. */
struct outgoing {
    struct outgoing *next;
    Aviso__RaftMessage *wire;
    struct peers_entries entries;
    size_t size;        /* as it counts */
    size_t octets_size; /* of the payloads */
};

struct step_call {
    struct rpc_call call; /* the first */
    struct peer *peer;
    size_t size;
    struct step_call *next;
};

struct peer {
    struct peer *next;
    struct peers *peers;
    uint32_t node;
    char address[ADDRESS_SIZE_MAX];
    uint16_t port;
    struct rpc_node *connection; /* NULL: nowhere */
    ProtobufCService *channel;
    struct rpc_call watch;
    struct loop_timer retry;
    bool is_up;
    bool was_lost;    /* to be told */
    bool has_dropped; /* to be told */

    struct arena arena; /* of what waits */
    struct outgoing *first, **end;
    size_t waiting_size;
    struct step_call *calls;
    size_t call_count;
    size_t calls_size;
};

struct peers {
    struct peers_options options;
    struct peer *first;
    struct loop_message turn;
    bool turn_is_posted;
    bool is_stopped;
};

static void turn_soon(struct peers *peers)
{
    if (!peers->turn_is_posted && !peers->is_stopped) {
        peers->turn_is_posted = true;
        loop_post(peers->options.loop, &peers->turn);
    }
}

void peers_entries_done(struct peers_entries *entries)
{
    for (size_t index = 0; index < entries->part_count; index++) {
        log_entries_done(&entries->parts[index]);
    }
    entries->part_count = 0;
}

/* ---- What waits ---- */

static void drop_waiting(struct peer *peer)
{
    for (struct outgoing *message = peer->first; message != NULL; message = message->next) {
        peers_entries_done(&message->entries);
    }
    peer->first = NULL;
    peer->end = &peer->first;
    peer->waiting_size = 0;
    arena_clear(&peer->arena);
}

static struct peer *find(const struct peers *peers, uint32_t node)
{
    struct peer *peer = peers->first;

    while (peer != NULL && peer->node != node) {
        peer = peer->next;
    }
    return peer;
}

/* Their terms, sizes and kinds, in the arena. */
static const struct raft_wire_entry *describe(struct arena *arena,
                                              const struct peers_entries *entries,
                                              struct outgoing *message, size_t count)
{
    struct raft_wire_entry *described = arena_array(arena, count + 1, sizeof(*described));
    size_t place = 0;

    for (size_t part = 0; part < entries->part_count; part++) {
        for (size_t index = 0; index < entries->parts[part].count; index++) {
            const struct log_entry *entry = &entries->parts[part].items[index];

            described[place++] = (struct raft_wire_entry){
                .term = entry->position.term,
                .size = (uint32_t)entry->payload.size,
                .kind = entry->kind,
            };
            message->octets_size += entry->payload.size;
        }
    }
    CHECK(place == count);
    return described;
}

void peers_send(struct peers *peers, uint32_t shard, const struct raft_message *message,
                struct peers_entries *entries)
{
    struct peer *peer = find(peers, replica_id_node(message->to));

    if (peer == NULL || !peer->is_up || peer->waiting_size > PEERS_WAITING_MAX) {
        if (peer != NULL) {
            peer->has_dropped = peer->is_up;
            turn_soon(peers);
        }
        if (entries != NULL) {
            peers_entries_done(entries);
        }
        return;
    }
    struct outgoing *outgoing = ARENA_NEW(&peer->arena, struct outgoing);
    const struct raft_wire_entry *described = NULL;

    if (entries != NULL) {
        described = describe(&peer->arena, entries, outgoing, message->entry_count);
        outgoing->entries = *entries;
    }
    outgoing->wire = raft_wire_encode(&peer->arena, shard, message, described);
    outgoing->size =
        outgoing->octets_size + MESSAGE_OVERHEAD + message->entry_count * ENTRY_OVERHEAD;
    *peer->end = outgoing;
    peer->end = &outgoing->next;
    peer->waiting_size += outgoing->size;
    turn_soon(peers);
}

/* ---- Frames ---- */

static void forget_call(struct step_call *call)
{
    struct step_call **place = &call->peer->calls;

    while (*place != call) {
        place = &(*place)->next;
    }
    *place = call->next;
    call->peer->call_count--;
    call->peer->calls_size -= call->size;
    memory_free(call);
}

static void on_stepped(const ProtobufCMessage *reply, void *data)
{
    struct step_call *call = data;
    struct peer *peer = call->peer;

    if (call->call.status != STATUS_OK) {
        peer->has_dropped = true;
    }
    forget_call(call);
    turn_soon(peer->peers);
}

/* Takes from the front what one frame holds. */
static size_t fill(struct peer *peer, Aviso__RaftMessage **messages, size_t *out_octets_size,
                   size_t *out_size)
{
    struct outgoing *message = peer->first;
    size_t count = 0;

    *out_size = *out_octets_size = 0;
    while (message != NULL && count < FRAME_MESSAGES_MAX && *out_size < FRAME_SIZE_ENOUGH) {
        messages[count++] = message->wire;
        *out_size += message->size;
        *out_octets_size += message->octets_size;
        message = message->next;
    }
    return count;
}

static char *put_payloads(char *room, const struct peers_entries *entries)
{
    for (size_t part = 0; part < entries->part_count; part++) {
        for (size_t index = 0; index < entries->parts[part].count; index++) {
            struct slice payload = entries->parts[part].items[index].payload;

            if (payload.size > 0) {
                memcpy(room, payload.data, payload.size);
                room += payload.size;
            }
        }
    }
    return room;
}

/* Takes `count` messages from the front, with their payloads as octets. */
static struct rpc_octets *take_payloads(struct peer *peer, size_t count, size_t octets_size)
{
    char *room = NULL;
    struct rpc_octets *octets = NULL;

    if (octets_size > 0) {
        octets = rpc_octets_reserve(octets_size, &room);
    }
    for (size_t index = 0; index < count; index++) {
        struct outgoing *message = peer->first;

        room = put_payloads(room, &message->entries);
        peers_entries_done(&message->entries);
        peer->waiting_size -= message->size;
        peer->first = message->next;
    }
    if (peer->first == NULL) {
        peer->end = &peer->first;
    }
    return octets;
}

static void send_frame(struct peer *peer)
{
    Aviso__RaftMessage *messages[FRAME_MESSAGES_MAX];
    Aviso__RaftBatch batch = AVISO__RAFT_BATCH__INIT;
    struct step_call *call = NEW(struct step_call);
    size_t octets_size = 0;

    batch.from_node = peer->peers->options.node;
    batch.messages = messages;
    batch.n_messages = fill(peer, messages, &octets_size, &call->size);
    rpc_call_init(&call->call, messages[0]->shard); /* most are for the loop of this one */
    call->call.deadline_ms = loop_now_ms(peer->peers->options.loop) + STEP_TIMEOUT_MS;
    call->call.octets = take_payloads(peer, batch.n_messages, octets_size);
    call->peer = peer;
    call->next = peer->calls;
    peer->calls = call;
    peer->call_count++;
    peer->calls_size += call->size;
    peer->channel->invoke(peer->channel, 0, &batch.base, on_stepped, &call->call);
    if (peer->first == NULL) {
        arena_clear(&peer->arena);
    }
}

/* ---- The connection ---- */

static void lose(struct peer *peer)
{
    if (peer->is_up) {
        peer->was_lost = true;
        turn_soon(peer->peers);
    }
    peer->is_up = false;
    drop_waiting(peer);
}

static void on_watched(const ProtobufCMessage *event, void *data)
{
    struct peer *peer = CONTAINER_OF(data, struct peer, watch);

    if (event == NULL) {
        if (peer->is_up) {
            log_warning("peer.lost", log_number("node", peer->node),
                        log_status(peer->watch.status));
        }
        lose(peer);
        loop_timer_start(&peer->retry, RETRY_MS);
    } else if (!peer->is_up) {
        log_info("peer.up", log_number("node", peer->node));
        peer->is_up = true;
    }
}

static void watch(struct loop_timer *timer)
{
    struct peer *peer = CONTAINER_OF(timer, struct peer, retry);
    Aviso__WatchNodeRequest request = AVISO__WATCH_NODE_REQUEST__INIT;

    rpc_call_init(&peer->watch, 0);
    peer->channel->invoke(peer->channel, 1, &request.base, on_watched, &peer->watch);
}

static void disconnect(struct peer *peer)
{
    loop_timer_stop(&peer->retry);
    if (peer->connection == NULL) {
        return;
    }
    rpc_call_cancel(&peer->watch);
    while (peer->calls != NULL) {
        rpc_call_cancel(&peer->calls->call);
        forget_call(peer->calls);
    }
    lose(peer);
    rpc_channel_free(peer->channel);
    rpc_node_free(peer->connection);
    peer->connection = NULL;
}

static struct peer *add(struct peers *peers, uint32_t node)
{
    struct peer *peer = NEW(struct peer);

    peer->peers = peers;
    peer->node = node;
    peer->end = &peer->first;
    peer->next = peers->first;
    arena_init(&peer->arena);
    loop_timer_init(&peer->retry, peers->options.loop, watch);
    peers->first = peer;
    return peer;
}

static enum status make_connection(const struct peers *peers, const char *address, uint16_t port,
                                   struct rpc_node **out_connection)
{
    struct rpc_node_options options = {
        .loop = peers->options.loop,
        .address = address,
        .port = port,
        .cluster = peers->options.cluster,
        .node = peers->options.node,
        .tls = peers->options.tls,
        .is_plain_allowed = peers->options.is_plain_allowed,
        .silence_max_ms = peers->options.silence_max_ms,
    };

    return rpc_node_new(&options, out_connection);
}

enum status peers_check(const struct peers *peers, const char *address)
{
    struct rpc_node *connection = NULL;
    enum status status = make_connection(peers, address, 1, &connection);

    rpc_node_free(connection);
    return status;
}

enum status peers_set(struct peers *peers, uint32_t node, const char *address, uint16_t port)
{
    struct peer *peer = find(peers, node);
    struct rpc_node *connection = NULL;
    enum status status = STATUS_OK;

    if (peers->is_stopped) {
        return STATUS_UNAVAILABLE;
    }
    if (address != NULL) {
        status = make_connection(peers, address, port, &connection);
    }
    if (status != STATUS_OK) {
        return status;
    }
    peer = peer != NULL ? peer : add(peers, node);
    disconnect(peer);
    if (connection != NULL) {
        peer->connection = connection;
        peer->port = port;
        CHECK(snprintf(peer->address, sizeof(peer->address), "%s", address) < ADDRESS_SIZE_MAX);
        peer->channel = rpc_node_channel_new(connection, &aviso__raft__descriptor);
        loop_timer_start(&peer->retry, 0);
    }
    return STATUS_OK;
}

enum status peers_connect(const struct peers *peers, uint32_t node,
                          struct rpc_node **out_connection)
{
    const struct peer *peer = find(peers, node);

    if (peer == NULL || peer->connection == NULL || peers->is_stopped) {
        return STATUS_NOT_FOUND;
    }
    return make_connection(peers, peer->address, peer->port, out_connection);
}

/* ---- The turn ---- */

static void tell(struct peer *peer)
{
    const struct peers_options *options = &peer->peers->options;
    bool was_lost = peer->was_lost;
    bool has_failed = was_lost || peer->has_dropped;

    peer->was_lost = peer->has_dropped = false;
    if (has_failed) {
        options->failed(options->context, peer->node, was_lost);
    }
}

static void on_turn(struct loop_message *message)
{
    struct peers *peers = CONTAINER_OF(message, struct peers, turn);

    peers->turn_is_posted = false;
    for (struct peer *peer = peers->first; peer != NULL; peer = peer->next) {
        if (peers->is_stopped) {
            break;
        }
        tell(peer);
        while (peer->is_up && peer->first != NULL && peer->call_count < CALLS_MAX &&
               peer->calls_size < CALLS_SIZE_MAX) {
            send_frame(peer);
        }
    }
}

/* ---- Life ---- */

struct peers *peers_new(const struct peers_options *options)
{
    struct peers *peers = NEW(struct peers);

    peers->options = *options;
    peers->turn.run = on_turn;
    return peers;
}

void peers_stop(struct peers *peers)
{
    peers->is_stopped = true;
    for (struct peer *peer = peers->first; peer != NULL; peer = peer->next) {
        disconnect(peer);
    }
}

void peers_free(struct peers *peers)
{
    if (peers == NULL) {
        return;
    }
    while (peers->first != NULL) {
        struct peer *peer = peers->first;

        peers->first = peer->next;
        CHECK(peer->connection == NULL);
        drop_waiting(peer);
        arena_done(&peer->arena);
        memory_free(peer);
    }
    memory_free(peers);
}
