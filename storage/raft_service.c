/* What other nodes say to the replicas of this one. */
#include "core/arena.h"
#include "core/log.h"
#include "core/memory.h"
#include "proto/raft.pb-c.h"
#include "storage/raft_wire.h"
#include "storage/replica_id.h"
#include "storage/service.h"

struct raft_service {
    Aviso__Raft_Service service; /* the first */
    struct node *node;
};

/* A batch, until all of its messages were handed over. */
struct receipt {
    struct rpc_request *call;
    Aviso__RaftBatchReply_Closure reply;
    struct loop *loop;
    struct arena arena;
    size_t part_count; /* on their way */
};

/* The messages for the shards of one loop. */
struct receipt_part {
    struct loop_message message;
    struct receipt *receipt;
    struct node *node;
    struct loop *loop;
    struct addressed {
        struct addressed *next;
        uint32_t shard;
        struct raft_wire_message message;
    } * first, **end;
    struct receipt_part *next;
};

/* ---- Handing over ---- */

static void hand_over(struct receipt_part *part)
{
    for (struct addressed *one = part->first; one != NULL; one = one->next) {
        enum status status;
        struct shard *shard = node_shard(part->node, one->shard, &status);

        if (shard != NULL) {
            shard_receive(shard, &one->message.message, one->message.payloads);
        }
    }
}

static void end(struct receipt *receipt)
{
    Aviso__RaftBatchReply reply = AVISO__RAFT_BATCH_REPLY__INIT;
    struct rpc_request *call = receipt->call;
    Aviso__RaftBatchReply_Closure answer = receipt->reply;

    arena_done(&receipt->arena);
    memory_free(receipt);
    answer(&reply, call);
}

static void on_handed_over(struct loop_message *message)
{
    struct receipt *receipt = CONTAINER_OF(message, struct receipt_part, message)->receipt;

    if (--receipt->part_count == 0) {
        end(receipt);
    }
}

static void on_other_loop(struct loop_message *message)
{
    struct receipt_part *part = CONTAINER_OF(message, struct receipt_part, message);

    hand_over(part);
    part->message.run = on_handed_over;
    loop_post(part->receipt->loop, &part->message);
}

/* ---- Sorting ---- */

static struct receipt_part *part_for(struct receipt *receipt, struct receipt_part **parts,
                                     struct node *node, struct loop *loop)
{
    struct receipt_part *part = *parts;

    while (part != NULL && part->loop != loop) {
        part = part->next;
    }
    if (part == NULL) {
        part = ARENA_NEW(&receipt->arena, struct receipt_part);
        *part = (struct receipt_part){.message = {.run = on_other_loop},
                                      .receipt = receipt,
                                      .node = node,
                                      .loop = loop,
                                      .next = *parts};
        part->end = &part->first;
        *parts = part;
    }
    return part;
}

/* A message that no replica of the sender would have sent makes the whole batch worthless. */
static enum status sort(struct receipt *receipt, struct node *node, const Aviso__RaftBatch *batch,
                        struct slice octets, struct receipt_part **out_parts)
{
    for (size_t index = 0; index < batch->n_messages; index++) {
        const Aviso__RaftMessage *wire = batch->messages[index];
        struct raft_wire_message message;
        enum status status = raft_wire_decode(&receipt->arena, wire, &octets, &message);
        struct loop *loop = node_services(node)->route(node, wire->shard);

        if (status != STATUS_OK || replica_id_node(wire->from) != batch->from_node) {
            return STATUS_INVALID;
        }
        if (loop == NULL) {
            continue; /* no such replica here */
        }
        struct receipt_part *part = part_for(receipt, out_parts, node, loop);
        struct addressed *one = ARENA_NEW(&receipt->arena, struct addressed);

        *one = (struct addressed){.shard = wire->shard, .message = message};
        *part->end = one;
        part->end = &one->next;
    }
    return STATUS_OK;
}

/* One loop's share is handed over at once; others get theirs by post. The last to end answers. */
static void distribute(struct receipt *receipt, struct receipt_part *parts)
{
    receipt->part_count = 1;
    while (parts != NULL) {
        struct receipt_part *part = parts;

        parts = part->next;
        if (loop_is_current(part->loop)) {
            hand_over(part);
        } else {
            receipt->part_count++;
            loop_post(part->loop, &part->message);
        }
    }
    if (--receipt->part_count == 0) {
        end(receipt);
    }
}

/* ---- The methods ---- */

static void serve_step(Aviso__Raft_Service *service, const Aviso__RaftBatch *batch,
                       Aviso__RaftBatchReply_Closure reply, void *call)
{
    struct node *node = CONTAINER_OF(service, struct raft_service, service)->node;
    struct receipt *receipt = NEW(struct receipt);
    struct receipt_part *parts = NULL;

    receipt->call = call;
    receipt->reply = reply;
    receipt->loop = rpc_request_loop(call);
    arena_init(&receipt->arena);
    enum status status = sort(receipt, node, batch, rpc_request_octets(call), &parts);

    if (status == STATUS_OK) {
        distribute(receipt, parts);
        return;
    }
    log_warning("raft.batch_refused", log_number("from", batch->from_node), log_status(status));
    arena_done(&receipt->arena);
    memory_free(receipt);
    rpc_fail(call, status);
}

static void on_watch_end(struct rpc_request *call, void *context)
{
}

static void serve_watch_node(Aviso__Raft_Service *service, const Aviso__WatchNodeRequest *request,
                             Aviso__WatchNodeEvent_Closure send, void *call)
{
    struct node *node = CONTAINER_OF(service, struct raft_service, service)->node;
    Aviso__WatchNodeEvent event = AVISO__WATCH_NODE_EVENT__INIT;

    event.node = node_number(node);
    rpc_stream_begin(call, on_watch_end, on_watch_end, NULL);
    send(&event, call);
}

/* Does not compile until every method has its serve_ function. */
static const Aviso__Raft_Service service_template = AVISO__RAFT__INIT(serve_);

ProtobufCService *raft_service_new(struct node *node)
{
    struct raft_service *made = NEW(struct raft_service);

    made->service = service_template;
    made->node = node;
    return &made->service.base;
}
