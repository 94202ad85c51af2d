/* A whole message: checked, made ready, committed, and only then acknowledged. */
#include <inttypes.h>

#include "core/clock.h"
#include "core/macros.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "frontend/smtp/smtp_state.h"
#include "frontend/smtp/smtp_trace.h"

METRIC_COUNTER(accepted, "aviso_smtp_messages_accepted_total", "", "Messages acknowledged.");
METRIC_COUNTER(refused, "aviso_smtp_messages_refused_total", "",
               "Messages refused after their data.");
METRIC_HISTOGRAM(took, "aviso_smtp_commit_seconds", "",
                 "From the end of the data to its acknowledgement.");

static void on_ingested(struct ingest *ingest, enum status status, struct ingested *ingested);
static delivery_done_fn on_delivered;

/* ---- Answers: one for the message, or with LMTP one for each recipient in its order ---- */

static struct smtp_recipient *in_order(struct smtp_recipient *latest_first)
{
    struct smtp_recipient *first = NULL;

    while (latest_first != NULL) {
        struct smtp_recipient *next = latest_first->next;

        latest_first->next = first;
        first = latest_first;
        latest_first = next;
    }
    return first;
}

/* The whole message gets `text`, whatever the service. With LMTP each recipient gets an answer and
 * none counts as an error: a session that ended among them would leave recipients who have the
 * message without their 250, and the neighbour would send it to them again. */
static enum session_next answer_all(struct smtp_session *session, const char *text)
{
    size_t count = session->envelope.recipient_count;

    metric_add(text[0] == '2' ? &accepted : &refused, 1);
    smtp_reset(session);
    if (session->options->service != SMTP_LMTP) {
        return smtp_reply(session, text);
    }
    for (size_t i = 0; i < count; i++) {
        smtp_say(session, text);
    }
    return SESSION_READS;
}

/* Worst first, so that the whole is as bad as its worst part; what may pass is worse than what
 * may not, since trying again may store it. */
static unsigned badness(enum status status)
{
    return status == STATUS_OK ? 0 : smtp_status_text(status)[0] == '5' ? 1 : 2;
}

/* Whether an account has left the group that it was of at RCPT: suspended or removed since. */
static bool has_left(enum status status)
{
    return status == STATUS_SUSPENDED || status == STATUS_NOT_FOUND;
}

/* Who has left counts only when nobody is left. */
static enum status recipient_status(const struct smtp_envelope *envelope,
                                    const struct smtp_recipient *recipient)
{
    enum status worst = STATUS_OK;
    enum status left = STATUS_OK;
    size_t left_count = 0;

    for (size_t i = 0; i < recipient->account_count; i++) {
        size_t index = envelope->account_of[recipient->first_account + i];
        enum status status = envelope->accounts[index].outcome.status;

        if (has_left(status)) {
            left = status;
            left_count++;
        } else if (badness(status) > badness(worst)) {
            worst = status;
        }
    }
    return left_count == recipient->account_count ? left : worst;
}

static enum session_next answer_delivery(struct smtp_session *session)
{
    struct smtp_envelope *envelope = &session->envelope;
    enum status worst = STATUS_OK;

    struct smtp_recipient *recipient = in_order(envelope->recipients);

    envelope->recipients = recipient;
    if (session->options->service != SMTP_LMTP) {
        for (; recipient != NULL; recipient = recipient->next) {
            enum status status = recipient_status(envelope, recipient);

            worst = badness(status) > badness(worst) ? status : worst;
        }
        return answer_all(session, smtp_status_text(worst));
    }
    for (; recipient != NULL; recipient = recipient->next) {
        enum status status = recipient_status(envelope, recipient);

        metric_add(status == STATUS_OK ? &accepted : &refused, 1);
        smtp_say(session, smtp_status_text(status));
    }
    smtp_reset(session);
    return SESSION_READS;
}

/* ---- The steps ---- */

static const char *refusal(enum status data_status)
{
    return data_status == STATUS_INVALID ? "554 5.6.0 a line ends in CRLF and nothing else"
                                         : smtp_status_text(data_status);
}

enum session_next smtp_accept(struct smtp_session *session)
{
    struct slice message = {0};

    if (session->data_status == STATUS_OK) {
        session->data_status = spool_view(&session->spool, &message);
    }
    if (session->data_status == STATUS_OK && session->in_chunks &&
        !session->envelope.parameters.is_binary && smtp_trace_has_bare_line_end(message)) {
        session->data_status = STATUS_INVALID;
    }
    if (session->data_status != STATUS_OK) {
        return answer_all(session, refusal(session->data_status));
    }
    /* The first Received field is our own. */
    if (smtp_trace_hops(message) > session->options->hops_max + 1) {
        return answer_all(session, "554 5.4.6 too many hops: the message goes in a circle");
    }
    session->began_us = clock_monotonic_us();
    if (session->options->service == SMTP_SUBMISSION) {
        enum status status = smtp_trace_complete(session, &message);

        if (status != STATUS_OK) {
            return answer_all(session, smtp_status_text(status));
        }
    }
    ingest_start(session->options->router, &session->ingest, message, on_ingested);
    return SESSION_WAITS;
}

/* The lines that belong to one account: RFC 5321 §4.4 for Return-Path. */
static void append_prefix(struct smtp_session *session, const struct smtp_account *account)
{
    buffer_printf(&session->prefixes, "Return-Path: <%.*s>\r\nDelivered-To: %.*s\r\n",
                  (int)session->envelope.sender.size, session->envelope.sender.data,
                  (int)account->address.size, account->address.data);
}

/* The prefixes of all accounts, one after the other; returns the end of each. */
static const size_t *append_prefixes(struct smtp_session *session)
{
    struct smtp_envelope *envelope = &session->envelope;
    size_t *ends = arena_array(&envelope->arena, envelope->account_count, sizeof(*ends));

    for (size_t i = 0; i < envelope->account_count; i++) {
        append_prefix(session, &envelope->accounts[i]);
        ends[i] = session->prefixes.size;
    }
    return ends;
}

static void deliver(struct smtp_session *session, struct ingested *ingested)
{
    struct smtp_envelope *envelope = &session->envelope;
    struct delivery_recipient *recipients =
        arena_array(&envelope->arena, envelope->account_count, sizeof(*recipients));
    /* With several accounts and one answer, a quota that was full a moment ago must not turn
     * away a message that others already have: RCPT looked at it, and that decides. */
    bool over_quota_too = session->options->service != SMTP_LMTP && envelope->account_count > 1;
    struct delivery_order order = {
        .ingested = ingested,
        .received_ms = clock_wall_ms(),
        .recipients = recipients,
        .recipient_count = envelope->account_count,
        .may_hand_over = true,
    };

    const size_t *ends = append_prefixes(session);

    for (size_t i = 0, start = 0; i < envelope->account_count; start = ends[i++]) {
        recipients[i] = (struct delivery_recipient){
            .place = envelope->accounts[i].place,
            .over_quota_too = over_quota_too || envelope->accounts[i].of_group,
            .header_prefix = {session->prefixes.data + start, ends[i] - start},
        };
    }
    request_id_make(&order.id);
    delivery_send(session->options->router, &session->delivery, &order, on_delivered);
}

static void on_ingested(struct ingest *ingest, enum status status, struct ingested *ingested)
{
    struct smtp_session *session = CONTAINER_OF(ingest, struct smtp_session, ingest);

    if (status != STATUS_OK) {
        smtp_wake(session, answer_all(session, smtp_status_text(status)));
        return;
    }
    deliver(session, ingested);
    ingested_unref(ingested);
}

static void on_delivered(struct delivery *delivery, const struct delivery_outcome *outcomes)
{
    struct smtp_session *session = CONTAINER_OF(delivery, struct smtp_session, delivery);

    for (size_t i = 0; i < session->envelope.account_count; i++) {
        session->envelope.accounts[i].outcome = outcomes[i];
    }
    metric_observe_us(&took, clock_monotonic_us() - session->began_us);
    smtp_wake(session, answer_delivery(session));
}
