/* A configuration file: filled within its limits, or refused with a sentence. */
#include "core/check.h"
#include "core/config.h"
#include "tests/fuzz/fuzz.h"

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
    ROW("host", CONFIG_TEXT, host, "localhost", .meaning = "Name."),
    ROW("smtp.listen", CONFIG_LIST, listen, "*:25", .meaning = "Addresses."),
    ROW("smtp.enabled", CONFIG_FLAG, enabled, "yes", .meaning = "Whether."),
    ROW("smtp.limits.recipients", CONFIG_COUNT, count, "100", "1", "1000", .meaning = "Most."),
    ROW("smtp.limits.size", CONFIG_SIZE, size, "25MiB", "1KiB", "1GiB", .meaning = "Largest."),
    ROW("imap.timeout", CONFIG_DURATION_MS, timeout_ms, "30m", "1m", "1d", .meaning = "Idle."),
    ROW("log.format", CONFIG_CHOICE, format, "logfmt", .choices = formats, .meaning = "Form."),
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice yaml = {(const char *)data, size};
    struct sample sample = {0};
    struct arena arena;
    struct buffer fault;

    arena_init(&arena);
    buffer_init(&fault, 1024 * 1024);
    enum status status =
        config_read(settings, COUNT_OF(settings), yaml, NULL, &arena, &sample, &fault);

    CHECK((status == STATUS_OK) == (fault.size == 0));
    if (status == STATUS_OK) {
        CHECK(size <= CONFIG_FILE_SIZE_MAX && sample.listen.count <= CONFIG_LIST_COUNT_MAX);
        CHECK(sample.count >= 1 && sample.count <= 1000 && sample.format < 2);
        CHECK(sample.size >= 1024 && sample.size <= 1024 * 1024 * 1024);
        CHECK(sample.timeout_ms >= 60 * 1000 && sample.timeout_ms <= 24 * 3600 * 1000);
    }
    buffer_done(&fault);
    arena_done(&arena);
    return 0;
}
