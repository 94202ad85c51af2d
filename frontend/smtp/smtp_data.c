/* DATA (RFC 5321 §4.1.1.4) and BDAT (RFC 3030): the octets of the message into the spool.
 *
 * Only CRLF.CRLF ends DATA. A bare CR or LF is refused, at the end of the data, so that no other
 * server can ever see another end in what was accepted here. */
#include "core/macros.h"
#include "frontend/smtp/smtp_trace.h"

enum { CHUNK_SIZE_DROPPED_MAX = 1024 * 1024 * 1024 };

/* The spool of the transaction, beginning with our Received field. */
static void open_spool(struct smtp_session *session)
{
    const struct smtp_options *options = session->options;
    struct buffer received;

    if (session->has_spool) {
        return;
    }
    spool_init(&session->spool, options->spool_folder, options->spool_memory_max,
               options->message_size_max + SMTP_RECEIVED_SIZE_MAX);
    session->has_spool = true;
    buffer_init(&received, SMTP_RECEIVED_SIZE_MAX);
    smtp_append_received(session, &received);
    session->data_status = spool_append(&session->spool, buffer_view(&received));
    buffer_done(&received);
}

/* Keeps octets while nothing went wrong; afterwards they are only counted. */
static void keep(struct smtp_session *session, struct slice octets)
{
    if (session->data_status == STATUS_OK) {
        session->data_status = spool_append(&session->spool, octets);
    }
}

/* ---- DATA ---- */

enum session_next smtp_run_data(struct smtp_session *session, struct slice argument)
{
    if (argument.size > 0) {
        return smtp_reply(session, "501 5.5.4 DATA stands alone");
    }
    if (session->envelope.recipient_count == 0) {
        return smtp_reply(session, session->envelope.has_sender ? "554 5.5.1 no valid recipients"
                                                                : "503 5.5.1 MAIL comes first");
    }
    if (session->in_chunks || session->envelope.parameters.is_binary) {
        return smtp_reply(session, "503 5.5.1 go on with BDAT");
    }
    open_spool(session);
    dot_decoder_init(&session->decoder);
    session->reading = SMTP_READS_DATA;
    buffer_printf(session->port.output, "354 go ahead, end with a dot\r\n");
    return SESSION_READS_OCTETS;
}

/* Decodes in pieces, so that nothing as large as the message is ever in memory twice. */
static enum session_next read_data(struct smtp_session *session, struct slice octets,
                                   size_t *out_taken)
{
    enum { PIECE_SIZE = 16 * 1024 };
    char decoded[PIECE_SIZE];
    size_t taken = 0;

    while (taken < octets.size && !dot_decoder_is_finished(&session->decoder)) {
        struct slice piece = slice_prefix(slice_skip(octets, taken), PIECE_SIZE / 2);
        size_t decoded_size = 0;

        taken += dot_decoder_decode(&session->decoder, piece, decoded, &decoded_size);
        keep(session, (struct slice){decoded, decoded_size});
    }
    *out_taken = taken;
    if (!dot_decoder_is_finished(&session->decoder)) {
        return SESSION_READS_OCTETS;
    }
    if (dot_decoder_has_violation(&session->decoder) && session->data_status == STATUS_OK) {
        session->data_status = STATUS_INVALID;
    }
    session->reading = SMTP_READS_COMMANDS;
    return smtp_accept(session);
}

/* ---- BDAT size [LAST] ---- */

static enum session_next end_chunk(struct smtp_session *session)
{
    session->reading = SMTP_READS_COMMANDS;
    if (session->chunk_is_refused) {
        session->chunk_is_refused = false;
        return smtp_reply(session, "503 5.5.1 no valid transaction for this chunk");
    }
    if (session->chunk_is_last) {
        return smtp_accept(session);
    }
    if (session->data_status != STATUS_OK) {
        const char *text = smtp_status_text(session->data_status);

        /* Without the chunks before there is no message: RFC 3030 §2. */
        smtp_reset(session);
        return smtp_reply(session, text);
    }
    return smtp_reply(session, "250 2.0.0 chunk taken");
}

enum session_next smtp_run_bdat(struct smtp_session *session, struct slice argument)
{
    struct smtp_chunk chunk;

    /* Octets follow whose number is not known: nobody can tell them from commands. */
    if (smtp_command_chunk(argument, &chunk) != STATUS_OK || chunk.size > CHUNK_SIZE_DROPPED_MAX) {
        (void)smtp_reply(session, "501 5.5.4 BDAT size [LAST]");
        return SESSION_ENDS;
    }
    session->chunk_left = chunk.size;
    session->chunk_is_last = chunk.is_last;
    session->chunk_is_refused =
        session->envelope.recipient_count == 0 || session->client_name.size == 0;
    if (!session->chunk_is_refused) {
        session->in_chunks = true;
        open_spool(session);
    }
    if (chunk.size == 0) {
        return end_chunk(session);
    }
    session->reading = SMTP_READS_CHUNK;
    return SESSION_READS_OCTETS;
}

static enum session_next read_chunk(struct smtp_session *session, struct slice octets,
                                    size_t *out_taken)
{
    struct slice mine = octets;

    if (mine.size > session->chunk_left) {
        mine.size = (size_t)session->chunk_left;
    }
    *out_taken = mine.size;
    session->chunk_left -= mine.size;
    if (!session->chunk_is_refused) {
        keep(session, mine);
    }
    return session->chunk_left > 0 ? SESSION_READS_OCTETS : end_chunk(session);
}

enum session_next smtp_data_octets(struct smtp_session *session, struct slice octets,
                                   size_t *out_taken)
{
    return session->reading == SMTP_READS_DATA ? read_data(session, octets, out_taken)
                                               : read_chunk(session, octets, out_taken);
}
