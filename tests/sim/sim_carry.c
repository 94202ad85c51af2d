/* What keeps an old segment of the log alive is copied forward, a shard at a time, while all the
 * rest goes on. */
#include "core/check.h"
#include "storage/crash_point.h"
#include "tests/sim/sim.h"

static void carry(struct shard *shard)
{
    struct node *node = shard->node;

    shard->carry = (struct log_append){.shard = shard->group};
    CRASH_POINT("node.before_carry");
    enum status status = log_carry(node->log, &shard->carry);
    if (status == STATUS_OK) {
        shard->carry_is_out = true;
        CRASH_POINT("node.carry_submitted");
        node_writer_wake(node);
    } else if (status == STATUS_CORRUPT) {
        shard->found_rot = true;
        shard->is_dirty = true;
    } else if (status == STATUS_IO_ERROR) {
        node_die(node);
    } else {
        CHECK(status == STATUS_NOT_FOUND || status == STATUS_TOO_LARGE || status == STATUS_BUSY);
    }
}

void carry_oldest(struct node *node)
{
    struct log_pin pins[GROUPS_MAX];
    size_t count = log_pins(node->log, pins, GROUPS_MAX);

    for (size_t i = 0; i < count && !node->dying; i++) {
        struct shard *shard = &node->shards[pins[i].shard];

        if (shard->phase == SHARD_RUNS && !shard->carry_is_out) {
            carry(shard);
            return;
        }
    }
}
