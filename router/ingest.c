#include "router/ingest.h"

#include <pthread.h>

#include "core/arena.h"
#include "core/check.h"
#include "core/macros.h"
#include "core/memory.h"
#include "mail/mime.h"
#include "net/sha256.h"
#include "router/frames.h"
#include "router/mailbox_client.h"

enum { INLINE_SIZE_MAX = 256 * 1024 }; /* octets worked on the loop: about 2 ms */

/* What a message became, with all its octets behind it. */
struct kept {
    struct ingested ingested; /* first: who has it sees only this */
    struct arena arena;
};

struct ingest_work {
    struct ingest *ingest; /* NULL: cancelled */
    struct slice message;
    enum status status;
    struct ingested *ingested;
    struct worker_job job;
    struct loop_message turn;
    pthread_mutex_t running; /* held by the worker while it reads `message` */
};

/* ---- The work itself ---- */

static uint64_t key_of(struct slice id)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < id.size; i++) {
        hash = (hash ^ (unsigned char)id.data[i]) * 0x100000001b3;
    }
    return hash;
}

/* "<id>" of the Message-ID field is "id" of References. */
static struct slice bare_id(struct slice id)
{
    return id.size > 2 && id.data[0] == '<' && id.data[id.size - 1] == '>'
               ? slice_skip(slice_prefix(id, id.size - 1), 1)
               : id;
}

static void add_thread_keys(const struct digest *digest, struct ingested *ingested)
{
    struct slice id = bare_id(digest->envelope.message_id);

    if (id.size > 0) {
        ingested->thread_keys[ingested->thread_key_count++] = key_of(id);
    }
    for (size_t i = 0; i < digest->reference_count; i++) {
        ingested->thread_keys[ingested->thread_key_count++] = key_of(digest->references[i]);
    }
}

static struct slice compress(struct slice bytes, struct arena *arena)
{
    char *frame = arena_room(arena, frame_size_bound(bytes.size));

    return (struct slice){frame, frame_compress(bytes, frame)};
}

static void compress_body(struct slice body, struct kept *kept)
{
    size_t count = (body.size + BODY_FRAME_SIZE - 1) / BODY_FRAME_SIZE;
    struct slice *frames = arena_array(&kept->arena, count, sizeof(*frames));

    for (size_t i = 0; i < count; i++) {
        struct slice rest = slice_skip(body, i * BODY_FRAME_SIZE);

        frames[i] = compress(slice_prefix(rest, BODY_FRAME_SIZE), &kept->arena);
    }
    kept->ingested.body_frames = frames;
    kept->ingested.body_frame_count = count;
}

static struct slice encode(const struct digest *digest, struct arena *arena)
{
    struct buffer octets;

    buffer_init(&octets, DIGEST_SIZE_MAX);
    CHECK(digest_encode(digest, &octets) == STATUS_OK); /* the parser's budget sees to it */
    struct slice kept = arena_copy(arena, buffer_view(&octets));

    buffer_done(&octets);
    return kept;
}

enum status ingest_message(struct slice message, struct ingested **out_ingested)
{
    struct arena parsing;
    struct digest digest;

    arena_init(&parsing);
    mime_parse(message, &parsing, &digest);
    if (digest.header_size > HEADER_SIZE_MAX) {
        arena_done(&parsing);
        return STATUS_TOO_LARGE;
    }
    struct kept *kept = NEW(struct kept);
    struct ingested *ingested = &kept->ingested;
    struct slice body = slice_skip(message, (size_t)digest.header_size);

    arena_init(&kept->arena);
    ingested->references = 1;
    ingested->digest = encode(&digest, &kept->arena);
    ingested->header_size = (uint32_t)digest.header_size;
    ingested->body_size = body.size;
    sha256_of(body, ingested->body_id);
    ingested->header_frame =
        compress(slice_prefix(message, (size_t)digest.header_size), &kept->arena);
    compress_body(body, kept);
    add_thread_keys(&digest, ingested);
    arena_done(&parsing);
    *out_ingested = ingested;
    return STATUS_OK;
}

struct ingested *ingested_ref(struct ingested *ingested)
{
    ingested->references++;
    return ingested;
}

void ingested_unref(struct ingested *ingested)
{
    if (ingested == NULL || --ingested->references > 0) {
        return;
    }
    struct kept *kept = CONTAINER_OF(ingested, struct kept, ingested);

    arena_done(&kept->arena);
    memory_free(kept);
}

/* ---- Who does it, and when it is told ---- */

static void finish(struct ingest_work *work)
{
    struct ingest *ingest = work->ingest;

    if (ingest != NULL) {
        ingest->work = NULL;
        ingest->done(ingest, work->status, work->ingested);
    } else {
        ingested_unref(work->ingested);
    }
    pthread_mutex_destroy(&work->running);
    memory_free(work);
}

static void on_turn(struct loop_message *turn)
{
    finish(CONTAINER_OF(turn, struct ingest_work, turn));
}

static void work_on(struct worker_job *job)
{
    struct ingest_work *work = CONTAINER_OF(job, struct ingest_work, job);

    pthread_mutex_lock(&work->running);
    if (work->ingest != NULL) {
        work->status = ingest_message(work->message, &work->ingested);
    }
    pthread_mutex_unlock(&work->running);
}

static void on_worked(struct worker_job *job)
{
    finish(CONTAINER_OF(job, struct ingest_work, job));
}

void ingest_start(struct router *router, struct ingest *ingest, struct slice message,
                  void (*done)(struct ingest *ingest, enum status status,
                               struct ingested *ingested))
{
    struct ingest_work *work = NEW(struct ingest_work);

    *work = (struct ingest_work){
        .ingest = ingest,
        .message = message,
        .job = {.work = work_on, .done = on_worked},
        .turn = {.run = on_turn},
    };
    pthread_mutex_init(&work->running, NULL);
    ingest->done = done;
    ingest->work = work;
    if (message.size > INLINE_SIZE_MAX && router_workers(router) != NULL) {
        if (worker_submit(router_workers(router), router_loop(router), &work->job) == STATUS_OK) {
            return;
        }
        work->status = STATUS_BUSY;
    } else {
        work->status = ingest_message(message, &work->ingested);
    }
    loop_post(router_loop(router), &work->turn);
}

void ingest_cancel(struct ingest *ingest)
{
    struct ingest_work *work = ingest->work;

    if (work == NULL) {
        return;
    }
    /* The message may go once this returns: a worker that reads it now is waited for. */
    pthread_mutex_lock(&work->running);
    work->ingest = NULL;
    pthread_mutex_unlock(&work->running);
    ingest->work = NULL;
}
