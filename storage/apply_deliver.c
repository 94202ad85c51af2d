/* Deliver: one message into mailboxes of this shard, all recipients in one step, each with an
 * outcome of its own. */
#include "core/number.h"
#include "router/ingest.h"
#include "router/mailbox_client.h"
#include "storage/apply_parcel.h"
#include "storage/apply_reply.h"

enum {
    FLAGS_ALL = FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT,
    HEADER_PREFIX_SIZE_MAX = 64 * 1024,
};

/* ---- One recipient ---- */

struct recipient {
    const Aviso__DeliverRecipient *wanted;
    struct account_edit edit;
    struct mailbox_edit *mailbox;
    struct uid_row row;
};

static enum status check_recipient(const struct parcel *parcel, struct recipient *recipient)
{
    const Aviso__DeliverRecipient *wanted = recipient->wanted;
    const struct account_row *account = &recipient->edit.row;
    uint64_t header_size = parcel->request->header_size + wanted->header_prefix.len;
    uint64_t size = header_size + parcel->request->body_size;

    if (account->suspended && !wanted->suspended_too) {
        return STATUS_SUSPENDED;
    }
    if (wanted->n_keywords > KEYWORDS_MAX || wanted->header_prefix.len > HEADER_PREFIX_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    bool is_over =
        (account->quota_octets != 0 && account->used_octets + size > account->quota_octets) ||
        (account->quota_messages != 0 && account->used_messages + 1 > account->quota_messages);

    if (is_over && !wanted->over_quota_too) {
        return STATUS_OVER_QUOTA;
    }
    recipient->row = (struct uid_row){
        .flags = wanted->flags & FLAGS_ALL,
        .size_octets = size,
        .header_size = (uint32_t)header_size,
        .received_ms = parcel->request->received_ms,
        .received_zone = parcel->request->received_zone,
        .saved_ms = parcel->apply->now_ms,
    };
    return STATUS_OK;
}

static enum status find_mailbox(struct recipient *recipient)
{
    struct slice wanted = slice_from_wire(recipient->wanted->mailbox);
    struct slice name = wanted.size > 0 ? mailbox_name_canonical(wanted) : SLICE("INBOX");
    enum status status = mailbox_name_check(name);

    if (status == STATUS_OK) {
        status = edit_mailbox_of_name(&recipient->edit, name, &recipient->mailbox);
    }
    if (status == STATUS_NOT_FOUND && !recipient->wanted->must_exist) {
        status = edit_create_mailbox(&recipient->edit, name, (struct slice){0}, false,
                                     &recipient->mailbox);
    }
    return status;
}

static enum status place_keywords(struct recipient *recipient)
{
    bool places[MAILBOX_KEYWORDS_MAX] = {false};
    uint8_t place;

    for (size_t index = 0; index < recipient->wanted->n_keywords; index++) {
        enum status status =
            edit_keyword(&recipient->edit, recipient->mailbox,
                         slice_from_wire(recipient->wanted->keywords[index]), &place);

        if (status != STATUS_OK) {
            return status;
        }
        places[place] = true;
    }
    for (size_t index = 0; index < MAILBOX_KEYWORDS_MAX; index++) {
        if (places[index]) {
            recipient->row.keywords[recipient->row.keyword_count++] = (uint8_t)index;
        }
    }
    return STATUS_OK;
}

/* The rows of the email itself. */
static void put_email(const struct parcel *parcel, struct recipient *recipient,
                      uint32_t frame_count)
{
    struct apply *apply = parcel->apply;
    const Aviso__DeliverRequest *request = parcel->request;
    uint64_t account = recipient->edit.id;
    char *keys = arena_zeroed(&apply->step, request->n_thread_keys * 8 + 1);
    struct mail_row row = {
        .references = 1,
        .body_size = request->body_size,
        .frame_count = frame_count,
        .header_prefix = slice_from_wire(recipient->wanted->header_prefix),
        .digest = slice_from_wire(request->digest),
        .thread_keys = {keys, request->n_thread_keys * 8},
    };
    struct key key;

    for (size_t index = 0; index < parcel->body_id.size; index++) {
        row.body_id[index] = parcel->body_id.data[index];
    }
    for (size_t index = 0; index < request->n_thread_keys; index++) {
        number_put_u64(keys + index * 8, request->thread_keys[index]);
    }
    state_put_mail(apply, account, recipient->row.email, &row);
    overlay_put_borrowed(&apply->overlay,
                         key_head(&key, apply->shard, account, recipient->row.email),
                         parcel->header_frame);
}

static enum status put_message(const struct parcel *parcel, struct recipient *recipient,
                               Aviso__DeliverOutcome *outcome)
{
    struct apply *apply = parcel->apply;
    const Aviso__DeliverRequest *request = parcel->request;
    struct account_edit *edit = &recipient->edit;
    uint32_t frame_count = 0;
    enum status status = STATUS_OK;

    recipient->row.email = ++edit->row.email_last;
    if (parcel->body_id.size > 0) {
        status = body_ref(apply, parcel->body_id, request->body_size, &frame_count);
    }
    if (status == STATUS_OK) {
        status = email_join_thread(apply, edit->id, recipient->row.email, request->thread_keys,
                                   request->n_thread_keys, &recipient->row.thread);
    }
    if (status == STATUS_OK) {
        put_email(parcel, recipient, frame_count);
        status = edit_add_message(edit, recipient->mailbox, &recipient->row, &outcome->uid);
    }
    if (status == STATUS_OK) {
        status = edit_end(edit);
    }
    outcome->uid_validity = recipient->mailbox->row.uid_validity;
    outcome->email = recipient->row.email;
    outcome->modseq = edit->modseq;
    return status;
}

static enum status try_to_deliver(const struct parcel *parcel,
                                  const Aviso__DeliverRecipient *wanted,
                                  Aviso__DeliverOutcome *outcome)
{
    struct recipient recipient = {.wanted = wanted};
    enum status status = edit_begin(parcel->apply, wanted->account, &recipient.edit);

    if (status == STATUS_OK) {
        status = check_recipient(parcel, &recipient);
    }
    if (status == STATUS_OK) {
        status = find_mailbox(&recipient);
    }
    if (status == STATUS_OK) {
        status = place_keywords(&recipient);
    }
    return status == STATUS_OK ? put_message(parcel, &recipient, outcome) : status;
}

/* Whatever fails for one recipient takes back what was written for it, and no other. */
static enum status deliver_to(const struct parcel *parcel, const Aviso__DeliverRecipient *wanted,
                              Aviso__DeliverOutcome *outcome)
{
    struct apply *apply = parcel->apply;
    struct overlay_mark mark = overlay_mark(&apply->overlay);
    struct apply_event **events_end = apply->step_events.end;
    enum status status = try_to_deliver(parcel, wanted, outcome);

    if (status == STATUS_OK || apply_is_fatal(status)) {
        return status;
    }
    overlay_revert_to(&apply->overlay, mark);
    apply->step_events.end = events_end;
    *events_end = NULL;
    aviso__deliver_outcome__init(outcome);
    outcome->status = (uint32_t)status;
    return STATUS_OK;
}

/* ---- All ---- */

enum status apply_deliver(struct apply *apply, const struct apply_request *given,
                          struct slice *out_reply)
{
    const Aviso__DeliverRequest *request = given->message;
    Aviso__DeliverReply reply = AVISO__DELIVER_REPLY__INIT;
    struct parcel parcel;
    enum status status = parcel_open(apply, request, given->octets, &parcel);

    if (status == STATUS_OK) {
        status = parcel_lay_body(&parcel);
    }
    reply.n_outcomes = request->n_recipients;
    reply.outcomes = arena_array(&apply->step, request->n_recipients + 1, sizeof(*reply.outcomes));
    for (size_t index = 0; index < request->n_recipients && status == STATUS_OK; index++) {
        reply.outcomes[index] = ARENA_NEW(&apply->step, Aviso__DeliverOutcome);
        aviso__deliver_outcome__init(reply.outcomes[index]);
        status = deliver_to(&parcel, request->recipients[index], reply.outcomes[index]);
    }
    if (status == STATUS_OK && parcel.body_id.size > 0) {
        status = body_drop_unused(apply, parcel.body_id);
    }
    if (status == STATUS_OK) {
        *out_reply = apply_pack(apply, &reply.base);
    }
    return status;
}
