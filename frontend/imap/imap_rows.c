#include "frontend/imap/imap_rows.h"

static struct slice copy_or_none(struct arena *arena, struct slice bytes)
{
    return bytes.size > 0 ? arena_copy(arena, bytes) : (struct slice){NULL, 0};
}

struct message_row imap_copy_row(struct arena *arena, const struct message_row *row)
{
    struct message_row copy = *row;

    copy.digest = copy_or_none(arena, row->digest);
    copy.header = copy_or_none(arena, row->header);
    copy.body_frame = copy_or_none(arena, row->body_frame);
    copy.keywords = NULL;
    if (row->keyword_count > 0) {
        struct slice *keywords = arena_array(arena, row->keyword_count, sizeof(*keywords));

        for (size_t i = 0; i < row->keyword_count; i++) {
            keywords[i] = arena_copy(arena, row->keywords[i]);
        }
        copy.keywords = keywords;
    }
    return copy;
}
