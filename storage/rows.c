#include "storage/rows.h"

#include <string.h>

#include "router/ingest.h"
#include "router/mailbox_client.h"
#include "storage/row_codec.h"

enum {
    META_VERSION = 1,
    ACCOUNT_VERSION = 1,
    NAME_VERSION = 1,
    UID_VERSION = 1,
    MAIL_VERSION = 1,
    THREAD_VERSION = 1,
    REF_VERSION = 1,
    HAND_VERSION = 1,
    ONCE_VERSION = 1,
    ZONE_MAX = 24 * 60, /* minutes */
    NAME_MAX_SIZE = 4096,
};

/* Rows whose last field is octets of any size up to a row's. */
static struct slice get_rest_field(struct row_reader *reader)
{
    return row_get_octets(reader, ROW_SIZE_MAX);
}

static void get_body_id(struct row_reader *reader, char *out_id)
{
    struct slice id = row_get_fixed(reader, ROW_BODY_ID_SIZE);

    if (id.size == ROW_BODY_ID_SIZE) {
        memcpy(out_id, id.data, ROW_BODY_ID_SIZE);
    }
}

/* ---- meta ---- */

void meta_row_encode(const struct meta_row *row, struct buffer *output)
{
    buffer_append_octet(output, META_VERSION);
    row_put_number(output, row->applied_index);
    row_put_number(output, row->applied_term);
    row_put_number(output, row->digest);
    row_put_number(output, row->clock_ms);
    row_put_number(output, row->once_horizon_ms);
    row_put_number(output, row->once_last_ms);
    row_put_number(output, row->account_count);
    row_put_number(output, row->work_count);
    row_put_number(output, row->configuration_index);
    row_put_octets(output, row->configuration);
}

enum status meta_row_decode(struct slice octets, struct meta_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, META_VERSION);

    out_row->applied_index = row_get_number(&reader, UINT64_MAX);
    out_row->applied_term = row_get_number(&reader, UINT64_MAX);
    out_row->digest = row_get_number(&reader, UINT64_MAX);
    out_row->clock_ms = row_get_number(&reader, UINT64_MAX);
    out_row->once_horizon_ms = row_get_number(&reader, UINT64_MAX);
    out_row->once_last_ms = row_get_number(&reader, UINT64_MAX);
    out_row->account_count = row_get_number(&reader, UINT64_MAX);
    out_row->work_count = row_get_number(&reader, UINT64_MAX);
    out_row->configuration_index = row_get_number(&reader, UINT64_MAX);
    out_row->configuration = row_get_octets(&reader, RAFT_CONFIGURATION_SIZE_MAX);
    return row_reader_end(&reader);
}

/* ---- account ---- */

void account_row_encode(const struct account_row *row, struct buffer *output)
{
    buffer_append_octet(output, ACCOUNT_VERSION);
    row_put_octets(output, row->address);
    row_put_octets(output, row->credential);
    row_put_number(output, row->suspended);
    row_put_number(output, row->quota_octets);
    row_put_number(output, row->quota_messages);
    row_put_number(output, row->used_octets);
    row_put_number(output, row->used_messages);
    row_put_number(output, row->modseq);
    row_put_number(output, row->log_from);
    row_put_number(output, row->email_last);
    row_put_number(output, row->mailbox_last);
    row_put_number(output, row->uid_validity_last);
    row_put_number(output, row->name_count);
    row_put_number(output, row->created_ms);
    row_put_number(output, row->log_trim_ms);
}

enum status account_row_decode(struct slice octets, struct account_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, ACCOUNT_VERSION);

    out_row->address = row_get_octets(&reader, NAME_MAX_SIZE);
    out_row->credential = row_get_octets(&reader, NAME_MAX_SIZE);
    out_row->suspended = row_get_bool(&reader);
    out_row->quota_octets = row_get_number(&reader, UINT64_MAX);
    out_row->quota_messages = row_get_number(&reader, UINT64_MAX);
    out_row->used_octets = row_get_number(&reader, UINT64_MAX);
    out_row->used_messages = row_get_number(&reader, UINT64_MAX);
    out_row->modseq = row_get_number(&reader, UINT64_MAX);
    out_row->log_from = row_get_number(&reader, out_row->modseq);
    out_row->email_last = row_get_number(&reader, UINT64_MAX);
    out_row->mailbox_last = row_get_u32(&reader);
    out_row->uid_validity_last = row_get_u32(&reader);
    out_row->name_count = row_get_u32(&reader);
    out_row->created_ms = row_get_number(&reader, UINT64_MAX);
    out_row->log_trim_ms = row_get_number(&reader, UINT64_MAX);
    return row_reader_end(&reader);
}

/* ---- name ---- */

void name_row_encode(const struct name_row *row, struct buffer *output)
{
    buffer_append_octet(output, NAME_VERSION);
    row_put_number(output, row->mailbox);
    row_put_number(output, row->subscribed);
}

enum status name_row_decode(struct slice octets, struct name_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, NAME_VERSION);

    out_row->mailbox = row_get_u32(&reader);
    out_row->subscribed = row_get_bool(&reader);
    if (out_row->mailbox == 0 && !out_row->subscribed) {
        row_reader_fail(&reader);
    }
    return row_reader_end(&reader);
}

/* ---- uid ---- */

void uid_row_encode(const struct uid_row *row, struct buffer *output)
{
    buffer_append_octet(output, UID_VERSION);
    row_put_number(output, row->email);
    row_put_number(output, row->thread);
    row_put_number(output, row->modseq);
    row_put_number(output, row->flags);
    row_put_octets(output, (struct slice){(const char *)row->keywords, row->keyword_count});
    row_put_number(output, row->size_octets);
    row_put_number(output, row->header_size);
    row_put_number(output, row->received_ms);
    row_put_signed(output, row->received_zone);
    row_put_number(output, row->saved_ms);
}

static void get_keyword_places(struct row_reader *reader, struct uid_row *out_row)
{
    struct slice places = row_get_octets(reader, UID_ROW_KEYWORDS_MAX);

    out_row->keyword_count = places.size;
    for (size_t index = 0; index < places.size; index++) {
        out_row->keywords[index] = (uint8_t)places.data[index];
        if (index > 0 && out_row->keywords[index] <= out_row->keywords[index - 1]) {
            row_reader_fail(reader);
            return;
        }
    }
}

enum status uid_row_decode(struct slice octets, struct uid_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, UID_VERSION);
    enum { FLAGS_ALL = FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT };

    out_row->email = row_get_number(&reader, UINT64_MAX);
    out_row->thread = row_get_number(&reader, UINT64_MAX);
    out_row->modseq = row_get_number(&reader, UINT64_MAX);
    out_row->flags = (uint32_t)row_get_number(&reader, FLAGS_ALL);
    get_keyword_places(&reader, out_row);
    out_row->size_octets = row_get_number(&reader, UINT64_MAX);
    out_row->header_size = row_get_u32(&reader);
    out_row->received_ms = row_get_number(&reader, UINT64_MAX);
    out_row->received_zone = (int32_t)row_get_signed(&reader, -ZONE_MAX, ZONE_MAX);
    out_row->saved_ms = row_get_number(&reader, UINT64_MAX);
    return row_reader_end(&reader);
}

/* ---- mail ---- */

void mail_row_encode(const struct mail_row *row, struct buffer *output)
{
    buffer_append_octet(output, MAIL_VERSION);
    row_put_number(output, row->references);
    buffer_append(output, (struct slice){row->body_id, ROW_BODY_ID_SIZE});
    row_put_number(output, row->body_size);
    row_put_number(output, row->frame_count);
    row_put_octets(output, row->header_prefix);
    row_put_octets(output, row->digest);
    row_put_octets(output, row->thread_keys);
}

enum status mail_row_decode(struct slice octets, struct mail_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, MAIL_VERSION);

    out_row->references = row_get_u32(&reader);
    get_body_id(&reader, out_row->body_id);
    out_row->body_size = row_get_number(&reader, UINT64_MAX);
    out_row->frame_count = row_get_u32(&reader);
    out_row->header_prefix = get_rest_field(&reader);
    out_row->digest = get_rest_field(&reader);
    out_row->thread_keys = row_get_octets(&reader, THREAD_KEYS_MAX * 8);
    if (out_row->thread_keys.size % 8 != 0) {
        row_reader_fail(&reader);
    }
    return row_reader_end(&reader);
}

/* ---- thread ---- */

void thread_row_encode(const struct thread_row *row, struct buffer *output)
{
    buffer_append_octet(output, THREAD_VERSION);
    row_put_number(output, row->thread);
    row_put_number(output, row->references);
}

enum status thread_row_decode(struct slice octets, struct thread_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, THREAD_VERSION);

    out_row->thread = row_get_number(&reader, UINT64_MAX);
    out_row->references = row_get_number(&reader, UINT64_MAX);
    return row_reader_end(&reader);
}

/* ---- ref ---- */

void ref_row_encode(const struct ref_row *row, struct buffer *output)
{
    buffer_append_octet(output, REF_VERSION);
    row_put_number(output, row->references);
    row_put_number(output, row->body_size);
    row_put_number(output, row->frame_count);
    row_put_number(output, row->frames_here);
    row_put_number(output, row->pending_ms);
}

enum status ref_row_decode(struct slice octets, struct ref_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, REF_VERSION);

    out_row->references = row_get_number(&reader, UINT64_MAX);
    out_row->body_size = row_get_number(&reader, UINT64_MAX);
    out_row->frame_count = row_get_u32(&reader);
    out_row->frames_here = (uint32_t)row_get_number(&reader, out_row->frame_count);
    out_row->pending_ms = row_get_number(&reader, UINT64_MAX);
    return row_reader_end(&reader);
}

/* ---- hand ---- */

void hand_row_encode(const struct hand_row *row, struct buffer *output)
{
    buffer_append_octet(output, HAND_VERSION);
    row_put_number(output, row->shard);
    row_put_number(output, row->made_ms);
    buffer_append(output, (struct slice){row->body_id, ROW_BODY_ID_SIZE});
    row_put_number(output, row->body_size);
    row_put_number(output, row->frame_count);
    row_put_octets(output, row->header_frame);
    row_put_octets(output, row->request);
}

enum status hand_row_decode(struct slice octets, struct hand_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, HAND_VERSION);

    out_row->shard = row_get_u32(&reader);
    out_row->made_ms = row_get_number(&reader, UINT64_MAX);
    get_body_id(&reader, out_row->body_id);
    out_row->body_size = row_get_number(&reader, UINT64_MAX);
    out_row->frame_count = row_get_u32(&reader);
    out_row->header_frame = get_rest_field(&reader);
    out_row->request = get_rest_field(&reader);
    return row_reader_end(&reader);
}

/* ---- once ---- */

void once_row_encode(const struct once_row *row, struct buffer *output)
{
    buffer_append_octet(output, ONCE_VERSION);
    row_put_number(output, row->command);
    row_put_number(output, row->status);
    row_put_octets(output, row->reply);
}

enum status once_row_decode(struct slice octets, struct once_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, ONCE_VERSION);

    out_row->command = (uint8_t)row_get_number(&reader, UINT8_MAX);
    out_row->status = (enum status)row_get_number(&reader, STATUS_UNSUPPORTED);
    out_row->reply = get_rest_field(&reader);
    return row_reader_end(&reader);
}
