/* `aviso storage`: a storage node of a cluster. Its number is made with its data folder and kept
 * there; etcd says which shards it holds. */
#ifndef AVISO_ROLES_STORAGE_MAIN_H
#define AVISO_ROLES_STORAGE_MAIN_H

#include "roles/settings.h"

/* Serves until SIGTERM or SIGINT. Returns the exit code. */
int storage_main(const struct settings *settings);

#endif
