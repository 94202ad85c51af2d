/* What the records that a recovery finds mean for the shards. Pure. */
#ifndef AVISO_STORAGE_LOG_REPLAY_H
#define AVISO_STORAGE_LOG_REPLAY_H

#include "storage/log_core.h"

/* An entry that was carried forward while its old place was not known any more. */
struct log_carried {
    uint32_t shard;
    uint64_t index;
    uint64_t term;
    struct log_location location;
};

struct log_replay {
    struct log *log;
    bool is_based;    /* a segment before this began with all states; else its own are taken */
    uint32_t segment; /* that is being read */
    bool saw_states;  /* all that this segment begins with */
    bool saw_records; /* others */

    /* The records of the batch that is not whole yet; a STATE's payload. */
    struct log_record *batch;
    size_t batch_count, batch_capacity;
    struct log_state state;

    struct log_carried *carried;
    size_t carried_count, carried_capacity;
    uint32_t *seen; /* the shards whose state this segment began with */
    size_t seen_count, seen_capacity;
};

/* A segment's records follow. */
void log_replay_begin_segment(struct log_replay *replay, uint32_t segment);

/* The next sound record with its payload. True: it ended a batch, which is applied. */
bool log_replay_record(struct log_replay *replay, const struct log_record *record,
                       struct slice payload);

/* A segment that is known to be whole ended. */
void log_replay_end_segment(struct log_replay *replay);

/* Something of the shard is damaged; or of any of those there are. The batch at hand is void. */
void log_replay_damage(struct log_replay *replay, uint32_t shard);
void log_replay_damage_all(struct log_replay *replay);

/* The shard of the batch at hand lost the rest of it. */
void log_replay_break_batch(struct log_replay *replay);

/* All is read: whoever misses entries is damaged. */
void log_replay_finish(struct log_replay *replay);
void log_replay_done(struct log_replay *replay);

#endif
