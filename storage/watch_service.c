#include "core/memory.h"
#include "proto/watch.pb-c.h"
#include "storage/service.h"
#include "storage/watches.h"

struct watch_service {
    Aviso__Watches_Service service; /* the first */
    struct node *node;
};

static void serve_watch(Aviso__Watches_Service *service, const Aviso__WatchRequest *request,
                        Aviso__WatchEvent_Closure send, void *call)
{
    struct node *node = CONTAINER_OF(service, struct watch_service, service)->node;
    enum status status = STATUS_OK;
    struct shard *shard = node_shard(node, rpc_request_shard(call), &status);
    uint64_t modseq = 0;
    bool suspended = false;

    if (shard != NULL) {
        status = shard_account_state(shard, request->account, &modseq, &suspended);
    }
    if (shard != NULL && status == STATUS_OK) {
        status = watches_add(shard_watches(shard), request->account, modseq, suspended, send, call);
    }
    if (status == STATUS_NOT_LEADER) {
        rpc_fail_not_leader(call, 0);
    } else if (status != STATUS_OK) {
        rpc_fail(call, status);
    }
}

/* Does not compile until every method has its serve_ function. */
static const Aviso__Watches_Service service_template = AVISO__WATCHES__INIT(serve_);

ProtobufCService *watch_service_new(struct node *node)
{
    struct watch_service *made = NEW(struct watch_service);

    made->service = service_template;
    made->node = node;
    return &made->service.base;
}
