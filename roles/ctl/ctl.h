/* `avisoctl NOUN VERB`: a table of commands over the admin API (frontend/admin/admin.h).
 *
 * Exit codes are stable: 0 done; 1 refused or failed; 2 wrong usage; 3 no such thing; 4 there is
 * one already, or it changed meanwhile; 5 the server cannot be reached, or not now; 6 the token is
 * wrong. */
#ifndef AVISO_ROLES_CTL_CTL_H
#define AVISO_ROLES_CTL_CTL_H

#include <stdbool.h>

#include <jansson.h>

#include "core/buffer.h"

enum ctl_exit {
    CTL_DONE = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,
    CTL_NOT_FOUND = 3,
    CTL_CONFLICT = 4,
    CTL_UNAVAILABLE = 5,
    CTL_DENIED = 6,
};

enum { CTL_WORDS_MAX = 1100, CTL_ANSWER_SIZE_MAX = 256 * 1024 * 1024 };

/* What stands on the command line besides noun and verb. */
struct ctl {
    const char *url;
    const char *token_file;
    bool as_json;
    bool is_sure;             /* --yes */
    const char *password;     /* --password */
    bool password_from_stdin; /* --password-stdin */
    const char *credential;   /* --credential */
    const char *quota;        /* --quota */
    const char *quota_messages;
    const char *catch_all;
    const char *words[CTL_WORDS_MAX]; /* noun, verb, arguments */
    int word_count;
};

/* Runs the command line; prints results on standard output, faults on standard error. */
int ctl_main(int count, char **words);

/* ---- The server (ctl_client.c) ---- */

/* Sends `body` (taken, may be NULL) to `path` below /admin/v1, with `name` escaped behind it (may
 * be NULL) and `after` behind that. On CTL_DONE `*out_answer` is the JSON or NULL, for
 * json_decref(). A failure is printed. */
enum ctl_exit ctl_call(const struct ctl *ctl, const char *method, const char *path,
                       const char *name, const char *after, json_t *body, json_t **out_answer);

/* ---- Output (ctl_output.c) ---- */

/* A column of a table: a member of each object, and how to show it. */
struct ctl_column {
    const char *member;
    const char *title;
    bool is_size; /* octets: shown as KiB, MiB, ... */
};

/* Prints an array of objects as a table, or as JSON. */
void ctl_print_list(const struct ctl *ctl, const json_t *list, const struct ctl_column *columns,
                    size_t column_count);

/* Prints the members of an object, one a line, or as JSON. */
void ctl_print_object(const struct ctl *ctl, const json_t *object);

#endif
