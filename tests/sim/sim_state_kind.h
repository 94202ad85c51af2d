/* What a kind of state provides: one function for each of sim_state.h. */
#ifndef AVISO_TESTS_SIM_SIM_STATE_KIND_H
#define AVISO_TESTS_SIM_SIM_STATE_KIND_H

#include "tests/sim/sim_state.h"

/* What every state begins with. */
struct state {
    const struct state_kind *kind;
};

/* What every export begins with. */
struct state_blob {
    const struct state_kind *kind;
    unsigned references;
};

struct state_kind {
    struct state *(*new)(unsigned group, const struct raft_configuration_at *began);
    void (*free)(struct state *state);
    void (*encode)(const struct state *state, const struct state_command *command,
                   struct buffer *output);
    enum status (*apply)(struct state *state, const struct log_entry *entries, size_t count,
                         struct state_outcome *out_outcomes, uint64_t *out_digests);
    const struct state_meta *(*meta)(struct state *state);
    uint64_t (*durable_index)(struct state *state);
    void (*flush)(struct state *state);
    void (*crash)(struct state *state, struct random *random);
    void (*rot)(struct state *state);
    struct state_blob *(*export)(struct state *state);
    void (*blob_free)(struct state_blob *blob);
    void (*clear)(struct state *state);
    void (*ingest)(struct state *state, const struct state_blob *blob, unsigned piece,
                   unsigned pieces);
    enum status (*read)(struct state *state, unsigned box, struct state_view *out_view);
    unsigned (*find)(struct state *state, unsigned box, uint64_t operation, uint32_t *out_uid);
    bool (*is_sound)(struct state *state);
};

#endif
