#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "roles/ctl/ctl.h"

enum { CELL_SIZE_MAX = 1024 };

static void print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

/* "1.5 MiB" */
static void format_size(json_int_t octets, char *cell)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)octets;
    size_t unit = 0;

    while (size >= 1024 && unit + 1 < COUNT_OF(units)) {
        size /= 1024;
        unit++;
    }
    snprintf(cell, CELL_SIZE_MAX, unit > 0 ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

static void format_list(const json_t *list, char *cell)
{
    size_t used = 0;

    cell[0] = '\0';
    for (size_t i = 0; i < json_array_size(list) && used + 1 < CELL_SIZE_MAX; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        int size = snprintf(cell + used, CELL_SIZE_MAX - used, "%s%s", i > 0 ? ", " : "",
                            text != NULL ? text : "?");

        used += size > 0 ? (size_t)size : 0;
    }
}

/* One line whatever the value is: control octets would move the terminal's cursor. */
static void format_cell(const json_t *value, bool is_size, char *cell)
{
    if (json_is_array(value)) {
        format_list(value, cell);
    } else if (json_is_integer(value) && is_size) {
        format_size(json_integer_value(value), cell);
    } else if (json_is_integer(value)) {
        snprintf(cell, CELL_SIZE_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_boolean(value)) {
        snprintf(cell, CELL_SIZE_MAX, "%s", json_is_true(value) ? "yes" : "no");
    } else {
        const char *text = json_string_value(value);

        snprintf(cell, CELL_SIZE_MAX, "%s", text != NULL ? text : "");
    }
    for (char *octet = cell; *octet != '\0'; octet++) {
        if ((unsigned char)*octet < ' ' || *octet == 0x7f) {
            *octet = '?';
        }
    }
}

static void print_row(const char *const *cells, const size_t *widths, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* The last needs no padding. */
        printf("%-*s%s", i + 1 < count ? (int)widths[i] : 0, cells[i], i + 1 < count ? "  " : "\n");
    }
}

void ctl_print_list(const struct ctl *ctl, const json_t *list, const struct ctl_column *columns,
                    size_t column_count)
{
    enum { COLUMNS_MAX = 8 };
    char room[COLUMNS_MAX][CELL_SIZE_MAX];
    const char *cells[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];

    if (ctl->as_json) {
        print_json(list);
        return;
    }
    for (size_t k = 0; k < column_count; k++) {
        widths[k] = strlen(columns[k].title);
        for (size_t i = 0; i < json_array_size(list); i++) {
            format_cell(json_object_get(json_array_get(list, i), columns[k].member),
                        columns[k].is_size, room[k]);
            size_t width = strlen(room[k]);

            widths[k] = width > widths[k] ? width : widths[k];
        }
        cells[k] = columns[k].title;
    }
    print_row(cells, widths, column_count);
    for (size_t i = 0; i < json_array_size(list); i++) {
        for (size_t k = 0; k < column_count; k++) {
            format_cell(json_object_get(json_array_get(list, i), columns[k].member),
                        columns[k].is_size, room[k]);
            cells[k] = room[k];
        }
        print_row(cells, widths, column_count);
    }
}

void ctl_print_object(const struct ctl *ctl, const json_t *object)
{
    const char *member = NULL;
    json_t *value = NULL;

    if (ctl->as_json) {
        print_json(object);
        return;
    }
    json_object_foreach((json_t *)object, member, value)
    {
        char cell[CELL_SIZE_MAX];

        format_cell(value, strstr(member, "octets") != NULL, cell);
        printf("%-16s %s\n", member, cell);
    }
}
