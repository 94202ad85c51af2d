#include "net/rpc_server.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "net/listener.h"
#include "net/rpc_exchange.h"
#include "net/rpc_message.h"
#include "net/rpc_wire.h"

enum { BUCKETS = 256 };

struct rpc_server {
    struct listener *listener;
    struct protocol protocol;
    const struct rpc_services *services;
    struct rpc_hello hello;
};

/* A connection from another node. */
struct server_session {
    struct rpc_wire wire;
    struct rpc_server *server;
    struct served_call *buckets[BUCKETS]; /* in flight, by request id */
    size_t call_count;
    bool is_waiting; /* too many are in flight */
};

struct served_call {
    struct rpc_exchange exchange;   /* first */
    struct server_session *session; /* NULL: the connection is gone */
    uint64_t request;
    struct served_call *next;
};

/* ---- Answers ---- */

static struct served_call **find(struct server_session *session, uint64_t request)
{
    struct served_call **place = &session->buckets[request % BUCKETS];

    while (*place != NULL && (*place)->request != request) {
        place = &(*place)->next;
    }
    return place;
}

/* The answer is the last one: the id is free again. */
static void forget(struct server_session *session, struct served_call *call)
{
    struct served_call **place = find(session, call->request);

    CHECK(*place == call);
    *place = call->next;
    call->session = NULL;
    session->call_count--;
    rpc_exchange_unref(&call->exchange);
    if (session->is_waiting && session->call_count < RPC_REQUESTS_MAX / 2) {
        session->is_waiting = false;
        session->wire.port.wake(session->wire.port.connection, SESSION_READS_OCTETS);
    }
}

static void send_end(struct server_session *session, uint64_t request, enum status status,
                     uint32_t leader_hint)
{
    struct rpc_frame frame = {
        .kind = RPC_FRAME_END, .status = status, .request = request, .argument = leader_hint};

    rpc_wire_send(&session->wire, &frame);
}

static void on_answer(struct rpc_exchange *exchange, const struct rpc_exchange_answer *answer)
{
    struct served_call *call = CONTAINER_OF(exchange, struct served_call, exchange);
    struct server_session *session = call->session;

    if (session == NULL) {
        return;
    }
    if (answer->has_message) {
        struct rpc_frame frame = {
            .kind = answer->is_end ? RPC_FRAME_REPLY : RPC_FRAME_ITEM,
            .request = call->request,
            .message_size = (uint32_t)answer->packed.size,
            .octets_size = (uint32_t)rpc_octets_view(answer->octets).size,
        };
        char *message = rpc_wire_begin(&session->wire, &frame);

        if (message != NULL) {
            memcpy(message, answer->packed.data, answer->packed.size);
            rpc_wire_end(&session->wire, &frame, answer->octets);
        }
    } else {
        send_end(session, call->request, answer->status, answer->leader_hint);
    }
    if (answer->is_end) {
        forget(session, call);
    }
}

/* ---- Requests ---- */

static ProtobufCService *find_service(const struct rpc_services *services, uint32_t id)
{
    for (size_t i = 0; i < services->service_count; i++) {
        if (rpc_frame_service(services->services[i]->descriptor->name) == id) {
            return services->services[i];
        }
    }
    return NULL;
}

static void ask(struct server_session *session, const struct rpc_frame *frame,
                ProtobufCService *served, struct slice message, struct rpc_octets *octets)
{
    const struct rpc_services *services = session->server->services;
    struct loop *origin = session->wire.port.loop;
    struct loop *loop = services->route(services->context, frame->shard);
    struct served_call *call = NEW(struct served_call);
    struct served_call **place = find(session, frame->request);
    struct rpc_exchange_request request = {
        .served = served,
        .method_index = frame->method,
        .loop = loop != NULL ? loop : origin,
        .shard = frame->shard,
        .deadline_ms = frame->argument > 0 ? loop_now_ms(origin) + frame->argument : UINT64_MAX,
        .octets = octets,
        .packed = memory_resized(NULL, message.size + 1),
        .packed_size = message.size,
    };

    if (message.size > 0) {
        memcpy(request.packed, message.data, message.size);
    }
    rpc_exchange_init(&call->exchange, origin, on_answer);
    call->session = session;
    call->request = frame->request;
    *place = call;
    session->call_count++;
    rpc_exchange_ask(&call->exchange, &request);
}

/* False: an id that is in use. */
static bool take_request(struct server_session *session, const struct rpc_frame *frame,
                         struct slice message, struct rpc_octets *octets)
{
    ProtobufCService *served = find_service(session->server->services, frame->service);

    if (*find(session, frame->request) != NULL) {
        rpc_octets_unref(octets);
        return false;
    }
    if (served == NULL || frame->method >= served->descriptor->n_methods) {
        rpc_octets_unref(octets);
        send_end(session, frame->request, STATUS_UNSUPPORTED, 0);
        return true;
    }
    ask(session, frame, served, message, octets);
    return true;
}

static void cancel(struct server_session *session, struct served_call *call)
{
    if (call != NULL) {
        rpc_exchange_notify(&call->exchange, 0);
        forget(session, call);
    }
}

static bool on_frame(struct rpc_wire *wire, const struct rpc_frame *frame, struct slice message,
                     struct rpc_octets *octets)
{
    struct server_session *session = CONTAINER_OF(wire, struct server_session, wire);
    struct served_call *call = *find(session, frame->request);

    switch (frame->kind) {
    case RPC_FRAME_REQUEST:
        return take_request(session, frame, message, octets);
    case RPC_FRAME_CANCEL:
        cancel(session, call);
        return true;
    case RPC_FRAME_CREDIT:
        if (call != NULL && frame->argument > 0) {
            rpc_exchange_notify(&call->exchange, frame->argument);
        }
        return true;
    default:
        rpc_octets_unref(octets);
        return false;
    }
}

/* ---- Connections ---- */

static void on_hello(struct rpc_wire *wire, const struct rpc_hello *hello)
{
}

static const struct rpc_wire_events events = {on_hello, on_frame};

static void *open_session(const struct session_port *port, void *context,
                          enum session_next *out_next)
{
    struct server_session *session = NEW(struct server_session);

    session->server = context;
    rpc_wire_init(&session->wire, port, &events, &session->server->hello, RPC_SILENCE_MAX_MS);
    *out_next = SESSION_READS_OCTETS;
    return session;
}

static enum session_next on_octets(void *data, struct slice octets, size_t *out_taken)
{
    struct server_session *session = data;

    *out_taken = octets.size;
    if (!rpc_wire_take(&session->wire, octets)) {
        return SESSION_ENDS;
    }
    session->is_waiting = session->call_count >= RPC_REQUESTS_MAX;
    return session->is_waiting ? SESSION_WAITS : SESSION_READS_OCTETS;
}

static void free_session(void *data)
{
    struct server_session *session = data;

    session->is_waiting = false;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (session->buckets[i] != NULL) {
            cancel(session, session->buckets[i]);
        }
    }
    rpc_wire_done(&session->wire);
    memory_free(session);
}

/* ---- The server ---- */

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

enum status rpc_server_open(const struct rpc_server_options *options,
                            struct rpc_server **out_server)
{
    if (options->tls == NULL && !options->is_plain_allowed && !is_loopback(options->address)) {
        return STATUS_DENIED;
    }
    for (size_t i = 0; i < options->services->service_count; i++) {
        CHECK(rpc_service_is_bounded(options->services->services[i]->descriptor));
    }
    struct rpc_server *server = NEW(struct rpc_server);

    server->services = options->services;
    server->hello =
        (struct rpc_hello){RPC_VERSION, RPC_VERSION, options->node, options->cluster, 0};
    server->protocol = (struct protocol){
        .name = "rpc",
        .idle_timeout_ms = RPC_SILENCE_MAX_MS,
        .output_size_max = RPC_WIRE_OUTPUT_MAX,
        .open = open_session,
        .on_octets = on_octets,
        .free = free_session,
        .context = server,
    };
    struct listener_options listener = {
        .address = options->address,
        .port = options->port,
        .loops = options->loops,
        .loop_count = options->loop_count,
        .protocol = &server->protocol,
        .tls = options->tls,
        .is_tls_from_start = options->tls != NULL,
        .limiter = options->limiter,
        .handshake_timeout_ms = RPC_SILENCE_MAX_MS,
        .output_timeout_ms = RPC_SILENCE_MAX_MS,
    };
    enum status status = listener_open(&listener, &server->listener);

    if (status != STATUS_OK) {
        memory_free(server);
        return status;
    }
    *out_server = server;
    return STATUS_OK;
}

uint16_t rpc_server_port(const struct rpc_server *server)
{
    return listener_port(server->listener);
}

void rpc_server_stop(struct rpc_server *server, uint64_t grace_ms, struct loop *loop,
                     struct loop_message *done)
{
    listener_stop(server->listener, grace_ms, loop, done);
}

void rpc_server_free(struct rpc_server *server)
{
    if (server == NULL) {
        return;
    }
    listener_free(server->listener);
    memory_free(server);
}
