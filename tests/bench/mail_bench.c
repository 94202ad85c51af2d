/* What the mail formats cost, one thread: the parse of a message of 4 KiB with its digest, reading
 * that digest back, and the decoding of what is large.
 *
 *     cmake --preset release && cmake --build --preset release --target mail_bench
 *     build/release/tests/bench/mail_bench
 *
 * Prints microseconds a message, and MiB a second; of the processor, so that a busy machine counts
 * less. */
#include <stdio.h>
#include <sys/resource.h>

#include "core/check.h"
#include "core/memory.h"
#include "mail/dot_stuffing.h"
#include "mail/mime.h"
#include "mail/transfer.h"

enum { MESSAGE_SIZE = 4096, RUNS = 20000, LARGE_SIZE = 16 * 1024 * 1024 };

static uint64_t processor_us(void)
{
    struct rusage usage;

    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec;
}

static void fill(struct buffer *message, const char *line, size_t size)
{
    while (message->size + 100 < size) {
        buffer_append(message, slice_of(line));
    }
}

static void make_message(struct buffer *message)
{
    buffer_append(message,
                  SLICE("Received: from client.example (host.example [192.0.2.1])\r\n"
                        "\tby mx.example.org with ESMTPS id 4711\r\n\tfor <ann@example.org>;\r\n"
                        "\tMon, 23 Nov 2026 09:00:00 +0100\r\n"
                        "From: \"Bob Example\" <bob@example.com>\r\nTo: Ann <ann@example.org>, "
                        "carl@x.example\r\n"
                        "Subject: =?utf-8?Q?Re:_Gr=C3=BC=C3=9Fe?= from the bench\r\n"
                        "Message-ID: <1234567890@example.com>\r\nIn-Reply-To: <123@example.org>\r\n"
                        "References: <1@example.org> <12@example.com> <123@example.org>\r\n"
                        "Date: Mon, 23 Nov 2026 09:00:00 +0100\r\nMIME-Version: 1.0\r\n"
                        "Content-Type: multipart/alternative; boundary=\"=_boundary_1\"\r\n\r\n"
                        "--=_boundary_1\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"));
    fill(message, "Some words of a letter, as people write them, =C3=A4nd more.\r\n",
         MESSAGE_SIZE / 2);
    buffer_append(message,
                  SLICE("--=_boundary_1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"));
    fill(message, "<p>Some words of a letter, as people write them.</p>\r\n", MESSAGE_SIZE);
    buffer_append(message, SLICE("\r\n--=_boundary_1--\r\n"));
}

static void print_message(const char *what, uint64_t us)
{
    printf("%-28s %8.2f us\n", what, (double)us / RUNS);
}

static void measure_digests(void)
{
    struct buffer message;
    struct buffer octets;
    struct arena arena;
    struct digest digest;

    buffer_init(&message, 2 * MESSAGE_SIZE);
    buffer_init(&octets, DIGEST_SIZE_MAX);
    arena_init(&arena);
    make_message(&message);
    uint64_t start = processor_us();

    for (int i = 0; i < RUNS; i++) {
        arena_clear(&arena);
        buffer_clear(&octets);
        mime_parse(buffer_view(&message), &arena, &digest);
        CHECK(digest_encode(&digest, &octets) == STATUS_OK);
    }
    print_message("parse and digest of 4 KiB", processor_us() - start);
    start = processor_us();
    for (int i = 0; i < RUNS; i++) {
        arena_clear(&arena);
        CHECK(digest_decode(buffer_view(&octets), &arena, &digest) == STATUS_OK);
    }
    print_message("digest read back", processor_us() - start);
    printf("%-28s %8zu octets\n", "digest", octets.size);
    arena_done(&arena);
    buffer_done(&octets);
    buffer_done(&message);
}

static void print_rate(const char *what, size_t size, uint64_t us)
{
    printf("%-28s %8.0f MiB/s\n", what, (double)size / 1.048576 / (double)(us > 0 ? us : 1));
}

static void measure_transfer(const char *what, enum transfer_encoding encoding, const char *line)
{
    struct buffer input;
    struct buffer output;
    struct transfer_decoder decoder;

    buffer_init(&input, LARGE_SIZE);
    buffer_init(&output, LARGE_SIZE);
    fill(&input, line, LARGE_SIZE);
    uint64_t start = processor_us();

    transfer_decoder_init(&decoder, encoding);
    transfer_decoder_decode(&decoder, buffer_view(&input), &output);
    transfer_decoder_finish(&decoder, &output);
    print_rate(what, input.size, processor_us() - start);
    transfer_decoder_done(&decoder);
    buffer_done(&input);
    buffer_done(&output);
}

static void measure_dots(void)
{
    struct buffer input;
    struct dot_decoder decoder;
    char *output = memory_zeroed(2 * (size_t)LARGE_SIZE);
    size_t size = 0;

    buffer_init(&input, LARGE_SIZE);
    fill(&input, "Some words of a letter, as people write them, 64 octets in all.\r\n", LARGE_SIZE);
    uint64_t start = processor_us();

    dot_decoder_init(&decoder);
    CHECK(dot_decoder_decode(&decoder, buffer_view(&input), output, &size) == input.size);
    print_rate("dots unstuffed", input.size, processor_us() - start);
    memory_free(output);
    buffer_done(&input);
}

static void measure_large_message(void)
{
    struct buffer message;
    struct arena arena;
    struct digest digest;

    buffer_init(&message, LARGE_SIZE);
    arena_init(&arena);
    buffer_append(&message, SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"));
    fill(&message,
         "c29tZSB3b3JkcyBvZiBhIGxldHRlciwgYXMgcGVvcGxlIHdyaXRlIHRoZW0gc29tZSB3b3Jkcw==\r\n",
         LARGE_SIZE);
    uint64_t start = processor_us();

    mime_parse(buffer_view(&message), &arena, &digest);
    print_rate("parse of 16 MiB", message.size, processor_us() - start);
    arena_done(&arena);
    buffer_done(&message);
}

int main(void)
{
    measure_digests();
    measure_large_message();
    measure_transfer(
        "base64 decoded", TRANSFER_BASE64,
        "c29tZSB3b3JkcyBvZiBhIGxldHRlciwgYXMgcGVvcGxlIHdyaXRlIHRoZW0gc29tZSB3b3Jk\r\n");
    measure_transfer("quoted-printable decoded", TRANSFER_QUOTED_PRINTABLE,
                     "Some words of a letter, as people write them, =C3=A4nd more.\r\n");
    measure_dots();
    return 0;
}
