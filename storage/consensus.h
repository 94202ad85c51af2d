/* Who decides that an entry is committed: what the runtime of a shard asks, in the words of
 * storage/raft/raft.h. storage/sole_voter.c answers for a group of one voter, where durable is
 * committed.
 *
 *     new -> begin -> ( propose, persisted, lost )* -> free
 *
 * Pure: an event comes in, effects come back. The caller hands the write to the log, and says with
 * its mark when it is durable. What effects point to is valid until the next event. */
#ifndef AVISO_STORAGE_CONSENSUS_H
#define AVISO_STORAGE_CONSENSUS_H

#include "core/macros.h"
#include "core/status.h"
#include "storage/raft/raft.h"

struct consensus;

/* The log as it was recovered. */
struct consensus_start {
    struct raft_hard_state hard_state;
    struct raft_position last;
    uint64_t node;
};

struct consensus_effects {
    bool writes;
    struct raft_mark mark; /* of the write */
    const struct raft_hard_state *hard_state;
    const struct raft_entry *entries;
    size_t entry_count;
    uint64_t apply_through; /* committed up to here; never goes back */
};

/* free accepts NULL. */
struct consensus *consensus_new(const struct consensus_start *start);
void consensus_free(struct consensus *consensus);

/* Takes part from now on. */
void consensus_begin(struct consensus *consensus, struct consensus_effects *out_effects);

/* Commands with payloads of these sizes, which become the entries of the effects, in this order.
 * NOT_LEADER; BUSY. */
NODISCARD enum status consensus_propose(struct consensus *consensus, const uint32_t *sizes,
                                        size_t count, struct consensus_effects *out_effects);

/* The write with this mark is durable, and all before it. */
void consensus_persisted(struct consensus *consensus, struct raft_mark mark,
                         struct consensus_effects *out_effects);

/* The log refused all that was not yet written: it ends at `last`. */
void consensus_lost(struct consensus *consensus, struct raft_position last);

#endif
