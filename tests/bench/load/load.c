/* A load of mail: connections that work as fast as they are answered, and what that took.
 *
 *     build/release/tests/bench/load KIND PORT [OPTION VALUE]...
 *
 * See --help. Prints operations/s, MB/s of messages and latencies; to compare servers, run it
 * against each in turn (tests/bench/compare does). */
#include "tests/bench/load/load.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/macros.h"
#include "core/memory.h"
#include "core/number.h"

enum { LINE_SIZE = 76, TEXT_LINES = 8192 };

static const struct load_kind *const kinds[] = {
    &load_lmtp, &load_smtp, &load_imap_read, &load_imap_write, &load_pop3, &load_idle,
};

/* ---- What the kinds ask ---- */

bool load_goes_on(const struct client *client)
{
    struct load *load = client->load;

    if (load->count > 0) {
        return atomic_fetch_add(&load->begun, 1) < load->count;
    }
    return !atomic_load(&load->is_over);
}

void load_note(struct client *client, uint64_t start_us, bool is_good)
{
    if (!is_good) {
        client->refused++;
        return;
    }
    client->done++;
    if (client->latency_count < LATENCIES_MAX) {
        client->latencies_us[client->latency_count++] = (uint32_t)(clock_monotonic_us() - start_us);
    }
}

void load_print_user(const struct client *client, struct buffer *output)
{
    buffer_printf(output, "u%" PRIu64 "@%s", client->number % client->load->accounts,
                  client->load->domain);
}

/* Text that does not compress to nothing: what people write is between that and noise. */
static void append_line(struct random *random, struct buffer *output)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ";

    for (size_t i = 0; i < LINE_SIZE; i++) {
        buffer_append_octet(output, letters[random_next(random) % 64]);
    }
    buffer_append(output, SLICE("\r\n"));
}

static void make_text(struct load *load)
{
    struct random random = {load->size};

    buffer_init(&load->text, TEXT_LINES * (LINE_SIZE + 2));
    for (size_t i = 0; i < TEXT_LINES; i++) {
        append_line(&random, &load->text);
    }
}

/* A line that no other body has, then text made before: the processors are the server's. */
static void append_body(struct client *client, struct buffer *message, uint64_t size)
{
    struct slice text = buffer_view(&client->load->text);
    size_t from = random_next(&client->random) % TEXT_LINES * (LINE_SIZE + 2);

    append_line(&client->random, message);
    while (message->size < size) {
        size_t lines = (size - message->size + LINE_SIZE + 1) / (LINE_SIZE + 2);

        buffer_append(message, slice_prefix(slice_skip(text, from), lines * (LINE_SIZE + 2)));
        from = 0;
    }
}

void load_append_message(struct client *client, struct buffer *output)
{
    uint64_t size = output->size + client->load->size;

    buffer_printf(output,
                  "From: load@example.com\r\nTo: u@example.org\r\nSubject: load %" PRIx64 "\r\n"
                  "Message-ID: <%" PRIx64 "@example.com>\r\n"
                  "Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n",
                  random_next(&client->random), random_next(&client->random));
    append_body(client, output, size);
}

/* ---- The clients ---- */

static void client_init(struct client *client, struct load *load, uint64_t number)
{
    client->load = load;
    client->number = number;
    client->random.state = number + 1;
    client->input = memory_zeroed(INPUT_SIZE_MAX);
    client->latencies_us = memory_zeroed(LATENCIES_MAX * sizeof(*client->latencies_us));
    buffer_init(&client->output, load->size + 16384);
}

static void client_done(struct client *client)
{
    memory_free(client->input);
    memory_free(client->latencies_us);
    buffer_done(&client->output);
}

static void *run(void *argument)
{
    struct client *client = argument;

    client->load->kind->run(client);
    return NULL;
}

/* One after the other on this thread: they are many, and do nothing. */
static void hold_idle(struct load *load)
{
    struct client client = {0};

    client_init(&client, load, 0);
    for (uint64_t i = 0; i < load->connections; i++) {
        client.number = i;
        client.tls = NULL;
        load->kind->run(&client);
    }
    printf("ready %" PRIu64 "\n", client.done);
    fflush(stdout);
    sleep((unsigned)load->seconds);
    client_done(&client);
}

/* ---- The report ---- */

static int by_number(const void *one, const void *other)
{
    uint32_t left = *(const uint32_t *)one;
    uint32_t right = *(const uint32_t *)other;

    return (left > right) - (left < right);
}

static double milliseconds_at(const uint32_t *sorted, size_t count, size_t of_thousand)
{
    return count == 0 ? 0 : sorted[(count - 1) * of_thousand / 1000] / 1e3;
}

static void report(const struct load *load, struct client *clients, double seconds)
{
    uint64_t done = 0;
    uint64_t octets = 0;
    uint64_t refused = 0;
    size_t count = 0;
    uint32_t *all = memory_zeroed(load->connections * LATENCIES_MAX * sizeof(*all) + 4);

    for (uint64_t i = 0; i < load->connections; i++) {
        done += clients[i].done;
        octets += clients[i].octets;
        refused += clients[i].refused;
        memcpy(all + count, clients[i].latencies_us, clients[i].latency_count * sizeof(*all));
        count += clients[i].latency_count;
    }
    qsort(all, count, sizeof(*all), by_number);
    printf("%.0f operations/s, %.1f MB/s, %" PRIu64 " done, %" PRIu64 " refused; ms: p50 %.2f, "
           "p90 %.2f, p99 %.2f, p99.9 %.2f, most %.2f\n",
           (double)done / seconds, (double)octets / 1e6 / seconds, done, refused,
           milliseconds_at(all, count, 500), milliseconds_at(all, count, 900),
           milliseconds_at(all, count, 990), milliseconds_at(all, count, 999),
           milliseconds_at(all, count, 1000));
    memory_free(all);
}

static void run_all(struct load *load)
{
    struct client *clients = memory_zeroed(load->connections * sizeof(*clients));
    uint64_t start_us = clock_monotonic_us();

    for (uint64_t i = 0; i < load->connections; i++) {
        client_init(&clients[i], load, i);
        CHECK(pthread_create(&clients[i].thread, NULL, run, &clients[i]) == 0);
    }
    if (load->count == 0) {
        sleep((unsigned)load->seconds);
        atomic_store(&load->is_over, true);
    }
    for (uint64_t i = 0; i < load->connections; i++) {
        pthread_join(clients[i].thread, NULL);
    }
    report(load, clients, (double)(clock_monotonic_us() - start_us) / 1e6);
    for (uint64_t i = 0; i < load->connections; i++) {
        client_done(&clients[i]);
    }
    memory_free(clients);
}

/* ---- What was asked for ---- */

static int usage(void)
{
    fputs("usage: load KIND PORT [OPTION VALUE]...\n\nKinds:\n", stderr);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        fprintf(stderr, "  %-12s %s\n", kinds[i]->name, kinds[i]->meaning);
    }
    fputs("\nOptions:\n"
          "  --connections N   at a time [20]\n"
          "  --seconds N       how long; for idle, how long they stay [5]\n"
          "  --count N         that many operations instead\n"
          "  --size N          octets of a message [4096]\n"
          "  --accounts N      u0@DOMAIN to uN-1@DOMAIN [100]\n"
          "  --domain NAME     [example.org]\n"
          "  --password TEXT   of all accounts [secret]\n"
          "  --tls yes         TLS from the start, with any certificate\n"
          "\nThe server is on 127.0.0.1. imap-read and pop3 want mailboxes that lmtp has filled.\n",
          stderr);
    return 2;
}

static bool take_number(const char *text, uint64_t *out_number)
{
    return number_parse(slice_of(text), UINT32_MAX, out_number) == STATUS_OK;
}

static bool take_option(struct load *load, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *number;
    } numbers[] = {
        {"--connections", &load->connections},
        {"--seconds", &load->seconds},
        {"--size", &load->size},
        {"--accounts", &load->accounts},
        {"--count", &load->count},
    };

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            return take_number(value, numbers[i].number) && *numbers[i].number > 0;
        }
    }
    if (strcmp(name, "--domain") == 0) {
        load->domain = value;
    } else if (strcmp(name, "--password") == 0) {
        load->password = value;
    } else if (strcmp(name, "--tls") == 0 && strcmp(value, "yes") == 0) {
        load->tls = SSL_CTX_new(TLS_client_method());
    } else {
        return false;
    }
    return true;
}

static bool take_words(struct load *load, int count, char **words)
{
    if (count < 3 || count % 2 == 0 || !take_number(words[2], &load->port)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(words[1], kinds[i]->name) == 0) {
            load->kind = kinds[i];
        }
    }
    for (int i = 3; i < count; i += 2) {
        if (!take_option(load, words[i], words[i + 1])) {
            return false;
        }
    }
    return load->kind != NULL;
}

int main(int count, char **words)
{
    struct load load = {
        .connections = 20,
        .seconds = 5,
        .size = 4096,
        .accounts = 100,
        .domain = "example.org",
        .password = "secret",
    };

    signal(SIGPIPE, SIG_IGN);
    if (!take_words(&load, count, words)) {
        return usage();
    }
    make_text(&load);
    if (load.kind == &load_idle) {
        hold_idle(&load);
    } else {
        run_all(&load);
    }
    SSL_CTX_free(load.tls);
    buffer_done(&load.text);
    return 0;
}
