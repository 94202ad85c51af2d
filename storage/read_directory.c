/* Directory entries. */
#include <string.h>

#include "core/number.h"
#include "proto/directory.pb-c.h"
#include "router/slot.h"
#include "storage/read.h"

enum {
    PAGE_COUNT_MAX = 1000,       /* entries of a reply */
    PAGE_SIZE_MAX = 1024 * 1024, /* octets of them */
    PAGE_ROWS_MAX = 20000,       /* looked at for one reply */
    NAME_SIZE_MOST = 512,
    SLOT_SIZE = 2,
};

static enum status fill_entry(struct read *read, struct slice name, struct slice value,
                              Aviso__DirectoryEntry *out_entry)
{
    struct dir_row row;
    enum status status = dir_row_decode(value, read->arena, &row);

    aviso__directory_entry__init(out_entry);
    if (status != STATUS_OK) {
        return status;
    }
    out_entry->name = wire_from_slice(name);
    out_entry->kind = (Aviso__EntryKind)row.kind;
    out_entry->shard = row.shard;
    out_entry->account = row.account;
    out_entry->revision = row.revision;
    out_entry->created_ms = row.created_ms;
    out_entry->n_targets = row.target_count;
    out_entry->targets =
        arena_array(read->arena, row.target_count + 1, sizeof(*out_entry->targets));
    for (size_t index = 0; index < row.target_count; index++) {
        out_entry->targets[index] = wire_from_slice(row.targets[index]);
    }
    return STATUS_OK;
}

enum status read_look(struct read *read, const void *message, const ProtobufCMessage **out_reply)
{
    const Aviso__LookRequest *request = message;
    Aviso__DirectoryEntry *reply = ARENA_NEW(read->arena, Aviso__DirectoryEntry);
    struct slice name = slice_from_wire(request->name);
    struct key key;
    struct slice value;

    if (request->slot >= SLOT_COUNT || name.size > NAME_SIZE_MOST) {
        return STATUS_INVALID;
    }
    enum status status = store_get(&read->view, key_dir(&key, read->shard, request->slot, name),
                                   read->arena, &value);

    if (status == STATUS_OK) {
        status = fill_entry(read, name, value, reply);
    }
    *out_reply = &reply->base;
    return status;
}

/* ---- ListEntries ---- */

static bool is_of_domain(struct slice name, struct slice domain)
{
    if (domain.size == 0) {
        return true;
    }
    return name.size > domain.size && slice_ends_with(name, domain) &&
           name.data[name.size - domain.size - 1] == '@';
}

/* Where the cursor, slot and name of the last entry seen, says to go on. INVALID: no cursor. */
static enum status start_of_page(struct read *read, struct slice cursor, struct key *key,
                                 struct slice *out_low)
{
    if (cursor.size == 0) {
        *out_low = key_kind_low(key, read->shard, ROW_DIR);
        return STATUS_OK;
    }
    if (cursor.size < SLOT_SIZE || cursor.size > SLOT_SIZE + NAME_SIZE_MOST) {
        return STATUS_INVALID;
    }
    struct slice last =
        key_dir(key, read->shard, number_get_u16(cursor.data), slice_skip(cursor, SLOT_SIZE));

    key->octets[last.size] = '\0'; /* the first key after it */
    *out_low = (struct slice){key->octets, last.size + 1};
    return STATUS_OK;
}

struct page {
    size_t count_max;
    size_t seen;
    size_t allocated; /* of the arena when the page began */
    struct slice last;
};

static bool is_full(const struct read *read, const struct page *page,
                    const Aviso__ListEntriesReply *reply)
{
    return reply->n_entries >= page->count_max || page->seen >= PAGE_ROWS_MAX ||
           read->arena->allocated - page->allocated > PAGE_SIZE_MAX;
}

static enum status fill_page(struct read *read, struct store_iterator *iterator,
                             struct slice domain, struct page *page, Aviso__ListEntriesReply *reply)
{
    struct slice key;
    struct slice value;
    enum status status = STATUS_OK;

    while (!is_full(read, page, reply)) {
        status = store_iterator_next(iterator, &key, &value);
        if (status != STATUS_OK) {
            break;
        }
        page->seen++;
        page->last = arena_copy(read->arena, slice_skip(key, KEY_PREFIX_SIZE));
        struct slice name = slice_skip(page->last, SLOT_SIZE);

        if (!is_of_domain(name, domain)) {
            continue;
        }
        Aviso__DirectoryEntry *entry = ARENA_NEW(read->arena, Aviso__DirectoryEntry);

        reply->entries[reply->n_entries++] = entry;
        status = fill_entry(read, name, arena_copy(read->arena, value), entry);
        if (status != STATUS_OK) {
            break;
        }
    }
    return status;
}

enum status read_list_entries(struct read *read, const void *message,
                              const ProtobufCMessage **out_reply)
{
    const Aviso__ListEntriesRequest *request = message;
    Aviso__ListEntriesReply *reply = ARENA_NEW(read->arena, Aviso__ListEntriesReply);
    struct page page = {.count_max = PAGE_COUNT_MAX};
    struct key low_key;
    struct key high;
    struct slice low;
    enum status status = start_of_page(read, slice_from_wire(request->cursor), &low_key, &low);

    aviso__list_entries_reply__init(reply);
    if (status != STATUS_OK) {
        return status;
    }
    if (request->count_max > 0 && request->count_max < page.count_max) {
        page.count_max = request->count_max;
    }
    reply->entries = arena_array(read->arena, page.count_max, sizeof(*reply->entries));
    page.allocated = read->arena->allocated;
    struct store_iterator *iterator =
        store_iterate(&read->view, low, key_kind_high(&high, read->shard, ROW_DIR));

    status = fill_page(read, iterator, slice_from_wire(request->domain), &page, reply);
    store_iterator_free(iterator);
    if (status == STATUS_OK) {
        reply->cursor = wire_from_slice(page.last);
    }
    *out_reply = &reply->base;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
