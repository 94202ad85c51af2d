#include "storage/apply_edit.h"

#include <string.h>

#include "router/mailbox_client.h"

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
    SPECIAL_USE_SIZE_MAX = 32,
};

static void begin(struct apply *apply, uint64_t account, struct account_edit *out_edit)
{
    out_edit->apply = apply;
    out_edit->id = account;
    out_edit->modseq = out_edit->row.modseq + 1;
    out_edit->mailboxes_end = &out_edit->mailboxes;
}

enum status edit_begin(struct apply *apply, uint64_t account, struct account_edit *out_edit)
{
    *out_edit = (struct account_edit){0};
    enum status status = state_get_account(apply, account, &out_edit->row);

    if (status == STATUS_OK) {
        begin(apply, account, out_edit);
    }
    return status;
}

void edit_begin_new(struct apply *apply, uint64_t account, const struct account_row *row,
                    struct account_edit *out_edit)
{
    *out_edit = (struct account_edit){.row = *row};
    begin(apply, account, out_edit);
}

/* ---- Mailboxes ---- */

static struct mailbox_edit *add_mailbox(struct account_edit *edit, uint32_t id)
{
    struct arena *arena = &edit->apply->step;
    struct mailbox_edit *mailbox = ARENA_NEW(arena, struct mailbox_edit);

    mailbox->id = id;
    uid_runs_init(&mailbox->changed, arena);
    uid_runs_init(&mailbox->vanished, arena);
    *edit->mailboxes_end = mailbox;
    edit->mailboxes_end = &mailbox->next;
    edit->mailbox_count++;
    return mailbox;
}

enum status edit_mailbox(struct account_edit *edit, uint32_t id, struct mailbox_edit **out_mailbox)
{
    struct mailbox_row row;

    for (struct mailbox_edit *mailbox = edit->mailboxes; mailbox != NULL; mailbox = mailbox->next) {
        if (mailbox->id == id) {
            *out_mailbox = mailbox;
            return mailbox->is_gone ? STATUS_NOT_FOUND : STATUS_OK;
        }
    }
    enum status status = state_get_mailbox(edit->apply, edit->id, id, &row);

    if (status == STATUS_OK) {
        *out_mailbox = add_mailbox(edit, id);
        (*out_mailbox)->row = row;
    }
    return status;
}

enum status edit_mailbox_of_name(struct account_edit *edit, struct slice name,
                                 struct mailbox_edit **out_mailbox)
{
    struct name_row row;
    enum status status = state_get_name(edit->apply, edit->id, name, &row);

    if (status != STATUS_OK) {
        return status;
    }
    if (row.mailbox == 0) {
        return STATUS_NOT_FOUND;
    }
    status = edit_mailbox(edit, row.mailbox, out_mailbox);
    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}

/* The time in seconds, or one more than the last given: so a name that is made again, even in an
 * account that is made again, has a higher one (RFC 3501 §2.3.1.1). */
static uint32_t next_uid_validity(struct account_edit *edit)
{
    uint32_t seconds = (uint32_t)(edit->apply->now_ms / 1000);
    uint32_t next = edit->row.uid_validity_last + 1;

    edit->row.uid_validity_last = seconds > next ? seconds : next;
    return edit->row.uid_validity_last;
}

struct mailbox_edit *edit_mailbox_new(struct account_edit *edit, struct slice name,
                                      struct slice special_use)
{
    struct mailbox_edit *mailbox = add_mailbox(edit, ++edit->row.mailbox_last);

    mailbox->row = (struct mailbox_row){
        .name = name,
        .special_use = slice_prefix(special_use, SPECIAL_USE_SIZE_MAX),
        .uid_validity = next_uid_validity(edit),
        .uid_next = 1,
        .recent_from = 1,
        .created_modseq = edit->modseq,
    };
    mailbox->is_dirty = true;
    edit->mailbox_list = true;
    return mailbox;
}

/* ---- Messages ---- */

/* Adds what a message with these flags counts for. */
static void count_message(struct mailbox_edit *mailbox, uint32_t uid, const struct uid_row *row)
{
    mailbox->row.message_count++;
    mailbox->row.unseen_count += (row->flags & FLAG_SEEN) == 0;
    mailbox->row.deleted_count += (row->flags & FLAG_DELETED) != 0;
    mailbox->row.recent_count += uid >= mailbox->row.recent_from;
    mailbox->row.size_octets += row->size_octets;
    mailbox->is_dirty = true;
}

static void discount_message(struct mailbox_edit *mailbox, uint32_t uid, const struct uid_row *row)
{
    mailbox->row.message_count--;
    mailbox->row.unseen_count -= (row->flags & FLAG_SEEN) == 0;
    mailbox->row.deleted_count -= (row->flags & FLAG_DELETED) != 0;
    mailbox->row.recent_count -= uid >= mailbox->row.recent_from;
    mailbox->row.size_octets -= row->size_octets;
    mailbox->is_dirty = true;
}

enum status edit_add_message(struct account_edit *edit, struct mailbox_edit *mailbox,
                             struct uid_row *row, uint32_t *out_uid)
{
    uint32_t uid = mailbox->row.uid_next;

    if (uid == UINT32_MAX) {
        return STATUS_TOO_LARGE;
    }
    mailbox->row.uid_next++;
    row->modseq = edit->modseq;
    count_message(mailbox, uid, row);
    edit->row.used_octets += row->size_octets;
    edit->row.used_messages++;
    uid_runs_add(&mailbox->changed, uid);
    state_put_uid(edit->apply, edit->id, mailbox->id, uid, row);
    state_uid_changed(edit->apply, edit->id, mailbox->id, uid, APPLY_UID_ADDED, row->flags);
    *out_uid = uid;
    return STATUS_OK;
}

void edit_remove_message(struct account_edit *edit, struct mailbox_edit *mailbox, uint32_t uid,
                         const struct uid_row *row)
{
    struct key key;

    discount_message(mailbox, uid, row);
    edit->row.used_octets -= row->size_octets;
    edit->row.used_messages--;
    uid_runs_add(&mailbox->vanished, uid);
    state_delete(edit->apply, key_uid(&key, edit->apply->shard, edit->id, mailbox->id, uid));
    state_uid_changed(edit->apply, edit->id, mailbox->id, uid, APPLY_UID_GONE, 0);
}

void edit_change_message(struct account_edit *edit, struct mailbox_edit *mailbox, uint32_t uid,
                         const struct uid_row *row, struct uid_row *changed)
{
    discount_message(mailbox, uid, row);
    changed->modseq = edit->modseq;
    count_message(mailbox, uid, changed);
    uid_runs_add(&mailbox->changed, uid);
    state_put_uid(edit->apply, edit->id, mailbox->id, uid, changed);
    state_uid_changed(edit->apply, edit->id, mailbox->id, uid, APPLY_UID_FLAGS, changed->flags);
}

enum status edit_keyword(struct account_edit *edit, struct mailbox_edit *mailbox,
                         struct slice keyword, uint8_t *out_place)
{
    struct mailbox_row *row = &mailbox->row;

    if (keyword.size == 0 || keyword.size > KEYWORD_SIZE_MAX) {
        return STATUS_INVALID;
    }
    for (size_t place = 0; place < row->keyword_count; place++) {
        if (slice_equals_ignoring_case(row->keywords[place], keyword)) {
            *out_place = (uint8_t)place;
            return STATUS_OK;
        }
    }
    if (row->keyword_count == MAILBOX_KEYWORDS_MAX) {
        return STATUS_TOO_LARGE;
    }
    struct slice *keywords =
        arena_array(&edit->apply->step, row->keyword_count + 1, sizeof(*keywords));

    if (row->keyword_count > 0) {
        memcpy(keywords, row->keywords, row->keyword_count * sizeof(*keywords));
    }
    keywords[row->keyword_count] = keyword;
    *out_place = (uint8_t)row->keyword_count++;
    row->keywords = keywords;
    mailbox->is_dirty = true;
    return STATUS_OK;
}

/* ---- The end ---- */

static void put_change_row(struct account_edit *edit)
{
    struct apply *apply = edit->apply;
    struct key key;
    struct mailbox_change *changes =
        arena_array(&apply->step, edit->mailbox_count + 1, sizeof(*changes));
    struct change_row row = {
        .time_ms = apply->now_ms,
        .mailbox_list = edit->mailbox_list,
        .account = edit->account_itself,
        .mailboxes = changes,
    };

    for (struct mailbox_edit *mailbox = edit->mailboxes; mailbox != NULL; mailbox = mailbox->next) {
        if (!mailbox->is_gone && mailbox->changed.count + mailbox->vanished.count == 0) {
            continue;
        }
        changes[row.mailbox_count++] = (struct mailbox_change){
            .mailbox = mailbox->id,
            .gone = mailbox->is_gone,
            .changed = mailbox->changed.runs,
            .changed_count = mailbox->changed.count,
            .vanished = mailbox->vanished.runs,
            .vanished_count = mailbox->vanished.count,
        };
    }
    change_row_encode(&row, &apply->row);
    overlay_put(&apply->overlay, key_log(&key, apply->shard, edit->id, edit->modseq),
                buffer_view(&apply->row));
    buffer_clear(&apply->row);
}

static void forget_changes(struct account_edit *edit, uint64_t through)
{
    struct apply *apply = edit->apply;
    struct key low;
    struct key high;

    if (through <= edit->row.log_from) {
        return;
    }
    overlay_delete_range(&apply->overlay,
                         key_log(&low, apply->shard, edit->id, edit->row.log_from + 1),
                         key_log(&high, apply->shard, edit->id, through + 1));
    edit->row.log_from = through;
}

/* The time of a change record; every modseq over log_from has one. */
static enum status change_time(struct account_edit *edit, uint64_t modseq, uint64_t *out_time_ms)
{
    struct apply *apply = edit->apply;
    struct key key;
    struct slice value;
    struct change_row row = {0};
    enum status status =
        overlay_get(&apply->overlay, key_log(&key, apply->shard, edit->id, modseq), &value);

    if (status == STATUS_OK) {
        status = change_row_decode(value, &apply->step, &row);
    }
    *out_time_ms = row.time_ms;
    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}

/* Finds the first record young enough, by halving, once a day. */
static enum status forget_old_changes(struct account_edit *edit)
{
    uint64_t now_ms = edit->apply->now_ms;
    uint64_t age_max_ms = (uint64_t)CHANGES_AGE_MAX_DAYS * DAY_MS;
    uint64_t low = edit->row.log_from + 1;
    uint64_t high = edit->modseq;
    uint64_t time_ms;

    if (now_ms < age_max_ms || now_ms - edit->row.log_trim_ms < DAY_MS) {
        return STATUS_OK;
    }
    edit->row.log_trim_ms = now_ms;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        enum status status = change_time(edit, middle, &time_ms);

        if (status != STATUS_OK) {
            return status;
        }
        if (time_ms < now_ms - age_max_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    forget_changes(edit, low - 1);
    return STATUS_OK;
}

static void tell_changes(struct account_edit *edit)
{
    struct apply_change change = {
        .account = edit->id,
        .modseq = edit->modseq,
        .mailbox_list = edit->mailbox_list,
        .account_itself = edit->account_itself,
        .closed = edit->row.suspended,
    };

    if (change.mailbox_list || change.account_itself) {
        state_changed(edit->apply, &change);
    }
    for (struct mailbox_edit *mailbox = edit->mailboxes; mailbox != NULL; mailbox = mailbox->next) {
        if (mailbox->changed.count + mailbox->vanished.count > 0 || mailbox->is_gone) {
            state_changed(edit->apply, &(struct apply_change){.account = edit->id,
                                                              .modseq = edit->modseq,
                                                              .mailbox = mailbox->id,
                                                              .closed = edit->row.suspended});
        }
    }
}

enum status edit_end(struct account_edit *edit)
{
    struct apply *apply = edit->apply;

    for (struct mailbox_edit *mailbox = edit->mailboxes; mailbox != NULL; mailbox = mailbox->next) {
        if (mailbox->is_dirty && !mailbox->is_gone) {
            mailbox->row.modseq = edit->modseq;
            state_put_mailbox(apply, edit->id, mailbox->id, &mailbox->row);
        }
    }
    put_change_row(edit);
    edit->row.modseq = edit->modseq;
    if (edit->modseq - edit->row.log_from > (uint64_t)2 * CHANGES_KEPT) {
        forget_changes(edit, edit->modseq - CHANGES_KEPT);
    }
    enum status status = forget_old_changes(edit);

    state_put_account(apply, edit->id, &edit->row);
    tell_changes(edit);
    return status;
}
