#include "core/memory.h"
#include "proto/delivery.pb-c.h"
#include "storage/service.h"

struct delivery_service {
    Aviso__Delivery_Service service; /* the first */
    struct node *node;
};

static struct node *node_of(Aviso__Delivery_Service *service)
{
    return CONTAINER_OF(service, struct delivery_service, service)->node;
}

static void serve_put_frame(Aviso__Delivery_Service *service, const Aviso__PutFrameRequest *request,
                            Aviso__PutFrameReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_PUT_FRAME, &request->base, call);
}

static void serve_deliver(Aviso__Delivery_Service *service, const Aviso__DeliverRequest *request,
                          Aviso__DeliverReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_DELIVER, &request->base, call);
}

/* Does not compile until every method has its serve_ function. */
static const Aviso__Delivery_Service service_template = AVISO__DELIVERY__INIT(serve_);

ProtobufCService *delivery_service_new(struct node *node)
{
    struct delivery_service *made = NEW(struct delivery_service);

    made->service = service_template;
    made->node = node;
    return &made->service.base;
}
