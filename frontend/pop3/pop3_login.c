/* The AUTHORIZATION state: USER and PASS (RFC 1939 §7), AUTH (RFC 5034), STLS (RFC 2595 §4). */
#include "core/log.h"
#include "core/macros.h"
#include "frontend/auth/password.h"
#include "frontend/pop3/pop3_state.h"

static auth_done_fn on_checked;

static bool may_log_in(const struct pop3_session *session)
{
    return session->port.peer->is_tls ||
           (session->options->login_in_clear && session->port.peer->is_loopback);
}

static enum session_next refuse_clear(struct pop3_session *session)
{
    return pop3_refuse(session, "[SYS/PERM] use TLS first");
}

static enum session_next check(struct pop3_session *session, struct slice user,
                               struct slice password)
{
    authenticator_check(session->options->authenticator, &session->auth, user, password,
                        session->port.peer, on_checked);
    return SESSION_WAITS;
}

/* Nothing may be said that was not asked for, so the end is all that a client hears when its
 * account is suspended or removed; no message is removed then, as after a timeout (RFC 1939 §3). */
static void on_change(struct account_watch *watch, const struct watch_change *change)
{
    struct pop3_session *session = CONTAINER_OF(watch, struct pop3_session, watch);

    if (!change->is_closed) {
        return;
    }
    mailbox_call_cancel(&session->call);
    pop3_unwatch(session);
    log_info("pop3.expelled", log_number("account", session->place.account));
    session->port.wake(session->port.connection, SESSION_ENDS);
}

void pop3_unwatch(struct pop3_session *session)
{
    if (session->is_watching) {
        watch_stop(&session->watch);
    }
    session->is_watching = false;
}

static void on_checked(struct auth_call *call, enum status status, const struct authenticated *who)
{
    struct pop3_session *session = CONTAINER_OF(call, struct pop3_session, auth);

    buffer_clear(&session->user);
    if (status != STATUS_OK) {
        session->port.wake(session->port.connection, pop3_refuse_status(session, status));
        return;
    }
    pop3_unwatch(session); /* of a login that failed half-way */
    session->place = who->place;
    session->is_watching = true;
    watch_start(session->options->router, &session->watch, session->place, on_change);
    pop3_open_maildrop(session);
}

/* ---- USER name, PASS string: the rest of the line, blanks and all ---- */

enum session_next pop3_run_user(struct pop3_session *session, struct slice argument)
{
    if (!may_log_in(session)) {
        return refuse_clear(session);
    }
    if (argument.size == 0 || argument.size > SASL_TEXT_SIZE_MAX) {
        return pop3_refuse(session, "a name is needed");
    }
    buffer_clear(&session->user);
    buffer_append(&session->user, argument);
    buffer_printf(session->port.output, "+OK\r\n");
    return SESSION_READS;
}

enum session_next pop3_run_pass(struct pop3_session *session, struct slice argument)
{
    if (!may_log_in(session)) {
        return refuse_clear(session);
    }
    if (session->user.size == 0) {
        return pop3_refuse(session, "USER comes first");
    }
    if (argument.size == 0 || argument.size > PASSWORD_SIZE_MAX) {
        return pop3_refuse_status(session, STATUS_DENIED);
    }
    return check(session, buffer_view(&session->user), argument);
}

/* ---- AUTH mechanism [initial-response] ---- */

static enum session_next progress(struct pop3_session *session, enum sasl_progress progress)
{
    session->in_sasl = progress == SASL_CHALLENGE;
    switch (progress) {
    case SASL_CHALLENGE:
        buffer_printf(session->port.output, "+ %.*s\r\n", (int)session->sasl.challenge.size,
                      session->sasl.challenge.data);
        return SESSION_READS;
    case SASL_CREDENTIALS:
        return check(session, buffer_view(&session->sasl.user),
                     buffer_view(&session->sasl.password));
    case SASL_CANCELLED:
        return pop3_refuse(session, "cancelled");
    case SASL_UNKNOWN:
        return pop3_refuse(session, "unknown mechanism");
    case SASL_REFUSED:
        return pop3_refuse(session, "[AUTH] nobody acts for somebody else");
    default:
        return pop3_refuse(session, "malformed response");
    }
}

enum session_next pop3_run_auth(struct pop3_session *session, struct slice argument)
{
    struct slice initial = argument;
    struct slice mechanism = slice_cut(&initial, ' ');

    if (!may_log_in(session)) {
        return refuse_clear(session);
    }
    if (mechanism.size == argument.size) {
        initial = (struct slice){NULL, 0};
    }
    return progress(session, sasl_begin(&session->sasl, mechanism, initial));
}

enum session_next pop3_sasl_line(struct pop3_session *session, struct slice line)
{
    return progress(session, sasl_continue(&session->sasl, line));
}

enum session_next pop3_run_stls(struct pop3_session *session, struct slice argument)
{
    if (session->port.peer->is_tls) {
        return pop3_refuse(session, "TLS is on");
    }
    if (!session->options->offers_tls) {
        return pop3_refuse(session, "no TLS here");
    }
    buffer_printf(session->port.output, "+OK begin TLS\r\n");
    return SESSION_STARTS_TLS;
}
