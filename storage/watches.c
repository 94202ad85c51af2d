#include "storage/watches.h"

#include <string.h>

#include "core/memory.h"

enum { BUCKET_COUNT = 1024 };

struct watch {
    struct watch *next;
    struct watches *watches;
    uint64_t account;
    Aviso__WatchEvent_Closure send;
    struct rpc_request *call;

    /* What is to be told. */
    bool is_due;
    uint64_t modseq;
    bool mailbox_list;
    bool account_itself;
    bool closed;
    uint32_t *mailboxes;
    size_t mailbox_count;
    size_t mailbox_capacity;
};

struct watches {
    struct watch *buckets[BUCKET_COUNT];
    size_t count;
};

struct watches *watches_new(void)
{
    return NEW(struct watches);
}

static struct watch **bucket_of(struct watches *watches, uint64_t account)
{
    return &watches->buckets[(account * UINT64_C(0x9E3779B97F4A7C15) >> 32) % BUCKET_COUNT];
}

static void watch_free(struct watch *watch)
{
    struct watch **link = bucket_of(watch->watches, watch->account);

    while (*link != watch) {
        link = &(*link)->next;
    }
    *link = watch->next;
    watch->watches->count--;
    memory_free(watch->mailboxes);
    memory_free(watch);
}

void watches_end(struct watches *watches, enum status status)
{
    for (size_t index = 0; index < BUCKET_COUNT; index++) {
        while (watches->buckets[index] != NULL) {
            struct watch *watch = watches->buckets[index];

            rpc_fail(watch->call, status);
            watch_free(watch);
        }
    }
}

void watches_free(struct watches *watches)
{
    if (watches != NULL) {
        watches_end(watches, STATUS_UNAVAILABLE);
        memory_free(watches);
    }
}

/* Says what is due, if the client has room for it. */
static void tell(struct watch *watch)
{
    if (!watch->is_due || !rpc_stream_is_writable(watch->call)) {
        return;
    }
    Aviso__WatchEvent event = AVISO__WATCH_EVENT__INIT;

    event.modseq = watch->modseq;
    event.mailbox_list = watch->mailbox_list;
    event.account = watch->account_itself;
    event.closed = watch->closed;
    event.mailboxes = watch->mailboxes;
    event.n_mailboxes = watch->mailbox_count;
    watch->is_due = false;
    watch->mailbox_list = false;
    watch->account_itself = false;
    watch->mailbox_count = 0;
    watch->send(&event, watch->call);
}

static void on_end(struct rpc_request *call, void *context)
{
    watch_free(context);
}

static void on_writable(struct rpc_request *call, void *context)
{
    tell(context);
}

enum status watches_add(struct watches *watches, uint64_t account, uint64_t modseq, bool closed,
                        Aviso__WatchEvent_Closure send, struct rpc_request *call)
{
    if (watches->count >= WATCHES_MAX) {
        return STATUS_BUSY;
    }
    struct watch **bucket = bucket_of(watches, account);
    struct watch *watch = NEW(struct watch);

    *watch = (struct watch){
        .next = *bucket,
        .watches = watches,
        .account = account,
        .send = send,
        .call = call,
        .is_due = true,
        .modseq = modseq,
        .closed = closed,
    };
    *bucket = watch;
    watches->count++;
    rpc_stream_begin(call, on_end, on_writable, watch);
    tell(watch);
    return STATUS_OK;
}

static void note_mailbox(struct watch *watch, uint32_t mailbox)
{
    for (size_t index = 0; index < watch->mailbox_count; index++) {
        if (watch->mailboxes[index] == mailbox) {
            return;
        }
    }
    if (watch->mailbox_count == watch->mailbox_capacity) {
        watch->mailbox_capacity = watch->mailbox_capacity * 2 + 4;
        watch->mailboxes =
            memory_resized(watch->mailboxes, watch->mailbox_capacity * sizeof(uint32_t));
    }
    watch->mailboxes[watch->mailbox_count++] = mailbox;
}

static void note(struct watch *watch, const struct apply_change *change)
{
    watch->is_due = true;
    watch->modseq = change->modseq;
    watch->mailbox_list = watch->mailbox_list || change->mailbox_list;
    watch->account_itself = watch->account_itself || change->account_itself;
    watch->closed = change->closed;
    if (change->mailbox != 0) {
        note_mailbox(watch, change->mailbox);
    }
}

void watches_changed(void *context, const struct apply_change *change)
{
    struct watches *watches = context;
    struct watch *watch = *bucket_of(watches, change->account);

    while (watch != NULL) {
        struct watch *next = watch->next;

        if (watch->account == change->account) {
            note(watch, change);
            tell(watch);
        }
        watch = next;
    }
}
