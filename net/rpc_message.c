#include "net/rpc_message.h"

#include "net/rpc.h"

/* A field of two octets becomes a member of a structure, and 40 octets of notes while it is
 * parsed: a message needs at most this many times its size, and no message needs over the most. */
enum {
    MEMORY_RATIO = 48,
    MEMORY_BASE = 64 * 1024,
    MEMORY_MAX = 96 * 1024 * 1024,
};

static bool message_is_bounded(const ProtobufCMessageDescriptor *message, unsigned depth)
{
    if (depth == RPC_MESSAGE_DEPTH_MAX) {
        return false;
    }
    for (unsigned i = 0; i < message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->fields[i];

        if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
            !message_is_bounded(field->descriptor, depth + 1)) {
            return false;
        }
    }
    return true;
}

bool rpc_service_is_bounded(const ProtobufCServiceDescriptor *service)
{
    for (unsigned i = 0; i < service->n_methods; i++) {
        if (!message_is_bounded(service->methods[i].input, 0) ||
            !message_is_bounded(service->methods[i].output, 0)) {
            return false;
        }
    }
    return true;
}

struct budget {
    struct arena *arena;
    size_t allocated_max;
    bool spent;
};

static void *allocate(void *data, size_t size)
{
    struct budget *budget = data;

    if (size > budget->allocated_max || budget->arena->allocated > budget->allocated_max - size) {
        budget->spent = true;
        return NULL;
    }
    return arena_zeroed(budget->arena, size);
}

static void keep(void *data, void *memory)
{
}

static size_t allocated_max(size_t packed_size)
{
    size_t most = MEMORY_BASE + packed_size * MEMORY_RATIO;

    return most < MEMORY_MAX ? most : MEMORY_MAX;
}

enum status rpc_message_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice packed,
                               struct arena *arena, ProtobufCMessage **out_message)
{
    struct budget budget = {.arena = arena};
    ProtobufCAllocator allocator = {allocate, keep, &budget};

    if (packed.size > RPC_MESSAGE_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    budget.allocated_max = arena->allocated + allocated_max(packed.size);
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, packed.size,
                                                          (const uint8_t *)packed.data);

    if (message == NULL) {
        return budget.spent ? STATUS_TOO_LARGE : STATUS_INVALID;
    }
    *out_message = message;
    return STATUS_OK;
}
