#include "storage/raft/message.h"

#include "core/macros.h"
#include "storage/raft/replica.h"

/* Far over what a cluster reaches, and low enough that sums do not overflow. */
static const uint64_t number_max = UINT64_C(1) << 62;

static const char *const kind_texts[] = {
    [RAFT_PRE_VOTE] = "pre-vote",
    [RAFT_PRE_VOTE_ANSWER] = "pre-vote-answer",
    [RAFT_VOTE] = "vote",
    [RAFT_VOTE_ANSWER] = "vote-answer",
    [RAFT_APPEND] = "append",
    [RAFT_APPEND_ANSWER] = "append-answer",
    [RAFT_HEARTBEAT] = "heartbeat",
    [RAFT_HEARTBEAT_ANSWER] = "heartbeat-answer",
    [RAFT_SNAPSHOT_OFFER] = "snapshot-offer",
    [RAFT_SNAPSHOT_ANSWER] = "snapshot-answer",
    [RAFT_TIMEOUT_NOW] = "timeout-now",
    [RAFT_READ_INDEX] = "read-index",
    [RAFT_READ_INDEX_ANSWER] = "read-index-answer",
};

static bool kind_known(uint8_t kind)
{
    return kind >= RAFT_PRE_VOTE && kind < COUNT_OF(kind_texts);
}

const char *raft_message_kind_text(uint8_t kind)
{
    return kind_known(kind) ? kind_texts[kind] : "unknown";
}

static bool position_allowed(struct raft_position position, uint64_t term)
{
    return (position.index == 0) == (position.term == 0) && position.index <= number_max &&
           position.term <= term;
}

static bool entry_allowed(const struct raft_entry *entry, struct raft_position before,
                          uint64_t term)
{
    if (entry->index != before.index + 1 || entry->term < before.term || entry->term > term ||
        entry->term == 0) {
        return false;
    }
    if (entry->kind == RAFT_ENTRY_CONFIGURATION) {
        return entry->configuration != NULL &&
               raft_configuration_check(entry->configuration) == STATUS_OK;
    }
    return entry->kind <= RAFT_ENTRY_CONFIGURATION && entry->configuration == NULL;
}

static bool entries_allowed(const struct raft_message *message)
{
    struct raft_position before = message->position;

    if (message->entry_count > 0 && message->entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < message->entry_count; i++) {
        const struct raft_entry *entry = &message->entries[i];

        if (!entry_allowed(entry, before, message->term)) {
            return false;
        }
        before = (struct raft_position){.term = entry->term, .index = entry->index};
    }
    return true;
}

/* Every message is of a term; only who was never in one can but refuse a pre-vote. */
static bool term_allowed(const struct raft_message *message)
{
    return message->term > 0 ? message->term <= number_max
                             : message->kind == RAFT_PRE_VOTE_ANSWER && message->refused;
}

enum status raft_message_check(const struct raft_message *message)
{
    bool has_entries = message->kind == RAFT_APPEND;
    bool has_configuration = message->kind == RAFT_SNAPSHOT_OFFER;

    if (!kind_known(message->kind) || message->from == 0 || !term_allowed(message) ||
        message->index > number_max || message->commit > number_max ||
        !position_allowed(message->position, message->term)) {
        return STATUS_INVALID;
    }
    if (has_entries ? !entries_allowed(message) : message->entry_count != 0) {
        return STATUS_INVALID;
    }
    if (has_configuration && (message->configuration == NULL || message->position.index == 0)) {
        return STATUS_INVALID;
    }
    return has_configuration ? raft_configuration_check(message->configuration) : STATUS_OK;
}
