#include "frontend/smtp/smtp_session.h"

#include <inttypes.h>

#include "core/macros.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "frontend/smtp/smtp_state.h"
#include "mail/address.h"

/* RFC 5321 §4.5.3.1.4 says 512 for a command; AUTH's responses are longer (RFC 4954 §4). */
enum { LINE_SIZE_MAX = SASL_LINE_SIZE_MAX + 2, CLIENT_NAME_SIZE_MAX = 255 };

METRIC_COUNTER(sessions, "aviso_sessions_total", "protocol=\"smtp\"", "Sessions begun.");

static smtp_command_fn run_helo, run_ehlo, run_lhlo, run_rset, run_noop, run_quit, run_vrfy,
    run_expn, run_help, run_starttls;

/* Which services know a command, as a set. */
enum { MX = 1 << SMTP_MX, SUBMISSION = 1 << SMTP_SUBMISSION, LMTP = 1 << SMTP_LMTP };
enum { ALL = MX | SUBMISSION | LMTP };

static const struct command {
    const char *verb;
    unsigned services;
    bool needs_hello;
    bool ends_group; /* nothing may be sent behind it before its reply (RFC 2920 §3.1) */
    smtp_command_fn *run;
} commands[] = {
    {"HELO", MX | SUBMISSION, false, true, run_helo},
    {"EHLO", MX | SUBMISSION, false, true, run_ehlo},
    {"LHLO", LMTP, false, true, run_lhlo},
    {"MAIL", ALL, true, false, smtp_run_mail},
    {"RCPT", ALL, true, false, smtp_run_rcpt},
    {"DATA", ALL, true, true, smtp_run_data},
    {"BDAT", ALL, false, false, smtp_run_bdat},
    {"RSET", ALL, false, false, run_rset},
    {"NOOP", ALL, false, false, run_noop},
    {"QUIT", ALL, false, false, run_quit},
    {"VRFY", ALL, false, false, run_vrfy},
    {"EXPN", ALL, false, false, run_expn},
    {"HELP", ALL, false, false, run_help},
    {"STARTTLS", ALL, true, false, run_starttls},
    {"AUTH", SUBMISSION, true, true, smtp_run_auth},
};

/* ---- Replies ---- */

void smtp_say(struct smtp_session *session, const char *text)
{
    buffer_printf(session->port.output, "%s\r\n", text);
}

enum session_next smtp_reply(struct smtp_session *session, const char *text)
{
    smtp_say(session, text);
    if (text[0] != '5') {
        return SESSION_READS;
    }
    if (++session->errors >= session->options->errors_max) {
        buffer_printf(session->port.output, "421 4.7.0 %.*s too many errors\r\n",
                      (int)session->options->host_name.size, session->options->host_name.data);
        return SESSION_ENDS;
    }
    return SESSION_READS;
}

const char *smtp_status_text(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return "250 2.0.0 stored";
    case STATUS_OVER_QUOTA:
        return "452 4.2.2 the mailbox is full";
    case STATUS_SUSPENDED:
        return "550 5.2.1 the mailbox is disabled";
    case STATUS_NOT_FOUND:
        return "550 5.1.1 no such user here";
    case STATUS_NO_SPACE:
        return "452 4.3.1 no room at the moment, try again later";
    case STATUS_TOO_LARGE:
        return "552 5.3.4 the message is too large";
    case STATUS_CORRUPT:
        return "451 4.3.0 the mailbox cannot be written at the moment";
    default:
        return "451 4.3.0 try again later";
    }
}

void smtp_wake(struct smtp_session *session, enum session_next next)
{
    session->port.wake(session->port.connection, next);
}

void smtp_reset(struct smtp_session *session)
{
    directory_call_cancel(&session->directory);
    ingest_cancel(&session->ingest);
    delivery_cancel(&session->delivery);
    arena_done(&session->envelope.arena);
    memory_free(session->envelope.accounts);
    memory_free(session->envelope.account_of);
    session->envelope = (struct smtp_envelope){0};
    arena_init(&session->envelope.arena);
    if (session->has_spool) {
        spool_done(&session->spool);
        session->has_spool = false;
    }
    buffer_release(&session->prefixes);
    session->data_status = STATUS_OK;
    session->in_chunks = false;
    session->reading = SMTP_READS_COMMANDS;
}

/* ---- HELO, EHLO (RFC 5321 §4.1.1.1), LHLO (RFC 2033 §4.1) ---- */

static bool take_hello(struct smtp_session *session, struct slice name)
{
    if (!smtp_command_is_client_name(name)) {
        return false;
    }
    smtp_reset(session);
    buffer_clear(&session->client_name);
    buffer_append(&session->client_name, name);
    return true;
}

static enum session_next run_helo(struct smtp_session *session, struct slice argument)
{
    if (!take_hello(session, argument)) {
        return smtp_reply(session, "501 5.5.4 say who you are");
    }
    session->is_extended = false;
    buffer_printf(session->port.output, "250 %.*s\r\n", (int)session->options->host_name.size,
                  session->options->host_name.data);
    return SESSION_READS;
}

static enum session_next greet(struct smtp_session *session, struct slice argument)
{
    struct buffer *output = session->port.output;

    if (!take_hello(session, argument)) {
        return smtp_reply(session, "501 5.5.4 say who you are");
    }
    session->is_extended = true;
    buffer_printf(output, "250-%.*s\r\n", (int)session->options->host_name.size,
                  session->options->host_name.data);
    buffer_printf(output, "250-PIPELINING\r\n250-SIZE %" PRIu64 "\r\n",
                  session->options->message_size_max);
    if (session->options->offers_tls && !session->port.peer->is_tls) {
        buffer_printf(output, "250-STARTTLS\r\n");
    }
    if (smtp_may_authenticate(session)) {
        buffer_printf(output, "250-AUTH " SASL_MECHANISMS "\r\n");
    }
    buffer_printf(output, "250-LIMITS RCPTMAX=%zu\r\n", session->options->recipients_max);
    buffer_printf(output, "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
                          "250-BINARYMIME\r\n250 CHUNKING\r\n");
    return SESSION_READS;
}

static enum session_next run_ehlo(struct smtp_session *session, struct slice argument)
{
    return greet(session, argument);
}

static enum session_next run_lhlo(struct smtp_session *session, struct slice argument)
{
    return greet(session, argument);
}

/* ---- The rest (RFC 5321 §4.1.1.5 to §4.1.1.10), STARTTLS (RFC 3207) ---- */

static enum session_next run_rset(struct smtp_session *session, struct slice argument)
{
    smtp_reset(session);
    return smtp_reply(session, "250 2.0.0 forgotten");
}

static enum session_next run_noop(struct smtp_session *session, struct slice argument)
{
    return smtp_reply(session, "250 2.0.0 here");
}

static enum session_next run_quit(struct smtp_session *session, struct slice argument)
{
    (void)smtp_reply(session, "221 2.0.0 bye");
    return SESSION_ENDS;
}

static enum session_next run_vrfy(struct smtp_session *session, struct slice argument)
{
    return smtp_reply(session, "252 2.5.2 send it a mail to find out");
}

static enum session_next run_expn(struct smtp_session *session, struct slice argument)
{
    return smtp_reply(session, "502 5.5.1 not offered");
}

static enum session_next run_help(struct smtp_session *session, struct slice argument)
{
    return smtp_reply(session, "214 2.0.0 RFC 5321");
}

static enum session_next run_starttls(struct smtp_session *session, struct slice argument)
{
    if (session->port.peer->is_tls) {
        return smtp_reply(session, "503 5.5.1 TLS is on");
    }
    if (!session->options->offers_tls) {
        return smtp_reply(session, "502 5.5.1 no TLS here");
    }
    if (argument.size > 0) {
        return smtp_reply(session, "501 5.5.4 STARTTLS stands alone");
    }
    (void)smtp_reply(session, "220 2.0.0 begin TLS");
    return SESSION_STARTS_TLS;
}

/* ---- The protocol's functions ---- */

static void *open_session(const struct session_port *port, void *context,
                          enum session_next *out_next)
{
    static const char *const names[] = {"ESMTP", "ESMTP submission", "LMTP"};
    struct smtp_session *session = NEW(struct smtp_session);

    session->port = *port;
    session->options = context;
    buffer_init(&session->client_name, CLIENT_NAME_SIZE_MAX);
    buffer_init(&session->user, ADDRESS_SIZE_MAX);
    buffer_init(&session->pending, ADDRESS_SIZE_MAX);
    buffer_init(&session->prefixes, SIZE_MAX / 2);
    sasl_init(&session->sasl);
    arena_init(&session->envelope.arena);
    metric_add(&sessions, 1);
    buffer_printf(port->output, "220 %.*s %s\r\n", (int)session->options->host_name.size,
                  session->options->host_name.data, names[session->options->service]);
    *out_next = SESSION_READS;
    return session;
}

static const struct command *find_command(const struct smtp_session *session, struct slice verb)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (slice_is(verb, commands[i].verb) &&
            (commands[i].services & 1U << session->options->service) != 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* Who talks on without an answer may have somebody else's words in his: a browser made to post a
 * form, a message that was cut in two. Nothing that follows is a command or a message. */
static enum session_next refuse_early_talk(struct smtp_session *session)
{
    smtp_say(session, "554 5.5.0 wait for the reply before you go on");
    return SESSION_ENDS;
}

static enum session_next run_line(struct smtp_session *session, struct slice line)
{
    struct slice verb;
    struct slice argument;

    smtp_command_cut(line, &verb, &argument);
    const struct command *command = find_command(session, verb);

    if (command == NULL) {
        return smtp_reply(session, "500 5.5.1 unknown command");
    }
    if (command->ends_group && session->port.has_more(session->port.connection)) {
        return refuse_early_talk(session);
    }
    return command->needs_hello && session->client_name.size == 0
               ? smtp_reply(session, "503 5.5.1 say hello first")
               : command->run(session, argument);
}

static enum session_next on_line(void *data, struct slice line)
{
    struct smtp_session *session = data;

    return session->reading == SMTP_READS_SASL ? smtp_sasl_line(session, line)
                                               : run_line(session, line);
}

static enum session_next on_overlong_line(void *data)
{
    struct smtp_session *session = data;

    session->reading = SMTP_READS_COMMANDS;
    return smtp_reply(session, "500 5.5.2 line too long");
}

static enum session_next on_octets(void *data, struct slice octets, size_t *out_taken)
{
    return smtp_data_octets(data, octets, out_taken);
}

/* RFC 3207 §4.2: what was said in the clear is forgotten. */
static enum session_next on_tls(void *data)
{
    struct smtp_session *session = data;

    smtp_reset(session);
    buffer_clear(&session->client_name);
    smtp_log_out(session);
    session->is_extended = false;
    return SESSION_READS;
}

static void say_421(struct smtp_session *session, const char *why)
{
    buffer_printf(session->port.output, "421 4.4.2 %.*s %s\r\n",
                  (int)session->options->host_name.size, session->options->host_name.data, why);
}

static void on_timeout(void *data)
{
    say_421(data, "silent for too long");
}

static void on_stop(void *data)
{
    say_421(data, "the server stops");
}

static void free_session(void *data)
{
    struct smtp_session *session = data;

    smtp_reset(session);
    auth_call_cancel(&session->auth);
    smtp_log_out(session);
    sasl_done(&session->sasl);
    buffer_done(&session->client_name);
    buffer_done(&session->user);
    buffer_done(&session->pending);
    buffer_done(&session->prefixes);
    memory_free(session);
}

struct protocol smtp_protocol(const struct smtp_options *options)
{
    static const char *const names[] = {"smtp", "submission", "lmtp"};

    return (struct protocol){
        .name = names[options->service],
        .line_size_max = LINE_SIZE_MAX,
        .idle_timeout_ms = options->idle_timeout_ms,
        .open = open_session,
        .on_line = on_line,
        .on_overlong_line = on_overlong_line,
        .on_octets = on_octets,
        .on_tls = on_tls,
        .on_timeout = on_timeout,
        .on_stop = on_stop,
        .free = free_session,
        .context = (void *)options,
    };
}
