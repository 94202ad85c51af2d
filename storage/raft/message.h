/* What Raft replicas say to each other, and the names of what they speak about.
 *
 * A payload is never here: an append names a range of entries, and the node puts their payloads
 * beside it when it sends and takes them off when it receives. */
#ifndef AVISO_STORAGE_RAFT_MESSAGE_H
#define AVISO_STORAGE_RAFT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/raft/configuration.h"

/* Names one entry for ever: an index alone is used again after a truncation. {0, 0} is the place
 * before the first entry. */
struct raft_position {
    uint64_t term;
    uint64_t index; /* from 1 */
};

enum raft_entry_kind {
    RAFT_ENTRY_NOOP = 0,          /* opens a term; no payload */
    RAFT_ENTRY_COMMAND = 1,       /* the state machine's own */
    RAFT_ENTRY_CONFIGURATION = 2, /* raft_configuration_encode() is the payload */
};

struct raft_entry {
    uint64_t index;
    uint64_t term;
    uint32_t size;                                  /* octets of payload */
    uint8_t kind;                                   /* enum raft_entry_kind */
    const struct raft_configuration *configuration; /* decoded; of a CONFIGURATION, else NULL */
};

/* Each request and its answer. In parentheses the fields that it uses besides the head (kind,
 * from, to, generation, term); all others are 0. A number is for ever: messages cross versions. */
enum raft_message_kind {
    /* (position: the last entry) `term` is the one it would campaign for. Granted with that term,
     * refused with the answerer's own. */
    RAFT_PRE_VOTE = 1,
    RAFT_PRE_VOTE_ANSWER = 2, /* (refused) */
    /* (position: the last entry; forced: a transfer asked for it, so no lease stands in the way) */
    RAFT_VOTE = 3,
    RAFT_VOTE_ANSWER = 4, /* (refused) */
    /* (position: the entry before; entries; commit) */
    RAFT_APPEND = 5,
    /* (index: has all of the leader's entries up to here) or, refused (index: position.index of the
     * append; position: where the logs may agree) */
    RAFT_APPEND_ANSWER = 6,
    /* (commit; round; sent_at_ms) */
    RAFT_HEARTBEAT = 7,
    /* (round, sent_at_ms: as asked; index: the last of its log, agreeing or not: only a hint that
     * an append was lost) */
    RAFT_HEARTBEAT_ANSWER = 8,
    /* (position; configuration) The node puts its manifest beside it. */
    RAFT_SNAPSHOT_OFFER = 9,
    /* (position: as offered; refused: could not fetch it; else: is at it). When it is installed an
     * APPEND_ANSWER follows. */
    RAFT_SNAPSHOT_ANSWER = 10,
    /* () campaign at once: leadership transfer, §3.10 */
    RAFT_TIMEOUT_NOW = 11,
    /* (context) a follower asks for a read index, §6.4 */
    RAFT_READ_INDEX = 12,
    RAFT_READ_INDEX_ANSWER = 13, /* (context: as asked; index; refused) */
};

struct raft_message {
    uint8_t kind; /* enum raft_message_kind */
    bool refused;
    bool forced;
    uint64_t from;
    uint64_t to;
    uint64_t generation; /* of the shard; an older one is refused, see raft.h */
    uint64_t term;
    uint64_t index;
    struct raft_position position;
    uint64_t commit;
    uint64_t round;      /* of ReadIndex */
    uint64_t sent_at_ms; /* the leader's clock, echoed: for leases */
    uint64_t context;
    /* An append's entries follow position.index without a gap. On the way out only the count is
     * set, and the node reads them from its log; on the way in all are. */
    const struct raft_entry *entries;
    size_t entry_count;
    const struct raft_configuration *configuration;
};

/* The kind for people, such as "append"; "unknown" for what is none. */
const char *raft_message_kind_text(uint8_t kind);

#endif
