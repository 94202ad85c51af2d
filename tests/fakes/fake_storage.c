#include "tests/fakes/fake_storage.h"

#include <string.h>

#include "core/check.h"
#include "core/macros.h"

enum { SHARDS = 8, SETTLE_TURNS = 20 };

static struct fake_storage *on_stage; /* one at a time */

static void note(struct fake_storage *storage, const struct fake_request *request)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(request->message->descriptor, "request_id");
    struct fake_seen *seen = &storage->seen[storage->seen_count++];

    CHECK(storage->seen_count < FAKE_SEEN_MAX);
    *seen = (struct fake_seen){
        .method = request->method,
        .shard = request->shard,
        .octets_size = rpc_request_octets(request->call).size,
        .message_size = protobuf_c_message_get_packed_size(request->message),
    };
    if (field != NULL) {
        const ProtobufCBinaryData *id =
            (const ProtobufCBinaryData *)((const char *)request->message + field->offset);

        CHECK(id->len == sizeof(seen->id));
        memcpy(seen->id, id->data, sizeof(seen->id));
    }
}

static void serve(ProtobufCService *service, unsigned index, const ProtobufCMessage *message,
                  ProtobufCClosure closure, void *call)
{
    struct fake_storage *storage = on_stage;
    struct fake_request request = {
        .method = service->descriptor->methods[index].name,
        .shard = rpc_request_shard(call),
        .message = message,
        .closure = closure,
        .call = call,
    };
    enum status status = STATUS_OK;

    note(storage, &request);
    if (storage->script_next < storage->script_count) {
        status = storage->script[storage->script_next++];
    }
    if (status == STATUS_NOT_LEADER) {
        rpc_fail_not_leader(call, 7);
    } else if (status != STATUS_OK) {
        rpc_fail(call, status);
    } else {
        storage->serve(storage, &request);
    }
}

void fake_storage_open(struct fake_storage *storage,
                       void (*answer)(struct fake_storage *storage,
                                      const struct fake_request *request))
{
    static const ProtobufCServiceDescriptor *const descriptors[FAKE_SERVICES] = {
        &aviso__directory__descriptor, &aviso__accounts__descriptor, &aviso__mailboxes__descriptor,
        &aviso__delivery__descriptor,  &aviso__watches__descriptor,
    };

    *storage = (struct fake_storage){
        .loop = loop_new("client"),
        .map = shard_map_new(SHARDS),
        .serve = answer,
    };
    for (size_t i = 0; i < FAKE_SERVICES; i++) {
        storage->services[i] = (ProtobufCService){descriptors[i], serve, NULL};
        storage->pointers[i] = &storage->services[i];
    }
    storage->served = (struct rpc_services){storage->pointers, FAKE_SERVICES, NULL, NULL};
    on_stage = storage;
    CHECK(sem_init(&storage->stopped, 0, 0) == 0);
    loop_start(storage->loop);
}

static struct loop *route(void *context, uint32_t shard)
{
    return ((struct fake_storage *)context)->loop;
}

static void open_router(struct fake_storage *storage)
{
    storage->served.route = route;
    storage->served.context = storage;
    storage->router = router_new(&(struct router_options){
        .loop = storage->loop,
        .local = &storage->served,
        .map = storage->map,
        .call_timeout_ms = storage->call_timeout_ms != 0 ? storage->call_timeout_ms : 30000,
        .directory_cache_ms = storage->cache_ms,
        .directory_cache_count_max = 1000,
    });
}

static void close_router(struct fake_storage *storage)
{
    router_free(storage->router);
    fake_storage_stop(storage);
}

void fake_storage_close(struct fake_storage *storage)
{
    CHECK(storage->held_count == 0);
    if (storage->router != NULL) {
        fake_storage_play(storage, close_router);
    }
    loop_stop(storage->loop);
    loop_join(storage->loop);
    loop_free(storage->loop);
    shard_map_unref(storage->map);
    CHECK(sem_destroy(&storage->stopped) == 0);
    on_stage = NULL;
}

static void on_begin(struct loop_message *message)
{
    struct fake_storage *storage = CONTAINER_OF(message, struct fake_storage, begin);

    if (storage->router == NULL) {
        open_router(storage);
    }
    storage->run(storage);
}

void fake_storage_play(struct fake_storage *storage, void (*run)(struct fake_storage *storage))
{
    storage->run = run;
    storage->begin.run = on_begin;
    loop_post(storage->loop, &storage->begin);
    while (sem_wait(&storage->stopped) != 0) {
        continue;
    }
}

void fake_storage_stop(struct fake_storage *storage)
{
    CHECK(sem_post(&storage->stopped) == 0);
}

static void on_settled(struct loop_message *message)
{
    struct fake_storage *storage = CONTAINER_OF(message, struct fake_storage, settled);

    if (storage->turns_left-- > 0) {
        loop_post(storage->loop, &storage->settled);
    } else {
        storage->then(storage);
    }
}

void fake_storage_settle(struct fake_storage *storage, void (*then)(struct fake_storage *storage))
{
    storage->then = then;
    storage->turns_left = SETTLE_TURNS;
    storage->settled.run = on_settled;
    loop_post(storage->loop, &storage->settled);
}

void fake_reply(const struct fake_request *request, const ProtobufCMessage *reply)
{
    request->closure(reply, request->call);
}

void fake_fail(const struct fake_request *request, enum status status)
{
    rpc_fail(request->call, status);
}

void fake_hold(struct fake_storage *storage, const struct fake_request *request)
{
    CHECK(storage->held_count < FAKE_HELD_MAX);
    storage->held[storage->held_count++] = *request;
}

size_t fake_seen_count(const struct fake_storage *storage, const char *method)
{
    size_t count = 0;

    for (size_t i = 0; i < storage->seen_count; i++) {
        count += strcmp(storage->seen[i].method, method) == 0;
    }
    return count;
}
