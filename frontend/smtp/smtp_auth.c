/* AUTH (RFC 4954), on submission. */
#include "core/macros.h"
#include "frontend/smtp/smtp_state.h"

static auth_done_fn on_checked;

bool smtp_may_authenticate(const struct smtp_session *session)
{
    return session->options->service == SMTP_SUBMISSION &&
           session->options->authenticator != NULL && !session->is_authenticated &&
           (session->port.peer->is_tls ||
            (session->options->auth_in_clear && session->port.peer->is_loopback));
}

static enum session_next progress(struct smtp_session *session, enum sasl_progress progress)
{
    session->reading = progress == SASL_CHALLENGE ? SMTP_READS_SASL : SMTP_READS_COMMANDS;
    switch (progress) {
    case SASL_CHALLENGE:
        buffer_printf(session->port.output, "334 %.*s\r\n", (int)session->sasl.challenge.size,
                      session->sasl.challenge.data);
        return SESSION_READS;
    case SASL_CREDENTIALS:
        authenticator_check(session->options->authenticator, &session->auth,
                            buffer_view(&session->sasl.user), buffer_view(&session->sasl.password),
                            session->port.peer, on_checked);
        return SESSION_WAITS;
    case SASL_CANCELLED:
        return smtp_reply(session, "501 5.7.0 cancelled");
    case SASL_UNKNOWN:
        return smtp_reply(session, "504 5.5.4 unknown mechanism");
    case SASL_REFUSED:
        return smtp_reply(session, "535 5.7.8 nobody acts for somebody else");
    default:
        return smtp_reply(session, "501 5.5.2 malformed response");
    }
}

enum session_next smtp_run_auth(struct smtp_session *session, struct slice argument)
{
    struct slice initial = argument;
    struct slice mechanism = slice_cut(&initial, ' ');

    if (session->is_authenticated || session->envelope.has_sender) {
        return smtp_reply(session, "503 5.5.1 not now");
    }
    if (!smtp_may_authenticate(session)) {
        return smtp_reply(session, "538 5.7.11 use TLS first");
    }
    if (mechanism.size == argument.size) {
        initial = (struct slice){NULL, 0};
    }
    return progress(session, sasl_begin(&session->sasl, mechanism, initial));
}

enum session_next smtp_sasl_line(struct smtp_session *session, struct slice line)
{
    return progress(session, sasl_continue(&session->sasl, line));
}

/* A message in hand is still taken; the next is not. */
static void on_change(struct account_watch *watch, const struct watch_change *change)
{
    struct smtp_session *session = CONTAINER_OF(watch, struct smtp_session, watch);

    session->is_expelled = change->is_closed;
}

static void log_in(struct smtp_session *session, const struct authenticated *who)
{
    session->is_authenticated = true;
    session->user_place = who->place;
    buffer_clear(&session->user);
    buffer_append(&session->user, who->address);
    session->is_watching = true;
    watch_start(session->options->router, &session->watch, session->user_place, on_change);
}

void smtp_log_out(struct smtp_session *session)
{
    if (session->is_watching) {
        watch_stop(&session->watch);
    }
    session->is_watching = false;
    session->is_expelled = false;
    session->is_authenticated = false;
    session->user_place = (struct account_place){0};
    buffer_clear(&session->user);
}

static void on_checked(struct auth_call *call, enum status status, const struct authenticated *who)
{
    struct smtp_session *session = CONTAINER_OF(call, struct smtp_session, auth);

    switch (status) {
    case STATUS_OK:
        log_in(session, who);
        smtp_wake(session, smtp_reply(session, "235 2.7.0 welcome"));
        return;
    case STATUS_DENIED:
        smtp_wake(session, smtp_reply(session, "535 5.7.8 wrong user or password"));
        return;
    case STATUS_SUSPENDED:
        smtp_wake(session, smtp_reply(session, "535 5.7.8 the account is suspended"));
        return;
    default:
        smtp_wake(session, smtp_reply(session, "454 4.7.0 try again later"));
    }
}
