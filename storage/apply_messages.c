#include "storage/apply_messages.h"

#include "proto/mailbox.pb-c.h"
#include "router/mailbox_client.h"
#include "storage/apply_reply.h"

enum { RUN_BY_KEY_MAX = 4 }; /* shorter runs are read key by key */

/* ---- The walk ---- */

struct walk {
    struct apply *apply;
    uint64_t account;
    uint32_t mailbox;
    message_visit_fn *visit;
    void *context;
};

static enum status walk_keys(const struct walk *walk, struct uid_run run)
{
    for (uint64_t uid = run.first; uid <= run.last; uid++) {
        struct uid_row row;
        enum status status =
            state_get_uid(walk->apply, walk->account, walk->mailbox, (uint32_t)uid, &row);

        if (status == STATUS_OK) {
            status = walk->visit(walk->context, (uint32_t)uid, &row);
        }
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status walk_range(const struct walk *walk, struct uid_run run)
{
    struct apply *apply = walk->apply;
    struct overlay_iterator iterator;
    struct key low;
    struct key high;
    struct key last;
    struct slice key;
    struct slice value;
    struct uid_row row;
    struct slice end = key_uid(&last, apply->shard, walk->account, walk->mailbox, run.last);
    enum status status;

    overlay_iterate(&apply->overlay,
                    key_uid(&low, apply->shard, walk->account, walk->mailbox, run.first),
                    key_after(&high, end), &iterator);
    while ((status = overlay_next(&iterator, &key, &value)) == STATUS_OK) {
        uint32_t uid = key_part_uid(key);

        status = uid_row_decode(value, &row);
        if (status == STATUS_OK) {
            status = walk->visit(walk->context, uid, &row);
        }
        if (status != STATUS_OK) {
            break;
        }
    }
    overlay_iterator_done(&iterator);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status messages_walk(struct apply *apply, uint64_t account, uint32_t mailbox,
                          const struct uid_runs *uids, message_visit_fn *visit, void *context)
{
    struct walk walk = {apply, account, mailbox, visit, context};
    enum status status = STATUS_OK;

    for (size_t index = 0; index < uids->count && status == STATUS_OK; index++) {
        struct uid_run run = uids->runs[index];

        status =
            run.last - run.first < RUN_BY_KEY_MAX ? walk_keys(&walk, run) : walk_range(&walk, run);
    }
    return status;
}

/* ---- Expunge ---- */

struct expunge {
    struct account_edit edit;
    struct mailbox_edit *mailbox;
    bool undeleted;
};

static enum status expunge_one(void *context, uint32_t uid, const struct uid_row *row)
{
    struct expunge *expunge = context;

    if (!expunge->undeleted && (row->flags & FLAG_DELETED) == 0) {
        return STATUS_OK;
    }
    edit_remove_message(&expunge->edit, expunge->mailbox, uid, row);
    return email_refer(expunge->edit.apply, expunge->edit.id, row->email, -1);
}

enum status apply_expunge(struct apply *apply, const struct apply_request *given,
                          struct slice *out_reply)
{
    const Aviso__ExpungeRequest *request = given->message;
    Aviso__ExpungeReply reply = AVISO__EXPUNGE_REPLY__INIT;
    struct expunge expunge = {.undeleted = request->undeleted};
    struct uid_runs uids;
    enum status status =
        uid_runs_decode(slice_from_wire(request->uids), UIDS_MAX, &apply->step, &uids);

    if (status == STATUS_OK) {
        status = edit_begin(apply, request->account, &expunge.edit);
    }
    if (status == STATUS_OK) {
        status = edit_mailbox(&expunge.edit, request->mailbox, &expunge.mailbox);
    }
    if (status == STATUS_OK) {
        status = messages_walk(apply, expunge.edit.id, expunge.mailbox->id, &uids, expunge_one,
                               &expunge);
    }
    if (status == STATUS_OK && expunge.mailbox->vanished.count > 0) {
        status = edit_end(&expunge.edit);
    }
    if (status == STATUS_OK) {
        reply.vanished = wire_from_slice(uid_runs_encode(&expunge.mailbox->vanished, &apply->step));
        reply.modseq = expunge.edit.row.modseq;
        *out_reply = apply_pack(apply, &reply.base);
    }
    return status;
}

/* ---- CopyMessages ---- */

struct copy {
    struct account_edit edit;
    struct mailbox_edit *source;
    struct mailbox_edit *target;
    bool move;
    uint64_t octets; /* of what is to be copied */
    uint64_t messages;
    struct uid_runs source_uids;
    struct uid_runs target_uids;
};

static enum status measure_one(void *context, uint32_t uid, const struct uid_row *row)
{
    struct copy *copy = context;

    copy->octets += row->size_octets;
    copy->messages++;
    return STATUS_OK;
}

/* Keywords have their places in the list of each mailbox. */
static enum status translate_keywords(struct copy *copy, const struct uid_row *row,
                                      struct uid_row *out_row)
{
    bool places[MAILBOX_KEYWORDS_MAX] = {false};
    uint8_t place;

    for (size_t index = 0; index < row->keyword_count; index++) {
        if (row->keywords[index] >= copy->source->row.keyword_count) {
            return STATUS_CORRUPT;
        }
        enum status status = edit_keyword(&copy->edit, copy->target,
                                          copy->source->row.keywords[row->keywords[index]], &place);

        if (status != STATUS_OK) {
            return status;
        }
        places[place] = true;
    }
    out_row->keyword_count = 0;
    for (size_t index = 0; index < MAILBOX_KEYWORDS_MAX; index++) {
        if (places[index]) {
            out_row->keywords[out_row->keyword_count++] = (uint8_t)index;
        }
    }
    return STATUS_OK;
}

static enum status copy_one(void *context, uint32_t uid, const struct uid_row *row)
{
    struct copy *copy = context;
    struct uid_row copied = *row;
    uint32_t target_uid;
    enum status status = translate_keywords(copy, row, &copied);

    copied.saved_ms = copy->edit.apply->now_ms;
    if (status == STATUS_OK && copy->move) {
        edit_remove_message(&copy->edit, copy->source, uid, row);
    } else if (status == STATUS_OK) {
        status = email_refer(copy->edit.apply, copy->edit.id, row->email, 1);
    }
    if (status == STATUS_OK) {
        status = edit_add_message(&copy->edit, copy->target, &copied, &target_uid);
    }
    if (status == STATUS_OK) {
        uid_runs_add(&copy->source_uids, uid);
        uid_runs_add(&copy->target_uids, target_uid);
    }
    return status;
}

static enum status check_quota(const struct copy *copy)
{
    const struct account_row *row = &copy->edit.row;
    bool is_over = (row->quota_octets != 0 && copy->octets > 0 &&
                    row->used_octets + copy->octets > row->quota_octets) ||
                   (row->quota_messages != 0 && copy->messages > 0 &&
                    row->used_messages + copy->messages > row->quota_messages);

    return is_over && !copy->move ? STATUS_OVER_QUOTA : STATUS_OK;
}

static enum status begin_copy(struct apply *apply, const Aviso__CopyMessagesRequest *request,
                              struct copy *out_copy)
{
    enum status status = edit_begin(apply, request->account, &out_copy->edit);

    if (status == STATUS_OK) {
        status = edit_mailbox(&out_copy->edit, request->mailbox, &out_copy->source);
    }
    if (status == STATUS_OK) {
        status = edit_mailbox(&out_copy->edit, request->to_mailbox, &out_copy->target);
    }
    uid_runs_init(&out_copy->source_uids, &apply->step);
    uid_runs_init(&out_copy->target_uids, &apply->step);
    return status;
}

enum status apply_copy_messages(struct apply *apply, const struct apply_request *given,
                                struct slice *out_reply)
{
    const Aviso__CopyMessagesRequest *request = given->message;
    Aviso__CopyMessagesReply reply = AVISO__COPY_MESSAGES_REPLY__INIT;
    struct copy copy = {.move = request->move};
    struct uid_runs uids;
    enum status status =
        uid_runs_decode(slice_from_wire(request->uids), UIDS_MAX, &apply->step, &uids);

    if (status == STATUS_OK) {
        status = begin_copy(apply, request, &copy);
    }
    if (status == STATUS_OK && !copy.move) {
        status = messages_walk(apply, copy.edit.id, copy.source->id, &uids, measure_one, &copy);
    }
    if (status == STATUS_OK) {
        status = check_quota(&copy);
    }
    if (status == STATUS_OK) {
        status = messages_walk(apply, copy.edit.id, copy.source->id, &uids, copy_one, &copy);
    }
    if (status == STATUS_OK && copy.source_uids.count > 0) {
        status = edit_end(&copy.edit);
    }
    if (status == STATUS_OK) {
        reply.uid_validity = copy.target->row.uid_validity;
        reply.source_uids = wire_from_slice(uid_runs_encode(&copy.source_uids, &apply->step));
        reply.target_uids = wire_from_slice(uid_runs_encode(&copy.target_uids, &apply->step));
        reply.modseq = copy.edit.row.modseq;
        *out_reply = apply_pack(apply, &reply.base);
    }
    return status;
}
