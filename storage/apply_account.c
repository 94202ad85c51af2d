/* Accounts: made, changed, removed. */
#include "proto/account.pb-c.h"
#include "storage/apply_reply.h"

enum {
    ADDRESS_SIZE_MAX = 512,
    CREDENTIAL_SIZE_MAX = 1024,
    NEW_MAILBOXES_MAX = 64,
};

/* ---- CreateAccount ---- */

static enum status check_new(const Aviso__CreateAccountRequest *request)
{
    if (request->address.len == 0) {
        return STATUS_INVALID;
    }
    if (request->address.len > ADDRESS_SIZE_MAX || request->credential.len > CREDENTIAL_SIZE_MAX ||
        request->n_mailboxes > NEW_MAILBOXES_MAX) {
        return STATUS_TOO_LARGE;
    }
    return STATUS_OK;
}

static enum status create_mailboxes(struct account_edit *edit,
                                    const Aviso__CreateAccountRequest *request)
{
    struct mailbox_edit *mailbox;
    enum status status =
        edit_create_mailbox(edit, SLICE("INBOX"), (struct slice){0}, true, &mailbox);

    for (size_t index = 0; index < request->n_mailboxes && status == STATUS_OK; index++) {
        const Aviso__NewMailbox *wanted = request->mailboxes[index];

        status = edit_create_mailbox(edit, mailbox_name_canonical(slice_from_wire(wanted->name)),
                                     slice_from_wire(wanted->special_use), true, &mailbox);
    }
    return status;
}

enum status apply_create_account(struct apply *apply, const struct apply_request *given,
                                 struct slice *out_reply)
{
    const Aviso__CreateAccountRequest *request = given->message;
    Aviso__CreateAccountReply reply = AVISO__CREATE_ACCOUNT_REPLY__INIT;
    struct account_edit edit;
    enum status status = check_new(request);

    if (status != STATUS_OK) {
        return status;
    }
    if (apply->step_meta.account_count + 1 >= UINT64_C(1) << ACCOUNT_ID_SHIFT) {
        return STATUS_TOO_LARGE;
    }
    reply.account = ((uint64_t)apply->shard << ACCOUNT_ID_SHIFT) | ++apply->step_meta.account_count;
    struct account_row row = {
        .address = slice_from_wire(request->address),
        .credential = slice_from_wire(request->credential),
        .quota_octets = request->quota_octets,
        .quota_messages = request->quota_messages,
        .created_ms = apply->now_ms,
        .log_trim_ms = apply->now_ms,
    };

    edit_begin_new(apply, reply.account, &row, &edit);
    edit.account_itself = true;
    status = create_mailboxes(&edit, request);
    if (status == STATUS_OK) {
        status = edit_end(&edit);
    }
    if (status == STATUS_OK) {
        *out_reply = apply_pack(apply, &reply.base);
    }
    return status;
}

/* ---- UpdateAccount ---- */

enum status apply_update_account(struct apply *apply, const struct apply_request *given,
                                 struct slice *out_reply)
{
    const Aviso__UpdateAccountRequest *request = given->message;
    Aviso__UpdateAccountReply reply = AVISO__UPDATE_ACCOUNT_REPLY__INIT;
    struct account_edit edit;
    enum status status = edit_begin(apply, request->account, &edit);

    if (status != STATUS_OK) {
        return status;
    }
    if (request->set_credential) {
        if (request->credential.len > CREDENTIAL_SIZE_MAX) {
            return STATUS_TOO_LARGE;
        }
        edit.row.credential = slice_from_wire(request->credential);
    }
    if (request->set_quota) {
        edit.row.quota_octets = request->quota_octets;
        edit.row.quota_messages = request->quota_messages;
    }
    if (request->set_suspended) {
        edit.row.suspended = request->suspended;
    }
    edit.account_itself = true;
    status = edit_end(&edit);
    if (status == STATUS_OK) {
        *out_reply = apply_pack(apply, &reply.base);
    }
    return status;
}

/* ---- RemoveAccount ---- */

enum status apply_remove_account(struct apply *apply, const struct apply_request *given,
                                 struct slice *out_reply)
{
    const Aviso__RemoveAccountRequest *request = given->message;
    Aviso__RemoveAccountReply reply = AVISO__REMOVE_ACCOUNT_REPLY__INIT;
    struct account_row row;
    struct key key;
    enum status status = state_get_account(apply, request->account, &row);

    if (status != STATUS_OK) {
        return status;
    }
    state_delete(apply, key_acct(&key, apply->shard, request->account));
    overlay_put(&apply->overlay, key_work(&key, apply->shard, request->account, 0), SLICE("\x01"));
    apply->step_meta.work_count++;
    state_changed(apply, &(struct apply_change){.account = request->account,
                                                .modseq = row.modseq + 1,
                                                .account_itself = true,
                                                .closed = true});
    state_uid_changed(apply, request->account, 0, 0, APPLY_MAILBOX_GONE, 0);
    *out_reply = apply_pack(apply, &reply.base);
    return STATUS_OK;
}
