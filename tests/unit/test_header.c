/* Header blocks cut into fields, and their values made readable. */
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/transfer.h"
#include "tests/unit/unit.h"

static void a_block_ends_at_its_empty_line(void **state)
{
    static const struct {
        const char *message;
        const char *block;
    } cases[] = {
        {"A: b\r\n\r\nbody", "A: b\r\n\r\n"},
        {"A: b\n\nbody", "A: b\n\n"},
        {"A: b\r\n", "A: b\r\n"},
        {"A: b", "A: b"},
        {"\r\nbody", "\r\n"},
        {"", ""},
        {"body\r\n\r\n", "body\r\n\r\n"},
        {"A: b\r\n \r\n\r\nx", "A: b\r\n \r\n\r\n"},
        {"A: b\r\n\r", "A: b\r\n\r"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_slice_equals(header_block(slice_of(cases[i].message)), cases[i].block);
    }
}

static void fields_are_cut_with_their_foldings(void **state)
{
    struct slice block = SLICE("From: ann\r\nSubject:\r\n two\r\n\tlines \r\nno colon\r\n"
                               "Empty:\r\nSpaced : x\r\n\r\nBody: y\r\n");
    static const struct {
        const char *name;
        const char *value;
    } expected[] = {
        {"From", " ann"}, {"Subject", "\r\n two\r\n\tlines "}, {"", "no colon"}, {"Empty", ""},
        {"Spaced", " x"},
    };
    struct header_field field;

    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(header_next(&block, &field));
        assert_slice_equals(field.name, expected[i].name);
        assert_slice_equals(field.value, expected[i].value);
    }
    assert_false(header_next(&block, &field));
    assert_true(header_find(SLICE("A: 1\r\nb: 2\r\nB: 3\r\n\r\n"), "B", &field));
    assert_slice_equals(field.value, " 2");
    assert_int_equal(header_count(SLICE("A: 1\r\nb: 2\r\nB: 3\r\n\r\nB: 4\r\n"), "B"), 2);
}

static void values_are_decoded(void **state)
{
    static const struct {
        const char *value;
        const char *text;
    } cases[] = {
        {" plain ", "plain"},
        {"\r\n a\r\n\tb", "a\tb"},
        {"=?iso-8859-1?q?this=20is=20some=20text?=", "this is some text"},
        {"=?ISO-8859-1?Q?a?=", "a"},
        {"=?ISO-8859-1?Q?a?= b", "a b"},
        {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
        {"=?ISO-8859-1?Q?a?=  \r\n  =?ISO-8859-1?Q?b?=", "ab"},
        {"=?ISO-8859-1?Q?a_b?=", "a b"},
        {"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
        {"=?US-ASCII*EN?Q?Keith_Moore?= <m@x>", "Keith Moore <m@x>"},
        {"=?utf-8?B?w6TDtsO8?=", "\xc3\xa4\xc3\xb6\xc3\xbc"},
        {"=?utf-8?B?w6TDtsM=?= =?utf-8?B?vA==?=", "\xc3\xa4\xc3\xb6\xc3\xbc"},
        {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
        {"=?x-nobody-knows?Q?a?=", "=?x-nobody-knows?Q?a?="},
        {"=?x-no?Q?a?=  =?x-no?Q?b?= =?utf-8?Q?c?=", "=?x-no?Q?a?=  =?x-no?Q?b?= c"},
        {"=?utf-8?X?a?=", "=?utf-8?X?a?="},
        {"=?utf-8?Q?a", "=?utf-8?Q?a"},
        {"=?=?utf-8?Q?a?=", "=?a"},
        {"=?", "=?"},
        {"\xe4", "\xef\xbf\xbd"},
        {"\xc3\xa4", "\xc3\xa4"},
        {"a\r\nb", "ab"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer text;

        buffer_init(&text, 1000);
        header_decode(slice_of(cases[i].value), &text);
        assert_slice_equals(buffer_view(&text), cases[i].text);
        buffer_done(&text);
    }
}

/* 100,000 encoded words, and as many that only look like it. */
static void hostile_values_take_linear_time(void **state)
{
    static const char *const pieces[] = {
        "=?utf-8?Q?a?= ", "=?x-none?Q?a?= ", "=?utf-8?Q?", "=?", "=?a?b?", " ", "\r\n "};

    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct buffer value;
        struct buffer text;

        buffer_init(&value, 4000000);
        buffer_init(&text, 16000000);
        for (size_t k = 0; k < 100000; k++) {
            buffer_append(&value, slice_of(pieces[i]));
        }
        header_decode(buffer_view(&value), &text);
        assert_true(text.size <= value.size);
        buffer_done(&value);
        buffer_done(&text);
    }
}

static void bodies_are_decoded_in_any_pieces(void **state)
{
    static const struct {
        enum transfer_encoding encoding;
        const char *input;
        const char *output;
    } cases[] = {
        {TRANSFER_BASE64, "aGVs\r\nbG8=", "hello"},
        {TRANSFER_BASE64, "aGVsbG8", "hello"},
        {TRANSFER_BASE64, "a!G?V s b G 8=\r\n", "hello"},
        {TRANSFER_BASE64, "aA==aA==", "hh"},
        {TRANSFER_BASE64, "====", ""},
        {TRANSFER_QUOTED_PRINTABLE, "a=3Db=\r\nc  \r\nd", "a=bc\r\nd"},
        {TRANSFER_QUOTED_PRINTABLE, "a=\nb", "ab"},
        {TRANSFER_QUOTED_PRINTABLE, "a= \r\nb", "ab"},
        {TRANSFER_QUOTED_PRINTABLE, "a=zz=4", "a=zz=4"},
        {TRANSFER_QUOTED_PRINTABLE, "==41", "=A"},
        {TRANSFER_QUOTED_PRINTABLE, "=c3=A4", "\xc3\xa4"},
        {TRANSFER_QUOTED_PRINTABLE, "a =", "a "},
        {TRANSFER_IDENTITY, "a=3D\r\n", "a=3D\r\n"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 1; piece < 16; piece++) {
            struct slice rest = slice_of(cases[i].input);
            struct transfer_decoder decoder;
            struct buffer output;

            buffer_init(&output, 1000);
            transfer_decoder_init(&decoder, cases[i].encoding);
            for (; rest.size > 0; rest = slice_skip(rest, piece)) {
                transfer_decoder_decode(&decoder, slice_prefix(rest, piece), &output);
            }
            transfer_decoder_finish(&decoder, &output);
            assert_slice_equals(buffer_view(&output), cases[i].output);
            transfer_decoder_done(&decoder);
            buffer_done(&output);
        }
    }
}

static void a_character_cut_between_pieces_is_whole(void **state)
{
    struct charset_decoder *decoder = NULL;
    struct buffer output;

    buffer_init(&output, 100);
    assert_int_equal(charset_decoder_new(SLICE("utf-8"), &decoder), STATUS_OK);
    charset_decoder_decode(decoder, SLICE("a\xc3"), false, &output);
    charset_decoder_decode(decoder,
                           SLICE("\xa4"
                                 "b\xe2"),
                           true, &output);
    assert_slice_equals(buffer_view(&output), "a\xc3\xa4"
                                              "b\xef\xbf\xbd");
    charset_decoder_free(decoder);
    assert_int_equal(charset_decoder_new(SLICE("no such"), &decoder), STATUS_NOT_FOUND);
    buffer_done(&output);
}

/* A piece of the decoder's own may end within a pair of code units. */
static void a_long_text_keeps_its_characters(void **state)
{
    struct buffer input;
    struct buffer output;

    for (size_t shift = 0; shift < 4; shift++) {
        buffer_init(&input, 10000);
        buffer_init(&output, 10000);
        buffer_append(&input, slice_prefix(SLICE("abc"), shift));
        for (size_t i = 0; i < 2000; i++) {
            buffer_append(&input, SLICE("\xf0\x9f\x98\x80"));
        }
        assert_int_equal(charset_to_utf8(SLICE("utf-8"), buffer_view(&input), &output), STATUS_OK);
        assert_true(slice_equals(buffer_view(&input), buffer_view(&output)));
        buffer_done(&input);
        buffer_done(&output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_ends_at_its_empty_line),
        cmocka_unit_test(fields_are_cut_with_their_foldings),
        cmocka_unit_test(values_are_decoded),
        cmocka_unit_test(hostile_values_take_linear_time),
        cmocka_unit_test(bodies_are_decoded_in_any_pieces),
        cmocka_unit_test(a_character_cut_between_pieces_is_whole),
        cmocka_unit_test(a_long_text_keeps_its_characters),
    };

    return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
