/* Tables of command lines cut into their parts. */
#include "core/macros.h"
#include "frontend/smtp/smtp_command.h"
#include "tests/unit/unit.h"

static void verb_ends_at_the_first_blank(void **state)
{
    static const struct {
        const char *line, *verb, *argument;
    } rows[] = {
        {"QUIT", "QUIT", ""},         {"", "", ""},
        {" NOOP", "", "NOOP"},        {"MAIL FROM:<a@b>  ", "MAIL", "FROM:<a@b>"},
        {"NOOP  a b", "NOOP", "a b"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice verb;
        struct slice argument;

        smtp_command_cut(slice_of(rows[i].line), &verb, &argument);
        assert_true(slice_equals(verb, slice_of(rows[i].verb)));
        assert_true(slice_equals(argument, slice_of(rows[i].argument)));
    }
}

static void keyword_is_taken_in_any_case(void **state)
{
    static const struct {
        const char *text;
        enum status status;
        const char *rest;
    } rows[] = {
        {"FROM:<a@b>", STATUS_OK, "<a@b>"},   {"from: <a@b>", STATUS_OK, "<a@b>"},
        {"FROM <a@b>", STATUS_INVALID, NULL}, {"FROM", STATUS_INVALID, NULL},
        {"", STATUS_INVALID, NULL},           {"TO:<a@b>", STATUS_INVALID, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice rest = slice_of(rows[i].text);

        assert_int_equal(smtp_command_take_keyword(&rest, SLICE("FROM:")), rows[i].status);
        assert_true(
            slice_equals(rest, slice_of(rows[i].rest != NULL ? rows[i].rest : rows[i].text)));
    }
}

static void mail_parameters_are_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        enum status status;
        struct smtp_mail_parameters parameters;
    } rows[] = {
        {"", STATUS_OK, {0}},
        {"   ", STATUS_OK, {0}},
        {"SIZE=10", STATUS_OK, {.size = 10}},
        {"size=10 smtputf8 body=binarymime", STATUS_OK, {10, true, true}},
        {"SIZE=18446744073709551615", STATUS_OK, {.size = UINT64_MAX}},
        {"SIZE=99999999999999999999999", STATUS_OK, {.size = UINT64_MAX}},
        {"BODY=7BIT  AUTH=<>", STATUS_OK, {0}},
        {"SIZE=", STATUS_INVALID, {0}},
        {"SIZE", STATUS_INVALID, {0}},
        {"SIZE=+1", STATUS_INVALID, {0}},
        {"SIZE=0x10", STATUS_INVALID, {0}},
        {"SIZE=1 size=2", STATUS_INVALID, {0}},
        {"SMTPUTF8 SMTPUTF8", STATUS_INVALID, {0}},
        {"SMTPUTF8=", STATUS_INVALID, {0}},
        {"BODY=8BIT", STATUS_INVALID, {0}},
        {"AUTH", STATUS_INVALID, {0}},
        {"=1", STATUS_INVALID, {0}},
        {"-SIZE=1", STATUS_INVALID, {0}},
        {"SIZE=1=2", STATUS_INVALID, {0}},
        {"SI\tZE=1", STATUS_INVALID, {0}},
        {"AUTH=a\x01", STATUS_INVALID, {0}},
        {"RET=FULL", STATUS_UNSUPPORTED, {0}},
        {"SIZE=1 ENVID=x", STATUS_UNSUPPORTED, {0}},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct smtp_mail_parameters parameters = {0};

        assert_int_equal(smtp_command_mail_parameters(slice_of(rows[i].text), &parameters),
                         rows[i].status);
        assert_int_equal(parameters.size, rows[i].parameters.size);
        assert_int_equal(parameters.is_utf8, rows[i].parameters.is_utf8);
        assert_int_equal(parameters.is_binary, rows[i].parameters.is_binary);
    }
}

static void chunk_has_a_size_and_perhaps_an_end(void **state)
{
    static const struct {
        const char *text;
        enum status status;
        struct smtp_chunk chunk;
    } rows[] = {
        {"0", STATUS_OK, {0, false}},
        {"86 LAST", STATUS_OK, {86, true}},
        {"86  last", STATUS_OK, {86, true}},
        {"9223372036854775807", STATUS_OK, {INT64_MAX, false}},
        {"9223372036854775808", STATUS_INVALID, {0}},
        {"18446744073709551615", STATUS_INVALID, {0}},
        {"", STATUS_INVALID, {0}},
        {"LAST", STATUS_INVALID, {0}},
        {"-1", STATUS_INVALID, {0}},
        {"1 LASTING", STATUS_INVALID, {0}},
        {"1 LAST LAST", STATUS_INVALID, {0}},
        {"1LAST", STATUS_INVALID, {0}},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct smtp_chunk chunk = {0};

        assert_int_equal(smtp_command_chunk(slice_of(rows[i].text), &chunk), rows[i].status);
        assert_int_equal(chunk.size, rows[i].chunk.size);
        assert_int_equal(chunk.is_last, rows[i].chunk.is_last);
    }
}

static void client_name_cannot_break_a_field(void **state)
{
    static const struct {
        const char *name;
        bool fits;
    } rows[] = {
        {"client.example.com", true},
        {"[IPv6:2001:db8::1]", true},
        {"under_score", true},
        {"", false},
        {"a b", false},
        {"a\tb", false},
        {"a(b", false},
        {"a;b", false},
        {"<a>", false},
        {"a\x7f", false},
        {"\xc3\xa4", false},
        {"a\rb", false},
        {"a\nb", false},
    };
    char longest[257];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(smtp_command_is_client_name(slice_of(rows[i].name)), rows[i].fits);
    }
    memset(longest, 'a', sizeof(longest));
    assert_true(smtp_command_is_client_name((struct slice){longest, 255}));
    assert_false(smtp_command_is_client_name((struct slice){longest, 256}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verb_ends_at_the_first_blank),
        cmocka_unit_test(keyword_is_taken_in_any_case),
        cmocka_unit_test(mail_parameters_are_read_or_refused),
        cmocka_unit_test(chunk_has_a_size_and_perhaps_an_end),
        cmocka_unit_test(client_name_cannot_break_a_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
