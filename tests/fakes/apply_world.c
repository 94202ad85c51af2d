#include "tests/fakes/apply_world.h"

#include "mail/uid_set.h"
#include "net/sha256.h"
#include "router/mailbox_client.h"
#include "storage/raft/message.h"

enum { TEXT_SIZE_MAX = 4096 };

void world_open(struct world *world)
{
    *world = (struct world){.now_ms = UINT64_C(1700000000000), .batch_entries = 1};
    world->store = memory_store_new();
    world->batch = store_batch_new(world->store);
    arena_init(&world->arena);
    assert_int_equal(apply_new(world->store, WORLD_SHARD, NULL, &world->apply), STATUS_OK);
}

void world_close(struct world *world)
{
    world_settle(world);
    apply_free(world->apply);
    store_batch_free(world->store, world->batch);
    store_close(world->store);
    arena_done(&world->arena);
}

void world_settle(struct world *world)
{
    store_batch_clear(world->store, world->batch);
    apply_finish(world->apply, world->batch);
    assert_int_equal(store_write(world->store, world->batch), STATUS_OK);
    apply_settle(world->apply);
    world->in_batch = 0;
}

ProtobufCBinaryData world_id(struct world *world)
{
    char *octets = arena_zeroed(&world->arena, 16);

    for (size_t index = 0; index < 6; index++) {
        octets[index] = (char)(world->now_ms >> (40 - 8 * index));
    }
    world->id_counter++;
    for (size_t index = 0; index < 8; index++) {
        octets[8 + index] = (char)(world->id_counter >> (56 - 8 * index));
    }
    return (ProtobufCBinaryData){16, (uint8_t *)octets};
}

ProtobufCBinaryData bytes_of(const char *text)
{
    return wire_from_slice(slice_of(text));
}

static void *allocate(void *arena, size_t size)
{
    return arena_zeroed(arena, size);
}

static void free_nothing(void *arena, void *memory)
{
}

static void *unpack(struct world *world, const ProtobufCMessageDescriptor *descriptor,
                    struct slice octets)
{
    ProtobufCAllocator allocator = {allocate, free_nothing, &world->arena};
    struct slice copy = arena_copy(&world->arena, octets);
    void *message =
        protobuf_c_message_unpack(descriptor, &allocator, copy.size, (const uint8_t *)copy.data);

    assert_non_null(message);
    return message;
}

static struct slice encode(struct world *world, enum command_kind kind,
                           const ProtobufCMessage *request, struct slice octets)
{
    size_t size = request != NULL ? protobuf_c_message_get_packed_size(request) : 0;
    char *packed = arena_zeroed(&world->arena, size + 1);
    struct command command = {kind, world->now_ms, {packed, size}, octets};
    struct buffer payload;

    if (request != NULL) {
        protobuf_c_message_pack(request, (uint8_t *)packed);
    }
    buffer_init(&payload, COMMAND_SIZE_MAX);
    command_encode(&command, &payload);
    struct slice copy = arena_copy(&world->arena, buffer_view(&payload));

    buffer_done(&payload);
    return copy;
}

void *world_do(struct world *world, enum command_kind kind, const ProtobufCMessage *request,
               const ProtobufCMessageDescriptor *reply, struct slice octets)
{
    struct apply_outcome outcome;
    struct apply_entry entry = {
        .index = apply_meta(world->apply)->applied_index + 1,
        .term = 1,
        .kind = RAFT_ENTRY_COMMAND,
        .payload = encode(world, kind, request, octets),
    };

    if (world->log != NULL) {
        world->log(world->log_context, entry.index, entry.payload);
    }
    assert_int_equal(apply_entry(world->apply, &entry, &outcome), STATUS_OK);
    world->status = outcome.status;
    void *message =
        outcome.status == STATUS_OK && reply != NULL ? unpack(world, reply, outcome.reply) : NULL;

    if (++world->in_batch >= world->batch_entries) {
        world_settle(world);
    }
    return message;
}

uint64_t world_account(struct world *world, const char *const *names)
{
    Aviso__CreateAccountRequest request = AVISO__CREATE_ACCOUNT_REQUEST__INIT;
    Aviso__NewMailbox mailboxes[8];
    Aviso__NewMailbox *pointers[8];

    request.request_id = world_id(world);
    request.address = bytes_of("ann@example.org");
    request.mailboxes = pointers;
    while (names != NULL && names[request.n_mailboxes] != NULL) {
        Aviso__NewMailbox *mailbox = &mailboxes[request.n_mailboxes];

        aviso__new_mailbox__init(mailbox);
        mailbox->name = bytes_of(names[request.n_mailboxes]);
        pointers[request.n_mailboxes++] = mailbox;
    }
    const Aviso__CreateAccountReply *reply =
        world_do(world, COMMAND_CREATE_ACCOUNT, &request.base,
                 &aviso__create_account_reply__descriptor, (struct slice){"", 0});

    assert_non_null(reply);
    return reply->account;
}

const Aviso__DeliverOutcome *world_deliver(struct world *world, uint64_t account,
                                           const char *mailbox, const char *body, uint32_t flags)
{
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    Aviso__DeliverRecipient recipient = AVISO__DELIVER_RECIPIENT__INIT;
    Aviso__DeliverRecipient *recipients[] = {&recipient};
    char body_id[WORLD_BODY_ID_SIZE];
    char octets[TEXT_SIZE_MAX];
    uint32_t frame_size = (uint32_t)strlen(body);
    uint64_t key = frame_size;

    memcpy(octets, "head", 4);
    memcpy(octets + 4, body, frame_size);
    sha256_of(slice_of(body), body_id);
    recipient.account = account;
    recipient.mailbox = bytes_of(mailbox);
    recipient.flags = flags;
    request.request_id = world_id(world);
    request.n_recipients = 1;
    request.recipients = recipients;
    request.digest = bytes_of("digest");
    request.header_size = 100;
    request.header_frame_size = 4;
    request.body_sha256 = (ProtobufCBinaryData){sizeof(body_id), (uint8_t *)body_id};
    request.body_size = frame_size;
    request.n_frame_sizes = 1;
    request.frame_sizes = &frame_size;
    request.received_ms = world->now_ms;
    request.n_thread_keys = 1;
    request.thread_keys = &key;
    const Aviso__DeliverReply *reply =
        world_do(world, COMMAND_DELIVER, &request.base, &aviso__deliver_reply__descriptor,
                 (struct slice){octets, 4 + frame_size});

    return reply != NULL ? reply->outcomes[0] : NULL;
}

const void *world_read(struct world *world, enum read_kind kind, const ProtobufCMessage *request)
{
    struct read read = {
        .view = {.store = world->store},
        .shard = WORLD_SHARD,
        .arena = &world->arena,
    };
    const ProtobufCMessage *reply = NULL;

    world->status = read_run(&read, kind, request, &reply);
    uid_set_free(read.uids.uids);
    uid_set_free(read.uids.unseen);
    rpc_octets_unref(read.octets);
    return world->status == STATUS_OK ? reply : NULL;
}

const Aviso__OpenMailboxReply *world_open_mailbox(struct world *world, uint64_t account,
                                                  const char *name)
{
    Aviso__OpenMailboxRequest request = AVISO__OPEN_MAILBOX_REQUEST__INIT;

    request.account = account;
    request.name = bytes_of(name);
    return world_read(world, READ_OPEN_MAILBOX, &request.base);
}

const char *world_uids_text(struct world *world, ProtobufCBinaryData octets)
{
    struct uid_set *set = uid_set_new();
    struct buffer text;

    buffer_init(&text, 1 << 20);
    assert_int_equal(uid_set_decode(slice_from_wire(octets), set), STATUS_OK);
    uid_set_print(set, &text);
    buffer_append_octet(&text, '\0');
    const char *copy = arena_copy(&world->arena, buffer_view(&text)).data;

    buffer_done(&text);
    uid_set_free(set);
    return copy;
}

ProtobufCBinaryData world_uids(struct world *world, const char *text)
{
    struct uid_set *set = uid_set_new();
    struct buffer octets;

    buffer_init(&octets, 1 << 20);
    assert_int_equal(uid_set_parse(slice_of(text), 0, set), STATUS_OK);
    uid_set_encode(set, &octets);
    struct slice copy = arena_copy(&world->arena, buffer_view(&octets));

    buffer_done(&octets);
    uid_set_free(set);
    return wire_from_slice(copy);
}

/* ---- The whole store, checked ---- */

static struct store_iterator *rows_of(struct world *world, enum row_kind kind)
{
    struct store_view view = {.store = world->store};
    struct key low;
    struct key high;

    return store_iterate(&view, key_kind_low(&low, WORLD_SHARD, kind),
                         key_kind_high(&high, WORLD_SHARD, kind));
}

/* How many messages refer to an email; all rows are decoded on the way. */
static uint32_t count_referrers(struct world *world, uint64_t account, uint64_t email)
{
    struct store_iterator *iterator = rows_of(world, ROW_UID);
    struct slice key;
    struct slice value;
    struct uid_row row;
    uint32_t count = 0;

    while (store_iterator_next(iterator, &key, &value) == STATUS_OK) {
        assert_int_equal(uid_row_decode(value, &row), STATUS_OK);
        count += key_part_account(key) == account && row.email == email;
    }
    store_iterator_free(iterator);
    return count;
}

static uint64_t check_emails(struct world *world)
{
    struct store_iterator *iterator = rows_of(world, ROW_MAIL);
    struct slice key;
    struct slice value;
    struct mail_row row;
    uint64_t with_body = 0;

    while (store_iterator_next(iterator, &key, &value) == STATUS_OK) {
        assert_int_equal(mail_row_decode(value, &row), STATUS_OK);
        assert_int_equal(row.references,
                         count_referrers(world, key_part_account(key), key_part_last64(key)));
        assert_true(row.references > 0);
        with_body += row.frame_count > 0;
    }
    store_iterator_free(iterator);
    return with_body;
}

/* Bodies that wait to be handed over. */
static uint64_t check_handovers(struct world *world)
{
    struct store_iterator *iterator = rows_of(world, ROW_HAND);
    struct slice key;
    struct slice value;
    struct hand_row row;
    uint64_t with_body = 0;

    while (store_iterator_next(iterator, &key, &value) == STATUS_OK) {
        assert_int_equal(hand_row_decode(value, &row), STATUS_OK);
        with_body += row.frame_count > 0;
    }
    store_iterator_free(iterator);
    return with_body;
}

static void check_bodies(struct world *world, uint64_t emails_with_body)
{
    struct store_iterator *iterator = rows_of(world, ROW_REF);
    struct slice key;
    struct slice value;
    struct ref_row row;
    struct key prefix;
    uint64_t references = 0;
    size_t frames = 0;

    while (store_iterator_next(iterator, &key, &value) == STATUS_OK) {
        assert_int_equal(ref_row_decode(value, &row), STATUS_OK);
        assert_true(row.references > 0 || row.pending_ms != 0);
        references += row.references;
        frames += row.frames_here;
    }
    store_iterator_free(iterator);
    assert_int_equal(references, emails_with_body);
    assert_int_equal(memory_store_count(world->store, key_kind_low(&prefix, WORLD_SHARD, ROW_BODY)),
                     frames);
}

static void check_mailbox(struct world *world, struct slice key, struct slice value,
                          uint64_t *octets, uint64_t *messages)
{
    struct mailbox_row row;
    struct mailbox_row seen = {0};
    struct uid_row message;
    struct slice uid_key;
    struct slice uid_value;
    uint32_t last = 0;
    struct store_iterator *iterator = rows_of(world, ROW_UID);

    assert_int_equal(mailbox_row_decode(value, &world->arena, &row), STATUS_OK);
    while (store_iterator_next(iterator, &uid_key, &uid_value) == STATUS_OK) {
        if (key_part_account(uid_key) != key_part_account(key) ||
            key_part_mailbox(uid_key) != key_part_mailbox(key)) {
            continue;
        }
        assert_int_equal(uid_row_decode(uid_value, &message), STATUS_OK);
        last = key_part_uid(uid_key);
        seen.message_count++;
        seen.unseen_count += (message.flags & FLAG_SEEN) == 0;
        seen.deleted_count += (message.flags & FLAG_DELETED) != 0;
        seen.recent_count += last >= row.recent_from;
        seen.size_octets += message.size_octets;
        assert_true(message.modseq <= row.modseq);
        assert_true(message.keyword_count == 0 ||
                    message.keywords[message.keyword_count - 1] < row.keyword_count);
    }
    store_iterator_free(iterator);
    assert_true(last < row.uid_next);
    assert_int_equal(seen.message_count, row.message_count);
    assert_int_equal(seen.unseen_count, row.unseen_count);
    assert_int_equal(seen.deleted_count, row.deleted_count);
    assert_int_equal(seen.recent_count, row.recent_count);
    assert_int_equal(seen.size_octets, row.size_octets);
    *octets += row.size_octets;
    *messages += row.message_count;
}

static void check_account(struct world *world, struct slice account_key, struct slice account_value)
{
    struct account_row row;
    struct slice key;
    struct slice value;
    struct key prefix;
    uint64_t account = key_part_account(account_key);
    uint64_t octets = 0;
    uint64_t messages = 0;
    struct store_iterator *iterator = rows_of(world, ROW_MBOX);

    assert_int_equal(account_row_decode(account_value, &row), STATUS_OK);
    while (store_iterator_next(iterator, &key, &value) == STATUS_OK) {
        if (key_part_account(key) == account) {
            check_mailbox(world, key, value, &octets, &messages);
        }
    }
    store_iterator_free(iterator);
    assert_int_equal(octets, row.used_octets);
    assert_int_equal(messages, row.used_messages);
    assert_int_equal(
        memory_store_count(world->store, key_account_low(&prefix, WORLD_SHARD, ROW_NAME, account)),
        row.name_count);
    assert_int_equal(
        memory_store_count(world->store, key_account_low(&prefix, WORLD_SHARD, ROW_LOG, account)),
        row.modseq - row.log_from);
}

void world_check(struct world *world)
{
    struct slice key;
    struct slice value;
    struct key prefix;

    while (apply_wants_removal(world->apply)) {
        world_do(world, COMMAND_REMOVE_STEP, NULL, NULL, (struct slice){"", 0});
        assert_int_equal(world->status, STATUS_OK);
    }
    world_settle(world);
    struct store_iterator *iterator = rows_of(world, ROW_ACCT);

    while (store_iterator_next(iterator, &key, &value) == STATUS_OK) {
        check_account(world, key, value);
    }
    store_iterator_free(iterator);
    check_bodies(world, check_emails(world) + check_handovers(world));
    size_t mails = memory_store_count(world->store, key_kind_low(&prefix, WORLD_SHARD, ROW_MAIL));

    assert_int_equal(memory_store_count(world->store, key_kind_low(&prefix, WORLD_SHARD, ROW_HEAD)),
                     mails);
}
