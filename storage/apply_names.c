/* Names of mailboxes, and the trees that they make. */
#include "storage/apply_edit.h"

struct slice mailbox_name_canonical(struct slice name)
{
    return slice_is(name, "INBOX") ? SLICE("INBOX") : name;
}

enum status mailbox_name_check(struct slice name)
{
    size_t depth = 1;

    if (name.size == 0 || name.data[0] == '/' || name.data[name.size - 1] == '/') {
        return STATUS_INVALID;
    }
    if (name.size > MAILBOX_NAME_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    for (size_t index = 0; index < name.size; index++) {
        bool is_separator = name.data[index] == '/';

        if (name.data[index] == '\0' || (is_separator && name.data[index - 1] == '/')) {
            return STATUS_INVALID;
        }
        depth += is_separator;
    }
    return depth > MAILBOX_DEPTH_MAX ? STATUS_TOO_LARGE : STATUS_OK;
}

/* Makes one mailbox, not those above it. */
static enum status create_one(struct account_edit *edit, struct slice name,
                              struct slice special_use, bool subscribe,
                              struct mailbox_edit **out_mailbox)
{
    struct name_row row = {0};
    enum status status = state_get_name(edit->apply, edit->id, name, &row);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    if (row.mailbox != 0) {
        return STATUS_EXISTS;
    }
    if (status == STATUS_NOT_FOUND) {
        if (edit->row.name_count >= MAILBOXES_MAX) {
            return STATUS_TOO_LARGE;
        }
        edit->row.name_count++;
    }
    if (edit->row.mailbox_last == UINT32_MAX) {
        return STATUS_TOO_LARGE;
    }
    *out_mailbox = edit_mailbox_new(edit, name, special_use);
    row.mailbox = (*out_mailbox)->id;
    row.subscribed = row.subscribed || subscribe;
    state_put_name(edit->apply, edit->id, name, &row);
    return STATUS_OK;
}

enum status edit_create_parents(struct account_edit *edit, struct slice name)
{
    struct mailbox_edit *parent;

    for (size_t size = 1; size < name.size; size++) {
        if (name.data[size] != '/') {
            continue;
        }
        enum status status = create_one(edit, mailbox_name_canonical(slice_prefix(name, size)),
                                        (struct slice){0}, false, &parent);

        if (status != STATUS_OK && status != STATUS_EXISTS) {
            return status;
        }
    }
    return STATUS_OK;
}

enum status edit_create_mailbox(struct account_edit *edit, struct slice name,
                                struct slice special_use, bool subscribe,
                                struct mailbox_edit **out_mailbox)
{
    enum status status = mailbox_name_check(name);

    if (status == STATUS_OK) {
        status = edit_create_parents(edit, name);
    }
    if (status == STATUS_OK) {
        status = create_one(edit, name, special_use, subscribe, out_mailbox);
    }
    return status;
}
