#include "net/rpc_frame.h"

#include <string.h>

#include "core/crc32c.h"
#include "core/number.h"
#include "net/rpc.h"

static const char magic[8] = {'A', 'V', 'I', 'S', 'O', 'R', 'P', 'C'};

/* What each kind may carry. */
static const struct {
    uint32_t message_size_max;
    uint32_t octets_size_max;
} limits[] = {
    [RPC_FRAME_HELLO] = {RPC_HELLO_SIZE, 0},
    [RPC_FRAME_REQUEST] = {RPC_MESSAGE_SIZE_MAX, RPC_OCTETS_SIZE_MAX},
    [RPC_FRAME_REPLY] = {RPC_MESSAGE_SIZE_MAX, RPC_OCTETS_SIZE_MAX},
    [RPC_FRAME_ITEM] = {RPC_MESSAGE_SIZE_MAX, RPC_OCTETS_SIZE_MAX},
    [RPC_FRAME_PONG] = {0, 0},
};

#define STATUS_COUNT_ONE(name, text) +1
enum { STATUS_COUNT = 0 STATUS_LIST(STATUS_COUNT_ONE) };

enum status rpc_frame_decode(struct slice octets, struct rpc_frame *out_frame)
{
    const char *header = octets.data;

    if (octets.size < RPC_FRAME_HEADER_SIZE) {
        return STATUS_AGAIN;
    }
    unsigned kind = (unsigned char)header[8];
    uint16_t status = number_get_u16(header + 10);

    if (kind < RPC_FRAME_HELLO || kind > RPC_FRAME_PONG || header[9] != 0 ||
        number_get_u16(header + 18) != 0) {
        return STATUS_INVALID;
    }
    struct rpc_frame frame = {
        .kind = (enum rpc_frame_kind)kind,
        .message_size = number_get_u32(header),
        .octets_size = number_get_u32(header + 4),
        .status = status < STATUS_COUNT ? (enum status)status : STATUS_UNSUPPORTED,
        .service = number_get_u32(header + 12),
        .method = number_get_u16(header + 16),
        .shard = number_get_u32(header + 20),
        .request = number_get_u64(header + 24),
        .argument = number_get_u32(header + 32),
    };

    if (frame.message_size > limits[kind].message_size_max ||
        frame.octets_size > limits[kind].octets_size_max) {
        return STATUS_TOO_LARGE;
    }
    *out_frame = frame;
    return STATUS_OK;
}

void rpc_frame_encode(const struct rpc_frame *frame, char out_header[RPC_FRAME_HEADER_SIZE])
{
    memset(out_header, 0, RPC_FRAME_HEADER_SIZE);
    number_put_u32(out_header, frame->message_size);
    number_put_u32(out_header + 4, frame->octets_size);
    out_header[8] = (char)frame->kind;
    number_put_u16(out_header + 10, (uint16_t)frame->status);
    number_put_u32(out_header + 12, frame->service);
    number_put_u16(out_header + 16, frame->method);
    number_put_u32(out_header + 20, frame->shard);
    number_put_u64(out_header + 24, frame->request);
    number_put_u32(out_header + 32, frame->argument);
}

enum status rpc_hello_decode(struct slice message, struct rpc_hello *out_hello)
{
    const char *octets = message.data;

    if (message.size < RPC_HELLO_SIZE || memcmp(octets, magic, sizeof(magic)) != 0) {
        return STATUS_INVALID;
    }
    struct rpc_hello hello = {
        .version_least = number_get_u16(octets + 8),
        .version_most = number_get_u16(octets + 10),
        .node = number_get_u32(octets + 12),
        .cluster = number_get_u64(octets + 16),
        .features = number_get_u64(octets + 24),
    };

    if (hello.version_least > RPC_VERSION || hello.version_most < RPC_VERSION) {
        return STATUS_UNSUPPORTED;
    }
    *out_hello = hello;
    return STATUS_OK;
}

void rpc_hello_encode(const struct rpc_hello *hello, char out_message[RPC_HELLO_SIZE])
{
    memcpy(out_message, magic, sizeof(magic));
    number_put_u16(out_message + 8, hello->version_least);
    number_put_u16(out_message + 10, hello->version_most);
    number_put_u32(out_message + 12, hello->node);
    number_put_u64(out_message + 16, hello->cluster);
    number_put_u64(out_message + 24, hello->features);
}

uint32_t rpc_frame_service(const char *name)
{
    return crc32c(0, slice_of(name));
}
