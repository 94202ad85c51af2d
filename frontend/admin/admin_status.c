/* Whether all shards answer: each is asked for the first page of its directory. */
#include "core/macros.h"
#include "frontend/admin/admin_operation.h"

enum { LIST_MAX = 1000000 };

static directory_list_fn on_listed, on_ready;

/* Counts of everything, which only an answer of every shard can give. */
void admin_show_status(struct admin_operation *operation, const struct http_request *request)
{
    directory_list(operation->admin->router, &operation->directory, SLICE(""), LIST_MAX, on_listed);
}

static void on_listed(struct directory_call *call, enum status status,
                      const struct directory_entry *entries, size_t count)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);
    size_t counts[DIRECTORY_GROUP + 1] = {0};

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the status");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if ((size_t)entries[i].kind < COUNT_OF(counts)) {
            counts[entries[i].kind]++;
        }
    }
    json_t *answer = json_object();

    json_object_set_new(answer, "version", json_string(AVISO_VERSION));
    json_object_set_new(answer, "shards",
                        json_integer(shard_map_shard_count(router_map(operation->admin->router))));
    json_object_set_new(answer, "domains", json_integer((json_int_t)counts[DIRECTORY_DOMAIN]));
    json_object_set_new(answer, "accounts", json_integer((json_int_t)counts[DIRECTORY_ACCOUNT]));
    json_object_set_new(answer, "aliases", json_integer((json_int_t)counts[DIRECTORY_ALIAS]));
    json_object_set_new(answer, "groups", json_integer((json_int_t)counts[DIRECTORY_GROUP]));
    admin_answer(operation, 200, answer);
}

void admin_show_ready(struct admin_operation *operation, const struct http_request *request)
{
    /* A domain that nobody has: an empty page of every shard. */
    directory_list(operation->admin->router, &operation->directory, SLICE("invalid"), 1, on_ready);
}

static void on_ready(struct directory_call *call, enum status status,
                     const struct directory_entry *entries, size_t count)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "a shard");
        return;
    }
    json_t *answer = json_object();

    json_object_set_new(answer, "ready", json_true());
    admin_answer(operation, 200, answer);
}
