/* From an address to the accounts that get its mail: aliases, groups, details, catch-alls. */
#include "core/macros.h"
#include "mail/address.h"
#include "router/channels.h"
#include "router/directory.h"
#include "router/directory_work.h"

enum { NAMES_MAX = 4000, DETAIL_DELIMITER = '+' };

/* Which name of an address is being looked up: the address, that without its detail, its domain. */
enum step { STEP_WHOLE, STEP_USER, STEP_DOMAIN };

struct waiting {
    struct waiting *next;
    struct slice address;
    unsigned depth;
};

struct resolving {
    struct slice asked;    /* the address that all began with */
    bool has_used_cache;   /* for anything */
    bool is_without_cache; /* everything is asked for */
    struct waiting *first; /* addresses that still have to be looked up, in their order */
    struct waiting **last;
    size_t name_count;
    enum step step;
    bool met_foreign;
    bool is_loop;
    struct slice detail;
    struct resolved_account *accounts;
    size_t account_count;
    size_t account_capacity;
    size_t states_known; /* of the accounts */
};

static attempt_done_fn on_looked;
static account_get_fn on_account;

/* ---- What is gathered ---- */

static void add_waiting(struct directory_work *work, struct slice address, unsigned depth)
{
    struct resolving *resolving = work->resolving;
    struct waiting *waiting = ARENA_NEW(&work->arena, struct waiting);

    if (depth > RESOLUTION_DEPTH_MAX || ++resolving->name_count > NAMES_MAX) {
        resolving->is_loop = true;
        return;
    }
    if (address.size > ADDRESS_SIZE_MAX) {
        return; /* nobody has it */
    }
    waiting->address = arena_copy(&work->arena, address);
    waiting->depth = depth;
    *resolving->last = waiting;
    resolving->last = &waiting->next;
}

static void add_account(struct directory_work *work, const struct directory_entry *entry)
{
    struct resolving *resolving = work->resolving;

    for (size_t i = 0; i < resolving->account_count; i++) {
        if (resolving->accounts[i].account == entry->account &&
            resolving->accounts[i].shard == entry->shard) {
            return;
        }
    }
    if (resolving->account_count == RESOLUTION_ACCOUNTS_MAX) {
        resolving->is_loop = true;
        return;
    }
    if (resolving->account_count == resolving->account_capacity) {
        size_t capacity = resolving->account_capacity * 4 + 4;
        struct resolved_account *accounts = arena_array(&work->arena, capacity, sizeof(*accounts));

        for (size_t i = 0; i < resolving->account_count; i++) {
            accounts[i] = resolving->accounts[i];
        }
        resolving->accounts = accounts;
        resolving->account_capacity = capacity;
    }
    resolving->accounts[resolving->account_count++] = (struct resolved_account){
        .shard = entry->shard,
        .account = entry->account,
        .address = arena_copy(&work->arena, entry->name),
    };
}

/* ---- One address after the other ---- */

static void next_address(struct directory_work *work)
{
    struct resolving *resolving = work->resolving;

    resolving->first = resolving->first->next;
    if (resolving->first == NULL) {
        resolving->last = &resolving->first;
    }
    resolving->step = STEP_WHOLE;
}

/* The name of the step; data NULL when the address has none of that kind. */
static struct slice name_of_step(struct directory_work *work)
{
    struct resolving *resolving = work->resolving;
    struct slice user;
    struct slice detail;
    struct slice domain;
    struct buffer name;

    address_split(resolving->first->address, DETAIL_DELIMITER, &user, &detail, &domain);
    if (resolving->step == STEP_WHOLE) {
        return resolving->first->address;
    }
    if (resolving->step == STEP_USER && detail.size == 0) {
        return (struct slice){0};
    }
    buffer_init(&name, ADDRESS_SIZE_MAX + 1);
    buffer_append(&name, resolving->step == STEP_USER ? user : SLICE(""));
    buffer_append_octet(&name, '@');
    buffer_append(&name, domain);
    struct slice kept = arena_copy(&work->arena, buffer_view(&name));

    buffer_done(&name);
    return kept;
}

static void take_entry(struct directory_work *work, const struct directory_entry *entry)
{
    struct resolving *resolving = work->resolving;
    struct slice user;
    struct slice domain;
    unsigned depth = resolving->first->depth;

    if (resolving->step == STEP_USER && depth == 0) {
        address_split(resolving->first->address, DETAIL_DELIMITER, &user, &resolving->detail,
                      &domain);
    }
    if (entry->kind == DIRECTORY_ACCOUNT) {
        add_account(work, entry);
    }
    for (size_t i = 0; i < entry->target_count; i++) {
        add_waiting(work, entry->targets[i], depth + 1);
    }
    next_address(work);
}

static void take_answer(struct directory_work *work, const struct directory_known *known)
{
    struct resolving *resolving = work->resolving;

    if (known->is_there) {
        take_entry(work, &known->entry);
    } else if (resolving->step == STEP_DOMAIN) {
        resolving->met_foreign = true;
        next_address(work);
    } else {
        resolving->step++;
    }
}

/* ---- The accounts' state, once all are known ---- */

static void go_on(struct directory_work *work);

static void start(struct directory_work *work, struct slice address, bool is_without_cache)
{
    struct resolving *resolving = ARENA_NEW(&work->arena, struct resolving);

    resolving->asked = arena_copy(&work->arena, address);
    resolving->is_without_cache = is_without_cache;
    resolving->last = &resolving->first;
    work->resolving = resolving;
    add_waiting(work, address, 0);
}

/* Whether nobody can get the mail. */
static bool is_refusal(const struct resolving *resolving)
{
    for (size_t i = 0; i < resolving->account_count && !resolving->is_loop; i++) {
        if (!resolving->accounts[i].suspended && !resolving->accounts[i].over_quota) {
            return false;
        }
    }
    return true;
}

/* Mail that is refused does not come again, and who was wrongly let in meets storage later, which
 * knows better: so only a refusal is not said from the cache. */
static bool is_doubtful(const struct resolving *resolving)
{
    return resolving->has_used_cache && is_refusal(resolving);
}

static void finish(struct directory_work *work, enum status status)
{
    if (status == STATUS_OK && is_doubtful(work->resolving)) {
        start(work, work->resolving->asked, true);
        go_on(work);
        return;
    }
    struct directory_call *call = directory_work_detach(work);
    const struct resolving *resolving = work->resolving;
    struct resolution resolution = {
        .outcome = resolving->is_loop             ? RESOLUTION_LOOP
                   : resolving->account_count > 0 ? RESOLUTION_ACCOUNTS
                   : resolving->met_foreign       ? RESOLUTION_FOREIGN_DOMAIN
                                                  : RESOLUTION_UNKNOWN_USER,
        .accounts = resolving->accounts,
        .account_count = resolving->account_count,
        .detail = resolving->detail,
    };

    call->done.resolve(call, status, status == STATUS_OK ? &resolution : NULL);
    directory_work_free(work);
}

static struct resolved_account *account_in_hand(struct directory_work *work)
{
    return &work->resolving->accounts[work->resolving->states_known];
}

static void take_state(struct directory_work *work, const struct resolved_account *state)
{
    struct resolved_account *account = account_in_hand(work);
    struct slice address = account->address;
    struct account_place place = {account->shard, account->account};

    *account = *state;
    account->address = address;
    account->shard = place.shard;
    account->account = place.account;
    work->resolving->states_known++;
}

static void read_states(struct directory_work *work)
{
    uint64_t now_ms = loop_now_ms(router_loop(work->router));

    while (work->resolving->states_known < work->resolving->account_count) {
        struct resolved_account *account = account_in_hand(work);
        struct account_place place = {account->shard, account->account};
        struct resolved_account state;

        if (work->resolving->is_without_cache ||
            !directory_cache_find_account(router_directory_cache(work->router), place, now_ms,
                                          router_directory_cache_ms(work->router), &state)) {
            work->asked_ms = now_ms;
            account_get(work->router, &work->account, place, on_account);
            return;
        }
        work->resolving->has_used_cache = true;
        take_state(work, &state);
    }
    finish(work, STATUS_OK);
}

static void on_account(struct account_call *call, enum status status,
                       const struct account_record *record)
{
    struct directory_work *work = CONTAINER_OF(call, struct directory_work, account);
    struct resolved_account *account = account_in_hand(work);
    struct resolved_account state = {.suspended = status == STATUS_NOT_FOUND};

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        finish(work, status);
        return;
    }
    if (status == STATUS_OK) {
        state.suspended = record->suspended;
        state.quota_octets = record->quota_octets;
        state.used_octets = record->used_octets;
        state.over_quota =
            (record->quota_octets > 0 && record->used_octets >= record->quota_octets) ||
            (record->quota_messages > 0 && record->used_messages >= record->quota_messages);
    }
    directory_cache_put_account(router_directory_cache(work->router),
                                (struct account_place){account->shard, account->account}, &state,
                                work->asked_ms);
    take_state(work, &state);
    read_states(work);
}

/* ---- The way through ---- */

/* Goes on with what the cache knows, up to a name that must be asked for. */
static void go_on(struct directory_work *work)
{
    struct resolving *resolving = work->resolving;
    uint64_t now_ms = loop_now_ms(router_loop(work->router));

    while (resolving->first != NULL && !resolving->is_loop) {
        struct directory_known known;

        work->name = name_of_step(work);
        if (work->name.data == NULL) {
            resolving->step++;
            continue;
        }
        if (resolving->is_without_cache ||
            !directory_cache_find(router_directory_cache(work->router), work->name, now_ms,
                                  router_directory_cache_ms(work->router), &known)) {
            directory_work_look(work, on_looked);
            return;
        }
        resolving->has_used_cache = true;
        take_answer(work, &known);
    }
    read_states(work);
}

static void on_looked(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                      struct rpc_octets *octets)
{
    struct directory_work *work = CONTAINER_OF(attempt, struct directory_work, attempt);
    struct directory_known known = {.is_there = status == STATUS_OK};

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        finish(work, status);
        return;
    }
    if (known.is_there) {
        known.entry = directory_entry_of_wire((const Aviso__DirectoryEntry *)message, &work->arena);
    }
    directory_work_learn(work, status, &known.entry);
    take_answer(work, &known);
    go_on(work);
}

static void begin(struct loop_message *turn)
{
    struct directory_work *work = directory_work_of_turn(turn);

    if (work != NULL) {
        go_on(work);
    }
}

void directory_resolve(struct router *router, struct directory_call *call, struct slice address,
                       directory_resolve_fn *done)
{
    struct directory_work *work = directory_work_new(router, call);

    start(work, address, false);
    call->done.resolve = done;
    directory_work_post(work, begin);
}

/* ---- Sending as somebody ---- */

static attempt_done_fn on_sender;

static void end_may_send(struct directory_work *work, enum status status)
{
    struct directory_call *call = directory_work_detach(work);

    call->done.done(call, status);
    directory_work_free(work);
}

static void begin_may_send(struct loop_message *turn)
{
    struct directory_work *work = directory_work_of_turn(turn);

    if (work != NULL) {
        end_may_send(work, STATUS_OK);
    }
}

/* "ann+x@example.org" is "ann@example.org". */
static bool is_own(struct slice address, struct slice sender)
{
    struct slice user;
    struct slice detail;
    struct slice domain;
    struct slice own_user;
    struct slice own_detail;
    struct slice own_domain;

    address_split(address, DETAIL_DELIMITER, &own_user, &own_detail, &own_domain);
    address_split(sender, DETAIL_DELIMITER, &user, &detail, &domain);
    return slice_equals(address, sender) || (own_detail.size == 0 && slice_equals(user, own_user) &&
                                             slice_equals(domain, own_domain));
}

void directory_may_send_as(struct router *router, struct directory_call *call, struct slice address,
                           struct slice sender, directory_done_fn *done)
{
    struct directory_work *work = directory_work_new(router, call);

    call->done.done = done;
    if (is_own(address, sender)) {
        directory_work_post(work, begin_may_send);
        return;
    }
    work->sender_of = arena_copy(&work->arena, address);
    work->name = arena_copy(&work->arena, sender);
    directory_work_look(work, on_sender);
}

static void on_sender(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                      struct rpc_octets *octets)
{
    struct directory_work *work = CONTAINER_OF(attempt, struct directory_work, attempt);
    const Aviso__DirectoryEntry *entry = (const Aviso__DirectoryEntry *)message;

    if (status == STATUS_NOT_FOUND) {
        status = STATUS_DENIED;
    } else if (status == STATUS_OK &&
               (entry->kind != AVISO__ENTRY_KIND__ENTRY_ALIAS || entry->n_targets != 1 ||
                !slice_equals(slice_from_wire(entry->targets[0]), work->sender_of))) {
        status = STATUS_DENIED;
    }
    end_may_send(work, status);
}
