#include "tests/sim/sim_state.h"

#include "tests/sim/sim_state_kind.h"

struct state *state_new(const struct state_kind *kind, unsigned group,
                        const struct raft_configuration_at *began)
{
    struct state *state = kind->new (group, began);

    state->kind = kind;
    return state;
}

void state_free(struct state *state)
{
    if (state != NULL) {
        state->kind->free(state);
    }
}

void state_encode(const struct state *state, const struct state_command *command,
                  struct buffer *output)
{
    state->kind->encode(state, command, output);
}

enum status state_apply(struct state *state, const struct log_entry *entries, size_t count,
                        struct state_outcome *out_outcomes, uint64_t *out_digests)
{
    return state->kind->apply(state, entries, count, out_outcomes, out_digests);
}

const struct state_meta *state_meta(struct state *state)
{
    return state->kind->meta(state);
}

uint64_t state_durable_index(struct state *state)
{
    return state->kind->durable_index(state);
}

void state_flush(struct state *state)
{
    state->kind->flush(state);
}

void state_crash(struct state *state, struct random *random)
{
    state->kind->crash(state, random);
}

void state_rot(struct state *state)
{
    state->kind->rot(state);
}

struct state_blob *state_export(struct state *state)
{
    struct state_blob *blob = state->kind->export(state);

    blob->kind = state->kind;
    blob->references = 1;
    return blob;
}

struct state_blob *state_blob_ref(struct state_blob *blob)
{
    blob->references++;
    return blob;
}

void state_blob_unref(struct state_blob *blob)
{
    if (blob != NULL && --blob->references == 0) {
        blob->kind->blob_free(blob);
    }
}

void state_clear(struct state *state)
{
    state->kind->clear(state);
}

void state_ingest(struct state *state, const struct state_blob *blob, unsigned piece,
                  unsigned pieces)
{
    state->kind->ingest(state, blob, piece, pieces);
}

enum status state_read(struct state *state, unsigned box, struct state_view *out_view)
{
    return state->kind->read(state, box, out_view);
}

unsigned state_find(struct state *state, unsigned box, uint64_t operation, uint32_t *out_uid)
{
    return state->kind->find(state, box, operation, out_uid);
}

bool state_is_sound(struct state *state)
{
    return state->kind->is_sound(state);
}
