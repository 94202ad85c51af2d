/* IMAP's grammar, token by token, and what it refuses. */
#include "frontend/imap/imap_date.h"
#include "frontend/imap/imap_fetch_items.h"
#include "frontend/imap/imap_input.h"
#include "frontend/imap/imap_name.h"
#include "frontend/imap/imap_search_program.h"
#include "frontend/imap/imap_set.h"
#include "frontend/imap/imap_text.h"
#include "router/mailbox_client.h"
#include "mail/mailbox_name.h"
#include "tests/unit/unit.h"

static struct arena arena;

static struct imap_parser over(const char *text)
{
    return (struct imap_parser){.rest = slice_of(text), .arena = &arena};
}

static int begin(void **state)
{
    arena_init(&arena);
    return 0;
}

static int end(void **state)
{
    arena_done(&arena);
    return 0;
}

/* ---- Strings ---- */

static void strings_come_in_three_forms(void **state)
{
    static const struct {
        const char *text;
        const char *value; /* NULL: refused */
    } rows[] = {
        {"atom", "atom"},
        {"a]b", "a]b"},
        {"\"\"", ""},
        {"\"a b\"", "a b"},
        {"\"a\\\"b\\\\c\"", "a\"b\\c"},
        {"\"gr\xc3\xbc\xc3\x9f\"", "gr\xc3\xbc\xc3\x9f"},
        {"{3}\r\na b", "a b"},
        {"{3+}\r\na\r\n", "a\r\n"},
        {"{0}\r\n", ""},
        {"", NULL},
        {"(", NULL},
        {"a{", "a"},
        {"\"a", NULL},
        {"\"a\\", NULL},
        {"\"a\\n\"", NULL},
        {"\"a\r\nb\"", NULL},
        {"{4}\r\nabc", NULL},
        {"{3}abc", NULL},
        {"{3-}\r\nabc", NULL},
        {"{}\r\n", NULL},
        {"{99999999999}\r\na", NULL},
        {"\xc3\xbc", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct imap_parser parser = over(rows[i].text);
        struct slice value;
        bool taken = imap_take_astring(&parser, &value);

        assert_int_equal(taken, rows[i].value != NULL);
        if (taken) {
            assert_slice_equals(value, rows[i].value);
        }
    }
}

static void nul_is_nowhere(void **state)
{
    struct imap_parser quoted = {.rest = {"\"a\0b\"", 5}, .arena = &arena};
    struct imap_parser literal = {.rest = {"{3}\r\na\0b", 8}, .arena = &arena};
    struct imap_parser atom = {.rest = {"\0", 1}, .arena = &arena};
    struct slice value;

    assert_false(imap_take_astring(&quoted, &value));
    assert_false(imap_take_astring(&literal, &value));
    assert_false(imap_take_astring(&atom, &value));
}

static void strings_go_out_as_one_string(void **state)
{
    static const struct {
        struct slice text;
        const char *value;
    } rows[] = {
        {{"plain", 5}, "\"plain\""},
        {{"", 0}, "\"\""},
        {{"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
        {{"* BYE\r\nx", 8}, "{8}\r\n* BYE\r\nx"},
        {{"a\0b", 3}, "{3}\r\na?b"},
        {{"\xc3\xbc", 2}, "{2}\r\n\xc3\xbc"},
        {{NULL, 0}, "NIL"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buffer output;

        buffer_init(&output, 1000);
        imap_append_nstring(&output, rows[i].text);
        assert_slice_equals(buffer_view(&output), rows[i].value);
        buffer_done(&output);
    }
}

static void keywords_that_are_no_atoms_are_never_said(void **state)
{
    static const struct slice keywords[] = {{"$ok", 3}, {"a)b", 3}, {"x\r\n* BYE", 8}};
    struct buffer output;

    buffer_init(&output, 1000);
    imap_append_flags(&output, FLAG_SEEN | FLAG_DRAFT, true, keywords, COUNT_OF(keywords));
    assert_slice_equals(buffer_view(&output), "\\Seen \\Draft $ok \\Recent");
    buffer_clear(&output);
    imap_append_flags(&output, 0, false, NULL, 0);
    assert_slice_equals(buffer_view(&output), "");
    buffer_done(&output);
}

/* ---- Mailbox names ---- */

static void names_travel_in_modified_utf7(void **state)
{
    static const struct {
        const char *wire;
        const char *name; /* NULL: refused */
    } rows[] = {
        {"INBOX", "INBOX"},
        {"a&-b", "a&b"},
        {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
                                            "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
        {"&2D3eAA-", "\xf0\x9f\x98\x80"},
        {"&Jjo!", NULL},
        {"&AAA", NULL},
        {"&AGE-", NULL},
        {"&AOk-&AOk-", NULL},
        {"&2D0-", NULL},
        {"&3gA-", NULL},
        {"&A-", NULL},
        {"a\xc3\xbc", NULL},
        {"a\x01", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice name;
        struct buffer wire;
        enum status status = imap_name_decode(&arena, slice_of(rows[i].wire), &name);

        assert_int_equal(status, rows[i].name != NULL ? STATUS_OK : STATUS_INVALID);
        if (status == STATUS_OK) {
            assert_slice_equals(name, rows[i].name);
            buffer_init(&wire, 1000);
            imap_name_encode(name, &wire);
            assert_slice_equals(buffer_view(&wire), rows[i].wire);
            buffer_done(&wire);
        }
    }
}

static void a_level_has_a_name_and_inbox_is_one(void **state)
{
    static const struct {
        const char *name;
        const char *checked;
    } rows[] = {
        {"iNbOx", "INBOX"},     {"inbox/sub", "INBOX/sub"},
        {"inboxes", "inboxes"}, {"a/b/c", "a/b/c"},
        {"../x", "../x"},       {"", NULL},
        {"/a", NULL},           {"a/", NULL},
        {"a//b", NULL},         {"a\tb", NULL},
    };
    struct slice name;
    struct buffer deep;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum status status = imap_name_check(&arena, slice_of(rows[i].name), &name);

        assert_int_equal(status, rows[i].checked != NULL ? STATUS_OK : STATUS_INVALID);
        if (status == STATUS_OK) {
            assert_slice_equals(name, rows[i].checked);
        }
    }
    buffer_init(&deep, 1000);
    for (size_t i = 0; i < MAILBOX_NAME_LEVELS_MAX; i++) {
        buffer_append(&deep, SLICE("a/"));
    }
    buffer_append(&deep, SLICE("a"));
    assert_int_equal(imap_name_check(&arena, buffer_view(&deep), &name), STATUS_TOO_LARGE);
    buffer_done(&deep);
}

/* ---- Sets and dates ---- */

static void check_set(const struct uid_set *view, bool by_uid, const char *text,
                      const char *expected)
{
    struct uid_set *uids = NULL;
    struct buffer printed;
    enum status status = imap_set_resolve(slice_of(text), view, by_uid, &uids);

    assert_int_equal(status, expected != NULL ? STATUS_OK : STATUS_INVALID);
    if (status == STATUS_OK) {
        buffer_init(&printed, 1000);
        uid_set_print(uids, &printed);
        assert_slice_equals(buffer_view(&printed), expected);
        buffer_done(&printed);
        uid_set_free(uids);
    }
}

static void sets_mean_what_is_there(void **state)
{
    struct uid_set *view = uid_set_new();

    check_set(view, false, "1:*", "");
    check_set(view, false, "*", "");
    check_set(view, false, "1", NULL);
    check_set(view, true, "1:*", "");
    uid_set_add_range(view, 10, 12);
    uid_set_add(view, 20);
    check_set(view, false, "1", "10");
    check_set(view, false, "2:*", "11:12,20");
    check_set(view, false, "*:3,1", "10,12,20");
    check_set(view, false, "5", NULL);
    check_set(view, false, "4294967295:*", NULL);
    check_set(view, false, "0", NULL);
    check_set(view, false, "1,,2", NULL);
    check_set(view, true, "*", "20");
    check_set(view, true, "100:*", "20");
    check_set(view, true, "1:11,15", "10:11");
    check_set(view, true, "4294967295", "");
    check_set(view, true, "4294967296", NULL);
    uid_set_free(view);
}

static void dates_are_days_of_the_calendar(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"1-Jan-1970", true},  {"\"29-feb-2024\"", true}, {"29-Feb-2023", false},
        {"0-Jan-2000", false}, {"1-Foo-2000", false},     {"\"1-Jan-2000", false},
        {"1 Jan 2000", false},
    };
    struct imap_parser parser = over("\"17-Jul-1996 02:44:25 -0700\"");
    uint64_t moment_ms = 0;
    int32_t zone = 0;
    int64_t day = 0;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct imap_parser one = over(rows[i].text);

        assert_int_equal(imap_take_date(&one, &day), rows[i].valid);
    }
    assert_true(imap_take_date_time(&parser, &moment_ms, &zone));
    assert_int_equal(moment_ms, 837596665000);
    assert_int_equal(zone, -420);
    assert_int_equal(imap_day_of(moment_ms, zone), 837596665 / 86400);
    assert_int_equal(imap_day_of(moment_ms, 24 * 60 - 1), 837596665 / 86400 + 1);
}

/* ---- Commands in pieces ---- */

static void literals_are_announced_at_the_end_of_a_line(void **state)
{
    static const struct {
        const char *line;
        bool announced;
        uint64_t size;
        bool waits;
    } rows[] = {
        {"a LOGIN {3}", true, 3, true},
        {"a LOGIN {3+}", true, 3, false},
        {"a LOGIN {3-}", false, 0, false},
        {"a LOGIN {}", false, 0, false},
        {"a LOGIN {+}", false, 0, false},
        {"a LOGIN 3}", false, 0, false},
        {"a LOGIN \"{3}\"", false, 0, false},
        {"{4294967295}", true, 4294967295, true},
        {"{4294967296}", true, UINT64_MAX, true},
        {"{99999999999999999999+}", true, UINT64_MAX, false},
        {"}", false, 0, false},
        {"", false, 0, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct imap_input input;
        struct imap_literal literal;

        imap_input_init(&input);
        assert_int_equal(imap_input_line(&input, slice_of(rows[i].line), 1000, &literal),
                         rows[i].announced ? IMAP_INPUT_LITERAL : IMAP_INPUT_COMMAND);
        if (rows[i].announced) {
            assert_int_equal(literal.size, rows[i].size);
            assert_int_equal(literal.is_synchronizing, rows[i].waits);
        }
        imap_input_done(&input);
    }
}

static void a_command_has_a_size(void **state)
{
    struct imap_input input;
    struct imap_literal literal;

    imap_input_init(&input);
    assert_int_equal(imap_input_line(&input, SLICE("a {5}"), 10, &literal), IMAP_INPUT_LITERAL);
    imap_input_expect(&input, 5);
    assert_int_equal(imap_input_octets(&input, SLICE("12")), 2);
    assert_int_equal(imap_input_octets(&input, SLICE("345678")), 3);
    assert_int_equal(input.literal_rest, 0);
    assert_slice_equals(buffer_view(&input.octets), "a {5}\r\n12345");
    assert_int_equal(imap_input_line(&input, SLICE("x"), 10, &literal), IMAP_INPUT_TOO_LARGE);
    imap_input_done(&input);
}

/* ---- FETCH and SEARCH ---- */

static void sections_are_named_as_they_were_asked_for(void **state)
{
    static const struct {
        const char *text;
        const char *name; /* of the last item; NULL: refused */
    } rows[] = {
        {"BODY[]", "BODY[]"},
        {"body.peek[1.2.mime]<5.6>", "BODY[1.2.MIME]<5>"},
        {"(FLAGS BODY[HEADER.FIELDS.NOT (a \"b c\" \"d\\\"\")])",
         "BODY[HEADER.FIELDS.NOT (a \"b c\" \"d\\\"\")]"},
        {"RFC822", "RFC822"},
        {"BODY[TEXT]", "BODY[TEXT]"},
        {"BODY[1.TEXT]", "BODY[1.TEXT]"},
        {"BODY[1.]", NULL},
        {"BODY[0]", NULL},
        {"BODY[.1]", NULL},
        {"BODY[MIME]", NULL},
        {"BODY[HEADER.FIELDS]", NULL},
        {"BODY[]<1>", NULL},
        {"BODY[]<1.0>", NULL},
        {"BODY[", NULL},
        {"(FLAGS", NULL},
        {"FLAGS UID", NULL},
        {"()", NULL},
        {"(ALL FLAGS)", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct imap_parser parser = over(rows[i].text);
        struct imap_fetch_items items;
        struct buffer name;
        bool taken = imap_take_fetch_items(&parser, false, &items);

        assert_int_equal(taken, rows[i].name != NULL);
        if (taken) {
            buffer_init(&name, 1000);
            imap_append_section_name(&name, &items.items[items.count - 1]);
            assert_slice_equals(buffer_view(&name), rows[i].name);
            buffer_done(&name);
        }
    }
}

static void macros_stand_for_their_items(void **state)
{
    struct imap_parser parser = over("FULL (CHANGEDSINCE 7)");
    struct imap_fetch_items items;

    assert_true(imap_take_fetch_items(&parser, true, &items));
    assert_int_equal(items.count, 7);
    assert_true(imap_fetch_items_have(&items, FETCH_UID));
    assert_true(imap_fetch_items_have(&items, FETCH_BODY));
    assert_true(imap_fetch_items_have(&items, FETCH_MODSEQ));
    assert_int_equal(items.changed_since, 7);
}

static void searches_are_trees(void **state)
{
    struct imap_parser parser = over(" RETURN (MIN) CHARSET utf-8 OR SEEN (FROM a NOT 1:3) NEW");
    struct imap_search_program program;

    assert_true(imap_take_search_program(&parser, &program));
    const struct imap_search_key *either = program.root->children;

    assert_int_equal(program.returns, RETURN_MIN);
    assert_int_equal(either->kind, SEARCH_OR);
    assert_int_equal(either->children->kind, SEARCH_FLAGS_ALL);
    assert_int_equal(either->children->next->kind, SEARCH_AND);
    assert_slice_equals(either->children->next->children->name, "From");
    assert_int_equal(either->children->next->children->next->kind, SEARCH_NOT);
    assert_int_equal(either->next->kind, SEARCH_AND);
    assert_null(either->next->next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(strings_come_in_three_forms, begin, end),
        cmocka_unit_test_setup_teardown(nul_is_nowhere, begin, end),
        cmocka_unit_test_setup_teardown(strings_go_out_as_one_string, begin, end),
        cmocka_unit_test_setup_teardown(keywords_that_are_no_atoms_are_never_said, begin, end),
        cmocka_unit_test_setup_teardown(names_travel_in_modified_utf7, begin, end),
        cmocka_unit_test_setup_teardown(a_level_has_a_name_and_inbox_is_one, begin, end),
        cmocka_unit_test_setup_teardown(sets_mean_what_is_there, begin, end),
        cmocka_unit_test_setup_teardown(dates_are_days_of_the_calendar, begin, end),
        cmocka_unit_test_setup_teardown(literals_are_announced_at_the_end_of_a_line, begin, end),
        cmocka_unit_test_setup_teardown(a_command_has_a_size, begin, end),
        cmocka_unit_test_setup_teardown(sections_are_named_as_they_were_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(macros_stand_for_their_items, begin, end),
        cmocka_unit_test_setup_teardown(searches_are_trees, begin, end),
    };

    return cmocka_run_group_tests_name("imap_parser", tests, NULL, NULL);
}
