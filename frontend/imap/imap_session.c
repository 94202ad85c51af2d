#include "frontend/imap/imap_session.h"

#include "core/log.h"
#include "core/memory.h"
#include "frontend/imap/imap_command.h"

enum {
    EARLY = IMAP_GREETED,
    LATER = IMAP_LOGGED_IN | IMAP_SELECTED,
    ALWAYS = EARLY | LATER,
    BOTH_FORMS = IMAP_PLAIN | IMAP_UID,
    REPLY_SIZE_MAX =
        8 * 1024 * 1024, /* octets: COPYUID of the largest mailbox, every other message */
    REPLY_PIECE_SIZE = 256 * 1024,
    FAULTS_MAX = 20, /* BAD commands in a row before the connection is closed */
    EARLY_FAULTS_MAX = 5,
};

/* ---- The dialogue: every command, where it is allowed and what its end may tell. ---- */

const struct imap_command imap_commands[] = {
    {"CAPABILITY", ALWAYS, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_capability},
    {"NOOP", ALWAYS, IMAP_PLAIN, IMAP_ASKS_ALL, imap_run_noop},
    {"LOGOUT", ALWAYS, IMAP_PLAIN, IMAP_TELLS_NOTHING, imap_run_logout},
    {"ID", ALWAYS, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_id},

    {"STARTTLS", EARLY, IMAP_PLAIN, IMAP_TELLS_NOTHING, imap_run_starttls},
    {"AUTHENTICATE", EARLY, IMAP_PLAIN, IMAP_TELLS_NOTHING, imap_run_authenticate},
    {"LOGIN", EARLY, IMAP_PLAIN, IMAP_TELLS_NOTHING, imap_run_login},

    {"ENABLE", IMAP_LOGGED_IN | IMAP_SELECTED, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_enable},
    {"SELECT", LATER, IMAP_PLAIN, IMAP_TELLS_NOTHING, imap_run_select},
    {"EXAMINE", LATER, IMAP_PLAIN, IMAP_TELLS_NOTHING, imap_run_examine},
    {"CREATE", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_create},
    {"DELETE", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_delete},
    {"RENAME", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_rename},
    {"SUBSCRIBE", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_subscribe},
    {"UNSUBSCRIBE", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_unsubscribe},
    {"LIST", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_list},
    {"LSUB", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_lsub},
    {"NAMESPACE", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_namespace},
    {"STATUS", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_status},
    {"APPEND", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_append},
    {"IDLE", LATER, IMAP_PLAIN, IMAP_TELLS_ALL, imap_run_idle},

    {"CHECK", IMAP_SELECTED, IMAP_PLAIN, IMAP_ASKS_ALL, imap_run_noop},
    {"CLOSE", IMAP_SELECTED, IMAP_PLAIN, IMAP_TELLS_NOTHING, imap_run_close},
    {"UNSELECT", IMAP_SELECTED, IMAP_PLAIN, IMAP_TELLS_NOTHING, imap_run_unselect},
    {"EXPUNGE", IMAP_SELECTED, BOTH_FORMS, IMAP_TELLS_ALL, imap_run_expunge},
    {"SEARCH", IMAP_SELECTED, BOTH_FORMS, IMAP_TELLS_BUT_EXPUNGE, imap_run_search},
    {"FETCH", IMAP_SELECTED, BOTH_FORMS, IMAP_TELLS_BUT_EXPUNGE, imap_run_fetch},
    {"STORE", IMAP_SELECTED, BOTH_FORMS, IMAP_TELLS_BUT_EXPUNGE, imap_run_store},
    {"COPY", IMAP_SELECTED, BOTH_FORMS, IMAP_TELLS_ALL, imap_run_copy},
    {"MOVE", IMAP_SELECTED, BOTH_FORMS, IMAP_TELLS_ALL, imap_run_move},
};
const size_t imap_command_count = COUNT_OF(imap_commands);

/* ---- The end of a command ---- */

static void forget_command(struct imap_session *session)
{
    if (session->drop_work != NULL) {
        session->drop_work(session);
    }
    session->drop_work = NULL;
    session->work = NULL;
    session->command = NULL;
    session->tag = SLICE("");
    session->by_uid = false;
    session->resume = NULL;
    session->on_answer = NULL;
    session->on_literal = NULL;
    session->reply_said = 0;
    buffer_release(&session->reply);
    arena_done(&session->arena);
    imap_input_clear(&session->input);
}

static enum session_next say_staged(struct imap_session *session)
{
    struct slice rest = slice_skip(buffer_view(&session->reply), session->reply_said);
    struct slice piece = slice_prefix(rest, REPLY_PIECE_SIZE);

    buffer_append(session->port.output, piece);
    session->reply_said += piece.size;
    if (piece.size < rest.size) {
        return imap_pause(session, say_staged);
    }
    buffer_clear(&session->reply);
    session->reply_said = 0;
    return session->after_reply(session);
}

enum session_next imap_say_reply(struct imap_session *session, imap_go_on_fn *then)
{
    session->after_reply = then;
    return say_staged(session);
}

static enum session_next end_command(struct imap_session *session)
{
    buffer_append(session->port.output, SLICE("\r\n"));
    forget_command(session);
    return SESSION_READS;
}

static enum session_next say_tagged(struct imap_session *session)
{
    buffer_append(session->port.output, session->tag);
    buffer_append_octet(session->port.output, ' ');
    return imap_say_reply(session, end_command);
}

enum session_next imap_end_reply(struct imap_session *session)
{
    enum imap_telling telling = session->command->telling;
    bool expunges = telling >= IMAP_TELLS_ALL || session->by_uid;

    session->fault_count = 0;
    if (session->view == NULL || telling == IMAP_TELLS_NOTHING) {
        return say_tagged(session);
    }
    if (telling == IMAP_ASKS_ALL) {
        session->view->is_dirty = true;
    }
    return imap_sync_begin(session, expunges, say_tagged);
}

enum session_next imap_end(struct imap_session *session, const char *reply)
{
    buffer_clear(&session->reply);
    buffer_append(&session->reply, slice_of(reply));
    return imap_end_reply(session);
}

enum session_next imap_bad_because(struct imap_session *session, const char *why)
{
    unsigned most = session->phase == IMAP_GREETED ? EARLY_FAULTS_MAX : FAULTS_MAX;

    if (session->tag.size > 0) {
        buffer_append(session->port.output, session->tag);
    } else {
        buffer_append_octet(session->port.output, '*');
    }
    buffer_printf(session->port.output, " BAD %s\r\n", why);
    forget_command(session);
    if (++session->fault_count > most) {
        buffer_append(session->port.output, SLICE("* BYE too many faults\r\n"));
        return SESSION_ENDS;
    }
    return SESSION_READS;
}

enum session_next imap_bad(struct imap_session *session, const struct imap_parser *parser)
{
    if (parser->is_name_fault) {
        return imap_end(session, "NO [CANNOT] no mailbox can have that name");
    }
    return imap_bad_because(session,
                            parser->fault != NULL ? parser->fault : "arguments are not right");
}

enum session_next imap_refuse(struct imap_session *session, enum status status)
{
    switch (status) {
    case STATUS_NOT_FOUND:
        return imap_end(session, "NO [NONEXISTENT] no such mailbox");
    case STATUS_EXISTS:
        return imap_end(session, "NO [ALREADYEXISTS] there is one of that name");
    case STATUS_DENIED:
        return imap_end(session, "NO [CANNOT] not possible");
    case STATUS_TOO_LARGE:
        return imap_end(session, "NO [LIMIT] over a limit");
    case STATUS_OVER_QUOTA:
        return imap_end(session, "NO [OVERQUOTA] over quota");
    case STATUS_SUSPENDED:
        return imap_end(session, "NO [CONTACTADMIN] the account is suspended");
    case STATUS_CONFLICT:
        return imap_end(session, "NO [INUSE] try again");
    case STATUS_UNSUPPORTED:
        return imap_end(session, "NO [CANNOT] not supported");
    case STATUS_CORRUPT:
    case STATUS_IO_ERROR:
    case STATUS_INVALID:
        return imap_end(session, "NO [SERVERBUG] the server failed");
    default:
        return imap_end(session, "NO [UNAVAILABLE] try again later");
    }
}

void imap_wake(struct imap_session *session, enum session_next next)
{
    session->port.wake(session->port.connection, next);
}

bool imap_is_output_full(const struct imap_session *session)
{
    return session->port.output->size >= SESSION_OUTPUT_ENOUGH;
}

enum session_next imap_pause(struct imap_session *session, imap_go_on_fn *resume)
{
    session->resume = resume;
    return SESSION_WRITES;
}

/* ---- The begin of a command ---- */

const struct imap_command *imap_find_command(struct slice verb)
{
    for (size_t i = 0; i < imap_command_count; i++) {
        if (slice_is(verb, imap_commands[i].verb)) {
            return &imap_commands[i];
        }
    }
    return NULL;
}

static enum session_next run_command(struct imap_session *session)
{
    struct imap_parser parser = {.rest = buffer_view(&session->input.octets),
                                 .arena = &session->arena};
    struct slice tag;
    struct slice verb;

    if (!imap_take_tag(&parser, &tag)) {
        return imap_bad_because(session, "a command begins with a tag");
    }
    session->tag = tag;
    if (!imap_take_space(&parser) || !imap_take_atom(&parser, &verb)) {
        return imap_bad_because(session, "a command has a name");
    }
    if (slice_is(verb, "UID")) {
        session->by_uid = true;
        if (!imap_take_space(&parser) || !imap_take_atom(&parser, &verb)) {
            return imap_bad_because(session, "UID stands before a command");
        }
    }
    const struct imap_command *command = imap_find_command(verb);

    if (command == NULL ||
        (command->forms & (unsigned)(session->by_uid ? IMAP_UID : IMAP_PLAIN)) == 0) {
        return imap_bad_because(session, "unknown command");
    }
    if ((command->phases & (unsigned)session->phase) == 0) {
        return imap_bad_because(session, "not now");
    }
    session->command = command;
    return command->run(session, &parser);
}

/* ---- Lines and literals (RFC 7888) ---- */

static enum session_next end_with(struct imap_session *session, const char *bye)
{
    buffer_append(session->port.output, slice_of(bye));
    return SESSION_ENDS;
}

/* A literal that is not wanted: one that waits is refused, one that comes anyway cannot be told
 * from commands, so nothing of it is read (BAD-INPUT: desynchronised clients). */
static enum session_next refuse_literal(struct imap_session *session, struct imap_literal literal)
{
    struct imap_parser parser = {.rest = buffer_view(&session->input.octets),
                                 .arena = &session->arena};
    struct slice tag;

    if (!literal.is_synchronizing) {
        return end_with(session, "* BYE [TOOBIG] literal is too large\r\n");
    }
    if (imap_take_tag(&parser, &tag) && imap_take_space(&parser)) {
        session->tag = tag;
    }
    return imap_bad_because(session, "[TOOBIG] literal is too large");
}

static enum session_next await_literal(struct imap_session *session, struct imap_literal literal)
{
    bool early = session->phase == IMAP_GREETED;
    uint64_t literal_max = early ? IMAP_EARLY_LITERAL_SIZE_MAX : IMAP_LITERAL_SIZE_MAX;
    uint64_t size_max = early ? IMAP_EARLY_SIZE_MAX : IMAP_COMMAND_SIZE_MAX;

    if (imap_is_append(session)) {
        session->command = imap_find_command(SLICE("APPEND"));
        return imap_append_begins(session, literal);
    }
    if (literal.size > literal_max || session->input.octets.size + literal.size > size_max) {
        return refuse_literal(session, literal);
    }
    if (literal.is_synchronizing) {
        buffer_append(session->port.output, SLICE("+ go on\r\n"));
    }
    imap_input_expect(&session->input, literal.size);
    return literal.size > 0 ? SESSION_READS_OCTETS : SESSION_READS;
}

static enum session_next session_line(void *context, struct slice line)
{
    struct imap_session *session = context;
    bool early = session->phase == IMAP_GREETED;
    struct imap_literal literal;

    if (session->on_answer != NULL) {
        return session->on_answer(session, line);
    }
    switch (imap_input_line(&session->input, line,
                            early ? IMAP_EARLY_SIZE_MAX : IMAP_COMMAND_SIZE_MAX, &literal)) {
    case IMAP_INPUT_COMMAND:
        return run_command(session);
    case IMAP_INPUT_LITERAL:
        return await_literal(session, literal);
    case IMAP_INPUT_TOO_LARGE:
        break;
    }
    return end_with(session, "* BYE command is too long\r\n");
}

static enum session_next session_octets(void *context, struct slice octets, size_t *out_taken)
{
    struct imap_session *session = context;

    if (session->on_literal != NULL) {
        return session->on_literal(session, octets, out_taken);
    }
    *out_taken = imap_input_octets(&session->input, octets);
    return session->input.literal_rest > 0 ? SESSION_READS_OCTETS : SESSION_READS;
}

/* What the rest of the line would have been is not known, a literal perhaps: the end is safe. */
static enum session_next session_overlong_line(void *context)
{
    return end_with(context, "* BYE line is too long\r\n");
}

/* ---- The session ---- */

static void *session_open(const struct session_port *port, void *context,
                          enum session_next *out_next)
{
    struct imap_session *session = NEW(struct imap_session);

    session->port = *port;
    session->service = context;
    session->phase = IMAP_GREETED;
    imap_input_init(&session->input);
    arena_init(&session->arena);
    imap_sync_init(&session->sync);
    buffer_init(&session->reply, REPLY_SIZE_MAX);
    buffer_append(port->output, SLICE("* OK ["));
    imap_append_capabilities(session);
    buffer_append(port->output, SLICE("] Aviso ready\r\n"));
    *out_next = SESSION_READS;
    return session;
}

static enum session_next session_drained(void *context)
{
    struct imap_session *session = context;

    return session->resume(session);
}

static enum session_next session_tls(void *context)
{
    return SESSION_READS;
}

void imap_expel(struct imap_session *session)
{
    bool is_between = session->command == NULL && session->input.octets.size == 0;
    bool is_idling = session->on_answer != NULL;

    mailbox_call_cancel(&session->call);
    imap_unselect(session);
    watch_stop(&session->watch);
    session->is_watching = false;
    forget_command(session);
    log_info("imap.expelled", log_number("account", session->place.account));
    if (is_between || is_idling) {
        (void)end_with(session, "* BYE [CONTACTADMIN] the account is not in use any more\r\n");
    }
    imap_wake(session, SESSION_ENDS);
}

static void session_timeout(void *context)
{
    (void)end_with(context, "* BYE [UNAVAILABLE] idle for too long\r\n");
}

static void session_stop(void *context)
{
    (void)end_with(context, "* BYE [UNAVAILABLE] the server stops\r\n");
}

static void session_free(void *context)
{
    struct imap_session *session = context;

    auth_call_cancel(&session->auth);
    mailbox_call_cancel(&session->call);
    imap_unselect(session);
    if (session->is_watching) {
        watch_stop(&session->watch);
    }
    forget_command(session);
    imap_sync_done(&session->sync);
    imap_input_done(&session->input);
    buffer_done(&session->reply);
    memory_free(session);
}

struct protocol imap_protocol(const struct imap_service *service)
{
    return (struct protocol){
        .name = "imap",
        .line_size_max = IMAP_LINE_SIZE_MAX,
        .idle_timeout_ms = service->login_timeout_ms,
        .open = session_open,
        .on_line = session_line,
        .on_overlong_line = session_overlong_line,
        .on_octets = session_octets,
        .on_drained = session_drained,
        .on_tls = session_tls,
        .on_timeout = session_timeout,
        .on_stop = session_stop,
        .free = session_free,
        .context = (void *)(uintptr_t)service,
    };
}
