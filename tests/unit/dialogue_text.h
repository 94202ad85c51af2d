/* The $(...) of dialogues: tests/transcripts/README.md says what they stand for. */
#ifndef AVISO_TESTS_UNIT_DIALOGUE_TEXT_H
#define AVISO_TESTS_UNIT_DIALOGUE_TEXT_H

#include "core/arena.h"
#include "core/buffer.h"

/* What $(name) has been so far. */
struct dialogue_names {
    struct arena arena;
    struct dialogue_name {
        struct slice name;
        struct slice value;
        struct dialogue_name *next;
    } * first;
};

void dialogue_names_init(struct dialogue_names *names);
void dialogue_names_done(struct dialogue_names *names);

/* Appends `text` with everything in it expanded; false: a name that stands for nothing yet. */
bool dialogue_expand(struct dialogue_names *names, struct slice text, struct buffer *output);

/* Whether `line` is what `pattern` says; keeps the names that it meets first, if so. */
bool dialogue_matches(struct dialogue_names *names, struct slice pattern, struct slice line);

#endif
