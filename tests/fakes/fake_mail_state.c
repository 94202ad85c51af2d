#include "tests/fakes/fake_mail_state.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "mail/mime.h"
#include "tests/fakes/fake_queue.h"

/* ---- The store ---- */

static void make_account(struct router *store, struct fake_account *account, uint64_t id)
{
    static const char *const names[] = {"INBOX", "Drafts", "Sent", "Trash", "Junk", "Archive"};

    account->id = id;
    account->modseq = 1;
    account->mailbox_id_next = 1;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct slice name = slice_of(names[i]);

        fake_mailbox_make(store, account, name, i == 0 ? SLICE("") : name)->subscribed = true;
    }
}

struct router *fake_mail_store_new(void)
{
    struct router *store = NEW(struct router);

    arena_init(&store->arena);
    store->email_id_next = 1;
    store->uid_validity_next = 1000;
    store->rows_max = 500;
    make_account(store, &store->accounts[0], FAKE_ANN);
    make_account(store, &store->accounts[1], FAKE_BOB);
    return store;
}

static void free_mailbox(struct fake_mailbox *mailbox)
{
    for (size_t i = 0; i < mailbox->message_count; i++) {
        fake_email_unref(mailbox->messages[i].email);
    }
    memory_free(mailbox->messages);
    memory_free(mailbox->vanished);
}

void fake_mail_store_free(struct router *store)
{
    fake_queue_clear();
    CHECK(store->watches == NULL);
    for (size_t i = 0; i < FAKE_ACCOUNTS; i++) {
        for (size_t j = 0; j < store->accounts[i].mailbox_count; j++) {
            free_mailbox(&store->accounts[i].mailboxes[j]);
        }
        memory_free(store->accounts[i].mailboxes);
    }
    arena_done(&store->arena);
    memory_free(store);
}

void fake_mail_store_fail(struct router *store, const char *kind, enum status status, size_t count)
{
    store->failure.kind = kind;
    store->failure.status = status;
    store->failure.count = count;
}

void fake_mail_store_set_rows_max(struct router *store, size_t rows_max)
{
    store->rows_max = rows_max;
}

void fake_mail_store_set_quota(struct router *store, uint64_t account, uint64_t message_count)
{
    fake_account_of(store, account)->quota_messages = message_count;
}

size_t fake_mail_store_count(const struct router *store, uint64_t account)
{
    return fake_account_count(&store->accounts[account - 1]);
}

size_t fake_mail_store_calls(const struct router *store, const char *kind)
{
    for (size_t i = 0; i < COUNT_OF(store->calls) && store->calls[i].kind != NULL; i++) {
        if (strcmp(store->calls[i].kind, kind) == 0) {
            return store->calls[i].count;
        }
    }
    return 0;
}

void fake_mail_store_expire_changes(struct router *store, uint64_t account)
{
    struct fake_account *held = fake_account_of(store, account);

    held->changes_known_from = held->modseq;
}

enum status fake_begin(struct router *store, const char *kind)
{
    size_t i = 0;

    while (store->calls[i].kind != NULL && strcmp(store->calls[i].kind, kind) != 0) {
        i++;
        CHECK(i < COUNT_OF(store->calls));
    }
    store->calls[i].kind = kind;
    store->calls[i].count++;
    if (store->failure.count == 0 || strcmp(store->failure.kind, kind) != 0) {
        return STATUS_OK;
    }
    store->failure.count--;
    return store->failure.status;
}

/* ---- Accounts and mailboxes ---- */

struct fake_account *fake_account_of(struct router *store, uint64_t account)
{
    CHECK(account >= 1 && account <= FAKE_ACCOUNTS);
    return &store->accounts[account - 1];
}

struct fake_mailbox *fake_mailbox_named(struct fake_account *account, struct slice name)
{
    for (size_t i = 0; i < account->mailbox_count; i++) {
        if (slice_equals(slice_of(account->mailboxes[i].name), name)) {
            return &account->mailboxes[i];
        }
    }
    return NULL;
}

struct fake_mailbox *fake_mailbox_of(struct fake_account *account, uint32_t id)
{
    for (size_t i = 0; i < account->mailbox_count; i++) {
        if (account->mailboxes[i].id == id && !account->mailboxes[i].no_mailbox) {
            return &account->mailboxes[i];
        }
    }
    return NULL;
}

static char *text_of(struct router *store, struct slice text)
{
    char *copy = arena_zeroed(&store->arena, text.size + 1);

    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    return copy;
}

/* The name may be there as a subscription alone. */
struct fake_mailbox *fake_mailbox_make(struct router *store, struct fake_account *account,
                                       struct slice name, struct slice special_use)
{
    struct fake_mailbox *mailbox = fake_mailbox_named(account, name);
    bool subscribed = mailbox != NULL && mailbox->subscribed;

    if (mailbox == NULL) {
        account->mailboxes = memory_resized(account->mailboxes, (account->mailbox_count + 1) *
                                                                    sizeof(*account->mailboxes));
        mailbox = &account->mailboxes[account->mailbox_count++];
    }
    *mailbox = (struct fake_mailbox){
        .id = account->mailbox_id_next++,
        .name = text_of(store, name),
        .special_use = text_of(store, special_use),
        .subscribed = subscribed,
        .uid_validity = store->uid_validity_next++,
        .uid_next = 1,
        .recent_from = 1,
        .modseq = ++account->modseq,
    };
    return mailbox;
}

struct fake_message *fake_mailbox_add(struct router *store, struct fake_account *account,
                                      struct fake_mailbox *mailbox, struct fake_email *email)
{
    if (mailbox->message_count == mailbox->message_capacity) {
        mailbox->message_capacity = mailbox->message_capacity * 2 + 8;
        mailbox->messages = memory_resized(mailbox->messages,
                                           mailbox->message_capacity * sizeof(*mailbox->messages));
    }
    struct fake_message *message = &mailbox->messages[mailbox->message_count++];

    email->references++;
    *message = (struct fake_message){
        .uid = mailbox->uid_next++,
        .modseq = account->modseq,
        .created_modseq = account->modseq,
        .email = email,
    };
    mailbox->modseq = account->modseq;
    return message;
}

void fake_mailbox_remove(struct fake_account *account, struct fake_mailbox *mailbox, size_t index,
                         uint64_t modseq)
{
    struct fake_message *message = &mailbox->messages[index];

    mailbox->vanished = memory_resized(mailbox->vanished,
                                       (mailbox->vanished_count + 1) * sizeof(*mailbox->vanished));
    mailbox->vanished[mailbox->vanished_count++] = (struct fake_vanishing){message->uid, modseq};
    fake_email_unref(message->email);
    memmove(message, message + 1, (mailbox->message_count - index - 1) * sizeof(*message));
    mailbox->message_count--;
    mailbox->modseq = modseq;
}

void fake_mailbox_set_keyword(struct router *store, struct fake_mailbox *mailbox,
                              struct fake_message *message, struct slice keyword)
{
    size_t known = 0;

    for (size_t i = 0; i < message->keyword_count; i++) {
        if (slice_equals_ignoring_case(message->keywords[i], keyword)) {
            return;
        }
    }
    while (known < mailbox->keyword_count &&
           !slice_equals_ignoring_case(mailbox->keywords[known], keyword)) {
        known++;
    }
    if (known == mailbox->keyword_count) {
        CHECK(known < MAILBOX_KEYWORDS_MAX);
        mailbox->keywords[mailbox->keyword_count++] = arena_copy(&store->arena, keyword);
    }
    CHECK(message->keyword_count < FAKE_KEYWORDS_MAX);
    message->keywords[message->keyword_count++] = mailbox->keywords[known];
}

size_t fake_account_count(const struct fake_account *account)
{
    size_t count = 0;

    for (size_t i = 0; i < account->mailbox_count; i++) {
        count += account->mailboxes[i].message_count;
    }
    return count;
}

/* ---- Emails ---- */

static struct slice digest_of(struct slice raw)
{
    struct arena arena;
    struct digest digest;
    struct buffer octets;

    arena_init(&arena);
    buffer_init(&octets, DIGEST_SIZE_MAX);
    mime_parse(raw, &arena, &digest);
    CHECK(digest_encode(&digest, &octets) == STATUS_OK);
    arena_done(&arena);
    return buffer_view(&octets);
}

static size_t measure_header(struct slice raw)
{
    if (slice_starts_with(raw, SLICE("\r\n"))) {
        return 2;
    }
    size_t end = slice_search(raw, SLICE("\r\n\r\n"));

    return end < raw.size ? end + 4 : raw.size;
}

struct fake_email *fake_email_new(struct router *store, struct slice raw, uint64_t received_ms,
                                  int32_t received_zone)
{
    struct fake_email *email = NEW(struct fake_email);
    char *copy = memory_zeroed(raw.size);

    memcpy(copy, raw.data, raw.size);
    email->id = store->email_id_next++;
    email->raw = (struct slice){copy, raw.size};
    email->header_size = measure_header(email->raw);
    email->received_ms = received_ms;
    email->received_zone = received_zone;
    email->digest = digest_of(email->raw);
    return email;
}

void fake_email_unref(struct fake_email *email)
{
    if (--email->references > 0) {
        return;
    }
    memory_free((void *)(uintptr_t)email->raw.data);
    memory_free((void *)(uintptr_t)email->digest.data);
    memory_free(email);
}

void fake_mail_store_put(struct router *store, uint64_t account, const char *mailbox,
                         struct slice message, uint32_t flags)
{
    struct fake_account *held = fake_account_of(store, account);
    struct fake_mailbox *target = fake_mailbox_named(held, slice_of(mailbox));

    held->modseq++;
    fake_mailbox_add(store, held, target, fake_email_new(store, message, 1000000000000, 0))->flags =
        flags;
    fake_announce(store, held, target);
}

/* ---- Watches ---- */

struct announcement {
    struct fake_promise promise;
    struct router *store;
    uint64_t account;
    uint64_t modseq;
    uint32_t mailbox; /* 0: the list */
};

static void drop_announcement(struct fake_promise *promise)
{
    memory_free(CONTAINER_OF(promise, struct announcement, promise));
}

static void run_announcement(struct fake_promise *promise)
{
    struct announcement *said = CONTAINER_OF(promise, struct announcement, promise);
    struct watch_change change = {
        .modseq = said->modseq,
        .mailboxes = &said->mailbox,
        .mailbox_count = said->mailbox != 0 ? 1 : 0,
        .mailbox_list = said->mailbox == 0,
    };
    struct account_watch *watch = said->store->watches;

    while (watch != NULL) {
        struct account_watch *next = watch->next;

        if ((uintptr_t)watch->stream == said->account) {
            watch->changed(watch, &change);
        }
        watch = next;
    }
    memory_free(said);
}

void fake_announce(struct router *store, const struct fake_account *account,
                   const struct fake_mailbox *mailbox)
{
    struct announcement *said = NEW(struct announcement);

    said->promise = (struct fake_promise){.run = run_announcement, .drop = drop_announcement};
    said->store = store;
    said->account = account->id;
    said->modseq = account->modseq;
    said->mailbox = mailbox != NULL ? mailbox->id : 0;
    fake_queue_add(&said->promise);
}

static struct router *store_of_watches;

void watch_start(struct router *router, struct account_watch *watch, struct account_place place,
                 void (*changed)(struct account_watch *watch, const struct watch_change *change))
{
    CHECK(place.shard == FAKE_SHARD);
    store_of_watches = router;
    watch->changed = changed;
    watch->stream = (struct account_stream *)(uintptr_t)place.account;
    watch->next = router->watches;
    router->watches = watch;
}

void watch_stop(struct account_watch *watch)
{
    struct account_watch **link = store_of_watches != NULL ? &store_of_watches->watches : NULL;

    while (link != NULL && *link != NULL) {
        if (*link == watch) {
            *link = watch->next;
            return;
        }
        link = &(*link)->next;
    }
}
