#include "core/memory.h"
#include "proto/account.pb-c.h"
#include "storage/service.h"

struct account_service {
    Aviso__Accounts_Service service; /* the first */
    struct node *node;
};

static struct node *node_of(Aviso__Accounts_Service *service)
{
    return CONTAINER_OF(service, struct account_service, service)->node;
}

static void serve_create_account(Aviso__Accounts_Service *service,
                                 const Aviso__CreateAccountRequest *request,
                                 Aviso__CreateAccountReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_CREATE_ACCOUNT, &request->base, call);
}

static void serve_update_account(Aviso__Accounts_Service *service,
                                 const Aviso__UpdateAccountRequest *request,
                                 Aviso__UpdateAccountReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_UPDATE_ACCOUNT, &request->base, call);
}

static void serve_remove_account(Aviso__Accounts_Service *service,
                                 const Aviso__RemoveAccountRequest *request,
                                 Aviso__RemoveAccountReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_REMOVE_ACCOUNT, &request->base, call);
}

static void serve_get_account(Aviso__Accounts_Service *service,
                              const Aviso__GetAccountRequest *request, Aviso__Account_Closure reply,
                              void *call)
{
    service_read(node_of(service), READ_GET_ACCOUNT, &request->base, call);
}

/* Does not compile until every method has its serve_ function. */
static const Aviso__Accounts_Service service_template = AVISO__ACCOUNTS__INIT(serve_);

ProtobufCService *account_service_new(struct node *node)
{
    struct account_service *made = NEW(struct account_service);

    made->service = service_template;
    made->node = node;
    return &made->service.base;
}
