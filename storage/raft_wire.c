#include "storage/raft_wire.h"

#include "storage/log.h"

Aviso__RaftMessage *raft_wire_encode(struct arena *arena, uint32_t shard,
                                     const struct raft_message *message,
                                     const struct raft_wire_entry *entries)
{
    Aviso__RaftMessage *wire = ARENA_NEW(arena, Aviso__RaftMessage);
    size_t count = message->entry_count;

    aviso__raft_message__init(wire);
    wire->shard = shard;
    wire->kind = message->kind;
    wire->from = message->from;
    wire->to = message->to;
    wire->generation = message->generation;
    wire->term = message->term;
    wire->index = message->index;
    wire->position_term = message->position.term;
    wire->position_index = message->position.index;
    wire->commit = message->commit;
    wire->round = message->round;
    wire->sent_at_ms = message->sent_at_ms;
    wire->context = message->context;
    wire->refused = message->refused;
    wire->forced = message->forced;
    if (message->configuration != NULL) {
        struct buffer encoded;

        buffer_init(&encoded, RAFT_CONFIGURATION_SIZE_MAX);
        raft_configuration_encode(message->configuration, &encoded);
        struct slice copy = arena_copy(arena, buffer_view(&encoded));

        wire->configuration = (ProtobufCBinaryData){copy.size, (uint8_t *)copy.data};
        buffer_done(&encoded);
    }
    if (count > 0) {
        wire->n_entry_terms = wire->n_entry_sizes = wire->entry_kinds.len = count;
        wire->entry_terms = arena_array(arena, count, sizeof(*wire->entry_terms));
        wire->entry_sizes = arena_array(arena, count, sizeof(*wire->entry_sizes));
        wire->entry_kinds.data = arena_array(arena, count, 1);
    }
    for (size_t index = 0; index < count; index++) {
        wire->entry_terms[index] = entries[index].term;
        wire->entry_sizes[index] = entries[index].size;
        wire->entry_kinds.data[index] = entries[index].kind;
    }
    return wire;
}

static enum status decode_configuration(struct arena *arena, struct slice octets,
                                        const struct raft_configuration **out_configuration)
{
    struct raft_configuration *configuration = ARENA_NEW(arena, struct raft_configuration);

    if (raft_configuration_decode(octets, configuration) != STATUS_OK) {
        return STATUS_INVALID;
    }
    *out_configuration = configuration;
    return STATUS_OK;
}

static enum status decode_entries(struct arena *arena, const Aviso__RaftMessage *wire,
                                  struct slice *octets, struct raft_wire_message *message)
{
    size_t count = wire->n_entry_sizes;
    struct raft_entry *entries = arena_array(arena, count, sizeof(*entries));
    struct slice *payloads = arena_array(arena, count, sizeof(*payloads));

    for (size_t index = 0; index < count; index++) {
        struct raft_entry *entry = &entries[index];

        if (wire->entry_sizes[index] > LOG_PAYLOAD_SIZE_MAX ||
            wire->entry_sizes[index] > octets->size) {
            return STATUS_INVALID;
        }
        payloads[index] = slice_prefix(*octets, wire->entry_sizes[index]);
        *octets = slice_skip(*octets, wire->entry_sizes[index]);
        *entry = (struct raft_entry){
            .index = wire->position_index + 1 + index,
            .term = wire->entry_terms[index],
            .size = wire->entry_sizes[index],
            .kind = wire->entry_kinds.data[index],
        };
        if (entry->kind == RAFT_ENTRY_CONFIGURATION &&
            decode_configuration(arena, payloads[index], &entry->configuration) != STATUS_OK) {
            return STATUS_INVALID;
        }
    }
    message->message.entries = entries;
    message->message.entry_count = count;
    message->payloads = payloads;
    return STATUS_OK;
}

enum status raft_wire_decode(struct arena *arena, const Aviso__RaftMessage *wire,
                             struct slice *octets, struct raft_wire_message *out_message)
{
    struct raft_wire_message message = {
        .message =
            {
                .kind = (uint8_t)wire->kind,
                .refused = wire->refused,
                .forced = wire->forced,
                .from = wire->from,
                .to = wire->to,
                .generation = wire->generation,
                .term = wire->term,
                .index = wire->index,
                .position = {wire->position_term, wire->position_index},
                .commit = wire->commit,
                .round = wire->round,
                .sent_at_ms = wire->sent_at_ms,
                .context = wire->context,
            },
    };
    enum status status = STATUS_OK;

    if (wire->kind > UINT8_MAX || wire->n_entry_terms != wire->n_entry_sizes ||
        wire->entry_kinds.len != wire->n_entry_sizes ||
        wire->n_entry_sizes > UINT64_MAX - 1 - wire->position_index) {
        return STATUS_INVALID;
    }
    if (wire->configuration.len > 0) {
        struct slice encoded = {(const char *)wire->configuration.data, wire->configuration.len};

        status = decode_configuration(arena, encoded, &message.message.configuration);
    }
    if (status == STATUS_OK && wire->n_entry_sizes > 0) {
        status = decode_entries(arena, wire, octets, &message);
    }
    if (status == STATUS_OK) {
        *out_message = message;
    }
    return status;
}
