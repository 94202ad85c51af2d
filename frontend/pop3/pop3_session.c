#include "frontend/pop3/pop3_session.h"

#include "core/macros.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "core/number.h"
#include "frontend/pop3/pop3_state.h"

enum { LINE_SIZE_MAX = SASL_LINE_SIZE_MAX + 2 };

METRIC_COUNTER(sessions, "aviso_sessions_total", "protocol=\"pop3\"", "Sessions begun.");

static pop3_command_fn run_capa, run_noop, run_utf8;

static const struct command {
    const char *verb;
    unsigned phases;
    pop3_command_fn *run;
} commands[] = {
    {"USER", POP3_AUTHORIZATION, pop3_run_user},
    {"PASS", POP3_AUTHORIZATION, pop3_run_pass},
    {"AUTH", POP3_AUTHORIZATION, pop3_run_auth},
    {"STLS", POP3_AUTHORIZATION, pop3_run_stls},
    {"UTF8", POP3_AUTHORIZATION, run_utf8},
    {"CAPA", POP3_AUTHORIZATION | POP3_TRANSACTION, run_capa},
    {"STAT", POP3_TRANSACTION, pop3_run_stat},
    {"LIST", POP3_TRANSACTION, pop3_run_list},
    {"UIDL", POP3_TRANSACTION, pop3_run_uidl},
    {"RETR", POP3_TRANSACTION, pop3_run_retr},
    {"TOP", POP3_TRANSACTION, pop3_run_top},
    {"DELE", POP3_TRANSACTION, pop3_run_dele},
    {"RSET", POP3_TRANSACTION, pop3_run_rset},
    {"NOOP", POP3_TRANSACTION, run_noop},
    {"QUIT", POP3_AUTHORIZATION | POP3_TRANSACTION, pop3_run_quit},
};

/* ---- Replies ---- */

enum session_next pop3_refuse(struct pop3_session *session, const char *why)
{
    buffer_printf(session->port.output, "-ERR %s\r\n", why);
    if (++session->errors >= session->options->errors_max) {
        buffer_printf(session->port.output, "-ERR too many errors\r\n");
        return SESSION_ENDS;
    }
    return SESSION_READS;
}

enum session_next pop3_refuse_status(struct pop3_session *session, enum status status)
{
    switch (status) {
    case STATUS_DENIED:
        return pop3_refuse(session, "[AUTH] wrong user or password");
    case STATUS_SUSPENDED:
        return pop3_refuse(session, "[SYS/PERM] the account is suspended");
    case STATUS_NOT_FOUND:
        return pop3_refuse(session, "[SYS/PERM] gone");
    case STATUS_TOO_LARGE:
        return pop3_refuse(session, "[SYS/PERM] too many messages for POP3");
    case STATUS_CORRUPT:
    case STATUS_INVALID:
        return pop3_refuse(session, "[SYS/PERM] the server failed");
    default:
        return pop3_refuse(session, "[SYS/TEMP] try again later");
    }
}

struct pop3_message *pop3_message_of(struct pop3_session *session, struct slice number)
{
    uint64_t wanted = 0;

    if (number_parse(number, UINT32_MAX, &wanted) == STATUS_OK && wanted >= 1 &&
        wanted <= session->message_count && !session->messages[wanted - 1].is_deleted) {
        return &session->messages[wanted - 1];
    }
    return NULL;
}

/* ---- CAPA (RFC 2449 §5), NOOP, UTF8 (RFC 6856 §2) ---- */

static enum session_next run_capa(struct pop3_session *session, struct slice argument)
{
    struct buffer *output = session->port.output;
    bool may_log_in = session->port.peer->is_tls ||
                      (session->options->login_in_clear && session->port.peer->is_loopback);

    buffer_printf(output, "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
                          "UTF8\r\nEXPIRE NEVER\r\n");
    if (may_log_in) {
        buffer_printf(output, "USER\r\nSASL " SASL_MECHANISMS "\r\n");
    }
    if (session->options->offers_tls && !session->port.peer->is_tls &&
        session->phase == POP3_AUTHORIZATION) {
        buffer_printf(output, "STLS\r\n");
    }
    if (session->phase == POP3_TRANSACTION) {
        buffer_printf(output, "IMPLEMENTATION Aviso-" AVISO_VERSION "\r\n");
    }
    buffer_printf(output, ".\r\n");
    return SESSION_READS;
}

static enum session_next run_noop(struct pop3_session *session, struct slice argument)
{
    buffer_printf(session->port.output, "+OK\r\n");
    return SESSION_READS;
}

static enum session_next run_utf8(struct pop3_session *session, struct slice argument)
{
    session->is_utf8 = true;
    buffer_printf(session->port.output, "+OK\r\n");
    return SESSION_READS;
}

/* ---- The protocol's functions ---- */

static void *open_session(const struct session_port *port, void *context,
                          enum session_next *out_next)
{
    struct pop3_session *session = NEW(struct pop3_session);

    session->port = *port;
    session->options = context;
    session->phase = POP3_AUTHORIZATION;
    buffer_init(&session->user, SASL_TEXT_SIZE_MAX);
    sasl_init(&session->sasl);
    metric_add(&sessions, 1);
    buffer_printf(port->output, "+OK Aviso POP3 ready\r\n");
    *out_next = SESSION_READS;
    return session;
}

static enum session_next run_line(struct pop3_session *session, struct slice line)
{
    struct slice argument = line;
    struct slice verb = slice_cut(&argument, ' ');

    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (slice_is(verb, commands[i].verb)) {
            return (commands[i].phases & session->phase) != 0 ? commands[i].run(session, argument)
                                                              : pop3_refuse(session, "not now");
        }
    }
    return pop3_refuse(session, "unknown command");
}

static enum session_next on_line(void *session, struct slice line)
{
    struct pop3_session *pop3 = session;

    return pop3->in_sasl ? pop3_sasl_line(pop3, line) : run_line(pop3, line);
}

static enum session_next on_overlong_line(void *session)
{
    struct pop3_session *pop3 = session;

    pop3->in_sasl = false;
    return pop3_refuse(pop3, "line too long");
}

static enum session_next on_drained(void *session)
{
    struct pop3_session *pop3 = session;

    return pop3->more(pop3);
}

static enum session_next on_tls(void *session)
{
    struct pop3_session *pop3 = session;

    buffer_clear(&pop3->user);
    return SESSION_READS;
}

/* RFC 1939 §3: removes nothing, and says nothing. */
static void on_timeout(void *session)
{
}

static void on_stop(void *session)
{
    struct pop3_session *pop3 = session;

    buffer_printf(pop3->port.output, "-ERR [SYS/TEMP] the server stops\r\n");
}

static void free_session(void *session)
{
    struct pop3_session *pop3 = session;

    auth_call_cancel(&pop3->auth);
    pop3_unwatch(pop3);
    mailbox_call_cancel(&pop3->call);
    uid_set_free(pop3->uids);
    sasl_done(&pop3->sasl);
    buffer_done(&pop3->user);
    memory_free(pop3->messages);
    memory_free(pop3);
}

struct protocol pop3_protocol(const struct pop3_options *options)
{
    return (struct protocol){
        .name = "pop3",
        .line_size_max = LINE_SIZE_MAX,
        .idle_timeout_ms = options->login_timeout_ms,
        .open = open_session,
        .on_line = on_line,
        .on_overlong_line = on_overlong_line,
        .on_drained = on_drained,
        .on_tls = on_tls,
        .on_timeout = on_timeout,
        .on_stop = on_stop,
        .free = free_session,
        .context = (void *)options,
    };
}
