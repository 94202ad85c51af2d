/* What an operator writes, and what is answered when it is wrong. */
#include "core/config.h"
#include "tests/unit/unit.h"

struct sample {
    struct slice host;
    struct config_list listen;
    bool enabled;
    uint64_t count;
    uint64_t size;
    uint64_t timeout_ms;
    uint64_t format;
};

static const char *const formats[] = {"json", "logfmt", NULL};

#define ROW(name, kind, field, ...)                                                                \
    {                                                                                              \
        name, kind, offsetof(struct sample, field), __VA_ARGS__                                    \
    }

static const struct config_setting settings[] = {
    ROW("host", CONFIG_TEXT, host, NULL, .meaning = "The name of this host."),
    ROW("smtp.listen", CONFIG_LIST, listen, "0.0.0.0:25, [::]:25", .meaning = "Addresses."),
    ROW("smtp.enabled", CONFIG_FLAG, enabled, "yes", .meaning = "Whether."),
    ROW("smtp.limits.recipients", CONFIG_COUNT, count, "100", "1", "1000", .meaning = "Most."),
    ROW("smtp.limits.message_size", CONFIG_SIZE, size, "25MiB", .meaning = "Largest."),
    ROW("imap.timeout", CONFIG_DURATION_MS, timeout_ms, "30m", "1m", NULL, .meaning = "Idle."),
    ROW("log.format", CONFIG_CHOICE, format, "logfmt", .choices = formats, .meaning = "Form."),
};

static enum status read(const char *yaml, char *const *environment, struct sample *out_sample,
                        const char *expected_fault)
{
    struct arena arena;
    struct buffer fault;

    arena_init(&arena);
    buffer_init(&fault, 4096);
    enum status status = config_read(settings, COUNT_OF(settings), slice_of(yaml), environment,
                                     &arena, out_sample, &fault);

    assert_slice_equals(buffer_view(&fault), expected_fault);
    if (status == STATUS_OK && out_sample->host.size > 0) {
        assert_slice_equals(out_sample->host, "mx.example.org");
    }
    if (status == STATUS_OK && out_sample->listen.count == 2) {
        assert_slice_equals(out_sample->listen.texts[1], "[::]:25");
    }
    buffer_done(&fault);
    arena_done(&arena);
    return status;
}

static void a_file_fills_the_table(void **state)
{
    struct sample sample = {0};

    assert_int_equal(read("host: mx.example.org\n"
                          "smtp:\n"
                          "  listen: [127.0.0.1:2525]\n"
                          "  enabled: no\n"
                          "  limits: {recipients: 50, message_size: 1GiB}\n"
                          "imap: {timeout: 90s}\n"
                          "log:\n"
                          "  format: json\n",
                          NULL, &sample, ""),
                     STATUS_OK);
    assert_int_equal(sample.listen.count, 1);
    assert_false(sample.enabled);
    assert_int_equal(sample.count, 50);
    assert_int_equal(sample.size, (uint64_t)1 << 30);
    assert_int_equal(sample.timeout_ms, 90000);
    assert_int_equal(sample.format, 0);
}

static void defaults_stand_in(void **state)
{
    struct sample sample = {0};

    assert_int_equal(read("host: mx.example.org", NULL, &sample, ""), STATUS_OK);
    assert_int_equal(sample.listen.count, 2);
    assert_true(sample.enabled);
    assert_int_equal(sample.size, 25 << 20);
    assert_int_equal(sample.timeout_ms, 30 * 60 * 1000);
    assert_int_equal(sample.format, 1);
}

static void the_environment_comes_last(void **state)
{
    char *const environment[] = {(char[]){"AVISO_HOST=mx.example.org"},
                                 (char[]){"AVISO_SMTP_LIMITS_RECIPIENTS=7"}, (char[]){"PATH=/bin"},
                                 NULL};
    struct sample sample = {0};

    assert_int_equal(read("smtp: {limits: {recipients: 50}}", environment, &sample, ""), STATUS_OK);
    assert_int_equal(sample.count, 7);
}

static void the_environment_alone_is_enough(void **state)
{
    char *const environment[] = {(char[]){"AVISO_HOST=mx.example.org"}, NULL};
    struct sample sample = {0};
    struct arena arena;
    struct buffer fault;

    arena_init(&arena);
    buffer_init(&fault, 4096);
    assert_int_equal(config_read(settings, COUNT_OF(settings), (struct slice){NULL, 0}, environment,
                                 &arena, &sample, &fault),
                     STATUS_OK);
    assert_slice_equals(sample.host, "mx.example.org");
    buffer_done(&fault);
    arena_done(&arena);
}

static void faults_name_their_line_and_a_cure(void **state)
{
    static const struct {
        const char *yaml;
        const char *fault;
    } cases[] = {
        {"host: a\nsmpt: {listen: x}",
         "line 2: there is no setting smpt.listen; did you mean smtp.listen?"},
        {"host: a\nsmtp:\n  limits:\n    recipents: 1\n",
         "line 4: there is no setting smtp.limits.recipents; did you mean smtp.limits.recipients?"},
        {"nonsense: 1", "line 1: there is no setting nonsense"},
        {"smtp: {limits: {recipients: 1001}}",
         "line 1: smtp.limits.recipients must be at least 1 and at most 1000"},
        {"smtp: {limits: {recipients: many}}",
         "line 1: smtp.limits.recipients wants a number such as 100"},
        {"smtp: {limits: {message_size: 25MB}}",
         "line 1: smtp.limits.message_size wants a size such as 64KiB"},
        {"smtp: {limits: {message_size: 99999999999TiB}}",
         "line 1: smtp.limits.message_size must be at least 0"},
        {"imap: {timeout: 10}", "line 1: imap.timeout wants a time such as 10m"},
        {"imap: {timeout: 10s}", "line 1: imap.timeout must be at least 1m"},
        {"smtp: {enabled: maybe}", "line 1: smtp.enabled wants yes or no"},
        {"log: {format: xml}", "line 1: log.format wants one of json, logfmt"},
        {"smtp: {listen: {a: b}}", "line 1: there is no setting smtp.listen.a; "
                                   "did you mean smtp.listen?"},
        {"smtp: {listen: [[a]]}", "line 1: a list has plain values only"},
        {"- a", "line 1: settings are names with values"},
        {"host: &a b\nsmtp: *a", "line 2: anchors and aliases are not used here"},
        {"a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: 1}}}}}}}}}}", "line 1: nested too deeply"},
        {"imap: {timeout: 2m}", "host is missing: The name of this host."},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sample sample = {0};

        assert_int_equal(read(cases[i].yaml, NULL, &sample, cases[i].fault), STATUS_INVALID);
    }
}

static void the_sample_reads_back(void **state)
{
    struct buffer text;
    struct sample sample = {0};

    buffer_init(&text, 64 * 1024);
    config_sample(settings, COUNT_OF(settings), &text);
    assert_true(slice_search(buffer_view(&text), SLICE("    # Most.\n    # from 1 to 1000\n"
                                                       "    recipients: 100\n")) < text.size);
    buffer_printf(&text, "host: mx.example.org\n");
    buffer_append_octet(&text, '\0');
    assert_int_equal(read(text.data, NULL, &sample, ""), STATUS_OK);
    assert_int_equal(sample.count, 100);
    buffer_clear(&text);
    config_help(settings, COUNT_OF(settings), &text);
    assert_true(slice_search(buffer_view(&text), SLICE("  host: (required)\n")) < text.size);
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_fills_the_table),
        cmocka_unit_test(defaults_stand_in),
        cmocka_unit_test(the_environment_comes_last),
        cmocka_unit_test(the_environment_alone_is_enough),
        cmocka_unit_test(faults_name_their_line_and_a_cure),
        cmocka_unit_test(the_sample_reads_back),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
