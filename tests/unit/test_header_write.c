/* Fields written: folded, encoded, and never more than one, whatever a value holds. */
#include "mail/address_list.h"
#include "mail/header.h"
#include "mail/header_write.h"
#include "mail/mime.h"
#include "mail/trace.h"
#include "tests/unit/unit.h"

enum { OUTPUT_SIZE_MAX = 1 << 20 };

static struct buffer output;

static int set_up(void **state)
{
    buffer_init(&output, OUTPUT_SIZE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    buffer_done(&output);
    return 0;
}

/* One field, no line over the limits, no bare CR or LF, nothing that is not text. */
static void assert_is_one_field(struct slice text)
{
    struct slice rest = text;
    struct header_field field;

    assert_true(header_next(&rest, &field));
    assert_int_equal(rest.size, 0);
    assert_true(slice_ends_with(text, SLICE("\r\n")));
    for (size_t i = 0, column = 0; i < text.size; i++, column++) {
        if (text.data[i] == '\r') {
            assert_int_equal(text.data[i + 1], '\n');
            assert_true(column <= 998);
            i++;
            column = 0;
        } else {
            assert_true((unsigned char)text.data[i] >= ' ' || text.data[i] == '\t');
        }
    }
}

static void text_is_written_as_it_is_read(void **state)
{
    static const struct {
        const char *text;
        const char *field;
        const char *read; /* NULL: as written */
    } cases[] = {
        {"Hello", "Subject: Hello\r\n", NULL},
        {"", "Subject:\r\n", NULL},
        {" two  words ", "Subject: =?utf-8?Q?two__words?=\r\n", "two  words"},
        {"\xc3\xa4", "Subject: =?utf-8?B?w6Q=?=\r\n", NULL},
        {"\xe6\x97\xa5\xe6\x9c\xac", "Subject: =?utf-8?B?5pel5pys?=\r\n", NULL},
        {"=?utf-8?Q?a?=", "Subject: =?utf-8?B?PT91dGYtOD9RP2E/PQ==?=\r\n", NULL},
        {"a\r\nBcc: b@c\r\n\r\nbody", "Subject: =?utf-8?Q?a__Bcc=3A_b=40c____body?=\r\n",
         "a  Bcc: b@c    body"},
        {"a\nb", "Subject: a b\r\n", "a b"},
        {"a\rb", "Subject: a b\r\n", "a b"},
        {"\xff", "Subject: =?utf-8?B?77+9?=\r\n", "\xef\xbf\xbd"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct header_field field;
        struct buffer read;

        buffer_clear(&output);
        buffer_init(&read, 10000);
        assert_int_equal(header_write_text("Subject", slice_of(cases[i].text), &output), 0);
        assert_slice_equals(buffer_view(&output), cases[i].field);
        assert_true(header_find(buffer_view(&output), "Subject", &field));
        header_decode(field.value, &read);
        assert_slice_equals(buffer_view(&read),
                            cases[i].read != NULL ? cases[i].read : cases[i].text);
        buffer_done(&read);
    }
}

static void long_values_are_folded(void **state)
{
    static const char *const pieces[] = {"word ", "x", "\xc3\xa4", "\xe6\x97\xa5 a", "\xff", "\0"};

    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct slice piece = i == 5 ? SLICE("\0") : slice_of(pieces[i]);
        struct buffer text;
        struct buffer read;
        struct header_field field;

        buffer_init(&text, 100000);
        buffer_init(&read, 1000000);
        for (size_t k = 0; k < 5000; k++) {
            buffer_append(&text, piece);
        }
        buffer_clear(&output);
        assert_int_equal(header_write_text("Subject", buffer_view(&text), &output), STATUS_OK);
        assert_is_one_field(buffer_view(&output));
        assert_true(header_find(buffer_view(&output), "Subject", &field));
        header_decode(field.value, &read);
        if (i != 4 && i != 5) {
            assert_true(slice_equals(buffer_view(&read), slice_trim(buffer_view(&text))));
        }
        buffer_clear(&output);
        assert_int_equal(header_write("X-Long", buffer_view(&text), &output), STATUS_OK);
        assert_is_one_field(buffer_view(&output));
        buffer_done(&text);
        buffer_done(&read);
    }
}

static void a_value_over_its_limit_is_refused_whole(void **state)
{
    struct buffer text;
    struct buffer small;

    buffer_init(&text, HEADER_WRITE_SIZE_MAX + 1);
    buffer_init(&small, 300);
    for (size_t i = 0; i <= HEADER_WRITE_SIZE_MAX; i++) {
        buffer_append_octet(&text, 'a');
    }
    assert_int_equal(header_write_text("A", buffer_view(&text), &output), STATUS_TOO_LARGE);
    assert_int_equal(header_write("A", buffer_view(&text), &output), STATUS_TOO_LARGE);
    assert_int_equal(header_write_parameter("A", SLICE("x"), "name", buffer_view(&text), &output),
                     STATUS_TOO_LARGE);
    assert_int_equal(output.size, 0);
    text.size = 100;
    assert_int_equal(header_write_text("A", buffer_view(&text), &small), STATUS_TOO_LARGE);
    assert_int_equal(small.size, 0);
    buffer_done(&text);
    buffer_done(&small);
}

static void mailboxes_are_written(void **state)
{
    static const struct {
        const char *display_name;
        const char *address;
        const char *field; /* NULL: refused */
    } cases[] = {
        {"", "ann@example.org", "From: ann@example.org\r\n"},
        {"Ann B.", "ann@example.org", "From: \"Ann B.\" <ann@example.org>\r\n"},
        {"a\"\\", "a@b", "From: \"a\\\"\\\\\" <a@b>\r\n"},
        {"\xc3\x84nn, \"B\"", "a@b", "From: =?utf-8?B?w4RubiwgIkIi?= <a@b>\r\n"},
        {"x\r\nBcc: c@d", "a@b", "From: =?utf-8?Q?x__Bcc=3A_c=40d?= <a@b>\r\n"},
        {"", "a@b>\r\nBcc: <c@d", NULL},
        {"", "a", NULL},
        {"", "", NULL},
        {"", "@x:a@b", NULL},
        {"", "\"a b\"@c", "From: \"a b\"@c\r\n"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buffer_clear(&output);
        assert_int_equal(header_write_mailbox("From", slice_of(cases[i].display_name),
                                              slice_of(cases[i].address), &output),
                         cases[i].field != NULL ? STATUS_OK : STATUS_INVALID);
        assert_slice_equals(buffer_view(&output), cases[i].field != NULL ? cases[i].field : "");
    }
}

static void parameters_are_written(void **state)
{
    static const struct {
        const char *text;
        const char *field;
    } cases[] = {
        {"r.pdf", "A: attachment; filename=\"r.pdf\"\r\n"},
        {"a\"b", "A: attachment; filename=\"a\\\"b\"\r\n"},
        {"\xe2\x82\xac.txt", "A: attachment; filename*=utf-8''%E2%82%AC.txt\r\n"},
        {"", "A: attachment; filename=\"\"\r\n"},
        {"a\r\nB: c", "A: attachment; filename=\"a  B: c\"\r\n"},
        {"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
         "A: attachment;\r\n"
         " filename*0*=utf-8''%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4;\r\n"
         " filename*1*=%C3%A4\r\n"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buffer_clear(&output);
        assert_int_equal(header_write_parameter("A", SLICE("attachment"), "filename",
                                                slice_of(cases[i].text), &output),
                         STATUS_OK);
        assert_slice_equals(buffer_view(&output), cases[i].field);
        assert_is_one_field(buffer_view(&output));
    }
}

static void received_tells_where_from_and_when(void **state)
{
    struct trace_received received = {
        .client_said = SLICE("client.example"),
        .client_host = SLICE("host.example"),
        .client_address = SLICE("2001:db8::1"),
        .server_name = SLICE("mx.example.org"),
        .protocol = SLICE("ESMTPS"),
        .tls = SLICE("TLSv1.3 TLS_AES_256_GCM_SHA384"),
        .id = SLICE("4711"),
        .recipient = SLICE("ann@example.org"),
    };

    assert_int_equal(trace_write_received(&received, &output), STATUS_OK);
    assert_slice_equals(buffer_view(&output),
                        "Received: from client.example (host.example [IPv6:2001:db8::1])\r\n"
                        "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
                        "\tby mx.example.org with ESMTPS\r\n"
                        "\tid 4711\r\n"
                        "\tfor <ann@example.org>;\r\n"
                        "\tThu, 1 Jan 1970 00:00:00 +0000\r\n");
    assert_int_equal(header_count(buffer_view(&output), "Received"), 1);
}

static void hostile_names_make_no_second_field(void **state)
{
    struct slice hostile = SLICE("a\r\nBcc: b (c) <d>;\0\x80\"\\\n\n\r\r ,@");
    struct trace_received received = {
        .client_said = hostile,
        .client_host = hostile,
        .client_address = hostile,
        .server_name = hostile,
        .protocol = hostile,
        .tls = hostile,
        .id = hostile,
        .recipient = hostile,
    };

    assert_int_equal(trace_write_received(&received, &output), STATUS_OK);
    assert_is_one_field(buffer_view(&output));
    buffer_clear(&output);
    assert_int_equal(trace_write_return_path(hostile, &output), STATUS_INVALID);
    assert_int_equal(trace_write_return_path(SLICE("Postmaster"), &output), STATUS_OK);
    buffer_clear(&output);
    assert_int_equal(trace_write_return_path(SLICE(""), &output), STATUS_OK);
    assert_int_equal(trace_write_return_path(SLICE("a@b"), &output), STATUS_OK);
    assert_slice_equals(buffer_view(&output), "Return-Path: <>\r\nReturn-Path: <a@b>\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_is_written_as_it_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_values_are_folded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_value_over_its_limit_is_refused_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mailboxes_are_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parameters_are_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(received_tells_where_from_and_when, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_names_make_no_second_field, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("header_write", tests, NULL, NULL);
}
