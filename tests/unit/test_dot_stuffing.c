/* Where a text ends, and where it does not, whatever the pieces it comes in. */
#include "mail/dot_stuffing.h"
#include "tests/unit/unit.h"

/* Decodes `input` in pieces of `piece` octets. */
static void decode(const char *input, size_t piece, const char *expected, bool finished,
                   bool violation, const char *rest_expected)
{
    struct slice rest = slice_of(input);
    struct dot_decoder decoder;
    struct buffer text;

    buffer_init(&text, 1000);
    dot_decoder_init(&decoder);
    while (rest.size > 0 && !dot_decoder_is_finished(&decoder)) {
        char output[64];
        size_t size = 0;
        struct slice next = slice_prefix(rest, piece);
        size_t taken = dot_decoder_decode(&decoder, next, output, &size);

        buffer_append(&text, (struct slice){output, size});
        rest = slice_skip(rest, taken);
    }
    assert_slice_equals(buffer_view(&text), expected);
    assert_int_equal(dot_decoder_is_finished(&decoder), finished);
    assert_int_equal(dot_decoder_has_violation(&decoder), violation);
    assert_slice_equals(rest, rest_expected);
    buffer_done(&text);
}

static void only_crlf_dot_crlf_ends_a_text(void **state)
{
    static const struct {
        const char *input;
        const char *text;
        bool finished;
        bool violation;
        const char *rest;
    } cases[] = {
        {".\r\nQUIT", "", true, false, "QUIT"},
        {"a\r\n.\r\nQUIT\r\n", "a\r\n", true, false, "QUIT\r\n"},
        {"..a\r\n...\r\n.b\r\n.\r\n", ".a\r\n..\r\nb\r\n", true, false, ""},
        {"a.\r\n.\r\n", "a.\r\n", true, false, ""},
        {"a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", true, true, ""},
        {"a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", true, true, ""},
        {"a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", true, true, ""},
        {"a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", true, true, ""},
        {"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", true, true, ""},
        {"a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\r\nb\r\n", true, true, ""},
        {"a\r\r\n.\r\n", "a\r\r\n", true, true, ""},
        {"\n.\r\nx\r\n.\r\n", "\n.\r\nx\r\n", true, true, ""},
        {"a\r\n.", "a\r\n", false, false, ""},
        {"a\r", "a", false, false, ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 1; piece <= 32; piece++) {
            decode(cases[i].input, piece, cases[i].text, cases[i].finished, cases[i].violation,
                   cases[i].rest);
        }
    }
}

static void what_is_encoded_decodes_to_itself(void **state)
{
    static const struct {
        const char *text;
        const char *encoded;
    } cases[] = {
        {"", ".\r\n"},
        {"a", "a\r\n.\r\n"},
        {"a\r\n", "a\r\n.\r\n"},
        {".\r\n..a\r\n", "..\r\n...a\r\n.\r\n"},
        {"a\n.b", "a\n..b\r\n.\r\n"},
        {"a\n", "a\n\r\n.\r\n"},
        {"\n", "\n\r\n.\r\n"},
        {"a\r", "a\r\r\n.\r\n"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 1; piece <= 8; piece++) {
            struct slice rest = slice_of(cases[i].text);
            struct dot_encoder encoder;
            struct buffer output;

            buffer_init(&output, 100);
            dot_encoder_init(&encoder);
            for (; rest.size > 0; rest = slice_skip(rest, piece)) {
                dot_encoder_append(&encoder, slice_prefix(rest, piece), &output);
            }
            dot_encoder_finish(&encoder, &output);
            assert_slice_equals(buffer_view(&output), cases[i].encoded);
            buffer_done(&output);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_crlf_dot_crlf_ends_a_text),
        cmocka_unit_test(what_is_encoded_decodes_to_itself),
    };

    return cmocka_run_group_tests_name("dot_stuffing", tests, NULL, NULL);
}
