/* What only a shard's leader does: changes of who belongs to it, and giving leadership away. Who
 * asked hears of it when it is done, or when it cannot be known here any more. */
#include "storage/shard_parts.h"

static void end(struct shard_wish *wish, enum status status)
{
    shard_ended_fn *done = wish->done;

    wish->done = NULL;
    if (done != NULL) {
        done(wish->context, status);
    }
}

static enum status may_lead(const struct shard *shard)
{
    if (!shard_is_running(shard)) {
        return shard->status != STATUS_OK ? shard->status : STATUS_UNAVAILABLE;
    }
    if (shard->is_full) {
        return STATUS_NO_SPACE;
    }
    if (shard->is_stopping) {
        return STATUS_UNAVAILABLE;
    }
    return shard->leads ? STATUS_OK : STATUS_NOT_LEADER;
}

/* Steps `event`; then the wish waits for its end. */
static void begin(struct shard *shard, struct shard_wish *wish, struct raft_event *event,
                  shard_ended_fn *done, void *context)
{
    enum status status = wish->done != NULL ? STATUS_BUSY : may_lead(shard);

    if (status == STATUS_OK) {
        event->now_ms = loop_now_ms(shard->options.loop);
        status = replica_step(shard->replica, event);
    }
    if (status != STATUS_OK) {
        done(context, status == STATUS_EXISTS ? STATUS_OK : status);
        return;
    }
    wish->done = done;
    wish->context = context;
    shard_turn_soon(shard);
}

void shard_change(struct shard *shard, const struct raft_configuration *wished,
                  shard_ended_fn *done, void *context)
{
    struct raft_event event = {.kind = RAFT_CONFIGURATION_PROPOSED, .configuration = wished};

    begin(shard, &shard->change, &event, done, context);
    if (shard->change.done == done && shard->change.context == context) {
        shard->changes_to = *wished;
    }
}

void shard_transfer(struct shard *shard, uint64_t replica, shard_ended_fn *done, void *context)
{
    struct raft_event event = {.kind = RAFT_TRANSFER, .peer = replica};

    begin(shard, &shard->transfer, &event, done, context);
}

void shard_look_at_wishes(struct shard *shard, const struct raft_state *raft, bool lost)
{
    bool leads = raft->role == RAFT_LEADER && !lost;
    bool is_committed = raft->commit_index >= raft->configuration_index;

    if (shard->change.done != NULL && is_committed &&
        raft_configuration_equals(raft->configuration, &shard->changes_to)) {
        end(&shard->change, STATUS_OK);
    } else if (!leads) {
        end(&shard->change, STATUS_UNAVAILABLE);
    }
    if (!leads) {
        end(&shard->transfer, STATUS_OK);
    } else if (raft->transferring_to == 0) {
        end(&shard->transfer, STATUS_TIMED_OUT);
    }
}

void shard_end_wishes(struct shard *shard, enum status status)
{
    end(&shard->change, status);
    end(&shard->transfer, status);
}

/* ---- Before a stop ---- */

/* Who leads and stops gives leadership away first, so that nobody has to wait for an election. */
bool shard_hands_over(struct shard *shard)
{
    struct raft_event event = {.kind = RAFT_TRANSFER, .now_ms = loop_now_ms(shard->options.loop)};

    if (!shard->leads || shard->is_alone || shard->is_full || !shard_is_running(shard)) {
        return false;
    }
    if (shard->has_tried_to_hand_over) {
        return replica_state(shard->replica).transferring_to != 0;
    }
    shard->has_tried_to_hand_over = true;
    if (replica_step(shard->replica, &event) != STATUS_OK) {
        return false;
    }
    shard_turn_soon(shard);
    return true;
}
