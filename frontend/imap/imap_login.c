/* CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, AUTHENTICATE, LOGIN and ENABLE. */
#include <inttypes.h>
#include <string.h>

#include "core/log.h"
#include "frontend/imap/imap_command.h"

enum {
    ID_PAIRS_MAX = 30, /* RFC 2971 §3.3 */
    ID_NAME_SIZE_MAX = 30,
    ID_VALUE_SIZE_MAX = 1024,
};

bool imap_may_log_in(const struct imap_session *session)
{
    const struct session_peer *peer = session->port.peer;

    return peer->is_tls || (peer->is_loopback && session->service->clear_login_on_loopback);
}

/* ---- CAPABILITY (RFC 3501 §6.1.1) ---- */

void imap_append_capabilities(struct imap_session *session)
{
    struct buffer *output = session->port.output;

    buffer_append(output, SLICE("CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE "));
    if (session->phase == IMAP_GREETED) {
        buffer_append(output, SLICE("LITERAL-"));
        if (session->service->offers_tls && !session->port.peer->is_tls) {
            buffer_append(output, SLICE(" STARTTLS"));
        }
        buffer_append(output, imap_may_log_in(session) ? SLICE(" AUTH=PLAIN AUTH=LOGIN")
                                                       : SLICE(" LOGINDISABLED"));
        return;
    }
    buffer_append(output, SLICE("LITERAL+ NAMESPACE UNSELECT CHILDREN UIDPLUS MOVE LIST-EXTENDED "
                                "LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE ESEARCH "
                                "CONDSTORE APPENDLIMIT="));
    imap_append_number(output, session->service->append_size_max);
}

enum session_next imap_run_capability(struct imap_session *session, struct imap_parser *parser)
{
    if (!imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    buffer_append(session->port.output, SLICE("* "));
    imap_append_capabilities(session);
    buffer_append(session->port.output, SLICE("\r\n"));
    return imap_end(session, "OK done");
}

/* ---- NOOP, and CHECK: nothing is ever left unwritten (RFC 3501 §6.1.2, §6.4.1) ---- */

enum session_next imap_run_noop(struct imap_session *session, struct imap_parser *parser)
{
    return imap_take_end(parser) ? imap_end(session, "OK done") : imap_bad(session, parser);
}

/* ---- LOGOUT (RFC 3501 §6.1.3) ---- */

enum session_next imap_run_logout(struct imap_session *session, struct imap_parser *parser)
{
    if (!imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    buffer_append(session->port.output, SLICE("* BYE logging out\r\n"));
    buffer_append(session->port.output, session->tag);
    buffer_append(session->port.output, SLICE(" OK bye\r\n"));
    return SESSION_ENDS;
}

/* ---- ID (RFC 2971) ---- */

static bool take_id_pairs(struct imap_parser *parser)
{
    struct slice name;
    struct slice value;

    if (imap_take_octet(parser, ')')) {
        return true;
    }
    for (size_t i = 0; i < ID_PAIRS_MAX; i++) {
        if (!imap_take_string(parser, &name) || !imap_take_space(parser) ||
            !imap_take_nstring(parser, &value) || name.size > ID_NAME_SIZE_MAX ||
            value.size > ID_VALUE_SIZE_MAX) {
            return false;
        }
        if (imap_take_octet(parser, ')')) {
            return true;
        }
        if (!imap_take_space(parser)) {
            return false;
        }
    }
    return false;
}

enum session_next imap_run_id(struct imap_session *session, struct imap_parser *parser)
{
    if (!imap_take_space(parser) ||
        !(imap_take_octet(parser, '(') ? take_id_pairs(parser)
                                       : imap_take_keyword(parser, "NIL")) ||
        !imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    buffer_append(session->port.output, SLICE("* ID (\"name\" \"Aviso\")\r\n"));
    return imap_end(session, "OK done");
}

/* ---- STARTTLS (RFC 3501 §6.2.1) ---- */

enum session_next imap_run_starttls(struct imap_session *session, struct imap_parser *parser)
{
    if (!imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    if (session->port.peer->is_tls) {
        return imap_bad_because(session, "TLS is active already");
    }
    if (!session->service->offers_tls) {
        return imap_bad_because(session, "TLS is not offered");
    }
    /* Said at once and by itself; the connection then drops whatever came behind the command. */
    (void)imap_end(session, "OK begin TLS");
    return SESSION_STARTS_TLS;
}

/* ---- LOGIN and AUTHENTICATE (RFC 3501 §6.2.2, §6.2.3, RFC 4959) ---- */

static void on_checked(struct auth_call *call, enum status status, const struct authenticated *who)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, auth);

    switch (status) {
    case STATUS_OK:
        imap_log_in(session, who);
        buffer_clear(&session->reply);
        buffer_append(session->port.output, SLICE("* "));
        imap_append_capabilities(session);
        buffer_append(session->port.output, SLICE("\r\n"));
        imap_wake(session, imap_end(session, "OK logged in"));
        return;
    case STATUS_DENIED:
    case STATUS_NOT_FOUND:
    case STATUS_INVALID:
        imap_wake(session, imap_end(session, "NO [AUTHENTICATIONFAILED] wrong user or password"));
        return;
    default:
        imap_wake(session, imap_refuse(session, status));
    }
}

static enum session_next check(struct imap_session *session, struct slice user,
                               struct slice password)
{
    session->on_answer = NULL;
    authenticator_check(session->service->authenticator, &session->auth, user, password,
                        session->port.peer, on_checked);
    return SESSION_WAITS;
}

static enum session_next refuse_clear_text(struct imap_session *session)
{
    return imap_end(session, "NO [PRIVACYREQUIRED] use TLS first");
}

enum session_next imap_run_login(struct imap_session *session, struct imap_parser *parser)
{
    struct slice user;
    struct slice password;

    if (!imap_take_space(parser) || !imap_take_astring(parser, &user) || !imap_take_space(parser) ||
        !imap_take_astring(parser, &password) || !imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    if (!imap_may_log_in(session)) {
        return refuse_clear_text(session);
    }
    if (user.size == 0 || user.size > SASL_TEXT_SIZE_MAX || password.size > SASL_TEXT_SIZE_MAX) {
        return imap_end(session, "NO [AUTHENTICATIONFAILED] wrong user or password");
    }
    return check(session, user, password);
}

static void drop_sasl(struct imap_session *session)
{
    sasl_done(session->work);
}

static enum session_next on_sasl_line(struct imap_session *session, struct slice line);

static enum session_next go_on_with_sasl(struct imap_session *session, enum sasl_progress progress)
{
    struct sasl *sasl = session->work;

    switch (progress) {
    case SASL_CHALLENGE:
        buffer_append(session->port.output, SLICE("+ "));
        buffer_append(session->port.output, sasl->challenge);
        buffer_append(session->port.output, SLICE("\r\n"));
        session->on_answer = on_sasl_line;
        return SESSION_READS;
    case SASL_CREDENTIALS:
        return check(session, buffer_view(&sasl->user), buffer_view(&sasl->password));
    case SASL_CANCELLED:
        return imap_bad_because(session, "authentication cancelled");
    case SASL_UNKNOWN:
        return imap_end(session, "NO [CANNOT] no such mechanism");
    case SASL_REFUSED:
        return imap_end(session, "NO [AUTHORIZATIONFAILED] only as oneself");
    case SASL_MALFORMED:
        break;
    }
    return imap_bad_because(session, "not what the mechanism says");
}

static enum session_next on_sasl_line(struct imap_session *session, struct slice line)
{
    return go_on_with_sasl(session, sasl_continue(session->work, line));
}

enum session_next imap_run_authenticate(struct imap_session *session, struct imap_parser *parser)
{
    struct slice mechanism;
    struct slice initial = {NULL, 0};

    if (!imap_take_space(parser) || !imap_take_atom(parser, &mechanism)) {
        return imap_bad(session, parser);
    }
    if (imap_take_space(parser)) {
        initial = parser->rest;
    } else if (!imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    if (!imap_may_log_in(session)) {
        return refuse_clear_text(session);
    }
    session->work = ARENA_NEW(&session->arena, struct sasl);
    sasl_init(session->work);
    session->drop_work = drop_sasl;
    return go_on_with_sasl(session, sasl_begin(session->work, mechanism, initial));
}

void imap_log_in(struct imap_session *session, const struct authenticated *who)
{
    session->phase = IMAP_LOGGED_IN;
    session->place = who->place;
    session->is_watching = true;
    watch_start(session->service->router, &session->watch, session->place, imap_on_change);
    session->port.set_idle_timeout(session->port.connection, session->service->idle_timeout_ms);
    log_info("imap.login", log_text("user", who->address),
             log_text("peer", session->port.peer->address));
}

/* ---- ENABLE (RFC 5161) ---- */

enum session_next imap_run_enable(struct imap_session *session, struct imap_parser *parser)
{
    struct slice name;
    bool condstore = false;

    do {
        if (!imap_take_space(parser) || !imap_take_atom(parser, &name)) {
            return imap_bad(session, parser);
        }
        condstore = condstore || slice_is(name, "CONDSTORE");
    } while (!imap_take_end(parser));
    buffer_append(session->port.output,
                  condstore ? SLICE("* ENABLED CONDSTORE\r\n") : SLICE("* ENABLED\r\n"));
    if (condstore) {
        imap_enable_condstore(session);
    }
    return imap_end(session, "OK done");
}
