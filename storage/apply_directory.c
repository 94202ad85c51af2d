/* Directory entries. */
#include "proto/directory.pb-c.h"
#include "router/directory.h"
#include "router/slot.h"
#include "storage/apply_reply.h"

enum { NAME_SIZE_MOST = 512 };

static enum status get_entry(struct apply *apply, struct slice key, struct dir_row *out_row)
{
    struct slice value;
    enum status status = overlay_get(&apply->overlay, key, &value);

    return status == STATUS_OK ? dir_row_decode(value, &apply->step, out_row) : status;
}

static bool is_name(ProtobufCBinaryData name)
{
    return name.len > 0 && name.len <= NAME_SIZE_MOST;
}

static enum status check_entry(uint32_t slot, const Aviso__DirectoryEntry *entry)
{
    if (slot >= SLOT_COUNT || entry == NULL || !is_name(entry->name) ||
        entry->kind < AVISO__ENTRY_KIND__ENTRY_DOMAIN ||
        entry->kind > AVISO__ENTRY_KIND__ENTRY_GROUP) {
        return STATUS_INVALID;
    }
    for (size_t index = 0; index < entry->n_targets; index++) {
        if (!is_name(entry->targets[index])) {
            return STATUS_INVALID;
        }
    }
    return entry->n_targets > DIRECTORY_TARGETS_MAX ? STATUS_TOO_LARGE : STATUS_OK;
}

static void put_entry(struct apply *apply, struct slice key, const Aviso__DirectoryEntry *entry,
                      uint64_t created_ms)
{
    struct slice *targets = arena_array(&apply->step, entry->n_targets + 1, sizeof(*targets));
    struct dir_row row = {
        .kind = (uint8_t)entry->kind,
        .shard = entry->shard,
        .account = entry->account,
        .revision = apply->index,
        .created_ms = created_ms,
        .targets = targets,
        .target_count = entry->n_targets,
    };

    for (size_t index = 0; index < entry->n_targets; index++) {
        targets[index] = slice_from_wire(entry->targets[index]);
    }
    dir_row_encode(&row, &apply->row);
    overlay_put(&apply->overlay, key, buffer_view(&apply->row));
    buffer_clear(&apply->row);
}

enum status apply_put_entry(struct apply *apply, const struct apply_request *given,
                            struct slice *out_reply)
{
    const Aviso__PutEntryRequest *request = given->message;
    Aviso__PutEntryReply reply = AVISO__PUT_ENTRY_REPLY__INIT;
    struct dir_row row = {.created_ms = apply->now_ms};
    struct key key;
    enum status status = check_entry(request->slot, request->entry);

    if (status != STATUS_OK) {
        return status;
    }
    struct slice name =
        key_dir(&key, apply->shard, request->slot, slice_from_wire(request->entry->name));

    status = get_entry(apply, name, &row);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    if (status == STATUS_OK && request->must_be_new) {
        return STATUS_EXISTS;
    }
    if (request->revision != 0 && request->revision != row.revision) {
        return STATUS_CONFLICT;
    }
    put_entry(apply, name, request->entry, row.created_ms);
    reply.revision = apply->index;
    *out_reply = apply_pack(apply, &reply.base);
    return STATUS_OK;
}

enum status apply_remove_entry(struct apply *apply, const struct apply_request *given,
                               struct slice *out_reply)
{
    const Aviso__RemoveEntryRequest *request = given->message;
    Aviso__RemoveEntryReply reply = AVISO__REMOVE_ENTRY_REPLY__INIT;
    struct dir_row row;
    struct key key;

    if (request->slot >= SLOT_COUNT || !is_name(request->name)) {
        return STATUS_INVALID;
    }
    struct slice name = key_dir(&key, apply->shard, request->slot, slice_from_wire(request->name));
    enum status status = get_entry(apply, name, &row);

    if (status != STATUS_OK) {
        return status;
    }
    if (request->revision != 0 && request->revision != row.revision) {
        return STATUS_CONFLICT;
    }
    state_delete(apply, name);
    *out_reply = apply_pack(apply, &reply.base);
    return STATUS_OK;
}
