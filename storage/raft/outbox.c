#include "storage/raft/outbox.h"

#include "storage/raft/grown.h"

/* An array over this many octets does not outlive the burst that needed it. */
enum { KEPT_SIZE_MAX = 1024 };

static void *push(struct raft_outbox_list *list, size_t item_size)
{
    list->items = raft_grown(list->items, &list->capacity, list->count + 1, item_size);
    return (char *)list->items + item_size * list->count++;
}

static void clear(struct raft_outbox_list *list, size_t item_size)
{
    if (list->capacity * item_size > KEPT_SIZE_MAX && list->count * 8 < list->capacity) {
        memory_free(list->items);
        list->items = NULL;
        list->capacity = 0;
    }
    list->count = 0;
}

static void free_configurations(struct raft_outbox *outbox)
{
    struct raft_configuration **kept = outbox->configurations.items;

    for (size_t i = 0; i < outbox->configurations.count; i++) {
        memory_free(kept[i]);
    }
}

void raft_outbox_done(struct raft_outbox *outbox)
{
    free_configurations(outbox);
    memory_free(outbox->entries.items);
    memory_free(outbox->eager.items);
    memory_free(outbox->durable.items);
    memory_free(outbox->reads.items);
    memory_free(outbox->snapshots.items);
    memory_free(outbox->configurations.items);
}

void raft_outbox_clear(struct raft_outbox *outbox)
{
    free_configurations(outbox);
    clear(&outbox->entries, sizeof(struct raft_entry));
    clear(&outbox->eager, sizeof(struct raft_message));
    clear(&outbox->durable, sizeof(struct raft_message));
    clear(&outbox->reads, sizeof(struct raft_read));
    clear(&outbox->snapshots, sizeof(struct raft_snapshot_effect));
    clear(&outbox->configurations, sizeof(struct raft_configuration *));
    outbox->hard_state_changed = false;
    outbox->truncate_from = 0;
}

const struct raft_configuration *raft_outbox_keep(struct raft_outbox *outbox,
                                                  const struct raft_configuration *configuration)
{
    struct raft_configuration **place;

    if (configuration == NULL) {
        return NULL;
    }
    place = push(&outbox->configurations, sizeof(struct raft_configuration *));
    *place = NEW(struct raft_configuration);
    **place = *configuration;
    return *place;
}

void raft_outbox_append(struct raft_outbox *outbox, const struct raft_entry *entry)
{
    struct raft_entry *kept = push(&outbox->entries, sizeof(*kept));

    *kept = *entry;
    kept->configuration = raft_outbox_keep(outbox, entry->configuration);
    outbox->handed_index = entry->index;
}

void raft_outbox_truncate(struct raft_outbox *outbox, uint64_t index)
{
    const struct raft_entry *entries = outbox->entries.items;
    uint64_t given_index = outbox->handed_index - outbox->entries.count;

    while (outbox->entries.count > 0 && entries[outbox->entries.count - 1].index >= index) {
        outbox->entries.count--;
    }
    if (index <= given_index) {
        outbox->truncate_from = index;
    }
    outbox->handed_index = index - 1;
}

void raft_outbox_send_eager(struct raft_outbox *outbox, const struct raft_message *message)
{
    *(struct raft_message *)push(&outbox->eager, sizeof(*message)) = *message;
}

void raft_outbox_send_durable(struct raft_outbox *outbox, const struct raft_message *message)
{
    *(struct raft_message *)push(&outbox->durable, sizeof(*message)) = *message;
}

void raft_outbox_read(struct raft_outbox *outbox, struct raft_read read)
{
    *(struct raft_read *)push(&outbox->reads, sizeof(read)) = read;
}

void raft_outbox_snapshot(struct raft_outbox *outbox, const struct raft_snapshot_effect *effect)
{
    *(struct raft_snapshot_effect *)push(&outbox->snapshots, sizeof(*effect)) = *effect;
}

bool raft_outbox_writes(const struct raft_outbox *outbox)
{
    return outbox->hard_state_changed || outbox->truncate_from != 0 || outbox->entries.count > 0;
}

void raft_outbox_show(const struct raft_outbox *outbox, struct raft_effects *out_effects)
{
    out_effects->truncate_from = outbox->truncate_from;
    out_effects->entries = outbox->entries.items;
    out_effects->entry_count = outbox->entries.count;
    out_effects->messages_eager = outbox->eager.items;
    out_effects->eager_count = outbox->eager.count;
    out_effects->messages_durable = outbox->durable.items;
    out_effects->durable_count = outbox->durable.count;
    out_effects->reads = outbox->reads.items;
    out_effects->read_count = outbox->reads.count;
    out_effects->snapshots = outbox->snapshots.items;
    out_effects->snapshot_count = outbox->snapshots.count;
}

size_t raft_outbox_memory(const struct raft_outbox *outbox)
{
    return outbox->entries.capacity * sizeof(struct raft_entry) +
           outbox->eager.capacity * sizeof(struct raft_message) +
           outbox->durable.capacity * sizeof(struct raft_message) +
           outbox->reads.capacity * sizeof(struct raft_read) +
           outbox->snapshots.capacity * sizeof(struct raft_snapshot_effect) +
           outbox->configurations.capacity * sizeof(struct raft_configuration *) +
           outbox->configurations.count * sizeof(struct raft_configuration);
}
