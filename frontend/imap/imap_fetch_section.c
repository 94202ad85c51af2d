/* BODY[...]: the sections of a message, streamed. */
#include "core/log.h"
#include "frontend/imap/imap_fetch.h"
#include "router/frames.h"

enum { PIECE_SIZE = 256 * 1024 }; /* octets of a body asked for at once */

enum session_next imap_fetch_break_off(struct imap_session *session, enum status status)
{
    log_warning("imap.fetch_broken", log_status(status),
                log_number("account", session->place.account));
    return SESSION_ENDS;
}

static void begin_literal(struct imap_session *session, uint64_t size)
{
    buffer_append(session->port.output, SLICE(" {"));
    imap_append_number(session->port.output, size);
    buffer_append(session->port.output, SLICE("}\r\n"));
}

static void ask_body(struct imap_session *session, mailbox_body_fn *done)
{
    struct fetching *fetching = session->work;
    const struct imap_octets *octets = &fetching->octets;

    mailbox_get_body(session->service->router, &session->call, session->place,
                     imap_fetching_row(fetching)->email, octets->body_from,
                     octets->body_size < PIECE_SIZE ? octets->body_size : PIECE_SIZE, done);
}

/* Takes what came of the octets in hand; false when nothing did. */
static bool take_piece(struct fetching *fetching, enum status status, struct slice *piece)
{
    if (status != STATUS_OK || piece->size == 0) {
        return false;
    }
    *piece = slice_prefix(*piece, fetching->octets.body_size);
    fetching->octets.body_from += piece->size;
    fetching->octets.body_size -= piece->size;
    return true;
}

/* ---- Octets as they are ---- */

static enum session_next go_on_with_body(struct imap_session *session);

static void on_body(struct mailbox_call *call, enum status status, struct slice piece)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);

    if (!take_piece(session->work, status, &piece)) {
        imap_wake(session, imap_fetch_break_off(session, status));
        return;
    }
    buffer_append(session->port.output, piece);
    imap_wake(session, go_on_with_body(session));
}

/* The body came with the row. */
static bool say_small_body(struct imap_session *session, enum session_next *out_next)
{
    struct fetching *fetching = session->work;
    struct buffer body;

    buffer_init(&body, SMALL_BODY_SIZE_MAX);
    enum status status =
        frame_decompress(imap_fetching_row(fetching)->body_frame, SMALL_BODY_SIZE_MAX, &body);
    struct slice rest = slice_skip(buffer_view(&body), (size_t)fetching->octets.body_from);
    bool is_whole = status == STATUS_OK && rest.size >= fetching->octets.body_size;

    if (is_whole) {
        buffer_append(session->port.output, slice_prefix(rest, (size_t)fetching->octets.body_size));
        fetching->octets.body_size = 0;
    } else {
        *out_next = imap_fetch_break_off(session, STATUS_CORRUPT);
    }
    buffer_done(&body);
    return is_whole;
}

static bool say_body(struct imap_session *session, enum session_next *out_next)
{
    const struct fetching *fetching = session->work;

    if (fetching->octets.body_size == 0) {
        return true;
    }
    if (imap_is_output_full(session)) {
        *out_next = imap_pause(session, go_on_with_body);
        return false;
    }
    if (imap_fetching_row(fetching)->body_frame.size > 0) {
        return say_small_body(session, out_next);
    }
    ask_body(session, on_body);
    *out_next = SESSION_WAITS;
    return false;
}

static enum session_next go_on_with_body(struct imap_session *session)
{
    enum session_next next = SESSION_READS;

    return say_body(session, &next) ? imap_fetch_next_item(session) : next;
}

/* ---- HEADER.FIELDS: a header that must be all there before it is filtered ---- */

static void say_fields(struct imap_session *session, struct slice header)
{
    const struct fetching *fetching = session->work;
    const struct imap_section *section = &fetching->items.items[fetching->item_index].section;
    struct buffer fields;

    buffer_init(&fields, header.size + 2);
    imap_section_filter(section, header, &fields);
    struct slice shown = buffer_view(&fields);

    if (section->partial) {
        shown = slice_prefix(slice_skip(shown, section->offset), section->size);
    }
    begin_literal(session, shown.size);
    buffer_append(session->port.output, shown);
    buffer_done(&fields);
}

static void on_header(struct mailbox_call *call, enum status status, struct slice piece)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    struct fetching *fetching = session->work;

    if (!take_piece(fetching, status, &piece)) {
        imap_wake(session, imap_fetch_break_off(session, status));
        return;
    }
    buffer_append(&fetching->header, piece);
    if (fetching->octets.body_size > 0) {
        ask_body(session, on_header);
        return;
    }
    say_fields(session, buffer_view(&fetching->header));
    imap_wake(session, imap_fetch_next_item(session));
}

/* The header of a message inside is in the body. */
static bool say_filtered(struct imap_session *session, enum session_next *out_next)
{
    struct fetching *fetching = session->work;
    struct imap_octets *octets = &fetching->octets;

    if (octets->body_size == 0) {
        say_fields(session, slice_prefix(imap_fetching_row(fetching)->header, octets->header_size));
        return true;
    }
    octets->body_size = octets->body_size < HEADER_SIZE_MAX ? octets->body_size : HEADER_SIZE_MAX;
    buffer_done(&fetching->header);
    buffer_init(&fetching->header, HEADER_SIZE_MAX);
    ask_body(session, on_header);
    *out_next = SESSION_WAITS;
    return false;
}

bool imap_fetch_say_section(struct imap_session *session, const struct imap_fetch_item *item,
                            enum session_next *out_next)
{
    struct fetching *fetching = session->work;
    const struct message_row *row = imap_fetching_row(fetching);
    struct imap_octets *octets = &fetching->octets;

    imap_append_section_name(session->port.output, item);
    *octets =
        imap_section_find(&item->section, row, fetching->has_digest ? &fetching->digest : NULL);
    if (!octets->exists) {
        buffer_append(session->port.output, SLICE(" NIL"));
        return true;
    }
    if (octets->filters) {
        return say_filtered(session, out_next);
    }
    if (item->section.partial) {
        imap_octets_cut(octets, item->section.offset, item->section.size);
    }
    begin_literal(session, octets->header_size + octets->body_size);
    struct slice header =
        slice_prefix(slice_skip(row->header, octets->header_from), octets->header_size);

    if (header.size < octets->header_size) {
        *out_next = imap_fetch_break_off(session, STATUS_CORRUPT);
        return false;
    }
    buffer_append(session->port.output, header);
    return say_body(session, out_next);
}
