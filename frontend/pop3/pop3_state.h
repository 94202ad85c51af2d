/* What the files of a POP3 session share; nobody else includes it. */
#ifndef AVISO_FRONTEND_POP3_POP3_STATE_H
#define AVISO_FRONTEND_POP3_POP3_STATE_H

#include "frontend/pop3/pop3_session.h"
#include "mail/dot_stuffing.h"
#include "router/mailbox_client.h"
#include "router/watch_client.h"

/* RFC 1939 §3. A set of phases is their union: where a command is allowed. */
enum pop3_phase {
    POP3_AUTHORIZATION = 1 << 0,
    POP3_TRANSACTION = 1 << 1,
};

struct pop3_session;

/* One message of the maildrop, as it was at login. */
struct pop3_message {
    uint64_t email;
    uint64_t size; /* octets */
    uint32_t uid;
    bool is_deleted;
};

/* A message on its way out: RETR or TOP. */
struct pop3_download {
    const struct pop3_message *message;
    struct dot_encoder encoder;
    uint64_t offset;     /* octets of the body sent */
    uint64_t body_size;  /* all of them, once the header block is there */
    uint64_t lines_left; /* of the body; UINT64_MAX: all */
};

typedef enum session_next pop3_more_fn(struct pop3_session *session);

struct pop3_session {
    struct session_port port;
    const struct pop3_options *options;
    enum pop3_phase phase;
    size_t errors;
    bool is_utf8;

    struct buffer user; /* from USER */
    struct sasl sasl;
    bool in_sasl; /* the next line is a response */
    struct auth_call auth;

    struct account_place place;
    struct account_watch watch;
    bool is_watching;
    uint32_t mailbox;
    uint32_t uid_validity;
    struct pop3_message *messages;
    size_t message_count;
    uint64_t octets;      /* of all messages at login */
    struct uid_set *uids; /* not listed yet, while the maildrop is opened */
    struct mailbox_call call;
    struct pop3_download download;
    size_t listed;      /* messages that a LIST or UIDL has gone through */
    pop3_more_fn *more; /* goes on when the output has room again */
};

/* ---- Replies (pop3_session.c) ---- */

/* "-ERR why", counted: too many end the session. */
enum session_next pop3_refuse(struct pop3_session *session, const char *why);

/* The same for what storage answered, with the response codes of RFC 2449 §8 and RFC 3206. */
enum session_next pop3_refuse_status(struct pop3_session *session, enum status status);

/* The message that a command names. NULL: there is none, and the client was told. */
struct pop3_message *pop3_message_of(struct pop3_session *session, struct slice number);

/* ---- AUTHORIZATION (pop3_login.c) ---- */

typedef enum session_next pop3_command_fn(struct pop3_session *session, struct slice argument);
pop3_command_fn pop3_run_user, pop3_run_pass, pop3_run_auth, pop3_run_stls;

/* Watches the account no more, if it did. */
void pop3_unwatch(struct pop3_session *session);

/* A line of a SASL exchange. */
enum session_next pop3_sasl_line(struct pop3_session *session, struct slice line);

/* ---- TRANSACTION (pop3_maildrop.c, pop3_download.c) ---- */

/* Reads the maildrop of the account at `session->place`, then answers the login. */
void pop3_open_maildrop(struct pop3_session *session);
pop3_command_fn pop3_run_stat, pop3_run_list, pop3_run_uidl, pop3_run_dele, pop3_run_rset,
    pop3_run_quit, pop3_run_retr, pop3_run_top;

#endif
