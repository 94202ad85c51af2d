/* Raft's messages as protobuf ones. The payloads of entries are not in them: they follow beside, in
 * the order of the entries. */
#ifndef AVISO_STORAGE_RAFT_WIRE_H
#define AVISO_STORAGE_RAFT_WIRE_H

#include "core/arena.h"
#include "core/buffer.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "proto/raft.pb-c.h"
#include "storage/raft/message.h"

/* What is needed of an entry that is sent. */
struct raft_wire_entry {
    uint64_t term;
    uint32_t size;
    uint8_t kind;
};

/* In `arena`; `entries` has message->entry_count. */
Aviso__RaftMessage *raft_wire_encode(struct arena *arena, uint32_t shard,
                                     const struct raft_message *message,
                                     const struct raft_wire_entry *entries);

/* A message with the payload of each of its entries, borrowed. */
struct raft_wire_message {
    struct raft_message message;
    const struct slice *payloads;
};

/* Reads one, in `arena`, and cuts its payloads off the front of `octets`. INVALID: what no node
 * would send. The message is yet to be checked by raft. */
NODISCARD enum status raft_wire_decode(struct arena *arena, const Aviso__RaftMessage *wire,
                                       struct slice *octets, struct raft_wire_message *out_message);

#endif
