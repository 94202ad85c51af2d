#include "core/memory.h"
#include "proto/directory.pb-c.h"
#include "storage/service.h"

struct directory_service {
    Aviso__Directory_Service service; /* the first */
    struct node *node;
};

static struct node *node_of(Aviso__Directory_Service *service)
{
    return CONTAINER_OF(service, struct directory_service, service)->node;
}

static void serve_put_entry(Aviso__Directory_Service *service,
                            const Aviso__PutEntryRequest *request,
                            Aviso__PutEntryReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_PUT_ENTRY, &request->base, call);
}

static void serve_remove_entry(Aviso__Directory_Service *service,
                               const Aviso__RemoveEntryRequest *request,
                               Aviso__RemoveEntryReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_REMOVE_ENTRY, &request->base, call);
}

static void serve_look(Aviso__Directory_Service *service, const Aviso__LookRequest *request,
                       Aviso__DirectoryEntry_Closure reply, void *call)
{
    service_read(node_of(service), READ_LOOK, &request->base, call);
}

static void serve_list_entries(Aviso__Directory_Service *service,
                               const Aviso__ListEntriesRequest *request,
                               Aviso__ListEntriesReply_Closure reply, void *call)
{
    service_read(node_of(service), READ_LIST_ENTRIES, &request->base, call);
}

/* Does not compile until every method has its serve_ function. */
static const Aviso__Directory_Service service_template = AVISO__DIRECTORY__INIT(serve_);

ProtobufCService *directory_service_new(struct node *node)
{
    struct directory_service *made = NEW(struct directory_service);

    made->service = service_template;
    made->node = node;
    return &made->service.base;
}
