/* What the files of an SMTP session share; nobody else includes it. */
#ifndef AVISO_FRONTEND_SMTP_SMTP_STATE_H
#define AVISO_FRONTEND_SMTP_SMTP_STATE_H

#include "core/arena.h"
#include "core/spool.h"
#include "frontend/smtp/smtp_command.h"
#include "frontend/smtp/smtp_session.h"
#include "mail/dot_stuffing.h"
#include "router/delivery.h"
#include "router/directory.h"
#include "router/watch_client.h"

/* One RCPT that was taken, and the accounts that get the message for it. */
struct smtp_recipient {
    struct slice address; /* canonical */
    size_t first_account; /* in `accounts` of the envelope */
    size_t account_count;
    struct smtp_recipient *next;
};

/* One account, once however many recipients lead to it. */
struct smtp_account {
    struct account_place place;
    struct slice address; /* the account's own, for Delivered-To */
    bool of_group;        /* one of several accounts of a recipient */
    struct delivery_outcome outcome;
};

/* From MAIL to the end of its transaction (RFC 5321 §3.3). */
struct smtp_envelope {
    bool has_sender;
    struct slice sender; /* "" of a bounce; as the client wrote it, without the brackets */
    struct smtp_mail_parameters parameters;
    struct smtp_recipient *recipients; /* the latest first, until the data comes */
    size_t recipient_count;
    size_t *account_of; /* account indices, recipient after recipient */
    size_t account_of_count;
    size_t account_of_capacity;
    struct smtp_account *accounts;
    size_t account_count;
    size_t account_capacity;
    struct arena arena; /* of all of it */
};

enum smtp_reading {
    SMTP_READS_COMMANDS,
    SMTP_READS_SASL,  /* a response */
    SMTP_READS_DATA,  /* up to CRLF.CRLF */
    SMTP_READS_CHUNK, /* `chunk_left` octets */
};

struct smtp_session {
    struct session_port port;
    const struct smtp_options *options;
    struct buffer client_name; /* from HELO, EHLO or LHLO; empty: none yet */
    bool is_extended;          /* EHLO or LHLO */
    size_t errors;
    enum smtp_reading reading;

    struct sasl sasl;
    struct auth_call auth;
    bool is_authenticated;
    struct buffer user; /* the account's own address */
    struct account_place user_place;
    struct account_watch watch; /* of the user's account */
    bool is_watching;
    bool is_expelled; /* that account is not in use any more */

    struct smtp_envelope envelope;
    struct buffer pending; /* the address whose look-up is in flight */
    struct directory_call directory;

    struct spool spool;
    bool has_spool;
    enum status data_status; /* the first thing that went wrong with the data */
    struct dot_decoder decoder;
    uint64_t chunk_left;
    bool chunk_is_last;
    bool chunk_is_refused; /* its octets are only dropped */
    bool in_chunks;        /* BDAT was used in this transaction */

    struct buffer
        prefixes; /* Return-Path and Delivered-To of the accounts, while a delivery runs */
    struct ingest ingest;
    struct delivery delivery;
    uint64_t began_us; /* when the data was whole */
};

/* ---- Replies (smtp_session.c) ---- */

/* "code enhanced text" and CRLF. */
void smtp_say(struct smtp_session *session, const char *text);

/* The same; a code of 5xx counts as an error of the client, too many of which end the session. What
 * is refused for the moment (4xx) is not the client's fault, and a message with more recipients
 * than the limit must still get through to the first of them (RFC 5321 §4.5.3.1.10). */
enum session_next smtp_reply(struct smtp_session *session, const char *text);

/* The text for what storage or the directory answered. Never NULL. */
const char *smtp_status_text(enum status status);

/* For continuations: the last statement. */
void smtp_wake(struct smtp_session *session, enum session_next next);

/* Forgets the transaction (RFC 5321 §4.1.1.5), whatever is in flight included. */
void smtp_reset(struct smtp_session *session);

/* ---- Commands ---- */

typedef enum session_next smtp_command_fn(struct smtp_session *session, struct slice argument);

smtp_command_fn smtp_run_auth;                /* smtp_auth.c */
smtp_command_fn smtp_run_mail, smtp_run_rcpt; /* smtp_envelope.c */
smtp_command_fn smtp_run_data, smtp_run_bdat; /* smtp_data.c */

/* Forgets who the client is. */
void smtp_log_out(struct smtp_session *session);

/* Whether AUTH may be used now. */
bool smtp_may_authenticate(const struct smtp_session *session);
enum session_next smtp_sasl_line(struct smtp_session *session, struct slice line);

/* Octets of DATA or of a chunk. */
enum session_next smtp_data_octets(struct smtp_session *session, struct slice octets,
                                   size_t *out_taken);

/* The data is whole (smtp_accept.c): checks it, stores it, answers. */
enum session_next smtp_accept(struct smtp_session *session);

#endif
