/* What a peer sends to the RPC port: however it is cut, the same frames come out of it. */
#include "core/check.h"
#include "core/crc32c.h"
#include "net/rpc_wire.h"
#include "tests/fuzz/fuzz.h"

enum { CLUSTER = 1 };

struct reader {
    struct rpc_wire wire;
    struct buffer output;
    uint32_t digest; /* of all frames */
    bool is_good;
};

static void forget(void *connection)
{
}

static void wake(void *connection, enum session_next next)
{
}

static void set_idle_timeout(void *connection, uint64_t timeout_ms)
{
}

static void on_hello(struct rpc_wire *wire, const struct rpc_hello *hello)
{
    CHECK(hello->cluster == CLUSTER);
}

static bool on_frame(struct rpc_wire *wire, const struct rpc_frame *frame, struct slice message,
                     struct rpc_octets *octets)
{
    struct reader *reader = CONTAINER_OF(wire, struct reader, wire);
    char header[RPC_FRAME_HEADER_SIZE];

    CHECK(message.size == frame->message_size && message.size <= RPC_MESSAGE_SIZE_MAX);
    CHECK(rpc_octets_view(octets).size == frame->octets_size);
    rpc_frame_encode(frame, header);
    reader->digest = crc32c(reader->digest, (struct slice){header, sizeof(header)});
    reader->digest = crc32c(reader->digest, message);
    reader->digest = crc32c(reader->digest, rpc_octets_view(octets));
    rpc_octets_unref(octets);
    return frame->kind != RPC_FRAME_CANCEL || frame->request != 0;
}

static void read_all(struct reader *reader, struct loop *loop, struct slice bytes,
                     size_t piece_size)
{
    static const struct rpc_wire_events events = {on_hello, on_frame};
    static const struct session_peer peer;
    struct rpc_hello hello = {.cluster = CLUSTER};
    struct session_port port = {.output = &reader->output,
                                .peer = &peer,
                                .loop = loop,
                                .wake = wake,
                                .flush = forget,
                                .set_idle_timeout = set_idle_timeout};

    *reader = (struct reader){.is_good = true};
    buffer_init(&reader->output, RPC_WIRE_OUTPUT_MAX);
    rpc_wire_init(&reader->wire, &port, &events, &hello, RPC_SILENCE_MAX_MS);
    while (bytes.size > 0 && reader->is_good) {
        reader->is_good = rpc_wire_take(&reader->wire, slice_prefix(bytes, piece_size));
        bytes = slice_skip(bytes, piece_size);
    }
    rpc_wire_done(&reader->wire);
    buffer_done(&reader->output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loop *loop;
    struct slice bytes = {(const char *)data, size};
    struct reader whole;
    struct reader cut;

    if (loop == NULL) {
        loop = loop_new("fuzz");
    }
    read_all(&whole, loop, bytes, SIZE_MAX);
    for (size_t piece_size = 1; piece_size < 100; piece_size = piece_size * 3 + 1) {
        read_all(&cut, loop, bytes, piece_size);
        CHECK(cut.is_good == whole.is_good && cut.digest == whole.digest);
    }
    return 0;
}
