/* How fast the log takes entries of many groups: log_bench FOLDER [SECONDS].
 *
 * FOLDER is empty and on the disk to be measured. Each group keeps some submissions on their way,
 * and lets go of old entries, as shards do. Prints entries and octets a second, processor time an
 * entry and entries a sync. */
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/number.h"
#include "storage/log_writer.h"

enum {
    GROUPS = 100,
    BATCH_MAX = 16,
    KEPT_OCTETS = 64 << 20, /* of all groups together, before they are compacted */
};

struct work {
    const char *name;
    size_t payload_size;
    size_t batch;
    size_t outstanding; /* submissions of a group */
};

struct submission {
    struct log_append append;
    struct log_entry entries[BATCH_MAX];
};

struct bench {
    const struct work *work;
    struct log *log;
    struct log_writer *writer;
    pthread_mutex_t lock;
    pthread_cond_t is_done;
    struct log_append *done, *done_last;
    uint64_t next_index[GROUPS];
    uint64_t durable_index[GROUPS];
    char *payload;
};

static void on_completed(void *context, struct log_append *append)
{
    struct bench *bench = context;

    pthread_mutex_lock(&bench->lock);
    *(bench->done_last != NULL ? &bench->done_last->next : &bench->done) = append;
    bench->done_last = append;
    pthread_mutex_unlock(&bench->lock);
    pthread_cond_signal(&bench->is_done);
}

static struct log_append *take_done(struct bench *bench)
{
    pthread_mutex_lock(&bench->lock);
    while (bench->done == NULL) {
        pthread_cond_wait(&bench->is_done, &bench->lock);
    }

    struct log_append *done = bench->done;

    bench->done = NULL;
    bench->done_last = NULL;
    pthread_mutex_unlock(&bench->lock);
    return done;
}

static void submit(struct bench *bench, struct submission *submission)
{
    uint32_t group = submission->append.shard;

    for (size_t i = 0; i < bench->work->batch; i++) {
        submission->entries[i] = (struct log_entry){
            .position = {.term = 1, .index = bench->next_index[group]++},
            .kind = RAFT_ENTRY_COMMAND,
            .payload = {bench->payload, bench->work->payload_size},
        };
    }
    submission->append.entries = submission->entries;
    submission->append.entry_count = bench->work->batch;
    CHECK(log_writer_submit(bench->writer, &submission->append) == STATUS_OK);
}

/* Lets go of what is old enough. */
static void compact(struct bench *bench, uint32_t group)
{
    uint64_t kept = KEPT_OCTETS / GROUPS / bench->work->payload_size;
    uint64_t durable = bench->durable_index[group];

    if (durable > kept && durable % (kept + 1) < bench->work->batch) {
        CHECK(log_writer_compact(bench->writer, group, durable - kept / 2, durable) == STATUS_OK);
    }
}

static uint64_t run(struct bench *bench, uint64_t until_ms)
{
    size_t count = GROUPS * bench->work->outstanding;
    struct submission *submissions = memory_zeroed(count * sizeof(*submissions));
    size_t flying = count;
    uint64_t entries = 0;

    for (size_t i = 0; i < count; i++) {
        submissions[i].append.shard = (uint32_t)(i % GROUPS);
        submit(bench, &submissions[i]);
    }
    while (flying > 0) {
        struct log_append *append = take_done(bench);
        bool is_over = clock_monotonic_ms() >= until_ms;

        while (append != NULL) {
            struct log_append *next = append->next;

            CHECK(append->status == STATUS_OK);
            bench->durable_index[append->shard] += bench->work->batch;
            entries += bench->work->batch;
            if (is_over) {
                flying--;
            } else {
                compact(bench, append->shard);
                submit(bench, (struct submission *)append);
            }
            append = next;
        }
    }
    memory_free(submissions);
    return entries;
}

static double processor_seconds(void)
{
    struct rusage usage;

    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void clear_log(struct log *log)
{
    for (uint32_t group = 0; group < GROUPS; group++) {
        struct log_append append = {.shard = group};

        CHECK(log_forget(log, &append) == STATUS_OK);
        CHECK(log_write(log) == STATUS_OK && log_sync(log) == STATUS_OK);
        CHECK(log_completed(log) == &append);
    }
}

static void measure(const char *folder, const struct work *work, uint64_t seconds)
{
    struct bench bench = {.work = work, .payload = memory_zeroed(work->payload_size)};
    struct log_options options = {.files = &file_system_posix, .folder = folder};

    pthread_mutex_init(&bench.lock, NULL);
    pthread_cond_init(&bench.is_done, NULL);
    for (size_t i = 0; i < GROUPS; i++) {
        bench.next_index[i] = 1;
    }
    CHECK(log_open(&options, &bench.log) == STATUS_OK);
    bench.writer = log_writer_new(bench.log, on_completed, &bench);

    uint64_t begin_us = clock_monotonic_us();
    double begin_processor = processor_seconds();
    uint64_t entries = run(&bench, clock_monotonic_ms() + seconds * 1000);
    double elapsed = (double)(clock_monotonic_us() - begin_us) / 1e6;
    double processor = processor_seconds() - begin_processor;

    log_writer_free(bench.writer);

    struct log_statistics statistics = log_statistics(bench.log);

    printf("%-34s %9.0f entries/s %7.1f MB/s %6.2f us CPU/entry %8.1f entries/sync %5.0f syncs/s\n",
           work->name, (double)entries / elapsed,
           (double)entries * (double)work->payload_size / elapsed / 1e6,
           processor * 1e6 / (double)entries, (double)entries / (double)statistics.sync_count,
           (double)statistics.sync_count / elapsed);
    clear_log(bench.log);
    log_close(bench.log);
    memory_free(bench.payload);
}

int main(int count, char **arguments)
{
    static const struct work works[] = {
        {"1 KiB, 1 a batch, 32 outstanding", 1024, 1, 32},
        {"1 KiB, 16 a batch, 4 outstanding", 1024, 16, 4},
        {"64 KiB, 1 a batch, 2 outstanding", 65536, 1, 2},
    };
    uint64_t seconds = 5;

    if (count < 2 ||
        (count > 2 && number_parse(slice_of(arguments[2]), 600, &seconds) != STATUS_OK)) {
        fprintf(stderr, "usage: log_bench FOLDER [SECONDS]\n");
        return 2;
    }
    for (size_t i = 0; i < COUNT_OF(works); i++) {
        measure(arguments[1], &works[i], seconds);
    }
    return 0;
}
