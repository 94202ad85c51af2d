/* Plays a written dialogue against sessions of a protocol, as the RFCs print them:
 *
 *     S: +OK aviso ready
 *     C: QUIT
 *     S: +OK bye
 *
 * The language is that of tests/transcripts/README.md; the same files can be played against a
 * running server. The player is a connection without a socket: it cuts lines, keeps the rules of
 * net/session.h and fails the test when the session breaks one. */
#ifndef AVISO_TESTS_UNIT_DIALOGUE_H
#define AVISO_TESTS_UNIT_DIALOGUE_H

#include "net/session.h"

/* Where a dialogue is played. All but `protocol` may be NULL. */
struct dialogue_stage {
    const struct protocol *protocol;
    void *context;
    /* Lets the fakes end what is in flight; false when there was nothing. */
    bool (*turn)(void *context);
    /* A line "! ..." that the player does not know itself; false: nor does the stage. */
    bool (*direct)(void *context, struct slice words);
    bool remote;        /* peers are not on loopback */
    const char *folder; /* where "! include" looks */
};

/* Plays `dialogue`; `name` shows in what fails. */
void dialogue_play(const struct dialogue_stage *stage, const char *name, struct slice dialogue);

/* Plays a file of tests/transcripts, seen from the root of the tree: "imap/append.txt". */
void dialogue_play_file(const struct dialogue_stage *stage, const char *path);

#endif
