#include "storage/apply.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"
#include "proto/account.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/directory.pb-c.h"
#include "proto/handover.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "storage/apply_reply.h"
#include "storage/command.h"
#include "storage/raft/message.h"

enum {
    OVERLAY_MEMORY_MAX = 256 * 1024, /* octets of rows that stay between batches: in the cache */
    REQUEST_ID_TIME_SIZE = 6,
    REQUEST_ID_OCTETS = 16,
    TRIM_INTERVAL_MS = 10 * 60 * 1000,
};

/* ---- The table of commands ---- */

struct command_row {
    enum command_kind kind;
    const ProtobufCMessageDescriptor *request; /* NULL: none */
    size_t request_id_offset;
    apply_run_fn *run;
};

#define REQUEST(kind, descriptor, type, run)                                                       \
    {                                                                                              \
        kind, &descriptor, offsetof(type, request_id), run                                         \
    }

static const struct command_row commands[] = {
    REQUEST(COMMAND_DELIVER, aviso__deliver_request__descriptor, Aviso__DeliverRequest,
            apply_deliver),
    REQUEST(COMMAND_PUT_FRAME, aviso__put_frame_request__descriptor, Aviso__PutFrameRequest,
            apply_put_frame),
    REQUEST(COMMAND_HAND_OVER, aviso__hand_over_request__descriptor, Aviso__HandOverRequest,
            apply_hand_over),
    REQUEST(COMMAND_SETTLE_HANDOVER, aviso__settle_handover_request__descriptor,
            Aviso__SettleHandoverRequest, apply_settle_handover),
    REQUEST(COMMAND_STORE_FLAGS, aviso__store_flags_request__descriptor, Aviso__StoreFlagsRequest,
            apply_store_flags),
    REQUEST(COMMAND_EXPUNGE, aviso__expunge_request__descriptor, Aviso__ExpungeRequest,
            apply_expunge),
    REQUEST(COMMAND_COPY_MESSAGES, aviso__copy_messages_request__descriptor,
            Aviso__CopyMessagesRequest, apply_copy_messages),
    REQUEST(COMMAND_CLAIM_RECENT, aviso__claim_recent_request__descriptor,
            Aviso__ClaimRecentRequest, apply_claim_recent),
    REQUEST(COMMAND_CREATE_MAILBOX, aviso__create_mailbox_request__descriptor,
            Aviso__CreateMailboxRequest, apply_create_mailbox),
    REQUEST(COMMAND_RENAME_MAILBOX, aviso__rename_mailbox_request__descriptor,
            Aviso__RenameMailboxRequest, apply_rename_mailbox),
    REQUEST(COMMAND_DELETE_MAILBOX, aviso__delete_mailbox_request__descriptor,
            Aviso__DeleteMailboxRequest, apply_delete_mailbox),
    REQUEST(COMMAND_SUBSCRIBE, aviso__subscribe_request__descriptor, Aviso__SubscribeRequest,
            apply_subscribe),
    REQUEST(COMMAND_CREATE_ACCOUNT, aviso__create_account_request__descriptor,
            Aviso__CreateAccountRequest, apply_create_account),
    REQUEST(COMMAND_UPDATE_ACCOUNT, aviso__update_account_request__descriptor,
            Aviso__UpdateAccountRequest, apply_update_account),
    REQUEST(COMMAND_REMOVE_ACCOUNT, aviso__remove_account_request__descriptor,
            Aviso__RemoveAccountRequest, apply_remove_account),
    REQUEST(COMMAND_PUT_ENTRY, aviso__put_entry_request__descriptor, Aviso__PutEntryRequest,
            apply_put_entry),
    REQUEST(COMMAND_REMOVE_ENTRY, aviso__remove_entry_request__descriptor,
            Aviso__RemoveEntryRequest, apply_remove_entry),
    {COMMAND_TRIM, NULL, 0, apply_trim},
    {COMMAND_REMOVE_STEP, NULL, 0, apply_remove_step},
};

static const struct command_row *find_command(enum command_kind kind)
{
    for (size_t index = 0; index < COUNT_OF(commands); index++) {
        if (commands[index].kind == kind) {
            return &commands[index];
        }
    }
    return NULL;
}

/* ---- Life ---- */

static void events_init(struct apply_events *events)
{
    events->first = NULL;
    events->end = &events->first;
}

static void copy_configuration(struct meta_row *meta, char *room)
{
    if (meta->configuration.size > 0) {
        memmove(room, meta->configuration.data, meta->configuration.size);
    }
    meta->configuration.data = room;
}

static enum status load_meta(struct apply *apply)
{
    struct store_view view = {.store = apply->store};
    struct key key;
    struct slice value;
    enum status status = store_get(&view, key_meta(&key, apply->shard), &apply->step, &value);

    if (status == STATUS_NOT_FOUND) {
        apply->meta.configuration = (struct slice){apply->configuration, 0};
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = meta_row_decode(value, &apply->meta);
    }
    if (status == STATUS_OK) {
        copy_configuration(&apply->meta, apply->configuration);
    }
    return status;
}

enum status apply_new(struct store *store, uint32_t shard, const struct apply_observer *observer,
                      struct apply **out_apply)
{
    struct apply *apply = NEW(struct apply);

    apply->shard = shard;
    apply->store = store;
    apply->observer = observer != NULL ? *observer : (struct apply_observer){0};
    arena_init(&apply->batch);
    arena_init(&apply->step);
    buffer_init(&apply->row, ROW_SIZE_MAX);
    events_init(&apply->events);
    enum status status = load_meta(apply);

    overlay_init(&apply->overlay, store, apply->meta.digest, OVERLAY_MEMORY_MAX);
    apply->meta_settled = apply->meta;
    if (status != STATUS_OK) {
        apply_free(apply);
        return status;
    }
    *out_apply = apply;
    return STATUS_OK;
}

void apply_free(struct apply *apply)
{
    if (apply == NULL) {
        return;
    }
    overlay_done(&apply->overlay);
    arena_done(&apply->batch);
    arena_done(&apply->step);
    buffer_done(&apply->row);
    memory_free(apply);
}

const struct meta_row *apply_meta(const struct apply *apply)
{
    return &apply->meta;
}

size_t apply_pending_size(const struct apply *apply)
{
    return apply->pending_size;
}

/* ---- Once ---- */

/* Milliseconds of the id (router/router.h: the first 48 bits). */
static uint64_t id_time_ms(struct slice id)
{
    char octets[8] = {0};

    memcpy(octets + sizeof(octets) - REQUEST_ID_TIME_SIZE, id.data, REQUEST_ID_TIME_SIZE);
    return number_get_u64(octets);
}

/* OK: a new request. EXISTS: one that is remembered, with `out_outcome`. */
static enum status look_once(struct apply *apply, enum command_kind kind, struct slice id,
                             struct apply_outcome *out_outcome)
{
    struct key key;
    struct slice value;
    struct once_row row;

    if (id.size != REQUEST_ID_OCTETS || id_time_ms(id) > apply->now_ms + ONCE_AGE_MAX_MS) {
        return STATUS_INVALID;
    }
    if (id_time_ms(id) < apply->meta.once_horizon_ms) {
        return STATUS_EXPIRED;
    }
    enum status status = overlay_get(&apply->overlay, key_once(&key, apply->shard, id), &value);

    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = once_row_decode(value, &row);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (row.command != kind) {
        return STATUS_INVALID;
    }
    *out_outcome = (struct apply_outcome){row.status, arena_copy(&apply->batch, row.reply)};
    return STATUS_EXISTS;
}

static void remember_once(struct apply *apply, enum command_kind kind, struct slice id,
                          const struct apply_outcome *outcome)
{
    struct key key;
    struct once_row row = {
        .command = (uint8_t)kind,
        .status = outcome->status,
        .reply = apply->once_reply.data != NULL ? apply->once_reply : outcome->reply,
    };

    once_row_encode(&row, &apply->row);
    overlay_put(&apply->overlay, key_once(&key, apply->shard, id), buffer_view(&apply->row));
    buffer_clear(&apply->row);
    if (id_time_ms(id) > apply->step_meta.once_last_ms) {
        apply->step_meta.once_last_ms = id_time_ms(id);
    }
}

/* ---- One entry ---- */

static void begin_step(struct apply *apply, const struct apply_entry *entry, uint64_t wall_ms)
{
    arena_clear(&apply->step);
    events_init(&apply->step_events);
    apply->once_reply = (struct slice){0};
    apply->index = entry->index;
    apply->now_ms = wall_ms > apply->meta.clock_ms ? wall_ms : apply->meta.clock_ms;
    apply->step_meta = apply->meta;
}

static void commit_step(struct apply *apply, const struct apply_entry *entry)
{
    overlay_commit(&apply->overlay);
    apply->meta = apply->step_meta;
    apply->meta.clock_ms = apply->now_ms;
    apply->meta.digest = apply->overlay.digest;
    apply->meta.applied_index = entry->index;
    apply->meta.applied_term = entry->term;
    apply->pending_size += entry->payload.size;
    if (apply->step_events.first != NULL) {
        *apply->events.end = apply->step_events.first;
        apply->events.end = apply->step_events.end;
    }
}

static void revert_step(struct apply *apply)
{
    overlay_revert(&apply->overlay);
    apply->step_meta = apply->meta;
    apply->once_reply = (struct slice){0};
    events_init(&apply->step_events);
}

/* Runs the command. Its outcome is the caller's business, unless it is fatal. */
static enum status run(struct apply *apply, const struct command_row *row,
                       const struct apply_request *request, struct apply_outcome *out_outcome)
{
    struct slice reply = {"", 0};
    enum status status = row->run(apply, request, &reply);

    if (status != STATUS_OK) {
        revert_step(apply);
        reply = (struct slice){"", 0};
    }
    *out_outcome = (struct apply_outcome){status, reply};
    return apply_is_fatal(status) ? status : STATUS_OK;
}

static enum status run_request(struct apply *apply, const struct command_row *row,
                               const struct command *command, struct apply_outcome *out_outcome)
{
    ProtobufCMessage *message = apply_unpack(&apply->step, row->request, command->request);

    if (message == NULL) {
        *out_outcome = (struct apply_outcome){STATUS_INVALID, {"", 0}};
        return STATUS_OK;
    }
    struct apply_request request = {message, command->octets};
    const ProtobufCBinaryData *id =
        (const ProtobufCBinaryData *)((const char *)message + row->request_id_offset);
    struct slice request_id = slice_from_wire(*id);
    enum status status = look_once(apply, command->kind, request_id, out_outcome);

    if (status == STATUS_EXISTS) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        *out_outcome = (struct apply_outcome){status, {"", 0}};
        return apply_is_fatal(status) ? status : STATUS_OK;
    }
    status = run(apply, row, &request, out_outcome);
    if (status == STATUS_OK) {
        remember_once(apply, command->kind, request_id, out_outcome);
    }
    return status;
}

static enum status apply_command(struct apply *apply, const struct apply_entry *entry,
                                 struct apply_outcome *out_outcome)
{
    struct command command;
    enum status status = command_decode(entry->payload, &command);

    if (status != STATUS_OK) {
        return status == STATUS_UNSUPPORTED ? status : STATUS_CORRUPT;
    }
    const struct command_row *row = find_command(command.kind);

    CHECK(row != NULL);
    begin_step(apply, entry, command.wall_ms);
    if (row->request != NULL) {
        return run_request(apply, row, &command, out_outcome);
    }
    return run(apply, row, &(struct apply_request){0}, out_outcome);
}

static enum status apply_configuration(struct apply *apply, const struct apply_entry *entry)
{
    if (entry->payload.size > RAFT_CONFIGURATION_SIZE_MAX) {
        return STATUS_CORRUPT;
    }
    apply->step_meta.configuration_index = entry->index;
    apply->step_meta.configuration = entry->payload;
    copy_configuration(&apply->step_meta, apply->configuration);
    return STATUS_OK;
}

enum status apply_entry(struct apply *apply, const struct apply_entry *entry,
                        struct apply_outcome *out_outcome)
{
    CHECK(entry->index == apply->meta.applied_index + 1);
    enum status status = STATUS_OK;

    *out_outcome = (struct apply_outcome){STATUS_OK, {"", 0}};
    if (entry->kind == RAFT_ENTRY_COMMAND) {
        status = apply_command(apply, entry, out_outcome);
    } else {
        begin_step(apply, entry, 0);
        if (entry->kind == RAFT_ENTRY_CONFIGURATION) {
            status = apply_configuration(apply, entry);
        }
    }
    if (status != STATUS_OK) {
        overlay_revert(&apply->overlay);
        return status;
    }
    commit_step(apply, entry);
    return STATUS_OK;
}

/* ---- One batch ---- */

void apply_finish(struct apply *apply, struct store_batch *batch)
{
    struct key key;

    overlay_write(&apply->overlay, batch);
    meta_row_encode(&apply->meta, &apply->row);
    store_batch_put(apply->store, batch, key_meta(&key, apply->shard), buffer_view(&apply->row));
    buffer_clear(&apply->row);
}

static void tell(struct apply *apply)
{
    const struct apply_observer *observer = &apply->observer;

    for (const struct apply_event *event = apply->events.first; event != NULL;
         event = event->next) {
        if (event->is_uid) {
            observer->uid(observer->context, event->change.account, event->change.mailbox,
                          event->uid, event->act, event->flags);
        } else {
            observer->changed(observer->context, &event->change);
        }
    }
}

static void forget_batch(struct apply *apply)
{
    arena_clear(&apply->batch);
    events_init(&apply->events);
    apply->pending_size = 0;
}

/* A copy, since the configuration's octets are elsewhere. */
static void copy_meta(struct meta_row *to, char *room, const struct meta_row *from)
{
    *to = *from;
    copy_configuration(to, room);
}

void apply_settle(struct apply *apply)
{
    overlay_settle(&apply->overlay);
    copy_meta(&apply->meta_settled, apply->configuration_settled, &apply->meta);
    tell(apply);
    forget_batch(apply);
}

void apply_abandon(struct apply *apply)
{
    copy_meta(&apply->meta, apply->configuration, &apply->meta_settled);
    overlay_clear(&apply->overlay, apply->meta.digest);
    forget_batch(apply);
}

bool apply_wants_trim(const struct apply *apply, uint64_t now_ms)
{
    const struct meta_row *meta = &apply->meta;

    return meta->once_last_ms >= meta->once_horizon_ms && meta->once_last_ms > 0 &&
           now_ms > meta->once_horizon_ms + ONCE_AGE_MAX_MS + TRIM_INTERVAL_MS;
}

bool apply_wants_removal(const struct apply *apply)
{
    return apply->meta.work_count > 0;
}

enum status apply_durable_index(struct store *store, uint32_t shard, uint64_t *out_index)
{
    struct store_view view = {.store = store, .tier = STORE_DURABLE};
    struct arena arena;
    struct key key;
    struct slice value;
    struct meta_row row = {0};

    arena_init(&arena);
    enum status status = store_get(&view, key_meta(&key, shard), &arena, &value);

    if (status == STATUS_OK) {
        status = meta_row_decode(value, &row);
    }
    if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    if (status == STATUS_OK) {
        *out_index = row.applied_index;
    }
    arena_done(&arena);
    return status;
}
