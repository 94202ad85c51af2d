#include "frontend/imap/imap_view.h"

#include "core/memory.h"

enum { NAME_KEPT_MAX = 16 * 1024 };

struct imap_view *imap_view_new(struct slice name, const struct mailbox_opening *opening,
                                bool is_read_only)
{
    struct imap_view *view = NEW(struct imap_view);

    view->mailbox = opening->record.mailbox;
    view->uid_validity = opening->record.uid_validity;
    view->is_read_only = is_read_only;
    view->uids = uid_set_copy(opening->uids);
    view->numbered = NEW(struct imap_numbered_run);
    view->vanished = uid_set_new();
    view->recent = uid_set_new();
    view->modseq = opening->record.modseq;
    view->uid_next = opening->record.uid_next;
    view->keyword_count = opening->record.keyword_count;
    buffer_init(&view->name, NAME_KEPT_MAX);
    buffer_append(&view->name, slice_prefix(name, NAME_KEPT_MAX));
    return view;
}

void imap_view_free(struct imap_view *view)
{
    if (view == NULL) {
        return;
    }
    uid_set_free(view->uids);
    memory_free(view->numbered);
    uid_set_free(view->vanished);
    uid_set_free(view->recent);
    buffer_done(&view->name);
    memory_free(view);
}

uint32_t imap_view_count(const struct imap_view *view)
{
    return uid_set_count(view->uids);
}

uint32_t imap_view_number(const struct imap_view *view, uint32_t uid)
{
    struct imap_numbered_run *run = view->numbered;
    struct imap_numbered_run next;

    if (uid >= run->first && uid <= run->last) {
        return run->number + (uid - run->first);
    }
    if (!uid_set_contains(view->uids, uid)) {
        return 0;
    }
    bool follows = run->last > 0 && uid > run->last &&
                   uid_set_run(view->uids, run->last + 1, &next.first, &next.last) &&
                   uid >= next.first && uid <= next.last;

    if (follows) {
        next.number = run->number + (run->last - run->first) + 1;
    } else {
        (void)uid_set_run(view->uids, uid, &next.first, &next.last);
        next.number = uid_set_rank(view->uids, uid);
    }
    *run = next;
    return run->number + (uid - run->first);
}

static void forget_numbers(struct imap_view *view)
{
    *view->numbered = (struct imap_numbered_run){0};
}

bool imap_view_is_recent(const struct imap_view *view, uint32_t uid)
{
    return uid_set_contains(view->recent, uid);
}

uint32_t imap_view_recent_count(const struct imap_view *view)
{
    return uid_set_count(view->recent);
}

void imap_view_claim(struct imap_view *view, uint32_t from, uint32_t to)
{
    struct uid_set *claimed = uid_set_new();

    if (from < to) {
        uid_set_add_range(claimed, from, to - 1);
        uid_set_intersect(claimed, view->uids);
        uid_set_unite(view->recent, claimed);
    }
    uid_set_free(claimed);
}

void imap_view_note_vanished(struct imap_view *view, const struct uid_set *uids)
{
    struct uid_set *gone = uid_set_copy(uids);

    uid_set_intersect(gone, view->uids);
    uid_set_unite(view->vanished, gone);
    uid_set_free(gone);
}

void imap_view_forget_vanished(struct imap_view *view)
{
    forget_numbers(view);
    uid_set_subtract(view->uids, view->vanished);
    uid_set_subtract(view->recent, view->vanished);
    uid_set_free(view->vanished);
    view->vanished = uid_set_new();
}

bool imap_view_add(struct imap_view *view, uint32_t uid)
{
    if (uid_set_contains(view->uids, uid)) {
        return false;
    }
    forget_numbers(view);
    uid_set_add(view->uids, uid);
    view->uid_next = uid >= view->uid_next ? uid + 1 : view->uid_next;
    return true;
}

void imap_view_wrote(struct imap_view *view, uint64_t modseq)
{
    if (modseq == view->modseq + 1) {
        view->modseq = modseq;
    } else if (modseq > view->modseq) {
        view->is_dirty = true;
    }
}
