/* The front end of a process: loops, and on each a router, an authenticator and the listeners that
 * settings ask for. It holds no state: whatever it acknowledges, storage has committed. */
#ifndef AVISO_ROLES_FRONTEND_ROLE_H
#define AVISO_ROLES_FRONTEND_ROLE_H

#include "net/rpc.h"
#include "roles/settings.h"
#include "router/shard_map.h"

struct frontend_role;

/* Starts listening; every failure is logged in words for the operator, and nothing runs then.
 * `settings` and `services` outlive it; `services` NULL: storage is where `map` says. */
NODISCARD enum status frontend_role_start(const struct settings *settings,
                                          const struct rpc_services *services,
                                          struct shard_map *map, struct slice admin_token,
                                          struct frontend_role **out_role);

/* From now on, a newer map. From any thread, until it is stopped. */
void frontend_role_update_map(struct frontend_role *role, struct shard_map *map);

/* Reads certificates again; what fails stays as it was, with a line in the log. */
void frontend_role_reload(struct frontend_role *role);

/* Listeners close, sessions say their last word and have until the settings' stop time. Blocks. */
void frontend_role_stop(struct frontend_role *role);

/* After it stopped, before the services go. Accepts NULL. */
void frontend_role_free(struct frontend_role *role);

#endif
