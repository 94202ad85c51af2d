/* `aviso frontend`: protocols without storage, which is on the nodes that etcd names. */
#ifndef AVISO_ROLES_FRONTEND_MAIN_H
#define AVISO_ROLES_FRONTEND_MAIN_H

#include "roles/settings.h"

/* Serves until SIGTERM or SIGINT; SIGHUP reads certificates again. Returns the exit code. */
int frontend_main(const struct settings *settings);

#endif
