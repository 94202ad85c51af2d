/* One setting's text to its field. */
#include "core/config_value.h"

#include <string.h>

#include "core/check.h"
#include "core/number.h"

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", (uint64_t)1 << 10},
    {"MiB", (uint64_t)1 << 20},
    {"GiB", (uint64_t)1 << 30},
    {"TiB", (uint64_t)1 << 40},
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
};

static enum status scale(struct slice suffix, const struct unit *units, size_t count,
                         uint64_t *number)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equals(suffix, slice_of(units[i].suffix))) {
            return __builtin_mul_overflow(*number, units[i].factor, number) ? STATUS_TOO_LARGE
                                                                            : STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

enum status config_number(enum config_kind kind, struct slice text, uint64_t *out_number)
{
    uint64_t number = 0;
    enum status status = number_take(&text, UINT64_MAX, &number);

    if (status != STATUS_OK) {
        return status;
    }
    if (kind == CONFIG_SIZE) {
        status = scale(text, size_units, COUNT_OF(size_units), &number);
    } else if (kind == CONFIG_DURATION_MS) {
        status = scale(text, duration_units, COUNT_OF(duration_units), &number);
    } else if (text.size > 0) {
        status = STATUS_INVALID;
    }
    if (status == STATUS_OK) {
        *out_number = number;
    }
    return status;
}

static enum status set_number(const struct config_setting *setting, struct slice text,
                              uint64_t *field, struct buffer *out_fault)
{
    static const char *const examples[] = {
        [CONFIG_COUNT] = "a number such as 100",
        [CONFIG_SIZE] = "a size such as 64KiB",
        [CONFIG_DURATION_MS] = "a time such as 10m",
    };
    uint64_t number = 0;
    uint64_t least = 0;
    uint64_t most = UINT64_MAX;

    CHECK(setting->least == NULL ||
          config_number(setting->kind, slice_of(setting->least), &least) == STATUS_OK);
    CHECK(setting->most == NULL ||
          config_number(setting->kind, slice_of(setting->most), &most) == STATUS_OK);
    enum status status = config_number(setting->kind, text, &number);

    if (status == STATUS_INVALID) {
        buffer_printf(out_fault, "%s wants %s", setting->name, examples[setting->kind]);
        return STATUS_INVALID;
    }
    if (status != STATUS_OK || number < least || number > most) {
        buffer_printf(out_fault, "%s must be at least %s", setting->name,
                      setting->least != NULL ? setting->least : "0");
        if (setting->most != NULL) {
            buffer_printf(out_fault, " and at most %s", setting->most);
        }
        return STATUS_INVALID;
    }
    *field = number;
    return STATUS_OK;
}

static enum status set_flag(const struct config_setting *setting, struct slice text, bool *field,
                            struct buffer *out_fault)
{
    if (slice_is(text, "yes") || slice_is(text, "true")) {
        *field = true;
        return STATUS_OK;
    }
    if (slice_is(text, "no") || slice_is(text, "false")) {
        *field = false;
        return STATUS_OK;
    }
    buffer_printf(out_fault, "%s wants yes or no", setting->name);
    return STATUS_INVALID;
}

static enum status set_choice(const struct config_setting *setting, struct slice text,
                              uint64_t *field, struct buffer *out_fault)
{
    for (uint64_t i = 0; setting->choices[i] != NULL; i++) {
        if (slice_is(text, setting->choices[i])) {
            *field = i;
            return STATUS_OK;
        }
    }
    buffer_printf(out_fault, "%s wants one of", setting->name);
    for (size_t i = 0; setting->choices[i] != NULL; i++) {
        buffer_printf(out_fault, "%s %s", i > 0 ? "," : "", setting->choices[i]);
    }
    return STATUS_INVALID;
}

static enum status set_list(const struct config_setting *setting, struct slice text,
                            struct arena *arena, struct config_list *field,
                            struct buffer *out_fault)
{
    struct slice *texts = arena_array(arena, CONFIG_LIST_COUNT_MAX, sizeof(*texts));
    size_t count = 0;

    while (text.size > 0) {
        struct slice item = slice_trim(slice_cut(&text, ','));

        if (item.size == 0) {
            continue;
        }
        if (count == CONFIG_LIST_COUNT_MAX) {
            buffer_printf(out_fault, "%s has more than %d items", setting->name,
                          CONFIG_LIST_COUNT_MAX);
            return STATUS_INVALID;
        }
        texts[count++] = arena_copy(arena, item);
    }
    *field = (struct config_list){texts, count};
    return STATUS_OK;
}

enum status config_set(const struct config_setting *setting, struct slice text, struct arena *arena,
                       void *config, struct buffer *out_fault)
{
    void *field = (char *)config + setting->offset;

    switch (setting->kind) {
    case CONFIG_TEXT:
        *(struct slice *)field = arena_copy(arena, text);
        return STATUS_OK;
    case CONFIG_LIST:
        return set_list(setting, text, arena, field, out_fault);
    case CONFIG_FLAG:
        return set_flag(setting, text, field, out_fault);
    case CONFIG_CHOICE:
        return set_choice(setting, text, field, out_fault);
    default:
        return set_number(setting, text, field, out_fault);
    }
}
