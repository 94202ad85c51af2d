/* A log as it should be, in a few lines, beside the real one on a fake disk: every operation is
 * done to both, and after a crash the real one has to be what the model was at some moment between
 * the last known to be durable and the last submitted. */
#ifndef AVISO_TESTS_FAKES_LOG_MODEL_H
#define AVISO_TESTS_FAKES_LOG_MODEL_H

#include "core/random.h"
#include "storage/log.h"
#include "tests/fakes/fake_disk.h"

enum {
    MODEL_SHARDS = 5,
    MODEL_ENTRIES = 160, /* of one shard at a time */
    MODEL_MOMENTS = 400,
};

struct model_entry {
    uint64_t term;
    uint64_t content; /* the seed of its payload */
};

struct model_shard {
    bool exists;
    uint64_t generation;
    struct raft_hard_state hard_state;
    struct raft_position compacted;
    uint64_t last_index;
    struct model_entry entries[MODEL_ENTRIES]; /* of index at [index % MODEL_ENTRIES] */
};

/* All shards after one submission. */
struct model_moment {
    struct model_shard shards[MODEL_SHARDS];
};

struct log_model {
    struct fake_disk *disk;
    struct log *log;
    struct log_options options;
    struct random random;

    struct model_moment *moments;                /* [0] is durable */
    size_t count;                                /* the last is what memory shows */
    size_t written;                              /* moments that log_write() took, [0] with them */
    struct log_append *in_flight[MODEL_MOMENTS]; /* submissions not completed */
    size_t in_flight_count;
    uint64_t failed; /* completions with NO_SPACE since the last look */
    uint64_t next_content;
    uint64_t crashes, refusals; /* what was seen, so that a test can tell it saw anything */
};

void log_model_init(struct log_model *model, uint64_t seed);
void log_model_done(struct log_model *model);

/* One random operation on both, crashes and faults included. */
void log_model_step(struct log_model *model);

/* Submits one random batch; writes; syncs and takes the completions. */
void log_model_append(struct log_model *model);
void log_model_write(struct log_model *model);
void log_model_sync(struct log_model *model);

/* Closes the log after the power went, or not, opens it and finds out which moment it is. */
void log_model_reopen(struct log_model *model);
void log_model_power_cut(struct log_model *model, enum fake_disk_loss loss);

/* Whether the log shows this moment, payloads and all; of one shard, and of all. */
bool log_model_shard_matches(struct log_model *model, uint32_t number,
                             const struct model_shard *shard);
bool log_model_matches(struct log_model *model, const struct model_moment *moment);

#endif
