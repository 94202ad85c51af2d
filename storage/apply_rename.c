/* RENAME (RFC 3501 §6.3.5): names change, mailboxes keep their ids and messages. */
#include <string.h>

#include "proto/mailbox.pb-c.h"
#include "storage/apply_reply.h"

/* A name below the one that is renamed. */
struct child {
    struct slice name;
    struct name_row row;
};

struct rename {
    struct account_edit edit;
    struct slice name;
    struct slice new_name;
    struct child *children; /* all names below `name` */
    size_t child_count;
};

/* name + "/" in the arena. */
static struct slice below(struct apply *apply, struct slice name)
{
    char *octets = arena_zeroed(&apply->step, name.size + 1);

    memcpy(octets, name.data, name.size);
    octets[name.size] = '/';
    return (struct slice){octets, name.size + 1};
}

/* Calls for all names below `name`; ends early on a failure. */
static enum status gather_below(struct account_edit *edit, struct slice name,
                                struct child *out_children, size_t *out_count)
{
    struct apply *apply = edit->apply;
    struct slice prefix = below(apply, name);
    struct overlay_iterator iterator;
    struct key low;
    struct key high;
    struct slice from = key_name(&low, apply->shard, edit->id, prefix);
    struct slice key;
    struct slice value;
    size_t count = 0;
    enum status status;

    overlay_iterate(&apply->overlay, from, key_after(&high, from), &iterator);
    while ((status = overlay_next(&iterator, &key, &value)) == STATUS_OK && count < MAILBOXES_MAX) {
        struct child *child = &out_children[count];

        child->name = arena_copy(&apply->step, key_part_name(key));
        status = name_row_decode(value, &child->row);
        if (status != STATUS_OK) {
            break;
        }
        count++;
    }
    overlay_iterator_done(&iterator);
    *out_count = count;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* EXISTS: the new name, or one below it, is a mailbox. */
static enum status check_target(struct rename *rename)
{
    struct account_edit *edit = &rename->edit;
    struct child *children = arena_array(&edit->apply->step, MAILBOXES_MAX, sizeof(*children));
    struct name_row row = {0};
    size_t count = 0;
    enum status status = state_get_name(edit->apply, edit->id, rename->new_name, &row);

    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        status = row.mailbox != 0 ? STATUS_EXISTS
                                  : gather_below(edit, rename->new_name, children, &count);
    }
    for (size_t index = 0; index < count && status == STATUS_OK; index++) {
        if (children[index].row.mailbox != 0) {
            status = STATUS_EXISTS;
        }
    }
    return status;
}

/* Gives the mailbox of `row`, which was called `name`, the name `new_name`; its subscription goes
 * with it. */
static enum status move_name(struct account_edit *edit, struct slice name, struct name_row row,
                             struct slice new_name)
{
    struct apply *apply = edit->apply;
    struct name_row present = {0};
    struct mailbox_edit *mailbox;
    struct key key;
    enum status status = state_get_name(apply, edit->id, new_name, &present);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    if (status == STATUS_OK) {
        edit->row.name_count--; /* two names become one */
    }
    row.subscribed = row.subscribed || present.subscribed;
    state_delete(apply, key_name(&key, apply->shard, edit->id, name));
    state_put_name(apply, edit->id, new_name, &row);
    if (row.mailbox == 0) {
        return STATUS_OK;
    }
    status = edit_mailbox(edit, row.mailbox, &mailbox);
    if (status == STATUS_OK) {
        mailbox->row.name = new_name;
        mailbox->is_dirty = true;
    }
    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}

static enum status move_children(struct rename *rename)
{
    struct apply *apply = rename->edit.apply;
    enum status status = STATUS_OK;

    for (size_t index = 0; index < rename->child_count && status == STATUS_OK; index++) {
        const struct child *child = &rename->children[index];
        struct slice rest = slice_skip(child->name, rename->name.size);
        char *octets = arena_zeroed(&apply->step, rename->new_name.size + rest.size);
        struct slice new_name = {octets, rename->new_name.size + rest.size};

        memcpy(octets, rename->new_name.data, rename->new_name.size);
        memcpy(octets + rename->new_name.size, rest.data, rest.size);
        status = mailbox_name_check(new_name);
        if (status == STATUS_OK) {
            status = move_name(&rename->edit, child->name, child->row, new_name);
        }
    }
    return status;
}

/* INBOX becomes the new mailbox, with its messages, UIDs and UIDVALIDITY, and an empty INBOX takes
 * its place: one small step however many messages there are. What is below INBOX stays. */
static enum status move_inbox(struct rename *rename, struct name_row row)
{
    struct account_edit *edit = &rename->edit;
    struct name_row moved = {.mailbox = row.mailbox};
    struct mailbox_edit *inbox;
    enum status status = move_name(edit, rename->name, moved, rename->new_name);

    if (status == STATUS_OK) {
        edit->row.name_count--; /* create counts it again */
        status = edit_create_mailbox(edit, rename->name, (struct slice){0}, row.subscribed, &inbox);
    }
    if (status == STATUS_OK) {
        edit->row.name_count++;
    }
    return status;
}

static enum status move_tree(struct rename *rename, struct name_row row)
{
    struct account_edit *edit = &rename->edit;

    rename->children = arena_array(&edit->apply->step, MAILBOXES_MAX, sizeof(struct child));
    enum status status = gather_below(edit, rename->name, rename->children, &rename->child_count);

    if (status == STATUS_OK) {
        status = move_name(edit, rename->name, row, rename->new_name);
    }
    return status == STATUS_OK ? move_children(rename) : status;
}

static enum status check_names(struct rename *rename)
{
    enum status status = mailbox_name_check(rename->name);

    if (status == STATUS_OK) {
        status = mailbox_name_check(rename->new_name);
    }
    return status;
}

enum status apply_rename_mailbox(struct apply *apply, const struct apply_request *given,
                                 struct slice *out_reply)
{
    const Aviso__RenameMailboxRequest *request = given->message;
    Aviso__RenameMailboxReply reply = AVISO__RENAME_MAILBOX_REPLY__INIT;
    struct rename rename = {
        .name = mailbox_name_canonical(slice_from_wire(request->name)),
        .new_name = mailbox_name_canonical(slice_from_wire(request->new_name)),
    };
    bool is_inbox = slice_equals(rename.name, SLICE("INBOX"));
    struct name_row row;
    enum status status = check_names(&rename);

    if (status == STATUS_OK) {
        status = edit_begin(apply, request->account, &rename.edit);
    }
    if (status == STATUS_OK) {
        status = state_get_name(apply, rename.edit.id, rename.name, &row);
    }
    if (status == STATUS_OK && row.mailbox == 0) {
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK && !is_inbox &&
        slice_starts_with(rename.new_name, below(apply, rename.name))) {
        status = STATUS_DENIED;
    }
    if (status == STATUS_OK) {
        status = check_target(&rename);
    }
    if (status == STATUS_OK) {
        status = edit_create_parents(&rename.edit, rename.new_name);
    }
    if (status == STATUS_OK) {
        status = is_inbox ? move_inbox(&rename, row) : move_tree(&rename, row);
    }
    if (status != STATUS_OK) {
        return status;
    }
    rename.edit.mailbox_list = true;
    status = edit_end(&rename.edit);
    if (status == STATUS_OK) {
        *out_reply = apply_pack(apply, &reply.base);
    }
    return status;
}
