#include "frontend/imap/imap_set.h"

bool imap_take_set(struct imap_parser *parser, struct slice *out_text)
{
    size_t size = 0;

    while (size < parser->rest.size) {
        char octet = parser->rest.data[size];

        if ((octet < '0' || octet > '9') && octet != ':' && octet != ',' && octet != '*') {
            break;
        }
        size++;
    }
    *out_text = slice_prefix(parser->rest, size);
    parser->rest = slice_skip(parser->rest, size);
    return size > 0;
}

static void add_by_number(struct uid_set *uids, const struct uid_set *numbers,
                          const struct uid_set *view)
{
    uint32_t first = 0;
    uint32_t last = 0;

    for (uint32_t from = 1; uid_set_run(numbers, from, &first, &last); from = last + 1) {
        uid_set_add_range(uids, uid_set_select(view, first), uid_set_select(view, last));
        if (last == UINT32_MAX) {
            break;
        }
    }
}

enum status imap_set_resolve(struct slice text, const struct uid_set *view, bool by_uid,
                             struct uid_set **out_uids)
{
    struct uid_set *named = uid_set_new();
    uint32_t count = uid_set_count(view);
    enum status status = uid_set_parse(text, by_uid ? uid_set_last(view) : count, named);

    if (status != STATUS_OK) {
        uid_set_free(named);
        return status;
    }
    if (!by_uid) {
        struct uid_set *uids = uid_set_new();

        /* "1:*" of an empty mailbox is what every client asks for: nothing, and no fault. */
        if (uid_set_last(named) > count && (count > 0 || slice_find(text, '*') == text.size)) {
            status = STATUS_INVALID;
        } else if (count > 0) {
            add_by_number(uids, named, view);
        }
        uid_set_free(named);
        named = uids;
    }
    if (status != STATUS_OK) {
        uid_set_free(named);
        return status;
    }
    uid_set_intersect(named, view);
    *out_uids = named;
    return STATUS_OK;
}

bool imap_cursor_next(struct imap_cursor *cursor, const struct uid_set *set)
{
    uint32_t first = 0;

    if (cursor->uid < cursor->run_last) {
        cursor->uid++;
        return true;
    }
    if (cursor->uid == UINT32_MAX ||
        !uid_set_run(set, cursor->uid + 1, &first, &cursor->run_last)) {
        return false;
    }
    cursor->uid = first;
    return true;
}

struct uid_set *imap_cut_batch(struct uid_set *uids, uint32_t count)
{
    struct uid_set *batch = uid_set_copy(uids);
    uint32_t last = uid_set_select(uids, count);

    if (last > 0 && last < UINT32_MAX) {
        uid_set_remove_range(batch, last + 1, UINT32_MAX);
    }
    uid_set_subtract(uids, batch);
    return batch;
}
