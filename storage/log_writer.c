#include "storage/log_writer.h"

#include <pthread.h>

#include "core/check.h"
#include "core/memory.h"

struct log_writer {
    struct log *log;
    log_completed_fn *on_completed;
    void *context;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t is_wanted;
    bool has_work;
    bool is_stopping;
};

/* Waits for work. False: there is none left, and there will be none. */
static bool wait_for_work(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    while (!writer->has_work && !writer->is_stopping) {
        pthread_cond_wait(&writer->is_wanted, &writer->lock);
    }

    bool has_work = writer->has_work;

    writer->has_work = false;
    pthread_mutex_unlock(&writer->lock);
    return has_work;
}

static void complete(struct log_writer *writer)
{
    struct log_append *append;

    while ((append = log_completed(writer->log)) != NULL) {
        writer->on_completed(writer->context, append);
    }
}

/* Writes and syncs as long as something is pending: what comes meanwhile is the next batch. */
static void work(struct log_writer *writer)
{
    enum status status = STATUS_OK;

    while (status != STATUS_AGAIN && status != STATUS_IO_ERROR) {
        status = log_write(writer->log);
        if (status != STATUS_AGAIN) {
            enum status synced = log_sync(writer->log);

            status = synced == STATUS_OK ? status : synced;
        }
        complete(writer);
    }
    log_mark(writer->log);
    complete(writer);
}

static void *run(void *context)
{
    struct log_writer *writer = context;

    while (wait_for_work(writer)) {
        work(writer);
    }
    return NULL;
}

void log_writer_wake(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);

    bool is_new = !writer->has_work;

    writer->has_work = true;
    pthread_mutex_unlock(&writer->lock);
    if (is_new) {
        pthread_cond_signal(&writer->is_wanted);
    }
}

static enum status woken(struct log_writer *writer, enum status status)
{
    if (status == STATUS_OK) {
        log_writer_wake(writer);
    }
    return status;
}

struct log_writer *log_writer_new(struct log *log, log_completed_fn *on_completed, void *context)
{
    struct log_writer *writer = NEW(struct log_writer);

    writer->log = log;
    writer->on_completed = on_completed;
    writer->context = context;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->is_wanted, NULL);
    CHECK(pthread_create(&writer->thread, NULL, run, writer) == 0);
    return writer;
}

enum status log_writer_submit(struct log_writer *writer, struct log_append *append)
{
    return woken(writer, log_submit(writer->log, append));
}

enum status log_writer_compact(struct log_writer *writer, uint32_t shard, uint64_t index,
                               uint64_t durable_applied_index)
{
    return woken(writer, log_compact(writer->log, shard, index, durable_applied_index));
}

enum status log_writer_forget(struct log_writer *writer, struct log_append *append)
{
    return woken(writer, log_forget(writer->log, append));
}

enum status log_writer_carry(struct log_writer *writer, struct log_append *append)
{
    return woken(writer, log_carry(writer->log, append));
}

void log_writer_free(struct log_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    pthread_mutex_lock(&writer->lock);
    writer->is_stopping = true;
    pthread_mutex_unlock(&writer->lock);
    pthread_cond_signal(&writer->is_wanted);
    CHECK(pthread_join(writer->thread, NULL) == 0);
    pthread_mutex_destroy(&writer->lock);
    pthread_cond_destroy(&writer->is_wanted);
    memory_free(writer);
}
