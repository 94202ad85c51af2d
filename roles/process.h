/* What the roles that are programs share: signals, the data folder, the admin token. */
#ifndef AVISO_ROLES_PROCESS_H
#define AVISO_ROLES_PROCESS_H

#include "roles/settings.h"

enum { PROCESS_PATH_SIZE_MAX = 4096, PROCESS_TOKEN_SIZE_MAX = 1024 };

/* "FOLDER/NAME" in `room` of PROCESS_PATH_SIZE_MAX; FOLDER alone when `name` is empty. */
const char *process_path(char *room, struct slice folder, const char *name);

/* Makes the data folder, readable by its owner alone, if it is not there. Logged when it fails. */
NODISCARD enum status process_make_folder(struct slice folder);

/* Appends the token of the admin API, which is made if it has no file yet and the settings name
 * none. Logged when it fails. */
NODISCARD enum status process_open_token(const struct settings *settings, struct buffer *token);

/* Blocks the signals that end or reload the process: before the first thread is there. */
void process_block_signals(void);

/* Waits for one of them, at most `timeout_ms`; 0: without end. Returns its number, or 0. */
int process_wait(uint64_t timeout_ms);

#endif
