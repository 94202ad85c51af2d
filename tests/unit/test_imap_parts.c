/* The pure parts below IMAP's commands: patterns, the view, sections, texts to search. */
#include "frontend/imap/imap_list_pattern.h"
#include "frontend/imap/imap_render.h"
#include "frontend/imap/imap_search_text.h"
#include "frontend/imap/imap_section.h"
#include "frontend/imap/imap_view.h"
#include "mail/mime.h"
#include "tests/unit/unit.h"

/* ---- Patterns ---- */

static bool matches(const char *reference, const char *text, const char *name)
{
    struct arena arena;
    struct imap_list_pattern pattern;

    arena_init(&arena);
    assert_int_equal(imap_list_pattern_make(&arena, slice_of(reference), slice_of(text), &pattern),
                     STATUS_OK);
    bool answer = imap_list_pattern_matches(&pattern, slice_of(name));

    arena_done(&arena);
    return answer;
}

static void wildcards_differ_at_the_separator(void **state)
{
    assert_true(matches("", "*", "a/b/c"));
    assert_true(matches("", "%", "abc"));
    assert_false(matches("", "%", "a/b"));
    assert_true(matches("a/", "%", "a/b"));
    assert_false(matches("a/", "%", "a/b/c"));
    assert_true(matches("", "%/%", "a/b"));
    assert_true(matches("", "a*c", "a/b/c"));
    assert_true(matches("", "a%c", "abc"));
    assert_false(matches("", "a%c", "a/c"));
    assert_true(matches("", "*%", "a/b"));
    assert_true(matches("", "%*", "a/b"));
    assert_false(matches("", "ab", "abc"));
    assert_false(matches("", "abc", "ab"));
    assert_true(matches("", "", ""));
}

static void inbox_is_found_in_any_case_and_nothing_else(void **state)
{
    assert_true(matches("", "inbox", "INBOX"));
    assert_true(matches("", "InBox/%", "INBOX/a"));
    assert_false(matches("", "inbox/A", "INBOX/a"));
    assert_false(matches("", "inboxes", "INBOXES"));
}

static void hostile_patterns_take_linear_time(void **state)
{
    struct buffer pattern;
    struct buffer name;
    struct arena arena;
    struct imap_list_pattern made;

    buffer_init(&pattern, 10000);
    buffer_init(&name, 10000);
    for (size_t i = 0; i < 900; i++) {
        buffer_append(&pattern, SLICE("*a%a"));
        buffer_append(&name, SLICE("a"));
    }
    arena_init(&arena);
    assert_int_equal(imap_list_pattern_make(&arena, SLICE(""), buffer_view(&pattern), &made),
                     STATUS_OK);
    assert_false(imap_list_pattern_matches(&made, buffer_view(&name)));
    buffer_append(&pattern, buffer_view(&name));
    assert_int_equal(imap_list_pattern_make(&arena, SLICE(""), buffer_view(&pattern), &made),
                     STATUS_TOO_LARGE);
    arena_done(&arena);
    buffer_done(&pattern);
    buffer_done(&name);
}

/* ---- The view ---- */

static struct imap_view *view_of(uint32_t first, uint32_t last)
{
    struct uid_set *uids = uid_set_new();
    struct mailbox_opening opening = {
        .record = {.mailbox = 1, .uid_validity = 7, .uid_next = last + 1, .modseq = 100},
        .uids = uids,
    };

    uid_set_add_range(uids, first, last);
    struct imap_view *view = imap_view_new(SLICE("INBOX"), &opening, false);

    uid_set_free(uids);
    return view;
}

static void what_vanished_is_counted_until_it_is_told(void **state)
{
    struct imap_view *view = view_of(11, 15);
    struct uid_set *gone = uid_set_new();

    uid_set_add(gone, 12);
    uid_set_add(gone, 99);
    imap_view_note_vanished(view, gone);
    assert_int_equal(imap_view_count(view), 5);
    assert_int_equal(imap_view_number(view, 13), 3);
    assert_int_equal(uid_set_count(view->vanished), 1);
    imap_view_forget_vanished(view);
    assert_int_equal(imap_view_count(view), 4);
    assert_int_equal(imap_view_number(view, 13), 2);
    assert_int_equal(imap_view_number(view, 12), 0);
    assert_int_equal(uid_set_count(view->vanished), 0);
    uid_set_free(gone);
    imap_view_free(view);
}

static void numbers_are_ranks_in_any_order_of_asking(void **state)
{
    struct imap_view *view = view_of(1, 3000);
    struct uid_set *gone = uid_set_new();

    for (uint32_t uid = 7; uid <= 3000; uid += uid % 100 == 0 ? 1 : 7) {
        uid_set_add(gone, uid);
    }
    imap_view_note_vanished(view, gone);
    imap_view_forget_vanished(view);
    for (uint32_t step = 1; step < 40; step += 3) {
        for (uint32_t i = 0; i < 3000; i++) {
            uint32_t uid = 1 + i * step % 3000;
            bool is_there = uid_set_contains(view->uids, uid);

            assert_int_equal(imap_view_number(view, uid),
                             is_there ? uid_set_rank(view->uids, uid) : 0);
        }
    }
    assert_true(imap_view_add(view, 3001));
    assert_int_equal(imap_view_number(view, 3001), imap_view_count(view));
    uid_set_free(gone);
    imap_view_free(view);
}

static void arrivals_are_added_once_and_claimed_by_range(void **state)
{
    struct imap_view *view = view_of(1, 2);

    assert_true(imap_view_add(view, 3));
    assert_false(imap_view_add(view, 3));
    assert_int_equal(view->uid_next, 4);
    imap_view_claim(view, 2, 4);
    assert_true(imap_view_is_recent(view, 2));
    assert_true(imap_view_is_recent(view, 3));
    assert_int_equal(imap_view_recent_count(view), 2);
    imap_view_claim(view, 4, 4);
    assert_int_equal(imap_view_recent_count(view), 2);
    imap_view_free(view);
}

static void own_writes_leave_no_gap_or_are_looked_into(void **state)
{
    struct imap_view *view = view_of(1, 2);

    imap_view_wrote(view, 100);
    assert_false(view->is_dirty);
    imap_view_wrote(view, 101);
    assert_int_equal(view->modseq, 101);
    assert_false(view->is_dirty);
    imap_view_wrote(view, 103);
    assert_int_equal(view->modseq, 101);
    assert_true(view->is_dirty);
    imap_view_free(view);
}

/* ---- Sections ---- */

static void ranges_are_cut_over_header_and_body(void **state)
{
    struct imap_octets whole = {.exists = true, .header_size = 10, .body_size = 20};
    struct imap_octets octets = whole;

    imap_octets_cut(&octets, 8, 5);
    assert_int_equal(octets.header_from, 8);
    assert_int_equal(octets.header_size, 2);
    assert_int_equal(octets.body_from, 0);
    assert_int_equal(octets.body_size, 3);
    octets = whole;
    imap_octets_cut(&octets, 15, 100);
    assert_int_equal(octets.header_size, 0);
    assert_int_equal(octets.body_from, 5);
    assert_int_equal(octets.body_size, 15);
    octets = whole;
    imap_octets_cut(&octets, 4294967295, 4294967295);
    assert_int_equal(octets.header_size + octets.body_size, 0);
}

/* A delivery may put lines in front of the header after the digest was made. */
static void lines_put_in_front_move_the_header_alone(void **state)
{
    static const char text[] = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
                               "--b\r\n\r\none\r\n--b\r\nX: y\r\n\r\ntwo\r\n--b--\r\n";
    struct arena arena;
    struct digest digest;
    uint32_t part[] = {2};
    struct imap_section section = {.part = part, .part_depth = 1};
    struct imap_section mime = {.part = part, .part_depth = 1, .text = SECTION_MIME};

    arena_init(&arena);
    mime_parse(slice_of(text), &arena, &digest);
    struct message_row row = {.header_size = (uint32_t)digest.header_size + 30,
                              .size_octets = strlen(text) + 30};
    struct imap_octets octets = imap_section_find(&section, &row, &digest);

    assert_slice_equals(
        slice_prefix(slice_skip(slice_of(text), digest.header_size + octets.body_from),
                     octets.body_size),
        "two");
    octets = imap_section_find(&mime, &row, &digest);
    assert_slice_equals(
        slice_prefix(slice_skip(slice_of(text), digest.header_size + octets.body_from),
                     octets.body_size),
        "X: y\r\n\r\n");
    section.part_depth = 0;
    octets = imap_section_find(&section, &row, NULL);
    assert_int_equal(octets.header_size + octets.body_size, row.size_octets);
    arena_done(&arena);
}

/* ---- Structures ---- */

static void check_structure(const char *text, const char *expected)
{
    struct arena arena;
    struct digest digest;
    struct buffer output;

    arena_init(&arena);
    buffer_init(&output, 100000);
    mime_parse(slice_of(text), &arena, &digest);
    imap_render_structure(&output, &digest.root, true);
    assert_slice_equals(buffer_view(&output), expected);
    buffer_done(&output);
    arena_done(&arena);
}

static void structures_keep_the_grammar_whatever_the_message(void **state)
{
    static const struct digest_part empty = {.type = {"multipart", 9}, .subtype = {"mixed", 5}};
    struct buffer output;

    buffer_init(&output, 1000);
    imap_render_structure(&output, &empty, false);
    assert_slice_equals(buffer_view(&output),
                        "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0) \"mixed\")");
    buffer_done(&output);
    check_structure("Content-Type: image/png; name=\"a\\\"b\"\r\nContent-Language: en\r\n\r\n",
                    "(\"image\" \"png\" (\"name\" \"a\\\"b\") NIL NIL \"7bit\" 0 NIL NIL \"en\" "
                    "NIL)");
}

/* ---- Texts to search ---- */

static bool is_found(struct imap_search_text *text, const struct imap_text_range *range,
                     struct slice octets, size_t piece_size, const char *wanted)
{
    bool found = false;

    imap_search_text_begin(text, range);
    for (size_t at = 0; at < octets.size; at += piece_size) {
        struct slice piece = slice_prefix(slice_skip(octets, at), piece_size);
        struct slice folded = imap_search_text_feed(text, piece, at + piece_size >= octets.size);

        found = found || slice_search(folded, slice_of(wanted)) < folded.size;
    }
    return found;
}

static void text_is_found_across_pieces_of_any_size(void **state)
{
    struct imap_text_range encoded = {.encoding = TRANSFER_QUOTED_PRINTABLE,
                                      .charset = {"iso-8859-1", 10}};
    struct imap_text_range plain = {.charset = {"utf-8", 5}};
    struct imap_search_text text;

    imap_search_text_init(&text);
    for (size_t size = 1; size < 40; size++) {
        assert_true(is_found(&text, &encoded, SLICE("many GR=DC=DFE from here=\r\n and there"),
                             size, "gr\xc3\xbcsse from here and"));
        assert_true(is_found(&text, &plain, SLICE("e\xcc\x81t\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac"),
                             size, "\xc3\xa9t\xc3\xa9 \xe6\x97\xa5"));
        assert_false(is_found(&text, &plain, SLICE("one two"), size, "two one"));
    }
    imap_search_text_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcards_differ_at_the_separator),
        cmocka_unit_test(inbox_is_found_in_any_case_and_nothing_else),
        cmocka_unit_test(hostile_patterns_take_linear_time),
        cmocka_unit_test(what_vanished_is_counted_until_it_is_told),
        cmocka_unit_test(numbers_are_ranks_in_any_order_of_asking),
        cmocka_unit_test(arrivals_are_added_once_and_claimed_by_range),
        cmocka_unit_test(own_writes_leave_no_gap_or_are_looked_into),
        cmocka_unit_test(ranges_are_cut_over_header_and_body),
        cmocka_unit_test(lines_put_in_front_move_the_header_alone),
        cmocka_unit_test(structures_keep_the_grammar_whatever_the_message),
        cmocka_unit_test(text_is_found_across_pieces_of_any_size),
    };

    return cmocka_run_group_tests_name("imap_parts", tests, NULL, NULL);
}
