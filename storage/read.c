#include "storage/read.h"

#include "proto/account.pb-c.h"

static read_fn *const reads[READ_KIND_COUNT] = {
    [READ_LOOK] = read_look,
    [READ_LIST_ENTRIES] = read_list_entries,
    [READ_GET_ACCOUNT] = read_get_account,
    [READ_LIST_MAILBOXES] = read_list_mailboxes,
    [READ_OPEN_MAILBOX] = read_open_mailbox,
    [READ_GET_ROWS] = read_get_rows,
    [READ_GET_CHANGES] = read_get_changes,
    [READ_GET_BODY] = read_get_body,
    [READ_NEXT_HANDOVER] = read_next_handover,
    [READ_GET_HANDOVER_FRAME] = read_get_handover_frame,
};

enum status read_run(struct read *read, enum read_kind kind, const void *message,
                     const ProtobufCMessage **out_reply)
{
    return reads[kind](read, message, out_reply);
}

enum status read_account(struct read *read, uint64_t account, struct account_row *out_row)
{
    struct key key;
    struct slice value;
    enum status status =
        store_get(&read->view, key_acct(&key, read->shard, account), read->arena, &value);

    return status == STATUS_OK ? account_row_decode(value, out_row) : status;
}

enum status read_mailbox(struct read *read, uint64_t account, uint32_t mailbox,
                         struct mailbox_row *out_row)
{
    struct key key;
    struct slice value;
    enum status status =
        store_get(&read->view, key_mbox(&key, read->shard, account, mailbox), read->arena, &value);

    return status == STATUS_OK ? mailbox_row_decode(value, read->arena, out_row) : status;
}

enum status read_get_account(struct read *read, const void *message,
                             const ProtobufCMessage **out_reply)
{
    const Aviso__GetAccountRequest *request = message;
    Aviso__Account *reply = ARENA_NEW(read->arena, Aviso__Account);
    struct account_row row;
    enum status status = read_account(read, request->account, &row);

    aviso__account__init(reply);
    if (status != STATUS_OK) {
        return status;
    }
    reply->account = request->account;
    reply->address = wire_from_slice(row.address);
    reply->credential = wire_from_slice(row.credential);
    reply->suspended = row.suspended;
    reply->quota_octets = row.quota_octets;
    reply->quota_messages = row.quota_messages;
    reply->used_octets = row.used_octets;
    reply->used_messages = row.used_messages;
    reply->modseq = row.modseq;
    reply->created_ms = row.created_ms;
    *out_reply = &reply->base;
    return STATUS_OK;
}
