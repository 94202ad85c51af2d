/* Parameters as RFC 2231 means them, and what hostile ones become. */
#include "mail/charset.h"
#include "mail/header_write.h"
#include "mail/mime.h"
#include "mail/parameter.h"
#include "tests/unit/unit.h"

enum { OUTPUT_SIZE_MAX = 2 * CHARSET_GROWTH * PARAMETER_SIZE_MAX };

static struct arena arena;
static struct buffer output;

static int set_up(void **state)
{
    arena_init(&arena);
    buffer_init(&output, OUTPUT_SIZE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    buffer_done(&output);
    arena_done(&arena);
    return 0;
}

static struct digest_part parse(const char *fields)
{
    struct digest digest;

    mime_parse(slice_of(fields), &arena, &digest);
    return digest.root;
}

static void sections_are_joined_and_decoded(void **state)
{
    static const struct {
        const char *parameters;
        const char *value; /* NULL: none */
    } cases[] = {
        {"name=a.txt", "a.txt"},
        {"NAME=\"a b\"", "a b"},
        {"name=\"\"", ""},
        {"other=x", NULL},
        {"namex=x", NULL},
        /* RFC 2231 §3, §4, §4.1 */
        {"name*0=\"ftp://\"; name*1=\"cs.utk.edu\"", "ftp://cs.utk.edu"},
        {"name*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "This is ***fun***"},
        {"name*0*=us-ascii'en'This%20is%20even%20more%20; name*1*=%2A%2A%2Afun%2A%2A%2A%20; "
         "name*2=\"isn't it!\"",
         "This is even more ***fun*** isn't it!"},
        {"name*1=b; name*0=a", "ab"},
        {"name*0=a; name*2=c", "a"},
        {"name*1=b", NULL},
        {"name=plain; name*=utf-8''%C3%A4", "\xc3\xa4"},
        {"name*=utf-8''%C3%A4; name=plain", "\xc3\xa4"},
        {"name=one; name=two", "one"},
        {"name*0=a; name*0=b", "a"},
        {"name=whole; name*0=section", "section"},
        {"name*0*=utf-8''%C3; name*1*=%A4", "\xc3\xa4"},
        {"name*=iso-8859-1''%E4", "\xc3\xa4"},
        {"name*=x-none''%C3%A4", "\xc3\xa4"},
        {"name*=''a", "a"},
        {"name*=a'b", "a'b"},
        {"name*=utf-8''%FF%4", "\xef\xbf\xbd%4"},
        {"name*=%zz", "%zz"},
        {"name*00=a", NULL},
        {"name*99999999999999999999=a; name*x=b; name**=c", NULL},
        {"name=\"=?utf-8?B?w6Q=?=\"", "\xc3\xa4"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char fields[300];

        snprintf(fields, sizeof(fields), "Content-Type: a/b; %s\r\n\r\n", cases[i].parameters);
        struct digest_part part = parse(fields);
        enum status status = parameter_value(&part.parameters, "name", &output);

        assert_int_equal(status, cases[i].value != NULL ? STATUS_OK : STATUS_NOT_FOUND);
        assert_slice_equals(buffer_view(&output), cases[i].value != NULL ? cases[i].value : "");
        buffer_clear(&output);
    }
}

static void a_file_name_has_no_path(void **state)
{
    static const struct {
        const char *fields;
        const char *name;
    } cases[] = {
        {"Content-Disposition: attachment; filename=a\r\nContent-Type: a/b; name=b\r\n\r\n", "a"},
        {"Content-Disposition: attachment\r\nContent-Type: a/b; name=b\r\n\r\n", "b"},
        {"Content-Disposition: attachment; filename=\"../../etc/passwd\"\r\n\r\n", "passwd"},
        {"Content-Disposition: attachment; filename=\"C:\\\\x\\\\y\"\r\n\r\n", "y"},
        {"Content-Disposition: attachment; filename*=utf-8''a%0D%0ASet-Cookie\r\n\r\n",
         "a  Set-Cookie"},
        {"Content-Disposition: attachment; filename*=utf-8''%2E%2E%2Fx\r\n\r\n", "x"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct digest_part part = parse(cases[i].fields);

        assert_int_equal(parameter_file_name(&part, &output), STATUS_OK);
        assert_slice_equals(buffer_view(&output), cases[i].name);
        buffer_clear(&output);
    }
}

static void a_name_that_is_written_is_read(void **state)
{
    static const char *const names[] = {"a.pdf", "a \"b\"\\.txt",
                                        "Gr\xc3\xbc\xc3\x9f"
                                        "e",
                                        "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c"
                                        "\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
                                        "x';*%()<>@,:"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct buffer field;
        struct digest digest;

        buffer_init(&field, 10000);
        assert_int_equal(header_write_parameter("Content-Disposition", SLICE("attachment"),
                                                "filename", slice_of(names[i]), &field),
                         STATUS_OK);
        mime_parse(buffer_view(&field), &arena, &digest);
        assert_int_equal(parameter_value(&digest.root.disposition_parameters, "filename", &output),
                         STATUS_OK);
        assert_slice_equals(buffer_view(&output), names[i]);
        buffer_clear(&output);
        buffer_done(&field);
    }
}

/* A million sections: what is over the limits is left out. */
static void a_million_sections_are_bounded(void **state)
{
    struct digest digest;
    struct buffer field;

    buffer_init(&field, 1 << 26);
    buffer_append(&field, SLICE("Content-Type: a/b"));
    for (unsigned i = 0; i < 1000000; i++) {
        buffer_printf(&field, ";\r\n name*%u=x", i);
    }
    mime_parse(buffer_view(&field), &arena, &digest);
    assert_true(arena.allocated < 1 << 20);
    assert_int_equal(digest.root.parameters.count, DIGEST_PARAMETERS_MAX);
    assert_int_equal(parameter_value(&digest.root.parameters, "name", &output), STATUS_OK);
    assert_int_equal(output.size, DIGEST_PARAMETERS_MAX);
    buffer_done(&field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sections_are_joined_and_decoded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_name_has_no_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_million_sections_are_bounded, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("parameter", tests, NULL, NULL);
}
