/* Commands as the log may hold them, applied to a small shard: nothing that a client can send stops
 * the shard, and a refused command changes nothing that is read. The input is a payload without its
 * head: the kind, the request's size in two octets, the request, the octets beside it. */
#include <string.h>

#include "core/check.h"
#include "core/number.h"
#include "proto/account.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "storage/apply.h"
#include "storage/command.h"
#include "storage/raft/message.h"
#include "tests/fakes/memory_store.h"
#include "tests/fuzz/fuzz.h"

enum { SHARD = 1, INPUT_HEAD = 3, TIME_MS = 1000 };

/* What is there before the input: an account with two messages in its INBOX. */
static void apply_message(struct apply *apply, struct arena *arena, enum command_kind kind,
                          const ProtobufCMessage *message)
{
    struct apply_outcome outcome;
    struct buffer payload;
    uint8_t packed[512];
    struct command command = {kind, TIME_MS, {(const char *)packed, 0}, {"", 0}};

    command.request.size = protobuf_c_message_pack(message, packed);
    buffer_init(&payload, COMMAND_SIZE_MAX);
    command_encode(&command, &payload);
    struct apply_entry entry = {apply_meta(apply)->applied_index + 1, 1, RAFT_ENTRY_COMMAND,
                                arena_copy(arena, buffer_view(&payload))};

    CHECK(apply_entry(apply, &entry, &outcome) == STATUS_OK && outcome.status == STATUS_OK);
    buffer_done(&payload);
}

static void prepare(struct apply *apply, struct arena *arena)
{
    Aviso__CreateAccountRequest account = AVISO__CREATE_ACCOUNT_REQUEST__INIT;
    Aviso__DeliverRequest deliver = AVISO__DELIVER_REQUEST__INIT;
    Aviso__DeliverRecipient recipient = AVISO__DELIVER_RECIPIENT__INIT;
    Aviso__DeliverRecipient *recipients[] = {&recipient, &recipient};
    uint8_t id[16] = {0, 0, 0, 0, 0, 1};

    account.request_id = (ProtobufCBinaryData){sizeof(id), id};
    account.address = (ProtobufCBinaryData){3, (uint8_t *)"a@b"};
    apply_message(apply, arena, COMMAND_CREATE_ACCOUNT, &account.base);
    id[15] = 1;
    recipient.account = (uint64_t)SHARD << ACCOUNT_ID_SHIFT | 1;
    deliver.request_id = account.request_id;
    deliver.recipients = recipients;
    deliver.n_recipients = 2;
    apply_message(apply, arena, COMMAND_DELIVER, &deliver.base);
}

static void apply_all(struct apply *apply, struct slice payload)
{
    struct apply_outcome outcome;

    /* Twice: the second is a repetition where the first was taken. */
    for (int repeat = 0; repeat < 2; repeat++) {
        struct apply_entry entry = {apply_meta(apply)->applied_index + 1, 1, RAFT_ENTRY_COMMAND,
                                    payload};
        enum status status = apply_entry(apply, &entry, &outcome);

        if (status != STATUS_OK) {
            CHECK(repeat == 0); /* the payload cannot be read */
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
    struct arena arena;

    arena_init(&arena);
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
    prepare(apply, &arena);
    apply_finish(apply, batch);
    CHECK(store_write(store, batch) == STATUS_OK);
    apply_settle(apply);
    store_batch_clear(store, batch);
    apply_all(apply, buffer_view(&payload));
    apply_finish(apply, batch);
    CHECK(store_write(store, batch) == STATUS_OK);
    apply_settle(apply);
    apply_free(apply);
    buffer_done(&payload);
    arena_done(&arena);
    store_batch_free(store, batch);
    store_close(store);
    return 0;
}
