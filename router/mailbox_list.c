/* The list of mailboxes: list, create, rename, delete, subscribe. */
#include "core/macros.h"
#include "router/mailbox_work.h"

static attempt_done_fn on_listed, on_created, on_done;

static struct mailbox_work *work_of(struct attempt *attempt)
{
    return CONTAINER_OF(attempt, struct mailbox_work, attempt);
}

void mailbox_list(struct router *router, struct mailbox_call *call, struct account_place place,
                  mailbox_list_fn *done)
{
    Aviso__ListMailboxesRequest request = AVISO__LIST_MAILBOXES_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    request.account = place.account;
    call->done.list = done;
    mailbox_work_send(work, "ListMailboxes", &request.base, on_listed);
}

void mailbox_find(struct router *router, struct mailbox_call *call, struct account_place place,
                  struct slice name, mailbox_list_fn *done)
{
    Aviso__ListMailboxesRequest request = AVISO__LIST_MAILBOXES_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    request.account = place.account;
    request.name = wire_from_slice(name);
    call->done.list = done;
    mailbox_work_send(work, "ListMailboxes", &request.base, on_listed);
}

static void on_listed(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                      struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    struct mailbox_call *call = mailbox_work_detach(work);
    const Aviso__ListMailboxesReply *reply = (const Aviso__ListMailboxesReply *)message;
    struct mailbox_record *records = NULL;
    size_t count = status == STATUS_OK ? reply->n_mailboxes : 0;

    records = arena_array(&work->arena, count, sizeof(*records));
    for (size_t i = 0; i < count; i++) {
        records[i] = mailbox_record_of_wire(reply->mailboxes[i], &work->arena);
    }
    call->done.list(call, status, records, count, status == STATUS_OK ? reply->modseq : 0);
    mailbox_work_free(work);
}

void mailbox_create(struct router *router, struct mailbox_call *call, struct account_place place,
                    struct slice name, struct slice special_use, mailbox_created_fn *done)
{
    Aviso__CreateMailboxRequest request = AVISO__CREATE_MAILBOX_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    request.request_id = mailbox_work_id(work);
    request.account = place.account;
    request.name = wire_from_slice(name);
    request.special_use = wire_from_slice(special_use);
    call->done.created = done;
    mailbox_work_send(work, "CreateMailbox", &request.base, on_created);
}

static void on_created(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                       struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    struct mailbox_call *call = mailbox_work_detach(work);
    const Aviso__CreateMailboxReply *reply = (const Aviso__CreateMailboxReply *)message;

    call->done.created(call, status, status == STATUS_OK ? reply->mailbox : 0,
                       status == STATUS_OK ? reply->uid_validity : 0);
    mailbox_work_free(work);
}

static void on_done(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                    struct rpc_octets *octets)
{
    struct mailbox_work *work = work_of(attempt);
    struct mailbox_call *call = mailbox_work_detach(work);

    call->done.done(call, status);
    mailbox_work_free(work);
}

void mailbox_rename(struct router *router, struct mailbox_call *call, struct account_place place,
                    struct slice name, struct slice new_name, mailbox_done_fn *done)
{
    Aviso__RenameMailboxRequest request = AVISO__RENAME_MAILBOX_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    request.request_id = mailbox_work_id(work);
    request.account = place.account;
    request.name = wire_from_slice(name);
    request.new_name = wire_from_slice(new_name);
    call->done.done = done;
    mailbox_work_send(work, "RenameMailbox", &request.base, on_done);
}

void mailbox_delete(struct router *router, struct mailbox_call *call, struct account_place place,
                    struct slice name, mailbox_done_fn *done)
{
    Aviso__DeleteMailboxRequest request = AVISO__DELETE_MAILBOX_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    request.request_id = mailbox_work_id(work);
    request.account = place.account;
    request.name = wire_from_slice(name);
    call->done.done = done;
    mailbox_work_send(work, "DeleteMailbox", &request.base, on_done);
}

void mailbox_subscribe(struct router *router, struct mailbox_call *call, struct account_place place,
                       struct slice name, bool subscribed, mailbox_done_fn *done)
{
    Aviso__SubscribeRequest request = AVISO__SUBSCRIBE_REQUEST__INIT;
    struct mailbox_work *work = mailbox_work_new(router, call, place);

    request.request_id = mailbox_work_id(work);
    request.account = place.account;
    request.name = wire_from_slice(name);
    request.subscribed = subscribed;
    call->done.done = done;
    mailbox_work_send(work, "Subscribe", &request.base, on_done);
}
