/* Messages: rows, changes, bodies. */
#include <string.h>

#include "core/check.h"
#include "proto/mailbox.pb-c.h"
#include "router/mailbox_client.h"
#include "storage/email_walk.h"
#include "storage/row_message.h"

enum {
    ROWS_MAX = 8192,             /* of one reply */
    ROWS_SIZE_MAX = 1024 * 1024, /* octets of their memory, about; one row more may come */
    ROWS_SCANNED_MAX = 32768,    /* rows looked at for one reply */
    CHANGE_RECORDS_MAX = 2000,   /* records joined in one reply */
    FRAMES_OF_REPLY_MAX = 16,
};

/* A reply's rows being gathered. */
struct gathering {
    struct read *read;
    uint64_t account;
    uint32_t mailbox;
    struct mailbox_row mailbox_row;
    unsigned parts;
    uint64_t changed_since;
    uint32_t flags_all;
    uint32_t flags_none;
    size_t count_max;
    size_t size_max;
    size_t allocated; /* of the arena when it began */
    size_t scanned;
    Aviso__MessageRow **rows;
    size_t count;
    size_t capacity;
    uint32_t more_from; /* 0: not full yet */
    struct email_walk mails;
    struct email_walk heads;
};

static void add_row(struct gathering *gathering, Aviso__MessageRow *row)
{
    if (gathering->count == gathering->capacity) {
        size_t capacity = gathering->capacity * 2 + 16;
        Aviso__MessageRow **rows =
            arena_array(gathering->read->arena, capacity, sizeof(Aviso__MessageRow *));

        for (size_t index = 0; index < gathering->count; index++) {
            rows[index] = gathering->rows[index];
        }
        gathering->rows = rows;
        gathering->capacity = capacity;
    }
    gathering->rows[gathering->count++] = row;
}

/* One exchange less for who wants to read a message, and many less for who reads them all. */
static enum status add_body(struct gathering *gathering, const struct mail_row *mail,
                            Aviso__MessageRow *message)
{
    struct read *read = gathering->read;
    struct slice sha256 = {mail->body_id, ROW_BODY_ID_SIZE};
    struct key key;
    struct slice value;

    if (mail->frame_count != 1 || mail->body_size > SMALL_BODY_SIZE_MAX) {
        return STATUS_OK;
    }
    enum status status =
        store_get(&read->view, key_body(&key, read->shard, sha256, 0), read->arena, &value);

    if (status == STATUS_OK) {
        message->body = wire_from_slice(value);
    }
    return status;
}

/* What stands in rows of its own. */
static enum status add_parts(struct gathering *gathering, Aviso__MessageRow *message)
{
    struct slice value;
    struct mail_row mail;

    if (gathering->parts == 0) {
        return STATUS_OK;
    }
    enum status status = email_walk_get(&gathering->mails, message->email, &value);

    if (status == STATUS_OK) {
        status = mail_row_decode(value, &mail);
    }
    if (status == STATUS_OK && (gathering->parts & ROW_DIGEST) != 0) {
        message->digest = wire_from_slice(mail.digest);
    }
    if (status == STATUS_OK && (gathering->parts & ROW_HEADER) != 0) {
        message->header_prefix = wire_from_slice(mail.header_prefix);
        status = email_walk_get(&gathering->heads, message->email, &value);
        if (status == STATUS_OK) {
            message->header = wire_from_slice(value);
        }
    }
    if (status == STATUS_OK && (gathering->parts & ROW_SMALL_BODY) != 0) {
        status = add_body(gathering, &mail, message);
    }
    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}

static bool is_full(const struct gathering *gathering)
{
    return gathering->count >= gathering->count_max || gathering->scanned >= ROWS_SCANNED_MAX ||
           gathering->read->arena->allocated - gathering->allocated >= gathering->size_max;
}

static bool is_wanted(const struct gathering *gathering, const struct uid_row *row)
{
    return row->modseq > gathering->changed_since &&
           (row->flags & gathering->flags_all) == gathering->flags_all &&
           (row->flags & gathering->flags_none) == 0;
}

static enum status visit(struct gathering *gathering, uint32_t uid, struct slice value)
{
    struct uid_row row;
    enum status status = uid_row_decode(value, &row);

    gathering->scanned++;
    if (status != STATUS_OK || !is_wanted(gathering, &row)) {
        return status;
    }
    Aviso__MessageRow *message = ARENA_NEW(gathering->read->arena, Aviso__MessageRow);

    status = row_message_fill(uid, &row, &gathering->mailbox_row, gathering->read->arena, message);
    if (status == STATUS_OK) {
        status = add_parts(gathering, message);
    }
    if (status == STATUS_OK) {
        add_row(gathering, message);
    }
    return status;
}

/* All rows of the mailbox from `first` to `last`. */
static enum status visit_run(struct gathering *gathering, uint32_t first, uint32_t last)
{
    struct read *read = gathering->read;
    struct key low;
    struct key end;
    struct key high;
    struct slice key;
    struct slice value;
    struct slice highest = key_uid(&end, read->shard, gathering->account, gathering->mailbox, last);
    struct store_iterator *iterator = store_iterate(
        &read->view, key_uid(&low, read->shard, gathering->account, gathering->mailbox, first),
        key_after(&high, highest));
    enum status status = STATUS_OK;

    while (status == STATUS_OK) {
        status = store_iterator_next(iterator, &key, &value);
        if (status == STATUS_OK && is_full(gathering)) {
            gathering->more_from = key_part_uid(key);
            break;
        }
        if (status == STATUS_OK) {
            status = visit(gathering, key_part_uid(key), value);
        }
    }
    store_iterator_free(iterator);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status visit_one(struct gathering *gathering, uint32_t uid)
{
    struct read *read = gathering->read;
    struct key key;
    struct slice value;
    enum status status = store_get(
        &read->view, key_uid(&key, read->shard, gathering->account, gathering->mailbox, uid),
        read->arena, &value);

    if (status == STATUS_OK && is_full(gathering)) {
        gathering->more_from = uid;
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = visit(gathering, uid, value);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status visit_all(struct gathering *gathering, const struct uid_set *uids)
{
    uint32_t first;
    uint32_t last = 0;
    enum status status = STATUS_OK;

    email_walk_init(&gathering->mails, gathering->read, ROW_MAIL, gathering->account);
    email_walk_init(&gathering->heads, gathering->read, ROW_HEAD, gathering->account);
    while (status == STATUS_OK && gathering->more_from == 0 && last != UINT32_MAX &&
           uid_set_run(uids, last + 1, &first, &last)) {
        if (first >= gathering->mailbox_row.uid_next) {
            break;
        }
        status = first == last ? visit_one(gathering, first) : visit_run(gathering, first, last);
    }
    email_walk_done(&gathering->mails);
    email_walk_done(&gathering->heads);
    return status;
}

static size_t smaller(size_t wanted, size_t most)
{
    return wanted > 0 && wanted < most ? wanted : most;
}

static enum status begin(struct read *read, uint64_t account, uint32_t mailbox,
                         struct gathering *out_gathering, uint64_t *out_modseq)
{
    struct account_row row;
    enum status status = read_account(read, account, &row);

    *out_gathering = (struct gathering){
        .read = read,
        .account = account,
        .mailbox = mailbox,
        .count_max = ROWS_MAX,
        .size_max = ROWS_SIZE_MAX,
    };
    if (status == STATUS_OK) {
        *out_modseq = row.modseq;
        status = read_mailbox(read, account, mailbox, &out_gathering->mailbox_row);
    }
    out_gathering->allocated = read->arena->allocated;
    return status;
}

/* ---- GetRows ---- */

enum status read_get_rows(struct read *read, const void *message,
                          const ProtobufCMessage **out_reply)
{
    const Aviso__GetRowsRequest *request = message;
    Aviso__GetRowsReply *reply = ARENA_NEW(read->arena, Aviso__GetRowsReply);
    struct gathering gathering;

    aviso__get_rows_reply__init(reply);
    enum status status =
        begin(read, request->account, request->mailbox, &gathering, &reply->modseq);

    if (status != STATUS_OK) {
        return status;
    }
    gathering.parts = request->parts & (ROW_DIGEST | ROW_HEADER | ROW_SMALL_BODY);
    gathering.changed_since = request->changed_since;
    gathering.flags_all = request->flags_all;
    gathering.flags_none = request->flags_none;
    gathering.count_max = smaller(request->count_max, ROWS_MAX);
    gathering.size_max = smaller(request->size_max, ROWS_SIZE_MAX);
    struct uid_set *uids = uid_set_new();

    status = uid_set_decode(slice_from_wire(request->uids), uids);
    if (status == STATUS_OK) {
        status = visit_all(&gathering, uids);
    }
    uid_set_free(uids);
    reply->rows = gathering.rows;
    reply->n_rows = gathering.count;
    reply->more_from = gathering.more_from;
    *out_reply = &reply->base;
    return status;
}

/* ---- GetChanges ---- */

/* What the change records say of one mailbox, joined. */
struct changes {
    struct uid_set *changed;
    struct uid_set *vanished;
    uint64_t through; /* records up to here were read */
    bool gone;
};

static void add_runs(struct uid_set *set, const struct uid_run *runs, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        uid_set_add_range(set, runs[index].first, runs[index].last);
    }
}

static void join(struct changes *changes, uint32_t mailbox, const struct change_row *row)
{
    for (size_t index = 0; index < row->mailbox_count; index++) {
        const struct mailbox_change *change = &row->mailboxes[index];

        if (change->mailbox == mailbox) {
            add_runs(changes->changed, change->changed, change->changed_count);
            add_runs(changes->vanished, change->vanished, change->vanished_count);
            changes->gone = changes->gone || change->gone;
        }
    }
}

/* Reads records after `since` until there are no more, or enough. */
static enum status read_records(struct read *read, const Aviso__GetChangesRequest *request,
                                uint64_t modseq, struct changes *changes)
{
    struct key low;
    struct key high;
    struct slice key;
    struct slice value;
    struct change_row row;
    struct store_iterator *iterator =
        store_iterate(&read->view, key_log(&low, read->shard, request->account, request->since + 1),
                      key_account_high(&high, read->shard, ROW_LOG, request->account));
    enum status status = STATUS_OK;

    for (size_t count = 0; count < CHANGE_RECORDS_MAX && changes->through < modseq &&
                           uid_set_count(changes->changed) < ROWS_MAX;
         count++) {
        status = store_iterator_next(iterator, &key, &value);
        if (status == STATUS_OK) {
            status = change_row_decode(value, read->arena, &row);
        }
        if (status != STATUS_OK || key_part_last64(key) != changes->through + 1) {
            status = status == STATUS_OK || status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
            break;
        }
        changes->through++;
        join(changes, request->mailbox, &row);
    }
    store_iterator_free(iterator);
    return status;
}

static enum status answer_changes(struct gathering *gathering, struct changes *changes,
                                  Aviso__GetChangesReply *reply)
{
    struct read *read = gathering->read;
    struct buffer octets;

    uid_set_subtract(changes->changed, changes->vanished);
    /* Not cut: read_records() stopped in time, and one record has 16,384 UIDs at most. */
    gathering->size_max = SIZE_MAX;
    gathering->count_max = SIZE_MAX;
    enum status status = visit_all(gathering, changes->changed);

    CHECK(gathering->more_from == 0);
    buffer_init(&octets, UINT32_MAX);
    uid_set_encode(changes->vanished, &octets);
    reply->vanished = wire_from_slice(arena_copy(read->arena, buffer_view(&octets)));
    buffer_done(&octets);
    reply->rows = gathering->rows;
    reply->n_rows = gathering->count;
    reply->uid_next = gathering->mailbox_row.uid_next;
    reply->n_keywords = gathering->mailbox_row.keyword_count;
    reply->keywords = arena_array(read->arena, reply->n_keywords + 1, sizeof(*reply->keywords));
    for (size_t index = 0; index < reply->n_keywords; index++) {
        reply->keywords[index] = wire_from_slice(gathering->mailbox_row.keywords[index]);
    }
    return status;
}

static enum status read_changes(struct read *read, const Aviso__GetChangesRequest *request,
                                struct changes *changes, Aviso__GetChangesReply *reply)
{
    struct account_row account;
    struct gathering gathering;
    uint64_t modseq = 0;
    enum status status = read_account(read, request->account, &account);

    if (status != STATUS_OK) {
        return status;
    }
    if (request->since < account.log_from || request->since > account.modseq) {
        return STATUS_EXPIRED;
    }
    changes->through = request->since;
    status = read_records(read, request, account.modseq, changes);
    if (status != STATUS_OK) {
        return status;
    }
    reply->modseq = changes->through;
    reply->more = changes->through < account.modseq;
    status = begin(read, request->account, request->mailbox, &gathering, &modseq);
    if (status == STATUS_NOT_FOUND) {
        reply->gone = true;
        reply->modseq = account.modseq;
        reply->more = false;
        return STATUS_OK;
    }
    return status == STATUS_OK ? answer_changes(&gathering, changes, reply) : status;
}

enum status read_get_changes(struct read *read, const void *message,
                             const ProtobufCMessage **out_reply)
{
    const Aviso__GetChangesRequest *request = message;
    Aviso__GetChangesReply *reply = ARENA_NEW(read->arena, Aviso__GetChangesReply);
    struct changes changes = {.changed = uid_set_new(), .vanished = uid_set_new()};

    aviso__get_changes_reply__init(reply);
    enum status status = read_changes(read, request, &changes, reply);

    uid_set_free(changes.changed);
    uid_set_free(changes.vanished);
    *out_reply = &reply->base;
    return status;
}

/* ---- GetBody ---- */

static enum status read_frames(struct read *read, const struct mail_row *mail, uint32_t first,
                               uint32_t count, Aviso__GetBodyReply *reply)
{
    struct slice frames[FRAMES_OF_REPLY_MAX];
    size_t size = 0;
    struct key key;
    char *octets;

    for (uint32_t index = 0; index < count; index++) {
        enum status status =
            store_get(&read->view,
                      key_body(&key, read->shard, (struct slice){mail->body_id, ROW_BODY_ID_SIZE},
                               first + index),
                      read->arena, &frames[index]);

        if (status != STATUS_OK) {
            return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
        }
        reply->sizes[index] = (uint32_t)frames[index].size;
        size += frames[index].size;
    }
    reply->n_sizes = count;
    read->octets = rpc_octets_reserve(size, &octets);
    for (uint32_t index = 0; index < count; index++) {
        memcpy(octets, frames[index].data, frames[index].size);
        octets += frames[index].size;
    }
    return STATUS_OK;
}

enum status read_get_body(struct read *read, const void *message,
                          const ProtobufCMessage **out_reply)
{
    const Aviso__GetBodyRequest *request = message;
    Aviso__GetBodyReply *reply = ARENA_NEW(read->arena, Aviso__GetBodyReply);
    struct key key;
    struct slice value;
    struct mail_row mail;
    enum status status =
        store_get(&read->view, key_mail(&key, read->shard, request->account, request->email),
                  read->arena, &value);

    aviso__get_body_reply__init(reply);
    *out_reply = &reply->base;
    if (status == STATUS_OK) {
        status = mail_row_decode(value, &mail);
    }
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t left =
        mail.frame_count > request->first_frame ? mail.frame_count - request->first_frame : 0;
    uint32_t count = request->frame_count < left ? request->frame_count : left;

    if (count > FRAMES_OF_REPLY_MAX) {
        count = FRAMES_OF_REPLY_MAX;
    }
    reply->body_size = mail.body_size;
    reply->sizes = arena_array(read->arena, FRAMES_OF_REPLY_MAX, sizeof(*reply->sizes));
    return count > 0 ? read_frames(read, &mail, request->first_frame, count, reply) : STATUS_OK;
}
