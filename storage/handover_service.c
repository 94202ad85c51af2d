#include "core/memory.h"
#include "proto/handover.pb-c.h"
#include "storage/service.h"

struct handover_service {
    Aviso__Handovers_Service service; /* the first */
    struct node *node;
};

static struct node *node_of(Aviso__Handovers_Service *service)
{
    return CONTAINER_OF(service, struct handover_service, service)->node;
}

static void serve_hand_over(Aviso__Handovers_Service *service,
                            const Aviso__HandOverRequest *request,
                            Aviso__HandOverReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_HAND_OVER, &request->base, call);
}

static void serve_next_handover(Aviso__Handovers_Service *service,
                                const Aviso__NextHandoverRequest *request,
                                Aviso__NextHandoverReply_Closure reply, void *call)
{
    service_read(node_of(service), READ_NEXT_HANDOVER, &request->base, call);
}

static void serve_get_handover_frame(Aviso__Handovers_Service *service,
                                     const Aviso__GetHandoverFrameRequest *request,
                                     Aviso__GetHandoverFrameReply_Closure reply, void *call)
{
    service_read(node_of(service), READ_GET_HANDOVER_FRAME, &request->base, call);
}

static void serve_settle_handover(Aviso__Handovers_Service *service,
                                  const Aviso__SettleHandoverRequest *request,
                                  Aviso__SettleHandoverReply_Closure reply, void *call)
{
    service_propose(node_of(service), COMMAND_SETTLE_HANDOVER, &request->base, call);
}

/* Does not compile until every method has its serve_ function. */
static const Aviso__Handovers_Service service_template = AVISO__HANDOVERS__INIT(serve_);

ProtobufCService *handover_service_new(struct node *node)
{
    struct handover_service *made = NEW(struct handover_service);

    made->service = service_template;
    made->node = node;
    return &made->service.base;
}
