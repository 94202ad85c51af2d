/* Emails: what mailboxes refer to. */
#include <string.h>

#include "core/number.h"
#include "storage/apply_state.h"

static enum status get_thread(struct apply *apply, struct slice key, struct thread_row *out_row)
{
    struct slice value;
    enum status status = overlay_get(&apply->overlay, key, &value);

    return status == STATUS_OK ? thread_row_decode(value, out_row) : status;
}

static void put_thread(struct apply *apply, struct slice key, const struct thread_row *row)
{
    thread_row_encode(row, &apply->row);
    overlay_put(&apply->overlay, key, buffer_view(&apply->row));
    buffer_clear(&apply->row);
}

/* The oldest thread that any of the keys belongs to, or `own`. */
static enum status find_thread(struct apply *apply, uint64_t account, const uint64_t *keys,
                               size_t count, uint64_t own, uint64_t *out_thread)
{
    struct key key;
    struct thread_row row;
    uint64_t oldest = own;

    for (size_t index = 0; index < count; index++) {
        enum status status =
            get_thread(apply, key_thread(&key, apply->shard, account, keys[index]), &row);

        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        if (status == STATUS_OK && row.thread < oldest) {
            oldest = row.thread;
        }
    }
    *out_thread = oldest;
    return STATUS_OK;
}

enum status email_join_thread(struct apply *apply, uint64_t account, uint64_t email,
                              const uint64_t *keys, size_t count, uint64_t *out_thread)
{
    struct key key;
    enum status status = find_thread(apply, account, keys, count, email, out_thread);

    for (size_t index = 0; index < count && status == STATUS_OK; index++) {
        struct thread_row row = {.thread = *out_thread};
        struct slice name = key_thread(&key, apply->shard, account, keys[index]);

        status = get_thread(apply, name, &row);
        if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
            row.references++;
            put_thread(apply, name, &row);
            status = STATUS_OK;
        }
    }
    return status;
}

/* One email less has the key; the last takes the row with it. */
static enum status leave_thread(struct apply *apply, uint64_t account, uint64_t hash)
{
    struct key key;
    struct thread_row row;
    struct slice name = key_thread(&key, apply->shard, account, hash);
    enum status status = get_thread(apply, name, &row);

    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && row.references == 0)) {
        return STATUS_CORRUPT;
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (--row.references == 0) {
        state_delete(apply, name);
    } else {
        put_thread(apply, name, &row);
    }
    return STATUS_OK;
}

enum status email_remove(struct apply *apply, uint64_t account, uint64_t email,
                         const struct mail_row *row)
{
    struct key key;
    enum status status = STATUS_OK;

    for (size_t at = 0; at < row->thread_keys.size && status == STATUS_OK; at += 8) {
        status = leave_thread(apply, account, number_get_u64(row->thread_keys.data + at));
    }
    if (status == STATUS_OK && row->frame_count > 0) {
        status = body_unref(apply, (struct slice){row->body_id, ROW_BODY_ID_SIZE});
    }
    state_delete(apply, key_mail(&key, apply->shard, account, email));
    state_delete(apply, key_head(&key, apply->shard, account, email));
    return status;
}

enum status email_refer(struct apply *apply, uint64_t account, uint64_t email, int32_t change)
{
    struct mail_row row;
    enum status status = state_get_mail(apply, account, email, &row);

    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    if (change < 0 && row.references < (uint32_t)-change) {
        return STATUS_CORRUPT;
    }
    row.references += (uint32_t)change;
    if (row.references == 0) {
        return email_remove(apply, account, email, &row);
    }
    state_put_mail(apply, account, email, &row);
    return STATUS_OK;
}
