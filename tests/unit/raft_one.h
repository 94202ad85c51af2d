/* One replica of storage/raft, number 1, with the test in the place of all the others. */
#ifndef AVISO_TESTS_UNIT_RAFT_ONE_H
#define AVISO_TESTS_UNIT_RAFT_ONE_H

#include "storage/raft/raft.h"

enum { ONE_ELECTION_MS = 1000, ONE_HEARTBEAT_MS = 100, ONE_NOW_MS = 5000 };

struct one {
    struct raft *raft;
    uint64_t now_ms;
    struct raft_effects effects; /* of the last step */
    enum status status;
};

/* Voters 1..`voters`; the terms of its log as digits ("112" for three entries); a term, and a vote.
 * `adjust`, when not NULL, changes the options. */
struct one one_start(size_t voters, const char *log, uint64_t term, uint64_t vote,
                     void (*adjust)(struct raft_options *options));
void one_free(struct one *one);

void one_step(struct one *one, struct raft_event event);
void one_receive(struct one *one, struct raft_message message);

/* A message to replica 1 from another, without fields. */
struct raft_message one_from(uint64_t from, enum raft_message_kind kind, uint64_t term);

/* An append after `position` with the entries of these terms. */
void one_receive_append(struct one *one, uint64_t from, uint64_t term,
                        struct raft_position position, const char *terms, uint64_t commit);

/* An answer to an append. */
void one_matched(struct one *one, uint64_t from, uint64_t index);

/* Time passes, and a tick. */
void one_tick(struct one *one, uint64_t ms);

/* The last write is durable. */
void one_persist(struct one *one);

/* Makes it leader of the next term, with the votes of all. Its no-op is durable and not committed.
 */
void one_lead(struct one *one);

/* The same, and the no-op is committed. */
void one_lead_committed(struct one *one);

enum status one_propose(struct one *one, size_t count);

/* The message of this kind to `to` (0 for anyone) in the last effects, or NULL. */
const struct raft_message *one_sent(const struct one *one, enum raft_message_kind kind,
                                    uint64_t to);
size_t one_sent_count(const struct one *one, enum raft_message_kind kind);

/* It waits for the write. */
bool one_is_durable(const struct one *one, const struct raft_message *message);

struct raft_state one_state(const struct one *one);

/* The configuration of these replicas, as text: "1 2 3" voters, "L4" learner, "-5" outgoing, "=6"
 * voter before and after, "~7" outgoing that becomes a learner. */
struct raft_configuration one_configuration(const char *text);

/* Steps RAFT_CONFIGURATION_PROPOSED. */
enum status one_change(struct one *one, const char *text);

#endif
