/* Consensus of one: what is durable is committed. The term rises at each start, so that entries of
 * different lives of the process are told apart. */
#include "core/check.h"
#include "core/memory.h"
#include "storage/consensus.h"

struct consensus {
    uint64_t node;
    struct raft_hard_state hard_state;
    struct raft_position last;
    uint64_t commit_index;
    bool is_raised; /* the term is durable; until then every write brings it */
    struct raft_entry *entries;
    size_t entry_capacity;
};

struct consensus *consensus_new(const struct consensus_start *start)
{
    struct consensus *consensus = NEW(struct consensus);

    consensus->node = start->node;
    consensus->hard_state = start->hard_state;
    consensus->last = start->last;
    consensus->commit_index = start->last.index; /* all that was recovered is durable */
    return consensus;
}

void consensus_free(struct consensus *consensus)
{
    if (consensus != NULL) {
        memory_free(consensus->entries);
        memory_free(consensus);
    }
}

static struct consensus_effects write_effects(const struct consensus *consensus)
{
    return (struct consensus_effects){
        .writes = true,
        .mark = {consensus->hard_state.term, consensus->last},
        .hard_state = consensus->is_raised ? NULL : &consensus->hard_state,
        .apply_through = consensus->commit_index,
    };
}

void consensus_begin(struct consensus *consensus, struct consensus_effects *out_effects)
{
    consensus->hard_state.term++;
    consensus->hard_state.vote = consensus->node;
    *out_effects = write_effects(consensus);
}

enum status consensus_propose(struct consensus *consensus, const uint32_t *sizes, size_t count,
                              struct consensus_effects *out_effects)
{
    if (count > consensus->entry_capacity) {
        consensus->entries =
            memory_resized(consensus->entries, count * sizeof(consensus->entries[0]));
        consensus->entry_capacity = count;
    }
    for (size_t index = 0; index < count; index++) {
        consensus->last.index++;
        consensus->last.term = consensus->hard_state.term;
        consensus->entries[index] = (struct raft_entry){
            .index = consensus->last.index,
            .term = consensus->last.term,
            .size = sizes[index],
            .kind = RAFT_ENTRY_COMMAND,
        };
    }
    *out_effects = write_effects(consensus);
    out_effects->entries = consensus->entries;
    out_effects->entry_count = count;
    return STATUS_OK;
}

void consensus_persisted(struct consensus *consensus, struct raft_mark mark,
                         struct consensus_effects *out_effects)
{
    CHECK(mark.last.index <= consensus->last.index);
    consensus->is_raised = true;
    if (mark.last.index > consensus->commit_index) {
        consensus->commit_index = mark.last.index;
    }
    *out_effects = (struct consensus_effects){.apply_through = consensus->commit_index};
}

void consensus_lost(struct consensus *consensus, struct raft_position last)
{
    CHECK(last.index >= consensus->commit_index);
    consensus->last = last;
}
