/* POP3: a session of an account after the other, each of which reads what is there. */
#include <inttypes.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/number.h"
#include "tests/bench/load/load.h"

enum { RETRIEVED_MAX = 100 /* messages of a session */ };

static struct slice ask(struct client *client)
{
    connection_write(client, buffer_view(&client->output));
    return connection_line(client);
}

static bool is_ok(struct slice line)
{
    return slice_starts_with(line, SLICE("+OK"));
}

static struct buffer *begin(struct client *client)
{
    buffer_clear(&client->output);
    return &client->output;
}

static void read_lines(struct client *client)
{
    struct slice line;

    do {
        line = connection_line(client);
        client->octets += line.size;
    } while (!slice_equals(line, SLICE(".")));
}

static void log_in(struct client *client)
{
    struct slice line;
    uint64_t count = 0;

    connection_open(client);
    CHECK(is_ok(connection_line(client)));
    buffer_append(begin(client), SLICE("USER "));
    load_print_user(client, &client->output);
    buffer_append(&client->output, SLICE("\r\n"));
    CHECK(is_ok(ask(client)));
    buffer_printf(begin(client), "PASS %s\r\n", client->load->password);
    CHECK(is_ok(ask(client)));
    buffer_append(begin(client), SLICE("STAT\r\n"));
    line = ask(client);
    CHECK(is_ok(line));
    line = slice_skip(line, 4);
    CHECK(number_parse(slice_prefix(line, slice_find(line, ' ')), UINT32_MAX, &count) == STATUS_OK);
    client->messages = count;
    buffer_append(begin(client), SLICE("UIDL\r\n"));
    CHECK(is_ok(ask(client)));
    read_lines(client);
}

static void run(struct client *client)
{
    while (load_goes_on(client)) {
        log_in(client);
        CHECK(client->messages > 0);
        for (uint64_t i = 1; i <= client->messages && i <= RETRIEVED_MAX && load_goes_on(client);
             i++) {
            uint64_t start_us = clock_monotonic_us();

            buffer_printf(begin(client), "RETR %" PRIu64 "\r\n", i);
            bool is_good = is_ok(ask(client));

            if (is_good) {
                read_lines(client);
            }
            load_note(client, start_us, is_good);
        }
        buffer_append(begin(client), SLICE("QUIT\r\n"));
        ask(client);
        connection_close(client);
    }
}

const struct load_kind load_pop3 = {"pop3", "log in, STAT, UIDL, RETR of 100 at most, QUIT", run};
