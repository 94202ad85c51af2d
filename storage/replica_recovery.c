#include "storage/replica_recovery.h"
#include "core/memory.h"

/* Log and state fit together when the state is a prefix of what the log had: between where the log
 * begins and where it ends, and of the same term. */
static enum status fit(const struct replica_options *options, const struct log_bounds *bounds)
{
    uint64_t applied = options->applied.index;
    uint64_t term;

    if (applied < bounds->compacted.index || applied > bounds->last.index) {
        return STATUS_CORRUPT;
    }
    enum status status = log_term(options->log, options->shard, applied, &term);
    if (status == STATUS_OK && term != options->applied.term) {
        return STATUS_CORRUPT;
    }
    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}

static enum status recover_configuration(struct replica_recovery *recovery, struct log *log,
                                         uint32_t shard, uint64_t index)
{
    struct log_entries entries;
    struct raft_configuration configuration;

    enum status status = log_read(log, shard, index, index + 1, 1, false, &entries);
    if (status != STATUS_OK) {
        return status;
    }
    status = raft_configuration_decode(entries.items[0].payload, &configuration);
    log_entries_done(&entries);
    if (status != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    size_t size = (recovery->configuration_count + 1) * sizeof(*recovery->configurations);
    recovery->configurations = memory_resized(recovery->configurations, size);
    recovery->configurations[recovery->configuration_count++] =
        (struct raft_configuration_at){.index = index, .configuration = configuration};
    return STATUS_OK;
}

static void recover_term(struct replica_recovery *recovery, uint64_t index, uint64_t term)
{
    size_t count = recovery->run_count;

    if (count > 0 && recovery->runs[count - 1].term == term) {
        return;
    }
    if ((count & (count + 1)) == 0) { /* full at 0, 1, 3, 7 ... */
        recovery->runs = memory_resized(recovery->runs, (2 * count + 1) * sizeof(*recovery->runs));
    }
    recovery->runs[recovery->run_count++] =
        (struct raft_term_run){.first_index = index, .term = term};
}

static enum status recover_entry(struct replica_recovery *recovery,
                                 const struct replica_options *options, uint64_t index)
{
    struct log_description description;

    enum status status = log_describe(options->log, options->shard, index, &description);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
    }
    recovery->sizes[recovery->entry_count++] = description.size;
    recover_term(recovery, index, description.term);
    if (description.kind == RAFT_ENTRY_CONFIGURATION && index > options->applied.index) {
        return recover_configuration(recovery, options->log, options->shard, index);
    }
    return STATUS_OK;
}

static enum status recover_entries(struct replica_recovery *recovery,
                                   const struct replica_options *options,
                                   const struct log_bounds *bounds)
{
    uint64_t count = bounds->last.index - bounds->compacted.index;

    recovery->sizes = memory_zeroed((count + 1) * sizeof(*recovery->sizes));
    for (uint64_t index = bounds->compacted.index + 1; index <= bounds->last.index; index++) {
        enum status status = recover_entry(recovery, options, index);

        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

enum status replica_recovery_read(struct replica_recovery *recovery,
                                  const struct replica_options *options)
{
    struct log_bounds bounds = {0};

    *recovery = (struct replica_recovery){0};
    enum status status = log_bounds(options->log, options->shard, &bounds);
    if (status == STATUS_NOT_FOUND && options->fresh) {
        bounds = (struct log_bounds){.compacted = options->applied, .last = options->applied};
        status = STATUS_OK;
    } else if (status == STATUS_OK) {
        status = fit(options, &bounds);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        recovery->configurations = NEW(struct raft_configuration_at);
        recovery->configurations[recovery->configuration_count++] = options->configuration;
        status = recover_entries(recovery, options, &bounds);
    }
    recovery->bounds = bounds;
    return status;
}

void replica_recovery_done(struct replica_recovery *recovery)
{
    memory_free(recovery->configurations);
    memory_free(recovery->runs);
    memory_free(recovery->sizes);
}
