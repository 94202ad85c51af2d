#include "storage/row_message.h"

#include "net/rpc.h"

enum status row_message_fill(uint32_t uid, const struct uid_row *row,
                             const struct mailbox_row *mailbox, struct arena *arena,
                             Aviso__MessageRow *out_message)
{
    aviso__message_row__init(out_message);
    if (row->keyword_count > 0) {
        out_message->keywords =
            arena_array(arena, row->keyword_count, sizeof(*out_message->keywords));
    }
    for (size_t index = 0; index < row->keyword_count; index++) {
        if (row->keywords[index] >= mailbox->keyword_count) {
            return STATUS_CORRUPT;
        }
        out_message->keywords[index] = wire_from_slice(mailbox->keywords[row->keywords[index]]);
    }
    out_message->n_keywords = row->keyword_count;
    out_message->uid = uid;
    out_message->email = row->email;
    out_message->flags = row->flags;
    out_message->modseq = row->modseq;
    out_message->size_octets = row->size_octets;
    out_message->received_ms = row->received_ms;
    out_message->received_zone = row->received_zone;
    out_message->saved_ms = row->saved_ms;
    out_message->header_size = row->header_size;
    out_message->thread = row->thread;
    return STATUS_OK;
}
