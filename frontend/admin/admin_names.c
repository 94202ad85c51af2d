/* Aliases and groups: names that lead to other names. */
#include "core/macros.h"
#include "frontend/admin/admin_operation.h"
#include "mail/address.h"

enum { LIST_MAX = 1000000 };

static directory_list_fn on_listed;
static directory_entry_fn on_domain, on_old;
static directory_done_fn on_put, on_removed;

static const char *kind_text(enum directory_kind kind)
{
    return kind == DIRECTORY_ALIAS ? "alias" : "group";
}

static bool is_name(const struct directory_entry *entry)
{
    return entry->kind == DIRECTORY_ALIAS || entry->kind == DIRECTORY_GROUP;
}

void admin_list_names(struct admin_operation *operation, const struct http_request *request)
{
    if (admin_take_query_domain(operation, request)) {
        directory_list(operation->admin->router, &operation->directory, operation->domain, LIST_MAX,
                       on_listed);
    }
}

static void on_listed(struct directory_call *call, enum status status,
                      const struct directory_entry *entries, size_t count)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the list of names");
        return;
    }
    json_t *answer = json_array();

    for (size_t i = 0; i < count; i++) {
        if (!is_name(&entries[i])) {
            continue;
        }
        json_t *name = json_object();
        json_t *targets = json_array();

        for (size_t k = 0; k < entries[i].target_count; k++) {
            json_array_append_new(targets, admin_json_text(entries[i].targets[k]));
        }
        json_object_set_new(name, "address", admin_json_text(entries[i].name));
        json_object_set_new(name, "kind", json_string(kind_text(entries[i].kind)));
        json_object_set_new(name, "targets", targets);
        json_array_append_new(answer, name);
    }
    admin_answer(operation, 200, answer);
}

/* ---- Put: the domain must be ours, and the name must not be an account's ---- */

void admin_put_name(struct admin_operation *operation, const struct http_request *request)
{
    directory_look(operation->admin->router, &operation->directory, operation->domain, on_domain);
}

static void on_domain(struct directory_call *call, enum status status,
                      const struct directory_entry *entry)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);

    if (status == STATUS_NOT_FOUND) {
        admin_refuse(operation, 404, "no_domain",
                     "the domain %.*s does not exist; add it first: avisoctl domain add %.*s",
                     (int)operation->domain.size - 1, operation->domain.data + 1,
                     (int)operation->domain.size - 1, operation->domain.data + 1);
    } else if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the domain");
    } else {
        directory_look(operation->admin->router, &operation->directory, operation->name, on_old);
    }
}

/* The targets of the body in canonical form; NULL: they are none, and the operation is over. */
static struct slice *read_targets(struct admin_operation *operation, size_t *out_count)
{
    const json_t *list = json_object_get(operation->body, "targets");
    size_t count = json_array_size(list);

    if (count == 0 || count > DIRECTORY_TARGETS_MAX) {
        admin_refuse(operation, 400, "invalid", "targets must be a list of 1 to %d addresses",
                     DIRECTORY_TARGETS_MAX);
        return NULL;
    }
    struct slice *targets = arena_array(&operation->arena, count, sizeof(*targets));

    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        struct buffer canonical;

        buffer_init(&canonical, ADDRESS_SIZE_MAX);
        struct slice text = {json_string_value(item), json_string_length(item)};
        bool valid = json_is_string(item) && address_canonical(text, &canonical) == STATUS_OK;

        targets[i] = arena_copy(&operation->arena, buffer_view(&canonical));
        buffer_done(&canonical);
        if (!valid) {
            admin_refuse(operation, 400, "invalid",
                         "target %zu is not an address: write it as ann@example.org", i + 1);
            return NULL;
        }
    }
    *out_count = count;
    return targets;
}

static void on_old(struct directory_call *call, enum status status,
                   const struct directory_entry *old)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);
    struct directory_entry entry = {
        .name = operation->name,
        .revision = status == STATUS_OK ? old->revision : 0,
    };
    struct slice kind;

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        admin_refuse_status(operation, status, "the name");
        return;
    }
    if (status == STATUS_OK && !is_name(old)) {
        admin_refuse(operation, 409, "exists", "an account has this address already");
        return;
    }
    entry.revision = status == STATUS_OK ? old->revision : 0;
    if (!admin_take_text(operation, "kind", &kind)) {
        return;
    }
    entry.targets = read_targets(operation, &entry.target_count);
    if (entry.targets == NULL) {
        return;
    }
    entry.kind = slice_is(kind, "group") ? DIRECTORY_GROUP : DIRECTORY_ALIAS;
    if (!slice_is(kind, kind_text(entry.kind)) ||
        (entry.kind == DIRECTORY_ALIAS && entry.target_count != 1)) {
        admin_refuse(operation, 400, "invalid", "kind must be alias, with one target, or group");
        return;
    }
    directory_put(operation->admin->router, &operation->directory, &entry,
                  status == STATUS_NOT_FOUND, on_put);
}

static void on_put(struct directory_call *call, enum status status)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the name");
        return;
    }
    json_t *answer = json_object();

    json_object_set_new(answer, "address", admin_json_text(operation->name));
    admin_answer(operation, 200, answer);
}

/* ---- Remove ---- */

static directory_entry_fn on_found;

void admin_remove_name(struct admin_operation *operation, const struct http_request *request)
{
    directory_look(operation->admin->router, &operation->directory, operation->name, on_found);
}

static void on_found(struct directory_call *call, enum status status,
                     const struct directory_entry *entry)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the name");
    } else if (!is_name(entry)) {
        admin_refuse(operation, 409, "conflict", "this is an account: avisoctl account remove");
    } else {
        directory_remove(operation->admin->router, &operation->directory, operation->name,
                         entry->revision, on_removed);
    }
}

static void on_removed(struct directory_call *call, enum status status)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the name");
    } else {
        admin_answer(operation, 204, NULL);
    }
}
