/* Commands as the log may hold them, applied to a small shard: nothing that a client can send stops
 * the shard, and a refused command changes nothing that is read. The input is a payload without its
 * head: the kind, the request's size in two octets, the request, the octets beside it. */
#include <string.h>

#include "core/check.h"
#include "core/number.h"
#include "storage/apply.h"
#include "storage/command.h"
#include "storage/raft/message.h"
#include "tests/fakes/memory_store.h"
#include "tests/fuzz/fuzz.h"

enum { SHARD = 1, INPUT_HEAD = 3, TIME_MS = 1000 };

static void apply_all(struct apply *apply, struct slice payload)
{
    struct apply_outcome outcome;

    /* Twice: the second is a repetition where the first was taken. */
    for (uint64_t index = 1; index <= 2; index++) {
        struct apply_entry entry = {index, 1, RAFT_ENTRY_COMMAND, payload};
        enum status status = apply_entry(apply, &entry, &outcome);

        if (status != STATUS_OK) {
            CHECK(index == 1); /* the payload cannot be read */
            CHECK(status == STATUS_UNSUPPORTED || status == STATUS_CORRUPT);
            struct command command;

            CHECK(command_decode(payload, &command) != STATUS_OK);
            return;
        }
        CHECK(!apply_is_fatal(outcome.status));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store *store = memory_store_new();
    struct store_batch *batch = store_batch_new(store);
    struct apply *apply = NULL;
    struct buffer payload;

    buffer_init(&payload, COMMAND_SIZE_MAX * 2);
    if (size >= INPUT_HEAD && size < COMMAND_SIZE_MAX) {
        char head[COMMAND_HEAD_SIZE] = {1, (char)data[0]};

        number_put_u64(head + 2, TIME_MS);
        head[12] = (char)data[1];
        head[13] = (char)data[2];
        buffer_append(&payload, (struct slice){head, sizeof(head)});
        buffer_append(&payload, (struct slice){(const char *)data + INPUT_HEAD, size - INPUT_HEAD});
    }
    CHECK(apply_new(store, SHARD, NULL, &apply) == STATUS_OK);
    apply_all(apply, buffer_view(&payload));
    apply_finish(apply, batch);
    CHECK(store_write(store, batch) == STATUS_OK);
    apply_settle(apply);
    apply_free(apply);
    buffer_done(&payload);
    store_batch_free(store, batch);
    store_close(store);
    return 0;
}
