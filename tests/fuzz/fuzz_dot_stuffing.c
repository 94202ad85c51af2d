/* Dot stuffing: what is encoded decodes to itself, and a text ends at the first CRLF.CRLF and
 * nowhere else, in pieces of any size. */
#include "core/check.h"
#include "core/memory.h"
#include "mail/dot_stuffing.h"
#include "tests/fuzz/fuzz.h"

/* Returns how much of `input` the text took; its octets are appended to `output`. */
static size_t decode(struct slice input, size_t piece, struct buffer *output, bool *out_finished,
                     bool *out_violation)
{
    struct dot_decoder decoder;
    size_t taken = 0;

    dot_decoder_init(&decoder);
    while (taken < input.size && !dot_decoder_is_finished(&decoder)) {
        struct slice next = slice_prefix(slice_skip(input, taken), piece);
        size_t size = 0;

        taken += dot_decoder_decode(&decoder, next, buffer_reserve(output, 2 * next.size), &size);
        buffer_grew(output, size);
    }
    *out_finished = dot_decoder_is_finished(&decoder);
    *out_violation = dot_decoder_has_violation(&decoder);
    return taken;
}

static void check_end(struct slice input, size_t taken, bool finished)
{
    size_t end =
        slice_starts_with(input, SLICE(".\r\n")) ? 3 : slice_search(input, SLICE("\r\n.\r\n")) + 5;

    CHECK(finished == (end <= input.size));
    CHECK(taken == (finished ? end : input.size));
}

static void check_round_trip(struct slice text, size_t piece)
{
    struct dot_encoder encoder;
    struct buffer stuffed;
    struct buffer plain;
    bool finished = false;
    bool violation = false;

    buffer_init(&stuffed, 2 * text.size + 5);
    buffer_init(&plain, 8 * text.size + 64);
    dot_encoder_init(&encoder);
    for (struct slice rest = text; rest.size > 0; rest = slice_skip(rest, piece)) {
        dot_encoder_append(&encoder, slice_prefix(rest, piece), &stuffed);
    }
    dot_encoder_finish(&encoder, &stuffed);
    CHECK(decode(buffer_view(&stuffed), piece, &plain, &finished, &violation) == stuffed.size);
    CHECK(finished);
    if (!violation) {
        CHECK(slice_starts_with(buffer_view(&plain), text) && plain.size <= text.size + 2);
    }
    buffer_done(&stuffed);
    buffer_done(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = {(const char *)data + 1, size > 0 ? size - 1 : 0};
    size_t piece = size > 0 ? data[0] % 16 + 1U : 1;
    struct buffer whole;
    struct buffer pieces;
    bool finished[2];
    bool violation[2];

    buffer_init(&whole, 4 * input.size + 64);
    buffer_init(&pieces, 4 * input.size + 64);
    size_t taken = decode(input, input.size, &whole, &finished[0], &violation[0]);

    CHECK(decode(input, piece, &pieces, &finished[1], &violation[1]) == taken);
    CHECK(finished[0] == finished[1] && violation[0] == violation[1]);
    CHECK(slice_equals(buffer_view(&whole), buffer_view(&pieces)));
    check_end(input, taken, finished[0]);
    check_round_trip(input, piece);
    buffer_done(&whole);
    buffer_done(&pieces);
    return 0;
}
