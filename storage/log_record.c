#include "storage/log_record.h"

#include "core/crc32c.h"
#include "core/number.h"
#include "storage/log.h"

enum { MAGIC = 0xA5, ENDS_BATCH = 1 };

enum offset {
    AT_CRC = 0,
    AT_MAGIC = 4,
    AT_KIND = 5,
    AT_ENTRY_KIND = 6,
    AT_FLAGS = 7,
    AT_PAYLOAD_CRC = 8,
    AT_SIZE = 12,
    AT_OFFSET = 16,
    AT_PREVIOUS_OFFSET = 20,
    AT_SHARD = 24,
    AT_PREVIOUS_SHARD = 28,
    AT_GROUP = 32,
    AT_GENERATION = 40,
    AT_TERM = 48,
    AT_INDEX = 56,
};

size_t log_record_size(size_t payload_size)
{
    size_t mask = LOG_RECORD_ALIGNMENT - 1;

    return LOG_RECORD_HEADER_SIZE + ((payload_size + mask) & ~mask);
}

void log_record_encode(const struct log_record *record, char *octets)
{
    octets[AT_MAGIC] = (char)MAGIC;
    octets[AT_KIND] = (char)record->kind;
    octets[AT_ENTRY_KIND] = (char)record->entry_kind;
    octets[AT_FLAGS] = record->ends_batch ? ENDS_BATCH : 0;
    number_put_u32(octets + AT_PAYLOAD_CRC, record->payload_crc);
    number_put_u32(octets + AT_SIZE, record->size);
    number_put_u32(octets + AT_SHARD, record->shard);
    number_put_u64(octets + AT_GENERATION, record->generation);
    number_put_u64(octets + AT_TERM, record->term);
    number_put_u64(octets + AT_INDEX, record->index);
}

static uint32_t crc_of_header(const char *octets, uint32_t salt)
{
    return crc32c(salt, (struct slice){octets + AT_MAGIC, LOG_RECORD_HEADER_SIZE - AT_MAGIC});
}

size_t log_record_place(char *octets, uint32_t salt, const struct log_place *place,
                        uint32_t *out_shard)
{
    number_put_u32(octets + AT_OFFSET, place->offset);
    number_put_u32(octets + AT_PREVIOUS_OFFSET, place->previous_offset);
    number_put_u32(octets + AT_PREVIOUS_SHARD, place->previous_shard);
    number_put_u64(octets + AT_GROUP, place->group);
    number_put_u32(octets + AT_CRC, crc_of_header(octets, salt));
    *out_shard = number_get_u32(octets + AT_SHARD);
    return log_record_size(number_get_u32(octets + AT_SIZE));
}

static bool is_sound(const struct log_record *record)
{
    switch (record->kind) {
    case LOG_RECORD_GROUP:
    case LOG_RECORD_SEAL:
        return record->size == 0 && record->shard == LOG_NO_SHARD;
    case LOG_RECORD_STATE:
        return record->size == LOG_STATE_SIZE;
    case LOG_RECORD_ENTRY:
    case LOG_RECORD_CARRY:
        return record->size <= LOG_PAYLOAD_SIZE_MAX && record->index > 0;
    case LOG_RECORD_TRUNCATE:
        return record->size == 0 && record->index > 0;
    case LOG_RECORD_HARD_STATE:
    case LOG_RECORD_COMPACT:
    case LOG_RECORD_BEGIN:
    case LOG_RECORD_FORGET:
        return record->size == 0;
    default:
        return false;
    }
}

enum status log_record_decode(const char *octets, uint32_t salt, struct log_record *out_record)
{
    if ((unsigned char)octets[AT_MAGIC] != MAGIC ||
        number_get_u32(octets + AT_CRC) != crc_of_header(octets, salt)) {
        return STATUS_CORRUPT;
    }

    struct log_record record = {
        .kind = (uint8_t)octets[AT_KIND],
        .entry_kind = (uint8_t)octets[AT_ENTRY_KIND],
        .ends_batch = octets[AT_FLAGS] == ENDS_BATCH,
        .payload_crc = number_get_u32(octets + AT_PAYLOAD_CRC),
        .size = number_get_u32(octets + AT_SIZE),
        .offset = number_get_u32(octets + AT_OFFSET),
        .previous_offset = number_get_u32(octets + AT_PREVIOUS_OFFSET),
        .shard = number_get_u32(octets + AT_SHARD),
        .previous_shard = number_get_u32(octets + AT_PREVIOUS_SHARD),
        .group = number_get_u64(octets + AT_GROUP),
        .generation = number_get_u64(octets + AT_GENERATION),
        .term = number_get_u64(octets + AT_TERM),
        .index = number_get_u64(octets + AT_INDEX),
    };

    if ((octets[AT_FLAGS] & ~ENDS_BATCH) != 0 || !is_sound(&record)) {
        return STATUS_INVALID;
    }
    *out_record = record;
    return STATUS_OK;
}

void log_state_encode(const struct log_state *state, char *octets)
{
    number_put_u64(octets, state->hard_state.term);
    number_put_u64(octets + 8, state->hard_state.vote);
    number_put_u64(octets + 16, state->compacted.term);
    number_put_u64(octets + 24, state->compacted.index);
    number_put_u64(octets + 32, state->last.term);
    number_put_u64(octets + 40, state->last.index);
    number_put_u64(octets + 48, state->changes);
    number_put_u64(octets + 56, state->is_corrupt);
}

enum status log_state_decode(struct slice octets, struct log_state *out_state)
{
    struct log_state state;

    if (octets.size != LOG_STATE_SIZE) {
        return STATUS_INVALID;
    }
    state.hard_state.term = number_get_u64(octets.data);
    state.hard_state.vote = number_get_u64(octets.data + 8);
    state.compacted.term = number_get_u64(octets.data + 16);
    state.compacted.index = number_get_u64(octets.data + 24);
    state.last.term = number_get_u64(octets.data + 32);
    state.last.index = number_get_u64(octets.data + 40);
    state.changes = number_get_u64(octets.data + 48);
    state.is_corrupt = number_get_u64(octets.data + 56) != 0;
    if (state.last.index < state.compacted.index || state.last.term < state.compacted.term ||
        state.last.index >= UINT64_MAX / 2) {
        return STATUS_INVALID;
    }
    *out_state = state;
    return STATUS_OK;
}
