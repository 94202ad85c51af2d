/* A load of mail: connections that deliver as fast as they are answered, and what that took.
 *
 *     build/release/tests/bench/load lmtp|smtp PORT CONNECTIONS SECONDS SIZE ACCOUNTS [DOMAIN]
 *
 * Mail goes to u0@DOMAIN, u1@DOMAIN, ... in turn, pipelined (RFC 2920), one message a transaction.
 * One thread a connection: the load is the server's, not ours. Prints messages/s, MB/s and
 * latencies; with several servers to compare, run it against each in turn. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/random.h"

enum { LATENCIES_MAX = 1 << 20, REPLY_SIZE_MAX = 64 * 1024, LINE_SIZE = 76 };

struct load {
    const char *hello;
    uint16_t port;
    uint64_t connections;
    uint64_t seconds;
    uint64_t size;
    uint64_t accounts;
    const char *domain;
    atomic_bool is_over;
};

struct client {
    pthread_t thread;
    struct load *load;
    struct random random;
    int socket;
    struct buffer input;
    uint64_t delivered;
    uint64_t refused;
    uint32_t *latencies_us;
    size_t latency_count;
};

static void write_all(struct client *client, struct slice octets)
{
    while (octets.size > 0) {
        ssize_t written = write(client->socket, octets.data, octets.size);

        CHECK(written > 0);
        octets = slice_skip(octets, (size_t)written);
    }
}

/* The code of the next reply, all its lines taken. */
static uint64_t read_reply(struct client *client)
{
    while (true) {
        struct slice rest = buffer_view(&client->input);
        size_t end = slice_find(rest, '\n');

        if (end < rest.size) {
            struct slice line = slice_prefix(rest, end);
            uint64_t code = 0;
            bool is_last = line.size < 4 || line.data[3] != '-';

            CHECK(number_parse(slice_prefix(line, 3), 999, &code) == STATUS_OK);
            buffer_consume(&client->input, end + 1);
            if (is_last) {
                return code;
            }
            continue;
        }
        char *room = buffer_reserve(&client->input, 4096);
        ssize_t size = read(client->socket, room, 4096);

        CHECK(size > 0);
        buffer_grew(&client->input, (size_t)size);
    }
}

static void open_connection(struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(client->load->port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->socket = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client->socket, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(read_reply(client) == 220);
    write_all(client, slice_of(client->load->hello));
    CHECK(read_reply(client) == 250);
}

/* Text that does not compress to nothing: what people write is between that and noise. */
static void append_body(struct client *client, struct buffer *message)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ";

    while (message->size < client->load->size) {
        for (size_t i = 0; i < LINE_SIZE; i++) {
            buffer_append_octet(message, letters[random_next(&client->random) % 64]);
        }
        buffer_append(message, SLICE("\r\n"));
    }
}

static void deliver(struct client *client, struct buffer *message)
{
    uint64_t account = random_next(&client->random) % client->load->accounts;
    struct buffer envelope;
    uint64_t start_us = clock_monotonic_us();

    buffer_init(&envelope, 4096);
    buffer_printf(&envelope,
                  "MAIL FROM:<load@example.com>\r\nRCPT TO:<u%" PRIu64 "@%s>\r\nDATA\r\n", account,
                  client->load->domain);
    write_all(client, buffer_view(&envelope));
    buffer_done(&envelope);
    bool taken = read_reply(client) == 250;

    taken = read_reply(client) == 250 && taken;
    CHECK(read_reply(client) == 354 && taken);
    write_all(client, buffer_view(message));
    if (read_reply(client) == 250) {
        client->delivered++;
    } else {
        client->refused++;
    }
    if (client->latency_count < LATENCIES_MAX) {
        client->latencies_us[client->latency_count++] = (uint32_t)(clock_monotonic_us() - start_us);
    }
}

static void *run(void *argument)
{
    struct client *client = argument;
    struct buffer message;

    buffer_init(&message, client->load->size + 4096);
    buffer_init(&client->input, REPLY_SIZE_MAX);
    client->latencies_us = memory_zeroed(LATENCIES_MAX * sizeof(*client->latencies_us));
    open_connection(client);
    while (!atomic_load(&client->load->is_over)) {
        buffer_clear(&message);
        buffer_printf(&message,
                      "From: load@example.com\r\nTo: u@example.org\r\nSubject: load %" PRIx64 "\r\n"
                      "Message-ID: <%" PRIx64 "@example.com>\r\n"
                      "Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n",
                      random_next(&client->random), random_next(&client->random));
        append_body(client, &message);
        buffer_append(&message, SLICE(".\r\n"));
        deliver(client, &message);
    }
    close(client->socket);
    buffer_done(&message);
    buffer_done(&client->input);
    return NULL;
}

static int by_number(const void *one, const void *other)
{
    uint32_t left = *(const uint32_t *)one;
    uint32_t right = *(const uint32_t *)other;

    return (left > right) - (left < right);
}

static void report(const struct load *load, struct client *clients, double seconds)
{
    uint64_t delivered = 0;
    uint64_t refused = 0;
    size_t count = 0;
    uint32_t *all = memory_zeroed(load->connections * LATENCIES_MAX * sizeof(*all) + 4);

    for (uint64_t i = 0; i < load->connections; i++) {
        delivered += clients[i].delivered;
        refused += clients[i].refused;
        memcpy(all + count, clients[i].latencies_us, clients[i].latency_count * sizeof(*all));
        count += clients[i].latency_count;
        memory_free(clients[i].latencies_us);
    }
    qsort(all, count, sizeof(*all), by_number);
    printf("%.0f messages/s, %.1f MB/s, %" PRIu64 " refused; ms: p50 %.2f, p90 %.2f, p99 %.2f, "
           "p99.9 %.2f, most %.2f\n",
           (double)delivered / seconds, (double)(delivered * load->size) / 1e6 / seconds, refused,
           all[count / 2] / 1e3, all[count * 9 / 10] / 1e3, all[count * 99 / 100] / 1e3,
           all[count * 999 / 1000] / 1e3, all[count > 0 ? count - 1 : 0] / 1e3);
    memory_free(all);
}

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;

    CHECK(number_parse(slice_of(text), UINT32_MAX, &number) == STATUS_OK);
    return number;
}

int main(int count, char **words)
{
    if (count < 7) {
        fputs("usage: load lmtp|smtp PORT CONNECTIONS SECONDS SIZE ACCOUNTS [DOMAIN]\n", stderr);
        return 2;
    }
    struct load load = {
        .hello = strcmp(words[1], "lmtp") == 0 ? "LHLO load\r\n" : "EHLO load\r\n",
        .port = (uint16_t)number_of(words[2]),
        .connections = number_of(words[3]),
        .seconds = number_of(words[4]),
        .size = number_of(words[5]),
        .accounts = number_of(words[6]),
        .domain = count > 7 ? words[7] : "example.org",
    };
    struct client *clients = memory_zeroed(load.connections * sizeof(*clients));
    uint64_t start_us = clock_monotonic_us();

    for (uint64_t i = 0; i < load.connections; i++) {
        clients[i].load = &load;
        clients[i].random.state = i + 1;
        CHECK(pthread_create(&clients[i].thread, NULL, run, &clients[i]) == 0);
    }
    sleep((unsigned)load.seconds);
    atomic_store(&load.is_over, true);
    for (uint64_t i = 0; i < load.connections; i++) {
        pthread_join(clients[i].thread, NULL);
    }
    report(&load, clients, (double)(clock_monotonic_us() - start_us) / 1e6);
    memory_free(clients);
    return 0;
}
