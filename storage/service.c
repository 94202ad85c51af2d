#include "storage/service.h"

#include "core/memory.h"

/* NULL: answered already. */
static struct shard *shard_of(struct node *node, struct rpc_request *call)
{
    enum status status = STATUS_OK;
    struct shard *shard = node_shard(node, rpc_request_shard(call), &status);

    if (shard != NULL) {
        return shard;
    }
    if (status == STATUS_NOT_LEADER) {
        rpc_fail_not_leader(call, 0);
    } else {
        rpc_fail(call, status);
    }
    return NULL;
}

static void on_done(void *call, const struct shard_answer *answer)
{
    if (answer->status == STATUS_OK) {
        rpc_reply_packed(call, answer->reply);
    } else if (answer->status == STATUS_NOT_LEADER) {
        rpc_fail_not_leader(call, answer->leader_hint);
    } else {
        rpc_fail(call, answer->status);
    }
}

void service_propose(struct node *node, enum command_kind kind, const ProtobufCMessage *request,
                     void *call)
{
    struct shard *shard = shard_of(node, call);

    if (shard != NULL) {
        shard_propose(shard, kind, request, rpc_request_octets(call), on_done, call);
    }
}

void service_read(struct node *node, enum read_kind kind, const ProtobufCMessage *request,
                  void *call)
{
    struct shard *shard = shard_of(node, call);

    if (shard != NULL) {
        shard_read(shard, kind, request, call);
    }
}

void service_free(ProtobufCService *service)
{
    memory_free(service);
}
