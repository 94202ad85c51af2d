/* A load of mail: what its kinds share. One thread a connection, blocking: the load is the
 * server's, not ours. */
#ifndef AVISO_TESTS_BENCH_LOAD_H
#define AVISO_TESTS_BENCH_LOAD_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/buffer.h"
#include "core/random.h"
#include "core/slice.h"

enum { LATENCIES_MAX = 1 << 20, INPUT_SIZE_MAX = 256 * 1024 };

struct load_kind;

/* What was asked for. */
struct load {
    const struct load_kind *kind;
    uint64_t port;
    uint64_t connections;
    uint64_t seconds;
    uint64_t size;
    uint64_t accounts;
    uint64_t count; /* operations of all, after which it is over; 0: by time */
    atomic_uint_fast64_t begun;
    const char *domain;
    const char *password;
    SSL_CTX *tls;       /* NULL: none */
    struct buffer text; /* of TEXT_LINES lines: what bodies are taken from */
    atomic_bool is_over;
};

struct client {
    pthread_t thread;
    struct load *load;
    uint64_t number;
    struct random random;
    int socket;
    SSL *tls;
    char *input; /* INPUT_SIZE_MAX octets, of which those from `start` to `end` are not read yet */
    size_t start, end;
    struct buffer output; /* a command being made */
    uint64_t done;        /* operations */
    uint64_t octets;      /* of messages, in them */
    uint64_t refused;
    uint32_t *latencies_us;
    size_t latency_count;

    /* Of the kind. */
    unsigned tag;
    uint64_t messages; /* in the mailbox */
    uint64_t uids[64]; /* of what was appended */
    size_t uid_count;
};

/* One kind of load. */
struct load_kind {
    const char *name;
    const char *meaning;
    void (*run)(struct client *client); /* until load_goes_on() says no */
};
extern const struct load_kind load_lmtp, load_smtp, load_imap_read, load_imap_write, load_pop3,
    load_idle;

/* Whether another operation is to begin. */
bool load_goes_on(const struct client *client);

/* One operation ended, that began at `start_us`. */
void load_note(struct client *client, uint64_t start_us, bool is_good);

/* The account that is this connection's own. */
void load_print_user(const struct client *client, struct buffer *output);

/* A message of load->size octets, unlike any other; it ends in CRLF. */
void load_append_message(struct client *client, struct buffer *output);

/* ---- The connection (load_connection.c): whatever fails ends the program ---- */

void connection_open(struct client *client);
void connection_close(struct client *client);
void connection_write(struct client *client, struct slice octets);

/* The next line without its end, valid until the next read. */
struct slice connection_line(struct client *client);
void connection_skip(struct client *client, uint64_t count);

/* IMAP (load_imap.c): a session that is logged in and has selected INBOX. */
void imap_open(struct client *client);

#endif
