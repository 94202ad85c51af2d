/* Domains: their entries are named "@example.org". */
#include "core/macros.h"
#include "frontend/admin/admin_operation.h"

enum { LIST_MAX = 1000000 };

static directory_list_fn on_listed, on_left_listed;
static directory_done_fn on_added, on_removed;

void admin_list_domains(struct admin_operation *operation, const struct http_request *request)
{
    directory_list(operation->admin->router, &operation->directory, SLICE(""), LIST_MAX, on_listed);
}

static void on_listed(struct directory_call *call, enum status status,
                      const struct directory_entry *entries, size_t count)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);
    json_t *answer = json_array();

    if (status != STATUS_OK) {
        json_decref(answer);
        admin_refuse_status(operation, status, "the list of domains");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (entries[i].kind != DIRECTORY_DOMAIN) {
            continue;
        }
        json_t *domain = json_object();

        json_object_set_new(domain, "domain", admin_json_text(slice_skip(entries[i].name, 1)));
        if (entries[i].target_count > 0) {
            json_object_set_new(domain, "catch_all", admin_json_text(entries[i].targets[0]));
        }
        json_array_append_new(answer, domain);
    }
    admin_answer(operation, 200, answer);
}

void admin_add_domain(struct admin_operation *operation, const struct http_request *request)
{
    struct slice domain;
    struct slice catch_all;

    if (!admin_take_text(operation, "domain", &domain) ||
        !admin_take_text(operation, "catch_all", &catch_all)) {
        return;
    }
    if (catch_all.data != NULL && !admin_take_address(operation, catch_all)) {
        return;
    }
    struct slice target = operation->name;

    if (!admin_take_domain(operation, domain)) {
        return;
    }
    struct directory_entry entry = {
        .name = operation->name,
        .kind = DIRECTORY_DOMAIN,
        .targets = &target,
        .target_count = catch_all.data != NULL,
    };

    directory_put(operation->admin->router, &operation->directory, &entry, true, on_added);
}

static void on_added(struct directory_call *call, enum status status)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the domain");
        return;
    }
    json_t *answer = json_object();

    json_object_set_new(answer, "domain", admin_json_text(slice_skip(operation->name, 1)));
    admin_answer(operation, 201, answer);
}

/* A domain goes only when nobody lives there any more. */
void admin_remove_domain(struct admin_operation *operation, const struct http_request *request)
{
    directory_list(operation->admin->router, &operation->directory, slice_skip(operation->name, 1),
                   LIST_MAX, on_left_listed);
}

static void on_left_listed(struct directory_call *call, enum status status,
                           const struct directory_entry *entries, size_t count)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        left += entries[i].kind != DIRECTORY_DOMAIN;
    }
    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the list of the domain's addresses");
    } else if (left > 0) {
        admin_refuse(operation, 409, "not_empty",
                     "%zu addresses are left in the domain; remove them first", left);
    } else {
        directory_remove(operation->admin->router, &operation->directory, operation->name, 0,
                         on_removed);
    }
}

static void on_removed(struct directory_call *call, enum status status)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, directory);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the domain");
    } else {
        admin_answer(operation, 204, NULL);
    }
}
