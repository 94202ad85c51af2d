#include "storage/apply_reply.h"

struct slice apply_pack(struct apply *apply, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    char *octets = arena_zeroed(&apply->batch, size + 1);

    protobuf_c_message_pack(message, (uint8_t *)octets);
    return (struct slice){octets, size};
}

static void *allocate(void *arena, size_t size)
{
    return arena_zeroed(arena, size);
}

static void free_nothing(void *arena, void *memory)
{
}

ProtobufCMessage *apply_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                               struct slice octets)
{
    ProtobufCAllocator allocator = {allocate, free_nothing, arena};

    return protobuf_c_message_unpack(descriptor, &allocator, octets.size,
                                     (const uint8_t *)octets.data);
}
