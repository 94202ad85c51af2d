/* APPEND (RFC 3501 §6.3.11, RFC 4315, RFC 7889): the message goes into a spool as it comes, then
 * the same way as any delivery. Cut off anywhere before its commit it leaves nothing. */
#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/spool.h"
#include "frontend/imap/imap_command.h"
#include "frontend/imap/imap_date.h"
#include "router/delivery.h"
#include "router/ingest.h"

enum { SPOOL_MEMORY_MAX = 1024 * 1024 };

struct append {
    struct imap_session *session;
    struct slice name;
    struct imap_flags flags;
    uint64_t received_ms;
    int32_t received_zone;
    uint64_t rest; /* octets of the message to come */
    struct spool spool;
    enum status spooled; /* what became of it so far */
    bool has_nul;
    struct ingest ingest;
    struct delivery delivery;
    struct delivery_recipient recipient;
};

/* ---- The arguments ---- */

static bool take_arguments(struct imap_parser *parser, struct append *append)
{
    if (!imap_take_space(parser) || !imap_take_mailbox(parser, &append->name) ||
        !imap_take_space(parser)) {
        return false;
    }
    if (imap_is_next(parser, '(') &&
        (!imap_take_flag_list(parser, &append->flags) || !imap_take_space(parser))) {
        return false;
    }
    append->received_ms = clock_wall_ms();
    if (imap_is_next(parser, '"') &&
        (!imap_take_date_time(parser, &append->received_ms, &append->received_zone) ||
         !imap_take_space(parser))) {
        return false;
    }
    /* What is left is the announcement, which imap_input.h has understood. */
    return imap_is_next(parser, '{') && slice_find(parser->rest, '\n') + 1 == parser->rest.size;
}

bool imap_is_append(struct imap_session *session)
{
    struct imap_parser parser = {.rest = buffer_view(&session->input.octets),
                                 .arena = &session->arena};
    struct append *append = ARENA_NEW(&session->arena, struct append);
    struct slice tag;
    struct slice verb;

    if (session->phase == IMAP_GREETED || !imap_take_tag(&parser, &tag) ||
        !imap_take_space(&parser) || !imap_take_atom(&parser, &verb) || !slice_is(verb, "APPEND") ||
        !take_arguments(&parser, append)) {
        return false;
    }
    session->tag = tag;
    append->session = session;
    session->work = append;
    return true;
}

/* A command that came whole had no message, or something else is wrong with it. */
enum session_next imap_run_append(struct imap_session *session, struct imap_parser *parser)
{
    struct append *append = ARENA_NEW(&session->arena, struct append);

    parser->fault = "a message comes as a literal";
    (void)take_arguments(parser, append);
    return imap_bad(session, parser);
}

/* ---- The end ---- */

static void drop_append(struct imap_session *session)
{
    struct append *append = session->work;

    delivery_cancel(&append->delivery);
    ingest_cancel(&append->ingest);
    spool_done(&append->spool);
}

static void on_delivered(struct delivery *delivery, const struct delivery_outcome *outcomes)
{
    struct append *append = CONTAINER_OF(delivery, struct append, delivery);
    struct imap_session *session = append->session;

    if (outcomes->status == STATUS_NOT_FOUND) {
        imap_wake(session, imap_end(session, "NO [TRYCREATE] no such mailbox"));
        return;
    }
    if (outcomes->status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, outcomes->status));
        return;
    }
    if (session->view != NULL && session->view->uid_validity == outcomes->uid_validity) {
        session->view->is_dirty = true;
    }
    buffer_printf(&session->reply, "OK [APPENDUID %" PRIu32 " %" PRIu32 "] done",
                  outcomes->uid_validity, outcomes->uid);
    imap_wake(session, imap_end_reply(session));
}

static void on_ingested(struct ingest *ingest, enum status status, struct ingested *ingested)
{
    struct append *append = CONTAINER_OF(ingest, struct append, ingest);
    struct imap_session *session = append->session;

    if (status == STATUS_TOO_LARGE) {
        imap_wake(session, imap_end(session, "NO [TOOBIG] the header is too large"));
        return;
    }
    if (status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    struct delivery_order order = {
        .ingested = ingested,
        .received_ms = append->received_ms,
        .received_zone = append->received_zone,
        .recipients = &append->recipient,
        .recipient_count = 1,
    };

    request_id_make(&order.id);
    append->recipient = (struct delivery_recipient){
        .place = session->place,
        .mailbox = append->name,
        .must_exist = true,
        .flags = append->flags.system,
        .keywords = append->flags.keywords,
        .keyword_count = append->flags.keyword_count,
    };
    delivery_send(session->service->router, &append->delivery, &order, on_delivered);
    ingested_unref(ingested);
}

/* The line behind the message. */
static enum session_next on_rest_of_line(struct imap_session *session, struct slice line)
{
    struct append *append = session->work;
    struct slice message;

    session->on_answer = NULL;
    if (line.size > 0 && line.data[line.size - 1] == '}') {
        /* A literal may follow that cannot be told from commands. */
        buffer_append(session->port.output, SLICE("* BYE one message at a time\r\n"));
        return SESSION_ENDS;
    }
    if (line.size > 0) {
        return imap_bad_because(session, "one message at a time");
    }
    if (append->spool.size == 0 && append->spooled == STATUS_OK) {
        return imap_end(session, "NO [CANNOT] a message is not empty");
    }
    if (append->has_nul) {
        return imap_end(session, "NO [CANNOT] a message has no NUL");
    }
    if (append->spooled == STATUS_OK) {
        append->spooled = spool_view(&append->spool, &message);
    }
    if (append->spooled != STATUS_OK) {
        return imap_refuse(session, STATUS_UNAVAILABLE);
    }
    ingest_start(session->service->router, &append->ingest, message, on_ingested);
    return SESSION_WAITS;
}

/* ---- The message ---- */

/* What cannot be kept is taken all the same: the client is going to send it. */
static enum session_next on_message(struct imap_session *session, struct slice octets,
                                    size_t *out_taken)
{
    struct append *append = session->work;
    struct slice piece = slice_prefix(octets, append->rest);

    append->has_nul = append->has_nul || slice_find(piece, '\0') < piece.size;
    if (append->spooled == STATUS_OK) {
        append->spooled = spool_append(&append->spool, piece);
    }
    append->rest -= piece.size;
    *out_taken = piece.size;
    if (append->rest > 0) {
        return SESSION_READS_OCTETS;
    }
    session->on_literal = NULL;
    return SESSION_READS;
}

enum session_next imap_append_begins(struct imap_session *session, struct imap_literal literal)
{
    struct append *append = session->work;

    if (literal.size > session->service->append_size_max) {
        if (literal.is_synchronizing) {
            return imap_end(session, "NO [TOOBIG] over APPENDLIMIT");
        }
        /* It comes all the same, and cannot be told from commands. */
        buffer_append(session->port.output, session->tag);
        buffer_append(
            session->port.output,
            SLICE(" NO [TOOBIG] over APPENDLIMIT\r\n* BYE it would have come anyway\r\n"));
        return SESSION_ENDS;
    }
    append->rest = literal.size;
    spool_init(&append->spool, session->service->spool_folder, SPOOL_MEMORY_MAX,
               session->service->append_size_max);
    session->drop_work = drop_append;
    session->on_answer = on_rest_of_line;
    if (literal.is_synchronizing) {
        buffer_append(session->port.output, SLICE("+ send it\r\n"));
    }
    if (literal.size == 0) {
        return SESSION_READS;
    }
    session->on_literal = on_message;
    return SESSION_READS_OCTETS;
}
