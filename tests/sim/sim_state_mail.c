/* The real machine: storage/apply over a store in memory that forgets as a disk does, with real
 * commands. A group has one account, which was there before its log began; its mailboxes are the
 * boxes. */
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"
#include "proto/account.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "storage/apply.h"
#include "storage/command.h"
#include "storage/keys.h"
#include "storage/uid_runs.h"
#include "tests/fakes/memory_store.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_state_kind.h"

enum { REQUEST_ID_OCTETS = 16, BODY_ID_OCTETS = 32, KEYWORD_KINDS = 26, FLAG_KINDS = 31 };

static const char *const box_names[STATE_BOXES] = {"INBOX", "Sent", "Trash", "Gr\xc3\xbc\xc3\x9f"};

/* Where a message is. */
struct found {
    uint64_t operation;
    unsigned box;
    uint32_t uid;
};

struct mail {
    struct state state;
    uint32_t shard;
    uint64_t account;
    struct raft_configuration_at began;
    struct store *store;
    struct store_batch *batch;
    struct apply *apply;
    struct arena arena; /* of one call */
    struct state_meta meta;
    uint64_t modseq; /* the highest so far */
    bool rotten;
    struct found *found; /* everything, by operation, as of found_at */
    size_t found_count;
    uint64_t found_at;
};

struct exported_row {
    struct slice key;
    struct slice value;
};

struct mail_blob {
    struct state_blob blob;
    struct arena arena;
    struct exported_row *rows;
    size_t count;
};

static struct mail *mail_of(struct state *state)
{
    return CONTAINER_OF(state, struct mail, state);
}

/* ---- Commands ---- */

/* Of operation 0, a time of 1 ms: no id is ever too old or too new. */
static ProtobufCBinaryData request_id(char *room, uint64_t operation)
{
    memset(room, 0, REQUEST_ID_OCTETS);
    room[5] = 1;
    number_put_u64(room + 8, operation);
    return (ProtobufCBinaryData){REQUEST_ID_OCTETS, (uint8_t *)room};
}

static ProtobufCBinaryData octets_of(struct slice slice)
{
    return (ProtobufCBinaryData){slice.size, (uint8_t *)slice.data};
}

static void encode_command(enum command_kind kind, uint64_t wall_ms,
                           const ProtobufCMessage *request, struct slice octets,
                           struct buffer *output)
{
    size_t size = protobuf_c_message_get_packed_size(request);
    char *packed = memory_zeroed(size + 1);
    struct command command = {kind, wall_ms, {packed, size}, octets};

    protobuf_c_message_pack(request, (uint8_t *)packed);
    buffer_reserve(output, command_size(&command));
    command_encode(&command, output);
    memory_free(packed);
}

/* The operation is the message's thread key, so that it is found again. */
static void encode_deliver(const struct mail *mail, const struct state_command *command,
                           struct buffer *output)
{
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    Aviso__DeliverRecipient recipient = AVISO__DELIVER_RECIPIENT__INIT;
    Aviso__DeliverRecipient *recipients[] = {&recipient};
    uint64_t key = command->operation;
    uint32_t frame_size = (uint32_t)command->filler;
    char id[REQUEST_ID_OCTETS];
    char body_id[BODY_ID_OCTETS] = {0};
    char *octets = memory_zeroed(8 + command->filler);

    recipient.account = mail->account;
    recipient.mailbox = octets_of(slice_of(box_names[command->box]));
    recipient.must_exist = true;
    request.request_id =
        request_id(id, command->request != 0 ? command->request : command->operation);
    request.recipients = recipients;
    request.n_recipients = 1;
    request.header_size = 8;
    request.header_frame_size = 8;
    request.received_ms = command->wall_ms;
    request.thread_keys = &key;
    request.n_thread_keys = 1;
    number_put_u64(octets, command->operation);
    if (command->filler > 0) {
        memset(octets + 8, (int)(command->operation & 0xff), command->filler);
        number_put_u64(body_id, command->operation);
        request.body_sha256 = octets_of((struct slice){body_id, sizeof(body_id)});
        request.body_size = command->filler;
        request.frame_sizes = &frame_size;
        request.n_frame_sizes = 1;
    }
    encode_command(COMMAND_DELIVER, command->wall_ms, &request.base,
                   (struct slice){octets, 8 + command->filler}, output);
    memory_free(octets);
}

static void encode_flag(const struct mail *mail, const struct state_command *command,
                        struct buffer *output)
{
    Aviso__StoreFlagsRequest request = AVISO__STORE_FLAGS_REQUEST__INIT;
    char id[REQUEST_ID_OCTETS];
    char keyword[] = {'k', (char)('a' + command->operation % KEYWORD_KINDS), '\0'};
    ProtobufCBinaryData keywords[] = {octets_of(slice_of(keyword))};
    struct uid_runs uids;
    struct arena arena;

    arena_init(&arena);
    uid_runs_init(&uids, &arena);
    uid_runs_add(&uids, command->uid);
    request.request_id = request_id(id, command->operation);
    request.account = mail->account;
    request.mailbox = command->box + 1U;
    request.uids = octets_of(uid_runs_encode(&uids, &arena));
    request.mode = AVISO__STORE_MODE__STORE_REPLACE;
    request.flags = (uint32_t)(command->operation % FLAG_KINDS);
    request.keywords = keywords;
    request.n_keywords = 1;
    encode_command(COMMAND_STORE_FLAGS, command->wall_ms, &request.base, (struct slice){"", 0},
                   output);
    arena_done(&arena);
}

static void mail_encode(const struct state *base, const struct state_command *command,
                        struct buffer *output)
{
    const struct mail *mail = mail_of((struct state *)base);

    (command->kind == OPERATION_DELIVER ? encode_deliver : encode_flag)(mail, command, output);
}

/* ---- What became of them ---- */

static void *allocate(void *arena, size_t size)
{
    return arena_zeroed(arena, size);
}

static void free_nothing(void *arena, void *memory)
{
}

static const void *unpack(struct mail *mail, const ProtobufCMessageDescriptor *descriptor,
                          struct slice octets)
{
    ProtobufCAllocator allocator = {allocate, free_nothing, &mail->arena};
    const void *message = protobuf_c_message_unpack(descriptor, &allocator, octets.size,
                                                    (const uint8_t *)octets.data);

    CHECK(message != NULL);
    return message;
}

static unsigned box_named(ProtobufCBinaryData name)
{
    unsigned box = 0;

    while (!slice_equals(slice_of(box_names[box]),
                         (struct slice){(const char *)name.data, name.len})) {
        CHECK(++box < STATE_BOXES);
    }
    return box;
}

static void read_delivered(struct mail *mail, struct slice request, struct slice reply,
                           struct state_outcome *outcome)
{
    const Aviso__DeliverRequest *asked = unpack(mail, &aviso__deliver_request__descriptor, request);
    const Aviso__DeliverReply *answered;

    outcome->kind = OPERATION_DELIVER;
    outcome->operation = asked->thread_keys[0];
    outcome->box = (uint8_t)box_named(asked->recipients[0]->mailbox);
    if (outcome->status != STATUS_OK) {
        return;
    }
    answered = unpack(mail, &aviso__deliver_reply__descriptor, reply);
    outcome->status = (enum status)answered->outcomes[0]->status;
    outcome->uid = answered->outcomes[0]->uid;
    outcome->modseq = answered->outcomes[0]->modseq;
}

static void read_stored(struct mail *mail, struct slice request, struct slice reply,
                        struct state_outcome *outcome)
{
    const Aviso__StoreFlagsRequest *asked =
        unpack(mail, &aviso__store_flags_request__descriptor, request);
    const Aviso__StoreFlagsReply *answered;

    outcome->kind = OPERATION_FLAG;
    outcome->operation = number_get_u64((const char *)asked->request_id.data + 8);
    outcome->box = (uint8_t)(asked->mailbox - 1);
    if (outcome->status != STATUS_OK) {
        return;
    }
    answered = unpack(mail, &aviso__store_flags_reply__descriptor, reply);
    if (answered->n_rows == 0) {
        outcome->status = STATUS_NOT_FOUND;
    } else {
        outcome->uid = answered->rows[0]->uid;
        outcome->modseq = answered->rows[0]->modseq;
    }
}

/* One that gives no modseq beyond those seen was applied before. */
static void read_outcome(struct mail *mail, const struct log_entry *entry,
                         const struct apply_outcome *applied, struct state_outcome *outcome)
{
    struct command command;

    *outcome = (struct state_outcome){.is_command = true, .status = applied->status};
    CHECK(command_decode(entry->payload, &command) == STATUS_OK);
    if (command.kind == COMMAND_DELIVER) {
        read_delivered(mail, command.request, applied->reply, outcome);
    } else {
        read_stored(mail, command.request, applied->reply, outcome);
    }
    outcome->repeated = outcome->modseq <= mail->modseq;
    if (outcome->modseq > mail->modseq) {
        mail->modseq = outcome->modseq;
    }
}

/* ---- Applying ---- */

static void note_meta(struct mail *mail)
{
    const struct meta_row *meta = apply_meta(mail->apply);

    mail->meta.applied =
        (struct raft_position){.index = meta->applied_index, .term = meta->applied_term};
    mail->meta.digest = meta->digest;
    mail->meta.configuration = mail->began;
    if (meta->configuration_index > 0) {
        mail->meta.configuration.index = meta->configuration_index;
        CHECK(raft_configuration_decode(meta->configuration,
                                        &mail->meta.configuration.configuration) == STATUS_OK);
    }
}

static void write_batch(struct mail *mail)
{
    store_batch_clear(mail->store, mail->batch);
    apply_finish(mail->apply, mail->batch);
    CHECK(store_write(mail->store, mail->batch) == STATUS_OK);
    apply_settle(mail->apply);
    note_meta(mail);
}

static enum status mail_apply(struct state *base, const struct log_entry *entries, size_t count,
                              struct state_outcome *out_outcomes, uint64_t *out_digests)
{
    struct mail *mail = mail_of(base);

    if (mail->rotten) {
        return STATUS_CORRUPT;
    }
    arena_clear(&mail->arena);
    for (size_t i = 0; i < count; i++) {
        struct apply_outcome outcome;
        struct apply_entry entry = {
            .index = entries[i].position.index,
            .term = entries[i].position.term,
            .kind = entries[i].kind,
            .payload = entries[i].payload,
        };

        CHECK(apply_entry(mail->apply, &entry, &outcome) == STATUS_OK);
        out_outcomes[i] = (struct state_outcome){0};
        if (entry.kind == RAFT_ENTRY_COMMAND) {
            read_outcome(mail, &entries[i], &outcome, &out_outcomes[i]);
        }
        out_digests[i] = hash_mix(apply_meta(mail->apply)->digest, entry.term);
    }
    write_batch(mail);
    return STATUS_OK;
}

/* ---- Beginning and end ---- */

/* Everything of the store; `for_each` may not write to it. */
static void walk(struct store *store, uint32_t shard, enum row_kind low, enum row_kind high,
                 void (*for_each)(void *context, struct slice key, struct slice value),
                 void *context)
{
    struct store_view view = {.store = store};
    struct key first;
    struct key last;
    struct slice key;
    struct slice value;
    struct store_iterator *iterator =
        store_iterate(&view, key_kind_low(&first, shard, low), key_kind_high(&last, shard, high));

    while (store_iterator_next(iterator, &key, &value) == STATUS_OK) {
        for_each(context, key, value);
    }
    store_iterator_free(iterator);
}

static void open_apply(struct mail *mail)
{
    CHECK(apply_new(mail->store, mail->shard, NULL, &mail->apply) == STATUS_OK);
    note_meta(mail);
}

static void close_apply(struct mail *mail)
{
    apply_free(mail->apply);
    mail->apply = NULL;
}

static void put_into_batch(void *context, struct slice key, struct slice value)
{
    struct mail *mail = context;

    store_batch_put(mail->store, mail->batch, key, value);
}

/* The account, made by a machine of its own: all its rows but how far that has come. */
static void make_account(struct mail *mail)
{
    Aviso__CreateAccountRequest request = AVISO__CREATE_ACCOUNT_REQUEST__INIT;
    Aviso__NewMailbox mailboxes[STATE_BOXES];
    Aviso__NewMailbox *pointers[STATE_BOXES];
    struct mail maker = {.shard = mail->shard, .store = memory_store_new()};
    struct apply_outcome outcome;
    struct buffer payload;
    char id[REQUEST_ID_OCTETS];

    for (size_t i = 1; i < STATE_BOXES; i++) {
        aviso__new_mailbox__init(&mailboxes[i]);
        mailboxes[i].name = octets_of(slice_of(box_names[i]));
        pointers[request.n_mailboxes++] = &mailboxes[i];
    }
    request.request_id = request_id(id, 0);
    request.address = octets_of(SLICE("ann@example.org"));
    request.mailboxes = pointers;
    buffer_init(&payload, COMMAND_SIZE_MAX);
    encode_command(COMMAND_CREATE_ACCOUNT, 1, &request.base, (struct slice){"", 0}, &payload);
    arena_init(&maker.arena);
    maker.batch = store_batch_new(maker.store);
    open_apply(&maker);
    struct apply_entry entry = {1, 1, RAFT_ENTRY_COMMAND, buffer_view(&payload)};

    CHECK(apply_entry(maker.apply, &entry, &outcome) == STATUS_OK && outcome.status == STATUS_OK);
    mail->account = ((const Aviso__CreateAccountReply *)unpack(
                         &maker, &aviso__create_account_reply__descriptor, outcome.reply))
                        ->account;
    write_batch(&maker);
    store_batch_clear(mail->store, mail->batch);
    walk(maker.store, mail->shard, ROW_DIR, ROW_WORK, put_into_batch, mail);
    CHECK(store_write(mail->store, mail->batch) == STATUS_OK &&
          store_flush(mail->store) == STATUS_OK);
    close_apply(&maker);
    store_batch_free(maker.store, maker.batch);
    store_close(maker.store);
    arena_done(&maker.arena);
    buffer_done(&payload);
}

static struct state *mail_new(unsigned group, const struct raft_configuration_at *began)
{
    struct mail *mail = NEW(struct mail);

    mail->shard = group + 1;
    mail->began = *began;
    mail->store = memory_store_new();
    mail->batch = store_batch_new(mail->store);
    arena_init(&mail->arena);
    make_account(mail);
    open_apply(mail);
    return &mail->state;
}

static void mail_free(struct state *base)
{
    struct mail *mail = mail_of(base);

    close_apply(mail);
    store_batch_free(mail->store, mail->batch);
    store_close(mail->store);
    arena_done(&mail->arena);
    memory_free(mail->found);
    memory_free(mail);
}

/* ---- Durability ---- */

static const struct state_meta *mail_meta(struct state *base)
{
    return &mail_of(base)->meta;
}

static uint64_t mail_durable_index(struct state *base)
{
    struct mail *mail = mail_of(base);
    uint64_t index = 0;

    CHECK(apply_durable_index(mail->store, mail->shard, &index) == STATUS_OK);
    return index;
}

static void mail_flush(struct state *base)
{
    CHECK(store_flush(mail_of(base)->store) == STATUS_OK);
}

static void mail_crash(struct state *base, struct random *random)
{
    struct mail *mail = mail_of(base);
    size_t unflushed = memory_store_unflushed(mail->store);

    close_apply(mail);
    memory_store_crash(mail->store, unflushed > 0 ? random_below(random, unflushed + 1) : 0);
    open_apply(mail);
    mail->modseq = 0; /* what is applied again was not applied before */
}

static void mail_rot(struct state *base)
{
    mail_of(base)->rotten = true;
}

/* ---- Moving ---- */

static void count_row(void *context, struct slice key, struct slice value)
{
    ++*(size_t *)context;
}

static void export_row(void *context, struct slice key, struct slice value)
{
    struct mail_blob *blob = context;

    blob->rows[blob->count++] = (struct exported_row){
        arena_copy(&blob->arena, key),
        arena_copy(&blob->arena, value),
    };
}

static struct state_blob *mail_export(struct state *base)
{
    struct mail *mail = mail_of(base);
    struct mail_blob *blob = NEW(struct mail_blob);
    size_t count = 0;

    arena_init(&blob->arena);
    walk(mail->store, mail->shard, ROW_META, ROW_WORK, count_row, &count);
    blob->rows = arena_array(&blob->arena, count, sizeof(*blob->rows));
    walk(mail->store, mail->shard, ROW_META, ROW_WORK, export_row, blob);
    return &blob->blob;
}

static void mail_blob_free(struct state_blob *base)
{
    struct mail_blob *blob = CONTAINER_OF(base, struct mail_blob, blob);

    arena_done(&blob->arena);
    memory_free(blob);
}

static void mail_clear(struct state *base)
{
    struct mail *mail = mail_of(base);

    mail->rotten = false;
    mail->modseq = 0;
    close_apply(mail);
    store_batch_free(mail->store, mail->batch);
    store_close(mail->store);
    mail->store = memory_store_new();
    mail->batch = store_batch_new(mail->store);
    open_apply(mail);
}

/* The first row says how far the state has come: it is written with the last piece. */
static void mail_ingest(struct state *base, const struct state_blob *from, unsigned piece,
                        unsigned pieces)
{
    struct mail *mail = mail_of(base);
    const struct mail_blob *blob = CONTAINER_OF(from, struct mail_blob, blob);
    size_t count = blob->count - 1;

    store_batch_clear(mail->store, mail->batch);
    for (size_t i = count * piece / pieces; i < count * (piece + 1) / pieces; i++) {
        put_into_batch(mail, blob->rows[i + 1].key, blob->rows[i + 1].value);
    }
    if (piece + 1 == pieces) {
        put_into_batch(mail, blob->rows[0].key, blob->rows[0].value);
    }
    CHECK(store_write(mail->store, mail->batch) == STATUS_OK &&
          store_flush(mail->store) == STATUS_OK);
    close_apply(mail);
    open_apply(mail);
}

/* ---- Looking ---- */

static enum status mail_read(struct state *base, unsigned box, struct state_view *out_view)
{
    struct mail *mail = mail_of(base);
    struct store_view view = {.store = mail->store};
    struct mailbox_row row;
    struct slice value;
    struct key key;

    if (mail->rotten) {
        return STATUS_CORRUPT;
    }
    arena_clear(&mail->arena);
    CHECK(store_get(&view, key_mbox(&key, mail->shard, mail->account, box + 1), &mail->arena,
                    &value) == STATUS_OK);
    CHECK(mailbox_row_decode(value, &mail->arena, &row) == STATUS_OK);
    *out_view = (struct state_view){row.uid_next, row.modseq, row.message_count};
    return STATUS_OK;
}

static void note_found(void *context, struct slice key, struct slice value)
{
    struct mail *mail = context;
    struct store_view view = {.store = mail->store};
    struct uid_row row;
    struct mail_row email;
    struct slice octets;
    struct key email_key;

    CHECK(uid_row_decode(value, &row) == STATUS_OK);
    CHECK(store_get(&view, key_mail(&email_key, mail->shard, mail->account, row.email),
                    &mail->arena, &octets) == STATUS_OK);
    CHECK(mail_row_decode(octets, &email) == STATUS_OK && email.thread_keys.size == 8);
    mail->found[mail->found_count++] = (struct found){
        number_get_u64(email.thread_keys.data),
        key_part_mailbox(key) - 1,
        key_part_uid(key),
    };
}

static void find_all(struct mail *mail)
{
    size_t count = 0;

    arena_clear(&mail->arena);
    walk(mail->store, mail->shard, ROW_UID, ROW_UID, count_row, &count);
    mail->found = memory_resized(mail->found, (count + 1) * sizeof(*mail->found));
    mail->found_count = 0;
    walk(mail->store, mail->shard, ROW_UID, ROW_UID, note_found, mail);
    mail->found_at = mail->meta.applied.index;
}

static unsigned mail_find(struct state *base, unsigned box, uint64_t operation, uint32_t *out_uid)
{
    struct mail *mail = mail_of(base);
    unsigned count = 0;

    if (mail->found == NULL || mail->found_at != mail->meta.applied.index) {
        find_all(mail);
    }
    for (size_t i = 0; i < mail->found_count; i++) {
        if (mail->found[i].operation == operation && mail->found[i].box == box) {
            *out_uid = mail->found[i].uid;
            count++;
        }
    }
    return count;
}

/* The store keeps UIDs apart by itself; each mailbox says how many there are, and which is next. */
static bool mail_is_sound(struct state *base)
{
    struct mail *mail = mail_of(base);
    uint32_t counts[STATE_BOXES] = {0};
    uint32_t lasts[STATE_BOXES] = {0};

    find_all(mail);
    for (size_t i = 0; i < mail->found_count; i++) {
        const struct found *found = &mail->found[i];

        counts[found->box]++;
        lasts[found->box] = found->uid > lasts[found->box] ? found->uid : lasts[found->box];
    }
    for (unsigned box = 0; box < STATE_BOXES; box++) {
        struct state_view view;

        if (mail_read(base, box, &view) == STATUS_OK &&
            (view.count != counts[box] || view.uid_next <= lasts[box])) {
            return false;
        }
    }
    return true;
}

const struct state_kind state_mail = {
    .new = mail_new,
    .free = mail_free,
    .encode = mail_encode,
    .apply = mail_apply,
    .meta = mail_meta,
    .durable_index = mail_durable_index,
    .flush = mail_flush,
    .crash = mail_crash,
    .rot = mail_rot,
    .export = mail_export,
    .blob_free = mail_blob_free,
    .clear = mail_clear,
    .ingest = mail_ingest,
    .read = mail_read,
    .find = mail_find,
    .is_sound = mail_is_sound,
};
