#include "tests/fakes/fake_mail_store.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "router/frames.h"
#include "tests/fakes/fake_mail_state.h"
#include "tests/fakes/fake_queue.h"

/* An answer on its way. What it points to is in its arena. */
struct mailbox_work {
    struct fake_promise promise;
    struct mailbox_call *call;
    struct arena arena;
    enum status status;
    enum answer_kind {
        ANSWERS_LIST,
        ANSWERS_CREATED,
        ANSWERS_DONE,
        ANSWERS_OPEN,
        ANSWERS_RECENT,
        ANSWERS_ROWS,
        ANSWERS_CHANGES,
        ANSWERS_BODY,
        ANSWERS_STORE,
        ANSWERS_EXPUNGE,
        ANSWERS_COPY,
    } kind;
    struct mailbox_record *records;
    size_t record_count;
    uint64_t modseq;
    uint32_t numbers[2];
    struct mailbox_opening opening;
    struct mailbox_rows rows;
    struct mailbox_changes changes;
    struct slice body;
    struct store_result stored;
    struct copy_result copied;
    struct uid_set *sets[2];
};

static void free_work(struct fake_promise *promise)
{
    struct mailbox_work *work = CONTAINER_OF(promise, struct mailbox_work, promise);

    uid_set_free(work->sets[0]);
    uid_set_free(work->sets[1]);
    arena_done(&work->arena);
    memory_free(work);
}

static void run_work(struct fake_promise *promise)
{
    struct mailbox_work *work = CONTAINER_OF(promise, struct mailbox_work, promise);
    struct mailbox_call *call = work->call;
    bool ok = work->status == STATUS_OK;

    call->work = NULL;
    switch (work->kind) {
    case ANSWERS_LIST:
        call->done.list(call, work->status, work->records, work->record_count, work->modseq);
        break;
    case ANSWERS_CREATED:
        call->done.created(call, work->status, work->numbers[0], work->numbers[1]);
        break;
    case ANSWERS_DONE:
        call->done.done(call, work->status);
        break;
    case ANSWERS_OPEN:
        call->done.open(call, work->status, ok ? &work->opening : NULL);
        break;
    case ANSWERS_RECENT:
        call->done.recent(call, work->status, work->numbers[0], work->numbers[1]);
        break;
    case ANSWERS_ROWS:
        call->done.rows(call, work->status, ok ? &work->rows : NULL);
        break;
    case ANSWERS_CHANGES:
        call->done.changes(call, work->status, ok ? &work->changes : NULL);
        break;
    case ANSWERS_BODY:
        call->done.body(call, work->status, work->body);
        break;
    case ANSWERS_STORE:
        call->done.store(call, work->status, ok ? &work->stored : NULL);
        break;
    case ANSWERS_EXPUNGE:
        call->done.expunge(call, work->status, work->sets[0], work->modseq);
        break;
    case ANSWERS_COPY:
        call->done.copy(call, work->status, ok ? &work->copied : NULL);
        break;
    }
    free_work(promise);
}

static struct mailbox_work *answer_later(struct router *router, struct mailbox_call *call,
                                         enum answer_kind kind, const char *name)
{
    struct mailbox_work *work = NEW(struct mailbox_work);

    CHECK(call->work == NULL);
    work->promise = (struct fake_promise){.run = run_work, .drop = free_work};
    work->call = call;
    work->kind = kind;
    work->status = fake_begin(router, name);
    arena_init(&work->arena);
    work->sets[0] = uid_set_new();
    work->sets[1] = uid_set_new();
    call->work = work;
    fake_queue_add(&work->promise);
    return work;
}

void mailbox_call_cancel(struct mailbox_call *call)
{
    if (call->work != NULL) {
        fake_queue_cancel(&call->work->promise);
        call->work = NULL;
    }
}

/* ---- The list ---- */

static struct mailbox_record record_of(struct arena *arena, const struct fake_mailbox *mailbox)
{
    struct mailbox_record record = {
        .mailbox = mailbox->id,
        .name = arena_copy(arena, slice_of(mailbox->name)),
        .special_use = arena_copy(arena, slice_of(mailbox->special_use)),
        .subscribed = mailbox->subscribed,
        .no_mailbox = mailbox->no_mailbox,
        .uid_validity = mailbox->uid_validity,
        .uid_next = mailbox->uid_next,
        .modseq = mailbox->modseq,
        .message_count = (uint32_t)mailbox->message_count,
        .keyword_count = mailbox->keyword_count,
    };
    struct slice *keywords = arena_array(arena, MAILBOX_KEYWORDS_MAX, sizeof(*keywords));

    memcpy(keywords, mailbox->keywords, mailbox->keyword_count * sizeof(*keywords));
    record.keywords = keywords;
    for (size_t i = 0; i < mailbox->message_count; i++) {
        const struct fake_message *message = &mailbox->messages[i];

        record.size_octets += message->email->raw.size;
        record.unseen_count += (message->flags & FLAG_SEEN) == 0 ? 1 : 0;
        record.deleted_count += (message->flags & FLAG_DELETED) != 0 ? 1 : 0;
        record.recent_count += message->uid >= mailbox->recent_from ? 1 : 0;
    }
    return record;
}

static int compare_records(const void *one, const void *other)
{
    return slice_compare(((const struct mailbox_record *)one)->name,
                         ((const struct mailbox_record *)other)->name);
}

void mailbox_list(struct router *router, struct mailbox_call *call, struct account_place place,
                  mailbox_list_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_LIST, "list");
    struct fake_account *account = fake_account_of(router, place.account);

    call->done.list = done;
    work->modseq = account->modseq;
    work->records = arena_array(&work->arena, account->mailbox_count, sizeof(*work->records));
    for (size_t i = 0; work->status == STATUS_OK && i < account->mailbox_count; i++) {
        work->records[work->record_count++] = record_of(&work->arena, &account->mailboxes[i]);
    }
    qsort(work->records, work->record_count, sizeof(*work->records), compare_records);
}

void mailbox_find(struct router *router, struct mailbox_call *call, struct account_place place,
                  struct slice name, mailbox_list_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_LIST, "list");
    struct fake_account *account = fake_account_of(router, place.account);
    struct fake_mailbox *mailbox = fake_mailbox_named(account, name);

    call->done.list = done;
    work->modseq = account->modseq;
    work->records = arena_array(&work->arena, 1, sizeof(*work->records));
    if (work->status == STATUS_OK && mailbox != NULL) {
        work->records[work->record_count++] = record_of(&work->arena, mailbox);
    }
}

static bool is_mailbox(struct fake_account *account, struct slice name)
{
    struct fake_mailbox *mailbox = fake_mailbox_named(account, name);

    return mailbox != NULL && !mailbox->no_mailbox;
}

static void make_with_parents(struct router *router, struct fake_account *account,
                              struct slice name, struct slice special_use)
{
    for (size_t at = 1; at < name.size; at++) {
        if (name.data[at] == '/' && !is_mailbox(account, slice_prefix(name, at))) {
            fake_mailbox_make(router, account, slice_prefix(name, at), SLICE(""));
        }
    }
    fake_mailbox_make(router, account, name, special_use);
}

void mailbox_create(struct router *router, struct mailbox_call *call, struct account_place place,
                    struct slice name, struct slice special_use, mailbox_created_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_CREATED, "create");
    struct fake_account *account = fake_account_of(router, place.account);

    call->done.created = done;
    if (work->status == STATUS_OK && is_mailbox(account, name)) {
        work->status = STATUS_EXISTS;
    }
    if (work->status == STATUS_OK) {
        make_with_parents(router, account, name, special_use);
        fake_announce(router, account, NULL);
    }
}

static bool is_below(struct slice name, struct slice above)
{
    return name.size > above.size && slice_starts_with(name, above) && name.data[above.size] == '/';
}

static char *join(struct router *router, struct slice one, struct slice other)
{
    char *text = arena_zeroed(&router->arena, one.size + other.size + 1);

    memcpy(text, one.data, one.size);
    if (other.size > 0) {
        memcpy(text + one.size, other.data, other.size);
    }
    return text;
}

static void move_inbox(struct router *router, struct fake_account *account, struct slice new_name)
{
    make_with_parents(router, account, new_name, SLICE(""));
    struct fake_mailbox *inbox = fake_mailbox_named(account, SLICE("INBOX"));
    struct fake_mailbox *target = fake_mailbox_named(account, new_name);

    account->modseq++;
    while (inbox->message_count > 0) {
        fake_mailbox_add(router, account, target, inbox->messages[0].email)->flags =
            inbox->messages[0].flags;
        fake_mailbox_remove(account, inbox, 0, account->modseq);
    }
}

void mailbox_rename(struct router *router, struct mailbox_call *call, struct account_place place,
                    struct slice name, struct slice new_name, mailbox_done_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_DONE, "rename");
    struct fake_account *account = fake_account_of(router, place.account);

    call->done.done = done;
    if (work->status != STATUS_OK) {
        return;
    }
    if (!is_mailbox(account, name)) {
        work->status = STATUS_NOT_FOUND;
    } else if (is_mailbox(account, new_name)) {
        work->status = STATUS_EXISTS;
    } else if (is_below(new_name, name)) {
        work->status = STATUS_DENIED;
    } else if (slice_is(name, "INBOX")) {
        move_inbox(router, account, new_name);
    } else {
        for (size_t i = 0; i < account->mailbox_count; i++) {
            struct fake_mailbox *mailbox = &account->mailboxes[i];
            struct slice old = slice_of(mailbox->name);

            if (slice_equals(old, name) || is_below(old, name)) {
                mailbox->name = join(router, new_name, slice_skip(old, name.size));
            }
        }
        account->modseq++;
    }
    fake_announce(router, account, NULL);
}

void mailbox_delete(struct router *router, struct mailbox_call *call, struct account_place place,
                    struct slice name, mailbox_done_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_DONE, "delete");
    struct fake_account *account = fake_account_of(router, place.account);
    struct fake_mailbox *mailbox = fake_mailbox_named(account, name);

    call->done.done = done;
    if (work->status != STATUS_OK) {
        return;
    }
    if (slice_is(name, "INBOX")) {
        work->status = STATUS_DENIED;
    } else if (mailbox == NULL || mailbox->no_mailbox) {
        work->status = STATUS_NOT_FOUND;
    } else {
        account->modseq++;
        while (mailbox->message_count > 0) {
            fake_mailbox_remove(account, mailbox, 0, account->modseq);
        }
        mailbox->no_mailbox = true;
        mailbox->special_use = join(router, SLICE(""), SLICE(""));
        fake_announce(router, account, NULL);
    }
}

void mailbox_subscribe(struct router *router, struct mailbox_call *call, struct account_place place,
                       struct slice name, bool subscribed, mailbox_done_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_DONE, "subscribe");
    struct fake_account *account = fake_account_of(router, place.account);
    struct fake_mailbox *mailbox = fake_mailbox_named(account, name);

    call->done.done = done;
    if (work->status != STATUS_OK) {
        return;
    }
    if (mailbox == NULL) {
        mailbox = fake_mailbox_make(router, account, name, SLICE(""));
        mailbox->no_mailbox = true;
    }
    mailbox->subscribed = subscribed;
    account->modseq++;
    fake_announce(router, account, NULL);
}

/* ---- Reading ---- */

static struct fake_mailbox *find_mailbox(struct mailbox_work *work, struct fake_account *account,
                                         uint32_t id)
{
    struct fake_mailbox *mailbox = fake_mailbox_of(account, id);

    if (work->status == STATUS_OK && mailbox == NULL) {
        work->status = STATUS_NOT_FOUND;
    }
    return work->status == STATUS_OK ? mailbox : NULL;
}

void mailbox_open(struct router *router, struct mailbox_call *call, struct account_place place,
                  struct slice name, mailbox_open_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_OPEN, "open");
    struct fake_account *account = fake_account_of(router, place.account);
    struct fake_mailbox *mailbox = fake_mailbox_named(account, name);

    call->done.open = done;
    if (work->status == STATUS_OK && (mailbox == NULL || mailbox->no_mailbox)) {
        work->status = STATUS_NOT_FOUND;
    }
    if (work->status != STATUS_OK) {
        return;
    }
    work->opening = (struct mailbox_opening){
        .record = record_of(&work->arena, mailbox),
        .uids = work->sets[0],
        .recent_from = mailbox->recent_from,
    };
    for (size_t i = 0; i < mailbox->message_count; i++) {
        uid_set_add(work->sets[0], mailbox->messages[i].uid);
        if ((mailbox->messages[i].flags & FLAG_SEEN) == 0 && work->opening.first_unseen == 0) {
            work->opening.first_unseen = mailbox->messages[i].uid;
        }
    }
}

void mailbox_claim_recent(struct router *router, struct mailbox_call *call,
                          struct account_place place, uint32_t mailbox, mailbox_recent_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_RECENT, "recent");
    struct fake_mailbox *held = find_mailbox(work, fake_account_of(router, place.account), mailbox);

    call->done.recent = done;
    if (held != NULL) {
        work->numbers[0] = held->recent_from;
        work->numbers[1] = held->uid_next;
        held->recent_from = held->uid_next;
    }
}

/* Bodies of every second email come with the row, those of the others do not: both ways are gone.
 */
static struct slice frame_of(const struct fake_email *email, struct arena *arena)
{
    struct slice body = slice_skip(email->raw, email->header_size);

    if (email->id % 2 != 0 || body.size == 0 || body.size > SMALL_BODY_SIZE_MAX) {
        return (struct slice){"", 0};
    }
    char *frame = arena_room(arena, frame_size_bound(body.size));

    return (struct slice){frame, frame_compress(body, frame)};
}

static struct message_row row_of(struct arena *arena, const struct fake_message *message,
                                 unsigned parts)
{
    const struct fake_email *email = message->email;
    struct slice *keywords = arena_array(arena, message->keyword_count, sizeof(*keywords));

    if (message->keyword_count > 0) {
        memcpy(keywords, message->keywords, message->keyword_count * sizeof(*keywords));
    }
    return (struct message_row){
        .uid = message->uid,
        .email = email->id,
        .flags = message->flags,
        .keywords = keywords,
        .keyword_count = message->keyword_count,
        .modseq = message->modseq,
        .size_octets = email->raw.size,
        .received_ms = email->received_ms,
        .received_zone = email->received_zone,
        .header_size = (uint32_t)email->header_size,
        .digest = (parts & ROW_DIGEST) != 0 ? arena_copy(arena, email->digest) : SLICE(""),
        .header = (parts & ROW_HEADER) != 0
                      ? arena_copy(arena, slice_prefix(email->raw, email->header_size))
                      : SLICE(""),
        .body_frame = (parts & ROW_SMALL_BODY) != 0 ? frame_of(email, arena) : SLICE(""),
    };
}

void mailbox_get_rows(struct router *router, struct mailbox_call *call, struct account_place place,
                      uint32_t mailbox, const struct rows_query *query, mailbox_rows_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_ROWS, "rows");
    struct fake_account *account = fake_account_of(router, place.account);
    struct fake_mailbox *held = find_mailbox(work, account, mailbox);

    call->done.rows = done;
    if (held == NULL) {
        return;
    }
    struct message_row *rows = arena_array(&work->arena, router->rows_max, sizeof(*rows));

    work->rows = (struct mailbox_rows){.rows = rows, .modseq = account->modseq};
    for (size_t i = 0; i < held->message_count; i++) {
        const struct fake_message *message = &held->messages[i];

        if (!uid_set_contains(query->uids, message->uid) ||
            message->modseq <= query->changed_since ||
            (message->flags & query->flags_all) != query->flags_all ||
            (message->flags & query->flags_none) != 0) {
            continue;
        }
        if (work->rows.count == router->rows_max) {
            work->rows.more_from = message->uid;
            break;
        }
        rows[work->rows.count++] = row_of(&work->arena, message, query->parts);
    }
}

void mailbox_get_changes(struct router *router, struct mailbox_call *call,
                         struct account_place place, uint32_t mailbox, uint64_t since,
                         mailbox_changes_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_CHANGES, "changes");
    struct fake_account *account = fake_account_of(router, place.account);
    struct fake_mailbox *held = find_mailbox(work, account, mailbox);

    call->done.changes = done;
    if (work->status == STATUS_OK && since < account->changes_known_from) {
        work->status = STATUS_EXPIRED;
    }
    if (work->status != STATUS_OK) {
        return;
    }
    struct message_row *rows = arena_array(&work->arena, held->message_count, sizeof(*rows));
    struct slice *keywords = arena_array(&work->arena, MAILBOX_KEYWORDS_MAX, sizeof(*keywords));

    memcpy(keywords, held->keywords, held->keyword_count * sizeof(*keywords));
    work->changes = (struct mailbox_changes){
        .rows = rows,
        .vanished = work->sets[0],
        .modseq = account->modseq,
        .uid_next = held->uid_next,
        .keywords = keywords,
        .keyword_count = held->keyword_count,
    };
    for (size_t i = 0; i < held->message_count; i++) {
        if (held->messages[i].modseq > since) {
            rows[work->changes.count++] = row_of(&work->arena, &held->messages[i], 0);
        }
    }
    for (size_t i = 0; i < held->vanished_count; i++) {
        if (held->vanished[i].modseq > since) {
            uid_set_add(work->sets[0], held->vanished[i].uid);
        }
    }
}

static const struct fake_email *find_email(const struct fake_account *account, uint64_t id)
{
    for (size_t i = 0; i < account->mailbox_count; i++) {
        for (size_t j = 0; j < account->mailboxes[i].message_count; j++) {
            if (account->mailboxes[i].messages[j].email->id == id) {
                return account->mailboxes[i].messages[j].email;
            }
        }
    }
    return NULL;
}

/* In pieces that end where frames of 4096 octets do, so that tests meet many. */
void mailbox_get_body(struct router *router, struct mailbox_call *call, struct account_place place,
                      uint64_t email, uint64_t offset, uint64_t size, mailbox_body_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_BODY, "body");
    const struct fake_email *held = find_email(fake_account_of(router, place.account), email);

    call->done.body = done;
    if (work->status == STATUS_OK && held == NULL) {
        work->status = STATUS_NOT_FOUND;
    }
    if (work->status == STATUS_OK) {
        uint64_t frame_rest = 4096 - offset % 4096;
        struct slice body = slice_skip(held->raw, held->header_size);

        work->body = arena_copy(&work->arena, slice_prefix(slice_skip(body, offset),
                                                           size < frame_rest ? size : frame_rest));
    }
}

/* ---- Changing ---- */

static bool has_keyword(const struct fake_message *message, struct slice keyword)
{
    for (size_t i = 0; i < message->keyword_count; i++) {
        if (slice_equals_ignoring_case(message->keywords[i], keyword)) {
            return true;
        }
    }
    return false;
}

static void remove_keyword(struct fake_message *message, struct slice keyword)
{
    for (size_t i = 0; i < message->keyword_count; i++) {
        if (slice_equals_ignoring_case(message->keywords[i], keyword)) {
            message->keywords[i] = message->keywords[--message->keyword_count];
            return;
        }
    }
}

static void store_one(struct router *router, struct fake_mailbox *mailbox,
                      struct fake_message *message, const struct store_order *order)
{
    if (order->mode == STORE_REPLACE) {
        message->flags = order->flags;
        message->keyword_count = 0;
    } else if (order->mode == STORE_ADD) {
        message->flags |= order->flags;
    } else {
        message->flags &= ~order->flags;
    }
    for (size_t i = 0; i < order->keyword_count; i++) {
        if (order->mode == STORE_REMOVE) {
            remove_keyword(message, order->keywords[i]);
        } else {
            fake_mailbox_set_keyword(router, mailbox, message, order->keywords[i]);
        }
    }
}

static bool would_change(const struct fake_message *message, const struct store_order *order)
{
    uint32_t flags = order->mode == STORE_REPLACE ? order->flags
                     : order->mode == STORE_ADD   ? message->flags | order->flags
                                                  : message->flags & ~order->flags;
    bool changes = flags != message->flags ||
                   (order->mode == STORE_REPLACE && message->keyword_count != order->keyword_count);

    for (size_t i = 0; i < order->keyword_count; i++) {
        changes =
            changes || has_keyword(message, order->keywords[i]) == (order->mode == STORE_REMOVE);
    }
    return changes;
}

void mailbox_store(struct router *router, struct mailbox_call *call, struct account_place place,
                   uint32_t mailbox, const struct store_order *order, mailbox_store_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_STORE, "store");
    struct fake_account *account = fake_account_of(router, place.account);
    struct fake_mailbox *held = find_mailbox(work, account, mailbox);
    uint64_t modseq = account->modseq + 1;

    call->done.store = done;
    if (held == NULL) {
        return;
    }
    struct message_row *rows = arena_array(&work->arena, held->message_count, sizeof(*rows));

    for (size_t i = 0; i < held->message_count; i++) {
        struct fake_message *message = &held->messages[i];

        if (!uid_set_contains(order->uids, message->uid)) {
            continue;
        }
        if (order->conditional && message->modseq > order->unchanged_since) {
            uid_set_add(work->sets[0], message->uid);
            continue;
        }
        if (would_change(message, order)) {
            store_one(router, held, message, order);
            message->modseq = modseq;
            held->modseq = modseq;
            account->modseq = modseq;
        }
        rows[work->stored.count++] = row_of(&work->arena, message, 0);
    }
    work->stored.rows = rows;
    work->stored.modified = work->sets[0];
    work->stored.modseq = account->modseq;
    if (account->modseq == modseq) {
        fake_announce(router, account, held);
    }
}

void mailbox_expunge(struct router *router, struct mailbox_call *call, struct account_place place,
                     uint32_t mailbox, const struct uid_set *uids, bool undeleted,
                     mailbox_expunge_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_EXPUNGE, "expunge");
    struct fake_account *account = fake_account_of(router, place.account);
    struct fake_mailbox *held = find_mailbox(work, account, mailbox);
    uint64_t modseq = account->modseq + 1;
    size_t i = 0;

    call->done.expunge = done;
    while (held != NULL && i < held->message_count) {
        const struct fake_message *message = &held->messages[i];

        if (uid_set_contains(uids, message->uid) &&
            (undeleted || (message->flags & FLAG_DELETED) != 0)) {
            uid_set_add(work->sets[0], message->uid);
            fake_mailbox_remove(account, held, i, modseq);
            account->modseq = modseq;
        } else {
            i++;
        }
    }
    work->modseq = account->modseq;
    if (account->modseq == modseq) {
        fake_announce(router, account, held);
    }
}

static void copy_one(struct router *router, struct fake_account *account,
                     struct fake_mailbox *target, const struct fake_message *message,
                     struct mailbox_work *work)
{
    struct fake_message source = *message;
    struct fake_message *copy = fake_mailbox_add(router, account, target, source.email);

    copy->flags = source.flags;
    for (size_t i = 0; i < source.keyword_count; i++) {
        fake_mailbox_set_keyword(router, target, copy, source.keywords[i]);
    }
    uid_set_add(work->sets[0], source.uid);
    uid_set_add(work->sets[1], copy->uid);
}

void mailbox_copy(struct router *router, struct mailbox_call *call, struct account_place place,
                  uint32_t mailbox, const struct uid_set *uids, uint32_t to_mailbox, bool move,
                  mailbox_copy_fn *done)
{
    struct mailbox_work *work = answer_later(router, call, ANSWERS_COPY, "copy");
    struct fake_account *account = fake_account_of(router, place.account);
    struct fake_mailbox *held = find_mailbox(work, account, mailbox);
    struct fake_mailbox *target = find_mailbox(work, account, to_mailbox);

    call->done.copy = done;
    if (work->status == STATUS_OK && !move && account->quota_messages > 0 &&
        fake_account_count(account) + uid_set_count(uids) > account->quota_messages) {
        work->status = STATUS_OVER_QUOTA;
    }
    if (work->status != STATUS_OK) {
        return;
    }
    account->modseq++;
    for (size_t i = 0, count = held->message_count; i < count; i++) {
        if (uid_set_contains(uids, held->messages[i].uid)) {
            copy_one(router, account, target, &held->messages[i], work);
        }
    }
    for (size_t i = 0; move && i < held->message_count;) {
        if (uid_set_contains(work->sets[0], held->messages[i].uid)) {
            fake_mailbox_remove(account, held, i, account->modseq);
        } else {
            i++;
        }
    }
    work->copied = (struct copy_result){
        .uid_validity = target->uid_validity,
        .source_uids = work->sets[0],
        .target_uids = work->sets[1],
        .modseq = account->modseq,
    };
    fake_announce(router, account, target);
    if (move) {
        fake_announce(router, account, held);
    }
}
