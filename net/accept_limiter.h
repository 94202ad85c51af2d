/* How many connections there may be, in all and from one address, over all listeners and loops that
 * share the limiter. An IPv6 address counts by its /64 network. Thread-safe. */
#ifndef AVISO_NET_ACCEPT_LIMITER_H
#define AVISO_NET_ACCEPT_LIMITER_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/socket.h>

struct accept_limiter;

/* Freed when all have left. */
struct accept_limiter *accept_limiter_new(size_t total_max, size_t per_address_max);
void accept_limiter_free(struct accept_limiter *limiter); /* accepts NULL */

/* False: over a limit, and not counted. */
bool accept_limiter_enter(struct accept_limiter *limiter, const struct sockaddr *peer);

/* Once for every peer that entered. */
void accept_limiter_leave(struct accept_limiter *limiter, const struct sockaddr *peer);

#endif
