/* What must hold of what clients were told: answers, reads, and what a forced configuration takes
 * back. */
#include <inttypes.h>
#include <string.h>

#include "core/memory.h"
#include "tests/sim/sim.h"

/* ---- What clients were told ---- */

static struct acked *acked_of(struct group *group, uint64_t operation)
{
    if (operation >= group->acked_capacity) {
        size_t before = group->acked_capacity;

        group->acked_capacity = operation * 2 + 256;
        group->acked = memory_resized(group->acked, group->acked_capacity * sizeof(*group->acked));
        memset(group->acked + before, 0, (group->acked_capacity - before) * sizeof(*group->acked));
    }
    return &group->acked[operation];
}

void check_acked(struct sim *sim, unsigned number, const struct operation *operation,
                 const struct answer *answer)
{
    struct group *group = &sim->groups[number];
    const struct state_outcome *outcome = &answer->outcome;
    struct acked *acked = acked_of(group, operation->id);

    if (outcome->operation != operation->id) {
        sim_fail(sim, "answers: group %u operation %" PRIu64 " got the answer of %" PRIu64, number,
                 operation->id, outcome->operation);
        return;
    }
    if (outcome->status != STATUS_OK && operation->kind == OPERATION_DELIVER) {
        sim_fail(sim, "answers: group %u operation %" PRIu64 " came to %s", number, operation->id,
                 status_text(outcome->status));
        return;
    }
    if (!outcome->repeated && outcome->status == STATUS_OK &&
        outcome->modseq <= operation->acked_modseq) {
        sim_fail(sim,
                 "MODSEQ never goes back: group %u box %u: %" PRIu64 " was acknowledged before "
                 "operation %" PRIu64 " began, which got %" PRIu64,
                 number, operation->box, operation->acked_modseq, operation->id, outcome->modseq);
    }
    if (operation->kind == OPERATION_DELIVER && !outcome->repeated &&
        outcome->uid <= operation->acked_uid) {
        sim_fail(sim,
                 "a UID is never given twice: group %u box %u: %" PRIu64 " was acknowledged before "
                 "operation %" PRIu64 " began, which got %" PRIu32,
                 number, operation->box, operation->acked_uid, operation->id, outcome->uid);
    }
    SIM_TRACE(sim,
              "client %u: operation %" PRIu64 " of group %u box %u is acknowledged: uid %" PRIu32
              " modseq %" PRIu64 " entry %" PRIu64,
              answer->client, operation->id, number, operation->box, outcome->uid, outcome->modseq,
              answer->position.index);
    *acked = (struct acked){.index = answer->position.index,
                            .uid = outcome->uid,
                            .box = (uint8_t)operation->box,
                            .kind = (uint8_t)operation->kind,
                            .modseq = outcome->modseq};
    group->acked_count++;
    if (answer->position.index > group->acked_index) {
        group->acked_index = answer->position.index;
    }
    if (outcome->modseq > group->box_modseq[operation->box]) {
        group->box_modseq[operation->box] = outcome->modseq;
    }
    if (operation->kind == OPERATION_DELIVER && outcome->uid > group->box_uid[operation->box]) {
        group->box_uid[operation->box] = outcome->uid;
    }
}

void check_read(struct sim *sim, unsigned number, const struct operation *operation,
                const struct answer *answer)
{
    sim->groups[number].read_count++;
    SIM_TRACE(sim,
              "client %u: read group %u box %u: uidnext %" PRIu64 " modseq %" PRIu64
              " at entry %" PRIu64,
              answer->client, number, operation->box, answer->view.uid_next, answer->view.modseq,
              answer->applied);
    if (answer->view.uid_next <= operation->acked_uid ||
        answer->view.modseq < operation->acked_modseq || answer->applied < operation->acked_index) {
        sim_fail(sim,
                 "reads see what was acknowledged: group %u box %u: a read that began at %.3f saw "
                 "uidnext %" PRIu64 " modseq %" PRIu64 " entry %" PRIu64 ", but uid %" PRIu64
                 " modseq %" PRIu64 " entry %" PRIu64 " were acknowledged before",
                 number, operation->box, (double)operation->began_us / SECOND,
                 answer->view.uid_next, answer->view.modseq, answer->applied, operation->acked_uid,
                 operation->acked_modseq, operation->acked_index);
    }
}

/* ---- A forced configuration: what its survivor has is what there is ---- */

static void forget_what_is_lost(struct sim *sim, struct group *group, uint64_t from)
{
    uint64_t forgiven = 0;

    memset(group->box_uid, 0, sizeof(group->box_uid));
    memset(group->box_modseq, 0, sizeof(group->box_modseq));
    group->acked_index = 0;
    for (uint64_t i = 0; i < group->acked_capacity; i++) {
        struct acked *acked = &group->acked[i];

        if (acked->index >= from) {
            acked->index = 0;
            forgiven++;
        } else if (acked->index > 0) {
            group->acked_index =
                acked->index > group->acked_index ? acked->index : group->acked_index;
            if (acked->modseq > group->box_modseq[acked->box]) {
                group->box_modseq[acked->box] = acked->modseq;
            }
            if (acked->kind == OPERATION_DELIVER && acked->uid > group->box_uid[acked->box]) {
                group->box_uid[acked->box] = acked->uid;
            }
        }
    }
    for (unsigned i = 0; i < sim->plan.clients; i++) {
        struct client *client = &sim->clients[i];

        if (client->group == group->number) {
            client->operation.acked_uid = client->operation.acked_modseq = 0;
            client->operation.acked_index = 0;
        }
    }
    sim_tell(sim,
             "group %u: what was committed from entry %" PRIu64 " on is lost by force, %" PRIu64
             " acknowledged operations among it",
             group->number, from, forgiven);
}

void check_forced(struct sim *sim, unsigned number, struct shard *survivor)
{
    struct group *group = &sim->groups[number];
    struct log_bounds bounds;
    uint64_t from, term;

    if (log_bounds(survivor->node->log, number, &bounds) != STATUS_OK) {
        sim_fail(sim, "group %u: the forced log is not there", number);
        return;
    }
    from = bounds.compacted.index + 1;
    while (from < bounds.last.index && from <= group->committed_last &&
           log_term(survivor->node->log, number, from, &term) == STATUS_OK &&
           group->committed[from].term == term) {
        from++;
    }
    for (uint64_t index = from; index <= group->committed_last; index++) {
        group->committed[index] = (struct committed){0};
    }
    if (from <= group->committed_last) {
        forget_what_is_lost(sim, group, from);
        group->committed_last = from - 1;
    }
    if (group->entry_capacity > 0) {
        memset(group->entries, 0, group->entry_capacity * sizeof(*group->entries));
    }
    group->entry_count = group->leader_count = group->vote_count = 0;
}
