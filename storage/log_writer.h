/* The thread that writes a log: one for each disk.
 *
 * It takes everything pending, of all shards: one write, one fdatasync, then the completions; while
 * it syncs, the next batch fills. So the busier the disk, the larger the batches: group commit
 * without a timer. */
#ifndef AVISO_STORAGE_LOG_WRITER_H
#define AVISO_STORAGE_LOG_WRITER_H

#include "storage/log.h"

struct log_writer;

/* A submission ended, with `append->status`; the structure is the owner's again. Runs on the
 * writer's thread, in the order of submission, and must not block: it posts to a loop. */
typedef void log_completed_fn(void *context, struct log_append *append);

/* Starts the thread. `log` must outlive it, and from now on nobody else may call the writer's
 * functions of storage/log.h. */
struct log_writer *log_writer_new(struct log *log, log_completed_fn *on_completed, void *context);

/* Any thread. log_submit(), and the writer is woken. The same failures; then on_completed is not
 * called. It may be called before this returns, on the writer's thread: an owner's loop sees it as
 * a message, so after. */
NODISCARD enum status log_writer_submit(struct log_writer *writer, struct log_append *append);

/* The same for log_compact(), log_forget() and log_carry(). */
NODISCARD enum status log_writer_compact(struct log_writer *writer, uint32_t shard, uint64_t index,
                                         uint64_t durable_applied_index);
NODISCARD enum status log_writer_forget(struct log_writer *writer, struct log_append *append);
NODISCARD enum status log_writer_carry(struct log_writer *writer, struct log_append *append);

/* Any thread. Something was submitted to the log itself: the writer is to look. */
void log_writer_wake(struct log_writer *writer);

/* Finishes all that was submitted, with its completions, and joins the thread. Nobody submits any
 * more. The log stays open. Accepts NULL. */
void log_writer_free(struct log_writer *writer);

#endif
