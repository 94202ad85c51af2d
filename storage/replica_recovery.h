/* What raft has to know of a replica that begins again: read from its log and its state. For
 * storage/replica.c alone. */
#ifndef AVISO_STORAGE_REPLICA_RECOVERY_H
#define AVISO_STORAGE_REPLICA_RECOVERY_H

#include "storage/replica.h"

struct replica_recovery {
    struct log_bounds bounds;
    struct raft_term_run *runs;
    size_t run_count;
    uint32_t *sizes;
    size_t entry_count;
    struct raft_configuration_at *configurations;
    size_t configuration_count;
};

/* Failures as replica_open(); replica_recovery_done() is due in any case. */
NODISCARD enum status replica_recovery_read(struct replica_recovery *recovery,
                                            const struct replica_options *options);
void replica_recovery_done(struct replica_recovery *recovery);

#endif
