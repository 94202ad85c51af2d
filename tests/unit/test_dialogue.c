/* The player of dialogues itself: what it takes for a match. */
#include "tests/unit/dialogue_text.h"
#include "tests/unit/unit.h"

static bool matches(struct dialogue_names *names, const char *pattern, const char *line)
{
    return dialogue_matches(names, slice_of(pattern), slice_of(line));
}

static void plain_lines_match_themselves_alone(void **state)
{
    struct dialogue_names names;

    dialogue_names_init(&names);
    assert_true(matches(&names, "+OK $Forwarded (x)", "+OK $Forwarded (x)"));
    assert_false(matches(&names, "+OK", "+OK "));
    assert_false(matches(&names, "+OK ", "+OK"));
    dialogue_names_done(&names);
}

static void any_takes_what_fits(void **state)
{
    struct dialogue_names names;

    dialogue_names_init(&names);
    assert_true(matches(&names, "* OK [$(any)] $(any)", "* OK [A B] ready"));
    assert_true(matches(&names, "a $(any)", "a "));
    assert_true(matches(&names, "$(any) end", "the end end"));
    assert_false(matches(&names, "* OK [$(any)] ready", "* OK [A B] ready now"));
    dialogue_names_done(&names);
}

static void names_are_kept_and_must_come_again(void **state)
{
    struct dialogue_names names;
    struct buffer text;

    dialogue_names_init(&names);
    buffer_init(&text, 1000);
    assert_false(matches(&names, "[UIDVALIDITY $(validity)]", "[UIDVALIDITY ]"));
    assert_true(matches(&names, "[UIDVALIDITY $(validity)]", "[UIDVALIDITY 77]"));
    assert_true(matches(&names, "$(validity) $(other)", "77 x"));
    assert_false(matches(&names, "$(validity)", "78"));
    assert_true(dialogue_expand(&names, SLICE("<$(validity)$(x4142)$(repeat 3 ab)>"), &text));
    assert_slice_equals(buffer_view(&text), "<77ABababab>");
    assert_false(dialogue_expand(&names, SLICE("$(unknown)"), &text));
    buffer_done(&text);
    dialogue_names_done(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lines_match_themselves_alone),
        cmocka_unit_test(any_takes_what_fits),
        cmocka_unit_test(names_are_kept_and_must_come_again),
    };

    return cmocka_run_group_tests_name("dialogue", tests, NULL, NULL);
}
