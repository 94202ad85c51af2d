/* Messages parsed into their digests: structure, offsets, traps, and what hostile ones cost. */
#include <stdio.h>

#include "mail/mime.h"
#include "tests/unit/unit.h"

static struct arena arena;

static int set_up(void **state)
{
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    arena_done(&arena);
    return 0;
}

/* What comes back from the stored octets is what was parsed. */
static struct digest parse(struct slice message)
{
    struct digest parsed;
    struct digest decoded;
    struct buffer octets;
    struct buffer again;

    mime_parse(message, &arena, &parsed);
    buffer_init(&octets, DIGEST_SIZE_MAX);
    buffer_init(&again, DIGEST_SIZE_MAX);
    assert_int_equal(digest_encode(&parsed, &octets), STATUS_OK);
    struct slice kept = arena_copy(&arena, buffer_view(&octets));

    assert_int_equal(digest_decode(kept, &arena, &decoded), STATUS_OK);
    assert_int_equal(digest_encode(&decoded, &again), STATUS_OK);
    assert_true(slice_equals(buffer_view(&octets), buffer_view(&again)));
    buffer_done(&octets);
    buffer_done(&again);
    return decoded;
}

/* The tree as text: type/subtype[body](children). */
static void print_tree(struct slice message, const struct digest_part *part, struct buffer *output)
{
    buffer_append(output, part->type);
    buffer_append_octet(output, '/');
    buffer_append(output, part->subtype);
    if (part->child_count == 0) {
        buffer_printf(output, "[%.*s]", (int)part->body_size, message.data + part->body_offset);
    }
    for (size_t i = 0; i < part->child_count; i++) {
        buffer_append_octet(output, i == 0 ? '(' : ' ');
        print_tree(message, &part->children[i], output);
    }
    if (part->child_count > 0) {
        buffer_append_octet(output, ')');
    }
}

static void assert_tree(const char *text, const char *expected)
{
    struct slice message = slice_of(text);
    struct digest digest = parse(message);
    struct buffer tree;

    buffer_init(&tree, 100000);
    print_tree(message, &digest.root, &tree);
    assert_slice_equals(buffer_view(&tree), expected);
    buffer_done(&tree);
}

#define MIXED(boundary) "Content-Type: multipart/mixed; boundary=" boundary "\r\n\r\n"

static void parts_are_found(void **state)
{
    static const struct {
        const char *message;
        const char *tree;
    } cases[] = {
        {"Subject: x\r\n\r\nbody\r\n", "text/plain[body\r\n]"},
        {"Subject: x\r\n", "text/plain[]"},
        {"", "text/plain[]"},
        {"Content-Type: nonsense\r\n\r\nb", "text/plain[b]"},
        {"Content-Type: TEXT/Html (a; b) ; charset=\"x\\\"y\"\r\n\r\nb", "TEXT/Html[b]"},
        {MIXED("b") "pre\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: "
                    "image/png\r\n\r\ntwo\r\n--b--\r\nepi",
         "multipart/mixed(text/plain[one] image/png[two])"},
        {MIXED("b") "--b\r\n\r\none", "multipart/mixed(text/plain[one])"},
        {MIXED("b") "--b\r\nX: y\r\n--b--", "multipart/mixed(text/plain[])"},
        {MIXED("b") "--b\r\n--b\r\n--b--", "multipart/mixed(text/plain[] text/plain[])"},
        {MIXED("b") "--b--", "text/plain[--b--]"},
        {MIXED("b") "no parts", "text/plain[no parts]"},
        {MIXED("\"\"") "--\r\n\r\nx", "text/plain[--\r\n\r\nx]"},
        {MIXED("b") "--b \t\r\n\r\none\r\n--bc\r\n--b--\r\n",
         "multipart/mixed(text/plain[one\r\n--bc])"},
        {MIXED("b") "--b\r\n\r\none\r\n\r\n--b--", "multipart/mixed(text/plain[one\r\n])"},
        {MIXED("b") "--b\n\none\n--b--\n", "multipart/mixed(text/plain[one])"},
        /* The outer boundary ends the inner multipart, whose own end is missing. */
        {MIXED("o") "--o\r\n" MIXED("i") "--i\r\n\r\none\r\n--o\r\n\r\ntwo\r\n--o--",
         "multipart/mixed(multipart/mixed(text/plain[one]) text/plain[two])"},
        /* One boundary is a prefix of the other. */
        {MIXED("b") "--b\r\n" MIXED("bb") "--bb\r\n\r\none\r\n--bb--\r\n--b\r\n\r\ntwo\r\n--b--",
         "multipart/mixed(multipart/mixed(text/plain[one]) text/plain[two])"},
        {"Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: "
         "in\r\n\r\nx\r\n--d--",
         "multipart/digest(message/rfc822(text/plain[x]))"},
        {"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx",
         "message/rfc822(text/plain[x])"},
        {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3Vi",
         "message/rfc822[U3Vi]"},
        {MIXED("b") "--b\r\n\r\none\r\n--b--\r\n--b\r\n\r\nlate\r\n--b--",
         "multipart/mixed(text/plain[one])"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_tree(cases[i].message, cases[i].tree);
    }
}

static void sizes_and_lines_are_counted(void **state)
{
    struct slice message =
        SLICE(MIXED("b") "--b\r\n\r\na\r\nb\r\n--b\r\nX: y\r\n\r\nc\r\n\r\n--b--\r\n");
    struct digest digest = parse(message);
    const struct digest_part *parts = digest.root.children;

    assert_int_equal(digest.size, message.size);
    assert_int_equal(digest.root.child_count, 2);
    assert_int_equal(digest.root.body_offset, digest.header_size);
    assert_int_equal(digest.root.body_size, message.size - digest.header_size);
    assert_int_equal(parts[0].body_size, 4);
    assert_int_equal(parts[0].lines, 1);
    assert_int_equal(parts[1].body_size, 3);
    assert_int_equal(parts[1].lines, 1);
    assert_int_equal(parts[1].header_size, 8);
}

static void fields_of_parts_are_read(void **state)
{
    struct digest digest =
        parse(SLICE("Content-Type: application/x-y; name*0=\"a \"; name*1=b;\r\n"
                    "  charset=utf-8 (comment); broken; =; x=\r\n"
                    "Content-ID: <id@x>\r\nContent-Transfer-Encoding: BASE64 (yes)\r\n"
                    "Content-Disposition: attachment; filename=\"r.pdf\"\r\n"
                    "Content-Language: en, de\r\nContent-MD5: Q2hl\r\n"
                    "Content-Location: http://x/\r\nContent-Description:  a\r\n\tb \r\n\r\n"));
    const struct digest_part *part = &digest.root;

    assert_int_equal(part->parameters.count, 4);
    assert_slice_equals(part->parameters.items[0].name, "name*0");
    assert_slice_equals(part->parameters.items[0].value, "a ");
    assert_slice_equals(part->parameters.items[2].value, "utf-8");
    assert_slice_equals(part->parameters.items[3].value, "");
    assert_slice_equals(part->id, "<id@x>");
    assert_slice_equals(part->encoding, "BASE64");
    assert_slice_equals(part->disposition, "attachment");
    assert_slice_equals(part->disposition_parameters.items[0].value, "r.pdf");
    assert_slice_equals(part->language, "en, de");
    assert_slice_equals(part->md5, "Q2hl");
    assert_slice_equals(part->location, "http://x/");
    assert_slice_equals(part->description, "a\tb");
}

/* name|mailbox|host of each, "-" for what is absent. */
static void assert_addresses(const char *value, const char *expected)
{
    struct buffer text;
    struct buffer block;

    buffer_init(&text, 10000);
    buffer_init(&block, 10000);
    buffer_printf(&block, "From: %s\r\n\r\n", value);
    struct digest digest = parse(arena_copy(&arena, buffer_view(&block)));

    for (size_t i = 0; i < digest.envelope.from.count; i++) {
        const struct digest_address *address = &digest.envelope.from.items[i];
        struct slice fields[] = {address->name, address->mailbox, address->host};

        for (size_t k = 0; k < 3; k++) {
            buffer_append(&text, fields[k].data != NULL ? fields[k] : SLICE("-"));
            buffer_append_octet(&text, k < 2 ? '|' : ';');
        }
    }
    assert_slice_equals(buffer_view(&text), expected);
    buffer_done(&text);
    buffer_done(&block);
}

static void addresses_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *value;
        const char *addresses;
    } cases[] = {
        {"ann@example.org", "-|ann|example.org;"},
        {"Ann B. <ann@example.org>", "Ann B.|ann|example.org;"},
        {"\"Ann, \\\"B\\\"\" <ann@example.org>, bob@x", "Ann, \"B\"|ann|example.org;-|bob|x;"},
        {"ann@example.org (Ann (B))", "Ann (B)|ann|example.org;"},
        {"=?utf-8?q?A?= =?utf-8?q?B?= <a@b>", "=?utf-8?q?A?= =?utf-8?q?B?=|a|b;"},
        {"<@x,@y:a@b>", "-|a|b;"},
        {"Team: a@b, C <c@d>;, e@f", "-|Team|-;-|a|b;C|c|d;-|-|-;-|e|f;"},
        {"undisclosed-recipients:;", "-|undisclosed-recipients|-;-|-|-;"},
        {"\"a b\"@c", "-|a b|c;"},
        {"a . b @ c . d", "-|a.b|c.d;"},
        {"nobody", "-|nobody|;"},
        {"A <>", "A||;"},
        {";", ""},
        {"a:;", "-|a|-;-|-|-;"},
        {",,, ,", ""},
        {"", ""},
        {"a@[IPv6:::1]", "-|a|[IPv6:::1];"},
        {"\"unbalanced <a@b>", "-|unbalanced <a@b>|;"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_addresses(cases[i].value, cases[i].addresses);
    }
}

static void the_envelope_is_raw_text(void **state)
{
    struct digest digest = parse(SLICE(
        "Date: Mon, 1 Jan 2026 00:00:00 +0000\r\nSubject: =?utf-8?q?=C3=A4?=\r\n more\r\n"
        "Message-ID: <1@x>\r\nIn-Reply-To: <0@x>\r\nReferences: <a@x> junk <b@x>\r\n <<c@x>\r\n"
        "Subject: second\r\n\r\n"));

    assert_slice_equals(digest.envelope.subject, "=?utf-8?q?=C3=A4?= more");
    assert_slice_equals(digest.envelope.message_id, "<1@x>");
    assert_int_equal(digest.envelope.from.count, 0);
    assert_int_equal(digest.reference_count, 2);
    assert_slice_equals(digest.references[0], "a@x");
    assert_slice_equals(digest.references[1], "b@x");
    assert_slice_equals(digest.base_subject, "\xc3\xa4 more");
    assert_slice_equals(digest.preview, "");
}

static void subjects_have_a_base(void **state)
{
    static const struct {
        const char *subject;
        const char *base;
    } cases[] = {
        {"Re: Hello", "hello"},        {"RE:  re[2]: [list] FWD: Hello (fwd)", "hello"},
        {"[Fwd: Re: Hello]", "hello"}, {"[list] Hello", "hello"},
        {"[list]", "[list]"},          {"Re:", ""},
        {"Re :Hello", "hello"},        {"regards", "regards"},
        {"Fw: a  \t b", "a b"},        {"[a [b] c", "[a [b] c"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer message;

        buffer_init(&message, 1000);
        buffer_printf(&message, "Subject: %s\r\n\r\n", cases[i].subject);
        assert_slice_equals(parse(arena_copy(&arena, buffer_view(&message))).base_subject,
                            cases[i].base);
        buffer_done(&message);
    }
}

static void a_long_subject_is_cut_at_a_character(void **state)
{
    struct buffer message;

    buffer_init(&message, 10000);
    buffer_append(&message, SLICE("Subject: x"));
    for (size_t i = 0; i < 1000; i++) {
        buffer_append(&message, SLICE("\xc3\xa4"));
    }
    struct slice base = parse(buffer_view(&message)).base_subject;

    assert_int_equal(base.size, DIGEST_PREVIEW_SIZE_MAX - 1);
    buffer_done(&message);
}

static void the_preview_is_what_is_read_first(void **state)
{
    static const struct {
        const char *message;
        const char *preview;
    } cases[] = {
        {"\r\n Hello \r\n\r\n\tworld\x01!", "Hello world !"},
        {"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: "
         "quoted-printable\r\n\r\n=E4=F6",
         "\xc3\xa4\xc3\xb6"},
        {"Content-Type: text/html\r\n\r\n<html><style>p{}</style><p class='x'>A&amp;B<br>c&nbsp;d"
         "<!-- no --><script>alert(1)</script>&unknown;<",
         "A&B c d &unknown;"},
        {MIXED("b") "--b\r\nContent-Disposition: attachment\r\n\r\nno\r\n--b\r\n\r\nyes\r\n--b--",
         "yes"},
        {"Content-Type: image/png\r\n\r\nxyz", ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_slice_equals(parse(slice_of(cases[i].message)).preview, cases[i].preview);
    }
}

/* Each of these, a hundred thousand times or more, must neither take long nor much memory. */
static void hostile_messages_are_bounded(void **state)
{
    static const struct {
        const char *start;
        const char *piece;
        size_t count;
        const char *end;
    } cases[] = {
        {"", "To: a@b\r\n", 500000, "\r\n"},
        {"To: ", "a@b,\r\n ", 500000, "\r\n\r\n"},
        {"From: ", "(", 100000, "\r\n\r\n"},
        {"From: ", "\"", 100001, "\r\n\r\n"},
        {"From: ", "<", 100000, "\r\n\r\n"},
        {"From: ", "a:", 100000, "\r\n\r\n"},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n\r\n\r\n", 1000000, "--b--"},
        {"", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", 100000, ""},
        {"", "Content-Type: message/rfc822\r\n\r\n", 100000, ""},
        {"", "Content-Type: text/plain\r\n", 100000, "\r\n"},
        {"Content-Type: text/plain", "; name*0=x", 100000, "\r\n\r\n"},
        {"Content-Type: text/plain; x=", "\"\\", 100000, "\r\n\r\n"},
        {"Content-Type: text/html\r\n\r\n", "<div>", 200000, ""},
        {"Content-Type: text/html\r\n\r\n", "<!--", 200000, ""},
        {"Content-Type: text/html\r\n\r\n", "&amp", 200000, ""},
        {"Subject: ", "re:", 100000, "\r\n\r\n"},
        {"Subject: ", "[a]", 100000, "\r\n\r\n"},
        {"Subject: ", "[", 100000, "\r\n\r\n"},
        {"Subject: ", "=?utf-8?q?a?= ", 100000, "\r\n\r\n"},
        {"References: ", "<a@b> ", 100000, "\r\n\r\n"},
        {"References: ", "<", 100000, "\r\n\r\n"},
        {"X: y", "\r\n ", 1000000, "\r\n\r\n"},
        {"", "no colon\r\n", 500000, "\r\n"},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--", 1000000, ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer message;

        buffer_init(&message, 64 * 1024 * 1024);
        buffer_append(&message, slice_of(cases[i].start));
        for (size_t k = 0; k < cases[i].count; k++) {
            buffer_append(&message, slice_of(cases[i].piece));
        }
        buffer_append(&message, slice_of(cases[i].end));
        arena_clear(&arena);
        struct digest digest = parse(buffer_view(&message));

        assert_int_equal(digest.size, message.size);
        assert_true(arena.allocated < 16 * 1024 * 1024);
        buffer_done(&message);
    }
}

static void broken_digests_are_refused(void **state)
{
    struct digest digest;
    struct digest decoded;
    struct buffer octets;

    mime_parse(SLICE(MIXED("b") "--b\r\nFrom: a@b\r\n\r\nx\r\n--b--"), &arena, &digest);
    buffer_init(&octets, DIGEST_SIZE_MAX);
    assert_int_equal(digest_encode(&digest, &octets), STATUS_OK);
    for (size_t size = 0; size < octets.size; size++) {
        assert_int_equal(digest_decode((struct slice){octets.data, size}, &arena, &decoded),
                         STATUS_INVALID);
    }
    for (size_t i = 0; i < octets.size; i++) {
        octets.data[i] ^= (char)0xff;
        (void)!digest_decode(buffer_view(&octets), &arena, &decoded);
        octets.data[i] ^= (char)0xff;
    }
    octets.data[0] = 2;
    assert_int_equal(digest_decode(buffer_view(&octets), &arena, &decoded), STATUS_UNSUPPORTED);
    buffer_done(&octets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parts_are_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sizes_and_lines_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fields_of_parts_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(addresses_are_read_as_people_write_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_envelope_is_raw_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(subjects_have_a_base, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_subject_is_cut_at_a_character, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_preview_is_what_is_read_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_messages_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_digests_are_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("mime", tests, NULL, NULL);
}
