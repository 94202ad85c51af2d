/* Entries one by one: look, put, remove, list. */
#include "router/directory.h"

#include <stdlib.h>

#include "core/macros.h"
#include "router/channels.h"
#include "router/directory_work.h"

enum { PAGE_COUNT = 500 };

static attempt_done_fn on_looked, on_changed, on_listed;

/* ---- Look ---- */

void directory_look(struct router *router, struct directory_call *call, struct slice name,
                    directory_entry_fn *done)
{
    struct directory_work *work = directory_work_new(router, call);

    work->name = arena_copy(&work->arena, name);
    call->done.entry = done;
    directory_work_look(work, on_looked);
}

static void on_looked(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                      struct rpc_octets *octets)
{
    struct directory_work *work = CONTAINER_OF(attempt, struct directory_work, attempt);
    struct directory_call *call = directory_work_detach(work);
    struct directory_entry entry = {0};

    if (status == STATUS_OK) {
        entry = directory_entry_of_wire((const Aviso__DirectoryEntry *)message, &work->arena);
    }
    directory_work_learn(work, status, &entry);
    call->done.entry(call, status, status == STATUS_OK ? &entry : NULL);
    directory_work_free(work);
}

/* ---- Put and remove: this loop's cache forgets the name before and after ---- */

static void change(struct directory_work *work, const char *method, const ProtobufCMessage *request)
{
    uint32_t slot = slot_of(work->name);

    directory_cache_forget(router_directory_cache(work->router), work->name);
    attempt_start(&work->attempt, shard_map_shard_of_slot(router_map(work->router), slot),
                  &aviso__directory__descriptor, method, request, NULL, on_changed);
}

void directory_put(struct router *router, struct directory_call *call,
                   const struct directory_entry *entry, bool must_be_new, directory_done_fn *done)
{
    Aviso__PutEntryRequest request = AVISO__PUT_ENTRY_REQUEST__INIT;
    Aviso__DirectoryEntry wire = AVISO__DIRECTORY_ENTRY__INIT;
    struct directory_work *work = directory_work_new(router, call);
    struct request_id id;

    request_id_make(&id);
    work->name = arena_copy(&work->arena, entry->name);
    wire.name = wire_from_slice(work->name);
    wire.kind = (Aviso__EntryKind)entry->kind;
    wire.shard = entry->shard;
    wire.account = entry->account;
    wire.n_targets = entry->target_count;
    wire.targets = arena_array(&work->arena, entry->target_count, sizeof(*wire.targets));
    for (size_t i = 0; i < entry->target_count; i++) {
        wire.targets[i] = wire_from_slice(entry->targets[i]);
    }
    request.request_id = wire_from_slice((struct slice){id.octets, REQUEST_ID_SIZE});
    request.slot = slot_of(work->name);
    request.entry = &wire;
    request.must_be_new = must_be_new;
    request.revision = entry->revision;
    call->done.done = done;
    change(work, "PutEntry", &request.base);
}

void directory_remove(struct router *router, struct directory_call *call, struct slice name,
                      uint64_t revision, directory_done_fn *done)
{
    Aviso__RemoveEntryRequest request = AVISO__REMOVE_ENTRY_REQUEST__INIT;
    struct directory_work *work = directory_work_new(router, call);
    struct request_id id;

    request_id_make(&id);
    work->name = arena_copy(&work->arena, name);
    request.request_id = wire_from_slice((struct slice){id.octets, REQUEST_ID_SIZE});
    request.slot = slot_of(work->name);
    request.name = wire_from_slice(work->name);
    request.revision = revision;
    call->done.done = done;
    change(work, "RemoveEntry", &request.base);
}

static void on_changed(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                       struct rpc_octets *octets)
{
    struct directory_work *work = CONTAINER_OF(attempt, struct directory_work, attempt);
    struct directory_call *call = directory_work_detach(work);

    directory_cache_forget(router_directory_cache(work->router), work->name);
    call->done.done(call, status);
    directory_work_free(work);
}

/* ---- List: shard after shard, a page at a time ---- */

struct listing {
    struct slice domain;
    uint32_t shard_index;
    struct slice cursor;
    struct directory_entry *entries;
    size_t count;
    size_t capacity;
    size_t count_max;
};

static void list_page(struct directory_work *work)
{
    Aviso__ListEntriesRequest request = AVISO__LIST_ENTRIES_REQUEST__INIT;
    const struct listing *listing = work->listing;

    request.cursor = wire_from_slice(listing->cursor);
    request.count_max = PAGE_COUNT;
    request.domain = wire_from_slice(listing->domain);
    attempt_start(&work->attempt,
                  shard_map_shard_at(router_map(work->router), listing->shard_index),
                  &aviso__directory__descriptor, "ListEntries", &request.base, NULL, on_listed);
}

void directory_list(struct router *router, struct directory_call *call, struct slice domain,
                    size_t count_max, directory_list_fn *done)
{
    struct directory_work *work = directory_work_new(router, call);

    work->listing = ARENA_NEW(&work->arena, struct listing);
    work->listing->domain = arena_copy(&work->arena, domain);
    work->listing->count_max = count_max;
    call->done.list = done;
    list_page(work);
}

static void keep_entry(struct directory_work *work, const Aviso__DirectoryEntry *wire)
{
    struct listing *listing = work->listing;

    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity * 2 + 64;
        struct directory_entry *entries = arena_array(&work->arena, capacity, sizeof(*entries));

        for (size_t i = 0; i < listing->count; i++) {
            entries[i] = listing->entries[i];
        }
        listing->entries = entries;
        listing->capacity = capacity;
    }
    struct directory_entry entry = directory_entry_of_wire(wire, &work->arena);
    struct slice *targets = (struct slice *)entry.targets;

    entry.name = arena_copy(&work->arena, entry.name);
    for (size_t i = 0; i < entry.target_count; i++) {
        targets[i] = arena_copy(&work->arena, targets[i]);
    }
    listing->entries[listing->count++] = entry;
}

static int by_name(const void *one, const void *other)
{
    return slice_compare(((const struct directory_entry *)one)->name,
                         ((const struct directory_entry *)other)->name);
}

static void finish_list(struct directory_work *work, enum status status)
{
    struct directory_call *call = directory_work_detach(work);
    struct listing *listing = work->listing;

    if (status == STATUS_OK && listing->count > 0) {
        qsort(listing->entries, listing->count, sizeof(*listing->entries), by_name);
    }
    call->done.list(call, status, status == STATUS_OK ? listing->entries : NULL,
                    status == STATUS_OK ? listing->count : 0);
    directory_work_free(work);
}

static void on_listed(struct attempt *attempt, enum status status, const ProtobufCMessage *message,
                      struct rpc_octets *octets)
{
    struct directory_work *work = CONTAINER_OF(attempt, struct directory_work, attempt);
    const Aviso__ListEntriesReply *reply = (const Aviso__ListEntriesReply *)message;
    struct listing *listing = work->listing;

    if (status == STATUS_OK && reply->n_entries > listing->count_max - listing->count) {
        status = STATUS_TOO_LARGE;
    }
    if (status != STATUS_OK) {
        finish_list(work, status);
        return;
    }
    for (size_t i = 0; i < reply->n_entries; i++) {
        keep_entry(work, reply->entries[i]);
    }
    listing->cursor = arena_copy(&work->arena, slice_from_wire(reply->cursor));
    if (listing->cursor.size == 0 &&
        ++listing->shard_index == shard_map_shard_count(router_map(work->router))) {
        finish_list(work, STATUS_OK);
        return;
    }
    list_page(work);
}
