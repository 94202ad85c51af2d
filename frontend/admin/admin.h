/* The admin API, and what supervisors and scrapers ask: JSON over HTTP.
 *
 *     GET    /healthz                      the process is alive
 *     GET    /readyz                       every shard answers
 *     GET    /metrics                      for Prometheus
 *
 *     GET    /admin/v1/domains              [{"domain"}]
 *     POST   /admin/v1/domains              {"domain", "catch_all"?}
 *     DELETE /admin/v1/domains/DOMAIN       refused while addresses are left
 *     GET    /admin/v1/accounts?domain=     [{"address", "shard", "id"}]
 *     POST   /admin/v1/accounts             {"address", "password" or "credential",
 *                                            "quota_octets"?, "quota_messages"?}
 *     GET    /admin/v1/accounts/ADDRESS
 *     PATCH  /admin/v1/accounts/ADDRESS     {"password", "credential", "quota_octets",
 *                                            "quota_messages", "suspended"}: those to change
 *     DELETE /admin/v1/accounts/ADDRESS
 *     GET    /admin/v1/accounts/ADDRESS/mailboxes
 *     GET    /admin/v1/names?domain=        [{"address", "kind", "targets"}]: aliases and groups
 *     PUT    /admin/v1/names/ADDRESS        {"kind": "alias" or "group", "targets"}
 *     DELETE /admin/v1/names/ADDRESS
 *     GET    /admin/v1/status
 *
 * All below /admin want "Authorization: Bearer TOKEN". Failures are {"error": CODE, "message": a
 * sentence that says what to do}. */
#ifndef AVISO_FRONTEND_ADMIN_ADMIN_H
#define AVISO_FRONTEND_ADMIN_ADMIN_H

#include "net/http_server.h"
#include "net/worker.h"
#include "router/router.h"

/* One for each loop. */
struct admin;

/* `hashers` compute password hashes. An empty token refuses everything below /admin. Copies the
 * token. */
struct admin *admin_new(struct router *router, struct worker_pool *hashers, struct slice token);

/* With no exchange in flight. Accepts NULL. */
void admin_free(struct admin *admin);

/* For http_protocol(); `admin` outlives it. */
struct http_handler admin_http_handler(struct admin *admin);

#endif
