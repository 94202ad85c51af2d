/* One request to the admin API on its way; what its files share, and nobody else includes. */
#ifndef AVISO_FRONTEND_ADMIN_ADMIN_OPERATION_H
#define AVISO_FRONTEND_ADMIN_ADMIN_OPERATION_H

#include <jansson.h>

#include "core/arena.h"
#include "frontend/admin/admin.h"
#include "router/directory.h"
#include "router/mailbox_client.h"

struct admin {
    struct router *router;
    struct worker_pool *hashers;
    struct buffer token;
};

/* It lives until it is answered. When the client goes first, what is in flight still ends, so that
 * nothing stays half done, and then the answer is dropped. */
struct admin_operation {
    struct admin *admin;
    struct http_exchange *exchange; /* NULL: the client is gone */
    struct arena arena;
    json_t *body;        /* of the request, or NULL */
    struct slice name;   /* canonical: what the path or the body names */
    struct slice domain; /* "@example.org" of it */
    struct slice password;
    struct buffer credential;
    struct directory_call directory;
    struct account_call account;
    struct mailbox_call mailbox;
    struct worker_job job;
    struct account_place place;
    struct account_update update;
    uint64_t quota_octets;
    uint64_t quota_messages;
    bool suspended;
    bool has_secret;
    json_t *answer; /* being gathered */
    uint32_t shard_index;
};

/* What a path and a method lead to. */
typedef void admin_run_fn(struct admin_operation *operation, const struct http_request *request);

admin_run_fn admin_list_domains, admin_add_domain, admin_remove_domain; /* admin_domains.c */
admin_run_fn admin_list_accounts, admin_add_account, admin_show_account, admin_change_account,
    admin_remove_account, admin_list_mailboxes;                   /* admin_accounts.c */
admin_run_fn admin_list_names, admin_put_name, admin_remove_name; /* admin_names.c */
admin_run_fn admin_show_status, admin_show_ready;                 /* admin_status.c */

/* ---- Answers; each ends the operation ---- */

/* Takes `answer`; NULL: no body. */
void admin_answer(struct admin_operation *operation, unsigned code, json_t *answer);

/* `message` is a printf format. */
void admin_refuse(struct admin_operation *operation, unsigned code, const char *error,
                  const char *message, ...) PRINTF_LIKE(4, 5);

/* What storage answered; `what` is "the account ann@example.org" and the like. */
void admin_refuse_status(struct admin_operation *operation, enum status status, const char *what);

/* ---- What requests say ---- */

/* Sets `operation->name` to the canonical form of an address, and `domain`. False: it is none, and
 * the operation is over. */
bool admin_take_address(struct admin_operation *operation, struct slice text);

/* The same for a domain alone: `name` and `domain` become "@example.org". */
bool admin_take_domain(struct admin_operation *operation, struct slice text);

/* A member of the body: data NULL when it is not there. False: it is no text, and the operation is
 * over. */
bool admin_take_text(struct admin_operation *operation, const char *member, struct slice *out_text);

/* The same for a number that is not negative; `out_given` says whether it is there. */
bool admin_take_number(struct admin_operation *operation, const char *member, uint64_t *out_number,
                       bool *out_given);

/* A slice as a JSON text; octets that are not UTF-8 become "?". */
json_t *admin_json_text(struct slice text);

/* The "domain" of the query, canonical and without "@", into `domain`; empty when it is not there.
 */
bool admin_take_query_domain(struct admin_operation *operation, const struct http_request *request);

#endif
