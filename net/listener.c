#include "net/listener.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <uv.h>

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "net/connection.h"
#include "net/loop_uv.h"

enum {
    BACKLOG = 1024,
    HANDSHAKE_TIMEOUT_MS = 30 * 1000,
    OUTPUT_TIMEOUT_MS = 60 * 1000,
    COMPLAINT_INTERVAL_MS = 10 * 1000,
};

/* A listener's part on one loop. */
struct arm {
    struct listener *listener;
    struct connection_host host;
    uv_tcp_t tcp;
    int socket;
    struct loop_message begin;
    struct loop_message stop;
    struct loop_timer grace;
    uint64_t complained_ms;
    bool is_stopping;
    bool is_listening; /* until its handle is closed */
};

struct listener {
    struct accept_limiter *limiter;
    uint16_t port;
    size_t arm_count;
    struct arm *arms;
    atomic_size_t arms_left; /* that did not stop yet */
    uint64_t grace_ms;
    struct loop *done_loop;
    struct loop_message *done;
};

/* ---- The socket ---- */

union socket_address {
    struct sockaddr any;
    struct sockaddr_in narrow;
    struct sockaddr_in6 wide;
};

static enum status parse_address(const char *text, uint16_t port, union socket_address *out_address)
{
    union socket_address address = {0};

    if (strcmp(text, "*") == 0) {
        text = "::";
    }
    if (inet_pton(AF_INET, text, &address.narrow.sin_addr) == 1) {
        address.narrow.sin_family = AF_INET;
        address.narrow.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, text, &address.wide.sin6_addr) == 1) {
        address.wide.sin6_family = AF_INET6;
        address.wide.sin6_port = htons(port);
    } else {
        return STATUS_INVALID;
    }
    *out_address = address;
    return STATUS_OK;
}

static enum status status_of_errno(void)
{
    switch (errno) {
    case EADDRINUSE:
        return STATUS_EXISTS;
    case EACCES:
    case EPERM:
        return STATUS_DENIED;
    case EADDRNOTAVAIL:
        return STATUS_UNAVAILABLE;
    default:
        return STATUS_IO_ERROR;
    }
}

static socklen_t size_of(const union socket_address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(address->wide) : sizeof(address->narrow);
}

static bool set_options(int descriptor, const union socket_address *address, bool both_families)
{
    int yes = 1;
    int only_wide = both_families ? 0 : 1;

    return setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
           setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) == 0 &&
           (address->any.sa_family != AF_INET6 ||
            setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &only_wide, sizeof(only_wide)) == 0);
}

/* On success `address` has the port that was chosen. */
static enum status listen_at(union socket_address *address, bool both_families, int *out_socket)
{
    int descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = size_of(address);

    if (descriptor < 0) {
        return errno == EAFNOSUPPORT ? STATUS_UNSUPPORTED : status_of_errno();
    }
    if (!set_options(descriptor, address, both_families) ||
        bind(descriptor, &address->any, size) != 0 || listen(descriptor, BACKLOG) != 0 ||
        getsockname(descriptor, &address->any, &size) != 0) {
        enum status status = status_of_errno();

        close(descriptor);
        return status;
    }
    *out_socket = descriptor;
    return STATUS_OK;
}

/* Sockets that share a port do not tell whether a stranger has it, too: one that does not share
 * it finds out. */
static enum status probe(const union socket_address *address)
{
    int yes = 1;
    int descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0) {
        return errno == EAFNOSUPPORT ? STATUS_UNSUPPORTED : status_of_errno();
    }
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    enum status status =
        bind(descriptor, &address->any, size_of(address)) == 0 ? STATUS_OK : status_of_errno();

    close(descriptor);
    return status;
}

/* ---- Arms, on their loops ---- */

static void end_when_empty(struct arm *arm)
{
    struct listener *listener = arm->listener;

    if (!arm->is_stopping || arm->is_listening || arm->host.count > 0) {
        return;
    }
    loop_timer_stop(&arm->grace);
    if (atomic_fetch_sub(&listener->arms_left, 1) == 1) {
        loop_post(listener->done_loop, listener->done);
    }
}

static bool admit(struct connection_host *host, const struct sockaddr *peer)
{
    struct arm *arm = CONTAINER_OF(host, struct arm, host);

    return arm->listener->limiter == NULL || accept_limiter_enter(arm->listener->limiter, peer);
}

static void on_gone(struct connection_host *host, const struct sockaddr *peer)
{
    struct arm *arm = CONTAINER_OF(host, struct arm, host);

    if (peer != NULL && arm->listener->limiter != NULL) {
        accept_limiter_leave(arm->listener->limiter, peer);
    }
    end_when_empty(arm);
}

/* Out of descriptors, libuv closes what it cannot serve; who operates this should know. */
static void complain(struct arm *arm, int error)
{
    uint64_t now_ms = loop_now_ms(arm->host.loop);

    if (arm->complained_ms > 0 && now_ms - arm->complained_ms < COMPLAINT_INTERVAL_MS) {
        return;
    }
    arm->complained_ms = now_ms;
    log_error("listener.refused", log_text("protocol", slice_of(arm->host.protocol->name)),
              log_text("error", slice_of(uv_strerror(error))));
}

static void on_connection(uv_stream_t *stream, int error)
{
    struct arm *arm = CONTAINER_OF(stream, struct arm, tcp);

    if (error != 0) {
        complain(arm, error);
        return;
    }
    connection_accept(&arm->host, stream);
}

static void on_begin(struct loop_message *message)
{
    struct arm *arm = CONTAINER_OF(message, struct arm, begin);

    CHECK(uv_tcp_init(loop_uv(arm->host.loop), &arm->tcp) == 0);
    CHECK(uv_tcp_open(&arm->tcp, arm->socket) == 0);
    arm->is_listening = true;
    int error = uv_listen((uv_stream_t *)&arm->tcp, BACKLOG, on_connection);

    if (error != 0) {
        complain(arm, error);
    }
}

static void on_grace_over(struct loop_timer *timer)
{
    connections_close(&CONTAINER_OF(timer, struct arm, grace)->host);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct arm *arm = CONTAINER_OF(handle, struct arm, tcp);

    arm->is_listening = false;
    end_when_empty(arm);
}

static void on_stop(struct loop_message *message)
{
    struct arm *arm = CONTAINER_OF(message, struct arm, stop);

    arm->is_stopping = true;
    loop_timer_start(&arm->grace, arm->listener->grace_ms);
    uv_close((uv_handle_t *)&arm->tcp, on_handle_closed);
    connections_stop(&arm->host);
}

/* ---- The listener ---- */

static void arm_init(struct arm *arm, struct listener *listener,
                     const struct listener_options *options, size_t index, int descriptor)
{
    struct loop *loop = options->loops[index];

    arm->listener = listener;
    arm->socket = descriptor;
    arm->begin.run = on_begin;
    arm->stop.run = on_stop;
    arm->host = (struct connection_host){
        .loop = loop,
        .protocol = options->protocols != NULL ? options->protocols[index] : options->protocol,
        .tls = options->tls,
        .is_tls_from_start = options->is_tls_from_start,
        .handshake_timeout_ms = options->handshake_timeout_ms > 0 ? options->handshake_timeout_ms
                                                                  : HANDSHAKE_TIMEOUT_MS,
        .output_timeout_ms =
            options->output_timeout_ms > 0 ? options->output_timeout_ms : OUTPUT_TIMEOUT_MS,
        .refusal = options->refusal,
        .admit = admit,
        .on_gone = on_gone,
    };
    loop_timer_init(&arm->grace, loop, on_grace_over);
}

static enum status open_sockets(const struct listener_options *options,
                                union socket_address *address, int *sockets)
{
    bool both_families = strcmp(options->address, "*") == 0;
    enum status status = probe(address);

    size_t opened = 0;

    while (status == STATUS_OK && opened < options->loop_count) {
        status = listen_at(address, both_families, &sockets[opened]);
        opened += status == STATUS_OK;
    }
    while (status != STATUS_OK && opened > 0) {
        close(sockets[--opened]);
    }
    return status;
}

enum status listener_open(const struct listener_options *options, struct listener **out_listener)
{
    union socket_address address;
    enum status status = parse_address(options->address, options->port, &address);
    int *sockets = memory_zeroed(options->loop_count * sizeof(*sockets));

    CHECK(options->loop_count > 0 && (!options->is_tls_from_start || options->tls != NULL));
    if (status == STATUS_OK) {
        status = open_sockets(options, &address, sockets);
    }
    if (status == STATUS_UNSUPPORTED && strcmp(options->address, "*") == 0) {
        /* A machine without IPv6. */
        address.narrow =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(options->port)};
        status = open_sockets(options, &address, sockets);
    }
    if (status != STATUS_OK) {
        memory_free(sockets);
        return status == STATUS_UNSUPPORTED ? STATUS_UNAVAILABLE : status;
    }
    struct listener *listener = NEW(struct listener);

    listener->limiter = options->limiter;
    listener->port =
        ntohs(address.any.sa_family == AF_INET6 ? address.wide.sin6_port : address.narrow.sin_port);
    listener->arm_count = options->loop_count;
    listener->arms = memory_zeroed(options->loop_count * sizeof(*listener->arms));
    atomic_init(&listener->arms_left, options->loop_count);
    for (size_t i = 0; i < options->loop_count; i++) {
        arm_init(&listener->arms[i], listener, options, i, sockets[i]);
        loop_post(options->loops[i], &listener->arms[i].begin);
    }
    memory_free(sockets);
    *out_listener = listener;
    return STATUS_OK;
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->port;
}

void listener_stop(struct listener *listener, uint64_t grace_ms, struct loop *loop,
                   struct loop_message *done)
{
    listener->grace_ms = grace_ms;
    listener->done_loop = loop;
    listener->done = done;
    for (size_t i = 0; i < listener->arm_count; i++) {
        loop_post(listener->arms[i].host.loop, &listener->arms[i].stop);
    }
}

void listener_free(struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    CHECK(atomic_load(&listener->arms_left) == 0);
    memory_free(listener->arms);
    memory_free(listener);
}
