/* The TRANSACTION and UPDATE states but for downloads: STAT, LIST, UIDL, DELE, RSET, QUIT. */
#include <inttypes.h>

#include "core/macros.h"
#include "core/memory.h"
#include "frontend/pop3/pop3_state.h"

static mailbox_open_fn on_open;
static mailbox_rows_fn on_rows;
static mailbox_expunge_fn on_expunged;

static const struct slice inbox = {"INBOX", 5};

static void wake(struct pop3_session *session, enum session_next next)
{
    session->port.wake(session->port.connection, next);
}

/* ---- Login: the UIDs, then their rows, as many as an answer holds at a time. ---- */

void pop3_open_maildrop(struct pop3_session *session)
{
    mailbox_open(session->options->router, &session->call, session->place, inbox, on_open);
}

static void list_more(struct pop3_session *session)
{
    struct rows_query query = {.uids = session->uids};

    mailbox_get_rows(session->options->router, &session->call, session->place, session->mailbox,
                     &query, on_rows);
}

static void on_open(struct mailbox_call *call, enum status status,
                    const struct mailbox_opening *opening)
{
    struct pop3_session *session = CONTAINER_OF(call, struct pop3_session, call);

    if (status == STATUS_OK && uid_set_count(opening->uids) > session->options->messages_max) {
        status = STATUS_TOO_LARGE;
    }
    if (status != STATUS_OK) {
        wake(session, pop3_refuse_status(session, status));
        return;
    }
    session->mailbox = opening->record.mailbox;
    session->uid_validity = opening->record.uid_validity;
    uid_set_free(session->uids); /* of a login that failed half-way */
    session->uids = uid_set_copy(opening->uids);
    session->messages = memory_resized(session->messages, (uid_set_count(session->uids) + 1) *
                                                              sizeof(struct pop3_message));
    session->message_count = 0;
    session->octets = 0;
    list_more(session);
}

static void on_rows(struct mailbox_call *call, enum status status, const struct mailbox_rows *rows)
{
    struct pop3_session *session = CONTAINER_OF(call, struct pop3_session, call);

    if (status != STATUS_OK) {
        wake(session, pop3_refuse_status(session, status));
        return;
    }
    for (size_t i = 0; i < rows->count; i++) {
        const struct message_row *row = &rows->rows[i];

        session->messages[session->message_count++] =
            (struct pop3_message){.email = row->email, .size = row->size_octets, .uid = row->uid};
        session->octets += row->size_octets;
    }
    if (rows->more_from != 0) {
        uid_set_remove_range(session->uids, 1, rows->more_from - 1);
        list_more(session);
        return;
    }
    uid_set_free(session->uids);
    session->uids = NULL;
    session->phase = POP3_TRANSACTION;
    session->port.set_idle_timeout(session->port.connection, session->options->idle_timeout_ms);
    buffer_printf(session->port.output, "+OK %zu messages (%" PRIu64 " octets)\r\n",
                  session->message_count, session->octets);
    wake(session, SESSION_READS);
}

/* ---- STAT, LIST, UIDL (RFC 1939 §5, §7): deleted messages are left out ---- */

enum session_next pop3_run_stat(struct pop3_session *session, struct slice argument)
{
    uint64_t octets = 0;
    size_t count = 0;

    for (size_t i = 0; i < session->message_count; i++) {
        if (!session->messages[i].is_deleted) {
            octets += session->messages[i].size;
            count++;
        }
    }
    buffer_printf(session->port.output, "+OK %zu %" PRIu64 "\r\n", count, octets);
    return SESSION_READS;
}

static void print_size(struct pop3_session *session, size_t index)
{
    buffer_printf(session->port.output, "%zu %" PRIu64 "\r\n", index + 1,
                  session->messages[index].size);
}

/* UIDVALIDITY and UID: the same for ever, and never of another message. */
static void print_unique_id(struct pop3_session *session, size_t index)
{
    buffer_printf(session->port.output, "%zu %08" PRIx32 "%08" PRIx32 "\r\n", index + 1,
                  session->uid_validity, session->messages[index].uid);
}

/* Goes on with a listing until the output is full enough. */
static enum session_next list_on(struct pop3_session *session,
                                 void (*print)(struct pop3_session *, size_t))
{
    struct buffer *output = session->port.output;

    for (; session->listed < session->message_count; session->listed++) {
        if (output->size >= SESSION_OUTPUT_ENOUGH) {
            return SESSION_WRITES;
        }
        if (!session->messages[session->listed].is_deleted) {
            print(session, session->listed);
        }
    }
    buffer_printf(output, ".\r\n");
    return SESSION_READS;
}

static enum session_next more_sizes(struct pop3_session *session)
{
    return list_on(session, print_size);
}

static enum session_next more_unique_ids(struct pop3_session *session)
{
    return list_on(session, print_unique_id);
}

static enum session_next list(struct pop3_session *session, struct slice argument,
                              pop3_more_fn *more, void (*print)(struct pop3_session *, size_t))
{
    if (argument.size > 0) {
        const struct pop3_message *message = pop3_message_of(session, argument);

        if (message == NULL) {
            return pop3_refuse(session, "no such message");
        }
        buffer_printf(session->port.output, "+OK ");
        print(session, (size_t)(message - session->messages));
        return SESSION_READS;
    }
    buffer_printf(session->port.output, "+OK\r\n");
    session->listed = 0;
    session->more = more;
    return more(session);
}

enum session_next pop3_run_list(struct pop3_session *session, struct slice argument)
{
    return list(session, argument, more_sizes, print_size);
}

enum session_next pop3_run_uidl(struct pop3_session *session, struct slice argument)
{
    return list(session, argument, more_unique_ids, print_unique_id);
}

/* ---- DELE, RSET (RFC 1939 §5) ---- */

enum session_next pop3_run_dele(struct pop3_session *session, struct slice argument)
{
    struct pop3_message *message = pop3_message_of(session, argument);

    if (message == NULL) {
        return pop3_refuse(session, "no such message");
    }
    message->is_deleted = true;
    buffer_printf(session->port.output, "+OK deleted\r\n");
    return SESSION_READS;
}

enum session_next pop3_run_rset(struct pop3_session *session, struct slice argument)
{
    for (size_t i = 0; i < session->message_count; i++) {
        session->messages[i].is_deleted = false;
    }
    buffer_printf(session->port.output, "+OK\r\n");
    return SESSION_READS;
}

/* ---- QUIT: the UPDATE state (RFC 1939 §6) ---- */

enum session_next pop3_run_quit(struct pop3_session *session, struct slice argument)
{
    struct uid_set *deleted = uid_set_new();

    for (size_t i = 0; i < session->message_count; i++) {
        if (session->messages[i].is_deleted) {
            uid_set_add(deleted, session->messages[i].uid);
        }
    }
    bool none = uid_set_count(deleted) == 0;

    if (!none) {
        mailbox_expunge(session->options->router, &session->call, session->place, session->mailbox,
                        deleted, true, on_expunged);
    }
    uid_set_free(deleted);
    if (none) {
        buffer_printf(session->port.output, "+OK bye\r\n");
    }
    return none ? SESSION_ENDS : SESSION_WAITS;
}

static void on_expunged(struct mailbox_call *call, enum status status,
                        const struct uid_set *vanished, uint64_t modseq)
{
    struct pop3_session *session = CONTAINER_OF(call, struct pop3_session, call);

    if (status == STATUS_OK) {
        buffer_printf(session->port.output, "+OK bye\r\n");
    } else {
        buffer_printf(session->port.output,
                      "-ERR [SYS/TEMP] deleted messages may not be removed\r\n");
    }
    wake(session, SESSION_ENDS);
}
