/* A stage for the transcripts of one protocol over the fake storage: its directions, and a main()
 * that plays every file of a folder of tests/transcripts. */
#ifndef AVISO_TESTS_FAKES_TRANSCRIPT_SCENE_H
#define AVISO_TESTS_FAKES_TRANSCRIPT_SCENE_H

#include "tests/fakes/fake_authenticator.h"
#include "tests/fakes/fake_mail_store.h"
#include "tests/unit/dialogue.h"

struct transcript_scene {
    struct router *store;
    struct authenticator authenticator; /* knows ann and bob, both by "secret" */
};

void transcript_scene_init(struct transcript_scene *scene);
void transcript_scene_done(struct transcript_scene *scene);

/* Plays "FOLDER/NAME.txt" against `protocol`. Directions: "! fail CALL STATUS COUNT",
 * "! login STATUS|ok", "! quota MESSAGES" (of ann), "! count MESSAGES" (of ann), "! put COUNT". */
void transcript_scene_play(struct transcript_scene *scene, const struct protocol *protocol,
                           const char *path);

/* Runs `play` as a test for each file that `pattern` matches; its state is the file's path below
 * tests/transcripts. */
int transcript_scene_main(const char *group, const char *pattern, void (*play)(void **state));

#endif
