/* Mailboxes as a list, and what opening one needs. */
#include "core/memory.h"
#include "proto/mailbox.pb-c.h"
#include "router/mailbox_client.h"
#include "storage/apply.h"
#include "storage/read.h"

enum {
    SCAN_ON_LOOP_MAX = 1000, /* messages whose rows a loop reads itself */
    UIDS_SIZE_MAX = 4 * 1024 * 1024,
};

static void fill_record(struct read *read, uint32_t mailbox, const struct mailbox_row *row,
                        bool subscribed, Aviso__MailboxRecord *out_record)
{
    out_record->mailbox = mailbox;
    out_record->name = wire_from_slice(row->name);
    out_record->special_use = wire_from_slice(row->special_use);
    out_record->subscribed = subscribed;
    out_record->uid_validity = row->uid_validity;
    out_record->uid_next = row->uid_next;
    out_record->modseq = row->modseq;
    out_record->message_count = row->message_count;
    out_record->unseen_count = row->unseen_count;
    out_record->deleted_count = row->deleted_count;
    out_record->recent_count = row->recent_count;
    out_record->size_octets = row->size_octets;
    out_record->n_keywords = row->keyword_count;
    out_record->keywords =
        arena_array(read->arena, row->keyword_count + 1, sizeof(*out_record->keywords));
    for (size_t index = 0; index < row->keyword_count; index++) {
        out_record->keywords[index] = wire_from_slice(row->keywords[index]);
    }
}

/* ---- ListMailboxes ---- */

static enum status list_one(struct read *read, uint64_t account, struct slice key,
                            struct slice value, Aviso__MailboxRecord *record)
{
    struct name_row name;
    struct mailbox_row row;
    enum status status = name_row_decode(value, &name);

    aviso__mailbox_record__init(record);
    if (status != STATUS_OK) {
        return status;
    }
    if (name.mailbox == 0) {
        record->name = wire_from_slice(arena_copy(read->arena, key_part_name(key)));
        record->subscribed = true;
        record->no_mailbox = true;
        return STATUS_OK;
    }
    status = read_mailbox(read, account, name.mailbox, &row);
    if (status == STATUS_OK) {
        fill_record(read, name.mailbox, &row, name.subscribed, record);
    }
    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}

static enum status list_all(struct read *read, uint64_t account, uint32_t name_count,
                            Aviso__ListMailboxesReply *reply)
{
    struct key low;
    struct key high;
    struct slice key;
    struct slice value;
    struct store_iterator *iterator =
        store_iterate(&read->view, key_account_low(&low, read->shard, ROW_NAME, account),
                      key_account_high(&high, read->shard, ROW_NAME, account));
    enum status status = STATUS_OK;

    while (status == STATUS_OK && reply->n_mailboxes < name_count) {
        status = store_iterator_next(iterator, &key, &value);
        if (status == STATUS_OK) {
            Aviso__MailboxRecord *record = ARENA_NEW(read->arena, Aviso__MailboxRecord);

            reply->mailboxes[reply->n_mailboxes++] = record;
            status = list_one(read, account, key, value, record);
        }
    }
    store_iterator_free(iterator);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* The row of a name, whatever the case of "INBOX". NOT_FOUND. */
static enum status get_name(struct read *read, uint64_t account, struct slice name,
                            struct key *out_key, struct slice *out_value)
{
    if (name.size > MAILBOX_NAME_SIZE_MAX) {
        return STATUS_NOT_FOUND;
    }
    return store_get(
        &read->view,
        key_name(out_key, read->shard, account, slice_is(name, "INBOX") ? SLICE("INBOX") : name),
        read->arena, out_value);
}

static enum status list_named(struct read *read, uint64_t account, struct slice name,
                              Aviso__ListMailboxesReply *reply)
{
    struct key key;
    struct slice value;
    enum status status = get_name(read, account, name, &key, &value);

    if (status == STATUS_OK) {
        reply->mailboxes[0] = ARENA_NEW(read->arena, Aviso__MailboxRecord);
        reply->n_mailboxes = 1;
        status = list_one(read, account, (struct slice){key.octets, key.size}, value,
                          reply->mailboxes[0]);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status read_list_mailboxes(struct read *read, const void *message,
                                const ProtobufCMessage **out_reply)
{
    const Aviso__ListMailboxesRequest *request = message;
    Aviso__ListMailboxesReply *reply = ARENA_NEW(read->arena, Aviso__ListMailboxesReply);
    struct account_row account;
    enum status status = read_account(read, request->account, &account);

    aviso__list_mailboxes_reply__init(reply);
    if (status != STATUS_OK) {
        return status;
    }
    reply->modseq = account.modseq;
    reply->mailboxes =
        arena_array(read->arena, (size_t)account.name_count + 1, sizeof(*reply->mailboxes));
    *out_reply = &reply->base;
    if (request->name.len > 0) {
        return list_named(read, request->account, slice_from_wire(request->name), reply);
    }
    return list_all(read, request->account, account.name_count, reply);
}

/* ---- OpenMailbox ---- */

/* Reads every row of the mailbox. */
static enum status scan(struct read *read, uint64_t account, uint32_t mailbox,
                        struct mailbox_uids *out_uids)
{
    struct mailbox_uids uids = {uid_set_new(), uid_set_new()};
    struct key low;
    struct key high;
    struct slice key;
    struct slice value;
    struct uid_row row;
    struct slice from = key_uid(&low, read->shard, account, mailbox, 0);
    struct store_iterator *iterator = store_iterate(
        &read->view, from, key_after(&high, slice_prefix(from, from.size - sizeof(uint32_t))));
    enum status status;

    while ((status = store_iterator_next(iterator, &key, &value)) == STATUS_OK) {
        status = uid_row_decode(value, &row);
        if (status != STATUS_OK) {
            break;
        }
        uid_set_add(uids.uids, key_part_uid(key));
        if ((row.flags & FLAG_SEEN) == 0) {
            uid_set_add(uids.unseen, key_part_uid(key));
        }
    }
    store_iterator_free(iterator);
    if (status != STATUS_NOT_FOUND) {
        uid_set_free(uids.uids);
        uid_set_free(uids.unseen);
        return status;
    }
    *out_uids = uids;
    return STATUS_OK;
}

/* From the cache, or scanned: on a loop only what is small. */
static enum status find_uids(struct read *read, uint64_t account, uint32_t mailbox,
                             const struct mailbox_row *row, const struct mailbox_uids **out_uids)
{
    read->uids_account = account;
    read->uids_mailbox = mailbox;
    if (read->cache != NULL) {
        *out_uids = uid_cache_find(read->cache, account, mailbox);
        if (*out_uids != NULL) {
            return STATUS_OK;
        }
        if (row->message_count > SCAN_ON_LOOP_MAX) {
            return STATUS_AGAIN;
        }
    }
    enum status status = scan(read, account, mailbox, &read->uids);

    *out_uids = &read->uids;
    return status;
}

/* What is counted and what is there must agree. */
static bool uids_agree(const struct mailbox_uids *uids, const struct mailbox_row *row)
{
    return uid_set_count(uids->uids) == row->message_count &&
           uid_set_count(uids->unseen) == row->unseen_count &&
           uid_set_last(uids->uids) < row->uid_next;
}

static struct slice encode_uids(struct read *read, const struct uid_set *uids)
{
    struct buffer octets;

    buffer_init(&octets, UINT32_MAX);
    uid_set_encode(uids, &octets);
    struct slice copy = arena_copy(read->arena, buffer_view(&octets));

    buffer_done(&octets);
    return copy;
}

static enum status open_mailbox(struct read *read, uint64_t account, const struct name_row *name,
                                Aviso__OpenMailboxReply *reply)
{
    struct mailbox_row row;
    const struct mailbox_uids *uids;
    enum status status = read_mailbox(read, account, name->mailbox, &row);

    if (status == STATUS_OK) {
        status = find_uids(read, account, name->mailbox, &row, &uids);
    } else if (status == STATUS_NOT_FOUND) {
        return STATUS_CORRUPT;
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (!uids_agree(uids, &row)) {
        return STATUS_CORRUPT;
    }
    struct slice octets = encode_uids(read, uids->uids);

    reply->record = ARENA_NEW(read->arena, Aviso__MailboxRecord);
    aviso__mailbox_record__init(reply->record);
    fill_record(read, name->mailbox, &row, name->subscribed, reply->record);
    reply->uids = wire_from_slice(octets);
    reply->first_unseen = uid_set_first(uids->unseen);
    reply->recent_from = row.recent_from;
    return octets.size > UIDS_SIZE_MAX ? STATUS_TOO_LARGE : STATUS_OK;
}

enum status read_open_mailbox(struct read *read, const void *message,
                              const ProtobufCMessage **out_reply)
{
    const Aviso__OpenMailboxRequest *request = message;
    Aviso__OpenMailboxReply *reply = ARENA_NEW(read->arena, Aviso__OpenMailboxReply);
    struct name_row row = {0};
    struct key key;
    struct slice value;

    aviso__open_mailbox_reply__init(reply);
    *out_reply = &reply->base;
    enum status status =
        get_name(read, request->account, slice_from_wire(request->name), &key, &value);

    if (status == STATUS_OK) {
        status = name_row_decode(value, &row);
    }
    if (status == STATUS_OK && row.mailbox == 0) {
        status = STATUS_NOT_FOUND;
    }
    return status == STATUS_OK ? open_mailbox(read, request->account, &row, reply) : status;
}
