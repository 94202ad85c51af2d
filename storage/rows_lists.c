/* The rows that hold lists: mailboxes with their keywords, change records, directory entries. */
#include "router/directory.h"
#include "router/mailbox_client.h"
#include "storage/row_codec.h"
#include "storage/rows.h"

enum {
    MAILBOX_VERSION = 1,
    CHANGE_VERSION = 1,
    DIR_VERSION = 1,
    NAME_SIZE_MOST = 4096,
    CHANGED_MAILBOXES_MAX = 65536,
    RUNS_MAX = 65536,
};

static void put_list(struct buffer *output, const struct slice *elements, size_t count)
{
    row_put_number(output, count);
    for (size_t index = 0; index < count; index++) {
        row_put_octets(output, elements[index]);
    }
}

static const struct slice *get_list(struct row_reader *reader, struct arena *arena,
                                    size_t count_max, size_t size_max, size_t *out_count)
{
    size_t count = row_get_count(reader, count_max);
    struct slice *elements = count > 0 ? arena_array(arena, count, sizeof(*elements)) : NULL;

    for (size_t index = 0; index < count; index++) {
        elements[index] = row_get_octets(reader, size_max);
    }
    *out_count = count;
    return elements;
}

/* ---- mailbox ---- */

void mailbox_row_encode(const struct mailbox_row *row, struct buffer *output)
{
    buffer_append_octet(output, MAILBOX_VERSION);
    row_put_octets(output, row->name);
    row_put_octets(output, row->special_use);
    row_put_number(output, row->uid_validity);
    row_put_number(output, row->uid_next);
    row_put_number(output, row->recent_from);
    row_put_number(output, row->modseq);
    row_put_number(output, row->created_modseq);
    row_put_number(output, row->message_count);
    row_put_number(output, row->unseen_count);
    row_put_number(output, row->deleted_count);
    row_put_number(output, row->recent_count);
    row_put_number(output, row->size_octets);
    put_list(output, row->keywords, row->keyword_count);
}

enum status mailbox_row_decode(struct slice octets, struct arena *arena,
                               struct mailbox_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, MAILBOX_VERSION);

    out_row->name = row_get_octets(&reader, NAME_SIZE_MOST);
    out_row->special_use = row_get_octets(&reader, NAME_SIZE_MOST);
    out_row->uid_validity = row_get_u32(&reader);
    out_row->uid_next = row_get_u32(&reader);
    out_row->recent_from = row_get_u32(&reader);
    out_row->modseq = row_get_number(&reader, UINT64_MAX);
    out_row->created_modseq = row_get_number(&reader, UINT64_MAX);
    out_row->message_count = row_get_u32(&reader);
    out_row->unseen_count = (uint32_t)row_get_number(&reader, out_row->message_count);
    out_row->deleted_count = (uint32_t)row_get_number(&reader, out_row->message_count);
    out_row->recent_count = (uint32_t)row_get_number(&reader, out_row->message_count);
    out_row->size_octets = row_get_number(&reader, UINT64_MAX);
    out_row->keywords =
        get_list(&reader, arena, MAILBOX_KEYWORDS_MAX, KEYWORD_SIZE_MAX, &out_row->keyword_count);
    return row_reader_end(&reader);
}

/* ---- change record ---- */

/* Gap before each run, then how many follow its first. */
static void put_runs(struct buffer *output, const struct uid_run *runs, size_t count)
{
    uint32_t after = 0;

    row_put_number(output, count);
    for (size_t index = 0; index < count; index++) {
        row_put_number(output, runs[index].first - after);
        row_put_number(output, runs[index].last - runs[index].first);
        after = runs[index].last;
    }
}

static const struct uid_run *get_runs(struct row_reader *reader, struct arena *arena,
                                      size_t *out_count)
{
    size_t count = row_get_count(reader, RUNS_MAX);
    struct uid_run *runs = count > 0 ? arena_array(arena, count, sizeof(*runs)) : NULL;
    uint32_t after = 0;

    for (size_t index = 0; index < count; index++) {
        uint32_t gap = (uint32_t)row_get_number(reader, UINT32_MAX - after);
        uint32_t first = after + gap;
        uint32_t more = (uint32_t)row_get_number(reader, UINT32_MAX - first);

        /* The next run begins two after the last: else they would be one. */
        if (gap < (index > 0 ? 2U : 1U)) {
            row_reader_fail(reader);
        }
        runs[index] = (struct uid_run){first, first + more};
        after = runs[index].last;
    }
    *out_count = count;
    return runs;
}

void change_row_encode(const struct change_row *row, struct buffer *output)
{
    buffer_append_octet(output, CHANGE_VERSION);
    row_put_number(output, row->time_ms);
    row_put_number(output, row->mailbox_list);
    row_put_number(output, row->account);
    row_put_number(output, row->mailbox_count);
    for (size_t index = 0; index < row->mailbox_count; index++) {
        const struct mailbox_change *change = &row->mailboxes[index];

        row_put_number(output, change->mailbox);
        row_put_number(output, change->gone);
        put_runs(output, change->changed, change->changed_count);
        put_runs(output, change->vanished, change->vanished_count);
    }
}

enum status change_row_decode(struct slice octets, struct arena *arena, struct change_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, CHANGE_VERSION);

    out_row->time_ms = row_get_number(&reader, UINT64_MAX);
    out_row->mailbox_list = row_get_bool(&reader);
    out_row->account = row_get_bool(&reader);
    size_t count = row_get_count(&reader, CHANGED_MAILBOXES_MAX);
    struct mailbox_change *changes = count > 0 ? arena_array(arena, count, sizeof(*changes)) : NULL;

    for (size_t index = 0; index < count; index++) {
        changes[index].mailbox = row_get_u32(&reader);
        changes[index].gone = row_get_bool(&reader);
        changes[index].changed = get_runs(&reader, arena, &changes[index].changed_count);
        changes[index].vanished = get_runs(&reader, arena, &changes[index].vanished_count);
    }
    out_row->mailboxes = changes;
    out_row->mailbox_count = count;
    return row_reader_end(&reader);
}

/* ---- directory entry ---- */

void dir_row_encode(const struct dir_row *row, struct buffer *output)
{
    buffer_append_octet(output, DIR_VERSION);
    row_put_number(output, row->kind);
    row_put_number(output, row->shard);
    row_put_number(output, row->account);
    row_put_number(output, row->revision);
    row_put_number(output, row->created_ms);
    put_list(output, row->targets, row->target_count);
}

enum status dir_row_decode(struct slice octets, struct arena *arena, struct dir_row *out_row)
{
    struct row_reader reader = row_reader_begin(octets, DIR_VERSION);

    out_row->kind = (uint8_t)row_get_number(&reader, UINT8_MAX);
    out_row->shard = row_get_u32(&reader);
    out_row->account = row_get_number(&reader, UINT64_MAX);
    out_row->revision = row_get_number(&reader, UINT64_MAX);
    out_row->created_ms = row_get_number(&reader, UINT64_MAX);
    out_row->targets =
        get_list(&reader, arena, DIRECTORY_TARGETS_MAX, NAME_SIZE_MOST, &out_row->target_count);
    return row_reader_end(&reader);
}
