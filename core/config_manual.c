/* What operators read: the table of settings as help and as a sample file. */
#include <string.h>

#include "core/config.h"

static void print_limits(const struct config_setting *setting, const char *before,
                         struct buffer *output)
{
    if (setting->kind == CONFIG_CHOICE) {
        buffer_printf(output, "%sone of", before);
        for (size_t i = 0; setting->choices[i] != NULL; i++) {
            buffer_printf(output, "%s %s", i > 0 ? "," : "", setting->choices[i]);
        }
        buffer_printf(output, "\n");
    } else if (setting->least != NULL && setting->most != NULL) {
        buffer_printf(output, "%sfrom %s to %s\n", before, setting->least, setting->most);
    } else if (setting->least != NULL || setting->most != NULL) {
        buffer_printf(output, "%sat %s %s\n", before, setting->least != NULL ? "least" : "most",
                      setting->least != NULL ? setting->least : setting->most);
    }
}

void config_help(const struct config_setting *settings, size_t setting_count, struct buffer *output)
{
    for (size_t i = 0; i < setting_count; i++) {
        const char *otherwise = settings[i].otherwise;

        buffer_printf(output, "  %s: %s\n      %s\n", settings[i].name,
                      otherwise == NULL      ? "(required)"
                      : otherwise[0] == '\0' ? "(empty)"
                                             : otherwise,
                      settings[i].meaning);
        print_limits(&settings[i], "      ", output);
    }
}

static void indent(struct buffer *output, size_t levels)
{
    for (size_t i = 0; i < levels; i++) {
        buffer_append(output, SLICE("  "));
    }
}

/* Opens the mappings of `name` that those of `before` did not open already; returns its level. */
static size_t open_mappings(const char *before, const char *name, struct buffer *output)
{
    size_t level = 0;
    size_t shared = 0;

    for (size_t i = 0; before[i] != '\0' && before[i] == name[i]; i++) {
        shared = before[i] == '.' ? i + 1 : shared;
    }
    for (const char *dot = name; (dot = strchr(dot, '.')) != NULL; dot++) {
        size_t end = (size_t)(dot - name);
        size_t start = end;

        while (start > 0 && name[start - 1] != '.') {
            start--;
        }
        if (end + 1 > shared) {
            indent(output, level);
            buffer_printf(output, "%.*s:\n", (int)(end - start), name + start);
        }
        level++;
    }
    return level;
}

static void print_value(const struct config_setting *setting, struct buffer *output)
{
    struct slice rest = slice_of(setting->otherwise != NULL ? setting->otherwise : "");

    if (setting->kind == CONFIG_TEXT) {
        buffer_printf(output, " \"%.*s\"\n", (int)rest.size, rest.data);
    } else if (setting->kind == CONFIG_LIST) {
        buffer_printf(output, " [");
        for (size_t i = 0; rest.size > 0; i++) {
            struct slice item = slice_trim(slice_cut(&rest, ','));

            buffer_printf(output, "%s\"%.*s\"", i > 0 ? ", " : "", (int)item.size, item.data);
        }
        buffer_printf(output, "]\n");
    } else {
        buffer_printf(output, " %.*s\n", (int)rest.size, rest.data);
    }
}

void config_sample(const struct config_setting *settings, size_t setting_count,
                   struct buffer *output)
{
    const char *before = "";

    for (size_t i = 0; i < setting_count; i++) {
        const char *last_dot = strrchr(settings[i].name, '.');
        const char *leaf = last_dot != NULL ? last_dot + 1 : settings[i].name;
        size_t level = open_mappings(before, settings[i].name, output);

        indent(output, level);
        buffer_printf(output, "# %s\n", settings[i].meaning);
        struct buffer limits;

        buffer_init(&limits, 1024);
        print_limits(&settings[i], "# ", &limits);
        if (limits.size > 0) {
            indent(output, level);
            buffer_append(output, buffer_view(&limits));
        }
        buffer_done(&limits);
        indent(output, level);
        buffer_printf(output, "%s%s:", settings[i].otherwise == NULL ? "# " : "", leaf);
        print_value(&settings[i], output);
        before = settings[i].name;
    }
}
