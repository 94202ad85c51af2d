/* A shard's inside, for the files that it consists of. */
#ifndef AVISO_STORAGE_SHARD_PARTS_H
#define AVISO_STORAGE_SHARD_PARTS_H

#include "core/buffer.h"
#include "storage/consensus.h"
#include "storage/shard.h"
#include "storage/watches.h"

enum { SHARD_RETRY_MS = 250 /* between two tries to write to a full disk */ };

/* One command on its way; in one list at a time. */
struct proposal {
    struct proposal *next;
    shard_done_fn *done;
    void *context;
    uint64_t index; /* once it is an entry */
    uint64_t term;
    struct buffer payload;
    struct apply_outcome outcome; /* once it is applied, until its batch is settled */
};

struct proposal_list {
    struct proposal *first;
    struct proposal **end;
};

struct shard {
    struct shard_options options;
    enum status status; /* as in shard_state */
    bool is_stopping;
    struct consensus *consensus;
    struct apply *apply;
    struct store_batch *batch;
    struct uid_cache *uid_cache;
    struct watches *watches;

    struct proposal_list collected; /* not in the log yet */
    struct proposal_list written;   /* in the log, by index */
    struct loop_message drain;      /* hands what is collected to the log */
    bool drain_is_posted;
    struct loop_message applying; /* applies what is committed */
    bool applying_is_posted;
    size_t waiting_size;
    size_t writes_in_flight;
    bool is_lost; /* the log is full: nothing new until all writes in flight came back */
    uint64_t apply_through;
    uint64_t compacted_index;

    uint64_t opened_ms; /* of the loop's clock */
    struct loop_timer care; /* removal, trimming, compaction, another try when the disk was full */
    bool step_in_flight;
    uint64_t applied_count;
    uint64_t batch_count;
};

/* Lists keep their order. */
void proposal_list_init(struct proposal_list *list);
void proposal_list_add(struct proposal_list *list, struct proposal *proposal);
struct proposal *proposal_list_take(struct proposal_list *list);

/* Answers and frees. */
void proposal_end(struct shard *shard, struct proposal *proposal, enum status status,
                  struct slice reply);
void proposal_list_end(struct shard *shard, struct proposal_list *list, enum status status);

/* The shard stops for good; all that waits is answered with `status`. */
void shard_fail(struct shard *shard, enum status status, const char *act);

/* Sees to it that committed entries are applied in this turn of the loop. */
void shard_apply_soon(struct shard *shard);

/* Applies what the log has after the state. */
NODISCARD enum status shard_replay(struct shard *shard, uint64_t last_index);

/* The loop's messages and timer (shard_apply.c, shard_care.c). */
void shard_on_applying(struct loop_message *message);
void shard_on_care(struct loop_timer *timer);

/* Proposes the next step of removal if there is something to remove. */
void shard_remove_more(struct shard *shard);

#endif
