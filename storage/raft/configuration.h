/* Who belongs to a Raft group: voters, learners, and both sets of voters while one hands over to
 * the other (joint consensus; Ongaro's dissertation, chapter 4).
 *
 * A configuration is a value. It takes effect when its entry is appended, not when it commits
 * (§4.1), and is undone when that entry is truncated. It travels as the payload of entries of kind
 * RAFT_ENTRY_CONFIGURATION, in snapshots, and in the state's meta row. */
#ifndef AVISO_STORAGE_RAFT_CONFIGURATION_H
#define AVISO_STORAGE_RAFT_CONFIGURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

enum {
    RAFT_REPLICAS_MAX = 16,                                  /* of all sorts in one configuration */
    RAFT_CONFIGURATION_SIZE_MAX = 2 + RAFT_REPLICAS_MAX * 10 /* octets, encoded */
};

/* What a replica is. The sets allowed: VOTER, LEARNER; and while joint also OUTGOING (leaves),
 * VOTER|OUTGOING (stays) and LEARNER|OUTGOING (becomes a learner). */
enum raft_part {
    RAFT_VOTER = 1 << 0,    /* votes from now on */
    RAFT_OUTGOING = 1 << 1, /* voted before the change; only in a joint configuration */
    RAFT_LEARNER = 1 << 2,  /* receives entries, and counts nowhere */
};

struct raft_replica {
    uint64_t id;      /* of a life of a replica, see raft.h; never 0 */
    uint8_t parts;    /* a set of enum raft_part */
    uint8_t priority; /* higher leads by preference; it shifts timeouts and never forbids */
};

struct raft_configuration {
    size_t count;
    struct raft_replica replicas[RAFT_REPLICAS_MAX]; /* by ascending id */
};

/* The replica with this id, or NULL. Borrows from `configuration`. */
const struct raft_replica *raft_configuration_find(const struct raft_configuration *configuration,
                                                   uint64_t id);

/* Both sets of voters are in force. */
bool raft_configuration_is_joint(const struct raft_configuration *configuration);

/* Votes in at least one of the sets in force. */
bool raft_configuration_votes(const struct raft_configuration *configuration, uint64_t id);

/* The same replicas with the same parts and priorities. */
bool raft_configuration_equals(const struct raft_configuration *one,
                               const struct raft_configuration *other);

/* Puts a replica in at its place, or changes it. TOO_LARGE: RAFT_REPLICAS_MAX are there. */
NODISCARD enum status raft_configuration_put(struct raft_configuration *configuration,
                                             struct raft_replica replica);

/* OK for what the comments above allow: ids ascending and not 0, allowed sets of parts, one VOTER
 * at least, and one OUTGOING at least if anything is joint. Otherwise INVALID. */
NODISCARD enum status raft_configuration_check(const struct raft_configuration *configuration);

/* The joint configuration between two that are not joint: both sets of voters, all learners. A
 * replica that only `before` has is OUTGOING; priorities are those of `after` where it has one.
 * TOO_LARGE: the union has over RAFT_REPLICAS_MAX. INVALID: one of them is joint or not allowed. */
NODISCARD enum status raft_configuration_join(const struct raft_configuration *before,
                                              const struct raft_configuration *after,
                                              struct raft_configuration *out_joint);

/* What a joint configuration becomes when the change ends: without the outgoing set. */
struct raft_configuration raft_configuration_leave(const struct raft_configuration *joint);

/* True when `replicas` (a set over the places in configuration->replicas, bit i for place i) has a
 * majority of the voters, and while joint a majority of each of the two sets (§4.3). */
bool raft_configuration_quorum(const struct raft_configuration *configuration, uint32_t replicas);

/* The greatest value that a quorum has reached; `values` by place, 0 where nothing is known. While
 * joint: the smaller of the two majorities'. */
uint64_t raft_configuration_reached(const struct raft_configuration *configuration,
                                    const uint64_t values[RAFT_REPLICAS_MAX]);

/* Octets that raft_configuration_encode() appends. */
size_t raft_configuration_size(const struct raft_configuration *configuration);

/* Appends: version (1), count, then id (8, big-endian), parts, priority of each. */
void raft_configuration_encode(const struct raft_configuration *configuration,
                               struct buffer *output);

/* Reads all of `bytes`. UNSUPPORTED: another version. INVALID: anything else than one encoded
 * configuration that raft_configuration_check() accepts. */
NODISCARD enum status raft_configuration_decode(struct slice bytes,
                                                struct raft_configuration *out_configuration);

#endif
