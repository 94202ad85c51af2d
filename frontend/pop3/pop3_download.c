/* RETR and TOP (RFC 1939 §5, §7): the header block, with a small body at once, a large one piece by
 * piece, as the client reads. */
#include <inttypes.h>

#include "core/macros.h"
#include "core/number.h"
#include "frontend/pop3/pop3_state.h"
#include "router/frames.h"

enum { PIECE_SIZE = 128 * 1024 };

static mailbox_rows_fn on_header;
static mailbox_body_fn on_body;

static void wake(struct pop3_session *session, enum session_next next)
{
    session->port.wake(session->port.connection, next);
}

static enum session_next download(struct pop3_session *session, const struct pop3_message *message,
                                  uint64_t lines)
{
    struct uid_set *uids = uid_set_new();
    struct rows_query query = {.uids = uids,
                               .parts = lines > 0 ? ROW_HEADER | ROW_SMALL_BODY : ROW_HEADER};

    session->download = (struct pop3_download){.message = message, .lines_left = lines};
    dot_encoder_init(&session->download.encoder);
    uid_set_add(uids, message->uid);
    mailbox_get_rows(session->options->router, &session->call, session->place, session->mailbox,
                     &query, on_header);
    uid_set_free(uids);
    return SESSION_WAITS;
}

enum session_next pop3_run_retr(struct pop3_session *session, struct slice argument)
{
    const struct pop3_message *message = pop3_message_of(session, argument);

    return message != NULL ? download(session, message, UINT64_MAX)
                           : pop3_refuse(session, "no such message");
}

enum session_next pop3_run_top(struct pop3_session *session, struct slice argument)
{
    struct slice lines_text = argument;
    const struct pop3_message *message = pop3_message_of(session, slice_cut(&lines_text, ' '));
    uint64_t lines = 0;

    if (message == NULL) {
        return pop3_refuse(session, "no such message");
    }
    if (number_parse(lines_text, UINT32_MAX, &lines) != STATUS_OK) {
        return pop3_refuse(session, "how many lines?");
    }
    return download(session, message, lines);
}

static enum session_next finish(struct pop3_session *session)
{
    dot_encoder_finish(&session->download.encoder, session->port.output);
    return SESSION_READS;
}

static enum session_next read_more(struct pop3_session *session)
{
    mailbox_get_body(session->options->router, &session->call, session->place,
                     session->download.message->email, session->download.offset, PIECE_SIZE,
                     on_body);
    return SESSION_WAITS;
}

/* As much of `octets` as the lines that are left. */
static struct slice within_lines(struct pop3_download *download, struct slice octets)
{
    size_t size = 0;

    if (download->lines_left == UINT64_MAX) {
        return octets;
    }
    while (size < octets.size && download->lines_left > 0) {
        size_t line = slice_find(slice_skip(octets, size), '\n');

        download->lines_left -= size + line < octets.size;
        size += line + 1;
    }
    return slice_prefix(octets, size);
}

/* The reply has begun, so what cannot be read any more can only end the connection: a message that
 * looks whole must be whole. */
static enum session_next send_body(struct pop3_session *session, enum status status,
                                   struct slice octets)
{
    struct pop3_download *way = &session->download;

    if (status != STATUS_OK) {
        return SESSION_ENDS;
    }
    struct slice wanted = within_lines(way, octets);

    way->offset += octets.size;
    dot_encoder_append(&way->encoder, wanted, session->port.output);
    if (octets.size == 0 || way->offset == way->body_size || way->lines_left == 0) {
        return finish(session);
    }
    session->more = read_more;
    return SESSION_WRITES;
}

static enum session_next send_small_body(struct pop3_session *session, struct slice frame)
{
    struct buffer body;

    buffer_init(&body, SMALL_BODY_SIZE_MAX);
    enum status status = frame_decompress(frame, SMALL_BODY_SIZE_MAX, &body);
    enum session_next next = send_body(session, status, buffer_view(&body));

    buffer_done(&body);
    return next;
}

static void on_header(struct mailbox_call *call, enum status status,
                      const struct mailbox_rows *rows)
{
    struct pop3_session *session = CONTAINER_OF(call, struct pop3_session, call);
    struct pop3_download *way = &session->download;

    if (status == STATUS_OK && rows->count == 0) {
        status = STATUS_NOT_FOUND; /* another session removed it */
    }
    if (status != STATUS_OK) {
        wake(session, pop3_refuse_status(session, status));
        return;
    }
    const struct message_row *row = &rows->rows[0];

    buffer_printf(session->port.output, "+OK %" PRIu64 " octets\r\n", way->message->size);
    dot_encoder_append(&way->encoder, row->header, session->port.output);
    way->body_size = row->size_octets - row->header_size;
    if (way->lines_left == 0) {
        wake(session, finish(session));
    } else if (row->body_frame.size > 0) {
        wake(session, send_small_body(session, row->body_frame));
    } else {
        wake(session, read_more(session));
    }
}

static void on_body(struct mailbox_call *call, enum status status, struct slice octets)
{
    struct pop3_session *session = CONTAINER_OF(call, struct pop3_session, call);

    wake(session, send_body(session, status, octets));
}
