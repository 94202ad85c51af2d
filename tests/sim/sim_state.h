/* The state of one replica: a state machine over something that is durable only after a flush.
 *
 * There are two kinds, and a plan says which one a run has. The small one has the shape of
 * storage/apply.h and is fast enough for thousands of hours: mailboxes that give UIDs and modseqs,
 * and remember the operations that made them (sim_state_small.c). The other one is storage/apply.h
 * itself, with real commands, over a store in memory (sim_state_mail.c). */
#ifndef AVISO_TESTS_SIM_SIM_STATE_H
#define AVISO_TESTS_SIM_SIM_STATE_H

#include "core/random.h"
#include "storage/log.h"

enum { STATE_BOXES = 4 };

struct state;
struct state_blob;
struct state_kind;
extern const struct state_kind state_small, state_mail;

struct state_meta {
    struct raft_position applied;
    uint64_t digest;
    struct raft_configuration_at configuration;
};

/* What a command came to; all zero for entries that are none. */
struct state_outcome {
    bool is_command;
    bool repeated; /* it was applied before: the same outcome again */
    enum status status;
    uint64_t operation;
    uint8_t kind;
    uint8_t box;
    uint32_t uid;
    uint64_t modseq;
};

/* What a reader sees of a box. */
struct state_view {
    uint64_t uid_next;
    uint64_t modseq;
    uint64_t count;
};

struct state_command {
    uint8_t kind;
    uint8_t box;
    uint32_t uid;
    uint64_t operation;
    uint64_t request; /* another request id than the operation's; 0: that */
    uint64_t wall_ms;
    size_t filler; /* octets of content */
};

/* `began`: the configuration at index 0. */
struct state *state_new(const struct state_kind *kind, unsigned group,
                        const struct raft_configuration_at *began);
void state_free(struct state *state);

/* Appends the payload of an entry. */
void state_encode(const struct state *state, const struct state_command *command,
                  struct buffer *output);

/* Entries in order, the next first; an outcome and the digest after it for each. CORRUPT: a row is
 * damaged. NO_SPACE: nothing was changed. */
enum status state_apply(struct state *state, const struct log_entry *entries, size_t count,
                        struct state_outcome *out_outcomes, uint64_t *out_digests);

/* Valid until the next change. */
const struct state_meta *state_meta(struct state *state);
uint64_t state_durable_index(struct state *state);
void state_flush(struct state *state);

/* Falls back to the state after one of the batches since the last flush. */
void state_crash(struct state *state, struct random *random);

/* A row is damaged: the next that reads it finds out. */
void state_rot(struct state *state);

/* All of it, as it is now; counted. */
struct state_blob *state_export(struct state *state);
struct state_blob *state_blob_ref(struct state_blob *blob);
void state_blob_unref(struct state_blob *blob);

/* Durably. Ingesting goes piece by piece, the last makes the state whole. */
void state_clear(struct state *state);
void state_ingest(struct state *state, const struct state_blob *blob, unsigned piece,
                  unsigned pieces);

/* CORRUPT: a row is damaged. */
enum status state_read(struct state *state, unsigned box, struct state_view *out_view);

/* How many messages of `box` came from `operation`, and the UID of one. */
unsigned state_find(struct state *state, unsigned box, uint64_t operation, uint32_t *out_uid);

/* No two messages share a UID, and none is at or over UIDNEXT. */
bool state_is_sound(struct state *state);

#endif
