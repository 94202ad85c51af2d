/* The files of snapshots, for the replicas that pull them. */
#include "core/memory.h"
#include "proto/snapshot.pb-c.h"
#include "storage/service.h"

struct snapshot_service {
    Aviso__Snapshots_Service service; /* the first */
    struct node *node;
};

static struct shard *shard_of(Aviso__Snapshots_Service *service, void *call)
{
    struct node *node = CONTAINER_OF(service, struct snapshot_service, service)->node;
    enum status status = STATUS_OK;
    struct shard *shard = node_shard(node, rpc_request_shard(call), &status);

    if (shard == NULL) {
        rpc_fail(call, STATUS_NOT_FOUND);
    }
    return shard;
}

static void serve_get_manifest(Aviso__Snapshots_Service *service,
                               const Aviso__GetManifestRequest *request,
                               Aviso__SnapshotManifest_Closure reply, void *call)
{
    struct shard *shard = shard_of(service, call);
    Aviso__SnapshotManifest answer = AVISO__SNAPSHOT_MANIFEST__INIT;

    if (shard == NULL) {
        return;
    }
    const struct snapshot_manifest *manifest =
        shard_manifest(shard, (struct raft_position){request->term, request->index});

    if (manifest == NULL) {
        rpc_fail(call, STATUS_NOT_FOUND);
        return;
    }
    answer.n_file_sizes = answer.n_file_sums = manifest->file_count;
    answer.file_sizes = memory_zeroed((manifest->file_count + 1) * sizeof(*answer.file_sizes));
    answer.file_sums = memory_zeroed((manifest->file_count + 1) * sizeof(*answer.file_sums));
    for (size_t index = 0; index < manifest->file_count; index++) {
        answer.file_sizes[index] = manifest->files[index].size;
        answer.file_sums[index] = manifest->files[index].sum;
    }
    reply(&answer, call);
    memory_free(answer.file_sizes);
    memory_free(answer.file_sums);
}

static void serve_get_part(Aviso__Snapshots_Service *service, const Aviso__GetPartRequest *request,
                           Aviso__GetPartReply_Closure reply, void *call)
{
    struct shard *shard = shard_of(service, call);

    if (shard != NULL) {
        shard_serve_part(shard, (struct raft_position){request->term, request->index},
                         request->file, request->offset, request->size, call);
    }
}

/* Does not compile until every method has its serve_ function. */
static const Aviso__Snapshots_Service service_template = AVISO__SNAPSHOTS__INIT(serve_);

ProtobufCService *snapshot_service_new(struct node *node)
{
    struct snapshot_service *made = NEW(struct snapshot_service);

    made->service = service_template;
    made->node = node;
    return &made->service.base;
}
