/* Delivering: one message a transaction, its commands pipelined (RFC 2920). */
#include <inttypes.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/number.h"
#include "tests/bench/load/load.h"

/* The code of the next reply, all its lines taken. */
static uint64_t read_reply(struct client *client)
{
    struct slice line;
    uint64_t code = 0;

    do {
        line = connection_line(client);
        CHECK(number_parse(slice_prefix(line, 3), 999, &code) == STATUS_OK);
    } while (line.size > 3 && line.data[3] == '-');
    return code;
}

static bool deliver(struct client *client, const struct buffer *message)
{
    uint64_t account = random_next(&client->random) % client->load->accounts;

    buffer_clear(&client->output);
    buffer_printf(&client->output,
                  "MAIL FROM:<load@example.com>\r\nRCPT TO:<u%" PRIu64 "@%s>\r\nDATA\r\n", account,
                  client->load->domain);
    connection_write(client, buffer_view(&client->output));
    bool is_taken = read_reply(client) == 250;

    is_taken = read_reply(client) == 250 && is_taken;
    CHECK(read_reply(client) == 354 && is_taken);
    connection_write(client, buffer_view(message));
    return read_reply(client) == 250;
}

static void run(struct client *client, const char *hello)
{
    struct buffer message;

    buffer_init(&message, client->load->size + 4096);
    connection_open(client);
    CHECK(read_reply(client) == 220);
    connection_write(client, slice_of(hello));
    CHECK(read_reply(client) == 250);
    while (load_goes_on(client)) {
        buffer_clear(&message);
        load_append_message(client, &message);
        buffer_append(&message, SLICE(".\r\n"));
        uint64_t start_us = clock_monotonic_us();

        client->octets += message.size;
        load_note(client, start_us, deliver(client, &message));
    }
    connection_close(client);
    buffer_done(&message);
}

static void run_lmtp(struct client *client)
{
    run(client, "LHLO load\r\n");
}

static void run_smtp(struct client *client)
{
    run(client, "EHLO load\r\n");
}

const struct load_kind load_lmtp = {"lmtp", "deliver to u0, u1, ... at random", run_lmtp};
const struct load_kind load_smtp = {"smtp", "the same by SMTP", run_smtp};
