#include "router/account_client.h"

#include "core/macros.h"
#include "core/memory.h"
#include "proto/account.pb-c.h"
#include "router/attempt.h"

struct account_work {
    struct attempt attempt;
    struct account_call *call;
};

static attempt_done_fn on_created, on_got, on_done;

static struct account_work *begin(struct router *router, struct account_call *call)
{
    struct account_work *work = NEW(struct account_work);

    attempt_init(&work->attempt, router);
    work->call = call;
    call->work = work;
    return work;
}

/* Gives the call back to its owner, who may use it again at once; the work goes after `done`. */
static struct account_call *detach(struct attempt *attempt)
{
    struct account_call *call = CONTAINER_OF(attempt, struct account_work, attempt)->call;

    call->work = NULL;
    return call;
}

static void end(struct attempt *attempt)
{
    struct account_work *work = CONTAINER_OF(attempt, struct account_work, attempt);

    buffer_wipe(&attempt->packed); /* a credential may be in it */
    attempt_done(attempt);
    memory_free(work);
}

void account_call_cancel(struct account_call *call)
{
    if (call->work != NULL) {
        end(&call->work->attempt);
        call->work = NULL;
    }
}

/* ---- CreateAccount ---- */

void account_create(struct router *router, struct account_call *call, uint32_t shard,
                    struct slice address, struct slice credential, uint64_t quota_octets,
                    uint64_t quota_messages, account_created_fn *done)
{
    static const char *const names[] = {"Drafts", "Sent", "Trash", "Junk", "Archive"};
    Aviso__CreateAccountRequest request = AVISO__CREATE_ACCOUNT_REQUEST__INIT;
    Aviso__NewMailbox mailboxes[COUNT_OF(names)];
    Aviso__NewMailbox *pointers[COUNT_OF(names)];
    struct account_work *work = begin(router, call);
    struct request_id id;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        mailboxes[i] = (Aviso__NewMailbox)AVISO__NEW_MAILBOX__INIT;
        mailboxes[i].name = wire_from_slice(slice_of(names[i]));
        mailboxes[i].special_use = mailboxes[i].name;
        pointers[i] = &mailboxes[i];
    }
    request_id_make(&id);
    request.request_id = wire_from_slice((struct slice){id.octets, REQUEST_ID_SIZE});
    request.address = wire_from_slice(address);
    request.credential = wire_from_slice(credential);
    request.quota_octets = quota_octets;
    request.quota_messages = quota_messages;
    request.n_mailboxes = COUNT_OF(names);
    request.mailboxes = pointers;
    call->done.created = done;
    attempt_start(&work->attempt, shard, &aviso__accounts__descriptor, "CreateAccount",
                  &request.base, NULL, on_created);
}

static void on_created(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                       struct rpc_octets *octets)
{
    const Aviso__CreateAccountReply *reply = (const Aviso__CreateAccountReply *)message;
    struct account_call *call = detach(attempt);

    call->done.created(call, status, status == STATUS_OK ? reply->account : 0);
    end(attempt);
}

/* ---- GetAccount ---- */

void account_get(struct router *router, struct account_call *call, struct account_place place,
                 account_get_fn *done)
{
    Aviso__GetAccountRequest request = AVISO__GET_ACCOUNT_REQUEST__INIT;
    struct account_work *work = begin(router, call);

    request.account = place.account;
    call->done.get = done;
    attempt_start(&work->attempt, place.shard, &aviso__accounts__descriptor, "GetAccount",
                  &request.base, NULL, on_got);
}

static void on_got(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                   struct rpc_octets *octets)
{
    const Aviso__Account *account = (const Aviso__Account *)message;
    struct account_call *call = detach(attempt);
    struct account_record record = {0};

    if (status == STATUS_OK) {
        record = (struct account_record){
            .account = account->account,
            .address = slice_from_wire(account->address),
            .credential = slice_from_wire(account->credential),
            .suspended = account->suspended,
            .quota_octets = account->quota_octets,
            .quota_messages = account->quota_messages,
            .used_octets = account->used_octets,
            .used_messages = account->used_messages,
            .modseq = account->modseq,
            .created_ms = account->created_ms,
        };
    }
    call->done.get(call, status, status == STATUS_OK ? &record : NULL);
    end(attempt);
}

/* ---- UpdateAccount, RemoveAccount ---- */

void account_update(struct router *router, struct account_call *call, struct account_place place,
                    const struct account_update *update, account_done_fn *done)
{
    Aviso__UpdateAccountRequest request = AVISO__UPDATE_ACCOUNT_REQUEST__INIT;
    struct account_work *work = begin(router, call);
    struct request_id id;

    request_id_make(&id);
    request.request_id = wire_from_slice((struct slice){id.octets, REQUEST_ID_SIZE});
    request.account = place.account;
    if (update->credential != NULL) {
        request.set_credential = true;
        request.credential = wire_from_slice(*update->credential);
    }
    if (update->quota_octets != NULL && update->quota_messages != NULL) {
        request.set_quota = true;
        request.quota_octets = *update->quota_octets;
        request.quota_messages = *update->quota_messages;
    }
    if (update->suspended != NULL) {
        request.set_suspended = true;
        request.suspended = *update->suspended;
    }
    call->done.done = done;
    attempt_start(&work->attempt, place.shard, &aviso__accounts__descriptor, "UpdateAccount",
                  &request.base, NULL, on_done);
}

void account_remove(struct router *router, struct account_call *call, struct account_place place,
                    account_done_fn *done)
{
    Aviso__RemoveAccountRequest request = AVISO__REMOVE_ACCOUNT_REQUEST__INIT;
    struct account_work *work = begin(router, call);
    struct request_id id;

    request_id_make(&id);
    request.request_id = wire_from_slice((struct slice){id.octets, REQUEST_ID_SIZE});
    request.account = place.account;
    call->done.done = done;
    attempt_start(&work->attempt, place.shard, &aviso__accounts__descriptor, "RemoveAccount",
                  &request.base, NULL, on_done);
}

static void on_done(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                    struct rpc_octets *octets)
{
    struct account_call *call = detach(attempt);

    call->done.done(call, status);
    end(attempt);
}
