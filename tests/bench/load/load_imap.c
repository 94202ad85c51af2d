/* IMAP: each connection works in the INBOX of an account of its own. */
#include <inttypes.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/macros.h"
#include "core/number.h"
#include "tests/bench/load/load.h"

/* The size of the literal that a line announces at its end; false: none. */
static bool announces_literal(struct slice line, uint64_t *out_size)
{
    size_t open = line.size;

    if (!slice_ends_with(line, SLICE("}"))) {
        return false;
    }
    while (open > 0 && line.data[open - 1] != '{') {
        open--;
    }
    return number_parse(slice_prefix(slice_skip(line, open), line.size - open - 1), UINT32_MAX,
                        out_size) == STATUS_OK;
}

/* "* 17 EXISTS" */
static void note_exists(struct client *client, struct slice line)
{
    uint64_t count = 0;

    if (slice_starts_with(line, SLICE("* ")) && slice_ends_with(line, SLICE(" EXISTS")) &&
        number_parse(slice_prefix(slice_skip(line, 2), line.size - 9), UINT32_MAX, &count) ==
            STATUS_OK) {
        client->messages = count;
    }
}

/* Reads up to the tagged answer, which is returned: "OK ...". */
static struct slice read_answer(struct client *client)
{
    char tag[16];
    struct buffer text;

    buffer_init(&text, sizeof(tag));
    buffer_printf(&text, "a%u ", client->tag);
    while (true) {
        struct slice line = connection_line(client);
        uint64_t size = 0;

        if (slice_starts_with(line, buffer_view(&text))) {
            line = slice_skip(line, text.size);
            buffer_done(&text);
            return line;
        }
        note_exists(client, line);
        if (announces_literal(line, &size)) {
            client->octets += size;
            connection_skip(client, size);
        }
    }
}

static struct slice send_made(struct client *client)
{
    connection_write(client, buffer_view(&client->output));
    return read_answer(client);
}

/* Begins a command in client->output. */
static struct buffer *begin(struct client *client)
{
    buffer_clear(&client->output);
    buffer_printf(&client->output, "a%u ", ++client->tag);
    return &client->output;
}

static bool is_ok(struct slice answer)
{
    return slice_starts_with(answer, SLICE("OK"));
}

void imap_open(struct client *client)
{
    connection_open(client);
    connection_line(client);
    struct buffer *command = begin(client);

    buffer_append(command, SLICE("LOGIN "));
    load_print_user(client, command);
    buffer_printf(command, " %s\r\n", client->load->password);
    CHECK(is_ok(send_made(client)));
    buffer_append(begin(client), SLICE("SELECT INBOX\r\n"));
    CHECK(is_ok(send_made(client)));
}

static void end(struct client *client)
{
    buffer_append(begin(client), SLICE("LOGOUT\r\n"));
    send_made(client);
    connection_close(client);
}

/* ---- Reading ---- */

/* Of a hundred commands: what a mail program does that opens a mailbox, scrolls and reads. */
static void make_read(struct client *client, struct buffer *command)
{
    uint64_t chosen = random_next(&client->random) % 100;
    uint64_t one = 1 + random_next(&client->random) % client->messages;
    uint64_t last = one + 19 < client->messages ? one + 19 : client->messages;

    if (chosen < 35) {
        buffer_printf(command,
                      "FETCH %" PRIu64 ":%" PRIu64
                      " (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)\r\n",
                      one, last);
    } else if (chosen < 45) {
        buffer_printf(command, "FETCH %" PRIu64 ":%" PRIu64 " (UID BODYSTRUCTURE)\r\n", one, last);
    } else if (chosen < 70) {
        buffer_printf(command, "FETCH %" PRIu64 " (UID BODY.PEEK[])\r\n", one);
    } else if (chosen < 80) {
        buffer_append(command, SLICE("FETCH 1:* (UID FLAGS)\r\n"));
    } else if (chosen < 90) {
        buffer_printf(command, "STORE %" PRIu64 " %cFLAGS (\\Flagged)\r\n", one,
                      chosen % 2 == 0 ? '+' : '-');
    } else if (chosen < 95) {
        buffer_append(command, SLICE("SEARCH UNFLAGGED SMALLER 100000\r\n"));
    } else {
        buffer_append(command, SLICE("SEARCH SUBJECT \"load 7\"\r\n"));
    }
}

static void run_read(struct client *client)
{
    imap_open(client);
    CHECK(client->messages > 0);
    while (load_goes_on(client)) {
        make_read(client, begin(client));
        uint64_t start_us = clock_monotonic_us();

        load_note(client, start_us, is_ok(send_made(client)));
    }
    end(client);
}

/* ---- Writing ---- */

/* "OK [APPENDUID 1 17] ..." */
static void keep_uid(struct client *client, struct slice answer)
{
    uint64_t uid = 0;

    answer = slice_skip(answer, slice_find(answer, ' ') + 1);
    CHECK(slice_starts_with(answer, SLICE("[APPENDUID ")));
    answer = slice_skip(answer, sizeof("[APPENDUID ") - 1);
    answer = slice_skip(answer, slice_find(answer, ' ') + 1);
    CHECK(number_parse(slice_prefix(answer, slice_find(answer, ']')), UINT32_MAX, &uid) ==
          STATUS_OK);
    client->uids[client->uid_count++] = uid;
}

static bool append(struct client *client)
{
    struct buffer message;
    struct buffer *command = begin(client);

    buffer_init(&message, client->load->size + 4096);
    load_append_message(client, &message);
    buffer_printf(command, "APPEND INBOX {%zu+}\r\n", message.size);
    buffer_append(command, buffer_view(&message));
    buffer_append(command, SLICE("\r\n"));
    client->octets += message.size;
    buffer_done(&message);
    struct slice answer = send_made(client);

    if (!is_ok(answer)) {
        return false;
    }
    keep_uid(client, answer);
    return true;
}

static bool store(struct client *client)
{
    uint64_t uid = client->uids[random_next(&client->random) % client->uid_count];

    buffer_printf(begin(client), "UID STORE %" PRIu64 " +FLAGS.SILENT (\\Seen k%u)\r\n", uid,
                  (unsigned)random_next(&client->random) % 4);
    return is_ok(send_made(client));
}

/* Two commands, as a mail program's: marked, then expunged. */
static bool expunge(struct client *client)
{
    uint64_t uid = client->uids[--client->uid_count];

    buffer_printf(begin(client), "UID STORE %" PRIu64 " +FLAGS.SILENT (\\Deleted)\r\n", uid);
    if (!is_ok(send_made(client))) {
        return false;
    }
    buffer_printf(begin(client), "UID EXPUNGE %" PRIu64 "\r\n", uid);
    return is_ok(send_made(client));
}

/* Half are appends, a quarter marks something, a quarter expunges one. */
static void run_write(struct client *client)
{
    imap_open(client);
    while (load_goes_on(client)) {
        uint64_t chosen = random_next(&client->random) % 4;
        uint64_t start_us = clock_monotonic_us();
        bool (*act)(struct client *) = chosen < 2 ? append : chosen == 2 ? store : expunge;

        if (client->uid_count == 0) {
            act = append;
        } else if (client->uid_count == COUNT_OF(client->uids)) {
            act = expunge;
        }
        load_note(client, start_us, act(client));
    }
    end(client);
}

const struct load_kind load_imap_read = {
    "imap-read", "FETCH of envelopes, structures, flags and bodies, STORE, SEARCH", run_read};
const struct load_kind load_imap_write = {"imap-write", "APPEND, STORE, EXPUNGE", run_write};
