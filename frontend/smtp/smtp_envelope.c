/* MAIL and RCPT (RFC 5321 §4.1.1.2, §4.1.1.3): who sends, and which accounts it is for. */
#include <string.h>

#include "core/macros.h"
#include "core/memory.h"
#include "frontend/smtp/smtp_state.h"
#include "mail/address.h"

enum { ACCOUNTS_MAX = 10000 }; /* of a transaction, each as often as recipients lead to it */

static directory_done_fn on_may_send;
static directory_resolve_fn on_resolved;

/* ---- MAIL FROM:<path> [parameters] ---- */

static enum session_next begin(struct smtp_session *session)
{
    session->envelope.has_sender = true;
    return smtp_reply(session, "250 2.1.0 sender taken");
}

/* A user sends under addresses of his own alone, so that nobody is impersonated from here. */
static enum session_next check_sender(struct smtp_session *session)
{
    if (session->options->service != SMTP_SUBMISSION) {
        return begin(session);
    }
    if (buffer_view(&session->pending).size == 0) {
        return smtp_reply(session, "550 5.7.1 a sender is needed");
    }
    directory_may_send_as(session->options->router, &session->directory,
                          buffer_view(&session->user), buffer_view(&session->pending), on_may_send);
    return SESSION_WAITS;
}

static void on_may_send(struct directory_call *call, enum status status)
{
    struct smtp_session *session = CONTAINER_OF(call, struct smtp_session, directory);

    if (status == STATUS_OK) {
        smtp_wake(session, begin(session));
    } else if (status == STATUS_DENIED || status == STATUS_NOT_FOUND) {
        smtp_wake(session, smtp_reply(session, "553 5.7.1 this sender is not yours"));
    } else {
        smtp_wake(session, smtp_reply(session, "451 4.3.0 try again later"));
    }
}

static enum session_next refuse_parameters(struct smtp_session *session, enum status status)
{
    return smtp_reply(session, status == STATUS_UNSUPPORTED
                                   ? "555 5.5.4 a parameter that is not offered"
                                   : "501 5.5.4 malformed parameters");
}

enum session_next smtp_run_mail(struct smtp_session *session, struct slice argument)
{
    struct smtp_mail_parameters parameters = {0};
    struct address_path path;

    if (session->envelope.has_sender) {
        return smtp_reply(session, "503 5.5.1 there is a sender already");
    }
    if (session->options->service == SMTP_SUBMISSION && !session->is_authenticated) {
        return smtp_reply(session, "530 5.7.0 say who you are first");
    }
    if (session->is_expelled) {
        smtp_say(session, "421 4.7.0 the account is not in use any more");
        return SESSION_ENDS;
    }
    if (smtp_command_take_keyword(&argument, SLICE("FROM:")) != STATUS_OK) {
        return smtp_reply(session, "501 5.5.4 MAIL FROM:<address>");
    }
    if (address_parse_path(&argument, ADDRESS_PATH_REVERSE, &path) != STATUS_OK) {
        return smtp_reply(session, "501 5.1.7 malformed sender");
    }
    enum status status = smtp_command_mail_parameters(argument, &parameters);

    if (status != STATUS_OK) {
        return refuse_parameters(session, status);
    }
    if (path.is_utf8 && !parameters.is_utf8) {
        return smtp_reply(session, "553 5.6.7 say SMTPUTF8 to use such an address");
    }
    if (parameters.size > session->options->message_size_max) {
        return smtp_reply(session, "552 5.3.4 the message is too large");
    }
    session->envelope.parameters = parameters;
    session->envelope.sender = arena_copy(&session->envelope.arena, path.mailbox);
    buffer_clear(&session->pending);
    if (path.mailbox.size > 0 && address_canonical(path.mailbox, &session->pending) != STATUS_OK) {
        return smtp_reply(session, "501 5.1.7 malformed sender");
    }
    return check_sender(session);
}

/* ---- RCPT TO:<path> ---- */

static enum status refuse_any_parameter(struct slice text)
{
    struct smtp_parameter parameter;
    enum status status = smtp_command_take_parameter(&text, &parameter);

    return status == STATUS_AGAIN ? STATUS_OK : status == STATUS_OK ? STATUS_UNSUPPORTED : status;
}

/* "<Postmaster>" has no domain: it is this server's (RFC 5321 §4.5.1). */
static enum status read_recipient(struct smtp_session *session, struct slice mailbox)
{
    struct buffer address;

    buffer_init(&address, ADDRESS_SIZE_MAX + 1);
    buffer_append(&address, mailbox);
    if (slice_is(mailbox, "postmaster")) {
        buffer_append_octet(&address, '@');
        buffer_append(&address, session->options->host_name);
    }
    buffer_clear(&session->pending);
    enum status status = address_canonical(buffer_view(&address), &session->pending);

    buffer_done(&address);
    return status;
}

enum session_next smtp_run_rcpt(struct smtp_session *session, struct slice argument)
{
    struct address_path path;

    if (!session->envelope.has_sender || session->in_chunks) {
        return smtp_reply(session, "503 5.5.1 MAIL comes first");
    }
    if (session->envelope.recipient_count >= session->options->recipients_max) {
        return smtp_reply(session, "452 4.5.3 too many recipients");
    }
    if (smtp_command_take_keyword(&argument, SLICE("TO:")) != STATUS_OK) {
        return smtp_reply(session, "501 5.5.4 RCPT TO:<address>");
    }
    if (address_parse_path(&argument, ADDRESS_PATH_FORWARD, &path) != STATUS_OK) {
        return smtp_reply(session, "501 5.1.3 malformed recipient");
    }
    enum status status = refuse_any_parameter(argument);

    if (status != STATUS_OK) {
        return refuse_parameters(session, status);
    }
    if (path.is_utf8 && !session->envelope.parameters.is_utf8) {
        return smtp_reply(session, "553 5.6.7 say SMTPUTF8 to use such an address");
    }
    if (read_recipient(session, path.mailbox) != STATUS_OK) {
        return smtp_reply(session, "501 5.1.3 malformed recipient");
    }
    directory_resolve(session->options->router, &session->directory, buffer_view(&session->pending),
                      on_resolved);
    return SESSION_WAITS;
}

/* ---- The accounts behind a recipient ---- */

static size_t *grow_account_of(struct smtp_envelope *envelope)
{
    if (envelope->account_of_count == envelope->account_of_capacity) {
        envelope->account_of_capacity = envelope->account_of_capacity * 2 + 4;
        envelope->account_of = memory_resized(
            envelope->account_of, envelope->account_of_capacity * sizeof(*envelope->account_of));
    }
    return &envelope->account_of[envelope->account_of_count++];
}

/* The index of an account of the envelope, added when it is new. ACCOUNTS_MAX makes looking through
 * them affordable. */
static size_t index_of(struct smtp_envelope *envelope, const struct resolved_account *account)
{
    for (size_t i = 0; i < envelope->account_count; i++) {
        if (envelope->accounts[i].place.account == account->account &&
            envelope->accounts[i].place.shard == account->shard) {
            return i;
        }
    }
    if (envelope->account_count == envelope->account_capacity) {
        envelope->account_capacity = envelope->account_capacity * 2 + 4;
        envelope->accounts = memory_resized(envelope->accounts, envelope->account_capacity *
                                                                    sizeof(*envelope->accounts));
    }
    envelope->accounts[envelope->account_count] = (struct smtp_account){
        .place = {account->shard, account->account},
        .address = arena_copy(&envelope->arena, account->address),
    };
    return envelope->account_count++;
}

static void add_account(struct smtp_envelope *envelope, const struct resolved_account *account,
                        bool of_group)
{
    size_t index = index_of(envelope, account);

    envelope->accounts[index].of_group |= of_group;
    *grow_account_of(envelope) = index;
}

/* Whether a message of the announced size fits. */
static enum status account_status(const struct smtp_session *session,
                                  const struct resolved_account *account)
{
    uint64_t size = session->envelope.parameters.size;

    if (account->suspended) {
        return STATUS_SUSPENDED;
    }
    if (account->quota_octets > 0 && size > account->quota_octets) {
        return STATUS_TOO_LARGE;
    }
    return account->over_quota || (account->quota_octets > 0 &&
                                   account->used_octets + size > account->quota_octets)
               ? STATUS_OVER_QUOTA
               : STATUS_OK;
}

/* A neighbour that passes on what others send makes no mistake by asking for an unknown user; from
 * elsewhere it is how addresses are guessed. */
static enum session_next refuse_recipient(struct smtp_session *session, const char *text)
{
    if (session->options->service != SMTP_LMTP) {
        return smtp_reply(session, text);
    }
    smtp_say(session, text);
    return SESSION_READS;
}

/* OK when the message fits one of them at least. */
static enum status group_status(const struct smtp_session *session,
                                const struct resolution *resolution)
{
    enum status refusal = STATUS_NOT_FOUND;

    for (size_t i = 0; i < resolution->account_count && refusal != STATUS_OK; i++) {
        refusal = account_status(session, &resolution->accounts[i]);
    }
    return refusal;
}

/* A group has one answer for all. When the message fits somewhere, everybody in use gets it, over
 * the quota too: who was left out would never hear of a message that was acknowledged. */
static enum session_next take_accounts(struct smtp_session *session,
                                       const struct resolution *resolution)
{
    struct smtp_envelope *envelope = &session->envelope;
    size_t first = envelope->account_of_count;
    enum status refusal = group_status(session, resolution);

    if (refusal != STATUS_OK) {
        return refuse_recipient(session, smtp_status_text(refusal));
    }
    if (first > 0 && first + resolution->account_count > ACCOUNTS_MAX) {
        return smtp_reply(session, "452 4.5.3 too many recipients");
    }
    for (size_t i = 0; i < resolution->account_count; i++) {
        if (!resolution->accounts[i].suspended) {
            add_account(envelope, &resolution->accounts[i], resolution->account_count > 1);
        }
    }
    struct smtp_recipient *recipient = ARENA_NEW(&envelope->arena, struct smtp_recipient);

    *recipient = (struct smtp_recipient){
        .address = arena_copy(&envelope->arena, buffer_view(&session->pending)),
        .first_account = first,
        .account_count = envelope->account_of_count - first,
        .next = envelope->recipients,
    };
    envelope->recipients = recipient;
    envelope->recipient_count++;
    return smtp_reply(session, "250 2.1.5 recipient taken");
}

static void on_resolved(struct directory_call *call, enum status status,
                        const struct resolution *resolution)
{
    struct smtp_session *session = CONTAINER_OF(call, struct smtp_session, directory);
    bool from_user = session->options->service == SMTP_SUBMISSION;

    if (status != STATUS_OK) {
        smtp_wake(session, smtp_reply(session, "451 4.3.0 try again later"));
        return;
    }
    switch (resolution->outcome) {
    case RESOLUTION_ACCOUNTS:
        smtp_wake(session, take_accounts(session, resolution));
        return;
    case RESOLUTION_FOREIGN_DOMAIN:
        smtp_wake(session, smtp_reply(session, from_user ? "554 5.7.1 mail to elsewhere is not "
                                                           "sent from here yet"
                                                         : "550 5.7.1 relaying is not allowed"));
        return;
    case RESOLUTION_LOOP:
        smtp_wake(session, smtp_reply(session, "550 5.4.6 the address leads back to itself"));
        return;
    default:
        smtp_wake(session, refuse_recipient(session, "550 5.1.1 no such user here"));
    }
}
