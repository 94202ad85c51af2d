/* IMAP sessions that are logged in, have selected INBOX, and wait in IDLE. */
#include "core/check.h"
#include "tests/bench/load/load.h"

static void run(struct client *client)
{
    imap_open(client);
    connection_write(client, SLICE("i IDLE\r\n"));
    CHECK(slice_starts_with(connection_line(client), SLICE("+")));
    client->done++;
}

const struct load_kind load_idle = {"idle", "sessions in IDLE; says \"ready\" once all are", run};
