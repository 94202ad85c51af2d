/* Mailbox names: which may be, which are the same, and their form on the wire. */
#include "mail/mailbox_name.h"
#include "tests/unit/unit.h"

static struct buffer output;

static int set_up(void **state)
{
    buffer_init(&output, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    buffer_done(&output);
    return 0;
}

static void names_are_normalised_or_refused(void **state)
{
    static const struct {
        struct slice name;
        const char *kept; /* NULL: refused */
    } cases[] = {
        {{"Work", 4}, "Work"},
        {{"inbox", 5}, "INBOX"},
        {{"iNbOx/a", 7}, "INBOX/a"},
        {{"Inboxes", 7}, "Inboxes"},
        {{"a/inbox", 7}, "a/inbox"},
        {{"../../x", 7}, "../../x"},
        {{"~root", 5}, "~root"},
        {{"%*\"\\{", 5}, "%*\"\\{"},
        {{"A\xcc\x88", 3}, "\xc3\x84"},
        {{"\xc3\x84", 2}, "\xc3\x84"},
        {{"", 0}, NULL},
        {{"/etc/x", 6}, NULL},
        {{"INBOX/", 6}, NULL},
        {{"a//b", 4}, NULL},
        {{"/", 1}, NULL},
        {{"a\0b", 3}, NULL},
        {{"a\r\nb", 4}, NULL},
        {{"a\x7f", 2}, NULL},
        {{"\xc0\xaf", 2}, NULL},
        {{"\xed\xa0\x80", 3}, NULL},
        {{"\xff", 1}, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buffer_clear(&output);
        assert_int_equal(mailbox_name_normalise(cases[i].name, &output),
                         cases[i].kept != NULL ? STATUS_OK : STATUS_INVALID);
        assert_slice_equals(buffer_view(&output), cases[i].kept != NULL ? cases[i].kept : "");
    }
}

static void names_have_limits(void **state)
{
    struct buffer name;

    buffer_init(&name, 1 << 17);
    for (size_t level = 1; level <= 10000; level++) {
        buffer_append(&name, level == 1 ? SLICE("a") : SLICE("/a"));
        if (level == MAILBOX_NAME_LEVELS_MAX) {
            assert_int_equal(mailbox_name_normalise(buffer_view(&name), &output), STATUS_OK);
        } else if (level == MAILBOX_NAME_LEVELS_MAX + 1) {
            assert_int_equal(mailbox_name_normalise(buffer_view(&name), &output), STATUS_TOO_LARGE);
        }
    }
    assert_int_equal(mailbox_name_normalise(buffer_view(&name), &output), STATUS_TOO_LARGE);
    buffer_clear(&name);
    for (size_t i = 0; i <= MAILBOX_NAME_OCTETS_MAX; i++) {
        buffer_append_octet(&name, 'x');
    }
    assert_int_equal(mailbox_name_normalise(buffer_view(&name), &output), STATUS_TOO_LARGE);
    name.size--;
    assert_int_equal(mailbox_name_normalise(buffer_view(&name), &output), STATUS_OK);
    buffer_done(&name);
}

static void names_travel_in_modified_utf7(void **state)
{
    static const struct {
        const char *wire;
        const char *name;
    } cases[] = {
        {"", ""},
        {"INBOX", "INBOX"},
        {"a&-b", "a&b"},
        {"&-&-", "&&"},
        /* RFC 3501 §5.1.3 */
        {"~peter/mail/&U,BTFw-/&ZeVnLIqe-",
         "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
        {"Entw&APw-rfe", "Entw\xc3\xbcrfe"},
        {"&2D3eAA-", "\xf0\x9f\x98\x80"},
        {"%*", "%*"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buffer_clear(&output);
        assert_int_equal(mailbox_name_encode(slice_of(cases[i].name), &output), STATUS_OK);
        assert_slice_equals(buffer_view(&output), cases[i].wire);
        buffer_clear(&output);
        assert_int_equal(mailbox_name_decode(slice_of(cases[i].wire), &output), STATUS_OK);
        assert_slice_equals(buffer_view(&output), cases[i].name);
    }
}

static void another_form_of_a_name_is_refused(void **state)
{
    static const char *const cases[] = {
        "&AAA",       "&AGE-",        "&Jjo!", "&",     "a&",         "&U,BT",    "&U,BTFw",
        "&U,B-",      "&U,BTF-",      "&2D0-", "&3gA-", "&2D0AYQ-",   "\xc3\xa4", "a\x01",
        "&APw-&APw-", "&APw-&-&AP+-", "&AA-",  "&A-",   "&AGEAYgBj-", "&APx-",
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buffer_clear(&output);
        if (mailbox_name_decode(slice_of(cases[i]), &output) != STATUS_INVALID) {
            print_error("taken: %s\n", cases[i]);
            fail();
        }
        assert_int_equal(output.size, 0);
    }
    assert_int_equal(mailbox_name_encode(SLICE("\xff"), &output), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_normalised_or_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_have_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_travel_in_modified_utf7, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_form_of_a_name_is_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("mailbox_name", tests, NULL, NULL);
}
