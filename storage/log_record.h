/* The records of a log segment: a header of 64 octets, then the payload, padded to 16.
 *
 *     header CRC, magic, kind, entry kind, flags | payload CRC, payload size, offset, previous
 *     offset | shard, previous shard, group | generation, term, index
 *
 * A record knows where it is (offset), by which write it came (group; numbers are never used
 * again, so what a recycled segment still holds is told apart), and what was before it: when a
 * header is damaged, the next record tells which shard lost something. The CRC of the header begins
 * with the log's own secret number, so that the text of a mail is never taken for a record.
 *
 * Pure. Numbers are big-endian. */
#ifndef AVISO_STORAGE_LOG_RECORD_H
#define AVISO_STORAGE_LOG_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "storage/raft/raft.h"

enum {
    LOG_RECORD_HEADER_SIZE = 64,
    LOG_RECORD_ALIGNMENT = 16,
    LOG_STATE_SIZE = 64, /* octets of a STATE's payload */
};

/* The shard of a record that concerns none. */
#define LOG_NO_SHARD UINT32_MAX

/* Written to disk: a number is for ever. */
enum log_record_kind {
    LOG_RECORD_GROUP = 1, /* begins a write; index: synced up to this offset before it */
    LOG_RECORD_SEAL = 2,  /* the segment ends here, and the next is durable */
    LOG_RECORD_STATE = 3, /* a shard where a segment begins: struct log_state; all are a batch */
    LOG_RECORD_ENTRY = 4, /* position; payload */
    LOG_RECORD_HARD_STATE = 5, /* term; index: the vote */
    LOG_RECORD_TRUNCATE = 6,   /* index: this entry and all after it are void */
    LOG_RECORD_COMPACT = 7,    /* position: the entries up to it are not needed */
    LOG_RECORD_BEGIN = 8,      /* position: no entries, and the next is after it */
    LOG_RECORD_FORGET = 9,     /* the shard has no log */
    LOG_RECORD_CARRY = 10,     /* an ENTRY that is there already, copied from an old segment */
};

struct log_record {
    uint8_t kind;       /* enum log_record_kind */
    uint8_t entry_kind; /* enum raft_entry_kind */
    bool ends_batch;    /* a batch counts as a whole or not at all */
    uint32_t payload_crc;
    uint32_t size; /* octets of payload */
    uint32_t offset;
    uint32_t previous_offset; /* 0: the first of its segment */
    uint32_t shard;
    uint32_t previous_shard;
    uint64_t group;
    uint64_t generation;
    uint64_t term;
    uint64_t index;
};

/* Octets of a whole record. */
size_t log_record_size(size_t payload_size);

/* Writes the header, all of it but what log_record_place() knows. */
void log_record_encode(const struct log_record *record, char *octets);

/* Where a record of a batch came to be. */
struct log_place {
    uint32_t offset;
    uint32_t previous_offset;
    uint32_t previous_shard;
    uint64_t group;
};

/* Completes an encoded header. Returns the octets of the whole record, and whose it is. */
size_t log_record_place(char *octets, uint32_t salt, const struct log_place *place,
                        uint32_t *out_shard);

/* Reads a header of LOG_RECORD_HEADER_SIZE octets. CORRUPT: not one of this log. INVALID: it is,
 * and breaks the rules. */
NODISCARD enum status log_record_decode(const char *octets, uint32_t salt,
                                        struct log_record *out_record);

/* All that the log knows of a shard but its entries. */
struct log_state {
    struct raft_hard_state hard_state;
    struct raft_position compacted;
    struct raft_position last;
    uint64_t changes; /* batches since the shard began: tells that some are missing */
    bool is_corrupt;  /* its records were damaged, and it was not forgotten since */
};

/* LOG_STATE_SIZE octets. */
void log_state_encode(const struct log_state *state, char *octets);
NODISCARD enum status log_state_decode(struct slice octets, struct log_state *out_state);

#endif
