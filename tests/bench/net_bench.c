/* What net/ costs: round trips of requests, and the memory of idle connections.
 *
 *     net_bench rpc local|tcp|tls DEPTH [OCTETS]    round trips a second, DEPTH in flight
 *     net_bench idle plain|tls COUNT                memory of the server per connection
 *     net_bench lines COUNT DEPTH                   lines answered a second on one loop, over COUNT
 *                                                   connections, DEPTH in flight on each
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <netinet/in.h>
#include <openssl/ssl.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/number.h"
#include "tests/fakes/rpc_stage.h"
#include "tests/fakes/toy_server.h"
#include "tests/unit/unit.h"

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;

    CHECK(number_parse(slice_of(text), 100 * 1000 * 1000, &number) == STATUS_OK);
    return number;
}

/* ---- Requests ---- */

enum { ROUND_TRIPS = 500 * 1000, DEPTH_MAX = 4096 };

struct asker {
    struct rpc_call call;
};

static struct {
    struct loop_message begin;
    struct stage stage;
    struct asker askers[DEPTH_MAX];
    unsigned depth;
    unsigned answered;
    struct rpc_octets *octets;
} bench;

static void ask(struct asker *asker);

static void on_entry(const Aviso__DirectoryEntry *entry, void *closure_data)
{
    struct asker *asker = CONTAINER_OF(closure_data, struct asker, call);

    CHECK(asker->call.status == STATUS_OK);
    bench.answered++;
    if (bench.answered + bench.depth <= ROUND_TRIPS) {
        ask(asker);
    } else if (bench.answered == ROUND_TRIPS) {
        loop_stop(bench.stage.client_loop);
    }
}

static void ask(struct asker *asker)
{
    Aviso__LookRequest request = AVISO__LOOK_REQUEST__INIT;

    rpc_call_init(&asker->call, 1);
    if (bench.octets != NULL) {
        asker->call.octets = rpc_octets_ref(bench.octets);
    }
    request.slot = 42;
    request.name = wire_from_slice(SLICE("somebody@example.org"));
    aviso__directory__look(bench.stage.directory, &request, on_entry, &asker->call);
}

static void begin(struct loop_message *message)
{
    for (unsigned i = 0; i < bench.depth; i++) {
        ask(&bench.askers[i]);
    }
}

static void run_rpc(const char *carrier, unsigned depth, size_t octets_size)
{
    char *octets = NULL;

    CHECK(depth > 0 && depth <= DEPTH_MAX);
    stage_carrier = strcmp(carrier, "local") == 0 ? STAGE_LOCAL
                    : strcmp(carrier, "tcp") == 0 ? STAGE_TCP
                                                  : STAGE_TLS;
    stage_open(&bench.stage);
    bench.begin.run = begin;
    bench.depth = depth;
    if (octets_size > 0) {
        bench.octets = rpc_octets_reserve(octets_size, &octets);
        memset(octets, 'x', octets_size);
    }
    uint64_t begin_us = clock_monotonic_us();

    stage_play(&bench.stage, &bench.begin);
    uint64_t took_us = clock_monotonic_us() - begin_us;

    printf("rpc %s depth %u octets %zu: %.0f round trips/s\n", carrier, depth, octets_size,
           ROUND_TRIPS * 1e6 / (double)took_us);
    rpc_octets_unref(bench.octets);
    stage_close(&bench.stage);
}

/* ---- Idle connections ---- */

static size_t resident_size(void)
{
    unsigned long total = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL && fscanf(file, "%lu %lu", &total, &resident) == 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void secure(int client)
{
    static SSL_CTX *context;
    char octet = 0;

    if (context == NULL) {
        context = SSL_CTX_new(TLS_client_method());
    }
    SSL *ssl = SSL_new(context);

    CHECK(SSL_set_fd(ssl, client) == 1 && SSL_connect(ssl) == 1);
    CHECK(SSL_read(ssl, &octet, 1) == 1);
}

/* The clients are another process, so that their memory is not counted. */
static pid_t start_clients(const int *port_pipe, const int *ready_pipe, unsigned count, bool is_tls)
{
    pid_t child = fork();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char octet = 0;

    CHECK(child >= 0);
    if (child > 0) {
        return child;
    }
    CHECK(read(port_pipe[0], &address.sin_port, 2) == 2);
    for (unsigned i = 0; i < count; i++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);

        CHECK(client >= 0 && connect(client, (struct sockaddr *)&address, sizeof(address)) == 0);
        if (is_tls) {
            secure(client);
        } else {
            CHECK(recv(client, &octet, 1, 0) == 1);
        }
    }
    CHECK(write(ready_pipe[1], &octet, 1) == 1 && read(port_pipe[0], &octet, 1) == 1);
    _exit(0);
}

static struct tls_context *make_tls(void)
{
    char folder[] = "/tmp/aviso-bench-XXXXXX";
    char paths[2][64];
    const char *names[] = {"localhost"};
    const char *fault = NULL;
    struct tls_options options = {paths[0], paths[1], NULL};
    struct tls_context *tls = NULL;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(paths[0], sizeof(paths[0]), "%s/certificate.pem", folder);
    snprintf(paths[1], sizeof(paths[1]), "%s/key.pem", folder);
    CHECK(tls_make_self_signed(names, 1, paths[0], paths[1]) == STATUS_OK);
    CHECK(tls_context_new(&options, &tls, &fault) == STATUS_OK);
    unlink(paths[0]);
    unlink(paths[1]);
    rmdir(folder);
    return tls;
}

static void run_idle(bool is_tls, unsigned count)
{
    static struct toy_server server;
    int port_pipe[2];
    int ready_pipe[2];
    char octet = 0;

    CHECK(pipe(port_pipe) == 0 && pipe(ready_pipe) == 0);
    pid_t clients = start_clients(port_pipe, ready_pipe, count, is_tls);

    toy_prepare(&server);
    server.options.tls = is_tls ? make_tls() : NULL;
    server.options.is_tls_from_start = is_tls;
    toy_open(&server);
    size_t before = resident_size();
    in_port_t port = htons(listener_port(server.listener));

    CHECK(write(port_pipe[1], &port, 2) == 2);
    CHECK(read(ready_pipe[0], &octet, 1) == 1);
    size_t after = resident_size();

    printf("idle %s %u connections: %.2f KiB each\n", is_tls ? "tls" : "plain", count,
           (double)(after - before) / 1024 / count);
    CHECK(write(port_pipe[1], &octet, 1) == 1);
    CHECK(waitpid(clients, NULL, 0) == clients);
    toy_close(&server, 1000);
    tls_context_free(server.options.tls);
}

/* ---- Lines ---- */

enum { LINES = 2 * 1000 * 1000, LINE_ANSWER_SIZE = 3, CLIENTS_MAX = 1000 };

static void run_lines(unsigned count, unsigned depth)
{
    static struct toy_server server;
    static int clients[CLIENTS_MAX];
    struct buffer lines;
    unsigned done = 0;

    CHECK(count > 0 && count <= CLIENTS_MAX && depth > 0 && depth <= 1000);
    toy_prepare(&server);
    toy_open(&server);
    buffer_init(&lines, depth * 8);
    for (unsigned i = 0; i < depth; i++) {
        buffer_append(&lines, SLICE("ECHO 1\r\n"));
    }
    for (unsigned i = 0; i < count; i++) {
        clients[i] = toy_connect(&server);
        toy_expect(clients[i], "hello\r\n");
    }
    uint64_t begin_us = clock_monotonic_us();

    while (done < LINES) {
        for (unsigned i = 0; i < count; i++) {
            toy_say_octets(clients[i], buffer_view(&lines));
        }
        for (unsigned i = 0; i < count; i++, done += depth) {
            toy_expect_size(clients[i], (size_t)depth * LINE_ANSWER_SIZE);
        }
    }
    uint64_t took_us = clock_monotonic_us() - begin_us;

    printf("lines, %u connections, depth %u: %.0f lines/s\n", count, depth,
           done * 1e6 / (double)took_us);
    for (unsigned i = 0; i < count; i++) {
        close(clients[i]);
    }
    buffer_done(&lines);
    toy_close(&server, 1000);
}

int main(int argument_count, char **arguments)
{
    if (argument_count >= 4 && strcmp(arguments[1], "rpc") == 0) {
        run_rpc(arguments[2], (unsigned)number_of(arguments[3]),
                argument_count > 4 ? number_of(arguments[4]) : 0);
    } else if (argument_count == 4 && strcmp(arguments[1], "idle") == 0) {
        run_idle(strcmp(arguments[2], "tls") == 0, (unsigned)number_of(arguments[3]));
    } else if (argument_count == 4 && strcmp(arguments[1], "lines") == 0) {
        run_lines((unsigned)number_of(arguments[2]), (unsigned)number_of(arguments[3]));
    } else {
        fprintf(stderr, "usage: net_bench rpc local|tcp|tls DEPTH [OCTETS]\n"
                        "       net_bench idle plain|tls COUNT\n"
                        "       net_bench lines COUNT DEPTH\n");
        return 2;
    }
    return 0;
}
