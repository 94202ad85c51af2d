/* The state of sim_state.h over the real storage/apply and a store in memory. */
#ifndef AVISO_TESTS_SIM_SIM_STATE_MAIL_H
#define AVISO_TESTS_SIM_SIM_STATE_MAIL_H

#include "tests/sim/sim_state.h"

struct mail_state;
struct mail_blob;

struct mail_state *mail_state_new(unsigned group, const struct raft_configuration_at *began);
void mail_state_free(struct mail_state *state);
void mail_state_encode(unsigned group, const struct state_command *command, struct buffer *output);
enum status mail_state_apply(struct mail_state *state, const struct log_entry *entries,
                             size_t count, struct state_outcome *out_outcomes,
                             uint64_t *out_digests);
const struct state_meta *mail_state_meta(const struct mail_state *state);
uint64_t mail_state_durable_index(const struct mail_state *state);
void mail_state_flush(struct mail_state *state);
void mail_state_crash(struct mail_state *state, struct random *random);
void mail_state_rot(struct mail_state *state);
struct mail_blob *mail_state_export(struct mail_state *state);
void mail_blob_free(struct mail_blob *blob);
void mail_state_clear(struct mail_state *state);
void mail_state_ingest(struct mail_state *state, const struct mail_blob *blob, unsigned piece,
                       unsigned pieces);
enum status mail_state_read(struct mail_state *state, unsigned box, struct state_view *out_view);
unsigned mail_state_find(struct mail_state *state, unsigned box, uint64_t operation,
                         uint32_t *out_uid);
bool mail_state_is_sound(struct mail_state *state);

#endif
