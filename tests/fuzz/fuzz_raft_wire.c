/* A batch of Raft messages as another node could send it: the protobuf message, whose size comes
 * first, and the octets beside it. What is taken is within the octets, and what is refused is not
 * looked at further. */
#include "core/arena.h"
#include "core/check.h"
#include "core/number.h"
#include "storage/raft/replica.h"
#include "storage/raft_wire.h"
#include "tests/fuzz/fuzz.h"

static void check_message(const struct raft_wire_message *message, struct slice all,
                          struct slice left)
{
    size_t size = 0;

    for (size_t index = 0; index < message->message.entry_count; index++) {
        struct slice payload = message->payloads[index];

        CHECK(payload.size == message->message.entries[index].size);
        CHECK(payload.size == 0 ||
              (payload.data >= all.data && payload.data + payload.size <= all.data + all.size));
        size += payload.size;
    }
    CHECK(size <= all.size && left.size <= all.size - size);
    (void)raft_message_check(&message->message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;

    if (size < 2 || number_get_u16((const char *)data) > size - 2) {
        return 0;
    }
    size_t packed = number_get_u16((const char *)data);
    struct slice all = {(const char *)data + 2 + packed, size - 2 - packed};
    struct slice octets = all;
    Aviso__RaftBatch *batch = aviso__raft_batch__unpack(NULL, packed, data + 2);

    if (batch == NULL) {
        return 0;
    }
    arena_init(&arena);
    for (size_t index = 0; index < batch->n_messages; index++) {
        struct raft_wire_message message;

        if (raft_wire_decode(&arena, batch->messages[index], &octets, &message) == STATUS_OK) {
            check_message(&message, all, octets);
        }
    }
    arena_done(&arena);
    aviso__raft_batch__free_unpacked(batch, NULL);
    return 0;
}
