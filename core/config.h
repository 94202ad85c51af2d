/* Settings as tables: a row is the name, the kind, the limits, the default and the manual. Parsing,
 * `--help` and the sample file all come from the same table.
 *
 * Values come from a YAML file, where "smtp.listen" is `listen` within `smtp`, then from
 * AVISO_SMTP_LISTEN in the environment. Unknown names are faults, with their line and a suggestion.
 */
#ifndef AVISO_CORE_CONFIG_H
#define AVISO_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/buffer.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

enum { CONFIG_FILE_SIZE_MAX = 1024 * 1024, CONFIG_LIST_COUNT_MAX = 1024 };

/* A list of texts; in the environment and in defaults they are cut at commas. */
struct config_list {
    const struct slice *texts;
    size_t count;
};

enum config_kind {
    CONFIG_TEXT,        /* struct slice */
    CONFIG_LIST,        /* struct config_list */
    CONFIG_FLAG,        /* bool: "yes" or "no", "true" or "false" */
    CONFIG_COUNT,       /* uint64_t: "100" */
    CONFIG_SIZE,        /* uint64_t octets: "64KiB"; B, KiB, MiB, GiB, TiB */
    CONFIG_DURATION_MS, /* uint64_t milliseconds: "10m"; ms, s, m, h, d */
    CONFIG_CHOICE,      /* uint64_t: the place of the text in `choices` */
};

struct config_setting {
    const char *name;
    enum config_kind kind;
    size_t offset;         /* of the field it fills */
    const char *otherwise; /* the default, as text; NULL: the setting is required */
    const char *least;     /* limits, both allowed, of numbers; NULL: none */
    const char *most;
    const char *const *choices; /* ends with NULL */
    const char *meaning;        /* a sentence for the operator */
};

/* Fills `config` from the defaults, `yaml` and `environment` ("NAME=value" strings, as environ;
 * NULL: none). Texts live in `arena`. INVALID: appends a sentence with the line to `out_fault`;
 * `config` then is of no use. Hostile files are refused within CONFIG_FILE_SIZE_MAX and a nesting
 * of 8. */
NODISCARD enum status config_read(const struct config_setting *settings, size_t setting_count,
                                  struct slice yaml, char *const *environment, struct arena *arena,
                                  void *config, struct buffer *out_fault);

/* The manual: each setting with its default, limits and meaning. */
void config_help(const struct config_setting *settings, size_t setting_count,
                 struct buffer *output);

/* A YAML file of all the defaults, with the manual as comments. config_read() reads it back. */
void config_sample(const struct config_setting *settings, size_t setting_count,
                   struct buffer *output);

/* One value of the kinds that are numbers. INVALID: not of the kind; TOO_LARGE. */
NODISCARD enum status config_number(enum config_kind kind, struct slice text, uint64_t *out_number);

#endif
