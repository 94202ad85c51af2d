/* `aviso router`: work in the background of a cluster, without any state of its own. Of all that
 * run one is elected to place replicas. */
#ifndef AVISO_ROLES_ROUTER_MAIN_H
#define AVISO_ROLES_ROUTER_MAIN_H

#include "roles/settings.h"

/* Works until SIGTERM or SIGINT. Returns the exit code. */
int router_main(const struct settings *settings);

#endif
