/* Paths of MAIL and RCPT, and the form under which the directory looks addresses up. */
#include "mail/address.h"
#include "mail/utf8.h"
#include "tests/unit/unit.h"

static void a_path_is_taken_off_the_line(void **state)
{
    static const struct {
        const char *text;
        enum address_path_kind kind;
        const char *mailbox; /* NULL: refused */
        const char *rest;
    } cases[] = {
        {"<ann@example.org>", ADDRESS_PATH_FORWARD, "ann@example.org", ""},
        {"<ann@example.org> SIZE=1", ADDRESS_PATH_REVERSE, "ann@example.org", " SIZE=1"},
        {"<>", ADDRESS_PATH_REVERSE, "", ""},
        {"<>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<Postmaster>", ADDRESS_PATH_FORWARD, "Postmaster", ""},
        {"<Postmaster>", ADDRESS_PATH_REVERSE, NULL, NULL},
        {"<@a,@b:c@d>", ADDRESS_PATH_REVERSE, "c@d", ""},
        {"<@a,@b:c@d", ADDRESS_PATH_REVERSE, NULL, NULL},
        {"<@a>", ADDRESS_PATH_REVERSE, NULL, NULL},
        {"<\"a b\\\"c\"@example.org>", ADDRESS_PATH_FORWARD, "\"a b\\\"c\"@example.org", ""},
        {"<\"\"@example.org>", ADDRESS_PATH_FORWARD, "\"\"@example.org", ""},
        {"<\"a@example.org>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<a\\", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<\"a\\", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<a@[192.0.2.1]>", ADDRESS_PATH_FORWARD, "a@[192.0.2.1]", ""},
        {"<a@[IPv6:::1]>", ADDRESS_PATH_FORWARD, "a@[IPv6:::1]", ""},
        {"<a@[]>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<a@[>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<a@b>x", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"a@b", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<a>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<@b>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<a@>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<a@b.>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<a@-b>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<.a@b>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<a..a@b>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<a b@c>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<;id;@b>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<$(id)@b>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<`id`@b>", ADDRESS_PATH_FORWARD, "`id`@b", ""},
        {"<\xc3\xa4@b>", ADDRESS_PATH_FORWARD, "\xc3\xa4@b", ""},
        {"<\xc3@b>", ADDRESS_PATH_FORWARD, NULL, NULL},
        {"<\xed\xa0\x80@b>", ADDRESS_PATH_FORWARD, NULL, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice rest = slice_of(cases[i].text);
        struct address_path path;
        enum status status = address_parse_path(&rest, cases[i].kind, &path);

        assert_int_equal(status, cases[i].mailbox != NULL ? STATUS_OK : STATUS_INVALID);
        if (status == STATUS_OK) {
            assert_slice_equals(path.mailbox, cases[i].mailbox);
        }
        assert_slice_equals(rest, status == STATUS_OK ? cases[i].rest : cases[i].text);
    }
}

static void canonical_addresses_compare_equal(void **state)
{
    static const struct {
        const char *written;
        const char *canonical; /* NULL: refused */
    } cases[] = {
        {"Ann@Example.ORG", "ann@example.org"},
        {"\"ann\"@example.org", "ann@example.org"},
        {"\"a\\nn\"@example.org", "ann@example.org"},
        {"\"Ann B\"@example.org", "\"ann b\"@example.org"},
        {"\"a\\\"b\"@example.org", "\"a\\\"b\"@example.org"},
        {"ann+X@example.org", "ann+x@example.org"},
        {"a@B\xc3\xbc"
         "cher.example",
         "a@xn--bcher-kva.example"},
        {"a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
        {"\xc3\x84@example.org", "\xc3\xa4@example.org"},
        {"A\xcc\x88@example.org", "\xc3\xa4@example.org"},
        {"a@[IPv6:::1]", "a@[ipv6:::1]"},
        {"a\xcd\xbe@example.org", NULL}, /* U+037E composes to a semicolon */
        {"a@\xcd\xbe", NULL},
        {"ann", NULL},
        {"", NULL},
        {"a@b@c", NULL},
        {"a@b c", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer canonical;

        buffer_init(&canonical, ADDRESS_SIZE_MAX);
        assert_int_equal(address_canonical(slice_of(cases[i].written), &canonical),
                         cases[i].canonical != NULL ? STATUS_OK : STATUS_INVALID);
        assert_slice_equals(buffer_view(&canonical),
                            cases[i].canonical != NULL ? cases[i].canonical : "");
        buffer_done(&canonical);
    }
}

static void long_parts_are_refused(void **state)
{
    char text[400];
    struct buffer canonical;

    buffer_init(&canonical, ADDRESS_SIZE_MAX);
    memset(text, 'a', sizeof(text));
    text[64] = '@';
    assert_int_equal(address_canonical((struct slice){text, 70}, &canonical), STATUS_OK);
    buffer_clear(&canonical);
    assert_int_equal(address_canonical((struct slice){text, 64 + 1 + 64}, &canonical),
                     STATUS_INVALID);
    text[64] = 'a';
    text[65] = '@';
    assert_int_equal(address_canonical((struct slice){text, 70}, &canonical), STATUS_INVALID);
    buffer_done(&canonical);
}

static void an_address_splits_at_its_delimiter(void **state)
{
    static const struct {
        const char *address;
        const char *user;
        const char *detail;
    } cases[] = {
        {"ann@example.org", "ann", ""},
        {"ann+a+b@example.org", "ann", "a+b"},
        {"+a@example.org", "+a", ""},
        {"ann+@example.org", "ann", ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice user;
        struct slice detail;
        struct slice domain;

        address_split(slice_of(cases[i].address), '+', &user, &detail, &domain);
        assert_slice_equals(user, cases[i].user);
        assert_slice_equals(detail, cases[i].detail);
        assert_slice_equals(domain, "example.org");
    }
}

static void utf8_is_checked_to_the_letter(void **state)
{
    static const char *const valid[] = {
        "", "a", "\xc2\x80", "\xe0\xa0\x80", "\xf4\x8f\xbf\xbf", "\xef\xbf\xbd"};
    static const char *const invalid[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf", "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80", "\xf0\x8f\xbf\xbf",
        "a\xc3",        "\xe2\x82",         "\xff"};

    for (size_t i = 0; i < COUNT_OF(valid); i++) {
        assert_true(utf8_is_valid(slice_of(valid[i])));
    }
    for (size_t i = 0; i < COUNT_OF(invalid); i++) {
        assert_false(utf8_is_valid(slice_of(invalid[i])));
    }
}

static void text_is_folded_composed_and_cut_at_characters(void **state)
{
    static const struct {
        const char *text;
        const char *folded;
        const char *composed;
    } cases[] = {
        {"aB", "ab", "aB"},
        {"A\xcc\x88", "\xc3\xa4", "\xc3\x84"},
        {"\xc3\x9f", "ss", "\xc3\x9f"},
        {"\xce\x90", "\xce\x90", "\xce\x90"},
        /* These grow when they are composed. */
        {"\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc", "\xe0\xa4\x95\xe0\xa4\xbc"},
        {"\xf0\x9d\x85\xa0", "\xf0\x9d\x85\x98\xf0\x9d\x85\xa5\xf0\x9d\x85\xae",
         "\xf0\x9d\x85\x98\xf0\x9d\x85\xa5\xf0\x9d\x85\xae"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer output;

        buffer_init(&output, 100);
        assert_int_equal(utf8_fold(slice_of(cases[i].text), &output), STATUS_OK);
        assert_slice_equals(buffer_view(&output), cases[i].folded);
        buffer_clear(&output);
        assert_int_equal(utf8_compose(slice_of(cases[i].text), &output), STATUS_OK);
        assert_slice_equals(buffer_view(&output), cases[i].composed);
        buffer_done(&output);
    }
    assert_slice_equals(utf8_prefix(SLICE("a\xc3\xa4"), 2), "a");
    assert_slice_equals(utf8_prefix(SLICE("a\xc3\xa4"), 3), "a\xc3\xa4");
    assert_slice_equals(utf8_prefix(SLICE("\xe2\x82\xac"), 2), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_taken_off_the_line),
        cmocka_unit_test(canonical_addresses_compare_equal),
        cmocka_unit_test(long_parts_are_refused),
        cmocka_unit_test(an_address_splits_at_its_delimiter),
        cmocka_unit_test(utf8_is_checked_to_the_letter),
        cmocka_unit_test(text_is_folded_composed_and_cut_at_characters),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
