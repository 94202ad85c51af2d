#include "tests/fakes/node_client.h"

#include <semaphore.h>
#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/number.h"
#include "core/random.h"
#include "net/sha256.h"

struct call {
    struct rpc_call rpc;
    struct loop_message message;
    struct node_client *client;
    ProtobufCService *channel;
    unsigned method;
    const ProtobufCMessage *request;
    void *reply;
    sem_t done;
};

static const ProtobufCServiceDescriptor *const descriptors[NODE_CLIENT_SERVICES] = {
    &aviso__directory__descriptor,
    &aviso__accounts__descriptor,
    &aviso__mailboxes__descriptor,
    &aviso__delivery__descriptor,
};

void node_client_open(struct node_client *client, const struct rpc_services *services)
{
    *client = (struct node_client){.loop = loop_new("client")};
    arena_init(&client->arena);
    random_octets(&client->id_counter, sizeof(client->id_counter));
    for (size_t index = 0; index < NODE_CLIENT_SERVICES; index++) {
        client->channels[index] = rpc_local_channel_new(client->loop, descriptors[index], services);
    }
    loop_start(client->loop);
}

struct closing {
    struct loop_message message;
    struct node_client *client;
};

static void close_channels(struct loop_message *message)
{
    struct node_client *client = CONTAINER_OF(message, struct closing, message)->client;

    for (size_t index = 0; index < NODE_CLIENT_SERVICES; index++) {
        rpc_channel_free(client->channels[index]);
    }
}

void node_client_close(struct node_client *client)
{
    struct closing closing = {.message = {.run = close_channels}, .client = client};

    loop_post(client->loop, &closing.message);
    loop_stop(client->loop);
    loop_join(client->loop);
    loop_free(client->loop);
    arena_done(&client->arena);
}

ProtobufCBinaryData node_client_id(struct node_client *client)
{
    char *octets = arena_zeroed(&client->arena, 24);

    number_put_u64(octets, clock_wall_ms() << 16);
    number_put_u64(octets + 8, ++client->id_counter);
    return (ProtobufCBinaryData){16, (uint8_t *)octets};
}

static void *allocate(void *arena, size_t size)
{
    return arena_zeroed(arena, size);
}

static void free_nothing(void *arena, void *memory)
{
}

/* Keeps a copy: the reply is gone when this returns. */
static void on_reply(const ProtobufCMessage *message, void *context)
{
    struct call *call = context;
    struct arena *arena = &call->client->arena;
    ProtobufCAllocator allocator = {allocate, free_nothing, arena};

    if (message != NULL) {
        size_t size = protobuf_c_message_get_packed_size(message);
        uint8_t *packed = arena_zeroed(arena, size + 1);

        protobuf_c_message_pack(message, packed);
        call->reply = protobuf_c_message_unpack(message->descriptor, &allocator, size, packed);
    }
    CHECK(sem_post(&call->done) == 0);
}

static void send_call(struct loop_message *message)
{
    struct call *call = CONTAINER_OF(message, struct call, message);

    call->channel->invoke(call->channel, call->method, call->request, on_reply, call);
}

static void find_method(struct node_client *client, const char *name, struct call *call)
{
    for (size_t index = 0; index < NODE_CLIENT_SERVICES; index++) {
        const ProtobufCMethodDescriptor *method =
            protobuf_c_service_descriptor_get_method_by_name(descriptors[index], name);

        if (method != NULL) {
            call->channel = client->channels[index];
            call->method = (unsigned)(method - descriptors[index]->methods);
        }
    }
    CHECK(call->channel != NULL);
}

const void *node_client_call(struct node_client *client, uint32_t shard, const char *method,
                             const ProtobufCMessage *request, struct slice octets)
{
    struct call call = {.message = {.run = send_call}, .client = client, .request = request};

    rpc_call_init(&call.rpc, shard);
    if (octets.size > 0) {
        call.rpc.octets = rpc_octets_new(octets);
    }
    find_method(client, method, &call);
    CHECK(offsetof(struct call, rpc) == 0);
    CHECK(sem_init(&call.done, 0, 0) == 0);
    loop_post(client->loop, &call.message);
    while (sem_wait(&call.done) != 0) {
        continue;
    }
    sem_destroy(&call.done);
    client->status = call.rpc.status;
    client->leader_hint = call.rpc.leader_hint;
    return call.reply;
}

const Aviso__DeliverOutcome *node_client_deliver(struct node_client *client, uint32_t shard,
                                                 uint64_t account, ProtobufCBinaryData id,
                                                 struct slice body)
{
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    Aviso__DeliverRecipient recipient = AVISO__DELIVER_RECIPIENT__INIT;
    Aviso__DeliverRecipient *recipients[] = {&recipient};
    char body_id[SHA256_SIZE];
    uint32_t frame_size = (uint32_t)body.size;

    sha256_of(body, body_id);
    recipient.account = account;
    request.request_id = id;
    request.recipients = recipients;
    request.n_recipients = 1;
    request.body_sha256 = (ProtobufCBinaryData){sizeof(body_id), (uint8_t *)body_id};
    request.body_size = body.size;
    request.n_frame_sizes = 1;
    request.frame_sizes = &frame_size;
    const Aviso__DeliverReply *reply =
        node_client_call(client, shard, "Deliver", &request.base, body);

    return reply != NULL ? reply->outcomes[0] : NULL;
}
