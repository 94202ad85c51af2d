/* All of Aviso in one process: a storage node whose shards have one voter each, and the front end,
 * speaking the same RPC as between machines. */
#ifndef AVISO_ROLES_STANDALONE_H
#define AVISO_ROLES_STANDALONE_H

#include "roles/settings.h"

/* Runs until SIGTERM or SIGINT; SIGHUP reads certificates again. Returns the process's exit code: 0
 * after an orderly stop; 1 when it cannot start or its disk failed, and the log
 * says why. */
int standalone_run(const struct settings *settings);

#endif
