#include "core/config.h"

#include <string.h>

#include <yaml.h>

#include "core/check.h"
#include "core/config_value.h"

enum { NAME_SIZE_MAX = 128, DEPTH_MAX = 8, DISTANCE_MAX = 4 };

/* ---- From YAML: the events of libyaml become dotted names and texts. ---- */

struct reading {
    const struct config_setting *settings;
    size_t setting_count;
    struct arena *arena;
    void *config;
    struct buffer *out_fault;
    yaml_parser_t parser;
    struct buffer name;  /* dotted, of the mapping or value being read */
    struct buffer items; /* of a sequence, with commas */
};

static const struct config_setting *find(const struct reading *reading, struct slice name)
{
    for (size_t i = 0; i < reading->setting_count; i++) {
        if (slice_equals(name, slice_of(reading->settings[i].name))) {
            return &reading->settings[i];
        }
    }
    return NULL;
}

/* The edit distance of Levenshtein, for names of up to NAME_SIZE_MAX octets. */
static size_t distance(struct slice one, struct slice other)
{
    size_t row[NAME_SIZE_MAX + 1];

    for (size_t k = 0; k <= other.size; k++) {
        row[k] = k;
    }
    for (size_t i = 0; i < one.size; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t k = 0; k < other.size; k++) {
            size_t replaced = diagonal + (one.data[i] != other.data[k]);
            size_t least = row[k] < row[k + 1] ? row[k] + 1 : row[k + 1] + 1;

            diagonal = row[k + 1];
            row[k + 1] = replaced < least ? replaced : least;
        }
    }
    return row[other.size];
}

static void suggest(const struct reading *reading, struct slice name)
{
    const char *nearest = NULL;
    size_t least = DISTANCE_MAX;

    for (size_t i = 0; i < reading->setting_count && name.size <= NAME_SIZE_MAX; i++) {
        size_t far = distance(name, slice_of(reading->settings[i].name));

        if (far < least) {
            least = far;
            nearest = reading->settings[i].name;
        }
    }
    if (nearest != NULL) {
        buffer_printf(reading->out_fault, "; did you mean %s?", nearest);
    }
}

static enum status fault(struct reading *reading, size_t line, const char *text)
{
    buffer_printf(reading->out_fault, "line %zu: %s", line + 1, text);
    return STATUS_INVALID;
}

static enum status set(struct reading *reading, struct slice text, size_t line)
{
    struct slice name = buffer_view(&reading->name);
    const struct config_setting *setting = find(reading, name);

    buffer_printf(reading->out_fault, "line %zu: ", line + 1);
    if (setting == NULL) {
        buffer_printf(reading->out_fault, "there is no setting %.*s", (int)name.size, name.data);
        suggest(reading, name);
        return STATUS_INVALID;
    }
    enum status status =
        config_set(setting, text, reading->arena, reading->config, reading->out_fault);

    if (status == STATUS_OK) {
        buffer_clear(reading->out_fault);
    }
    return status;
}

static struct slice scalar_of(const yaml_event_t *event)
{
    return (struct slice){(const char *)event->data.scalar.value, event->data.scalar.length};
}

static enum status next_event(struct reading *reading, yaml_event_t *out_event)
{
    if (yaml_parser_parse(&reading->parser, out_event) == 0) {
        return fault(reading, reading->parser.problem_mark.line,
                     reading->parser.problem != NULL ? reading->parser.problem : "not YAML");
    }
    return STATUS_OK;
}

static enum status read_sequence(struct reading *reading, size_t line)
{
    buffer_clear(&reading->items);
    while (true) {
        yaml_event_t event;
        enum status status = next_event(reading, &event);

        if (status != STATUS_OK) {
            return status;
        }
        yaml_event_type_t type = event.type;
        bool fits =
            type == YAML_SCALAR_EVENT && event.data.scalar.length < buffer_room(&reading->items);

        if (fits) {
            buffer_append(&reading->items, scalar_of(&event));
            buffer_append_octet(&reading->items, ',');
        }
        yaml_event_delete(&event);
        if (type == YAML_SEQUENCE_END_EVENT) {
            return set(reading, buffer_view(&reading->items), line);
        }
        if (!fits) {
            return fault(reading, line, "a list has plain values only");
        }
    }
}

static enum status read_mapping(struct reading *reading, unsigned depth);

static enum status read_value(struct reading *reading, unsigned depth)
{
    yaml_event_t event;
    enum status status = next_event(reading, &event);

    if (status != STATUS_OK) {
        return status;
    }
    size_t line = event.start_mark.line;

    switch (event.type) {
    case YAML_SCALAR_EVENT:
        status = set(reading, scalar_of(&event), line);
        break;
    case YAML_SEQUENCE_START_EVENT:
        status = read_sequence(reading, line);
        break;
    case YAML_MAPPING_START_EVENT:
        status = depth < DEPTH_MAX ? read_mapping(reading, depth + 1)
                                   : fault(reading, line, "nested too deeply");
        break;
    default:
        status = fault(reading, line, "anchors and aliases are not used here");
    }
    yaml_event_delete(&event);
    return status;
}

static enum status read_mapping(struct reading *reading, unsigned depth)
{
    size_t prefix_size = reading->name.size;

    while (true) {
        yaml_event_t event;
        enum status status = next_event(reading, &event);

        if (status != STATUS_OK) {
            return status;
        }
        bool is_end = event.type == YAML_MAPPING_END_EVENT;
        bool is_name = event.type == YAML_SCALAR_EVENT &&
                       event.data.scalar.length + 1 < buffer_room(&reading->name);

        if (is_name) {
            buffer_printf(&reading->name, "%s", prefix_size > 0 ? "." : "");
            buffer_append(&reading->name, scalar_of(&event));
        }
        size_t line = event.start_mark.line;

        yaml_event_delete(&event);
        if (is_end) {
            return STATUS_OK;
        }
        status = is_name ? read_value(reading, depth) : fault(reading, line, "this is no name");
        if (status != STATUS_OK) {
            return status;
        }
        reading->name.size = prefix_size;
    }
}

/* An empty document is a configuration, too. */
static enum status read_document(struct reading *reading)
{
    while (true) {
        yaml_event_t event;
        enum status status = next_event(reading, &event);

        if (status != STATUS_OK) {
            return status;
        }
        yaml_event_type_t type = event.type;
        size_t line = event.start_mark.line;

        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT) {
            return STATUS_OK;
        }
        if (type == YAML_MAPPING_START_EVENT) {
            status = read_mapping(reading, 0);
        } else if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT ||
                   type == YAML_ALIAS_EVENT) {
            status = fault(reading, line, "settings are names with values");
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
}

static enum status read_yaml(struct reading *reading, struct slice yaml)
{
    if (yaml.size > CONFIG_FILE_SIZE_MAX) {
        return fault(reading, 0, "the file is too large");
    }
    CHECK(yaml_parser_initialize(&reading->parser) == 1);
    yaml_parser_set_input_string(
        &reading->parser, (const unsigned char *)(yaml.data != NULL ? yaml.data : ""), yaml.size);
    buffer_init(&reading->name, (DEPTH_MAX + 1) * NAME_SIZE_MAX);
    buffer_init(&reading->items, CONFIG_FILE_SIZE_MAX);
    enum status status = read_document(reading);

    buffer_done(&reading->name);
    buffer_done(&reading->items);
    yaml_parser_delete(&reading->parser);
    return status;
}

/* ---- Defaults and the environment ---- */

/* "smtp.listen" is AVISO_SMTP_LISTEN. */
static bool is_variable_of(struct slice variable, const char *name)
{
    static const struct slice prefix = {"AVISO_", 6};

    if (!slice_starts_with(variable, prefix) || variable.size != prefix.size + strlen(name)) {
        return false;
    }
    for (size_t i = 0; name[i] != '\0'; i++) {
        char expected = name[i] == '.' ? '_' : name[i];

        if (ascii_lower(variable.data[prefix.size + i]) != expected) {
            return false;
        }
    }
    return true;
}

static enum status read_environment(struct reading *reading, char *const *environment)
{
    for (; environment != NULL && *environment != NULL; environment++) {
        struct slice text = slice_of(*environment);
        struct slice variable = slice_cut(&text, '=');

        for (size_t i = 0; i < reading->setting_count; i++) {
            if (!is_variable_of(variable, reading->settings[i].name)) {
                continue;
            }
            buffer_printf(reading->out_fault, "in the environment: ");
            if (config_set(&reading->settings[i], text, reading->arena, reading->config,
                           reading->out_fault) != STATUS_OK) {
                return STATUS_INVALID;
            }
            buffer_clear(reading->out_fault);
        }
    }
    return STATUS_OK;
}

static bool is_given(const struct config_setting *setting, const void *config)
{
    const void *field = (const char *)config + setting->offset;

    return setting->kind == CONFIG_TEXT   ? ((const struct slice *)field)->data != NULL
           : setting->kind == CONFIG_LIST ? ((const struct config_list *)field)->texts != NULL
                                          : *(const uint64_t *)field != 0;
}

enum status config_read(const struct config_setting *settings, size_t setting_count,
                        struct slice yaml, char *const *environment, struct arena *arena,
                        void *config, struct buffer *out_fault)
{
    struct reading reading = {.settings = settings,
                              .setting_count = setting_count,
                              .arena = arena,
                              .config = config,
                              .out_fault = out_fault};

    for (size_t i = 0; i < setting_count; i++) {
        CHECK(strlen(settings[i].name) < NAME_SIZE_MAX);
        CHECK(settings[i].otherwise == NULL ||
              config_set(&settings[i], slice_of(settings[i].otherwise), arena, config, out_fault) ==
                  STATUS_OK);
    }
    enum status status = read_yaml(&reading, yaml);

    if (status == STATUS_OK) {
        status = read_environment(&reading, environment);
    }
    for (size_t i = 0; i < setting_count && status == STATUS_OK; i++) {
        if (settings[i].otherwise == NULL && !is_given(&settings[i], config)) {
            buffer_printf(out_fault, "%s is missing: %s", settings[i].name, settings[i].meaning);
            status = STATUS_INVALID;
        }
    }
    return status;
}
