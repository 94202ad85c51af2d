#include "tests/sim/sim_state_mail.h"
struct mail_state *mail_state_new(unsigned group, const struct raft_configuration_at *began)
{
    return NULL;
}
void mail_state_free(struct mail_state *state)
{
}
void mail_state_encode(unsigned group, const struct state_command *command, struct buffer *output)
{
}
enum status mail_state_apply(struct mail_state *state, const struct log_entry *entries,
                             size_t count, struct state_outcome *out_outcomes,
                             uint64_t *out_digests)
{
    return STATUS_OK;
}
const struct state_meta *mail_state_meta(const struct mail_state *state)
{
    return NULL;
}
uint64_t mail_state_durable_index(const struct mail_state *state)
{
    return 0;
}
void mail_state_flush(struct mail_state *state)
{
}
void mail_state_crash(struct mail_state *state, struct random *random)
{
}
void mail_state_rot(struct mail_state *state)
{
}
struct mail_blob *mail_state_export(struct mail_state *state)
{
    return NULL;
}
void mail_blob_free(struct mail_blob *blob)
{
}
void mail_state_clear(struct mail_state *state)
{
}
void mail_state_ingest(struct mail_state *state, const struct mail_blob *blob, unsigned piece,
                       unsigned pieces)
{
}
enum status mail_state_read(struct mail_state *state, unsigned box, struct state_view *out_view)
{
    return STATUS_OK;
}
unsigned mail_state_find(struct mail_state *state, unsigned box, uint64_t operation,
                         uint32_t *out_uid)
{
    return 0;
}
bool mail_state_is_sound(struct mail_state *state)
{
    return true;
}
