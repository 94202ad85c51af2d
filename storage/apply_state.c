#include "storage/apply_state.h"

#include "core/check.h"

bool apply_is_fatal(enum status status)
{
    return status == STATUS_CORRUPT || status == STATUS_IO_ERROR || status == STATUS_UNSUPPORTED;
}

/* ---- Reading ---- */

enum status state_get_account(struct apply *apply, uint64_t account, struct account_row *out_row)
{
    struct key key;
    struct slice value;
    enum status status =
        overlay_get(&apply->overlay, key_acct(&key, apply->shard, account), &value);

    return status == STATUS_OK ? account_row_decode(value, out_row) : status;
}

enum status state_get_name(struct apply *apply, uint64_t account, struct slice name,
                           struct name_row *out_row)
{
    struct key key;
    struct slice value;
    enum status status =
        overlay_get(&apply->overlay, key_name(&key, apply->shard, account, name), &value);

    return status == STATUS_OK ? name_row_decode(value, out_row) : status;
}

enum status state_get_mailbox(struct apply *apply, uint64_t account, uint32_t mailbox,
                              struct mailbox_row *out_row)
{
    struct key key;
    struct slice value;
    enum status status =
        overlay_get(&apply->overlay, key_mbox(&key, apply->shard, account, mailbox), &value);

    return status == STATUS_OK ? mailbox_row_decode(value, &apply->step, out_row) : status;
}

enum status state_get_uid(struct apply *apply, uint64_t account, uint32_t mailbox, uint32_t uid,
                          struct uid_row *out_row)
{
    struct key key;
    struct slice value;
    enum status status =
        overlay_get(&apply->overlay, key_uid(&key, apply->shard, account, mailbox, uid), &value);

    return status == STATUS_OK ? uid_row_decode(value, out_row) : status;
}

enum status state_get_mail(struct apply *apply, uint64_t account, uint64_t email,
                           struct mail_row *out_row)
{
    struct key key;
    struct slice value;
    enum status status =
        overlay_get(&apply->overlay, key_mail(&key, apply->shard, account, email), &value);

    return status == STATUS_OK ? mail_row_decode(value, out_row) : status;
}

enum status state_get_ref(struct apply *apply, struct slice sha256, struct ref_row *out_row)
{
    struct key key;
    struct slice value;
    enum status status = overlay_get(&apply->overlay, key_ref(&key, apply->shard, sha256), &value);

    return status == STATUS_OK ? ref_row_decode(value, out_row) : status;
}

enum status state_get_hand(struct apply *apply, uint64_t id, struct hand_row *out_row)
{
    struct key key;
    struct slice value;
    enum status status = overlay_get(&apply->overlay, key_hand(&key, apply->shard, id), &value);

    return status == STATUS_OK ? hand_row_decode(value, out_row) : status;
}

/* ---- Writing ---- */

static void put_encoded(struct apply *apply, struct slice key)
{
    overlay_put(&apply->overlay, key, buffer_view(&apply->row));
    buffer_clear(&apply->row);
}

void state_put_account(struct apply *apply, uint64_t account, const struct account_row *row)
{
    struct key key;

    account_row_encode(row, &apply->row);
    put_encoded(apply, key_acct(&key, apply->shard, account));
}

void state_put_name(struct apply *apply, uint64_t account, struct slice name,
                    const struct name_row *row)
{
    struct key key;

    name_row_encode(row, &apply->row);
    put_encoded(apply, key_name(&key, apply->shard, account, name));
}

void state_put_mailbox(struct apply *apply, uint64_t account, uint32_t mailbox,
                       const struct mailbox_row *row)
{
    struct key key;

    mailbox_row_encode(row, &apply->row);
    put_encoded(apply, key_mbox(&key, apply->shard, account, mailbox));
}

void state_put_uid(struct apply *apply, uint64_t account, uint32_t mailbox, uint32_t uid,
                   const struct uid_row *row)
{
    struct key key;

    uid_row_encode(row, &apply->row);
    put_encoded(apply, key_uid(&key, apply->shard, account, mailbox, uid));
}

void state_put_mail(struct apply *apply, uint64_t account, uint64_t email,
                    const struct mail_row *row)
{
    struct key key;

    mail_row_encode(row, &apply->row);
    put_encoded(apply, key_mail(&key, apply->shard, account, email));
}

void state_put_ref(struct apply *apply, struct slice sha256, const struct ref_row *row)
{
    struct key key;

    ref_row_encode(row, &apply->row);
    put_encoded(apply, key_ref(&key, apply->shard, sha256));
}

void state_put_hand(struct apply *apply, uint64_t id, const struct hand_row *row)
{
    struct key key;

    hand_row_encode(row, &apply->row);
    put_encoded(apply, key_hand(&key, apply->shard, id));
}

void state_delete(struct apply *apply, struct slice key)
{
    overlay_delete(&apply->overlay, key);
}

/* ---- What observers are told ---- */

static struct apply_event *add_event(struct apply *apply)
{
    struct apply_event *event = ARENA_NEW(&apply->batch, struct apply_event);

    *apply->step_events.end = event;
    apply->step_events.end = &event->next;
    return event;
}

void state_changed(struct apply *apply, const struct apply_change *change)
{
    if (apply->observer.changed != NULL) {
        add_event(apply)->change = *change;
    }
}

void state_uid_changed(struct apply *apply, uint64_t account, uint32_t mailbox, uint32_t uid,
                       enum apply_uid_act act, uint32_t flags)
{
    if (apply->observer.uid == NULL) {
        return;
    }
    struct apply_event *event = add_event(apply);

    event->is_uid = true;
    event->change = (struct apply_change){.account = account, .mailbox = mailbox};
    event->uid = uid;
    event->act = act;
    event->flags = flags;
}
