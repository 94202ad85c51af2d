/* Accounts: first made where they will live, then named in the directory; the other way round when
 * they go. So nobody ever finds a name without its account. */
#include "core/macros.h"
#include "frontend/admin/admin_operation.h"
#include "frontend/auth/password.h"

enum { LIST_MAX = 1000000 };

static directory_list_fn on_listed;
static directory_entry_fn on_domain, on_entry_shown, on_entry_changed, on_entry_removed,
    on_entry_mailboxes;
static account_created_fn on_created;
static directory_done_fn on_named, on_unnamed;
static account_done_fn on_cleaned_up, on_updated, on_removed;
static account_get_fn on_account;
static mailbox_list_fn on_mailboxes;
static void work_hash(struct worker_job *job);
static void on_hashed_for_add(struct worker_job *job);
static void on_hashed_for_change(struct worker_job *job);

static struct router *router_of(const struct admin_operation *operation)
{
    return operation->admin->router;
}

static struct admin_operation *of_directory(struct directory_call *call)
{
    return CONTAINER_OF(call, struct admin_operation, directory);
}

static struct admin_operation *of_account(struct account_call *call)
{
    return CONTAINER_OF(call, struct admin_operation, account);
}

/* ---- List ---- */

void admin_list_accounts(struct admin_operation *operation, const struct http_request *request)
{
    if (admin_take_query_domain(operation, request)) {
        directory_list(router_of(operation), &operation->directory, operation->domain, LIST_MAX,
                       on_listed);
    }
}

static void on_listed(struct directory_call *call, enum status status,
                      const struct directory_entry *entries, size_t count)
{
    struct admin_operation *operation = of_directory(call);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the list of accounts");
        return;
    }
    json_t *answer = json_array();

    for (size_t i = 0; i < count; i++) {
        if (entries[i].kind != DIRECTORY_ACCOUNT) {
            continue;
        }
        json_t *account = json_object();

        json_object_set_new(account, "address", admin_json_text(entries[i].name));
        json_object_set_new(account, "shard", json_integer((json_int_t)entries[i].shard));
        json_object_set_new(account, "id", json_integer((json_int_t)entries[i].account));
        json_array_append_new(answer, account);
    }
    admin_answer(operation, 200, answer);
}

/* ---- Passwords ---- */

/* The password or the credential of the body. `out_given`: there is one. False: the operation is
 * over. */
static bool take_secret(struct admin_operation *operation, bool *out_given)
{
    struct slice credential;

    if (!admin_take_text(operation, "password", &operation->password) ||
        !admin_take_text(operation, "credential", &credential)) {
        return false;
    }
    *out_given = operation->password.data != NULL || credential.data != NULL;
    if (operation->password.data != NULL && credential.data != NULL) {
        admin_refuse(operation, 400, "invalid", "give a password or a credential, not both");
        return false;
    }
    if (operation->password.data != NULL &&
        (operation->password.size == 0 || operation->password.size > PASSWORD_SIZE_MAX)) {
        admin_refuse(operation, 400, "invalid", "a password has 1 to %d octets", PASSWORD_SIZE_MAX);
        return false;
    }
    if (credential.data != NULL && !password_credential_is_known(credential)) {
        admin_refuse(operation, 400, "invalid",
                     "the credential is no hash that is known here: Argon2 or crypt(5)");
        return false;
    }
    buffer_append(&operation->credential, credential);
    return true;
}

static void work_hash(struct worker_job *job)
{
    struct admin_operation *operation = CONTAINER_OF(job, struct admin_operation, job);

    if (operation->password.data != NULL) {
        password_hash(operation->password, &operation->credential);
    }
}

static void hash(struct admin_operation *operation, void (*done)(struct worker_job *job))
{
    operation->job = (struct worker_job){.work = work_hash, .done = done};
    if (worker_submit(operation->admin->hashers, router_loop(router_of(operation)),
                      &operation->job) != STATUS_OK) {
        admin_refuse_status(operation, STATUS_BUSY, "the password");
    }
}

/* ---- Add ---- */

void admin_add_account(struct admin_operation *operation, const struct http_request *request)
{
    struct slice address;
    bool given = false;

    if (!admin_take_text(operation, "address", &address) ||
        !admin_take_address(operation, address) || !take_secret(operation, &given) ||
        !admin_take_number(operation, "quota_octets", &operation->quota_octets, &given) ||
        !admin_take_number(operation, "quota_messages", &operation->quota_messages, &given)) {
        return;
    }
    directory_look(router_of(operation), &operation->directory, operation->domain, on_domain);
}

static void on_domain(struct directory_call *call, enum status status,
                      const struct directory_entry *entry)
{
    struct admin_operation *operation = of_directory(call);

    if (status == STATUS_NOT_FOUND) {
        admin_refuse(operation, 404, "no_domain",
                     "the domain %.*s does not exist; add it first: avisoctl domain add %.*s",
                     (int)operation->domain.size - 1, operation->domain.data + 1,
                     (int)operation->domain.size - 1, operation->domain.data + 1);
    } else if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the domain");
    } else {
        hash(operation, on_hashed_for_add);
    }
}

/* Where a name's slot is, its account is as well, to begin with: one place less to fail. */
static void on_hashed_for_add(struct worker_job *job)
{
    struct admin_operation *operation = CONTAINER_OF(job, struct admin_operation, job);

    operation->place.shard =
        shard_map_shard_of_slot(router_map(router_of(operation)), slot_of(operation->name));
    account_create(router_of(operation), &operation->account, operation->place.shard,
                   operation->name, buffer_view(&operation->credential), operation->quota_octets,
                   operation->quota_messages, on_created);
}

static void on_created(struct account_call *call, enum status status, uint64_t account)
{
    struct admin_operation *operation = of_account(call);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the account");
        return;
    }
    operation->place.account = account;
    struct directory_entry entry = {
        .name = operation->name,
        .kind = DIRECTORY_ACCOUNT,
        .shard = operation->place.shard,
        .account = account,
    };

    directory_put(router_of(operation), &operation->directory, &entry, true, on_named);
}

static void on_named(struct directory_call *call, enum status status)
{
    struct admin_operation *operation = of_directory(call);

    if (status == STATUS_EXISTS) {
        account_remove(router_of(operation), &operation->account, operation->place, on_cleaned_up);
        return;
    }
    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the address");
        return;
    }
    json_t *answer = json_object();

    json_object_set_new(answer, "address", admin_json_text(operation->name));
    json_object_set_new(answer, "shard", json_integer((json_int_t)operation->place.shard));
    json_object_set_new(answer, "id", json_integer((json_int_t)operation->place.account));
    admin_answer(operation, 201, answer);
}

static void on_cleaned_up(struct account_call *call, enum status status)
{
    admin_refuse_status(of_account(call), STATUS_EXISTS, "the address");
}

/* ---- Finding the account of a name ---- */

/* False: the name is nobody's, and the operation is over. */
static bool take_place(struct admin_operation *operation, enum status status,
                       const struct directory_entry *entry)
{
    if (status == STATUS_OK && entry->kind != DIRECTORY_ACCOUNT) {
        admin_refuse(operation, 409, "conflict",
                     "this is an alias or a group, not an account: avisoctl alias, avisoctl group");
        return false;
    }
    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the account");
        return false;
    }
    operation->place = (struct account_place){entry->shard, entry->account};
    return true;
}

static void look(struct admin_operation *operation, directory_entry_fn *done)
{
    directory_look(router_of(operation), &operation->directory, operation->name, done);
}

/* ---- Show ---- */

void admin_show_account(struct admin_operation *operation, const struct http_request *request)
{
    look(operation, on_entry_shown);
}

static void on_entry_shown(struct directory_call *call, enum status status,
                           const struct directory_entry *entry)
{
    struct admin_operation *operation = of_directory(call);

    if (take_place(operation, status, entry)) {
        account_get(router_of(operation), &operation->account, operation->place, on_account);
    }
}

static void on_account(struct account_call *call, enum status status,
                       const struct account_record *record)
{
    struct admin_operation *operation = of_account(call);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the account");
        return;
    }
    const struct {
        const char *name;
        uint64_t number;
    } numbers[] = {
        {"shard", operation->place.shard},
        {"id", record->account},
        {"quota_octets", record->quota_octets},
        {"quota_messages", record->quota_messages},
        {"used_octets", record->used_octets},
        {"used_messages", record->used_messages},
        {"modseq", record->modseq},
        {"created_ms", record->created_ms},
    };
    json_t *answer = json_object();

    json_object_set_new(answer, "address", admin_json_text(operation->name));
    json_object_set_new(answer, "suspended", json_boolean(record->suspended));
    json_object_set_new(answer, "has_password", json_boolean(record->credential.size > 0));
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        json_object_set_new(answer, numbers[i].name, json_integer((json_int_t)numbers[i].number));
    }
    admin_answer(operation, 200, answer);
}

/* ---- Change ---- */

void admin_change_account(struct admin_operation *operation, const struct http_request *request)
{
    look(operation, on_entry_changed);
}

/* Both quotas are written together, so what is not given stays only when neither is. */
static bool take_changes(struct admin_operation *operation)
{
    const json_t *suspended = json_object_get(operation->body, "suspended");
    bool has_octets = false;
    bool has_messages = false;
    bool has_secret = false;

    if (!take_secret(operation, &has_secret) ||
        !admin_take_number(operation, "quota_octets", &operation->quota_octets, &has_octets) ||
        !admin_take_number(operation, "quota_messages", &operation->quota_messages,
                           &has_messages)) {
        return false;
    }
    if (suspended != NULL && !json_is_boolean(suspended)) {
        admin_refuse(operation, 400, "invalid", "suspended must be true or false");
        return false;
    }
    if (has_octets != has_messages) {
        admin_refuse(operation, 400, "invalid",
                     "give quota_octets and quota_messages together; 0 is none");
        return false;
    }
    if (!has_secret && !has_octets && suspended == NULL) {
        admin_refuse(operation, 400, "invalid", "nothing to change was given");
        return false;
    }
    if (has_octets) {
        operation->update.quota_octets = &operation->quota_octets;
        operation->update.quota_messages = &operation->quota_messages;
    }
    if (suspended != NULL) {
        operation->suspended = json_is_true(suspended);
        operation->update.suspended = &operation->suspended;
    }
    operation->has_secret = has_secret;
    return true;
}

static void on_entry_changed(struct directory_call *call, enum status status,
                             const struct directory_entry *entry)
{
    struct admin_operation *operation = of_directory(call);

    if (take_place(operation, status, entry) && take_changes(operation)) {
        hash(operation, on_hashed_for_change);
    }
}

static void on_hashed_for_change(struct worker_job *job)
{
    struct admin_operation *operation = CONTAINER_OF(job, struct admin_operation, job);
    struct slice credential = buffer_view(&operation->credential);

    if (operation->has_secret) {
        operation->update.credential = &credential;
    }
    account_update(router_of(operation), &operation->account, operation->place, &operation->update,
                   on_updated);
}

static void on_updated(struct account_call *call, enum status status)
{
    struct admin_operation *operation = of_account(call);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the account");
    } else {
        admin_answer(operation, 204, NULL);
    }
}

/* ---- Remove: the name first ---- */

void admin_remove_account(struct admin_operation *operation, const struct http_request *request)
{
    look(operation, on_entry_removed);
}

static void on_entry_removed(struct directory_call *call, enum status status,
                             const struct directory_entry *entry)
{
    struct admin_operation *operation = of_directory(call);

    if (take_place(operation, status, entry)) {
        directory_remove(router_of(operation), &operation->directory, operation->name,
                         entry->revision, on_unnamed);
    }
}

static void on_unnamed(struct directory_call *call, enum status status)
{
    struct admin_operation *operation = of_directory(call);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the account");
        return;
    }
    account_remove(router_of(operation), &operation->account, operation->place, on_removed);
}

static void on_removed(struct account_call *call, enum status status)
{
    struct admin_operation *operation = of_account(call);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        admin_refuse_status(operation, status, "the account");
    } else {
        admin_answer(operation, 204, NULL);
    }
}

/* ---- Mailboxes ---- */

void admin_list_mailboxes(struct admin_operation *operation, const struct http_request *request)
{
    look(operation, on_entry_mailboxes);
}

static void on_entry_mailboxes(struct directory_call *call, enum status status,
                               const struct directory_entry *entry)
{
    struct admin_operation *operation = of_directory(call);

    if (take_place(operation, status, entry)) {
        mailbox_list(router_of(operation), &operation->mailbox, operation->place, on_mailboxes);
    }
}

static json_t *json_of_mailbox(const struct mailbox_record *record)
{
    json_t *mailbox = json_object();

    json_object_set_new(mailbox, "name", admin_json_text(record->name));
    json_object_set_new(mailbox, "special_use", admin_json_text(record->special_use));
    json_object_set_new(mailbox, "messages", json_integer((json_int_t)record->message_count));
    json_object_set_new(mailbox, "unseen", json_integer((json_int_t)record->unseen_count));
    json_object_set_new(mailbox, "octets", json_integer((json_int_t)record->size_octets));
    json_object_set_new(mailbox, "uid_validity", json_integer((json_int_t)record->uid_validity));
    json_object_set_new(mailbox, "uid_next", json_integer((json_int_t)record->uid_next));
    json_object_set_new(mailbox, "modseq", json_integer((json_int_t)record->modseq));
    return mailbox;
}

static void on_mailboxes(struct mailbox_call *call, enum status status,
                         const struct mailbox_record *records, size_t count, uint64_t modseq)
{
    struct admin_operation *operation = CONTAINER_OF(call, struct admin_operation, mailbox);

    if (status != STATUS_OK) {
        admin_refuse_status(operation, status, "the account");
        return;
    }
    json_t *answer = json_array();

    for (size_t i = 0; i < count; i++) {
        if (!records[i].no_mailbox) {
            json_array_append_new(answer, json_of_mailbox(&records[i]));
        }
    }
    admin_answer(operation, 200, answer);
}
