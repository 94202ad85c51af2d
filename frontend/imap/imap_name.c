#include "frontend/imap/imap_name.h"

#include "mail/mailbox_name.h"
#include "mail/utf8.h"

enum { COMPOSED_GROWTH = 3 };

void imap_name_encode(struct slice name, struct buffer *output)
{
    if (mailbox_name_encode(name, output) == STATUS_OK) {
        return;
    }
    for (size_t i = 0; i < name.size; i++) {
        bool is_ascii = name.data[i] >= ' ' && name.data[i] <= '~' && name.data[i] != '&';

        buffer_append_octet(output, is_ascii ? name.data[i] : '?');
    }
}

/* Runs one of mail/mailbox_name.h, whose result moves to the arena. */
static enum status convert(enum status (*conversion)(struct slice, struct buffer *),
                           struct arena *arena, struct slice text, size_t growth,
                           struct slice *out_name)
{
    struct buffer room;

    buffer_init(&room, text.size * growth + MAILBOX_NAME_OCTETS_MAX);
    enum status status = conversion(text, &room);

    if (status == STATUS_OK) {
        *out_name = arena_copy(arena, buffer_view(&room));
    }
    buffer_done(&room);
    return status;
}

enum status imap_name_decode(struct arena *arena, struct slice wire, struct slice *out_name)
{
    return convert(mailbox_name_decode, arena, wire, 2, out_name);
}

enum status imap_name_decode_pattern(struct arena *arena, struct slice wire,
                                     struct slice *out_pattern)
{
    struct slice decoded;
    enum status status = imap_name_decode(arena, wire, &decoded);

    return status == STATUS_OK ? convert(utf8_compose, arena, decoded, COMPOSED_GROWTH, out_pattern)
                               : status;
}

enum status imap_name_check(struct arena *arena, struct slice name, struct slice *out_name)
{
    return convert(mailbox_name_normalise, arena, name, COMPOSED_GROWTH, out_name);
}
