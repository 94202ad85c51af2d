#include "net/rpc_node.h"

#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/random.h"
#include "net/connection.h"
#include "net/rpc_pending.h"
#include "net/rpc_wire.h"

enum {
    BUCKETS = 256,
    BACKOFF_LEAST_MS = 50,
    BACKOFF_MOST_MS = 5000,
    BACKLOG_SIZE_MAX = 64 * 1024 * 1024, /* octets that wait for the connection */
};

enum node_state { NODE_IDLE, NODE_CONNECTING, NODE_READY };

struct rpc_node {
    struct loop *loop;
    struct protocol protocol;
    struct connection_host host;
    struct rpc_hello hello;
    union {
        struct sockaddr any;
        struct sockaddr_in narrow;
        struct sockaddr_in6 wide;
    } address;
    char *tls_name;

    enum node_state state;
    bool is_freed; /* when the connection is gone, too */
    struct node_session *session;
    struct buffer backlog; /* frames for a connection that is being made */
    uint64_t backoff_ms;
    uint64_t retry_ms; /* not before this moment */
    struct random random;
    struct loop_timer ping;
    uint64_t silence_max_ms;

    struct node_call *buckets[BUCKETS]; /* in flight, by request id */
    uint64_t request_next;
};

struct node_session {
    struct rpc_wire wire;
    struct rpc_node *node;
};

struct node_channel {
    struct rpc_channel channel; /* first */
    struct rpc_node *node;
    uint32_t service;
};

struct node_call {
    struct rpc_pending pending;
    struct rpc_node *node;
    uint64_t request; /* 0: it was not sent */
    struct node_call *next;
};

/* ---- Requests in flight ---- */

static struct node_call **find(struct rpc_node *node, uint64_t request)
{
    struct node_call **place = &node->buckets[request % BUCKETS];

    while (*place != NULL && (*place)->request != request) {
        place = &(*place)->next;
    }
    return place;
}

/* The connection broke: whatever was asked has no answer. New calls may come meanwhile; they have
 * later ids. */
static void fail_all(struct rpc_node *node)
{
    uint64_t end = node->request_next;

    for (size_t i = 0; i < BUCKETS; i++) {
        struct node_call **place = &node->buckets[i];

        while (*place != NULL) {
            struct node_call *call = *place;

            if (call->request >= end) {
                place = &call->next;
                continue;
            }
            rpc_pending_end(&call->pending, STATUS_UNAVAILABLE, 0);
            place = &node->buckets[i]; /* anything may have changed */
        }
    }
}

/* ---- The connection ---- */

static void back_off(struct rpc_node *node)
{
    uint64_t doubled = node->backoff_ms * 2;

    node->backoff_ms = doubled < BACKOFF_LEAST_MS ? BACKOFF_LEAST_MS : doubled;
    if (node->backoff_ms > BACKOFF_MOST_MS) {
        node->backoff_ms = BACKOFF_MOST_MS;
    }
    /* Spread, so that a node that comes back is not met by all at once. */
    node->retry_ms = loop_now_ms(node->loop) + node->backoff_ms / 2 +
                     random_below(&node->random, node->backoff_ms / 2 + 1);
}

static void lose(struct rpc_node *node)
{
    node->state = NODE_IDLE;
    node->session = NULL;
    buffer_release(&node->backlog);
    loop_timer_stop(&node->ping);
    if (node->is_freed) {
        return;
    }
    back_off(node);
    fail_all(node);
}

static void on_failed(void *context)
{
    lose(context);
}

static void on_hello(struct rpc_wire *wire, const struct rpc_hello *hello)
{
    struct rpc_node *node = CONTAINER_OF(wire, struct node_session, wire)->node;

    node->state = NODE_READY;
    node->backoff_ms = 0;
    buffer_append(wire->port.output, buffer_view(&node->backlog));
    buffer_release(&node->backlog);
    loop_timer_start(&node->ping, node->silence_max_ms / RPC_PINGS);
}

static void on_ping(struct loop_timer *timer)
{
    struct rpc_node *node = CONTAINER_OF(timer, struct rpc_node, ping);
    struct rpc_frame frame = {.kind = RPC_FRAME_PING};

    rpc_wire_send(&node->session->wire, &frame);
    loop_timer_start(timer, node->silence_max_ms / RPC_PINGS);
}

static bool on_frame(struct rpc_wire *wire, const struct rpc_frame *frame, struct slice message,
                     struct rpc_octets *octets)
{
    struct rpc_node *node = CONTAINER_OF(wire, struct node_session, wire)->node;
    struct node_call *call = *find(node, frame->request);
    bool is_end = frame->kind == RPC_FRAME_END;
    bool is_answer = is_end || frame->kind == RPC_FRAME_REPLY || frame->kind == RPC_FRAME_ITEM;

    if (call != NULL && is_answer) {
        /* Streams have items, other requests a reply. */
        is_answer = is_end || call->pending.is_stream == (frame->kind == RPC_FRAME_ITEM);
        if (is_end) {
            rpc_pending_end(&call->pending, frame->status, frame->argument);
        } else if (is_answer) {
            rpc_pending_answer(&call->pending, message, octets);
        }
    }
    rpc_octets_unref(octets);
    return is_answer;
}

static const struct rpc_wire_events events = {on_hello, on_frame};

static void *open_session(const struct session_port *port, void *context,
                          enum session_next *out_next)
{
    struct node_session *session = NEW(struct node_session);

    session->node = context;
    session->node->session = session;
    rpc_wire_init(&session->wire, port, &events, &session->node->hello,
                  session->node->silence_max_ms);
    *out_next = SESSION_READS_OCTETS;
    return session;
}

static enum session_next on_octets(void *data, struct slice octets, size_t *out_taken)
{
    struct node_session *session = data;

    *out_taken = octets.size;
    return rpc_wire_take(&session->wire, octets) ? SESSION_READS_OCTETS : SESSION_ENDS;
}

static void free_session(void *data)
{
    struct node_session *session = data;
    struct rpc_node *node = session->node;

    rpc_wire_done(&session->wire);
    memory_free(session);
    lose(node);
}

static void connect_node(struct rpc_node *node)
{
    node->state = NODE_CONNECTING;
    connection_connect(&node->host, &node->address.any, node->tls_name, on_failed);
}

/* ---- Calls ---- */

static struct rpc_pending *make_pending(struct rpc_channel *channel)
{
    struct node_call *call = NEW(struct node_call);

    call->node = CONTAINER_OF(channel, struct node_channel, channel)->node;
    return &call->pending;
}

static struct node_call *call_of(struct rpc_pending *pending)
{
    return CONTAINER_OF(pending, struct node_call, pending);
}

static uint32_t timeout_of(const struct rpc_node *node, uint64_t deadline_ms)
{
    uint64_t now_ms = loop_now_ms(node->loop);

    if (deadline_ms == UINT64_MAX) {
        return 0;
    }
    uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 1;

    return left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
}

/* Where frames go now: the connection's output, or what waits for it. */
static char *begin_frame(struct rpc_node *node, const struct rpc_frame *frame)
{
    size_t size = RPC_FRAME_HEADER_SIZE + (size_t)frame->message_size + frame->octets_size;

    if (node->state == NODE_READY) {
        return rpc_wire_begin(&node->session->wire, frame);
    }
    if (buffer_room(&node->backlog) < size) {
        return NULL;
    }
    char *room = buffer_reserve(&node->backlog, size);

    rpc_frame_encode(frame, room);
    return room + RPC_FRAME_HEADER_SIZE;
}

static void end_frame(struct rpc_node *node, const struct rpc_frame *frame,
                      const struct rpc_octets *octets)
{
    if (node->state == NODE_READY) {
        rpc_wire_end(&node->session->wire, frame, octets);
    } else {
        buffer_grew(&node->backlog, RPC_FRAME_HEADER_SIZE + (size_t)frame->message_size);
        buffer_append(&node->backlog, rpc_octets_view(octets));
    }
}

static enum status write_request(struct node_call *call, uint32_t service,
                                 const struct rpc_outgoing *outgoing)
{
    struct rpc_node *node = call->node;
    struct rpc_frame frame = {
        .kind = RPC_FRAME_REQUEST,
        .message_size = (uint32_t)outgoing->message_size,
        .octets_size = (uint32_t)rpc_octets_view(outgoing->octets).size,
        .service = service,
        .method = (uint16_t)outgoing->method_index,
        .shard = outgoing->shard,
        .request = node->request_next,
        .argument = timeout_of(node, outgoing->deadline_ms),
    };
    char *message = begin_frame(node, &frame);

    if (message == NULL) {
        return STATUS_BUSY;
    }
    CHECK(protobuf_c_message_pack(outgoing->message, (uint8_t *)message) == outgoing->message_size);
    end_frame(node, &frame, outgoing->octets);
    call->request = node->request_next++;
    call->next = *find(node, call->request);
    *find(node, call->request) = call;
    return STATUS_OK;
}

static enum status send_request(struct rpc_pending *pending, const struct rpc_outgoing *outgoing)
{
    struct node_call *call = call_of(pending);
    struct rpc_node *node = call->node;
    enum status status = STATUS_OK;

    if (node->state == NODE_IDLE) {
        if (node->host.count > 0 || loop_now_ms(node->loop) < node->retry_ms) {
            status = STATUS_UNAVAILABLE;
        } else {
            connect_node(node);
        }
    }
    if (status == STATUS_OK) {
        const struct node_channel *channel =
            CONTAINER_OF(pending->channel, struct node_channel, channel);

        status = write_request(call, channel->service, outgoing);
    }
    rpc_octets_unref(outgoing->octets);
    return status;
}

static void notify(struct rpc_pending *pending, enum rpc_frame_kind kind, uint32_t argument)
{
    const struct node_call *call = call_of(pending);
    struct rpc_frame frame = {.kind = kind, .request = call->request, .argument = argument};

    if (call->request > 0 && call->node->state != NODE_IDLE &&
        begin_frame(call->node, &frame) != NULL) {
        end_frame(call->node, &frame, NULL);
    }
}

static void cancel(struct rpc_pending *pending)
{
    notify(pending, RPC_FRAME_CANCEL, 0);
}

static void credit(struct rpc_pending *pending, unsigned item_count)
{
    notify(pending, RPC_FRAME_CREDIT, item_count);
}

static void release_pending(struct rpc_pending *pending)
{
    struct node_call *call = call_of(pending);

    if (call->request > 0) {
        struct node_call **place = find(call->node, call->request);

        CHECK(*place == call);
        *place = call->next;
    }
    memory_free(call);
}

static void free_channel(struct rpc_channel *channel)
{
    memory_free(CONTAINER_OF(channel, struct node_channel, channel));
}

static const struct rpc_carrier carrier = {
    .make = make_pending,
    .send = send_request,
    .cancel = cancel,
    .credit = credit,
    .release = release_pending,
    .free = free_channel,
};

ProtobufCService *rpc_node_channel_new(struct rpc_node *node,
                                       const ProtobufCServiceDescriptor *descriptor)
{
    struct node_channel *channel = NEW(struct node_channel);

    rpc_channel_init(&channel->channel, node->loop, descriptor, &carrier);
    channel->node = node;
    channel->service = rpc_frame_service(descriptor->name);
    return &channel->channel.service;
}

/* ---- The node ---- */

static void free_memory(struct rpc_node *node)
{
    buffer_done(&node->backlog);
    memory_free(node->tls_name);
    memory_free(node);
}

static void on_gone(struct connection_host *host, const struct sockaddr *peer)
{
    struct rpc_node *node = CONTAINER_OF(host, struct rpc_node, host);

    if (node->is_freed && host->count == 0) {
        free_memory(node);
    }
}

static enum status set_address(struct rpc_node *node, const struct rpc_node_options *options)
{
    bool is_loopback = false;

    if (inet_pton(AF_INET, options->address, &node->address.narrow.sin_addr) == 1) {
        node->address.narrow.sin_family = AF_INET;
        node->address.narrow.sin_port = htons(options->port);
        is_loopback = ntohl(node->address.narrow.sin_addr.s_addr) >> 24 == 127;
    } else if (inet_pton(AF_INET6, options->address, &node->address.wide.sin6_addr) == 1) {
        node->address.wide.sin6_family = AF_INET6;
        node->address.wide.sin6_port = htons(options->port);
        is_loopback = IN6_IS_ADDR_LOOPBACK(&node->address.wide.sin6_addr);
    } else {
        return STATUS_INVALID;
    }
    return options->tls != NULL || options->is_plain_allowed || is_loopback ? STATUS_OK
                                                                            : STATUS_DENIED;
}

enum status rpc_node_new(const struct rpc_node_options *options, struct rpc_node **out_node)
{
    struct rpc_node *node = NEW(struct rpc_node);
    enum status status = set_address(node, options);

    if (status != STATUS_OK) {
        memory_free(node);
        return status;
    }
    node->loop = options->loop;
    node->silence_max_ms =
        options->silence_max_ms > 0 ? options->silence_max_ms : RPC_SILENCE_MAX_MS;
    node->hello = (struct rpc_hello){RPC_VERSION, RPC_VERSION, options->node, options->cluster, 0};
    if (options->tls_name != NULL) {
        size_t size = strlen(options->tls_name) + 1;

        node->tls_name = memcpy(memory_resized(NULL, size), options->tls_name, size);
    }
    node->protocol = (struct protocol){
        .name = "rpc",
        .idle_timeout_ms = node->silence_max_ms,
        .output_size_max = RPC_WIRE_OUTPUT_MAX,
        .open = open_session,
        .on_octets = on_octets,
        .free = free_session,
        .context = node,
    };
    node->host = (struct connection_host){
        .loop = options->loop,
        .protocol = &node->protocol,
        .tls = options->tls,
        .is_tls_from_start = options->tls != NULL,
        .handshake_timeout_ms = node->silence_max_ms,
        .output_timeout_ms = node->silence_max_ms,
        .on_gone = on_gone,
    };
    node->request_next = 1;
    random_octets(&node->random.state, sizeof(node->random.state));
    buffer_init(&node->backlog, BACKLOG_SIZE_MAX);
    loop_timer_init(&node->ping, options->loop, on_ping);
    *out_node = node;
    return STATUS_OK;
}

void rpc_node_free(struct rpc_node *node)
{
    if (node == NULL) {
        return;
    }
    node->is_freed = true;
    if (node->host.count == 0) {
        free_memory(node);
    } else {
        connections_close(&node->host);
    }
}
