#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/check.h"
#include "tests/bench/load/load.h"

void connection_open(struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int on = 1;

    address.sin_port = htons((uint16_t)client->load->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(client->socket >= 0);
    CHECK(connect(client->socket, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
    client->start = 0;
    client->end = 0;
    if (client->load->tls != NULL) {
        client->tls = SSL_new(client->load->tls);
        CHECK(SSL_set_fd(client->tls, client->socket) == 1);
        CHECK(SSL_connect(client->tls) == 1);
    }
}

void connection_close(struct client *client)
{
    SSL_free(client->tls);
    client->tls = NULL;
    close(client->socket);
}

void connection_write(struct client *client, struct slice octets)
{
    while (octets.size > 0) {
        ssize_t written = client->tls != NULL
                              ? SSL_write(client->tls, octets.data, (int)octets.size)
                              : write(client->socket, octets.data, octets.size);

        CHECK(written > 0);
        octets = slice_skip(octets, (size_t)written);
    }
}

/* Makes room by moving what is left to the front, which is rarely much. */
static void read_more(struct client *client)
{
    if (client->start > 0) {
        client->end -= client->start;
        memmove(client->input, client->input + client->start, client->end);
        client->start = 0;
    }
    size_t room = INPUT_SIZE_MAX - client->end;
    char *to = client->input + client->end;

    CHECK(room > 0);
    ssize_t size =
        client->tls != NULL ? SSL_read(client->tls, to, (int)room) : read(client->socket, to, room);

    CHECK(size > 0);
    client->end += (size_t)size;
}

struct slice connection_line(struct client *client)
{
    struct slice rest = {client->input + client->start, client->end - client->start};
    size_t size;

    while ((size = slice_find(rest, '\n')) == rest.size) {
        read_more(client);
        rest = (struct slice){client->input + client->start, client->end - client->start};
    }
    struct slice line = slice_prefix(rest, size);

    client->start += size + 1;
    return slice_ends_with(line, SLICE("\r")) ? slice_prefix(line, line.size - 1) : line;
}

void connection_skip(struct client *client, uint64_t count)
{
    while (count > client->end - client->start) {
        count -= client->end - client->start;
        client->start = client->end;
        read_more(client);
    }
    client->start += (size_t)count;
}
