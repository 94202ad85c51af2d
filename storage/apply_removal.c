/* What goes in small steps: accounts and mailboxes that were removed, forgotten request ids, frames
 * that nobody used. The shard proposes the steps; each is bounded. */
#include "storage/apply_reply.h"

/* ---- REMOVE_STEP ---- */

struct removal {
    struct apply *apply;
    uint64_t account;
    uint32_t mailbox; /* 0: all of the account */
    size_t rows;      /* looked at so far */
};

static void end_work(struct removal *removal)
{
    struct apply *apply = removal->apply;
    struct key key;

    state_delete(apply, key_work(&key, apply->shard, removal->account, removal->mailbox));
    apply->step_meta.work_count--;
}

/* `status` is how the walk over the rows ended: at their end the work is done. */
static enum status after_walk(struct removal *removal, enum status status, bool *out_ended)
{
    *out_ended = status == STATUS_NOT_FOUND;
    return *out_ended ? STATUS_OK : status;
}

static enum status remove_messages(struct removal *removal, bool *out_ended)
{
    struct apply *apply = removal->apply;
    struct overlay_iterator iterator;
    struct key low;
    struct key high;
    struct slice from = key_uid(&low, apply->shard, removal->account, removal->mailbox, 0);
    struct slice key;
    struct slice value;
    struct uid_row row;
    enum status status = STATUS_OK;

    overlay_iterate(&apply->overlay, from, key_after(&high, slice_prefix(from, from.size - 4)),
                    &iterator);
    while (status == STATUS_OK && removal->rows < REMOVE_STEP_ROWS_MAX) {
        status = overlay_next(&iterator, &key, &value);
        if (status == STATUS_OK) {
            status = uid_row_decode(value, &row);
        }
        if (status == STATUS_OK) {
            state_delete(apply, key);
            status = email_refer(apply, removal->account, row.email, -1);
            removal->rows++;
        }
    }
    overlay_iterator_done(&iterator);
    return after_walk(removal, status, out_ended);
}

static enum status remove_emails(struct removal *removal, bool *out_ended)
{
    struct apply *apply = removal->apply;
    struct overlay_iterator iterator;
    struct key low;
    struct key high;
    struct slice key;
    struct slice value;
    struct mail_row row;
    enum status status = STATUS_OK;

    overlay_iterate(&apply->overlay,
                    key_account_low(&low, apply->shard, ROW_MAIL, removal->account),
                    key_account_high(&high, apply->shard, ROW_MAIL, removal->account), &iterator);
    while (status == STATUS_OK && removal->rows < REMOVE_STEP_ROWS_MAX) {
        status = overlay_next(&iterator, &key, &value);
        if (status == STATUS_OK) {
            status = mail_row_decode(value, &row);
        }
        if (status == STATUS_OK) {
            status = email_remove(apply, removal->account, key_part_last64(key), &row);
            removal->rows++;
        }
    }
    overlay_iterator_done(&iterator);
    return after_walk(removal, status, out_ended);
}

static void remove_kind(struct removal *removal, enum row_kind kind)
{
    struct apply *apply = removal->apply;
    struct key low;
    struct key high;

    overlay_delete_range(&apply->overlay,
                         key_account_low(&low, apply->shard, kind, removal->account),
                         key_account_high(&high, apply->shard, kind, removal->account));
}

static enum status remove_account(struct removal *removal, bool *out_ended)
{
    static const enum row_kind kinds[] = {ROW_NAME, ROW_MBOX, ROW_UID, ROW_LOG, ROW_THREAD};
    enum status status = remove_emails(removal, out_ended);

    for (size_t index = 0; index < COUNT_OF(kinds) && status == STATUS_OK && *out_ended; index++) {
        remove_kind(removal, kinds[index]);
    }
    return status;
}

/* The first row of work. CORRUPT when there is none, since they are counted. */
static enum status find_work(struct removal *removal)
{
    struct apply *apply = removal->apply;
    struct overlay_iterator iterator;
    struct key low;
    struct key high;
    struct slice key;
    struct slice value;

    overlay_iterate(&apply->overlay, key_kind_low(&low, apply->shard, ROW_WORK),
                    key_kind_high(&high, apply->shard, ROW_WORK), &iterator);
    enum status status = overlay_next(&iterator, &key, &value);

    if (status == STATUS_OK) {
        removal->account = key_part_account(key);
        removal->mailbox = key_part_mailbox(key);
    }
    overlay_iterator_done(&iterator);
    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}

enum status apply_remove_step(struct apply *apply, const struct apply_request *given,
                              struct slice *out_reply)
{
    struct removal removal = {.apply = apply};
    bool ended = false;

    *out_reply = (struct slice){"", 0};
    if (apply->step_meta.work_count == 0) {
        return STATUS_OK; /* proposed twice */
    }
    enum status status = find_work(&removal);

    if (status == STATUS_OK) {
        status = removal.mailbox == 0 ? remove_account(&removal, &ended)
                                      : remove_messages(&removal, &ended);
    }
    if (status == STATUS_OK && ended) {
        end_work(&removal);
    }
    return status;
}

/* ---- TRIM ---- */

enum { TRIM_BODIES_MAX = 1000, TIME_OCTETS = 6, TIME_BITS = TIME_OCTETS * 8 };

/* The bound of request ids of a time. */
static struct slice once_bound(struct key *key, uint32_t shard, uint64_t time_ms)
{
    char octets[TIME_OCTETS];

    for (size_t index = 0; index < TIME_OCTETS; index++) {
        octets[index] = (char)(time_ms >> (TIME_BITS - 8 * (index + 1)));
    }
    return key_once(key, shard, (struct slice){octets, sizeof(octets)});
}

enum status apply_trim(struct apply *apply, const struct apply_request *given,
                       struct slice *out_reply)
{
    struct meta_row *meta = &apply->step_meta;
    uint64_t horizon_ms = apply->now_ms - ONCE_AGE_MAX_MS;
    struct key low;
    struct key high;

    *out_reply = (struct slice){"", 0};
    if (apply->now_ms < ONCE_AGE_MAX_MS || horizon_ms <= meta->once_horizon_ms) {
        return STATUS_OK;
    }
    overlay_delete_range(&apply->overlay, once_bound(&low, apply->shard, 0),
                         once_bound(&high, apply->shard, horizon_ms));
    meta->once_horizon_ms = horizon_ms;
    return body_trim(apply, apply->now_ms - FRAME_AGE_MAX_MS, TRIM_BODIES_MAX);
}
