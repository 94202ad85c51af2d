#include "storage/uid_cache.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "router/mailbox_client.h"

enum {
    PLACE_COUNT = 1024,
    NOTES_MAX = 4096,       /* of one mailbox that is being read */
    MEASURE_INTERVAL = 256, /* changes between two looks at a set's size */
    ENTRY_SIZE_LEAST = 512, /* octets that any entry counts for */
};

struct note {
    uint32_t uid;
    enum apply_uid_act act;
    uint32_t flags;
};

struct entry {
    struct entry *next_in_place;
    struct entry *newer;
    struct entry *older;
    uint64_t account;
    uint32_t mailbox;
    bool is_reading;
    bool is_stale; /* what is being read is of no use any more */
    struct mailbox_uids uids;
    size_t memory;
    unsigned changes; /* since it was measured */
    struct note *notes;
    size_t note_count;
};

struct uid_cache {
    size_t memory_max;
    size_t memory;
    struct entry *places[PLACE_COUNT];
    struct entry *newest; /* of those that are not being read */
    struct entry *oldest;
};

struct uid_cache *uid_cache_new(size_t memory_max)
{
    struct uid_cache *cache = NEW(struct uid_cache);

    cache->memory_max = memory_max;
    return cache;
}

static struct entry **place_of(struct uid_cache *cache, uint64_t account, uint32_t mailbox)
{
    uint64_t mixed = (account * 31 + mailbox) * UINT64_C(0x9E3779B97F4A7C15);

    return &cache->places[(mixed >> 32) % PLACE_COUNT];
}

static struct entry *find(struct uid_cache *cache, uint64_t account, uint32_t mailbox)
{
    struct entry *entry = *place_of(cache, account, mailbox);

    while (entry != NULL && (entry->account != account || entry->mailbox != mailbox)) {
        entry = entry->next_in_place;
    }
    return entry;
}

/* ---- The order of use ---- */

static void unlink_use(struct uid_cache *cache, struct entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
    entry->newer = NULL;
    entry->older = NULL;
}

static void link_newest(struct uid_cache *cache, struct entry *entry)
{
    entry->older = cache->newest;
    entry->newer = NULL;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void drop(struct uid_cache *cache, struct entry *entry)
{
    struct entry **link = place_of(cache, entry->account, entry->mailbox);

    while (*link != entry) {
        link = &(*link)->next_in_place;
    }
    *link = entry->next_in_place;
    if (!entry->is_reading) {
        unlink_use(cache, entry);
    }
    cache->memory -= entry->memory;
    uid_set_free(entry->uids.uids);
    uid_set_free(entry->uids.unseen);
    memory_free(entry->notes);
    memory_free(entry);
}

static void measure(struct uid_cache *cache, struct entry *entry)
{
    size_t memory =
        ENTRY_SIZE_LEAST + uid_set_memory(entry->uids.uids) + uid_set_memory(entry->uids.unseen);

    cache->memory += memory - entry->memory;
    entry->memory = memory;
    entry->changes = 0;
}

static void evict(struct uid_cache *cache)
{
    while (cache->memory > cache->memory_max && cache->oldest != NULL) {
        drop(cache, cache->oldest);
    }
}

void uid_cache_free(struct uid_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t index = 0; index < PLACE_COUNT; index++) {
        while (cache->places[index] != NULL) {
            drop(cache, cache->places[index]);
        }
    }
    memory_free(cache);
}

/* ---- Reading ---- */

const struct mailbox_uids *uid_cache_find(struct uid_cache *cache, uint64_t account,
                                          uint32_t mailbox)
{
    struct entry *entry = find(cache, account, mailbox);

    if (entry == NULL || entry->is_reading) {
        return NULL;
    }
    unlink_use(cache, entry);
    link_newest(cache, entry);
    return &entry->uids;
}

bool uid_cache_begin(struct uid_cache *cache, uint64_t account, uint32_t mailbox)
{
    struct entry *entry = find(cache, account, mailbox);

    if (entry != NULL) {
        return false;
    }
    struct entry **place = place_of(cache, account, mailbox);

    entry = NEW(struct entry);
    entry->account = account;
    entry->mailbox = mailbox;
    entry->is_reading = true;
    entry->next_in_place = *place;
    *place = entry;
    return true;
}

static void change(struct entry *entry, uint32_t uid, enum apply_uid_act act, uint32_t flags)
{
    bool is_there = act != APPLY_UID_GONE;

    if (act == APPLY_UID_ADDED) {
        uid_set_add(entry->uids.uids, uid);
    } else if (act == APPLY_UID_GONE) {
        uid_set_remove(entry->uids.uids, uid);
    }
    if (is_there && (flags & FLAG_SEEN) == 0) {
        uid_set_add(entry->uids.unseen, uid);
    } else {
        uid_set_remove(entry->uids.unseen, uid);
    }
}

void uid_cache_end(struct uid_cache *cache, uint64_t account, uint32_t mailbox,
                   struct mailbox_uids uids)
{
    struct entry *entry = find(cache, account, mailbox);

    CHECK(entry != NULL && entry->is_reading);
    entry->uids = uids;
    if (uids.uids == NULL || entry->is_stale) {
        drop(cache, entry);
        return;
    }
    entry->is_reading = false;
    link_newest(cache, entry);
    for (size_t index = 0; index < entry->note_count; index++) {
        change(entry, entry->notes[index].uid, entry->notes[index].act, entry->notes[index].flags);
    }
    memory_free(entry->notes);
    entry->notes = NULL;
    measure(cache, entry);
    evict(cache);
}

/* ---- Changes ---- */

static void note_change(struct entry *entry, struct note note)
{
    if (entry->note_count == NOTES_MAX) {
        entry->is_stale = true;
        return;
    }
    if (entry->notes == NULL) {
        entry->notes = memory_zeroed(NOTES_MAX * sizeof(struct note));
    }
    entry->notes[entry->note_count++] = note;
}

static void forget_mailbox(struct uid_cache *cache, struct entry *entry)
{
    if (entry->is_reading) {
        entry->is_stale = true;
    } else {
        drop(cache, entry);
    }
}

static void forget_account(struct uid_cache *cache, uint64_t account)
{
    for (size_t index = 0; index < PLACE_COUNT; index++) {
        struct entry *entry = cache->places[index];

        while (entry != NULL) {
            struct entry *next = entry->next_in_place;

            if (entry->account == account) {
                forget_mailbox(cache, entry);
            }
            entry = next;
        }
    }
}

void uid_cache_changed(void *context, uint64_t account, uint32_t mailbox, uint32_t uid,
                       enum apply_uid_act act, uint32_t flags)
{
    struct uid_cache *cache = context;

    if (act == APPLY_MAILBOX_GONE && mailbox == 0) {
        forget_account(cache, account);
        return;
    }
    struct entry *entry = find(cache, account, mailbox);

    if (entry == NULL) {
        return;
    }
    if (act == APPLY_MAILBOX_GONE) {
        forget_mailbox(cache, entry);
        return;
    }
    if (entry->is_reading) {
        note_change(entry, (struct note){uid, act, flags});
        return;
    }
    change(entry, uid, act, flags);
    if (++entry->changes >= MEASURE_INTERVAL) {
        measure(cache, entry);
        evict(cache);
    }
}

size_t uid_cache_memory(const struct uid_cache *cache)
{
    return cache->memory;
}
