/* Mailboxes as a list: made, renamed, deleted, subscribed. */
#include "proto/mailbox.pb-c.h"
#include "storage/apply_reply.h"

static enum status end(struct account_edit *edit, const ProtobufCMessage *reply,
                       struct slice *out_reply)
{
    enum status status = edit_end(edit);

    if (status == STATUS_OK) {
        *out_reply = apply_pack(edit->apply, reply);
    }
    return status;
}

/* ---- CreateMailbox ---- */

enum status apply_create_mailbox(struct apply *apply, const struct apply_request *given,
                                 struct slice *out_reply)
{
    const Aviso__CreateMailboxRequest *request = given->message;
    Aviso__CreateMailboxReply reply = AVISO__CREATE_MAILBOX_REPLY__INIT;
    struct account_edit edit;
    struct mailbox_edit *mailbox;
    enum status status = edit_begin(apply, request->account, &edit);

    if (status == STATUS_OK) {
        status = edit_create_mailbox(&edit, mailbox_name_canonical(slice_from_wire(request->name)),
                                     slice_from_wire(request->special_use), request->subscribe,
                                     &mailbox);
    }
    if (status != STATUS_OK) {
        return status;
    }
    reply.mailbox = mailbox->id;
    reply.uid_validity = mailbox->row.uid_validity;
    return end(&edit, &reply.base, out_reply);
}

/* ---- DeleteMailbox ---- */

/* The name stays where it is subscribed (RFC 3501 §6.3.6). */
static void leave_name(struct account_edit *edit, struct slice name, bool subscribed)
{
    struct key key;

    if (subscribed) {
        state_put_name(edit->apply, edit->id, name, &(struct name_row){0, true});
        return;
    }
    state_delete(edit->apply, key_name(&key, edit->apply->shard, edit->id, name));
    edit->row.name_count--;
}

/* Takes the mailbox away at once, its messages in steps that follow. */
static void remove_mailbox(struct account_edit *edit, struct mailbox_edit *mailbox)
{
    struct apply *apply = edit->apply;
    struct key key;

    state_delete(apply, key_mbox(&key, apply->shard, edit->id, mailbox->id));
    edit->row.used_octets -= mailbox->row.size_octets;
    edit->row.used_messages -= mailbox->row.message_count;
    mailbox->is_gone = true;
    edit->mailbox_list = true;
    if (mailbox->row.message_count > 0) {
        overlay_put(&apply->overlay, key_work(&key, apply->shard, edit->id, mailbox->id),
                    SLICE("\x01"));
        apply->step_meta.work_count++;
    }
    state_uid_changed(apply, edit->id, mailbox->id, 0, APPLY_MAILBOX_GONE, 0);
}

enum status apply_delete_mailbox(struct apply *apply, const struct apply_request *given,
                                 struct slice *out_reply)
{
    const Aviso__DeleteMailboxRequest *request = given->message;
    Aviso__DeleteMailboxReply reply = AVISO__DELETE_MAILBOX_REPLY__INIT;
    struct slice name = mailbox_name_canonical(slice_from_wire(request->name));
    struct account_edit edit;
    struct mailbox_edit *mailbox;
    struct name_row row;
    enum status status = mailbox_name_check(name);

    if (status == STATUS_OK) {
        status = edit_begin(apply, request->account, &edit);
    }
    if (status == STATUS_OK) {
        status = edit_mailbox_of_name(&edit, name, &mailbox);
    }
    if (status == STATUS_OK) {
        status = state_get_name(apply, edit.id, name, &row);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (slice_equals(name, SLICE("INBOX"))) {
        return STATUS_DENIED;
    }
    leave_name(&edit, name, row.subscribed);
    remove_mailbox(&edit, mailbox);
    return end(&edit, &reply.base, out_reply);
}

/* ---- Subscribe ---- */

enum status apply_subscribe(struct apply *apply, const struct apply_request *given,
                            struct slice *out_reply)
{
    const Aviso__SubscribeRequest *request = given->message;
    Aviso__SubscribeReply reply = AVISO__SUBSCRIBE_REPLY__INIT;
    struct slice name = mailbox_name_canonical(slice_from_wire(request->name));
    struct account_edit edit;
    struct name_row row = {0};
    enum status status = mailbox_name_check(name);

    if (status == STATUS_OK) {
        status = edit_begin(apply, request->account, &edit);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = state_get_name(apply, edit.id, name, &row);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    if (row.subscribed == request->subscribed) {
        *out_reply = apply_pack(apply, &reply.base);
        return STATUS_OK;
    }
    if (status == STATUS_NOT_FOUND && edit.row.name_count++ >= MAILBOXES_MAX) {
        return STATUS_TOO_LARGE;
    }
    row.subscribed = request->subscribed;
    if (row.mailbox == 0 && !row.subscribed) {
        leave_name(&edit, name, false);
    } else {
        state_put_name(apply, edit.id, name, &row);
    }
    edit.mailbox_list = true;
    return end(&edit, &reply.base, out_reply);
}

/* ---- ClaimRecent ---- */

enum status apply_claim_recent(struct apply *apply, const struct apply_request *given,
                               struct slice *out_reply)
{
    const Aviso__ClaimRecentRequest *request = given->message;
    Aviso__ClaimRecentReply reply = AVISO__CLAIM_RECENT_REPLY__INIT;
    struct mailbox_row row;
    enum status status = state_get_mailbox(apply, request->account, request->mailbox, &row);

    if (status != STATUS_OK) {
        return status;
    }
    reply.recent_from = row.recent_from;
    reply.recent_to = row.uid_next;
    if (row.recent_from != row.uid_next) {
        row.recent_from = row.uid_next;
        row.recent_count = 0;
        state_put_mailbox(apply, request->account, request->mailbox, &row);
    }
    *out_reply = apply_pack(apply, &reply.base);
    return STATUS_OK;
}
