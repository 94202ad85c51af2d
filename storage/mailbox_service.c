#include "core/memory.h"
#include "proto/mailbox.pb-c.h"
#include "storage/service.h"

struct mailbox_service {
    Aviso__Mailboxes_Service service; /* the first */
    struct node *node;
};

static struct node *node_of(Aviso__Mailboxes_Service *service)
{
    return CONTAINER_OF(service, struct mailbox_service, service)->node;
}

static void serve_create_mailbox(Aviso__Mailboxes_Service *service,
                                 const Aviso__CreateMailboxRequest *request,
                                 Aviso__CreateMailboxReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_CREATE_MAILBOX, &request->base, call);
}

static void serve_rename_mailbox(Aviso__Mailboxes_Service *service,
                                 const Aviso__RenameMailboxRequest *request,
                                 Aviso__RenameMailboxReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_RENAME_MAILBOX, &request->base, call);
}

static void serve_delete_mailbox(Aviso__Mailboxes_Service *service,
                                 const Aviso__DeleteMailboxRequest *request,
                                 Aviso__DeleteMailboxReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_DELETE_MAILBOX, &request->base, call);
}

static void serve_subscribe(Aviso__Mailboxes_Service *service,
                            const Aviso__SubscribeRequest *request,
                            Aviso__SubscribeReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_SUBSCRIBE, &request->base, call);
}

static void serve_claim_recent(Aviso__Mailboxes_Service *service,
                               const Aviso__ClaimRecentRequest *request,
                               Aviso__ClaimRecentReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_CLAIM_RECENT, &request->base, call);
}

static void serve_store_flags(Aviso__Mailboxes_Service *service,
                              const Aviso__StoreFlagsRequest *request,
                              Aviso__StoreFlagsReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_STORE_FLAGS, &request->base, call);
}

static void serve_expunge(Aviso__Mailboxes_Service *service, const Aviso__ExpungeRequest *request,
                          Aviso__ExpungeReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_EXPUNGE, &request->base, call);
}

static void serve_copy_messages(Aviso__Mailboxes_Service *service,
                                const Aviso__CopyMessagesRequest *request,
                                Aviso__CopyMessagesReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_COPY_MESSAGES, &request->base, call);
}

static void serve_list_mailboxes(Aviso__Mailboxes_Service *service,
                                 const Aviso__ListMailboxesRequest *request,
                                 Aviso__ListMailboxesReply_Closure reply, void *call)
{
    service_read(node_of(service), READ_LIST_MAILBOXES, &request->base, call);
}

static void serve_open_mailbox(Aviso__Mailboxes_Service *service,
                               const Aviso__OpenMailboxRequest *request,
                               Aviso__OpenMailboxReply_Closure reply, void *call)
{
    service_read(node_of(service), READ_OPEN_MAILBOX, &request->base, call);
}

static void serve_get_rows(Aviso__Mailboxes_Service *service, const Aviso__GetRowsRequest *request,
                           Aviso__GetRowsReply_Closure reply, void *call)
{
    service_read(node_of(service), READ_GET_ROWS, &request->base, call);
}

static void serve_get_changes(Aviso__Mailboxes_Service *service,
                              const Aviso__GetChangesRequest *request,
                              Aviso__GetChangesReply_Closure reply, void *call)
{
    service_read(node_of(service), READ_GET_CHANGES, &request->base, call);
}

static void serve_get_body(Aviso__Mailboxes_Service *service, const Aviso__GetBodyRequest *request,
                           Aviso__GetBodyReply_Closure reply, void *call)
{
    service_read(node_of(service), READ_GET_BODY, &request->base, call);
}

/* Does not compile until every method has its serve_ function. */
static const Aviso__Mailboxes_Service service_template = AVISO__MAILBOXES__INIT(serve_);

ProtobufCService *mailbox_service_new(struct node *node)
{
    struct mailbox_service *made = NEW(struct mailbox_service);

    made->service = service_template;
    made->node = node;
    return &made->service.base;
}
